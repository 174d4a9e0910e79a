import math

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, Int, PRNGKeyArray, PyTree

from .._arguments import check_instance, check_whole
from ..denoiser import AbstractDenoiser, change_units, Equilibrium, noise, own_model, signal, units_of
from ..integral import as_samples, check_units, density_signs, warn_of_infinity
from ..parallel import check_mesh, on_each_device, replicate, shard
from ..process import AbstractProcess
from ._checks import check_denoiser, check_parts, check_shape, check_solved, check_tolerances, outcome, SOLVED
from ._divergence import AbstractDivergence, ExactDivergence


# Where a flow begins for a denoiser that is trusted everywhere: a noise of std 5e-5, below the scale of any data that
# float32 resolves; and where it ends for a process without a last noise level.
_UNBOUNDED = (-16.0, 20.0)


class LogDensity(eqx.Module):
    r"""Log-densities, and what they took.

    **Arguments:**

    - `value`: $\log p(x)$ in nats, in the coordinates of `x`.
    - `truncation`: the part of `value` that makes up for the noise the flow begins with.
    - `remainder`: the part of `value` that makes up for the data still seen where the flow ends; without it, `value` is
        the density of what a sampler makes of $\mathcal{N}(0, I)$.
    - `steps`: the steps of each solve, rejected ones too.
    - `evaluations`: the evaluations of the denoiser and its divergence, stages × steps.
    - `rtol`, `atol`: the tolerances of the solve.
    """

    value: Float[Array, " batch"]
    truncation: Float[Array, " batch"]
    remainder: Float[Array, " batch"]
    steps: Int[Array, " batch"]
    evaluations: Int[Array, " batch"]
    rtol: float = eqx.field(static=True)
    atol: float = eqx.field(static=True)


def log_density(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray | None = None,
    divergence: AbstractDivergence = ExactDivergence(),
    solver: dfx.AbstractERK = dfx.Tsit5(),
    rtol: float = 1e-6,
    atol: float = 1e-6,
    max_steps: int = 4096,
    mesh: Mesh | None = None,
) -> LogDensity:
    r"""The log-density of a model by its probability flow, adaptive.

    In variance-preserving units the flow of every process is one and the same,

    $$\frac{\mathrm{d}z}{\mathrm{d}\lambda} = \tfrac12\sqrt{b}\,\bigl(\sqrt{b}\,z - \hat\varepsilon(z, \lambda,
      y)\bigr), \qquad b = \mathrm{sigmoid}(-\lambda), \qquad
      \frac{\mathrm{d}\log p_\lambda(z)}{\mathrm{d}\lambda} = -\nabla\cdot\frac{\mathrm{d}z}{\mathrm{d}\lambda},$$

    and smooth in this clock, so it is solved there; the process says at which $\lambda(T)$ it ends. It begins at the
    upper end of the denoiser's range, $\lambda = 20$ for one that is trusted everywhere. There the data already carry a
    little noise, whose effect is removed to first order in its variance $\Sigma/\mu^2$ by the heat equation, $\log p_0
    = \log p - \tfrac12\frac{\Sigma}{\mu^2}(\nabla\cdot s + \|s\|^2) + O\bigl((\Sigma/\mu^2)^2\bigr)$. At the end
    the distribution is nearly $\mathcal{N}(0, I)$; the difference of $\log p_T$ from it is computed from the score of
    the model along the ray from 0 to $z$. Both corrections are reported.

    A distribution has no density at a value that [`entropax.AbstractDenoiser.dimension`][] gives fewer dimensions than
    it has coordinates, and probability zero at a value of infinite dimension: `value` is `inf` and `-inf` there.

    The flow of a model of [`entropax.fit`][] is solved in units of its training data, $u = (x - m)/c$, as
    [`entropax.sample`][] is; the value is the density of $x$, $\log p(x) = \log p(u) - d\log c$.

    **Arguments:**

    - `process`: where the flow ends.
    - `denoiser`: the model.
    - `x`, `y`: the samples and their conditions, for $\log p(x|y)$.
    - `key`: for a divergence that is random.
    - `divergence`: [`entropax.solve.ExactDivergence`][], [`entropax.solve.Hutchinson`][] or
        [`entropax.solve.HutchPlusPlus`][].
    - `solver`: any explicit Runge–Kutta solver of Diffrax that estimates its error.
    - `rtol`, `atol`: what the solve has to meet in state and log-density.
    - `max_steps`: after how many it gives up.
    - `mesh`: the devices that the samples are spread over, from [`entropax.parallel.make_mesh`][]; none waits for
        another's.

    **Returns:** a [`entropax.solve.LogDensity`][]; differentiable in samples and parameters.

    **Raises:** `ValueError` on samples that are not finite, lengths or shapes that do not match, and a random
        divergence without a key; `RuntimeError` where the tolerance is not met in `max_steps`.

    **Warns:** [`entropax.UnitsWarning`][] where `x` lies far outside the data that the denoiser was made for;
        [`entropax.InfiniteWarning`][] where a log-density is infinite.

    ??? cite "Source"
        Chen et al., Neural ordinary differential equations (2018); Song et al., Score-based generative modeling through
        SDEs (2021), Eq. (39); the paper's Eq. (63) is its flow.
    """
    check_parts(process, denoiser, key)
    x, y = as_samples(x, y)
    check_denoiser(denoiser, x, y)
    check_instance("divergence", divergence, AbstractDivergence)
    check_instance("solver", solver, dfx.AbstractERK, "Give a solver such as diffrax.Tsit5().")
    check_tolerances(rtol, atol)
    check_whole("max_steps", max_steps, 1)
    check_mesh(mesh)
    check_units([denoiser], x)
    # Rounding in other units would hide that a value lies on a surface, or off it.
    signs = density_signs(denoiser, x, y)
    warn_of_infinity("The log-density", [denoiser], signs, x, y, stacklevel=3)
    signs = shard(signs, mesh)
    moments, model = units_of(denoiser, x.shape[1:]), own_model(denoiser)
    if moments is not None:
        denoiser, x = change_units(denoiser, moments.mean, moments.scale), moments.standardise(x)
    if key is None:
        if not isinstance(divergence, ExactDivergence):
            raise ValueError(f"`key` is needed for a divergence that is random, {type(divergence).__name__}.")
        key = jr.key(0)

    end = process.log_snr(jnp.asarray(process.T, x.dtype))
    low = jnp.maximum(end, max(denoiser.log_snr_range[0], _UNBOUNDED[0]))
    high = jnp.asarray(
        min(denoiser.log_snr_range[1], _UNBOUNDED[1] if model is None else model.trained_range[1]), x.dtype
    )
    samples = shard((x, y, jr.split(key, x.shape[0])), mesh)
    controller = dfx.PIDController(rtol=rtol, atol=atol)
    value, truncation, remainder, steps, outcomes = _solve(
        replicate(denoiser, mesh), samples, low, high, divergence, solver, controller, max_steps, mesh
    )
    value = check_solved(
        jnp.where(signs == 0, value, jnp.where(signs > 0, jnp.inf, -jnp.inf).astype(value.dtype)),
        jnp.where(signs != 0, SOLVED, outcomes),
        f"became infinite or NaN along its flow under {type(solver).__name__}: look at the denoiser there",
        f"did not meet `rtol` = {rtol}, `atol` = {atol} in `max_steps` = {max_steps}: raise `max_steps`, loosen the "
        "tolerance, or look at the denoiser there",
    )
    if moments is not None:
        value = value - x[0].size * math.log(moments.scale)
    stages = solver.tableau.num_stages  # pyright: ignore[reportAttributeAccessIssue]
    return LogDensity(value, truncation, remainder, steps, stages * steps, rtol, atol)


