import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray


# Cells of the profile that randomly placed nodes are binned into.
_PROFILE_CELLS = 64


class Draw(NamedTuple):
    r"""Where each sample meets the integrand: $\int f\,\mathrm{d}\lambda \approx \sum_j w_{ij} f(x_i, \lambda_{ij})$.

    `cell` says which cell of the profile a node belongs to.
    """

    log_snr: Float[Array, "batch nodes"]
    weight: Float[Array, "batch nodes"]
    cell: Int[Array, "batch nodes"]


class AbstractNodes(eqx.Module):
    r"""Where along $\lambda$ an integral is evaluated, for each sample of a batch."""

    @property
    @abc.abstractmethod
    def per_sample(self) -> int:
        """How many nodes each sample gets."""

    @property
    @abc.abstractmethod
    def cells(self) -> int:
        """How many cells the profile has."""

    @abc.abstractmethod
    def draw(self, key: PRNGKeyArray, batch: int, low: Float[Array, ""], high: Float[Array, ""]) -> Draw:
        r"""Nodes and weights over $[\mathrm{low}, \mathrm{high}]$ for `batch` samples."""

    @abc.abstractmethod
    def error(self, log_snr: Array, rate: Array, stderr: Array, count: Array, chunks: int) -> Float[Array, "*out"]:
        r"""The standard error that the choice of nodes leaves in the integral, from the profile of the rate:
        `log_snr`, `rate`, `stderr` and evaluations `count` of each cell."""


