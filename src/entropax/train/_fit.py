from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..denoiser import check_conditions, entropy_matching, Neural, Parameterisation, Whitening
from ..nn import LabelCondition, MLP, NoCondition, VectorCondition
from ._checkpoint import Checkpoints
from ._settings import Settings
from ._train import DivergenceError, train, Training


# How many units of λ the trained range reaches beyond the data's largest and smallest scale: there rates have fallen to
# a thousandth of what they are at it, and follow their asymptotes.
_MARGIN = 7.0

# The most that the range is stretched for flattened data; a float32 state cannot resolve much more.
_WIDEST = (-20.0, 25.0)


def log_snr_range(x: Float[Array, "batch dim"], y: PyTree | None = None) -> tuple[float, float]:
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
    if y is not None and y.ndim == 2 and jnp.issubdtype(y.dtype, jnp.inexact):
        design = np.concatenate([np.asarray(y, np.float64), np.ones((len(flat), 1))], 1)
        flat = flat - design @ np.linalg.lstsq(design, flat, rcond=None)[0]
    smallest = max(np.linalg.eigvalsh(flat.T @ flat / len(flat))[0], 1e-30)
    low = np.clip(-_MARGIN - np.log(largest), _WIDEST[0], -9.0)
    high = np.clip(_MARGIN - np.log(smallest), 9.0, _WIDEST[1])
    return float(low), float(high)


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
    x: Float[Array, "batch dim"],
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
    """Fits one network to samples, with and without their condition. [`entropax.train`][] is the same with the history,
    for any denoiser.

    **Arguments:**

    - `x`: samples, shape `(batch, dim)`.
    - `y`: their conditions: labels (integers, shape `(batch,)`), vectors (floats, shape `(batch, dim_y)`), or `None`.
    - `key`: all randomness.
    - `parameterisation`: baseline and scale; entropy matching where it is not given.
    - `normalise`: of the network's inputs: [`entropax.Whitening`][] where it is not given, which resolves directions of
        small variance; [`entropax.Standardising`][] is safer where samples are few for their dimension,
        [`entropax.FourierFeatures`][] sees fine detail in few dimensions.
    - `width`, `depth`: of the network.
    - `log_snr_range`: the noise levels to train on; by the data's scales where it is not given.
    - `held_out`: the share of the samples that early stopping looks at.
    - `settings`, `checkpoints`, `mesh`: as [`entropax.train`][].

    **Returns:** a [`entropax.Neural`][] denoiser.

    **Raises:** `ValueError` on samples that are too few, of unequal lengths, not finite, or of a wrong kind; and as
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
    x: Float[Array, "batch dim"],
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
    _check(x, y, held_out)
    split_key, net_key, train_key = jr.split(key, 3)
    trained_range = log_snr_range or _default_range(x, y)
    seen = x[0] if normalise is None else jax.eval_shape(normalise, x[0], jnp.zeros((), x.dtype))
    net = make_network(x, y, trained_range, inputs=seen.size, width=width, depth=depth, key=net_key)
    rows = jr.permutation(split_key, x.shape[0])
    kept_back = max(1, round(held_out * x.shape[0]))
    take = lambda rows: jax.tree.map(lambda leaf: leaf[rows], (x, y))
    held_out_samples, (x, y) = take(rows[:kept_back]), take(rows[kept_back:])

    parameterisation = parameterisation or entropy_matching()
    denoiser = Neural(
        net=net,
        baseline=parameterisation.baseline,
        scale=parameterisation.scale,
        normalise=normalise or Whitening.fit(x),
        trained_range=trained_range,
    )
    try:
        return train(
            denoiser,
            x,
            y,
            held_out=held_out_samples,
            key=train_key,
            settings=settings,
            checkpoints=checkpoints,
            mesh=mesh,
            observe=observe,
        )
    except DivergenceError as error:
        # By their places in what the caller gave.
        raise DivergenceError(error.step, np.asarray(rows)[kept_back:][error.rows], error.standing) from None


def _check(x, y, held_out):
    if x.ndim != 2 or x.shape[0] < 2:
        raise ValueError(f"`x` must have shape (batch, dim) with at least two samples; got {x.shape}.")
    check_conditions(x, y)
    if not 0 < held_out < 1:
        raise ValueError(f"`held_out` must be a share between 0 and 1; got {held_out}.")
    for name, array in (("x", x), ("y", y)):
        if array is not None and not bool(jnp.all(jnp.isfinite(array))):
            raise ValueError(f"`{name}` must be finite; it holds NaN or infinite entries.")
