import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from equinox import AbstractVar
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from .._arguments import check_finite, check_instance, check_positive
from .._arrays import as_floats


# Halvings of [0, T] that bring a bracket below the spacing of float32 wherever s lies, times down to T·2⁻⁶⁰ included.
_BISECTIONS = 60

# A time that no rate can distinguish from 0, and at which float32 still has a finite λ: in units of T where T is
# small, and otherwise in those of time itself, because early times matter however late the process ends.
_NEXT_TO_ZERO = 1e-18


# Times that are one but for the rounding of this many units in the last place.
_ROUNDING = 4


class AbstractProcess(eqx.Module):
    r"""A linear forward process with a Gaussian kernel,

    $$\mathrm{d}X = \varphi(s)\,X\,\mathrm{d}s + \sigma(s)\,\mathrm{d}B_s, \qquad
      X_s = \mu(s)\,x + \sqrt{\Sigma(s)}\,\varepsilon, \qquad 0 \le s \le T.$$

    A process is two functions: its log signal-to-noise ratio $\lambda(s) = \log \mu^2/\Sigma$ and $\log\mu(s)$. The
    drift, the diffusion and the inverse $s(\lambda)$ follow, here, once: since $\Sigma = \mu^2 e^{-\lambda}$,

    $$\varphi = \frac{\mathrm{d}\log\mu}{\mathrm{d}s}, \qquad
      \sigma^2 = -\Sigma\,\frac{\mathrm{d}\lambda}{\mathrm{d}s}.$$

    To add one, subclass this, state `T`, `log_snr` and `log_mean`, and `equilibrium_std` (or raise a `ValueError` that
    says why there is none). Every process raises a `ValueError` where `T` is not positive and finite.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (2) and footnote 3.
    """

    T: AbstractVar[float]

    def __check_init__(self):
        check_positive(T=self.T)

    @abc.abstractmethod
    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        r"""$\lambda(s) = \log \mu(s)^2/\Sigma(s)$, strictly decreasing, infinite at $s = 0$."""

    @abc.abstractmethod
    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        r"""$\log \mu(s)$, zero at $s = 0$."""

    @property
    @abc.abstractmethod
    def equilibrium_std(self) -> float:
        r"""The $\kappa$ of the fixed equilibrium $p_\mathrm{eq} = \mathcal{N}(0, \kappa^2 I)$ that the process relaxes
        to and leaves invariant.

        **Raises:** `ValueError` where there is no such state.
        """

    def mean_factor(self, s: Float[Array, ""]) -> Float[Array, ""]:
        r"""$\mu(s)$, the factor of the data in the kernel's mean."""
        return jnp.exp(self.log_mean(s))

    def std(self, s: Float[Array, ""]) -> Float[Array, ""]:
        r"""$\sqrt{\Sigma(s)} = \mu(s)\,e^{-\lambda(s)/2}$, the standard deviation of the kernel."""
        return jnp.exp(self.log_mean(s) - 0.5 * self.log_snr(s))

    def drift_rate(self, s: Float[Array, ""]) -> Float[Array, ""]:
        r"""$\varphi(s)$, so that the forward drift is $b_+(x, s) = \varphi(s)\,x$."""
        return jax.grad(self.log_mean)(s)

    def diffusion_squared(self, s: Float[Array, ""]) -> Float[Array, ""]:
        r"""$\sigma(s)^2 = -\Sigma\,\mathrm{d}\lambda/\mathrm{d}s$; at $s = 0$, its limit."""
        # There λ is infinite and Σ zero. Their product is smooth, so that a time next to it serves.
        s = jnp.maximum(s, _NEXT_TO_ZERO * jnp.minimum(self.T, 1.0))
        return -jnp.exp(2 * self.log_mean(s) - self.log_snr(s)) * self.log_snr_rate(s)

    def log_snr_rate(self, s: Float[Array, ""]) -> Float[Array, ""]:
        r"""$\mathrm{d}\lambda/\mathrm{d}s$, negative: what turns a rate per unit of $\lambda$ into one per unit of
        time."""
        return jax.grad(self.log_snr)(s)

    def time(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        r"""The inverse $s(\lambda)$, differentiable in $\lambda$ and in the parameters of the process.

        Bisection brackets the root to the last bit; one Newton step from there, through which alone derivatives flow,
        gives $\mathrm{d}s/\mathrm{d}\lambda = 1/\lambda'(s)$. A $\lambda$ below $\lambda(T)$ belongs to no time of the
        process and returns $T$.

        **Arguments:**

        - `log_snr`: $\lambda$.

        **Returns:** the time $s \in (0, T]$, to 1e-6 in float32.
        """
        target = jax.lax.stop_gradient(log_snr)
        process = jax.lax.stop_gradient(self)

        def halve(_, bracket):
            low, high = bracket
            # The geometric mean where it is finer: small times keep their relative precision.
            middle = jnp.where(low > 0, jnp.sqrt(low) * jnp.sqrt(high), 0.25 * high)
            above = process.log_snr(middle) > target
            return jnp.where(above, middle, low), jnp.where(above, high, middle)

        end = jnp.asarray(self.T, jnp.result_type(log_snr))
        low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, (jnp.zeros_like(end), end))
        s = jax.lax.stop_gradient(jnp.where(low > 0, jnp.sqrt(low) * jnp.sqrt(high), high))
        newton = s - (self.log_snr(s) - log_snr) / jax.lax.stop_gradient(self.log_snr_rate(s))
        return jnp.where(target <= process.log_snr(end), end, newton)

    def log_snr_range(self, s_min: float, s_max: float | None = None) -> tuple[float, float]:
        r"""The interval of $\lambda$ that the times $[s_\mathrm{min}, s_\mathrm{max}]$ cover, as the paper states its
        integration ranges.

        **Arguments:**

        - `s_min`: the earliest time, above 0 (where $\lambda$ is infinite).
        - `s_max`: the latest time; $T$ where it is not given.

        **Returns:** $(\lambda(s_\mathrm{max}), \lambda(s_\mathrm{min}))$, for `ex.Integrator(log_snr_range=...)`.

        **Raises:** `ValueError` unless $0 < s_\mathrm{min} < s_\mathrm{max} \le T$.
        """
        s_max = self.T if s_max is None else s_max
        check_finite(s_min=s_min, s_max=s_max)
        if not 0 < s_min < s_max <= self.T:
            raise ValueError(f"`s_min`, `s_max` must satisfy 0 < s_min < s_max <= T = {self.T}; got {s_min}, {s_max}.")
        return float(self.log_snr(jnp.asarray(s_max))), float(self.log_snr(jnp.asarray(s_min)))


