"""One network for how all conditional distributions depart from their Gaussians, and its training."""

import collections
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import optax.contrib
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._gaussian import Tables


# Two bands of noise levels, in nats above that at which signal and noise meet; networks are sharp up to their end.
_BANDS = (2.5, 4.0), (4.0, 5.5)
_END = _BANDS[-1][1]

# The smallest ratio of the heights of edges in the two bands, either way. The height halves from band to band for a
# smooth density, and doubles for a distribution on points that the noise of both bands separates.
_ALIKE = 0.75


def edge_weights(above: Float[Array, " batch"]) -> Float[Array, "3 batch"]:
    r"""For what integrals $\tfrac12\int w\,(\lVert\varepsilon - \hat\varepsilon_{\mathcal N}\rVert^2 -
    \lVert\varepsilon - \hat\varepsilon\rVert^2)\,\mathrm d\lambda$ beside that with $w = 1$ are wanted: the mean over
    either band of the integrand's share of $e^{-\lambda/2}$, and the part beyond both.

    **Arguments:**

    - `above`: $\lambda$ above where signal and noise meet.
    """
    growth = jnp.exp(above / 2)
    inside = [jnp.where((above > begin) & (above <= end), growth * 2 / (end - begin), 0) for begin, end in _BANDS]
    return jnp.stack([*inside, jnp.where(above > _END, jnp.ones_like(above), 0)])


def has_edges(sums: Float[np.ndarray, "4 num"]) -> bool:
    r"""Whether the law has edges that the network is not sharp enough for.

    Where a density jumps by $h$, noise of size $\sigma$ is told within $\sigma$ of the jump, and

    $$\mathbb E\,\hat\varepsilon^2 = A\,e^{-\lambda/2}, \qquad
      A = \sum_{\mathrm{jumps}} h \int\frac{\varphi^2}{\Phi}\,\mathrm du,$$

    for all $\sigma$ at which edges are apart. Of smooth laws it falls as $e^{-\lambda}$. A network of finite sharpness
    loses edges at some $\lambda$: it has some where $A$ is nearly the same in both bands, and with that of the second
    more is left beyond than the network finds.

    **Arguments:**

    - `sums`: of each sample, the integral, and those with [`edge_weights`][].
    """
    lower, upper = (band.mean() + known for band, known in zip(sums[1:3], _GAUSSIAN))
    return bool(lower > 0 and _ALIKE < upper / lower < 1 / _ALIKE and (continued(sums) - sums[0]).mean() > 0)


def continued(sums: Float[np.ndarray, "4 num"]) -> Float[np.ndarray, " num"]:
    r"""The departure of each sample, with $A e^{-\lambda/2}$ of the second band in place of what the network finds
    beyond it.

    **Arguments:**

    - `sums`: as of [`has_edges`][].
    """
    integral, _, upper, beyond = sums
    return integral + (upper + _GAUSSIAN[1]) * np.exp(-_END / 2) - 0.5 * np.log1p(np.exp(-_END)) - beyond


def _of_gaussian(begin: float, end: float) -> float:
    r"""The mean of $e^{\lambda/2}\,\mathbb E\,\hat\varepsilon_{\mathcal N}^2 =
    e^{\lambda/2}\,\mathrm{sigmoid}(-\lambda)$ over a band."""
    above = np.linspace(begin, end, 1_001)
    return float(np.mean(np.exp(above / 2) / (1 + np.exp(above))))


_GAUSSIAN = tuple(_of_gaussian(*band) for band in _BANDS)


_WIDTH = 64
_DEPTH = 3
_FREQUENCIES = 8


class _Block(eqx.Module):
    """A gated residual block on inputs of unit size, which the noise level and the law scale and shift."""

    rise: Float[Array, "width gates"]
    fall: Float[Array, "hidden width"]
    modulation: Float[Array, "features both"]

    def __init__(self, features: int, *, key: PRNGKeyArray):
        rise_key, fall_key = jr.split(key)
        hidden = 2 * _WIDTH
        self.rise = jr.normal(rise_key, (_WIDTH, 2 * hidden)) / _WIDTH**0.5
        self.fall = 0.5 * jr.normal(fall_key, (hidden, _WIDTH)) / hidden**0.5
        self.modulation = jnp.zeros((features, 2 * _WIDTH))

    def __call__(self, h, features):
        scale, shift = jnp.split(features @ self.modulation, 2, -1)
        gate, value = jnp.split((_unit(h) * (1 + scale) + shift) @ self.rise, 2, -1)
        return h + (jax.nn.silu(gate) * value) @ self.fall


