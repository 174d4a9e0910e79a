import math
import warnings
from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_instance, check_key, check_positive, check_whole
from ..denoiser import (
    AbstractDenoiser,
    change_units,
    entropy_field,
    Equilibrium,
    least_resolved,
    own_model,
    score,
    units_of,
)
from ..integral import (
    as_samples,
    check_one_sign,
    check_units,
    density_signs,
    Estimate,
    mean_of,
    TruncationWarning,
    warn_of_infinity,
    with_infinite,
)
from ..process import AbstractProcess
from ..terms import accumulate, check_churn, forward, GridBrownianPath, PathState, reverse
from ._checks import check_denoiser, check_parts, check_solved, outcome
from ._divergence import AbstractDivergence, ExactDivergence
from ._evaluations import equivalent, takes_noise
from ._grid import uniform_in_log_snr


# The λ of the latest time that paths go to: where nothing but noise is left, and processes that reach μ = 0 do so with
# an infinite drift.
_LAST_LOG_SNR = -12.0


class Paths(eqx.Module):
    r"""How paths are simulated.

    **Arguments:**

    - `steps`: of a fixed grid, uniform in $\lambda$.
    - `s_min`: the time at which paths begin, or end in reverse.
    - `solver`: any SDE solver of Diffrax for additive noise.

    **Raises:** `ValueError` for fewer steps than one or a fraction, an `s_min` that is not positive, and a solver that
        is not for SDEs.
    """

    steps: int = 128
    s_min: float = 1e-5
    solver: dfx.AbstractSolver = dfx.ShARK()

    def __check_init__(self):
        check_whole("steps", self.steps, 1)
        check_positive(s_min=self.s_min)
        check_instance("solver", self.solver, dfx.AbstractSolver, "Give a solver such as diffrax.ShARK().")
        if not takes_noise(self.solver):
            raise ValueError(
                f"`solver` must be for SDEs, such as diffrax.ShARK() or diffrax.Heun(); got "
                f"{type(self.solver).__name__}, which is for ODEs."
            )

    def times(self, process: AbstractProcess) -> Float[Array, " times"]:
        """The grid, from the latest time to the earliest. It follows the process but is no function of its parameters
        to derivatives, which pass through what happens on it."""
        last = process.time(jnp.maximum(process.log_snr(jnp.asarray(process.T)), _LAST_LOG_SNR))
        return jax.lax.stop_gradient(uniform_in_log_snr(process, self.steps, self.s_min, last))


def entropy_production(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    paths: Paths = Paths(),
) -> Estimate:
    r"""The entropy that the forward process produces, along simulated trajectories,

    $$S_\mathrm{tot} = \int \frac{\sigma^2}{2}\,\mathbb{E}\bigl\|\nabla\log p_\mathrm{eq} - \nabla\log
      p_s\bigr\|^2\,\mathrm{d}s = D_\mathrm{KL}(p_\mathrm{d}\|p_\mathrm{eq}) - D_\mathrm{KL}(p_T\|p_\mathrm{eq}).$$

    With a trained denoiser it is the neural entropy by simulation. [`entropax.neural_entropy`][] is the same number by
    an integral over $\lambda$, with less noise; this one is a functional of each path.

    **Arguments:**

    - `process`: what diffuses the data.
    - `denoiser`: what knows the score.
    - `x`, `y`: samples and their conditions.
    - `key`: all randomness.
    - `paths`: how they are simulated.

    **Returns:** an [`entropax.Estimate`][] in nats; `pointwise` is the production along each path.

    **Raises:** `ValueError` where the process has no equilibrium, on samples that are not finite, and on lengths or
        shapes that do not match; `RuntimeError` where a path leaves all bounds.

    **Warns:** [`entropax.TruncationWarning`][] where paths begin with more noise than the data have in their smallest
        direction, as far as the denoiser says how large that is, and where the distribution has no density: the
        entropy then grows without bound as `s_min` goes to 0; [`entropax.UnitsWarning`][] where `x` lies far outside
        the data that the denoiser was made for.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (4), (12).
    """
    x, y = _checked(process, denoiser, x, y, key, paths)
    check_units([denoiser], x)
    if not _warn_singular(paths, denoiser, x, y):
        _warn_hidden(process, paths, denoiser)
    rate = EntropyRate(process, denoiser)
    return mean_of(forward_functional(process, x, y, rate, key, paths)[0].total)