class GaussLegendre(AbstractNodes):
    r"""Gauss–Legendre quadrature on equal panels: every sample at every node.

    **Arguments:**

    - `panels`: the number of panels the range is cut into.
    - `order`: the nodes on each.
    """

    panels: int = 10
    order: int = 8

    @property
    def per_sample(self) -> int:
        return self.panels * self.order

    @property
    def cells(self) -> int:
        return self.per_sample

    def draw(self, key: PRNGKeyArray, batch: int, low: Float[Array, ""], high: Float[Array, ""]) -> Draw:
        del key
        nodes, weights = np.polynomial.legendre.leggauss(self.order)
        unit = (np.arange(self.panels)[:, None] + 0.5 * (nodes + 1)).ravel() / self.panels
        weights = np.tile(0.5 * weights / self.panels, self.panels)
        width = high - low
        log_snr = low + width * jnp.asarray(unit, width.dtype)
        weight = width * jnp.asarray(weights, width.dtype)
        shape = (batch, self.per_sample)
        return Draw(
            jnp.broadcast_to(log_snr, shape),
            jnp.broadcast_to(weight, shape),
            jnp.broadcast_to(jnp.arange(self.per_sample), shape),
        )

    def error(self, log_snr: Array, rate: Array, stderr: Array, count: Array, chunks: int) -> Float[Array, "*out"]:
        # Against the interpolatory rule that leaves out the middle node of each panel, less what noise alone gives.
        nodes, weights = np.polynomial.legendre.leggauss(self.order)
        kept = np.delete(nodes, self.order // 2)
        powers = np.arange(kept.size)
        moments = np.where(powers % 2 == 0, 2 / (powers + 1), 0.0)
        lesser = np.insert(np.linalg.solve(kept ** powers[:, None], moments), self.order // 2, 0.0)
        width = (log_snr[-1] - log_snr[0]) / (2 * self.panels)
        difference = jnp.asarray(np.tile(weights - lesser, self.panels), rate.dtype) * width
        bias = jnp.tensordot(difference, rate, 1)
        return jnp.sqrt(jnp.maximum(bias**2 - 4 * jnp.tensordot(difference**2, stderr**2, 1), 0.0))


class AbstractDensity(eqx.Module):
    r"""A density over $\lambda$ to draw nodes from."""

    @abc.abstractmethod
    def quantile(self, u: Array, low: Float[Array, ""], high: Float[Array, ""]) -> Array:
        r"""The $\lambda$ below which a share $u$ of the density on $[\mathrm{low}, \mathrm{high}]$ lies."""

    @abc.abstractmethod
    def pdf(self, log_snr: Array, low: Float[Array, ""], high: Float[Array, ""]) -> Array:
        r"""The density at `log_snr`, normalised on $[\mathrm{low}, \mathrm{high}]$."""


class Uniform(AbstractDensity):
    r"""The uniform density over the range."""

    def quantile(self, u: Array, low: Float[Array, ""], high: Float[Array, ""]) -> Array:
        return low + (high - low) * u

    def pdf(self, log_snr: Array, low: Float[Array, ""], high: Float[Array, ""]) -> Array:
        return jnp.ones_like(log_snr) / (high - low)


class Logistic(AbstractDensity):
    r"""A logistic density, cut to the range.

    **Arguments:**

    - `loc`, `scale`: its centre and its width in $\lambda$.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023), App. B.
    """

    loc: float = 2.0
    scale: float = 3.0

    def quantile(self, u: Array, low: Float[Array, ""], high: Float[Array, ""]) -> Array:
        below, above = self._cdf(low), self._cdf(high)
        share = below + (above - below) * u
        return jnp.clip(self.loc + self.scale * (jnp.log(share) - jnp.log1p(-share)), low, high)

    def pdf(self, log_snr: Array, low: Float[Array, ""], high: Float[Array, ""]) -> Array:
        unit = (log_snr - self.loc) / self.scale
        slope = jax.nn.sigmoid(unit) * jax.nn.sigmoid(-unit) / self.scale
        return slope / (self._cdf(high) - self._cdf(low))

    def _cdf(self, log_snr):
        return jax.nn.sigmoid((log_snr - self.loc) / self.scale)


class Piecewise(AbstractDensity):
    r"""A piecewise constant density: heights between edges that cover the range; what lies outside is cut.

    **Arguments:**

    - `edges`: increasing, shape `(pieces + 1,)`.
    - `heights`: positive, shape `(pieces,)`; normalised here.
    """

    edges: Float[Array, " edges"]
    heights: Float[Array, " pieces"]

    def quantile(self, u: Array, low: Float[Array, ""], high: Float[Array, ""]) -> Array:
        below, above = self._mass(low), self._mass(high)
        return jnp.interp(below + (above - below) * u, self._masses(), self.edges)

    def pdf(self, log_snr: Array, low: Float[Array, ""], high: Float[Array, ""]) -> Array:
        piece = jnp.clip(jnp.searchsorted(self.edges, log_snr) - 1, 0, self.heights.size - 1)
        return self.heights[piece] / (self._mass(high) - self._mass(low))

    def _masses(self):
        return jnp.concatenate([jnp.zeros_like(self.heights[:1]), jnp.cumsum(self.heights * jnp.diff(self.edges))])

    def _mass(self, log_snr):
        return jnp.interp(log_snr, self.edges, self._masses())


class Stratified(AbstractNodes):
    r"""Stratified random nodes: each sample gets one node in each of `num` strata of equal mass, and within a stratum
    the samples of a batch are stratified against each other. The integral is unbiased for any density.

    **Arguments:**

    - `num`: the nodes of each sample.
    - `density`: where they are drawn from: [`entropax.Uniform`][], [`entropax.Logistic`][], or one fitted to a pilot
        run by [`entropax.fit_density`][].
    """

    num: int = 16
    density: AbstractDensity = Uniform()

    @property
    def per_sample(self) -> int:
        return self.num

    @property
    def cells(self) -> int:
        return _PROFILE_CELLS

    def draw(self, key: PRNGKeyArray, batch: int, low: Float[Array, ""], high: Float[Array, ""]) -> Draw:
        order_key, place_key = jr.split(key)
        order = jr.permutation(order_key, jnp.tile(jnp.arange(batch)[:, None], (1, self.num)), independent=True)
        place = (order.astype(low.dtype) + jr.uniform(place_key, (batch, self.num), low.dtype)) / batch
        u = (jnp.arange(self.num, dtype=low.dtype) + place) / self.num
        log_snr = self.density.quantile(u, low, high)
        weight = 1 / (self.num * self.density.pdf(log_snr, low, high))
        cell = jnp.clip((u * self.cells).astype(int), 0, self.cells - 1)
        return Draw(log_snr, weight, cell)

    def error(self, log_snr: Array, rate: Array, stderr: Array, count: Array, chunks: int) -> Float[Array, "*out"]:
        # A stratum of width h in which the rate changes by r'h adds h²·(r'h)²/12 to the variance of a chunk.
        del stderr
        width = jnp.asarray(jnp.gradient(log_snr))
        stratum = width / jnp.maximum(count / chunks, 1.0)
        slope = jnp.asarray(jnp.gradient(rate, axis=0)) / width.reshape(width.shape + (1,) * (rate.ndim - 1))
        return jnp.sqrt(jnp.tensordot(width * stratum**3, slope**2, 1) / (12 * chunks))