class Departure(eqx.Module):
    r"""One network for the departure of every conditional law from its Gaussian,

    $$\hat\varepsilon(z, \lambda, v) = \hat\varepsilon_{\mathcal N}(z, \lambda, v) +
      \sqrt s\,(\mathrm{edge} + \sqrt s\,\mathrm{smooth})(z, \lambda, v), \qquad s^2 = \frac{ab}{ae + b}, \quad
      a, b = \mathrm{sigmoid}(\pm\lambda).$$

    The score of a smooth law stays as it is where noise vanishes; where a law has an edge it grows without end, and the
    second of two heads is for it. $e$ is the variance that the Gaussian leaves.

    A variable is noised, seen as it is, or hidden. The network sees the noised state, what is seen, the Gaussian's
    prediction, squares and radii of all of them (what second moments hold is in the Gaussian, and the next to matter
    are changes of scale), and the role of each variable. It starts at zero, the Gaussian itself.

    **Arguments:**

    - `dim`, `variables`: of the samples.
    - `key`: for the initialisation.
    """

    inputs: Float[Array, "inputs width"]
    modulation: Float[Array, "features width"]
    blocks: list[_Block]
    output: Float[Array, "width dim"]

    def __init__(self, dim: int, variables: int, *, key: PRNGKeyArray):
        input_key, feature_key, *block_keys = jr.split(key, 2 + _DEPTH)
        inputs, features = 5 * dim + 4 * variables, 2 * _FREQUENCIES + 3 + 2 * variables
        self.inputs = jr.normal(input_key, (inputs, _WIDTH)) / inputs**0.5
        self.modulation = jr.normal(feature_key, (features, _WIDTH)) / features**0.5
        self.blocks = [_Block(features, key=block_key) for block_key in block_keys]
        self.output = jnp.zeros((_WIDTH, 2 * dim))

    def __call__(
        self,
        tables: Tables,
        law: Array,
        z: Float[Array, "batch dim"],
        log_snr: Float[Array, " batch"],
        v: Float[Array, "batch dim"],
        gaussian: Float[Array, "batch dim"],
        sign: Float[Array, " batch"],
    ) -> Float[Array, "batch dim"]:
        """The noise in `z`, of which `gaussian` is what the tables expect; `law` is one for each of the batch, and
        `sign` whether a sample is seen as it is, 1, or through the origin, -1."""
        of, given = tables.of[law], tables.given[law]
        z, v = jnp.where(of, z, 0), jnp.where(given, v, 0)
        member = tables.member.astype(z.dtype)
        sizes = member.sum(1)
        seen = []
        for values, shown in ((z, of), (v, given)):
            seen += [values * tables.scale[None], jnp.where(shown, (values**2 - 1) / 2**0.5, 0) * tables.scale[None]]
            radius, visible = values**2 @ member.T / sizes[None], shown.astype(z.dtype) @ member.T > 0
            seen += [
                jnp.where(visible, jnp.sqrt(sizes / 2)[None] * of_radius, 0)
                for of_radius in (radius - 1, jnp.log(radius + 0.05))
            ]
        a, b = jax.nn.sigmoid(log_snr)[:, None], jax.nn.sigmoid(-log_snr)[:, None]
        expected = a * tables.spread[law] + b
        h = jnp.concatenate([*seen, jnp.where(of, jnp.sqrt(expected / b) * gaussian, 0) * tables.scale[None]], -1)
        phases = 0.2 * jnp.arange(1, _FREQUENCIES + 1, dtype=z.dtype)[None] * log_snr[:, None]
        roles = [(shown.astype(z.dtype) @ member.T > 0).astype(z.dtype) for shown in (of, given)]
        rest = jnp.stack([log_snr / 8, sign, jnp.ones_like(log_snr)], -1)
        features = jnp.concatenate([jnp.sin(phases), jnp.cos(phases), rest, *roles], -1)
        h = h @ self.inputs + features @ self.modulation
        for block in self.blocks:
            h = block(h, features)
        smooth, edge = jnp.split(_unit(h) @ self.output, 2, -1)
        scale = jnp.sqrt(a * b / expected)
        return gaussian + jnp.where(of, scale * smooth + jnp.sqrt(scale) * edge, 0)


def _unit(h: Float[Array, "batch width"]) -> Float[Array, "batch width"]:
    return h * jax.lax.rsqrt(jnp.mean(h**2, -1, keepdims=True) + 1e-6)


