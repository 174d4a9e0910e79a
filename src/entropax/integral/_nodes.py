import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from .._arguments import check_finite, check_instance, check_positive, check_whole
from .._arrays import as_floats


# The least density, in units of the uniform one, that nodes may be drawn from. What has less is hardly ever seen, and
# where it is seen its weight is so large that no error bar allows for it.
_LEAST_DENSITY = 1e-5


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

    def __check_init__(self):
        check_whole("panels", self.panels, least=1)
        check_whole("order", self.order, least=1)

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


def check_covers(density: AbstractDensity, low: Float[Array, ""], high: Float[Array, ""]) -> None:
    """Refuses a density under which nodes do not reach all of a range, or hardly ever. Ranges and densities that are
    traced pass.

    **Raises:** `ValueError` that says where.
    """
    if isinstance(density, Uniform) or any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((density, low, high))):
        return
    u = jnp.linspace(0, 1, 1025, dtype=low.dtype)
    nodes = np.asarray(density.quantile(u, low, high), np.float64)
    along = np.linspace(float(low), float(high), 1025)
    pdf = lambda log_snr: np.asarray(density.pdf(jnp.asarray(log_snr, low.dtype), low, high), np.float64)
    heights, width = pdf(along) * (along[-1] - along[0]), along[-1] - along[0]
    reached = f"λ = {nodes[0]:.4g} to {nodes[-1]:.4g}"
    span = f"λ = {along[0]:.4g} to {along[-1]:.4g}"
    what = f"`density`, {type(density).__name__}, must cover the range of integration, {span}"
    advice = "Use a wider density, or give `integrator` a `log_snr_range` that it covers."
    if not (np.abs(nodes[[0, -1]] - along[[0, -1]]) <= 1e-3 * width).all():
        raise ValueError(f"{what}; its nodes lie in {reached}. {advice}")
    least = int(np.argmin(np.where(np.isnan(heights), -np.inf, heights)))
    if not heights[least] > _LEAST_DENSITY:
        raise ValueError(
            f"{what}; at λ = {along[least]:.4g} it is {heights[least]:.2g} times the uniform density, and nodes are "
            f"hardly ever drawn there. {advice}"
        )
    total = np.sum(pdf(0.5 * (nodes[1:] + nodes[:-1])) * np.diff(nodes))
    if not abs(total - 1) < 0.1:
        raise ValueError(
            f"`density`, {type(density).__name__}, must be normalised: its `pdf` integrates to {total:.3g} between its "
            "own quantiles."
        )


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

    def __check_init__(self):
        check_finite(loc=self.loc)
        check_positive(scale=self.scale)

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

    **Raises:** `ValueError` where shapes do not fit, edges do not increase, and heights are not positive.
    """

    edges: Float[Array, " edges"]
    heights: Float[Array, " pieces"]

    def __init__(self, edges: Float[ArrayLike, " edges"], heights: Float[ArrayLike, " pieces"]):
        self.edges, self.heights = as_floats(edges, "edges"), as_floats(heights, "heights")
        shapes = self.edges.shape, self.heights.shape
        if len(shapes[0]) != 1 or len(shapes[1]) != 1 or shapes[0][0] != shapes[1][0] + 1 or not shapes[1][0]:
            raise ValueError(
                f"`edges` must have shape (pieces + 1,) and `heights` (pieces,), with one piece or more; got "
                f"{shapes[0]} and {shapes[1]}."
            )
        if not isinstance(self.heights, Tracer) and not np.all(np.asarray(self.heights) > 0):
            raise ValueError(f"`heights` must be positive; got {np.asarray(self.heights)}.")
        if not isinstance(self.edges, Tracer) and not np.all(np.diff(np.asarray(self.edges, np.float64)) > 0):
            raise ValueError(f"`edges` must be numbers that increase; got {np.asarray(self.edges)}.")

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
    the samples of a batch are stratified against each other. The integral is unbiased for any density that is positive
    everywhere in the range; one that leaves a part of it next to unseen is refused by [`entropax.integrate`][].

    **Arguments:**

    - `num`: the nodes of each sample.
    - `density`: where they are drawn from: [`entropax.Uniform`][], [`entropax.Logistic`][], or one fitted to a pilot
        run by [`entropax.fit_density`][].
    - `most_cells`: how many cells the profile has at most; [`entropax.integrate`][] takes fewer where there are less
        than 16 evaluations for each.
    """

    num: int = 16
    density: AbstractDensity = Uniform()
    most_cells: int = 64

    def __check_init__(self):
        check_whole("num", self.num, least=1)
        check_whole("most_cells", self.most_cells, least=2)
        check_instance("density", self.density, AbstractDensity)

    @property
    def per_sample(self) -> int:
        return self.num

    @property
    def cells(self) -> int:
        return self.most_cells

    def draw(self, key: PRNGKeyArray, batch: int, low: Float[Array, ""], high: Float[Array, ""]) -> Draw:
        order_key, place_key = jr.split(key)
        order = jr.permutation(order_key, jnp.tile(jnp.arange(batch)[:, None], (1, self.num)), independent=True)
        place = (order.astype(low.dtype) + jr.uniform(place_key, (batch, self.num), low.dtype)) / batch
        u = (jnp.arange(self.num, dtype=low.dtype)[None] + place) / self.num
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