def information_injected(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    churn: float | Callable[[Array], Array] = 1.0,
    paths: Paths = Paths(),
) -> Estimate:
    r"""What the network puts into the reverse process on its way from noise to data, $\int
    \tfrac12\sigma^2\,\mathbb{E}\|e\|^2\,\mathrm{d}t$ along simulated reverse trajectories: for an exact denoiser, all
    that the forward process produced.

    **Arguments:** as [`entropax.solve.entropy_production`][], but

    - `x`: states at the latest time, draws from the equilibrium.
    - `churn`: $\eta$ of the reverse SDE.

    **Returns:**, **Raises:** as there.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (5), (6), (12).
    """
    x, y = _checked(process, denoiser, x, y, key, paths)
    check_churn(churn)
    _warn_hidden(process, paths, denoiser)
    ts = process.T - paths.times(process)
    path, rate = GridBrownianPath(ts, key, x.shape), _Backwards(EntropyRate(process, denoiser), process.T)
    return mean_of(_solve(accumulate(reverse(process, denoiser, path, churn), rate), ts, x, y, paths).total)


def path_nll(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    divergence: AbstractDivergence = ExactDivergence(),
    paths: Paths = Paths(),
) -> Estimate:
    r"""The negative log-likelihood as a path integral,

    $$-\log p(x) = \mathbb{E}\Bigl[\int_0^T \frac{\sigma^2}{2}\|\nabla\log p_s\|^2 - \nabla\cdot(b_+ -
      \sigma^2\nabla\log p_s)\,\mathrm{d}s - \log p_T(X_T)\,\Big|\,X_0 = x\Bigr],$$

    whose mean over the data is the entropy $S(X)$, or $S(X|Y)$ given `y`. One path is drawn for each sample; repeat a
    sample for more. With a model of [`entropax.fit`][] the process acts on $u = (x - m)/c$, as in
    [`entropax.sample`][], and the value is that of $x$, $-\log p(u) + d\log c$.

    **Arguments:** as [`entropax.solve.entropy_production`][], and

    - `divergence`: how that of the score is found.

    **Returns:** an [`entropax.Estimate`][] in nats, in the coordinates of `x`; `pointwise` is the value of each path.

    **Raises:** `ValueError` on samples that are not finite, lengths or shapes that do not match, and paths that begin
        with more noise than the data have in their smallest direction; `RuntimeError` where a path leaves all bounds.

    **Warns:** [`entropax.InfiniteWarning`][] where the distribution has no density at a sample, or one of zero: the
        estimate is `-inf` or `inf`; [`entropax.UnitsWarning`][] where `x` lies far outside the data that the denoiser
        was made for.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (47), (48).
    """
    x, y = _checked(process, denoiser, x, y, key, paths)
    check_units([denoiser], x)
    # Rounding in other units would hide that a value lies on a surface, or off it.
    signs, infinite = singular(denoiser, x, y)
    moments = units_of(denoiser, x.shape[1:])
    if moments is not None:
        denoiser, x = change_units(denoiser, moments.mean, moments.scale), moments.standardise(x)
    if not infinite and (hidden := _hidden(process, paths, denoiser)) is not None:
        raise ValueError(f"{hidden}, or use `ex.log_density` or `ex.nll`.")
    probe_key, path_key = jr.split(key)
    probes = jax.vmap(divergence.probes)(jr.split(probe_key, x.shape[0]), x)
    rate = _PathRate(process, denoiser, divergence)
    end, s_max = forward_functional(process, x, (y, probes), rate, path_key, paths)
    offset = 0.0 if moments is None else x[0].size * math.log(moments.scale)
    return with_infinite(mean_of(end.total - log_terminal(process, end.x, s_max) + offset), signs)


def singular(denoiser: AbstractDenoiser, x: Array, y: PyTree) -> tuple[Array, bool]:
    """The signs of negative log-likelihoods that are infinite, for `with_infinite`, and whether there are any, with the
    warning.

    **Raises:** `ValueError` on samples of which some have a density that is infinite and others one of zero.
    """
    signs = -density_signs(denoiser, x, y)
    check_one_sign("-log p(x)", [denoiser], signs, x, y)
    return signs, warn_of_infinity("The estimate is infinite: -log p(x)", [denoiser], signs, x, y)


def _warn_singular(paths, denoiser, x, y) -> bool:
    """Says that the entropy which is produced before the paths begin is infinite."""
    signs = density_signs(denoiser, x, y)
    if isinstance(signs, Tracer) or not bool(jnp.any(signs != 0)):
        return False
    warnings.warn(
        f"`paths` begin at `s_min` = {paths.s_min:g}, and the entropy that is produced before is infinite, since the "
        f"distribution of {type(denoiser).__name__} has no density at x[{int(jnp.argmax(signs != 0))}]: read the "
        "result as the entropy that is produced from then on.",
        TruncationWarning,
        stacklevel=3,
    )
    return True


