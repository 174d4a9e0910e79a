import dataclasses
import inspect
import math
import numbers
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_instance, check_key, check_positive, check_whole
from .._untrained import Untrained
from ..denoiser import (
    AbstractDenoiser,
    change_units,
    entropy_matching,
    Equilibrium,
    in_units,
    IndependentGaussian,
    Moments,
    Neural,
    Parameterisation,
    shifted,
    Whitening,
    Zero,
)
from ..nn import LabelCondition, MLP, NoCondition, VectorCondition
from ..parallel import check_mesh
from ._checkpoint import Checkpoints
from ._samples import conditions, samples
from ._settings import Settings
from ._train import DivergenceError, train, Training


# How many units of λ the trained range reaches beyond the data's largest and smallest scale: there rates have fallen to
# a thousandth of what they are at it, and follow their asymptotes.
_MARGIN = 7.0

# The most that the range is stretched for flattened data; a float32 state cannot resolve much more. The upper end is
# that of data whose smallest coordinate has variance 1.
_WIDEST = (-20.0, 25.0)


def log_snr_range(x: Float[Array | np.ndarray, "batch dim"], y: PyTree | None = None) -> tuple[float, float]:
    r"""The range of $\lambda$ on which data are neither noise nor resolved, $(-7 - \log v_\mathrm{max},\ 7 - \log
    v_\mathrm{min})$, with the largest and the smallest variance in any direction of $x$, given a linear prediction from
    a continuous $y$; at least $(-9, 9)$.

    **Arguments:**

    - `x`, `y`: the samples.

    **Returns:** the range, for [`entropax.Neural`][].
    """
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    flat = flat - flat.mean(0)
    largest = np.linalg.eigvalsh(flat.T @ flat / len(flat))[-1]
    least_coordinate = max(np.mean(flat**2, 0).min(), 1e-300)
    if y is not None and y.ndim == 2 and jnp.issubdtype(y.dtype, jnp.inexact):
        design = np.asarray(y, np.float64)
        design = design - design.mean(0)
        # Columns of one size, so that none of them counts as zero.
        design = design / np.maximum(np.sqrt(np.mean(design**2, 0)), 1e-300)
        flat = flat - design @ np.linalg.lstsq(design, flat, rcond=None)[0]
    low = np.clip(-_MARGIN - np.log(largest), _WIDEST[0], -9.0)
    high = np.clip(_MARGIN - np.log(_least_variance(flat)), 9.0, _WIDEST[1] - min(np.log(least_coordinate), 0.0))
    return float(low), float(high)


def _least_variance(centred: Float[np.ndarray, "batch dim"]) -> float:
    """The smallest variance in any direction. Rounding leaves it nothing beside a variance 1e16 times as large; then
    the smallest eigenvalue of the correlations bounds it from below."""
    stds = np.maximum(np.sqrt(np.mean(centred**2, 0)), 1e-150)
    unit = centred / stds
    bound = stds.min() ** 2 * np.linalg.eigvalsh(unit.T @ unit / len(unit))[0]
    return max(np.linalg.eigvalsh(centred.T @ centred / len(centred))[0], bound, 1e-300)


def make_network(
    x: Float[Array, "batch dim"],
    y: PyTree | None,
    log_snr_range: tuple[float, float],
    *,
    inputs: int | None = None,
    width: int = 128,
    depth: int = 2,
    key: PRNGKeyArray,
) -> MLP:
    """The default network for samples: an MLP with a label condition where `y` holds integers, a vector condition where
    it holds floats, none where there is no `y`.

    **Arguments:**

    - `x`, `y`: the samples.
    - `log_snr_range`: that the network is to be trained on.
    - `inputs`, `width`, `depth`: of the network.
    - `key`: for the initialisation.

    **Raises:** `ValueError` where `y` is neither a vector of integers nor a matrix of floats.
    """
    condition_key, net_key = jr.split(key)
    if y is None:
        condition = NoCondition(width)
    elif y.ndim == 1 and jnp.issubdtype(y.dtype, jnp.integer):
        condition = LabelCondition(int(jnp.max(y)) + 1, width, key=condition_key)
    elif y.ndim == 2 and jnp.issubdtype(y.dtype, jnp.inexact):
        condition = VectorCondition(y, width, key=condition_key)
    else:
        raise ValueError(
            "`y` must be labels, integers of shape (batch,), or vectors, floats of shape (batch, dim); got "
            f"{y.dtype} of shape {y.shape}."
        )
    return MLP(x.shape[1], condition, log_snr_range, inputs=inputs, depth=depth, key=net_key)


