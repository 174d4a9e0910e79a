"""The information bottleneck: what representations keep of what they are told, and what of it is relevant.

    just run bottleneck

Of the joint Gaussian of the paper's guided experiments everything is known: the best curve of I(Z;Y) over I(X;Z)
("Diffusion models are Kelly gamblers", App. A.2, Eqs. (26) to (28)), autoencoders of X, which are optimal for X and do
not know of Y, and guided samples X_w of Y. These are representations of Y that are to tell of X, for which the curve is
the same: guidance makes what they tell of Y grow without bound, and what of it is about X comes up to I(X;Y), the bound
by data processing, and no further.

Half a minute. Expected: I(Y;X_w) of 18.3, 38.0 and 56.6 nats at w = 0, 1 and 2, and I(X;X_w) of 13.8, 17.8 and 18.2.
"""

import dataclasses
from typing import Any

import jax.random as jr
import numpy as np

import entropax as ex
from runs._gaussian import PROCESS
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is compared.

    **Arguments:**

    - `dim_x`, `dim_y`, `problem_seed`: of the joint Gaussian.
    - `weights`: w of guidance.
    - `points`: of the curves.
    - `log_snr_range`: of the autoencoders' decoders.
    """

    dim_x: int = 25
    dim_y: int = 15
    problem_seed: int = 7
    weights: tuple[float, ...] = (0.0, 0.25, 0.5, 1.0, 2.0)
    points: int = 120
    log_snr_range: tuple[float, float] = (-9.0, 14.0)


PRESETS = {"smoke": Config(dim_x=5, dim_y=3, points=20), "default": Config(), "paper": Config(points=400)}


def _logs(covariance: np.ndarray) -> float:
    return float(np.linalg.slogdet(covariance)[1])


def autoencoder(problem: ex.data.JointGaussian, ends: tuple[float, float], weight: float) -> tuple[float, float]:
    """I(X;Z) and I(Z;Y) of the best diffusion autoencoder of X with a rate that costs `weight`."""
    variances, axes = np.linalg.eigh(problem.cov_x)
    (rates,) = ex.latent.gaussian_optimum(variances, ends, weight).rates
    # z_k is the coordinate in noise, of a precision that leaves as much of it open.
    roots = np.sqrt(np.expm1(2 * rates) / variances)
    open_ = axes.T @ problem.cov_x_given_y @ axes
    rate = float(rates.sum())
    return rate, rate - 0.5 * _logs(np.eye(len(roots)) + roots[:, None] * open_ * roots)


def guided(problem: ex.data.JointGaussian, weight: float) -> tuple[float, float]:
    """I(Y;X_w) and I(X;X_w) of guided samples X_w of Y, and X the data that Y is of."""
    law = problem.guided(PROCESS, weight)
    # Whitened by its own noise: Q of x_w = Pz + Qy is what tells of y.
    channel = np.linalg.solve(law.matrix_p, law.gain)
    eye = np.eye(problem.dim_x)
    told, open_ = (_logs(eye + channel @ cov @ channel.T) for cov in (problem.cov_y, problem.cov_noise))
    return 0.5 * told, 0.5 * (told - open_)


def run(config: Config, record: Record) -> dict[str, Any]:
    problem = ex.data.JointGaussian.random(
        jr.key(config.problem_seed), dim_x=config.dim_x, dim_y=config.dim_y, noise_std=1.0
    )
    curve = [ex.data.gaussian_bottleneck(problem, weight) for weight in np.geomspace(1e-4, 0.999, config.points)]
    # Over so many noise levels next to every nat is worth its price, until it costs next to one.
    costs = 1 - np.geomspace(1e-9, 0.9, config.points)
    coded = [autoencoder(problem, config.log_snr_range, weight) for weight in costs]
    samples = {f"{weight:g}": guided(problem, weight) for weight in config.weights}
    record.save(curve=np.array(curve), costs=costs, autoencoder=np.array(coded))
    return {
        "I(X;Y)": problem.mutual_information,
        "guided": {name: {"I(Y;X_w)": told, "I(X;X_w)": relevant} for name, (told, relevant) in samples.items()},
    }


if __name__ == "__main__":
    main(PRESETS, run)