def as_state(
    process: AbstractProcess, x: Float[ArrayLike, "*shape"], s: Float[ArrayLike, ""]
) -> tuple[Float[Array, "*shape"], Float[Array, ""]]:
    """A state of a process and its time as JAX arrays. Traced ones pass.

    **Raises:** `ValueError` where the process is none, the state is no array of finite numbers, and where the time is
        not one of the process, or one at which the log-SNR is infinite.
    """
    check_instance("process", process, AbstractProcess)
    x, is_number = as_floats(x, "x"), not isinstance(s, jax.Array)
    s = as_floats(s, "s")
    if s.ndim:
        raise ValueError(f"`s` must be one time; got shape {s.shape}. For several, `jax.vmap` over them.")
    if is_number:
        s = s.astype(jnp.promote_types(x.dtype, jnp.float32))
    if not any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((process, s))):
        slack = _ROUNDING * float(jnp.finfo(s.dtype).eps) * float(process.T)
        # Now, even where JAX traces what is around.
        with jax.ensure_compile_time_eval():
            log_snr = float(process.log_snr(s))
        if not 0 <= float(s) <= float(process.T) + slack or math.isinf(log_snr):
            raise ValueError(
                f"`s` must be a time of the process at which its log-SNR is finite, above 0 and at most T = "
                f"{float(process.T):g}; got {float(s):g}."
            )
    return x, s
