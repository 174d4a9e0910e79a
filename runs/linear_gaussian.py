"""Y = aX + ε in one dimension: conditionals beside the marginal, and what happens where the noise goes.

    just run linear_gaussian

Of each level of noise: samples, the covariance of the pair, p(x|y) at three values of y, and I(X;Y) = ½ log(1 +
a²σ_X²/σ_ε²), which grows without bound as the pair collapses on the line y = ax ("Diffusion models are Kelly gamblers",
App. A.1, Eqs. (22) to (25)), beside the estimate with exact denoisers.

Half a minute. Expected: the estimate within two standard errors of the exact value from σ_ε = 2 to 0.001.
"""

import dataclasses
from typing import Any

import jax.random as jr
import numpy as np

import entropax as ex
from runs._record import main, pair, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is looked at.

    **Arguments:**

    - `slope`, `std`: a and σ_X.
    - `noise_stds`: σ_ε, from much noise to next to none.
    - `levels`: of y, in its standard deviations, for which there are conditionals.
    - `samples`, `shown`: of the estimate, and kept.
    - `nodes`: noise levels for each sample.
    """

    seed: int = 5
    slope: float = 1.0
    std: float = 1.0
    noise_stds: tuple[float, ...] = (2.0, 1.0, 0.5, 0.25, 0.1, 0.03, 0.01, 0.003, 0.001)
    levels: tuple[float, ...] = (-1.2, 0.0, 1.2)
    samples: int = 10_000
    shown: int = 400
    nodes: int = 16


PRESETS = {"smoke": Config(samples=1_000, nodes=4), "default": Config(), "paper": Config(samples=200_000)}


def run(config: Config, record: Record) -> dict[str, Any]:
    metrics, arrays = {}, {}
    integrator = ex.Integrator(nodes=ex.Stratified(config.nodes))
    for noise_std in config.noise_stds:
        problem = ex.data.JointGaussian(*(np.array([[v]]) for v in (config.std**2, config.slope, noise_std**2)))
        x, y = problem.sample(jr.key(config.seed), config.samples)
        found = ex.mutual_information(problem.denoiser(), x, y, key=jr.key(config.seed + 1), integrator=integrator)
        std_y = np.sqrt(problem.cov_y[0, 0])
        told = np.array(config.levels) * std_y
        means = problem.gain[0, 0] * told
        stds = np.full(len(told), np.sqrt(problem.cov_x_given_y[0, 0]))
        name = f"{noise_std:g}"
        arrays |= {
            f"points {name}": np.stack([x[: config.shown, 0], y[: config.shown, 0]]),
            f"conditionals {name}": np.stack([told, means, stds]),
            f"covariance {name}": np.array(
                [[config.std**2, config.slope * config.std**2], [config.slope * config.std**2, std_y**2]]
            ),
        }
        metrics[name] = {"exact": problem.mutual_information} | pair(found)
    record.save(**arrays)
    return metrics


if __name__ == "__main__":
    main(PRESETS, run)
