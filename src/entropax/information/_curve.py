import math
from typing import NamedTuple

import numpy as np
from jaxtyping import ArrayLike, Float
from scipy.interpolate import PchipInterpolator
from scipy.special import expit

from .._arguments import check_finite, check_whole
from .._arrays import as_known


class CurveLikelihood(NamedTuple):
    r"""A likelihood from a tabulated curve, in nats for a whole sample.

    **Arguments:**

    - `value`: with the integral over the range of the table.
    - `below`, `above`: what the parts of the integral beyond it add, by the asymptotes of their rates.
    """

    value: float
    below: float
    above: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.value + self.below + self.above


def nll_from_mse_curve(
    log_snr: Float[ArrayLike, "..."],
    mse: Float[ArrayLike, "..."],
    *,
    dim: int,
    sum_log_eigenvalues: float | None = None,
    gaussian_mse: Float[ArrayLike, "..."] | None = None,
) -> CurveLikelihood:
    r"""The mean negative log-likelihood from mean squared errors $\mathrm{mse}(\lambda) = \mathbb{E}\|\varepsilon -
    \hat\varepsilon\|^2$ that were tabulated elsewhere,

    $$h_G - \frac12\int\bigl[\mathrm{mse}_G - \mathrm{mse}\bigr]\,\mathrm{d}\lambda, \quad
      h_G = \tfrac d2\log 2\pi e + \tfrac12\sum_k\log v_k \qquad\text{or}\qquad
      \frac12\int\mathrm{mse}\,\mathrm{d}\lambda,$$

    the first for a density (where `sum_log_eigenvalues` is given), the second for the probability of data on a grid.
    The integral is that of a monotone cubic through the nodes, in float64.

    Beyond the range the rates are taken to follow their asymptotes from the outermost nodes on. Of a density: above,
    $e^{-\lambda}$, where the Fisher information is finite; below, $e^{3\lambda}$ where both laws have the same
    covariance, else $e^\lambda$. Of a probability: below, $e^\lambda$; above, nothing, so that the table must reach to
    where rounding is safe.

    **Arguments:**

    - `log_snr`: the nodes $\lambda$, in any order, shape `(nodes,)`.
    - `mse`: at each, in units of $\varepsilon$, summed over dimensions. For a discrete ensemble give the least of
        several curves.
    - `dim`: $d$.
    - `sum_log_eigenvalues`: $\sum_k\log v_k$, the log-determinant of the data's covariance.
    - `gaussian_mse`: $\mathrm{mse}_G = \sum_k\mathrm{sigmoid}(\lambda + \log v_k)$ at the same nodes. The
        model is cut off there: where it does worse, the Gaussian denoiser takes its place. Without it the baseline is
        the isotropic Gaussian of the same volume, $d\,\mathrm{sigmoid}(\lambda + \tfrac1d\sum_k\log v_k)$, and
        nothing is cut.

    **Returns:** a [`entropax.CurveLikelihood`][]; [`entropax.bits_per_dim`][] converts its numbers.

    **Raises:** `ValueError` on fewer than four nodes, nodes that occur twice, lengths that do not match, values that
    are not finite, errors that are negative, a `dim` that is no whole number, and a `gaussian_mse` without
    `sum_log_eigenvalues`.

    ??? cite "Source"
        Kong, Brekelmans and Ver Steeg, Information-theoretic diffusion (2023), whose code integrates the same curves by
        random nodes.
    """
    check_whole("dim", dim, least=1)
    nodes = _read("log_snr", log_snr, None)
    order = np.argsort(nodes)
    if nodes.size < 4:
        raise ValueError(f"`log_snr` must hold four nodes or more; got {nodes.size}.")
    twice = nodes[order][1:][np.diff(nodes[order]) == 0]
    if twice.size:
        raise ValueError(f"`log_snr` must hold each node once; got {twice[0]} twice.")
    nodes, error = nodes[order], _read("mse", mse, nodes.shape)[order]
    if error.min() < 0:
        raise ValueError(f"`mse` must not be negative; got {error.min():g} at λ = {nodes[error.argmin()]:g}.")

    if sum_log_eigenvalues is None:
        if gaussian_mse is not None:
            raise ValueError("`gaussian_mse` was given without `sum_log_eigenvalues`, the constant that belongs to it.")
        return CurveLikelihood(0.5 * _integral(nodes, error), 0.5 * float(error[0]), 0.0)

    check_finite(sum_log_eigenvalues=sum_log_eigenvalues)
    entropy = 0.5 * dim * math.log(2 * math.pi * math.e) + 0.5 * sum_log_eigenvalues
    if gaussian_mse is None:
        gap, decay = dim * expit(nodes + sum_log_eigenvalues / dim) - error, 1.0
    else:
        gap, decay = np.maximum(_read("gaussian_mse", gaussian_mse, nodes.shape)[order] - error, 0.0), 3.0
    return CurveLikelihood(entropy - 0.5 * _integral(nodes, gap), -0.5 * float(gap[0]) / decay, -0.5 * float(gap[-1]))


def _read(name: str, values, shape) -> np.ndarray:
    array = as_known(values, name)
    if array.ndim != 1 or shape not in (None, array.shape):
        raise ValueError(f"`{name}` must have shape {shape or '(nodes,)'}; got {array.shape}.")
    return array


def _integral(nodes: np.ndarray, rate: np.ndarray) -> float:
    return float(PchipInterpolator(nodes, rate).integrate(nodes[0], nodes[-1]))
