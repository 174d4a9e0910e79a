import dataclasses
import math
import warnings
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh
from jaxtyping import Array, Inexact, PRNGKeyArray, PyTree
from tqdm import tqdm

from .._arguments import check_instance, check_key, check_whole
from .._progress import is_seen
from ..denoiser import (
    AbstractDenoiser,
    change_units,
    check_labels,
    check_range,
    diffuse,
    known_moments,
    least_resolved,
    moments_of,
)
from ..parallel import own, replicate, shard
from ._estimate import Estimate, Profile, standard_error
from ._infinite import check_one_sign, InfiniteWarning, warn_of_infinity, with_infinite
from ._integrands import AbstractIntegrand, check_prediction, PerCoordinate
from ._nodes import AbstractNodes, check_covers, Draw, Piecewise, Stratified
from ._samples import as_samples
from ._units import check_units, model_of


# Where the integral of an exact denoiser stops and its tail terms begin. The upper end leaves a variance of 1e-8 (whose
# rate falls from λ = 18.4 on) room to reach its asymptote. Of larger and smaller data than these ends are for, rates
# reach their asymptotes so far below -log of the sum of all squares, and above -log of the least variance.
_UNBOUNDED = (-16.0, 24.0)
_BELOW, _ABOVE = 7.0, 6.0

# Signal and noise have no digits in float32 where the log-SNR is farther from 0.
_RESOLVED = 80.0

# Nats per unit of λ that a truncated integral may still gain without a word.
_NEGLIGIBLE = 0.01

# A progress bar appears on work that lasts longer than this many seconds.
_PATIENCE = 2.0


# Chunks on a mesh have a multiple of so many samples: draws depend on the size of a chunk, and shall be the same on one
# device, two, four and eight.
_ROWS = 8

# A rate above this at the upper end, that of a sample 20 standard deviations of the noise away from all that a
# distribution can produce, is not due to noise.
_AWAY = 200.0

# A profile has a cell for so many evaluations at least: a finer one would follow their noise, which would then be
# missing in the error bar, and by chance some cells would see none.
_EVALUATIONS_A_CELL = 16

# A coordinate has a share in an infinite sum where its rate at the end of the range is more than this share of the
# limit of the sum.
_LASTING = 0.01


class TruncationWarning(UserWarning):
    """A part of an integral that cannot be justified was left out."""


def independent_noise(key: PRNGKeyArray, batch: int, nodes: int, shape: tuple[int, ...], dtype) -> Array:
    r"""Independent noise at every node."""
    return jr.normal(key, (batch, nodes, *shape), dtype)


