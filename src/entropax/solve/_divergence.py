import abc
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_whole


class AbstractDivergence(eqx.Module):
    r"""A way to the divergence $\nabla\cdot f$ of a field at one state. Random ones draw their probes once a path, so
    that an adaptive solve sees a smooth right-hand side."""

    @abc.abstractmethod
    def probes(self, key: PRNGKeyArray, x: Float[Array, "*shape"]) -> PyTree:
        """What is drawn once for the path that starts at `x`."""

    @abc.abstractmethod
    def __call__(
        self, field: Callable[[Array], Array], x: Float[Array, "*shape"], probes: PyTree
    ) -> tuple[Float[Array, "*shape"], Float[Array, ""]]:
        r"""The field and its divergence at `x`."""


class ExactDivergence(AbstractDivergence):
    r"""The trace of the Jacobian, one derivative for each coordinate."""

    def probes(self, key: PRNGKeyArray, x: Float[Array, "*shape"]) -> PyTree:
        return None

    def __call__(self, field, x, probes):
        value, derivative = jax.linearize(field, x)
        basis = jnp.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
        return value, _mean_of_products(derivative, basis) * x.size


class Hutchinson(AbstractDivergence):
    r"""$\nabla\cdot f \approx \frac1n\sum_i v_i^\top J v_i$ with random signs $v_i$: unbiased.

    **Arguments:**

    - `num`: the probes of each path.

    ??? cite "Source"
        Hutchinson (1990); Grathwohl et al., FFJORD (2019).
    """

    num: int = 1

    def __check_init__(self):
        check_whole("num", self.num, 1)

    def probes(self, key: PRNGKeyArray, x: Float[Array, "*shape"]) -> PyTree:
        return jr.rademacher(key, (self.num, *x.shape), x.dtype)

    def __call__(self, field, x, probes):
        value, derivative = jax.linearize(field, x)
        return value, _mean_of_products(derivative, probes)


class HutchPlusPlus(AbstractDivergence):
    r"""The trace on the range of a random sketch exactly, and the rest by Hutchinson's probes: unbiased, with an error
    of order $1/n$ in place of $1/\sqrt n$; exact once the sketch spans the space.

    **Arguments:**

    - `sketch`: the dimensions of the sketch, which costs two derivatives for each.
    - `num`: the probes of the rest.

    ??? cite "Source"
        Meyer, Musco, Musco and Woodruff, Hutch++: optimal stochastic trace estimation (2021).
    """

    sketch: int = 4
    num: int = 4

    def __check_init__(self):
        check_whole("sketch", self.sketch, 1)
        check_whole("num", self.num, 1)

    def probes(self, key: PRNGKeyArray, x: Float[Array, "*shape"]) -> PyTree:
        sketch_key, rest_key = jr.split(key)
        # Directions beyond the dimension have nothing to add; signs could repeat, and leave the basis to rounding.
        sketch = jr.normal(sketch_key, (min(self.sketch, x.size), x.size), x.dtype)
        return sketch, jr.rademacher(rest_key, (self.num, x.size), x.dtype)

    def __call__(self, field, x, probes):
        sketch, rest = probes
        value, derivative = jax.linearize(field, x)
        rows = jax.vmap(lambda v: derivative(v.reshape(x.shape)).reshape(-1))
        basis = jnp.linalg.qr(rows(sketch).T)[0].T
        inside = jnp.sum(rows(basis) * basis)
        rest = rest - (rest @ basis.T) @ basis
        return value, inside + jnp.sum(rows(rest) * rest) / self.num


def _mean_of_products(derivative, directions):
    return jnp.mean(jax.vmap(lambda v: jnp.sum(v * derivative(v)))(directions))
