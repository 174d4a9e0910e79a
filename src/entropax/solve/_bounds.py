import math
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_instance
from ..denoiser import AbstractDenoiser
from ..integral import as_samples, Estimate, mean_of, with_infinite
from ..process import AbstractProcess
from ..terms import batched_score
from ._checks import check_control
from ._paths import check_paths, forward_functional, log_terminal, Paths, singular, squared_norm


def nll_bound(
    process: AbstractProcess,
    control: Callable,
    x: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    paths: Paths = Paths(),
) -> Estimate:
    r"""The upper bound on the negative log-likelihood of what $\mathrm{d}X_t = -u\,\mathrm{d}t + \sigma\,\mathrm{d}B_t$
    makes of noise, for any control $u$,

    $$-\log p_u(x) \le \mathbb{E}\Bigl[\int_0^T \frac{\|b_+ - u\|^2}{2\sigma^2} + u\cdot\nabla\log p(X_s, s|x,
      0)\,\mathrm{d}s - \log p_T(X_T)\,\Big|\,X_0 = x\Bigr],$$

    with equality at the optimal control $u_* = b_+ - \sigma^2\nabla\log p$ ([`entropax.solve.OptimalControl`][]).

    **Arguments:** as [`entropax.solve.entropy_production`][], but

    - `control`: $u$: `control(s, x, y)`, for a batch.

    **Returns:** an [`entropax.Estimate`][] in nats, in the coordinates of `x`; `pointwise` is the value of each path.

    **Raises:** `ValueError` on samples that are not finite, and lengths or shapes that do not match; `RuntimeError`
        where a path leaves all bounds.

    **Warns:** [`entropax.InfiniteWarning`][] where the control is optimal for a distribution without a density at a
        sample, or with one of zero: the estimate is `-inf` or `inf`.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (30), (34).
    """
    x, y = as_samples(x, y)
    total, end, s_max = _along_paths(_BoundRate(process, control), x, y, key, paths)
    return _bound(total - log_terminal(process, end, s_max), control, x, y)


def denoising_bound(
    process: AbstractProcess,
    control: Callable,
    x: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    paths: Paths = Paths(),
) -> Estimate:
    r"""The bound of [`entropax.solve.nll_bound`][] with its square completed,

    $$-\log p_u(x) \le \int_0^T \frac{1}{2\sigma^2}\,\mathbb{E}\bigl\|b_+ - \sigma^2 g - u\bigr\|^2\,\mathrm{d}s -
      \int_0^T \mathbb{E}\Bigl[\frac{\sigma^2}{2}\|g\|^2 + \nabla\cdot b_+\Bigr]\,\mathrm{d}s + S_0,
      \qquad g = \nabla\log p(X_s, s|x, 0),$$

    given $X_0 = x$. The control is in the first integral alone: the denoising objective, which training minimises.
    $S_0 = \frac d2\log(2\pi e\,\Sigma_T)$ is the entropy of the noise, for the data no longer seen at its end; that
    leaves out $\tfrac12\mu_T^2\|x\|^2/\Sigma_T$, by which the mean over paths is below that of the other form. Along
    one path the two differ by $\int b_+\cdot g + \nabla\cdot b_+\,\mathrm{d}s$ too, whose mean is zero: near the
    optimal control this one is the noisier.

    **Arguments:**, **Returns:**, **Raises:**, **Warns:** as [`entropax.solve.nll_bound`][].

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (31).
    """
    x, y = as_samples(x, y)
    total, _, s_max = _along_paths(_DenoisingRate(process, control), x, y, key, paths)
    entropy = x[0].size * (0.5 * math.log(2 * math.pi * math.e) + jnp.log(process.std(s_max)))
    return _bound(total + entropy, control, x, y)


class OptimalControl(eqx.Module):
    r"""$u_* = b_+ - \sigma^2\,\nabla\log p$, which turns the controlled process into the reverse SDE.

    **Arguments:**

    - `process`, `denoiser`: what diffuses the data, and what knows the score.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (34).
    """

    process: AbstractProcess
    denoiser: AbstractDenoiser

    def __call__(self, t, x, y):
        drift = self.process.drift_rate(t) * x
        return drift - self.process.diffusion_squared(t) * batched_score(self.process, self.denoiser, x, t, y)


class _BoundRate(eqx.Module):
    """‖b₊ − u‖²/2σ² + u·g."""

    process: AbstractProcess
    control: Callable

    def __call__(self, t, x, args):
        y, start = args
        u = self.control(t, x, y)
        effort = 0.5 * squared_norm(self.process.drift_rate(t) * x - u) / self.process.diffusion_squared(t)
        return effort + _product(u, _kernel_score(self.process, t, x, start))


class _DenoisingRate(eqx.Module):
    """‖b₊ − σ²g − u‖²/2σ² − σ²‖g‖²/2 − ∇·b₊, where the two squares of g, which diverge at early times, cancel:
    ‖b₊ − u‖²/2σ² − (b₊ − u)·g − ∇·b₊."""

    process: AbstractProcess
    control: Callable

    def __call__(self, t, x, args):
        y, start = args
        rate = self.process.drift_rate(t)
        gap = rate * x - self.control(t, x, y)
        effort = 0.5 * squared_norm(gap) / self.process.diffusion_squared(t)
        return effort - _product(gap, _kernel_score(self.process, t, x, start)) - rate * x[0].size


def _bound(values, control, x, y) -> Estimate:
    estimate = mean_of(values)
    # Of any other control it is not known where it can lead.
    if not isinstance(control, OptimalControl):
        return estimate
    signs, _ = singular(control.denoiser, x, y)
    return with_infinite(estimate, signs)


def _along_paths(rate, x, y, key, paths):
    """What a rate sums along forward paths from `x`, where they end, and when."""
    check_instance("process", rate.process, AbstractProcess)
    check_paths(key, paths)
    check_control(rate.control, x, y)
    end, s_max = forward_functional(rate.process, x, (y, x), rate, key, paths)
    return end.total, end.x, s_max


def _kernel_score(process, t, x, start):
    """g = ∇log p(x_s, s|x, 0) = −(x_s − μx)/Σ."""
    return -(x - process.mean_factor(t) * start) / process.std(t) ** 2


def _product(u, v):
    return jnp.sum(u * v, tuple(range(1, u.ndim)))
