"""A variational and a diffusion autoencoder with the same encoder: what they reconstruct, and what their latents know.

    just run autoencoders                         # the 8×8 digits of scikit-learn
    just run autoencoders --preset cpu            # 5 000 images of MNIST (pip install "entropax[mnist]")

Two numbers for each image ("Diffusion models are Kelly gamblers", App. F.2). The Gaussian likelihood of the one makes
reconstructions means of what the latent leaves open, the diffusion decoder of the other draws from it. How sharp they
are is their power at high frequencies, beside that of the images; rate and distortion, -log p(x|z) of dequantised
images, are points of one plane, in nats; and what their latents tell of the label, I(Z;Y), is by the methods of
`runs.latents`.

Digits take four minutes of one slow core, MNIST 80. Expected of MNIST: the variational one's power 0.03 of the images',
rate 20.9, I(Z;Y) 1.24; the diffusion one's 1.08, 5.4 and 0.62.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs import _image_models as models, _latent_knowledge as knowledge, _latent_models as latents
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is trained, and how closely it is measured.

    **Arguments:**

    - `data`, `seed`: of the training.
    - `budget`: of both; the variational one takes as many steps.
    - `images`: how many unseen images are measured, at most.
    - `shown`: reconstructions.
    - `nodes`: noise levels an image.
    - `fitting`: steps of the diffusion models of the latents.
    """

    data: models.DataName = "digits"
    budget: latents.Budget = latents.Budget(dim=2)
    seed: int = 0
    images: int = 1_000
    shown: int = 200
    nodes: int = 64
    fitting: int = 2_000


PRESETS = {
    "smoke": Config(budget=latents.Budget(dim=2, steps=20, batch_size=32), images=64, shown=20, nodes=4, fitting=20),
    "default": Config(),
    "cpu": Config(data="mnist5k", budget=latents.Budget("convolutional", dim=2, steps=4_000, batch_size=64), nodes=16),
    "paper": Config(data="mnist", budget=latents.of_many_images(2)),
}


def sharpness(images: np.ndarray) -> np.ndarray:
    """Power of each image beyond half of the highest frequency along either axis, shape `(batch,)`."""
    power = np.abs(np.fft.fft2(images)) ** 2 / images[0].size
    frequencies = [np.abs(np.fft.fftfreq(side)) for side in images.shape[-2:]]
    high = np.maximum.outer(*frequencies) > 0.25
    return np.sum(np.where(high, power, 0.0), axis=tuple(range(1, images.ndim)))


def run(config: Config, record: Record) -> dict[str, Any]:
    split = models.load(config.data)
    net_key, train_key, pixel_key, known_key, measure_key, draw_key = jr.split(jr.key(config.seed), 6)
    learn, (x, labels) = latents.examples(split, config.budget, config.images, key=pixel_key)
    networks = {
        "diffusion": latents.diffusion_autoencoder(split, config.budget, (), net_key),
        "variational": latents.variational_autoencoder(split, config.budget, net_key),
    }
    arrays, metrics = {}, {}
    for name, untrained in networks.items():
        with record.stage(f"train {name}"):
            model = latents.train(untrained, split, config.budget, key=train_key)
        with record.stage(f"measure {name}"):
            (z,), (row,) = knowledge.known(model, learn, (x, labels), key=known_key, steps=config.fitting)
            integrator = ex.Integrator(nodes=ex.Stratified(config.nodes), chunk=128)
            whole = model if isinstance(model, ex.latent.VariationalAutoencoder) else latents.complete(model, split)
            distortion = whole.distortion(x, (z,), key=measure_key, integrator=integrator)
            drawn = model.decode((z[: config.shown],), key=draw_key)
        grey = lambda part: np.asarray(part).reshape(-1, *split.test.shape)
        arrays |= {f"latent_{name}": np.asarray(z), f"decoded_{name}": grey(drawn)}
        metrics[name] = {
            **row,
            "distortion": distortion,
            "sharpness": float(sharpness(grey(drawn)).mean() / sharpness(grey(x[: config.shown])).mean()),
            "squared_error": float(jnp.mean((drawn - x[: config.shown]) ** 2)),
        }
    record.save(real=np.asarray(x[: config.shown]).reshape(-1, *split.test.shape), labels=labels, **arrays)
    return metrics


if __name__ == "__main__":
    main(PRESETS, run)
