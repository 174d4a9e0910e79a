"""What a network stores, by how many images it was trained on: S_NN against log N.

    just run scaling
    just run scaling --counts 90 360 1437 --seeds 5 --width 128

"Neural entropy" says that the information which a diffusion model stores grows as the logarithm of the number of its
training images. Networks as in `runs/digits.py` are trained on N of the 1 437 dequantised digits of its training part,
of which each seed draws its own, with weights of its own. All are measured on the same 180 images that no training saw,
and stopped by 180 others, so that N changes the training images alone; beside each is the network at the end of its
training, which has learnt its images by heart as far as it could.

Measured at the same noise levels and on the same noise, in nats:

- `neural_entropy`: S_NN = ½∫E‖ε̂ - ε̂_eq‖² dλ;
- `total_correlation`: the share of it that is of pixels together, ½∫E‖ε̂ - ε̂_Π‖² dλ, with ε̂_Π the exact denoiser of
  independent pixels that have the frequencies of all 1 437 training images: the densities of dequantised pixels are
  constant in their 17 bins, and known but for these frequencies. The same one serves all N;
- `remainder`: their difference, which is what single pixels tell, sum_k KL(p_k‖N(0, 1)), where the network is exact;
- `held_out`: the loss ½∫E‖ε - ε̂‖² dλ less that of the equilibrium, so that a network stores to its use what it gains;
- `information`: I(X;Y) by the posterior form, a bound from below on H(Y).

`neural_entropy_of_training` is S_NN on (180 of) the network's own training images. Slopes in nats per unit of log N are
by least squares over all networks, with the standard error that the scatter of the networks about the line gives; the
line need not be straight, which `curvature`, the coefficient of (log N - its mean)² and its error, says.

`total_correlation` and `remainder` are what their names say as far as the network is trained: of one that knows nothing
the first is its distance from the product, and larger than S_NN.

Each network has a file of its own, and a run that was killed goes on with the next. Ten minutes on one core. Expected,
of networks that were stopped, by log N: S_NN grows by 13 ± 2 nats, less at 1 437 images than at first; the gain by 11 ±
1, in a straight line; I(X;Y) by 0.10 ± 0.01; the share of pixels together falls by 5 ± 1, as networks of few images are
far from the product by their errors.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.random as jr
import numpy as np

import entropax as ex
from runs._pieces import fill, present
from runs._record import main, Record
from runs.digits import DECIDING_RANGE, LOG_SNR_RANGE, split


@dataclasses.dataclass(frozen=True)
class Config:
    """What is trained and measured.

    **Arguments:**

    - `counts`: the numbers of training images, each at most 1437.
    - `seeds`: how many networks of each.
    - `steps`, `width`, `depth`: of each network. `nodes`: noise levels an image.
    """

    counts: tuple[int, ...] = (90, 180, 360, 720, 1437)
    seeds: int = 3
    steps: int = 1_500
    width: int = 256
    depth: int = 4
    nodes: int = 32

    def __post_init__(self):
        if len(set(self.counts)) < 2 or not all(1 < count <= TRAINING for count in self.counts):
            raise ValueError(f"`counts` must be two numbers or more from 2 to {TRAINING}; got {self.counts}.")
        if self.seeds < 1:
            raise ValueError(f"`seeds` must be positive; got {self.seeds}.")


TRAINING, LEVELS = 1437, 17
# Of the other 360, half stop the trainings and half measure.
STOPPING = 180

PRESETS = {
    "smoke": Config(counts=(90, 1437), seeds=2, steps=20, width=32, depth=1, nodes=4),
    "default": Config(),
    "paper": Config(counts=(90, 127, 180, 254, 360, 509, 720, 1018, 1437), seeds=10, steps=5_000, nodes=64),
}

QUANTITIES = (
    "neural_entropy",
    "total_correlation",
    "remainder",
    "held_out",
    "information",
    "neural_entropy_of_training",
)
STAGES = ("stopped", "last")


def marginals(x: jax.Array) -> ex.Histogram:
    """The exact denoiser of independent pixels, up to the frequencies of their levels."""
    return ex.Histogram.fit(x, np.linspace(-1, 1, LEVELS + 1))


def network(config: Config, x: jax.Array, key) -> ex.Neural:
    """Untrained, with inputs in units of the images that it is to be trained on."""
    condition_key, net_key = jr.split(key)
    condition = ex.nn.LabelCondition(10, config.width, key=condition_key)
    matching = ex.entropy_matching()
    return ex.Neural(
        net=ex.nn.MLP(x.shape[1], condition, LOG_SNR_RANGE, depth=config.depth, key=net_key),
        baseline=matching.baseline,
        scale=matching.scale,
        normalise=ex.Standardising.fit(x),
        trained_range=LOG_SNR_RANGE,
    )


def train(config: Config, x, y, stopping, key) -> dict[str, ex.Neural]:
    """The network of the least loss on images that it was not trained on, and that of the last step."""
    net_key, train_key = jr.split(key)
    last = {}
    settings = ex.Settings(
        steps=config.steps,
        batch_size=256,
        learning_rate=2e-3,
        weight_decay=0.3,
        averages=(0.995,),
        unconditional=0.3,
        chunk=max(10, min(100, config.steps // 10)),
    )
    training = ex.train(
        network(config, x, net_key),
        x,
        y,
        held_out=stopping,
        key=train_key,
        settings=settings,
        observe=lambda step, model: last.update(model=model),
    )
    return {"stopped": training.denoiser, "last": last["model"]}


def measure(model: ex.AbstractDenoiser, product: ex.AbstractDenoiser, x, y, own, *, key, nodes: int) -> dict[str, Any]:
    """All quantities of a network, on images that it has not seen, and on its own."""
    keys = jr.split(key, 3)
    integrator = ex.Integrator(nodes=ex.Stratified(nodes), log_snr_range=LOG_SNR_RANGE)
    alone = ex.Unconditional(model)
    rates = ex.unconditional_rates(model, product) | {"held_out": ex.LossGap(ex.Equilibrium(), alone)}
    found = ex.integrate(rates, x, key=keys[0], integrator=integrator)
    found["remainder"] = found["neural_entropy"] - found["total_correlation"]
    deciding = ex.Integrator(nodes=ex.Stratified(2 * nodes), log_snr_range=DECIDING_RANGE)
    found["information"] = ex.mutual_information(model, x, y, key=keys[1], integrator=deciding)
    found["neural_entropy_of_training"] = ex.neural_entropy(alone, own, key=keys[2], integrator=integrator)
    return found


def piece(config: Config, count: int, seed: int) -> dict[str, Any]:
    """One network, trained and measured."""
    (x, y), (others, labels) = split(0)
    product = marginals(x)
    pick, train_key, measure_key = jr.split(jr.fold_in(jr.key(seed), count), 3)
    rows = jr.permutation(pick, len(x))[:count]
    networks = train(config, x[rows], y[rows], (others[:STOPPING], labels[:STOPPING]), train_key)
    test = others[STOPPING:], labels[STOPPING:]
    found = {
        # The same noise for all networks.
        stage: measure(model, product, *test, x[rows[:STOPPING]], key=jr.key(17), nodes=config.nodes)
        for stage, model in networks.items()
    }
    return {"count": count, "seed": seed} | found


def slope(counts, values) -> dict[str, dict[str, float]]:
    """Least squares of values against log N: the slope, and what a parabola has more, each with its standard error."""
    logs = np.log(np.asarray(counts, np.float64))
    centred = logs - logs.mean()

    def of_degree(degree):
        design = np.stack([centred**power for power in range(degree + 1)], 1)
        found = np.linalg.lstsq(design, np.asarray(values, np.float64), rcond=None)[0]
        freedom = len(values) - degree - 1
        if freedom < 1 or np.linalg.matrix_rank(design) <= degree:
            return None
        scatter = np.sum((values - design @ found) ** 2) / freedom
        error = np.sqrt(scatter * np.linalg.inv(design.T @ design)[-1, -1])
        return {"value": float(found[-1]), "stderr": float(error)}

    fits = {"slope": of_degree(1), "curvature": of_degree(2)}
    return {name: fit for name, fit in fits.items() if fit is not None}


def run(config: Config, record: Record) -> dict[str, Any]:
    pieces = {
        f"images-{count:04d}-seed-{seed}.json": functools.partial(piece, config, count, seed)
        for seed in range(config.seeds)
        for count in config.counts
    }
    with record.stage("networks"):
        fill(record, pieces, "0/1")
    rows = present(record, pieces)
    counts = [row["count"] for row in rows]
    table = lambda part: np.asarray([[[row[s][q][part] for q in QUANTITIES] for s in STAGES] for row in rows])
    values = table("value")
    record.save(counts=counts, seeds=[row["seed"] for row in rows], values=values, errors=table("stderr"))
    return {
        stage: {name: slope(counts, values[:, s, q]) for q, name in enumerate(QUANTITIES)}
        for s, stage in enumerate(STAGES)
    }


if __name__ == "__main__":
    main(PRESETS, run)
