"""What figures 2, 7 and 8 share: scatter of guided samples, and mutual information along the guidance weight."""

import dataclasses

import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from paper_figures._style import BLUE, GREEN, GREY, ORANGE, PURPLE
from runs import guided_gaussian
from runs._gaussian import PROCESS
from runs._record import execute


WEIGHTS = tuple(float(w) for w in range(7))
DIMS = (5, 10, 15)


def scatter(ax, weight: float, color: str, samples: int = 1_000) -> float:
    """Guided samples of the paper's 1-D problem with the ellipse, at two standard deviations, of their exact law.

    **Returns:** the exact mutual information.
    """
    problem = ex.data.JointGaussian.random(jr.key(7), dim_x=1, dim_y=1, noise_std=1.0)
    law = problem.guided(PROCESS, weight)
    _, y = problem.sample(jr.key(0), samples)
    sampler = ex.Sampler(steps=40, log_snr_range=(float(PROCESS.log_snr(jnp.asarray(PROCESS.T))), 12.0))
    x = ex.sample(PROCESS, ex.Guided(problem.denoiser(), weight), (samples, 1), y, key=jr.key(1), sampler=sampler).x
    ax.scatter(np.asarray(y)[:, 0], np.asarray(x)[:, 0], s=3, color=color, alpha=0.35, linewidths=0)
    cross = law.gain @ law.cov_y
    cov = np.block([[law.cov_y, cross.T], [cross, law.cov_x]])
    angles = np.linspace(0, 2 * np.pi, 200)
    ellipse = 2 * np.linalg.cholesky(cov) @ np.stack([np.cos(angles), np.sin(angles)])
    ax.plot(*ellipse, color="black", linewidth=0.8)
    ax.set_xlabel("$y$")
    return law.mutual_information


def curves(chosen: str, dim_y: int) -> dict[str, np.ndarray]:
    """Every number of the runs along the weight, for one $D_Y$."""
    rows = []
    for weight in WEIGHTS:
        config = dataclasses.replace(guided_gaussian.PRESETS[chosen], weight=weight)
        if chosen != "smoke":
            config = dataclasses.replace(config, dim_y=dim_y)
        metrics, _ = execute(guided_gaussian.run, config).load()
        neural = metrics["estimates"]["orthogonal"]
        rows.append(
            {
                "exact": metrics["exact"],
                "unguided": metrics["unguided"],
                "network": metrics["seen_by_the_network"],
                "neural": neural["value"],
                "stderr": neural["stderr"],
                **{cut: metrics["seen"][cut] for cut in metrics["seen"]},
            }
        )
    return {name: np.asarray([row[name] for row in rows]) for name in rows[0]}


def draw_curves(ax, found: dict[str, np.ndarray]) -> None:
    """Four curves and the network's points."""
    ax.plot(WEIGHTS, found["exact"], color="black", label="exact $I_\\mathrm{CFG}$")
    ax.plot(WEIGHTS, found["1e-05"], color=BLUE, linestyle="--", label="exact scores, $s > 10^{-5}$")
    ax.plot(WEIGHTS, found["0.001"], color=GREEN, linestyle="--", label="exact scores, $s > 10^{-3}$")
    ax.plot(WEIGHTS, found["network"], color=ORANGE, linestyle=":", label="exact scores, the network's range")
    ax.errorbar(
        WEIGHTS, found["neural"], 2 * found["stderr"], color=ORANGE, fmt="o", markersize=4, label="network (MINDE)"
    )
    ax.axhline(found["unguided"][0], color=GREY, linewidth=0.8, linestyle="-.", label="unguided $I(X;Y)$")
    ax.set_xlabel("guidance weight $w$")


COLORS = {0.0: GREY, 2.0: BLUE, 5.0: PURPLE}