@eqx.filter_jit
def _solve(denoiser, samples, low, high, divergence, solver, controller, max_steps, mesh):
    def one(x, y, key):
        probes = divergence.probes(key, x)
        predict = lambda z, log_snr: check_shape(denoiser(z, log_snr, y), z)

        def field(t, state, args):
            # Solves run in increasing time: t = −λ.
            z, _ = state
            b = noise(-t)
            flow = lambda z: -0.5 * b * (b * z - predict(z, -t))
            return divergence(flow, z, probes)

        start = signal(high) * x
        out = dfx.diffeqsolve(
            dfx.ODETerm(field),
            solver,
            -high,
            -low,
            None,
            (start, jnp.zeros((), x.dtype)),
            stepsize_controller=controller,
            max_steps=max_steps,
            throw=False,
        )
        assert out.ys is not None
        z, total = (leaf[0] for leaf in out.ys)
        # ‖ε̂‖² − √b ∇·ε̂ is Σ/μ² times ‖s‖² + ∇·s.
        eps, spread = divergence(lambda z: predict(z, high), start, probes)
        truncation = -0.5 * (jnp.sum(eps**2) - noise(high) * spread)
        remainder = _beyond_equilibrium(lambda z: predict(z, low), z, low, divergence, probes)
        value = Equilibrium().log_density(z) + remainder + total + x.size * jnp.log(signal(high)) + truncation
        return value, truncation, remainder, out.stats["num_steps"], out.result != dfx.RESULTS.successful

    *found, gave_up = on_each_device(jax.vmap(one), mesh)(*samples)
    return *found, outcome(gave_up, found[0])


def _beyond_equilibrium(predict, z, log_snr, divergence, probes):
    r"""$\log p_\lambda(z)/\mathcal{N}(z; 0, I)$ where $\lambda$ is low, to second order in what is left of the data.

    Along the ray it is the integral of the score's difference, $-\hat\varepsilon/\sqrt b + z$. At 0, for a Gaussian of
    mean $m$ and covariance $C$ near $I$: $-\tfrac12 m^\top C^{-1} m - \tfrac12\log\det C$, and $\hat\varepsilon(0)$ and
    $\nabla\cdot\hat\varepsilon(0)$ tell both.
    """
    b = noise(log_snr)
    nodes, weights = np.polynomial.legendre.leggauss(3)
    ray = sum(
        float(0.5 * w) * jnp.sum((share * z - predict(share * z) / b) * z)
        for share, w in zip((0.5 * (nodes + 1)).tolist(), weights)
    )
    eps, spread = divergence(predict, jnp.zeros_like(z), probes)
    return ray - 0.5 * jnp.sum((eps / b) ** 2) - 0.5 * (z.size - spread / b)
