import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from equinox import AbstractVar
from jaxtyping import Array, Float, Float32, PRNGKeyArray

from .._arguments import check_finite, check_key, check_whole
from .._arrays import as_known, rounded
from .._untrained import Untrained
from ._linear import affine
from ._mlp import log_snr_features


class AbstractLogSNREmbedding(eqx.Module):
    r"""What a network is told of the noise level $\lambda$: a vector, to which that of the condition is added. In
    float32 whatever precision the network computes in."""

    width: AbstractVar[int]

    @abc.abstractmethod
    def __call__(self, log_snr: Float[Array, ""]) -> Float32[Array, " width"]:
        r"""The embedding of $\lambda$."""


class LogSNREmbedding(AbstractLogSNREmbedding):
    r"""Two layers over sines and cosines of $\lambda$, [`entropax.nn.log_snr_features`][].

    **Arguments:**

    - `width`: of the embedding.
    - `key`: for the initialisation.
    """

    first: eqx.nn.Linear
    second: eqx.nn.Linear
    width: int = eqx.field(static=True)

    def __init__(self, width: int, *, key: PRNGKeyArray):
        check_whole("width", width, least=1)
        first_key, second_key = jr.split(check_key(key))
        features = jax.eval_shape(log_snr_features, jnp.zeros((), jnp.float32)).size
        self.first = eqx.nn.Linear(features, width, key=first_key)
        self.second = eqx.nn.Linear(width, width, key=second_key)
        self.width = width

    def __call__(self, log_snr: Float[Array, ""]) -> Float32[Array, " width"]:
        features = log_snr_features(log_snr.astype(jnp.float32))
        return affine(self.second, jax.nn.silu(affine(self.first, features)))


class StepEmbedding(AbstractLogSNREmbedding):
    r"""The embedding of a network that was trained in discrete time. Its schedule has a log-SNR for each step,
    $\lambda_0 > \lambda_1 > \dots > \lambda_{T-1}$; a noise level between two of them is a fraction of a step, linear
    in $\lambda$,

    $$k(\lambda) = k + \frac{\lambda_k - \lambda}{\lambda_k - \lambda_{k+1}}, \qquad
      \lambda_{k+1} \leqslant \lambda \leqslant \lambda_k,$$

    and beyond the first and the last it is that step. What the network sees are $\sin(\omega_j k)$, and then
    $\cos(\omega_j k)$, with $\omega_j = s\,10000^{-j/(n - \mathrm{shift})}$, $j = 0, \dots, n - 1$, and two layers
    above. It has met whole steps alone in its training; that it interpolates between them is an assumption.

    **Arguments:**

    - `log_snrs`: $\lambda_k$, strictly decreasing; not trained.
    - `width`: of the embedding.
    - `waves`: $n$.
    - `shift`: of the denominator.
    - `scale`: $s$, by which steps are multiplied first.
    - `key`: for the initialisation.

    **Raises:** `ValueError` where `log_snrs` are fewer than two or do not decrease.
    """

    log_snrs: Untrained[Float32[Array, " steps"]]
    first: eqx.nn.Linear
    second: eqx.nn.Linear
    width: int = eqx.field(static=True)
    shift: float = eqx.field(static=True)
    scale: float = eqx.field(static=True)

    def __init__(
        self,
        log_snrs: Float32[Array | np.ndarray, " steps"],
        width: int,
        *,
        waves: int,
        shift: float = 0.0,
        scale: float = 1.0,
        key: PRNGKeyArray,
    ):
        known = rounded(as_known(log_snrs, "log_snrs"), "log_snrs", np.dtype(np.float32))
        if known.ndim != 1:
            raise ValueError(f"`log_snrs` must have shape (steps,); got {known.shape}.")
        if len(known) < 2 or not np.all(np.diff(known) < 0):
            raise ValueError(
                "`log_snrs` must be at least two numbers that decrease from each step to the next, in float32; got "
                f"{len(known)}, of which {np.sum(np.diff(known) >= 0)} are not below the one before."
            )
        check_whole("width", width, least=1)
        check_whole("waves", waves, least=1)
        check_finite(shift=shift, scale=scale)
        first_key, second_key = jr.split(check_key(key))
        self.log_snrs = jnp.asarray(known)
        self.first = eqx.nn.Linear(2 * waves, width, key=first_key)
        self.second = eqx.nn.Linear(width, width, key=second_key)
        self.width = width
        self.shift = shift
        self.scale = scale

    def step(self, log_snr: Float[Array, ""]) -> Float32[Array, ""]:
        r"""$k(\lambda)$, with its fraction."""
        log_snrs = jax.lax.stop_gradient(self.log_snrs)
        steps = jnp.arange(log_snrs.shape[0], dtype=jnp.float32)
        # Interpolation wants its knots to increase.
        return jnp.interp(-log_snr.astype(jnp.float32), -log_snrs, steps)

    def __call__(self, log_snr: Float[Array, ""]) -> Float32[Array, " width"]:
        waves = self.first.weight.shape[1] // 2
        exponents = jnp.arange(waves, dtype=jnp.float32) / (waves - self.shift)
        phases = self.scale * self.step(log_snr) * jnp.exp(-math.log(10000.0) * exponents)
        features = jnp.concatenate([jnp.sin(phases), jnp.cos(phases)])
        return affine(self.second, jax.nn.silu(affine(self.first, features)))
