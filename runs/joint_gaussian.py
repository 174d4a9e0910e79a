"""Determinism: a joint Gaussian Y = AX + ε whose noise σ_ε falls, so that Y determines X.

    just run joint_gaussian                       σ_ε = 1.0: I = 20.0439, S_tot = 10.0249 nats
    just run joint_gaussian --noise-std 0.6       I = 26.7489
    just run joint_gaussian --noise-std 0.25      I = 39.2267

Σ_X = BBᵀ + 0.01 I with seed 10 (Kelly gamblers, Eq. (57); the floor is that of the paper's code), A ~ N(0, 1). One
network with a null token learns X|Y and X from 20 000 pairs; estimates are over fresh ones. The parameterisation is
entropy matching; `--parameterisation gaussian` has the Gaussian of the training samples as baseline, which is exact
here by construction, up to the error of 20 000 samples, and is shown as a row apart.

About three minutes on two cores. Expected: every method within 1 % of the exact value, the loss gap within 0.5 %.
"""

import dataclasses
from typing import Literal

import jax.random as jr

import entropax as ex
from runs._gaussian import measure
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """`samples` are those of the estimate, `nodes` the noise levels each of them is seen at."""

    noise_std: float = 1.0
    dim_x: int = 25
    dim_y: int = 15
    seed: int = 10
    train_samples: int = 20_000
    steps: int = 8_000
    samples: int = 40_000
    nodes: int = 12
    parameterisation: Literal["entropy", "gaussian"] = "entropy"


PRESETS = {
    "smoke": Config(dim_x=6, dim_y=3, train_samples=2_000, steps=300, samples=2_000),
    "default": Config(),
    "paper": Config(steps=20_000),
}


def run(config: Config, record: Record) -> dict:
    problem = ex.data.JointGaussian.random(
        jr.key(config.seed), dim_x=config.dim_x, dim_y=config.dim_y, noise_std=config.noise_std
    )
    if config.parameterisation == "entropy":
        return measure(problem, config, record)
    data_key, *_ = jr.split(jr.key(config.seed + 1), 4)
    baseline = ex.gaussian_matching(*problem.sample(data_key, config.train_samples))
    return measure(problem, config, record, baseline)


if __name__ == "__main__":
    main(PRESETS, run)