def _hidden(process, paths, denoiser) -> str | None:
    """A sentence about paths that begin with more noise than the data have in their smallest direction, where it is
    known."""
    first, model = process.log_snr(jnp.asarray(paths.s_min)), own_model(denoiser)
    # A trained range ends 7 units beyond that direction, or later. Paths that begin where time ends are refused
    # elsewhere.
    smallest = least_resolved(denoiser) if model is None else model.trained_range[1] - 7.0
    if smallest is None or isinstance(first, Tracer) or paths.s_min >= process.T or float(first) >= smallest + 1.0:
        return None
    return (
        f"`paths` begin at `s_min` = {paths.s_min:g}, λ = {float(first):.1f}, where noise hides a direction of the "
        f"data that is resolved from λ = {smallest:.1f} on only: give a smaller `s_min`"
    )


def _warn_hidden(process, paths, denoiser):
    """Says that entropy which is produced before the paths begin is left out."""
    if (hidden := _hidden(process, paths, denoiser)) is not None:
        warnings.warn(
            f"{hidden}, or read the result as the entropy that is produced from then on.",
            TruncationWarning,
            stacklevel=3,
        )


class EntropyRate(eqx.Module):
    r"""$\tfrac12\sigma^2\|e(x, s)\|^2$, the rate at which entropy is produced: a rate for
    [`entropax.terms.accumulate`][].

    **Arguments:**

    - `process`: what diffuses the data; one with an equilibrium.
    - `denoiser`: what knows the score.
    """

    process: AbstractProcess
    denoiser: AbstractDenoiser

    def __call__(self, t, x, y):
        field = jax.vmap(lambda x, y: entropy_field(self.process, self.denoiser, x, t, y))(x, y)
        return 0.5 * self.process.diffusion_squared(t) * squared_norm(field)


class _Backwards(eqx.Module):
    """A rate of the forward time in the generative one."""

    rate: Callable
    T: float

    def __call__(self, t, x, args):
        return self.rate(self.T - t, x, args)


class _PathRate(eqx.Module):
    """½σ²‖∇log p‖² − ∇·(b₊ − σ²∇log p)."""

    process: AbstractProcess
    denoiser: AbstractDenoiser
    divergence: AbstractDivergence

    def __call__(self, t, x, args):
        def one(x, y, probes):
            return self.divergence(lambda x: score(self.process, self.denoiser, x, t, y), x, probes)

        value, spread = jax.vmap(one)(x, *args)
        strength = self.process.diffusion_squared(t)
        return strength * (0.5 * squared_norm(value) + spread) - self.process.drift_rate(t) * x[0].size


def _checked(process, denoiser, x, y, key, paths):
    """Samples and conditions as arrays, where these and all else are what paths can be made of."""
    check_parts(process, denoiser, None)
    check_paths(key, paths)
    x, y = as_samples(x, y)
    check_denoiser(denoiser, x, y)
    return x, y


def check_paths(key: PRNGKeyArray, paths: Paths) -> None:
    """Refuses a key or settings of paths that are none."""
    check_key(key)
    check_instance("paths", paths, Paths, "Write entropax.solve.Paths(steps=..., solver=...).")


def forward_functional(process, x, args, rate, key, paths) -> tuple[PathState, Array]:
    """The end of forward paths from `x`, the exact kernel for the first step, with what they summed."""
    start_key, path_key = jr.split(key)
    ts = paths.times(process)[::-1]
    start = process.mean_factor(ts[0]) * x + process.std(ts[0]) * jr.normal(start_key, x.shape, x.dtype)
    terms = accumulate(forward(process, GridBrownianPath(ts, path_key, x.shape)), rate)
    return _solve(terms, ts, start, args, paths), ts[-1]


def _solve(terms, ts, x, args, paths) -> PathState:
    end, outcomes = _run(terms, ts, x, args, equivalent(paths.solver))
    if isinstance(outcomes, Tracer):
        return end
    name = type(paths.solver).__name__
    return check_solved(
        end,
        outcomes,
        f"became infinite or NaN along its path under {name} in {ts.size - 1} steps: give more `steps`, a later "
        "`s_min`, or look at the denoiser there",
        "was given up by the solver",
    )


@eqx.filter_jit
def _run(terms, ts, x, args, solver):
    out = dfx.diffeqsolve(
        terms,
        solver,
        ts[0],
        ts[-1],
        None,
        PathState.start(x),
        args,
        stepsize_controller=dfx.StepTo(ts),
        max_steps=ts.size - 1,
    )
    assert out.ys is not None
    end = jax.tree.map(lambda leaf: leaf[0], out.ys)
    return end, outcome(jnp.zeros(end.total.shape, bool), end.total)


def log_terminal(process, x, s):
    """The log-density of the noise that the data have become."""
    return jax.vmap(lambda x: Equilibrium().log_density(x / process.std(s)) - x.size * jnp.log(process.std(s)))(x)


def squared_norm(v):
    return jnp.sum(v**2, tuple(range(1, v.ndim)))
