"""Exact denoisers: integrals beside closed forms, for every process with an equilibrium, down to variances of 1e-8.

    just run exact

Gap integrals by Gauss-Legendre over the times (1e-9, T) of each process, the expectations by cubature (the rate is
quadratic in samples and noise), so that what is tested is the chain from diffused state to integral in float32. To it
belong the remainder KL(p_T ‖ p_eq) and the part before s = 1e-9, both closed forms. Where the uniform grid of 100 times
that is common is off by a factor of 20 (λ_δ = 1e-6), errors here are below 1e-6. Half a minute.
"""

import dataclasses

import jax.random as jr
import numpy as np

import entropax as ex
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """`panels` of eight nodes each over the range of a process."""

    panels: int = 16
    seed: int = 10


PRESETS = {"smoke": Config(panels=12), "default": Config(), "paper": Config(panels=32)}

PROCESSES = {
    "VP": ex.VariancePreserving(),
    "VPx, κ = 0.1": ex.VariancePreserving(kappa=0.1),
    "straight line": ex.StraightLine(),
    "straight line, κ = 0.1": ex.StraightLine(kappa=0.1),
    "cosine": ex.Cosine(),
}
FLAT_VARIANCES = (1e-2, 1e-4, 1e-6, 1e-8)
_S_MIN = 1e-9


def run(config: Config, record: Record) -> dict:
    key = jr.key(config.seed)
    problems = {"seed 10": ex.data.JointGaussian.random(key, dim_x=25, dim_y=15, noise_std=1.0)}
    for flat in FLAT_VARIANCES:
        problems[f"flat {flat:g}"] = ex.data.JointGaussian.flattened(
            key, dim_x=25, dim_y=15, rank=10, flat_variance=flat, noise_std=1.0
        )
    errors = {
        f"{name}, {process_name}": _errors(problem, process, config.panels)
        for name, problem in problems.items()
        for process_name, process in PROCESSES.items()
    }
    worst = max(abs(error) for row in errors.values() for error in row.values())
    return {"relative_error": errors, "worst": worst}


def _errors(problem: ex.data.JointGaussian, process: ex.AbstractProcess, panels: int) -> dict[str, float]:
    std, (low, high) = process.equilibrium_std, process.log_snr_range(_S_MIN)
    x, y, noise = ex.data.cubature(problem)
    denoiser = problem.denoiser()
    alone = ex.Unconditional(denoiser)
    found = ex.integrate(
        {
            "I(X;Y)": ex.Gap(denoiser, alone),
            "S_tot": ex.Gap(alone, ex.Equilibrium(std)),
            "TC": ex.Gap(alone, problem.marginals()),
        },
        x,
        y,
        key=jr.key(0),
        integrator=ex.Integrator(nodes=ex.GaussLegendre(panels), log_snr_range=(low, high), noise=noise),
    )
    outside = {
        "I(X;Y)": problem.mutual_information_between,
        "S_tot": lambda low, high: problem.total_entropy_between(low, high, std),
        "TC": problem.total_correlation_between,
    }
    exact = {
        "I(X;Y)": problem.mutual_information,
        "S_tot": problem.total_entropy(std),
        "TC": problem.total_correlation,
    }
    remainders = {name: part(-np.inf, low) + part(high, np.inf) for name, part in outside.items()}
    return {name: (float(found[name].value) + remainders[name]) / exact[name] - 1 for name in exact}


if __name__ == "__main__":
    main(PRESETS, run)
