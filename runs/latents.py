"""What each noise level knows: latents of a diffusion autoencoder that serve different noise levels, and the labels.

    python -m runs.latents                                   # the 8×8 digits of scikit-learn
    python -m runs.latents --shard 0/2                       # and 1/2 at the same time: half of the networks each
    python -m runs.latents --preset cpu                      # 5 000 images of MNIST (pip install "entropax[mnist]")

Two latents, z_sem for s >= τ and z_per for s < τ, are learnt without labels, with a decoder that predicts the noise:
what z_per tells is of no use but where noise is small ("Diffusion models are Kelly gamblers", Sec. 6 and App. F). For
each τ and each seed an autoencoder is trained, and I(Z_sem;Y) and I(Z_per;Y) are measured by four forms of a small
diffusion model of z|y, by a linear probe, and by nearest neighbours; beside them the rates KL(q‖N(0, I)), those within
a class, E log q(z|x)/p(z|y), the distortion -log p(x|z), and I(X;Z) by what the decoder gains from the latents.

Each autoencoder has a file of its own, and a run that was killed goes on with the next.
"""

import dataclasses
import functools
import time
from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import rich.table
import tyro
from sklearn.manifold import TSNE

import entropax as ex
from runs import _image_models as models, _latent_models as latents
from runs._pieces import close, fill, present, print_table
from runs._record import Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is trained.

    **Arguments:**

    - `data`, `budget`: of each autoencoder.
    - `times`: τ, between 0 and 1.
    - `seeds`: how many of each.
    - `images`: how many unseen images are measured, at most.
    - `nodes`: noise levels for each of them.
    - `fitting`: steps of the diffusion models of the latents.
    """

    data: models.DataName = "digits"
    budget: latents.Budget = latents.Budget()
    times: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    seeds: int = 1
    images: int = 1_000
    nodes: int = 32
    fitting: int = 2_000


_MNIST5K = latents.Budget(dim=20, steps=800, batch_size=64, learning_rate=2e-3)
PRESETS = {
    "smoke": Config(
        budget=latents.Budget(dim=2, steps=20, batch_size=32), times=(0.3, 0.6), images=64, nodes=4, fitting=20
    ),
    "default": Config(),
    "cpu": Config(data="mnist5k", budget=_MNIST5K),
    "paper": Config(data="mnist", budget=latents.Budget(dim=20, steps=50_000, batch_size=512), seeds=3),
}

NAMES = ("semantic", "perceptual")

# The paper's process, whose times these are.
PROCESS = ex.VariancePreserving()


def piece(config: Config, tau: float, seed: int) -> dict[str, Any]:
    """One autoencoder, trained and measured."""
    start = time.perf_counter()
    split = models.load(config.data)
    # The same images, noise and weights to start from at each τ.
    net_key, train_key, pixel_key, latent_key, measure_key, fit_key, label_key = jr.split(
        jr.fold_in(jr.key(17), seed), 7
    )
    edges = ex.latent.band_edges(PROCESS, tau)
    model = latents.diffusion_autoencoder(config.data, split, config.budget, edges, net_key)
    model = latents.train(model, config.data, split, config.budget, key=train_key)
    trained = time.perf_counter() - start
    parts = {"learn": split.train, "test": split.test[: config.images]}
    x = {name: latents.pixels(part, config.data, pixel_key) for name, part in parts.items()}
    y = {name: jnp.asarray(part.labels) for name, part in parts.items()}
    z = {name: ex.latent.encode(model, values, key=latent_key) for name, values in x.items()}
    integrator = ex.Integrator(nodes=ex.Stratified(config.nodes), chunk=128)
    point = ex.latent.rate_distortion(latents.complete(model), x["test"], key=measure_key, integrator=integrator)
    told = ex.mutual_information(model.denoiser, x["test"], z["test"], key=measure_key, integrator=integrator)
    row = {
        "tau": tau,
        "seed": seed,
        "log_snr": edges[0],
        "distortion": latents.pair(point.distortion),
        "I(X;Z)": latents.pair(told),
    }
    known = [tuple((np.asarray(z[part][place]), np.asarray(y[part])) for part in parts) for place in range(len(NAMES))]
    priors = [latents.latent_model(*learn, key=fit_key, steps=config.fitting) for learn, _ in known]
    within = ex.latent.learnt_rates(model, x["test"], priors, y["test"], key=measure_key)
    for place, (name, prior, (learn, test)) in enumerate(zip(NAMES, priors, known)):
        found = latents.label_information(prior, learn, test, key=label_key)
        row[name] = {method: latents.pair(estimate) for method, estimate in found.items()}
        row[name] |= {"rate": latents.pair(point.rates[place]), "rate_within": latents.pair(within[place])}
        plane = TSNE(random_state=0, init="pca").fit_transform(test[0])
        row[name]["plane"] = np.round(plane, 2).tolist()
    row["labels"] = np.asarray(y["test"]).tolist()
    row["label_entropy"] = ex.label_entropy(y["test"])
    return row | {"seconds": {"train": trained, "all": time.perf_counter() - start}}


def show(rows: list[dict]) -> None:
    """Prints a row for each autoencoder."""
    table = rich.table.Table("τ", "seed", "latent", "rate", "within", *latents.METHODS, "seconds")
    for row in rows:
        for name in NAMES:
            shown = ("rate", "rate_within", *latents.METHODS)
            cells = [f"{row[name][m]['value']:.2f} ± {row[name][m]['stderr']:.2f}" for m in shown]
            table.add_row(f"{row['tau']:.1f}", str(row["seed"]), name, *cells, f"{row['seconds']['all']:.0f}")
    print_table(table, {"H(Y)": rows[0]["label_entropy"]})


def summary(rows: list[dict]) -> dict[str, Any]:
    """By τ, the mean over seeds of the posterior form, with its standard error: of the estimates, and of the seeds."""
    found = {}
    for tau in sorted({row["tau"] for row in rows}):
        own = [row for row in rows if row["tau"] == tau]
        for name in NAMES:
            values = np.array([row[name]["posterior"]["value"] for row in own])
            errors = np.array([row[name]["posterior"]["stderr"] for row in own])
            scatter = values.std(ddof=1) if len(values) > 1 else 0.0
            found[f"{name} at {tau:g}"] = {
                "value": float(values.mean()),
                "stderr": float(np.hypot(np.mean(errors), scatter / np.sqrt(len(values)))),
            }
    return found


@dataclasses.dataclass(frozen=True)
class Options:
    """What of it is done now.

    **Arguments:**

    - `preset`: smoke, default, cpu or paper.
    - `shard`: a share of the autoencoders, i/n.
    - `root`: the folder for results.
    """

    preset: str = "default"
    shard: str = "0/1"
    root: str = "results"


def run(config: Config, shard: str, root: str) -> list[dict]:
    record = Record("latents", config, root)
    pieces = {
        f"tau-{tau:g}-seed-{seed}.json": functools.partial(piece, config, tau, seed)
        for seed in range(config.seeds)
        for tau in config.times
    }
    fill(record, pieces, shard)
    return close(record, present(record, pieces), len(pieces), "autoencoders", show, summary)


def main(args: list[str] | None = None) -> list[dict]:
    """The command line."""
    options = tyro.cli(Options, args=args, prog="python -m runs.latents", description=__doc__)
    return run(PRESETS[options.preset], options.shard, options.root)


if __name__ == "__main__":
    main()
