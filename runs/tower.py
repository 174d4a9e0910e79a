"""The tower: a latent of a diffusion autoencoder for each of several bands of noise levels, and what each knows.

    just run tower                              # the 8×8 digits of scikit-learn, six bands
    just run tower --preset cpu                 # 5 000 images of MNIST (pip install "entropax[mnist]")

"A diffusion model is an infinite tower of variational autoencoders, each capturing information at a different level of
abstraction" ("Diffusion models are Kelly gamblers", App. C and F.3, of which `runs.latents` has two floors). Bands are
between times s of the paper's process. Of each latent: the rate KL(q‖N(0, I)) and that within a class, what the decoder
gains from it in its band, which is no more than I(X;Z), and I(Z;Y) by the methods of `runs.latents`. Images are decoded
from the same noise with the latents of all bands, of those with the most noise alone, and of those with the least.

On one core, a slow one, digits take 4 minutes. Expected: the bands of s from 0.1 to 0.5 tell most of the label, 1.5 to
1.8 nats, that of the most noise 1.1, and what is finer than s = 0.1 next to nothing.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs import _image_models as models, _latent_knowledge as knowledge, _latent_models as latents
from runs._gaussian import PROCESS
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is trained, and how closely it is measured.

    **Arguments:**

    - `data`, `seed`: of the training.
    - `budget`: of the autoencoder.
    - `times`: the edges of the bands, between 0 and 1.
    - `images`: how many unseen images are measured, at most.
    - `shown`: decoded images.
    - `nodes`: noise levels an image, in each band.
    - `fitting`: steps of the diffusion models of the latents.
    """

    data: models.DataName = "digits"
    budget: latents.Budget = latents.Budget()
    seed: int = 0
    times: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3, 0.5)
    images: int = 1_000
    shown: int = 200
    nodes: int = 16
    fitting: int = 2_000


PRESETS = {
    "smoke": Config(
        budget=latents.Budget(dim=2, steps=20, batch_size=32),
        times=(0.1, 0.3),
        images=64,
        shown=10,
        nodes=4,
        fitting=20,
    ),
    "default": Config(),
    "cpu": Config(data="mnist5k", budget=latents.Budget(dim=20)),
    "paper": Config(data="mnist", budget=latents.of_many_images(20)),
}


def silent(denoiser: ex.latent.Bands, low: float, high: float) -> ex.Guided:
    """A denoiser that hears no latent between two noise levels: with a weight of -1 guidance is the prediction
    without."""
    return ex.Guided(denoiser, ex.Interval(-1.0, low, high))


def run(config: Config, record: Record) -> dict[str, Any]:
    split = models.load(config.data)
    net_key, train_key, pixel_key, known_key, measure_key, draw_key = jr.split(jr.key(config.seed), 6)
    edges = ex.latent.band_edges(PROCESS, *config.times)
    learn, (x, labels) = latents.examples(split, config.budget, config.images, key=pixel_key)
    with record.stage("train"):
        model = latents.diffusion_autoencoder(split, config.budget, edges, net_key)
        model = latents.train(model, split, config.budget, key=train_key)
    low, high = model.denoiser.log_snr_range
    ends = (low, *edges, high)
    times = (1.0, *sorted(config.times, reverse=True), 0.0)
    names = [f"{until:g} to {begin:g}" for begin, until in zip(times, times[1:])]
    with record.stage("measure"):
        z, rows = knowledge.known(model, learn, (x, labels), key=known_key, steps=config.fitting)
        for row, band in zip(rows, zip(ends, ends[1:])):
            integrator = ex.Integrator(nodes=ex.Stratified(config.nodes), log_snr_range=band, chunk=128)
            told = ex.mutual_information(
                model.denoiser, x, z, key=measure_key, method=ex.LossGapForm(), integrator=integrator
            )
            row |= {"log_snr": list(band), "gain": told}
    shown = x[: config.shown]
    told = tuple(latent[: config.shown] for latent in z)
    grey = lambda part: np.asarray(part).reshape(-1, *split.test.shape)
    arrays, decodings = {"real": grey(shown), "labels": labels[: config.shown]}, {}
    with record.stage("decode"):
        # With the two ends inside.
        wider = (low - 1, *edges, high + 1)
        for number in range(len(wider)):
            # Told so many bands from the most noise on, or from the least.
            for name, quiet in (("coarse", (wider[number], np.inf)), ("fine", (-np.inf, wider[-1 - number]))):
                drawn = latents.drawn(silent(model.denoiser, *quiet), told, shown.shape[1:], key=draw_key)
                arrays[f"{name}_{number}"] = grey(drawn)
                decodings[f"{name} {number}"] = float(jnp.mean((drawn - shown) ** 2))
    record.save(**arrays)
    bands = dict(zip(names, rows))
    return {"bands": bands, "squared_error": decodings, "H(Y)": ex.label_entropy(jnp.asarray(labels))}


if __name__ == "__main__":
    main(PRESETS, run)