def antithetic_noise(key: PRNGKeyArray, batch: int, nodes: int, shape: tuple[int, ...], dtype) -> Array:
    r"""Noise in pairs $\pm\varepsilon$ at neighbouring nodes of a sample: what is odd in the noise cancels, what is
    even counts twice. It pays where the rate is nearly linear in the noise."""
    half = jr.normal(key, (batch, (nodes + 1) // 2, 1, *shape), dtype)
    pairs = jnp.concatenate([half, -half], 2)
    return pairs.reshape(batch, -1, *shape)[:, :nodes]


class Integrator(eqx.Module):
    r"""How an integral over $\lambda$ is done.

    **Arguments:**

    - `nodes`: [`entropax.Stratified`][] (the default, unbiased) or [`entropax.GaussLegendre`][].
    - `log_snr_range`: $(\lambda_\mathrm{min}, \lambda_\mathrm{max})$, or `None` for where the denoisers can be trusted.
        A range that is given is integrated as it stands; otherwise tail terms follow at both ends where the rate falls
        off as theory says, and a [`entropax.TruncationWarning`][] says what is left out where it does not. The range of
        a paper that states times is `process.log_snr_range(s_min)`.
    - `noise`: [`entropax.independent_noise`][] (the default) or [`entropax.antithetic_noise`][].
    - `chunk`: evaluations at a time; memory grows with this, not with samples × nodes.
    - `mesh`: the devices that the samples are spread over, from [`entropax.parallel.make_mesh`][].
    """

    nodes: AbstractNodes = Stratified()
    log_snr_range: tuple[float, float] | None = None
    noise: Callable[..., Array] = independent_noise
    chunk: int = 32768
    mesh: Mesh | None = None

    def __check_init__(self):
        check_instance("nodes", self.nodes, AbstractNodes)
        check_instance("mesh", self.mesh, (Mesh, type(None)))
        check_whole("chunk", self.chunk, least=1)
        if not callable(self.noise):
            raise ValueError(f"`noise` must be a function, such as independent_noise; got {self.noise!r}.")
        if self.log_snr_range is not None:
            for end in check_range(self.log_snr_range):
                if not isinstance(end, Tracer) and not math.isfinite(end):
                    raise ValueError(
                        f"`log_snr_range` must be finite; got {self.log_snr_range}. `None` integrates over all noise "
                        "levels where the denoisers can be trusted, with tail terms at both ends."
                    )

    def evaluations(self, batch: int) -> int:
        """How often an integral over `batch` samples calls its integrand."""
        return batch * (self.nodes.per_sample + (2 if self.log_snr_range is None else 0))


def integrate(
    integrands: PyTree[AbstractIntegrand],
    x: Inexact[Array | np.ndarray, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    integrator: Integrator = Integrator(),
) -> PyTree[Estimate]:
    r"""The integrals $\int \mathbb{E}_{x, y, \varepsilon}\,f(x, y, \lambda, \varepsilon)\,\mathrm{d}\lambda$ of several
    rates on the same nodes and the same noise.

    **Arguments:**

    - `integrands`: one rate or a pytree of them.
    - `x`: the samples. `y`: their conditions, a pytree with the same leading axis.
    - `key`: the randomness of nodes and noise.
    - `integrator`: nodes, range, noise, chunk and devices.

    **Returns:** an [`entropax.Estimate`][] for each rate. An integral over all noise levels is infinite where the
    distribution of a denoiser gives a sample probability zero, or where the distributions that it compares have
    different dimensions ([`entropax.AbstractDenoiser.dimension`][]). The share of such a sample and the value are then
    `inf` or `-inf`, with an error of zero, and an [`entropax.InfiniteWarning`][] names the sample and the
    reason. A range that is given is integrated as it stands.

    **Raises:** `ValueError` on samples that are empty, too few or not finite, conditions of another length or kind than
    a denoiser's, labels that it does not have, a range outside where a denoiser can be trusted, nodes that leave out a
    part of it, or a denoiser whose prediction does not have the shape of a sample. `RuntimeError` where a rate is NaN,
    with the sample and the noise level.

    **Warns:** [`entropax.InfiniteWarning`][] where a rate is infinite, [`entropax.TruncationWarning`][] where what lies
    beyond the range is left out, [`entropax.UnitsWarning`][] where `x` lies far outside the data that a denoiser was
    made for.
    """
    check_key(key)
    check_instance("integrator", integrator, Integrator)
    as_given, y = as_samples(x, y)
    batch = as_given.shape[0]
    given = integrands
    # Samples that came in float64 have digits that float32 would lose.
    integrands, x = _centred(integrands, x if isinstance(x, np.ndarray) else as_given, as_given)
    is_integrand = lambda leaf: isinstance(leaf, AbstractIntegrand | AbstractDenoiser)
    named, structure = jax.tree.flatten_with_path(integrands, is_leaf=is_integrand)
    rates = [rate for _, rate in named]
    if not rates:
        raise ValueError(f"`integrands` must hold at least one rate; got {integrands!r}.")
    for rate in rates:
        check_instance("integrands", rate, AbstractIntegrand)
    low, high, tails = _range(rates, integrator, x.shape[1:])
    low, high = jnp.asarray(low, x.dtype), jnp.asarray(high, x.dtype)
    few = f"holds too few samples, {batch} with {integrator.nodes.per_sample} noise levels each"
    more = "Give more samples, or more nodes a sample."
    if isinstance(integrator.nodes, Stratified):
        check_covers(integrator.nodes.density, low, high)
        cells = min(integrator.nodes.cells, batch * integrator.nodes.per_sample // _EVALUATIONS_A_CELL)
        if cells < 2:
            raise ValueError(f"`x` {few}, of which no profile along λ can be made. {more}")
        integrator = dataclasses.replace(integrator, nodes=dataclasses.replace(integrator.nodes, most_cells=cells))

    size, chunks = _chunk_size(batch, integrator)
    denoisers, uses = _distinct(rates)
    for denoiser in denoisers:
        check_labels(denoiser, y, "y")
    fixed, networks = replicate((tuple(rates), denoisers), integrator.mesh)
    parts, sums = [], []
    for index in tqdm(range(chunks), "Integrating", unit="chunk", leave=False, delay=_PATIENCE, disable=not is_seen()):
        samples = _slice(x, y, index, size, integrator.mesh)
        part, new = own(
            _evaluate_chunk(fixed, networks, uses, samples, jr.fold_in(key, index), low, high, integrator, tails)
        )
        parts.append(part)
        sums = jax.tree.map(jnp.add, sums, new) if sums else new

    count, log_snr_sum, moments = sums
    if not isinstance(count, Tracer) and float(jnp.min(count)) == 0:
        raise ValueError(f"`x` {few}: some of the {integrator.nodes.cells} cells of the profile were not seen. {more}")
    log_snr = log_snr_sum / jnp.maximum(count, 1)

    def at_sample(k, row):
        """The noise levels of one sample, and one rate at each: made again where they are looked for."""
        index = row // size
        samples, chunk_key = _slice(x, y, index, size, integrator.mesh), jr.fold_in(key, index)
        levels, values = own(_rates_at_nodes(fixed, networks, uses, samples, chunk_key, low, high, integrator, tails))
        return levels[row % size], values[k][row % size]

    estimates, infinite = [], set()
    for k in range(len(rates)):
        body, ends, limits = (jnp.concatenate([part[k][i] for part in parts])[:batch] for i in range(3))
        name = f" {jax.tree_util.keystr(named[k][0])}".rstrip()
        _refuse_nan(body, ends, lambda row: at_sample(k, row), name)
        profile = _profile(log_snr, count, *moments[k])
        explained = jnp.concatenate(
            [_explained(jr.fold_in(key, index), low, high, integrator, profile, size) for index in range(chunks)]
        )[:batch]
        nodes_error = integrator.nodes.error(log_snr, profile.rate, profile.stderr, count, chunks)
        factors = jnp.zeros_like(ends[0])
        if tails:
            factors = _tail_factors(rates[k], profile, jnp.mean(ends, 0), low, high)
        # The profile was fitted to the same evaluations: what is left of them has so many fewer degrees of freedom.
        evaluations = batch * integrator.nodes.per_sample
        freedom = max(1 - integrator.nodes.cells / evaluations, 0.5)
        # What is not added may be infinite.
        outside = jnp.where(factors[None] == 0, 0.0, factors[None] * ends)
        estimates.append(_assemble(body, outside, explained, nodes_error, profile, freedom))
        if tails:
            signs = _infinite(rates[k], limits, profile, ends[:, 1], high)
            estimates[-1] = with_infinite(estimates[-1], signs)
            what = f"the integral of {type(rates[k]).__name__} over all noise levels"
            check_one_sign(what, rates[k].denoisers, signs, x, y)
            if warn_of_infinity(f"The estimate is infinite: {what}", rates[k].denoisers, signs, x, y):
                infinite.add(k)
                continue
            for end, (place, decay) in enumerate(((low, "exp(λ)"), (high, "exp(-λ)"))):
                _warn_of_truncation(rates[k], estimates[-1], ends[:, end], factors[end], place, decay, name)
        _warn_of_overflow(body, ends, lambda row: at_sample(k, row), name)
    given = [rate for k, rate in enumerate(jax.tree.leaves(given, is_leaf=is_integrand)) if k not in infinite]
    check_units(map(model_of, given), as_given)
    return jax.tree.unflatten(structure, estimates)


def fit_density(profile: Profile, floor: float = 0.1) -> Piecewise:
    r"""The importance density that a pilot run asks for: $p(\lambda) \propto \sqrt{\mathbb{E} f^2}$, which minimises
    the variance of a single evaluation, mixed with a share of the uniform density so that no noise level goes unseen.
    Where all rates of the pilot are zero, it is the uniform density alone.

    **Arguments:**

    - `profile`: of the pilot's [`entropax.Estimate`][], with one rate at each node.
    - `floor`: the share of the uniform density, above 0 and at most 1.

    **Returns:** a density for [`entropax.Stratified`][].

    **Raises:** `ValueError` on a `floor` that is no such share, and on a profile of several rates, or of rates that
    are not finite.
    """
    check_instance("profile", profile, Profile)
    moments = profile.second_moment
    if moments.ndim != 1:
        raise ValueError(f"`profile` must have one rate at each node; got rates of shape {moments.shape[1:]}.")
    if not isinstance(moments, Tracer) and not bool(jnp.all(jnp.isfinite(moments))):
        place = float(profile.log_snr[jnp.argmin(jnp.isfinite(moments))])
        raise ValueError(
            f"`profile` must have finite rates; that at λ = {place:.3g} is not, so that no density fits it."
        )
    if not 0 < floor <= 1:
        raise ValueError(f"`floor` must be above 0, so that no noise level goes unseen, and at most 1; got {floor}.")
    wanted = jnp.sqrt(moments)
    inner = 0.5 * (profile.log_snr[1:] + profile.log_snr[:-1])
    # A whole cell beyond the outermost nodes: random ones may lie anywhere in their cells, and what is left out of the
    # range would never be seen. What lies beyond the range is cut.
    first, last = 2 * profile.log_snr[:1] - profile.log_snr[1:2], 2 * profile.log_snr[-1:] - profile.log_snr[-2:-1]
    edges = jnp.concatenate([first, inner, last])
    widths = jnp.diff(edges)
    area, uniform = jnp.sum(wanted * widths), 1 / jnp.sum(widths)
    wanted = jnp.where(area > 0, wanted / jnp.where(area > 0, area, 1.0), uniform)
    return Piecewise(edges, (1 - floor) * wanted + floor * uniform)


# Means of so many standard deviations cost float32 a digit or more of the noise where data are just resolved.
_FAR = 1e3


def _centred(integrands, exact, samples):
    """The rates of the samples less the mean of the training samples, where these lie so far from zero that float32
    would lose digits of the noise beside them. Noise levels and all rates remain what they are."""
    moments = moments_of(integrands)
    if moments is None or any(isinstance(leaf, Tracer) for leaf in (moments.mean, moments.std, exact)):
        return integrands, samples
    mean, std = np.asarray(moments.mean, np.float64), np.asarray(moments.std, np.float64)
    if np.shape(exact)[1:] != mean.shape or not (np.abs(mean) > _FAR * std).any():
        return integrands, samples
    is_denoiser = lambda node: isinstance(node, AbstractDenoiser)
    moved = {}

    def centre(node):
        # Each denoiser once, so that those of several rates remain one.
        if is_denoiser(node) and id(node) not in moved:
            moved[id(node)] = change_units(node, moments.mean, 1.0)
        return moved.get(id(node), node)

    if isinstance(exact, jax.Array):
        centred = exact - moments.mean[None]
    else:
        centred = jnp.asarray(exact - mean, moments.mean.dtype)
    return jax.tree.map(centre, integrands, is_leaf=is_denoiser), centred


def _unbounded(rates, shape) -> tuple[float, float]:
    """Where integrals end that denoisers do not limit: at noise levels that hide all of the data, and none of it."""
    low, high = _UNBOUNDED
    for denoiser in {id(one): one for rate in rates for one in rate.denoisers}.values():
        found, resolved = known_moments(denoiser), least_resolved(denoiser)
        if found is None or resolved is None or isinstance(found[0], Tracer):
            continue
        mean, std = (np.asarray(part, np.float64) for part in found)
        # Moments may be those of every coordinate alike.
        low = min(low, -math.log(np.mean(mean**2 + std**2) * max(math.prod(shape), 1)) - _BELOW)
        high = max(high, resolved + _ABOVE)
        if not -_RESOLVED < low < high < _RESOLVED:
            raise ValueError(
                f"The data of {type(denoiser).__name__} have standard deviations of {std[std > 0].min():.3g} to "
                f"{std.max():.3g} and means of up to {np.abs(mean).max():.3g}; noise that hides them, or that hides "
                "nothing of them, is beyond the range of float32. Divide the data by their scale."
            )
    return low, high


def _range(rates, integrator, shape):
    low = max(rate.log_snr_range[0] for rate in rates)
    high = min(rate.log_snr_range[1] for rate in rates)
    check_range((low, high), "`log_snr_range`, where the denoisers of all integrands can be trusted,")
    if integrator.log_snr_range is None:
        # A model that was trained on data in units of their own is trusted where those data are resolved.
        default = _unbounded(rates, shape)
        ends = low if math.isfinite(low) else default[0], high if math.isfinite(high) else default[1]
        if not ends[0] < ends[1]:
            raise ValueError(
                f"The denoisers can be trusted beyond {default} only, where integrals run by default: give "
                "`integrator` a `log_snr_range`."
            )
        return *ends, True
    asked = integrator.log_snr_range
    if asked[0] < low - 1e-3 or asked[1] > high + 1e-3:
        raise ValueError(
            f"`log_snr_range` {asked} leaves ({low:.3f}, {high:.3f}), the range where the denoisers can be trusted."
        )
    return *asked, False


def _distinct(rates) -> tuple[tuple[AbstractDenoiser, ...], tuple[tuple[int, ...], ...]]:
    """The denoisers that the rates compare, each once, and which of them each rate uses. XLA does not see by itself
    that two calls of a network are one."""
    distinct, uses = [], []
    for rate in rates:
        needs = []
        for denoiser in rate.denoisers:
            same = [k for k, other in enumerate(distinct) if _is_same(denoiser, other)]
            if not same:
                distinct.append(denoiser)
            needs.append(same[0] if same else len(distinct) - 1)
        uses.append(tuple(needs))
    return tuple(distinct), tuple(uses)


def _is_same(first: AbstractDenoiser, second: AbstractDenoiser) -> bool:
    (leaves, structure), (others, other_structure) = jax.tree.flatten(first), jax.tree.flatten(second)
    return structure == other_structure and all(leaf is other for leaf, other in zip(leaves, others))


def _chunk_size(batch, integrator):
    multiple = 1 if integrator.mesh is None else math.lcm(_ROWS, integrator.mesh.size)
    chunks = -(-batch * integrator.nodes.per_sample // integrator.chunk)
    size = -(-batch // max(chunks, 1))
    size = -(-size // multiple) * multiple
    return size, -(-batch // size)


def _slice(x, y, index, size, mesh):
    """One chunk of the samples, the last one filled up from the first, and which of it count."""
    rows = (np.arange(size) + index * size) % x.shape[0]
    counts = jnp.asarray(np.arange(size) + index * size < x.shape[0])
    return shard(jax.tree.map(lambda leaf: leaf[rows], (x, y)) + (counts,), mesh)


def _draw(key, size, low, high, integrator) -> tuple[Draw, PRNGKeyArray]:
    node_key, noise_key = jr.split(key)
    return integrator.nodes.draw(node_key, size, low, high), noise_key


def _rates(rates, denoisers, uses, samples, key, low, high, integrator, tails):
    """All rates of one chunk at its nodes, and last at both ends where there are tails; with the draw of the nodes."""
    x, y, _ = samples
    size = x.shape[0]
    draw, noise_key = _draw(key, size, low, high, integrator)
    log_snr = draw.log_snr
    if tails:
        ends = jnp.broadcast_to(jnp.stack([low, high]), (size, 2))
        log_snr = jnp.concatenate([log_snr, ends], 1)
    eps = integrator.noise(noise_key, size, log_snr.shape[1], x.shape[1:], x.dtype)

    def at_node(x, y, log_snr, eps):
        z = diffuse(x, log_snr, eps)
        predictions = [denoiser(z, log_snr, y) for denoiser in denoisers]
        for denoiser, prediction in zip(denoisers, predictions):
            check_prediction(denoiser, prediction, z)
        return [rate.rate(tuple(predictions[k] for k in needs), log_snr, eps) for rate, needs in zip(rates, uses)]

    return draw, log_snr, jax.vmap(jax.vmap(at_node, (None, None, 0, 0)))(x, y, log_snr, eps)


@eqx.filter_jit
def _rates_at_nodes(*arguments):
    _, log_snr, values = _rates(*arguments)
    return replicate((log_snr, values), arguments[-2].mesh)


def _refuse_nan(body: Array, ends: Array, at_sample: Callable[[int], tuple[Array, Array]], name: str) -> None:
    """Refuses rates that are NaN, naming the first sample that has one and the noise level."""
    place = _first(np.isnan, "NaN", body, ends, at_sample, name)
    if place is not None:
        raise RuntimeError(
            f"{place} A denoiser predicts NaN there, or so large a noise that its square is no {body.dtype}: look at "
            "its prediction for that sample, and at the units of `x`."
        )


def _warn_of_overflow(body: Array, ends: Array, at_sample: Callable[[int], tuple[Array, Array]], name: str) -> None:
    """Warns of rates that are infinite, naming the first sample that has one and the noise level."""
    place = _first(np.isinf, "infinite", body, ends, at_sample, name)
    if place is not None:
        warnings.warn(
            f"{place} Either a model gives probability zero to that sample, so that the answer is infinite, or the "
            f"numbers are too large for {body.dtype}.",
            InfiniteWarning,
            stacklevel=4,
        )


def _first(is_bad, what, body, ends, at_sample, name) -> str | None:
    """A sentence about the first sample whose rate is bad, if there is one."""
    if isinstance(body, Tracer) or bool(jnp.isfinite(body).all() & jnp.isfinite(ends).all()):
        return None
    flat = np.concatenate([np.asarray(part).reshape(body.shape[0], -1) for part in (body, ends)], 1)
    rows = np.flatnonzero(is_bad(flat).any(1))
    if not rows.size:
        return None
    log_snr, values = (np.asarray(part) for part in at_sample(int(rows[0])))
    nodes = np.flatnonzero(~np.isfinite(values.reshape(values.shape[0], -1)).all(1))
    # Finite rates may have a sum, or a weighted one, that is not.
    place = f"at λ = {log_snr[nodes[0]]:.2f}" if nodes.size else "in the sum over its noise levels"
    return f"The rate{name} is {what} for {rows.size} of {len(flat)} samples, first for x[{rows[0]}], {place}."


@eqx.filter_jit
def _evaluate_chunk(rates, denoisers, uses, samples, key, low, high, integrator, tails):
    x, y, counts = samples
    size, num = x.shape[0], integrator.nodes.per_sample
    draw, _, values = _rates(rates, denoisers, uses, samples, key, low, high, integrator, tails)

    def limits_of(x, y):
        dimensions = [jnp.asarray(denoiser.dimension(x, y), x.dtype) for denoiser in denoisers]
        return [rate.limit(tuple(dimensions[k] for k in needs)).astype(x.dtype) for rate, needs in zip(rates, uses)]

    # A range that is given ends before any limit.
    limits = jax.vmap(limits_of)(x, y) if tails else [jnp.zeros(size, x.dtype)] * len(rates)

    mask = counts.astype(x.dtype)[:, None] * jnp.ones((1, num), x.dtype)
    add = lambda values: jax.ops.segment_sum(
        values.reshape(-1, *values.shape[2:]), draw.cell.reshape(-1), integrator.nodes.cells
    )
    parts, moments = [], []
    for value, limit in zip(values, limits):
        inner, outer = value[:, :num], value[:, num:]
        weight = draw.weight.reshape(draw.weight.shape + (1,) * (inner.ndim - 2))
        masked = inner * mask.reshape(mask.shape + (1,) * (inner.ndim - 2))
        outer = outer if tails else jnp.zeros((size, 2, *inner.shape[2:]), inner.dtype)
        parts.append((jnp.sum(weight * inner, 1), outer, limit))
        moments.append((add(masked), add(masked * inner), _by_sample(masked, mask, draw.cell, integrator.nodes)))
    # Here devices hear of each other, and nowhere before.
    return replicate((parts, (add(mask), add(mask * draw.log_snr), moments)), integrator.mesh)


def _by_sample(values, mask, cell, nodes) -> tuple[Array, ...]:
    """Of the sums and the numbers of each sample's nodes in each cell: the squares of both and their product, summed
    over samples. Nothing where no sample can have two nodes in one cell."""
    if nodes.cells % nodes.per_sample == 0:
        return ()
    batch = values.shape[0]
    place = (jnp.arange(batch)[:, None] * nodes.cells + cell).reshape(-1)

    def sums(values):
        flat = jax.ops.segment_sum(values.reshape(-1, *values.shape[2:]), place, batch * nodes.cells)
        return flat.reshape(batch, nodes.cells, *values.shape[2:])

    total, number = sums(values), sums(mask)
    aligned = number.reshape(number.shape + (1,) * (total.ndim - 2))
    return jnp.sum(total**2, 0), jnp.sum(total * aligned, 0), jnp.sum(number**2, 0)


def _profile(log_snr, count, first, second, by_sample) -> Profile:
    align = lambda number: number.reshape(number.shape + (1,) * (first.ndim - 1))
    count = align(jnp.maximum(count, 1))
    rate, second = first / count, second / count
    spread = jnp.maximum(second - rate**2, 0.0)
    if by_sample:
        # The nodes that a sample has in a cell depend on each other: samples are what is independent.
        squares, products, numbers = by_sample
        spread = jnp.maximum(squares - 2 * rate * products + rate**2 * align(numbers), 0.0) / count
    return Profile(log_snr, rate, jnp.sqrt(spread / jnp.maximum(count - 1, 1)), second)


@eqx.filter_jit
def _explained(key, low, high, integrator, profile, size):
    """What the smooth profile alone predicts for each sample's sum over its nodes. Stratified nodes make the mean of it
    all but exact, so it is no part of the error."""
    draw, _ = _draw(key, size, low, high, integrator)
    flat = profile.rate.reshape(profile.rate.shape[0], -1)
    along = jax.vmap(lambda rate: jnp.interp(draw.log_snr, profile.log_snr, rate), 1, 2)(flat)
    return jnp.sum(draw.weight[..., None] * along, 1).reshape(size, *profile.rate.shape[1:])


def _tail_factors(rate: AbstractIntegrand, profile: Profile, ends: Array, low: Array, high: Array) -> Array:
    r"""∫ beyond the ends in units of the rate there.

    Below, the rate of a gap falls as $e^\lambda$ (data with a mean, mutual information) or $e^{2\lambda}$; above, where
    both densities are smooth, as $e^{-\lambda}$. The slope towards the profile decides which holds, if any does.
    """
    span = 2.0
    inside = jnp.stack([_at(profile, low + span), _at(profile, high - span)])
    if isinstance(rate, PerCoordinate):
        # One decision for all coordinates: it is surer than many, and the tails sum to that of the sum.
        inside, ends = (jnp.sum(v, axis=tuple(range(1, v.ndim)), keepdims=True) for v in (inside, ends))
    decay = jnp.log(jnp.maximum(jnp.abs(inside), 1e-30) / jnp.maximum(jnp.abs(ends), 1e-30)) / span
    same_sign = inside * ends >= 0
    below = jnp.where(decay[0] > 1.5, 0.5, jnp.where(decay[0] > 0.5, 1.0, 0.0))
    above = jnp.where(decay[1] > 0.5, 1.0, 0.0)
    return jnp.where(same_sign, jnp.stack([below, above]), 0.0)


def _at(profile, log_snr):
    flat = profile.rate.reshape(profile.rate.shape[0], -1)
    along = jax.vmap(lambda rate: jnp.interp(log_snr, profile.log_snr, rate), 1)(flat)
    return along.reshape(profile.rate.shape[1:])


def _infinite(rate: AbstractIntegrand, limits: Array, profile: Profile, ends: Array, high: Array) -> Array:
    r"""Which samples have an infinite integral: its sign for each of them, and zero for the others.

    The limits of the rates say so where they are known. Where they are not, but every denoiser can be trusted at all
    noise levels, a sample that lies at a distance $d$ from what the distribution of a denoiser can produce is found by
    its rate, which grows as $\tfrac12 d^2 e^\lambda$.
    """
    limits = limits.reshape(limits.shape + (1,) * (ends.ndim - 1))
    if isinstance(rate, PerCoordinate):
        limits = _limits_by_coordinate(limits, ends)
    known = jnp.where(jnp.isnan(limits), 0.0, jnp.sign(limits))
    if math.isfinite(rate.log_snr_range[1]):
        return known + jnp.zeros_like(ends)
    span, mean = 2.0, jnp.mean(ends, 0)
    growth = jnp.log(jnp.maximum(jnp.abs(mean), 1e-30) / jnp.maximum(jnp.abs(_at(profile, high - span)), 1e-30)) / span
    away = jnp.isnan(limits) & (jnp.abs(ends) > _AWAY) & (growth > 0.5)[None]
    return jnp.where(away, jnp.sign(ends), known)


def _limits_by_coordinate(limits: Array, ends: Array) -> Array:
    """The limits of a sum over coordinates as those of the coordinates that have a share in them, by their rates at the
    end of the range: of the others the rate has fallen off there."""
    finite = jnp.isfinite(limits) & (limits != 0)
    total = jnp.sum(jnp.where(finite, jnp.abs(limits), 0.0))
    share = jnp.sum(jnp.where(finite, ends, 0.0), 0, keepdims=True) / jnp.where(total > 0, total, 1.0)
    lasting = jnp.where(jnp.abs(share) > _LASTING, jnp.sign(limits), 0.0)
    # A value of probability zero is so far away in some coordinates only: the growth of their rates says in which.
    return jnp.where(finite, lasting, jnp.where(jnp.isinf(limits), jnp.nan, limits))


def _assemble(body, tails, explained, nodes_error, profile, freedom) -> Estimate:
    pointwise = body + jnp.sum(tails, 1)
    residuals = (pointwise - explained) / math.sqrt(freedom)
    return Estimate(
        value=jnp.mean(pointwise, 0),
        stderr_data=standard_error(residuals),
        stderr_nodes=nodes_error,
        pointwise=pointwise,
        residuals=residuals - jnp.mean(residuals, 0, keepdims=True),
        profile=profile,
        tails=jnp.mean(tails, 0),
    )


def _warn_of_truncation(
    integrand: AbstractIntegrand, estimate: Estimate, rates: Array, factor: Array, end: Array, decay: str, name: str
):
    """Says that the rate at an end is neither small nor falling off, where that matters."""
    if isinstance(integrand, PerCoordinate):
        estimate, rates, factor = estimate.sum(), jnp.sum(rates.reshape(rates.shape[0], -1), 1), factor.reshape(())
    if isinstance(rates, Tracer) or rates.ndim > 1 or float(factor) > 0:
        return
    rate, error = float(jnp.mean(rates)), float(standard_error(rates))
    if abs(rate) > max(3 * error, float(estimate.stderr), 0.01 * abs(float(estimate.value)), _NEGLIGIBLE):
        side = "upper" if decay == "exp(-λ)" else "lower"
        warnings.warn(
            f"At the {side} end of the range, λ = {float(end):.1f}, the rate{name} is still {rate:.2g} nats per unit "
            f"and does not fall off as {decay}: what lies beyond is left out. Train over a wider `log_snr_range`, or "
            "read the estimate as one over this range.",
            TruncationWarning,
            stacklevel=4,
        )
