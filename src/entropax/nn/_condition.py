import abc
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, ArrayLike, Float, PRNGKeyArray, PyTree

from .._arguments import check_key, check_whole
from .._arrays import as_known, rounded
from .._conditions import check_label, check_vector
from .._untrained import Untrained
from ._linear import affine


# The least variance that is still whitened, as a share of the largest.
_FLOOR = 1e-7


class Embedding(NamedTuple):
    r"""What a network is told of a condition.

    **Arguments:**

    - `vector`: what is added to its input.
    - `contrast`: the share of its difference weights that are added to the shared ones: 0 or 1, an array of one
        of them where conditions that differ in it are asked for together.
    """

    vector: Float[Array, " width"]
    contrast: int | Array


class AbstractCondition(eqx.Module):
    """How a network hears what the data are conditioned on, and that they are conditioned on nothing."""

    width: AbstractVar[int]

    @abc.abstractmethod
    def __call__(self, y: PyTree | None) -> Embedding:
        """The embedding of one condition; of the null token for `None`."""


class NoCondition(AbstractCondition):
    """For unconditional models: every condition is refused.

    **Arguments:**

    - `width`: of the embedding, all zeros.

    **Raises:** `ValueError` unless `width` is positive.
    """

    width: int = eqx.field(static=True)

    def __check_init__(self):
        check_whole("width", self.width, least=1)

    def __call__(self, y: PyTree | None) -> Embedding:
        if y is not None:
            raise ValueError(
                "`y` was given to a network that was made without a condition: leave it out, or fit one with `y`."
            )
        return Embedding(jnp.zeros(self.width), 0)


class VectorCondition(AbstractCondition):
    r"""A continuous condition: an affine map of the whitened vector, or a learned null token. Whitening matters: what
    $y$ knows of $x$ often lies in its directions of least variance. The prediction given $y$ is another function of
    $z$, as it is for a joint Gaussian, and has difference weights of its own.

    **Arguments:**

    - `y`: samples whose mean and covariance whiten, shape `(batch, dim_y)`; neither is trained. A column that is
        constant tells nothing: it is centred, and not scaled.
    - `width`: of the embedding.
    - `key`: for the initialisation.

    **Raises:** `ValueError` where `y` is no table of finite numbers with two rows or more, or `width` not positive.
    """

    linear: eqx.nn.Linear
    null: Float[Array, " width"]
    mean: Untrained[Float[Array, " dim_y"]]
    whiten: Untrained[Float[Array, "dim_y dim_y"]]
    width: int = eqx.field(static=True)

    def __init__(self, y: Float[ArrayLike, "batch dim_y"], width: int, *, key: PRNGKeyArray):
        samples = as_known(y, "y")
        if samples.ndim != 2 or len(samples) < 2 or not samples.size:
            raise ValueError(f"`y` must have shape (batch, dim_y) with at least two samples; got {samples.shape}.")
        rounded(samples, "y")
        check_whole("width", width, least=1)
        check_key(key)
        self.mean = jnp.asarray(samples.mean(0), jnp.float32)
        # Columns of one size first: what is small in its own units is no direction of small variance.
        stds = samples.std(0)
        # Of a constant column rounding leaves a standard deviation that is not quite zero.
        varies = samples.min(0) < samples.max(0)
        stds = np.where(varies & (stds > 0), stds, 1.0)
        covariance = np.atleast_2d(np.cov(samples / stds, rowvar=False)) * np.outer(varies, varies)
        # What does not vary has a direction of its own.
        values, axes = np.linalg.eigh(covariance + np.diag(1.0 * ~varies))
        # Directions that float32 samples cannot resolve are not blown up to order one.
        whiten = (axes / np.sqrt(np.maximum(values, _FLOOR * values.max()))) @ axes.T / stds
        self.whiten = jnp.asarray(whiten, jnp.float32)
        self.linear = eqx.nn.Linear(samples.shape[1], width, key=key)
        self.null = jnp.zeros(width)
        self.width = width

    def __call__(self, y: PyTree | None) -> Embedding:
        if y is None:
            return Embedding(self.null, 0)
        vector = check_vector(y, self.mean.shape, self.mean.dtype)
        mean, whiten = jax.lax.stop_gradient((self.mean, self.whiten))
        return Embedding(self.linear(whiten @ (vector - mean)), 1)


class LabelCondition(AbstractCondition):
    """A discrete condition: a learned token for each label and one for none. Weights that tell "some label" from none
    would have nothing to say that the tokens do not, and over-train: on digits the held-out loss is 2 nats lower
    without.

    **Arguments:**

    - `classes`: how many labels there are, `0, ..., classes - 1`. The embedding of any other is NaN: a label that the
        network has never seen is not taken for the nearest one that it has.
    - `width`: of the embedding.
    - `key`: for the initialisation.

    **Raises:** `ValueError` unless `classes` and `width` are positive.
    """

    tokens: Float[Array, "classes width"]
    null: Float[Array, " width"]
    width: int = eqx.field(static=True)

    def __init__(self, classes: int, width: int, *, key: PRNGKeyArray):
        check_whole("classes", classes, least=1)
        check_whole("width", width, least=1)
        check_key(key)
        self.tokens = jr.normal(key, (classes, width))
        self.null = jnp.zeros(width)
        self.width = width

    def __call__(self, y: PyTree | None) -> Embedding:
        if y is None:
            return Embedding(self.null, 0)
        label = check_label(y, jnp.int32)
        token = self.tokens.at[label].get(mode="fill", fill_value=jnp.nan)
        # A negative index would count from the end.
        return Embedding(jnp.where(label >= 0, token, jnp.nan), 0)


class LatentCondition(AbstractCondition):
    r"""A latent that an encoder gives, near $\mathcal{N}(0, I)$: two layers, $W_2\,\mathrm{silu}(W_1 z + b_1) + b_2$
    beside an affine map, or a learned null token. There are no waves of high frequency in it, which would leave no
    neighbourhood in the latent as it is.

    **Arguments:**

    - `dim`: of the latent.
    - `width`: of the embedding.
    - `key`: for the initialisation.

    **Raises:** `ValueError` unless `dim` and `width` are positive.
    """

    linear: eqx.nn.Linear
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    null: Float[Array, " width"]
    width: int = eqx.field(static=True)

    def __init__(self, dim: int, width: int, *, key: PRNGKeyArray):
        check_whole("dim", dim, least=1)
        check_whole("width", width, least=1)
        check_key(key)
        linear_key, first_key, second_key = jr.split(key, 3)
        self.linear = eqx.nn.Linear(dim, width, key=linear_key)
        self.first = eqx.nn.Linear(dim, width, key=first_key)
        self.second = eqx.nn.Linear(width, width, key=second_key)
        self.null = jnp.zeros(width)
        self.width = width

    def __call__(self, y: Float[Array, " dim"] | None) -> Embedding:
        if y is None:
            return Embedding(self.null, 0)
        weight = self.linear.weight
        y = check_vector(y, weight.shape[1:], weight.dtype, "be a latent of")
        hidden = jax.nn.silu(affine(self.first, y))
        return Embedding(affine(self.linear, y) + affine(self.second, hidden), 0)
