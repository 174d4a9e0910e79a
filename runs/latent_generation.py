"""Samples by label through the latent of a diffusion autoencoder, beside samples of a model that is told the label.

    just run latent_generation                  # the 8×8 digits of scikit-learn
    just run latent_generation --preset cpu     # 5 000 images of MNIST (pip install "entropax[mnist]")

"A second diffusion model is trained to generate from Y the latent Z first, which is then used to produce X" ("Diffusion
models are Kelly gamblers", the end of App. F.1). The decoder and the model that is told the label are one network,
trained as long; both priors can be guided. Of the samples of each class: the energy distance from unseen images, beside
that of the images of the training; the share that a classifier of real images, trees, reads as the label that was asked
for; and how far samples of a class are from each other, beside real ones, of which guidance leaves less.

On one core, a slow one, digits take 3 minutes. Expected: without guidance both roads are nearly as far from unseen
images as those of the training are, 0.27 and 0.24 beside 0.19 ± 0.03. With w = 1 trees read 97 % and all as asked, and
the spread is 0.97 through the latent and 0.89 by the label alone.
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

import entropax as ex
from runs import _image_models as models, _latent_knowledge as knowledge, _latent_models as latents
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is trained, and what is drawn.

    **Arguments:**

    - `data`, `seed`: of the training.
    - `budget`: of the autoencoder, and of the model that is told the label.
    - `fitting`: steps of the diffusion model of the latents.
    - `weights`: of guidance.
    - `images`: how many unseen images are looked at, at most; as many are drawn, with their labels.
    - `grid`: how many of each class are kept to be shown.
    """

    data: models.DataName = "digits"
    budget: latents.Budget = latents.Budget()
    seed: int = 0
    fitting: int = 2_000
    weights: tuple[float, ...] = (0.0, 1.0, 3.0)
    images: int = 1_000
    grid: int = 8


PRESETS = {
    "smoke": Config(
        budget=latents.Budget(dim=2, steps=20, batch_size=32), fitting=20, weights=(0.0, 1.0), images=100, grid=2
    ),
    "default": Config(),
    "cpu": Config(data="mnist5k", budget=latents.Budget(dim=20)),
    "paper": Config(data="mnist", budget=latents.of_many_images(20), images=10_000),
}

ROADS = ("latent", "direct")


def by_class(x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Of each class."""
    return [x[y == label] for label in range(models.CLASSES)]


def spread(x: np.ndarray, y: np.ndarray) -> float:
    """The root of twice the total variance of a class: how far two samples of it are from each other; the mean over
    classes."""
    return float(np.mean([np.sqrt(2 * of_class.var(0, ddof=1).sum()) for of_class in by_class(x, y)]))


def measured(x: np.ndarray, y: np.ndarray, real: tuple[np.ndarray, np.ndarray], classifier) -> dict[str, Any]:
    """Of samples, beside unseen images."""
    rows, unseen = x.reshape(len(x), -1), real[0].reshape(len(real[0]), -1)
    distances = [
        ex.distance.energy_distance(mine, theirs)
        for mine, theirs in zip(by_class(rows, y), by_class(unseen, real[1]), strict=True)
    ]
    values, errors = ([float(getattr(d, name)) for d in distances] for name in ("value", "stderr"))
    right = classifier.predict(rows) == y
    return {
        "energy_distance": {
            "value": float(np.mean(values)),
            "stderr": float(np.linalg.norm(errors) / len(errors)),
        },
        "read_as_asked": {"value": float(right.mean()), "stderr": float(right.std() / np.sqrt(len(right)))},
        "spread": spread(rows, y) / spread(unseen, real[1]),
    }


def run(config: Config, record: Record) -> dict[str, Any]:
    split = models.load(config.data)
    net_key, train_key, pixel_key, latent_key, fit_key, draw_key = jr.split(jr.key(config.seed), 6)
    learn, (x, wanted) = latents.examples(split, config.budget, config.images, key=pixel_key)
    with record.stage("train"):
        model = latents.diffusion_autoencoder(split, config.budget, (), net_key)
        model = latents.train(model, split, config.budget, key=train_key)
        direct = latents.by_label(split, config.budget, net_key)
        direct = latents.train_by_label(direct, split, config.budget, key=train_key)
        (z,) = ex.latent.encode(model, learn[0], key=latent_key)
        prior = knowledge.latent_model(np.asarray(z), learn[1], key=fit_key, steps=config.fitting)
    real, training = ((np.asarray(images), labels) for images, labels in ((x, wanted), learn))
    trees = ExtraTreesClassifier(300, random_state=0).fit(training[0].reshape(len(z), -1), training[1])
    rows = {"real": measured(*real, real, trees) | {"energy_distance": None}}
    # As many as there are unseen ones.
    seen = training[0][: len(wanted)], training[1][: len(wanted)]
    rows["training images"] = measured(*seen, real, trees)
    kept = {"real": real, "training images": seen}
    asked = jnp.asarray(wanted)
    with record.stage("draw"):
        for weight in config.weights:
            drawn = {
                "latent": ex.latent.generate(model, ex.Guided(prior, weight), asked, key=draw_key),
                "direct": latents.drawn(ex.Guided(direct, weight), asked, x.shape[1:], key=draw_key),
            }
            for road in ROADS:
                name = f"{road}, w = {weight:g}"
                samples = np.asarray(drawn[road]), wanted
                rows[name], kept[name] = measured(*samples, real, trees), samples
    grids = {name: np.concatenate([one[: config.grid] for one in by_class(*part)]) for name, part in kept.items()}
    record.save(**{name: grid.reshape(-1, *split.test.shape) for name, grid in grids.items()})
    return rows


if __name__ == "__main__":
    main(PRESETS, run)