def fit(
    x: Float[Array | np.ndarray, "batch dim"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    parameterisation: Parameterisation | None = None,
    normalise: Callable[[Array, Array], Array] | None = None,
    width: int = 128,
    depth: int = 2,
    log_snr_range: tuple[float, float] | None = None,
    held_out: float = 0.05,
    settings: Settings = Settings(),
    checkpoints: Checkpoints | None = None,
    mesh: Mesh | None = None,
) -> Neural:
    r"""Fits one network to samples, with and without their condition. [`entropax.train`][] is the same with the
    history, for any denoiser.

    Samples may come in any units. The fit measures their mean $m$ and their standard deviations, in float64, and trains
    in the units $u = (x - m)/c$, where $c$ is the power of two next to the largest standard deviation. The baseline and
    the scale of the parameterisation are those of coordinates that are standardised one by one: the equilibrium
    $\mathcal{N}(0, I)$ of entropy matching becomes the Gaussian with independent coordinates that has the moments of
    the samples, and an untrained network is that Gaussian. For standardised samples nothing changes.

    The denoiser remains one of $x$. Likelihoods are densities of $x$; [`entropax.sample`][] returns $x$; mutual
    information and total correlation are the same in all units. $S_\mathrm{NN}$ and $S_\mathrm{tot}$ are measured from
    $\mathcal{N}(0, \kappa^2 I)$ in the units of $x$, so that they hold $\tfrac12\|m\|^2$ and the scales of the
    samples too: standardise the samples first if the numbers shall not depend on units. The moments are
    `model.moments`.

    **Arguments:**

    - `x`: samples, shape `(batch, dim)`: an array of JAX or NumPy. Of a NumPy array of float64 all digits count, though
        the computations are in float32.
    - `y`: their conditions: labels (integers, shape `(batch,)`), vectors (floats, shape `(batch, dim_y)`), or `None`.
        A column that is constant tells nothing, and is taken as it is.
    - `key`: all randomness.
    - `parameterisation`: baseline and scale; the default is entropy matching. A baseline other than an equilibrium or
        zero is a denoiser of `x`, in its units.
    - `normalise`: of the network's inputs, fitted to `x`. The default is [`entropax.Whitening`][], which resolves
        directions of small variance; [`entropax.Standardising`][] is safer where samples are few for their dimension,
        [`entropax.FourierFeatures`][] sees fine detail in few dimensions.
    - `width`, `depth`: of the network.
    - `log_snr_range`: the noise levels of `x` to train on. The default follows from the scales of the data.
    - `held_out`: the share of the samples that early stopping looks at.
    - `settings`, `checkpoints`, `mesh`: as [`entropax.train`][].

    **Returns:** a [`entropax.Neural`][] denoiser.

    **Raises:** `ValueError` on samples that are too few, of unequal lengths, not finite, constant in a column, of
    fewer digits than their standard deviation needs, or of a wrong kind; on labels of which none is seen twice; and as
    [`entropax.train`][].
    """
    return fit_with_history(
        x,
        y,
        key=key,
        parameterisation=parameterisation,
        normalise=normalise,
        width=width,
        depth=depth,
        log_snr_range=log_snr_range,
        held_out=held_out,
        settings=settings,
        checkpoints=checkpoints,
        mesh=mesh,
    ).denoiser


_default_range = log_snr_range


def fit_with_history(
    x: Float[Array | np.ndarray, "batch dim"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    parameterisation: Parameterisation | None = None,
    normalise: Callable[[Array, Array], Array] | None = None,
    width: int = 128,
    depth: int = 2,
    log_snr_range: tuple[float, float] | None = None,
    held_out: float = 0.05,
    settings: Settings = Settings(),
    checkpoints: Checkpoints | None = None,
    mesh: Mesh | None = None,
    observe: Callable[[int, Neural], None] | None = None,
) -> Training[Neural]:
    """[`entropax.fit`][] with the history of losses, and `observe` as in [`entropax.train`][].

    **Returns:** the denoiser and its history.

    **Raises:** as [`entropax.fit`][] and [`entropax.train`][].
    """
    check_key(key)
    x = samples(x)
    y = conditions(y, x.shape[0])
    check_positive(held_out=held_out)
    if not held_out < 1:
        raise ValueError(f"`held_out` must be a share between 0 and 1; got {held_out}.")
    check_whole("width", width, least=1)
    check_whole("depth", depth, least=1)
    check_instance("parameterisation", parameterisation, (Parameterisation, type(None)))
    check_instance("settings", settings, Settings)
    if normalise is not None and (not callable(normalise) or inspect.isclass(normalise)):
        raise ValueError(
            f"`normalise` must be a function of a state and its log-SNR, such as entropax.Standardising.fit(x); got "
            f"{normalise!r:.80}."
        )
    check_mesh(mesh)
    if log_snr_range is not None:
        _check_range(log_snr_range)
    moments = Moments.fit(x)
    u = moments.standardise(x)
    split_key, net_key, train_key = jr.split(key, 3)
    if log_snr_range is None:
        trained_range = _default_range(u, y)
    else:
        trained_range = shifted(log_snr_range, moments.scale)
    if normalise is not None:
        normalise = _Normalise(normalise, moments.mean, moments.scale)
    seen = u[0] if normalise is None else jax.eval_shape(normalise, u[0], jnp.zeros((), u.dtype))
    net = make_network(u, y, trained_range, inputs=seen.size, width=width, depth=depth, key=net_key)
    rows = jr.permutation(split_key, u.shape[0])
    kept_back = min(max(1, round(held_out * u.shape[0])), u.shape[0] - 1)
    if u.shape[0] - kept_back < 2:
        raise ValueError(
            f"`x` must hold at least two samples beside those held out; got {u.shape[0]} samples, {kept_back} of which "
            f"are held out at `held_out` = {held_out}."
        )
    take = lambda rows: jax.tree.map(lambda leaf: leaf[rows], (u, y))
    held_out_samples, (u, y) = take(rows[:kept_back]), take(rows[kept_back:])

    parameterisation = parameterisation or entropy_matching()
    denoiser = Neural(
        net=net,
        baseline=_baseline(parameterisation.baseline, moments, u),
        scale=_Scale(parameterisation.scale, 2 * jnp.log(moments.std / moments.scale)),
        normalise=normalise or Whitening.fit(u),
        trained_range=trained_range,
    )
    # In the units of the caller. Training itself goes on in those of the moments.
    finished = lambda denoiser: dataclasses.replace(denoiser, moments=moments)
    try:
        training = train(
            denoiser,
            u,
            y,
            held_out=held_out_samples,
            key=train_key,
            settings=settings,
            checkpoints=checkpoints,
            mesh=mesh,
            observe=None if observe is None else lambda step, denoiser: observe(step, finished(denoiser)),
        )
        return Training(finished(training.denoiser), training.history)
    except DivergenceError as error:
        # By their places in what the caller gave.
        raise DivergenceError(error.step, np.asarray(rows)[kept_back:][error.rows], error.standing) from None


class _Scale(eqx.Module):
    """The scale of a parameterisation, at the signal-to-noise ratio that each coordinate has by itself."""

    scale: Callable[[Array], Array]
    log_variance: Untrained[Float[Array, " dim"]]

    def __call__(self, log_snr):
        return jax.vmap(self.scale)(log_snr + jax.lax.stop_gradient(self.log_variance))


class _Normalise(eqx.Module):
    """A function of the state of x, as a function of the state of u = (x - origin)/scale."""

    normalise: Callable[[Array, Array], Array]
    origin: Float[Array, " dim"]
    scale: float = eqx.field(static=True)

    def __call__(self, z, log_snr):
        return self.normalise(*in_units(z, log_snr, -self.origin / self.scale, 1 / self.scale))


def _baseline(baseline: AbstractDenoiser, moments: Moments, u: Array) -> AbstractDenoiser:
    """The baseline in the units of the moments. The equilibrium is that of standardised coordinates; any other baseline
    is a denoiser of the samples as they came."""
    if isinstance(baseline, Equilibrium):
        # The mean of u is what float32 could not hold of the mean of x.
        return IndependentGaussian(jnp.mean(u, 0), baseline.std * moments.std / moments.scale)
    if isinstance(baseline, Zero):
        return baseline
    return change_units(baseline, moments.mean, moments.scale)


def _check_range(log_snr_range):
    ends = list(log_snr_range) if isinstance(log_snr_range, tuple | list) else []
    known = len(ends) == 2 and all(isinstance(end, numbers.Real) and math.isfinite(end) for end in ends)
    if not known or not ends[0] < ends[1]:
        raise ValueError(f"`log_snr_range` must be two finite numbers that increase; got {log_snr_range}.")
