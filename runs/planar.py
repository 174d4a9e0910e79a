"""The 2-D sets of information-theoretic diffusion: the negative log-likelihood of a trained network beside the entropy.

    just run planar --data scg          1.2185 nats (a published run of the same set ends at about 1.33)

One network, 50 000 samples; −log p of fresh samples by I-MMSE and by probability flow, and log p on a grid for the
figure. Two to five minutes on two cores. Expected: within 0.001 nats of the entropy for scg, 0.03 for moons and square
(whose edges the network rounds), 0.1 for circle and dino. Their parts are a hundredth of the whole: a network of the
state alone loses two nats on them, one that sees waves a tenth, between λ = 5 and 13, where it tells neighbours apart.
More samples or steps do not change that.
"""

import dataclasses
from typing import Literal

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs._record import main, Record


SETS = {
    "scg": ex.data.StronglyCorrelatedGaussian,
    "moons": ex.data.Moons,
    "circle": ex.data.Circle,
    "square": ex.data.Square,
    "dino": ex.data.Dino,
}


@dataclasses.dataclass(frozen=True)
class Config:
    """`samples` are those of the I-MMSE estimate, `flows` those of the probability flow, `grid` the points a side;
    `waves` are what networks see of sets with fine detail, which take `detail_steps`."""

    data: Literal["scg", "moons", "circle", "square", "dino"] = "scg"
    seed: int = 0
    train_samples: int = 50_000
    steps: int = 5_000
    detail_steps: int = 10_000
    waves: int = 512
    samples: int = 20_000
    flows: int = 1_000
    grid: int = 64
    highest_log_snr: float = 14.0


PRESETS = {
    "smoke": Config(train_samples=2_000, steps=100, detail_steps=100, waves=16, samples=500, flows=16, grid=8),
    "default": Config(),
    "paper": Config(steps=30_000, detail_steps=60_000, grid=128),
}

# Sets whose parts are a hundredth of the whole: smooth networks of the state alone lose two nats on them. Sets without
# such detail are learned a little better without waves.
DETAILED = {"circle", "dino"}

# The side of the square on which log p is drawn.
EXTENT = 3.0


def run(config: Config, record: Record) -> dict:
    data = SETS[config.data]()
    train_key, fit_key, test_key, nll_key = jr.split(jr.key(config.seed), 4)
    x = data.sample(train_key, config.train_samples)
    with record.stage("train"):
        training = _fit(config, x, fit_key, ex.Checkpoints(record.directory / "checkpoints", record.plain_config))
    model, test = training.denoiser, data.sample(test_key, config.samples)
    with record.stage("I-MMSE"):
        gaussian = ex.Gaussian(np.zeros(2), np.cov(np.asarray(x, np.float64), rowvar=False))
        by_mmse = ex.nll(model, test, key=nll_key, baseline=gaussian)
    with record.stage("flow"):
        process = ex.VariancePreserving()
        flow = ex.log_density(process, model, test[: config.flows], rtol=1e-4, atol=1e-4)
        axis = jnp.linspace(-EXTENT, EXTENT, config.grid)
        points = jnp.stack(jnp.meshgrid(axis, axis), -1).reshape(-1, 2)
        on_grid = ex.log_density(process, model, points, rtol=1e-4, atol=1e-4).value
    exact = data.log_density(np.asarray(test, np.float64))
    excess = by_mmse.shifted(jnp.asarray(exact, jnp.float32))
    profile = by_mmse.profile
    assert profile is not None
    record.save(
        axis=axis,
        log_density=on_grid.reshape(config.grid, config.grid),
        exact_log_density=_of_cells(data, np.asarray(axis, np.float64)),
        log_snr=profile.log_snr,
        gap=-profile.rate,
    )
    by_flow = -np.asarray(flow.value, np.float64)
    lost = by_flow + exact[: config.flows]
    return {
        "entropy": data.entropy,
        "nll": by_mmse,
        "nll_by_flow": {"value": by_flow.mean(), "stderr": by_flow.std() / np.sqrt(len(by_flow))},
        # On the same samples: what the model loses against the truth, without the noise of the samples.
        "excess": excess,
        "excess_by_flow": {"value": lost.mean(), "stderr": lost.std() / np.sqrt(len(lost))},
        "evaluations_a_flow": float(np.mean(np.asarray(flow.evaluations))),
    }


def _fit(config: Config, x, key, checkpoints: ex.Checkpoints) -> ex.Training:
    detailed = config.data in DETAILED
    settings = ex.Settings(steps=config.steps, learning_rate=1e-3)
    return ex.fit_with_history(
        x,
        key=key,
        normalise=ex.FourierFeatures.fit(x, key=jr.fold_in(key, 1), num=config.waves) if detailed else None,
        width=128 if detailed else 256,
        depth=3 if detailed else 4,
        log_snr_range=(-9.0, config.highest_log_snr),
        settings=ex.Settings(steps=config.detail_steps) if detailed else settings,
        checkpoints=checkpoints,
    )


def _of_cells(data: ex.data.AbstractPlanar, axis: np.ndarray) -> np.ndarray:
    """The log of the mean density in each cell of the grid: points alone would miss what is narrower than a cell."""
    parts = 10
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * (axis[1] - axis[0])
    fine = (axis[:, None] + offsets).ravel()
    density = np.exp(data.log_density(np.stack(np.meshgrid(fine, fine), -1)))
    cells = density.reshape(axis.size, parts, axis.size, parts).mean((1, 3))
    return np.log(np.maximum(cells, 1e-300))


if __name__ == "__main__":
    main(PRESETS, run)