# Rows of a batch that share their law.
_BLOCK = 32

# How often a training is looked at; one without a better look in so many has learned all that it will.
CHECKS = 20
_PATIENCE = 5

# How many standard errors above the Gaussian a first look must be to count.
_CHANCE = 2.0

_WARM_UP = 100.0
_AVERAGE = 0.998

# By how many e-folds weights fade over a training, so that a short one on few samples holds them as firmly.
_FADING = 2.5

# The size of an update's entries, as of Adam's; and how many iterations make it nearly orthogonal.
_UPDATE, _ITERATIONS = 0.2, 3

# Noise levels are drawn about where a direction's signal meets the noise, and measured this far beyond on either side.
_CENTRE, _SPREAD = 1.5, 2.0
_BELOW, _ABOVE = -7.0, 9.0

# How many pairs of draws are predicted at a time: of few, as for a p-value, not many are drawn in vain.
_PAIRS = 500

# Numbers u_i = i φ mod 1: any run of them is spread evenly.
_GOLDEN = 0.6180339887498949


# Held, one for each device, while what is compiled is called: threads that meet at a call which is not compiled yet
# would compile it each for itself. None waits here for another's results: calls return before they are there.
_CALLS: dict = collections.defaultdict(threading.Lock)


class Split(NamedTuple):
    """Samples of which some are fitted to and others held out.

    **Arguments:**

    - `values`: all, in the coordinates of `tables`.
    - `rows`: those to fit to, in the first `fitted` entries; of one shape for all splits, so that they share what is
        compiled.
    """

    values: Float[Array, "num dim"]
    tables: Tables
    rows: Int[Array, " num"]
    fitted: Int[Array, ""]


class _State(NamedTuple):
    net: Departure
    optimiser: optax.OptState
    average: Departure
    step: Int[Array, ""]


class Begun(NamedTuple):
    """A network, and the number of checks of a training that it has behind it."""

    network: Departure
    checks: int


class Round(NamedTuple):
    """A network's weights at each check of a training, and by how much, in nats, they predict the noise of samples held
    out better than the Gaussian of each law."""

    networks: list[Departure]
    gains: Float[np.ndarray, "checks laws"]


def train(
    split: Split,
    held: Int[np.ndarray, " held"],
    blocks: Int[np.ndarray, " blocks"],
    *,
    start: Begun | None = None,
    steps: int,
    learning_rate: float,
    repetitions: int,
    tell: Callable[[int], None],
    key: PRNGKeyArray,
) -> Round:
    """Fits one network to all conditional distributions at once.

    **Arguments:**

    - `split`: the samples.
    - `held`: the samples that check the training.
    - `blocks`: the conditional distribution of each block of the batch.
    - `start`: the network to continue from; by default a new one.
    - `steps`, `learning_rate`: of Muon, whose rate falls to zero as a cosine.
    - `repetitions`: draws of noise for each sample held out, at each check.
    - `tell`: called with the number of checks that are done.
    - `key`: all randomness.

    **Raises:** `FloatingPointError` if predictions are not finite.

    **Returns:** the averaged weights at each check. The training ends early if the checks stop improving.
    """
    net_key, noise_key, key = jr.split(key, 3)
    variables, dim = split.tables.member.shape
    net, checks = (Departure(dim, variables, key=net_key), 0) if start is None else start
    ends = np.linspace(0, steps, CHECKS + 1).astype(np.int32)
    budget = jnp.asarray([steps, learning_rate, ends[checks]], jnp.float32)
    (device,) = split.values.devices()
    # Bound to its device, as what comes out of a step is: the first would be compiled on its own.
    state = jax.device_put(_begin(net, budget), device)
    snapshots, curve, best, waited = [], [], 0.0, 0
    # Distributions are weighed by their rows in the batch.
    weights = np.bincount(blocks, minlength=len(split.tables.of)) / len(blocks)
    for end, chunk_key in zip(ends[checks + 1 :], jr.split(key, CHECKS)):
        with _CALLS[device]:
            state = _advance(state, split, jnp.asarray(blocks), budget, jnp.asarray(end), chunk_key)
        gains = improvements(state.average, split.tables, split.values, held, noise_key, repetitions)[:, 0]
        tell(1)
        snapshots.append(state.average)
        curve.append(gains.mean(1))
        if not np.isfinite(curve[-1]).all():
            raise FloatingPointError(
                f"The training diverged before step {end} of {steps}: its predictions are not finite. Lower "
                f"`learning_rate`, {learning_rate:g}."
            )
        own = weights @ gains
        # Better than the Gaussian by no more than chance is no better.
        least = best if best > 0 else _CHANCE * own.std() / len(own) ** 0.5
        best, waited = (own.mean(), 0) if own.mean() > least else (best, waited + 1)
        if waited >= _PATIENCE:
            break
    tell(CHECKS - len(curve))
    return Round(snapshots, np.asarray(curve))


