from collections.abc import Callable

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._arguments import check_instance
from ._noise import IsotropicNoise


class PathState(eqx.Module):
    r"""A state with what has been summed along its path.

    **Arguments:**

    - `x`: the states, shape `(batch, *shape)`.
    - `total`: the functional of each, shape `(batch,)`.
    """

    x: PyTree[Array]
    total: Float[Array, " batch"]

    @staticmethod
    def start(x: PyTree[Array]) -> "PathState":
        """A path that has summed nothing yet."""
        leaf = jax.tree.leaves(x)[0]
        if jnp.ndim(leaf) == 0:
            raise ValueError("`x` must be a batch of states, of shape (batch, *shape); got a single number.")
        return PathState(x, jnp.zeros(leaf.shape[0], leaf.dtype))


def accumulate(terms: dfx.AbstractTerm, rate: Callable) -> dfx.AbstractTerm:
    r"""Carries the functional $\int \mathrm{rate}(t, X_t)\,\mathrm{d}t$ beside the state.

    **Arguments:**

    - `terms`: an ODE term, or the drift and the noise of an SDE, such as [`entropax.terms.forward`][]. Of several
        terms, the first must advance in time, as a [`diffrax.ODETerm`][] does: the rate is summed along it.
    - `rate`: `rate(t, x, args)`, one number for each state of the batch.

    **Returns:** terms of the same kind over a [`entropax.terms.PathState`][]; start from `PathState.start(x)`.

    **Raises:** `ValueError` where the first term is noise, and in a solve where the rate is not one number for each
        state.
    """
    check_instance("terms", terms, dfx.AbstractTerm)
    if not callable(rate):
        raise ValueError(f"`rate` must be a function, rate(t, x, args); got {type(rate).__name__}.")
    first, *others = terms.terms if isinstance(terms, dfx.MultiTerm) else (terms,)
    if isinstance(first, (IsotropicNoise, dfx.ControlTerm)):
        raise ValueError(
            f"`terms` must begin with one that advances in time, such as a diffrax.ODETerm, along which the rate is "
            f"summed; got {type(first).__name__}. Put the drift first."
        )
    if not isinstance(terms, dfx.MultiTerm):
        return _Carrying(first, rate)
    return dfx.MultiTerm(_Carrying(first, rate), *map(_Untouched, others))


def stochastic_integral(terms: dfx.MultiTerm, integrand: Callable, solver: dfx.AbstractSolver) -> dfx.MultiTerm:
    r"""Carries the Itô integral $\int \langle u(t, X_t), \mathrm{d}B_t\rangle$ beside the state, where $B$ is the
    Brownian motion of the terms' noise.

    A Stratonovich solver computes $\int u\circ\mathrm{d}B$, which exceeds the Itô integral by
    $\tfrac12\int\sigma\,\nabla\cdot u\,\mathrm{d}t$; that is taken off in the drift, with the exact divergence.

    **Arguments:**

    - `terms`: the drift and the noise of an SDE; its noise an [`entropax.terms.IsotropicNoise`][].
    - `integrand`: $u$: `integrand(t, x, args)`, of the shape of `x`.
    - `solver`: what the terms will be solved with.

    **Returns:** terms over a [`entropax.terms.PathState`][].

    **Raises:** `ValueError` for solvers that are for additive noise only, or neither Itô nor Stratonovich, or whose
        memory grows with the cube of the batch ([`diffrax.ItoMilstein`][]), and for other terms than a drift and a
        noise.
    """
    check_instance("solver", solver, dfx.AbstractSolver)
    name = type(solver).__name__
    if isinstance(solver, (dfx.SEA, dfx.SRA1, dfx.ShARK)):
        raise ValueError(
            f"`solver` {name} is for noise that does not depend on the state, and ∫⟨u(X), dB⟩ does: give "
            "diffrax.Euler(), diffrax.StratonovichMilstein(), diffrax.Heun() or diffrax.SPaRK()."
        )
    if isinstance(solver, dfx.ItoMilstein):
        raise ValueError(
            "`solver` ItoMilstein multiplies every increment with every other one, those of other samples included, "
            "which takes memory by the cube of the batch: give diffrax.StratonovichMilstein(), of the same order."
        )
    drift, *noises = terms.terms if isinstance(terms, dfx.MultiTerm) else (terms,)
    if len(noises) != 1 or not isinstance(noises[0], IsotropicNoise):
        raise ValueError(
            "`terms` must be a diffrax.MultiTerm of a drift and an entropax.terms.IsotropicNoise, such as of "
            f"entropax.terms.forward; got {', '.join(type(term).__name__ for term in (drift, *noises))}."
        )
    noise = noises[0]
    if isinstance(solver, dfx.AbstractItoSolver):
        drift = _Untouched(drift)
    elif isinstance(solver, dfx.AbstractStratonovichSolver):
        drift = _Carrying(drift, _ItoCorrection(noise.scale, integrand))
    else:
        raise ValueError(f"`solver` {name} is marked neither Itô nor Stratonovich; got no meaning for ∫⟨u, dB⟩.")
    return dfx.MultiTerm(drift, _Integrating(noise, integrand))


class _Carrying(dfx.AbstractTerm):
    """A term that moves the state, and a rate that is summed over the same time."""

    term: dfx.AbstractTerm
    rate: Callable

    def vf(self, t, y, args):
        rate = self.rate(t, y.x, args)
        if jnp.shape(rate) != y.total.shape:
            raise ValueError(
                f"`rate` must return one number for each state, shape {y.total.shape}; it returns {jnp.shape(rate)}."
            )
        return self.term.vf(t, y.x, args), rate

    def contr(self, t0, t1, **kwargs):
        return self.term.contr(t0, t1, **kwargs)

    def prod(self, vf, control):
        field, rate = vf
        return PathState(self.term.prod(field, control), rate * control)


class _Untouched(dfx.AbstractTerm):
    """A term that moves the state and not the functional."""

    term: dfx.AbstractTerm

    def vf(self, t, y, args):
        return self.term.vf(t, y.x, args), jnp.zeros_like(y.total)

    def contr(self, t0, t1, **kwargs):
        return self.term.contr(t0, t1, **kwargs)

    def prod(self, vf, control):
        scale, nothing = vf
        return PathState(self.term.prod(scale, control), nothing)


class _Integrating(dfx.AbstractTerm):
    """Noise that reaches the state, and the functional through the integrand."""

    term: dfx.AbstractTerm
    integrand: Callable

    def vf(self, t, y, args):
        integrand = self.integrand(t, y.x, args)
        if jnp.shape(integrand) != y.x.shape:
            raise ValueError(
                f"`integrand` must return the shape of the states, {y.x.shape}; it returns {jnp.shape(integrand)}."
            )
        return self.term.vf(t, y.x, args), integrand

    def contr(self, t0, t1, **kwargs):
        return self.term.contr(t0, t1, **kwargs)

    def prod(self, vf, control):
        scale, integrand = vf
        axes = tuple(range(1, integrand.ndim))
        return PathState(self.term.prod(scale, control), jnp.sum(integrand * control, axes))


class _ItoCorrection(eqx.Module):
    """−½ σ ∇·u."""

    scale: Callable
    integrand: Callable

    def __call__(self, t, x, args):
        def divergence(x, args):
            one = jax.tree.map(lambda leaf: leaf[None], args)
            flat = lambda v: self.integrand(t, v.reshape(1, *x.shape), one).reshape(-1)
            return jnp.trace(jax.jacfwd(flat)(x.reshape(-1)))

        return -0.5 * self.scale(t) * jax.vmap(divergence)(x, args)
