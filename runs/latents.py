"""What each noise level knows: latents of a diffusion autoencoder that serve different noise levels, and the labels.

    python -m runs.latents                                   # the 8×8 digits of scikit-learn
    python -m runs.latents --shard 0/2                       # and 1/2 at the same time: half of the networks each
    python -m runs.latents --preset cpu                      # 5 000 images of MNIST (pip install "entropax[mnist]")

Two latents, z_sem for s >= τ and z_per for s < τ, are learnt without labels, with a decoder that predicts the noise:
what z_per tells is of no use but where noise is small ("Diffusion models are Kelly gamblers", Sec. 6 and App. F). For
each τ and each seed an autoencoder is trained, and I(Z_sem;Y) and I(Z_per;Y) are measured by four forms of a small
diffusion model of z|y, by a linear probe, and by nearest neighbours; beside them the rates KL(q‖N(0, I)), those within
a class, E log q(z|x)/p(z|y), the distortion -log p(x|z), and I(X;Z) by what the decoder gains from the latents.

Each autoencoder has a file of its own, and a run that was killed goes on with the next. On one core, a slow one, digits
take two minutes for each, MNIST 15 minutes. Expected, at τ = 0.1: I(Z_sem;Y) 1.98 and I(Z_per;Y) 0.46 ± 0.08 nats of
digits, 2.08 and 0.00 of MNIST; they cross at 0.3 and at 0.4.
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
from runs import _image_models as models, _latent_knowledge as knowledge, _latent_models as latents
from runs._gaussian import PROCESS
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
    seeds: int = 3
    images: int = 1_000
    nodes: int = 32
    fitting: int = 2_000


PRESETS = {
    "smoke": Config(
        budget=latents.Budget(dim=2, steps=20, batch_size=32), times=(0.3, 0.6), seeds=1, images=64, nodes=4, fitting=20
    ),
    "default": Config(),
    "cpu": Config(data="mnist5k", budget=latents.Budget(dim=20), nodes=16),
    "paper": Config(data="mnist", budget=latents.of_many_images(20)),
    "cifar10": Config(data="cifar10", budget=latents.of_many_images(60)),
}

NAMES = ("semantic", "perceptual")


def piece(config: Config, tau: float, seed: int) -> dict[str, Any]:
    """One autoencoder, trained and measured."""
    start = time.perf_counter()
    split = models.load(config.data)
    # The same images, noise and weights to start from at each τ.
    net_key, train_key, pixel_key, known_key, measure_key = jr.split(jr.fold_in(jr.key(17), seed), 5)
    edges = ex.latent.band_edges(PROCESS, tau)
    model = latents.diffusion_autoencoder(split, config.budget, edges, net_key)
    model = latents.train(model, split, config.budget, key=train_key)
    trained = time.perf_counter() - start
    learn, test = latents.examples(split, config.budget, config.images, key=pixel_key)
    z, rows = knowledge.known(model, learn, test, key=known_key, steps=config.fitting)
    integrator = ex.Integrator(nodes=ex.Stratified(config.nodes), chunk=128)
    whole = latents.complete(model, split)
    distortion = whole.distortion(test[0], z, key=measure_key, integrator=integrator)
    told = ex.mutual_information(model.denoiser, test[0], z, key=measure_key, integrator=integrator)
    for latent, row in zip(z, rows):
        plane = TSNE(random_state=0, init="pca").fit_transform(np.asarray(latent))
        row["plane"] = np.round(plane, 2).tolist()
    return {
        "tau": tau,
        "seed": seed,
        "log_snr": edges[0],
        "distortion": distortion,
        "I(X;Z)": told,
        **dict(zip(NAMES, rows)),
        "labels": np.asarray(test[1]).tolist(),
        "label_entropy": ex.label_entropy(jnp.asarray(test[1])),
        "seconds": {"train": trained, "all": time.perf_counter() - start},
    }


def show(rows: list[dict]) -> None:
    """Prints a row for each autoencoder."""
    table = rich.table.Table("τ", "seed", "latent", "rate", "within", *knowledge.METHODS, "seconds")
    for row in rows:
        for name in NAMES:
            told = row[name]["I(Z;Y)"]
            found = row[name]["rate"], row[name]["rate_within"], *(told[method] for method in knowledge.METHODS)
            cells = [f"{one['value']:.2f} ± {one['stderr']:.2f}" for one in found]
            table.add_row(f"{row['tau']:.1f}", str(row["seed"]), name, *cells, f"{row['seconds']['all']:.0f}")
    print_table(table, {"H(Y)": rows[0]["label_entropy"]})


def curve(rows: list[dict], name: str, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """τ, the mean of I(Z;Y) over seeds, and its standard error: of the estimates, which are of the same images, and of
    the seeds."""
    times = sorted({row["tau"] for row in rows})
    found = [[row[name]["I(Z;Y)"][method] for row in rows if row["tau"] == tau] for tau in times]
    values = [np.array([one["value"] for one in own]) for own in found]
    errors = [np.mean([one["stderr"] for one in own]) for own in found]
    scatter = [v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else 0.0 for v in values]
    return np.array(times), np.array([v.mean() for v in values]), np.hypot(errors, scatter)


def summary(rows: list[dict]) -> dict[str, Any]:
    """The posterior form by τ."""
    return {
        f"{name} at {tau:g}": {"value": float(value), "stderr": float(stderr)}
        for name in NAMES
        for tau, value, stderr in zip(*curve(rows, name, "posterior"))
    }


@dataclasses.dataclass(frozen=True)
class Options:
    """What of it is done now.

    **Arguments:**

    - `preset`: smoke, default, cpu, paper (MNIST whole, on a GPU) or cifar10.
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