@jax.jit
def _begin(net: Departure, budget) -> _State:
    optimiser = _muon(*budget).init(eqx.filter(net, eqx.is_array))
    return _State(net, optimiser, net, budget[2].astype(jnp.int32))


def improvements(
    net: Departure,
    tables: Tables,
    values: Float[Array | np.ndarray, "num dim"],
    rows: Int[np.ndarray, " held"],
    key: PRNGKeyArray,
    repetitions: int,
    laws: Sequence[int] | None = None,
) -> Float[np.ndarray, "laws 4 held"]:
    r"""$\tfrac12\int\bigl(\lVert\varepsilon - \hat\varepsilon_{\mathcal N}\rVert^2 - \lVert\varepsilon -
    \hat\varepsilon\rVert^2\bigr)\,\mathrm{d}\lambda$ of the rows of `values`, by laws, all if none is named, with the
    mean over `repetitions` draws of noise for the expectation; and of laws of one column the integrals that
    [`has_edges`][entropax.dependence._network.has_edges] wants."""
    # Each draw of noise is met with either sign.
    pairs = -(-repetitions // 2)
    padded = np.resize(rows, len(values)).astype(np.int32)
    sizes = np.asarray([len(rows), pairs], np.int32)
    laws = range(len(tables.of)) if laws is None else laws
    (device,) = tables.of.devices()
    # One law at a time, of one shape for all that is held out, and bound to one device: all share what is compiled.
    with jax.default_device(device), _CALLS[device]:
        each = lambda law: jax.device_put((net, tables, values, padded, sizes, np.int32(law), key), device)
        sums = [_summed(*each(law)) for law in laws]
    return np.stack([np.asarray(sum_)[:, : len(rows)] for sum_ in sums]) / pairs


@jax.jit
def _summed(net, tables, values, rows, sizes, law, key) -> Float[Array, "4 num"]:
    """The sum over `sizes[1]` pairs of draws, for each of the first `sizes[0]` rows."""
    held, pairs = sizes
    low, high = _range(tables)
    level_key, key = jr.split(key)
    begin = jr.uniform(level_key)
    of = tables.of[law]
    # Where the one column's signal and noise meet.
    meet, single = -jnp.sum(jnp.where(of, jnp.log(tables.variances[law]), 0)), of.sum() == 1

    def add(i, sums):
        drawn = i * _PAIRS + jnp.arange(_PAIRS, dtype=jnp.int32)
        place, pair = drawn % held, drawn // held
        # Each sample's levels are spread evenly, and each level's samples too.
        as_float = lambda integers: integers.astype(jnp.float32)
        level = (begin + as_float(pair) / as_float(pairs) + _GOLDEN * as_float(place)) % 1.0
        own_level = low + (high - low) * level
        log_snr = jnp.tile(own_level, 2)
        v = jnp.tile(values[rows[place]], (2, 1))
        # All laws meet the same noise, at the same levels: what their errors share cancels in a difference.
        noise = jr.normal(jr.fold_in(key, i), (_PAIRS, v.shape[1]))
        noise = jnp.concatenate([noise, -noise])
        seen = jnp.ones_like(log_snr)
        gaussian, predicted = _predictions(net, tables, law[None], v[None], log_snr[None], noise[None], seen[None])
        gap = jnp.sum(jnp.where(of[None], (noise - gaussian) ** 2 - (noise - predicted) ** 2, 0), -1)
        gain = 0.25 * (high - low) * (gap[:_PAIRS] + gap[_PAIRS:])
        further = jnp.where(single, edge_weights(own_level - meet), 0)
        each = jnp.concatenate([gain[None], further * gain[None]])
        return sums.at[:, place].add(jnp.where((pair < pairs)[None], each, 0))

    return jax.lax.fori_loop(0, -(-held * pairs // _PAIRS), add, jnp.zeros((4, len(values))))


def _predictions(net, tables, laws, v, log_snr, noise, sign):
    """The noise in blocks of samples of either sign, as the Gaussians and the network predict it. Flat."""
    z = jnp.sqrt(jax.nn.sigmoid(log_snr))[..., None] * v + jnp.sqrt(jax.nn.sigmoid(-log_snr))[..., None] * noise
    gaussian = jax.lax.map(lambda block: tables.predict(*block), (laws, z, log_snr, v))
    flat = lambda array: array.reshape(-1, *array.shape[2:])
    each = jnp.repeat(laws, v.shape[1])
    return flat(gaussian), net(tables, each, flat(z), flat(log_snr), flat(v), flat(gaussian), flat(sign))


@jax.jit
def _advance(state: _State, split: Split, blocks, budget, end, key) -> _State:
    tables = split.tables

    def loss(net, v, log_snr, noise, sign):
        _, predicted = _predictions(net, tables, blocks, v, log_snr, noise, sign)
        noised = jnp.repeat(tables.of[blocks], v.shape[1], axis=0)
        return jnp.mean(jnp.sum(jnp.where(noised, (noise.reshape(predicted.shape) - predicted) ** 2, 0), -1))

    def step(state):
        row_key, sign_key, level_key, noise_key = jr.split(jr.fold_in(key, state.step), 4)
        rows = split.rows[jr.randint(row_key, (len(blocks), _BLOCK), 0, split.fitted)]
        # A sample and its mirror image are equally likely in very many laws, and in every Gaussian. The network is told
        # which it sees: where they are alike it has twice the samples, where they are not it learns that.
        sign = jr.rademacher(sign_key, rows.shape, split.values.dtype)
        v = split.values[rows] * sign[..., None]
        log_snr = _draw_levels(tables, blocks, level_key)
        gradient = jax.grad(loss)(state.net, v, log_snr, jr.normal(noise_key, v.shape), sign)
        with jax.numpy_dtype_promotion("standard"):
            updates, optimiser = _muon(*budget).update(gradient, state.optimiser, state.net)
            net = eqx.apply_updates(state.net, updates)
        # Over no more than a third of the steps taken, so that what a training begins with is forgotten soon.
        taken = state.step.astype(jnp.float32) - budget[2]
        kept = jnp.minimum(_AVERAGE, taken / (taken + 3))
        average = jax.tree.map(lambda old, new: kept * old + (1 - kept) * new, state.average, net)
        return _State(net, optimiser, average, state.step + 1)

    return jax.lax.while_loop(lambda state: state.step < end, step, state)


def _muon(steps, learning_rate, begun) -> optax.GradientTransformation:
    """All weights are matrices; `begun` steps are behind them. The number of steps is traced, so that trainings of any
    length share what is compiled; optax's own schedules refuse that. (Jordan et al., Muon: an optimizer for hidden
    layers in neural networks, 2024.)
    """

    def rate(count):
        shape = 0.5 * (1 + jnp.cos(jnp.pi * (begun + count) / steps))
        return learning_rate * jnp.minimum(count / _WARM_UP, 1.0) * shape

    return optax.contrib.muon(
        rate,
        ns_steps=_ITERATIONS,
        weight_decay=2 * _FADING / (learning_rate * steps),
        consistent_rms=_UPDATE,
    )


def _range(tables: Tables) -> tuple[Array, Array]:
    shifts = -jnp.log(tables.variances)
    return _BELOW + jnp.min(shifts), jnp.minimum(_ABOVE + jnp.max(shifts), tables.finest)


def _draw_levels(tables: Tables, blocks: Int[Array, " blocks"], key: PRNGKeyArray) -> Float[Array, "blocks rows"]:
    """Logistic about where each direction's signal meets the noise; directions in their shares."""
    num = len(blocks) * _BLOCK
    u = ((jr.uniform(key) + jnp.arange(num, dtype=jnp.float32) * _GOLDEN) % 1.0).reshape(len(blocks), _BLOCK)
    shares = tables.share[blocks]
    ends = jnp.cumsum(shares, -1)
    ends = ends / ends[:, -1:]
    # The first to end beyond u, whose share is not zero.
    direction = jnp.sum(u[..., None] >= ends[:, None, :-1], -1)
    take = lambda array: jnp.take_along_axis(array, direction, -1)
    u = jnp.clip(1 - (take(ends) - u) / take(shares), 0.0, 1.0)
    centre = _CENTRE - take(jnp.log(tables.variances[blocks]))
    centre = centre.astype(u.dtype)
    low, high = _range(tables)
    below, above = jax.nn.sigmoid((low - centre) / _SPREAD), jax.nn.sigmoid((high - centre) / _SPREAD)
    return jnp.clip(centre + _SPREAD * jax.scipy.special.logit(below + (above - below) * u), low, high)
