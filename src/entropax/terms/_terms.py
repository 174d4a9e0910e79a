"""The SDEs and the ODE of a diffusion model as Diffrax takes them."""

from collections.abc import Callable

import diffrax as dfx
from jaxtyping import Array

from ..denoiser import AbstractDenoiser
from ..process import AbstractProcess
from ._field import ForwardDrift, ProbabilityFlow, ReverseDrift
from ._noise import ForwardScale, IsotropicNoise, ReverseScale


def forward(process: AbstractProcess, path: dfx.AbstractBrownianPath) -> dfx.MultiTerm:
    r"""The forward SDE $\mathrm{d}X = b_+\,\mathrm{d}s + \sigma\,\mathrm{d}B_s$, from data to noise.

    **Arguments:**

    - `process`: what diffuses the data.
    - `path`: the noise, over the forward time $s$.

    **Returns:** terms for any SDE solver of Diffrax.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (2).
    """
    return dfx.MultiTerm(dfx.ODETerm(ForwardDrift(process)), IsotropicNoise(ForwardScale(process), path))


def reverse(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    path: dfx.AbstractBrownianPath,
    churn: float | Array | Callable[[Array], Array] = 1.0,
    start: float | None = None,
) -> dfx.MultiTerm:
    r"""The reverse SDE in the generative time $t = T - s$, from noise to data: [`entropax.terms.ReverseDrift`][] with
    its noise. The conditions of the batch are Diffrax's `args`.

    **Arguments:**

    - `process`: what diffused the data.
    - `denoiser`: what knows the score.
    - `path`: the noise, over the generative time $t$.
    - `churn`: $\eta$, a number or a function of $\lambda$.
    - `start`: the forward time at which $t = 0$; $T$ where it is not given.

    **Returns:** terms for any SDE solver of Diffrax.
    """
    drift = dfx.ODETerm(ReverseDrift(process, denoiser, churn, start))
    return dfx.MultiTerm(drift, IsotropicNoise(ReverseScale(process, churn, start), path))


def probability_flow(process: AbstractProcess, denoiser: AbstractDenoiser) -> dfx.ODETerm:
    r"""The probability flow in the forward time $s$; in the generative time it is
    `diffrax.ODETerm(TimeReversed(ProbabilityFlow(process, denoiser), process.T))`.

    **Arguments:** as [`entropax.terms.ProbabilityFlow`][].

    **Returns:** a term for any ODE solver of Diffrax.
    """
    return dfx.ODETerm(ProbabilityFlow(process, denoiser))
