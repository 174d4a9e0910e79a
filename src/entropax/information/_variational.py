import abc
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float, Inexact, PRNGKeyArray, PyTree
from tqdm import tqdm

from .._arguments import check_instance, check_key
from .._arrays import as_floats
from .._progress import is_seen
from ..denoiser import AbstractDenoiser, check_denoiser, check_labels, diffuse, Grid, noise, signal
from ..integral import as_samples, check_units, Estimate, mean_of
from ..integral._integrands import check_prediction


# Samples at a time: so many, and no more than hold so many numbers.
_SAMPLES = 4096
_NUMBERS = 2**19

# A progress bar appears on work that lasts longer than this many seconds.
_PATIENCE = 2.0


class AbstractDecoder(eqx.Module):
    r"""The last step of a discrete-time diffusion model, $p(x|z)$ from the least noise to the data."""

    @abc.abstractmethod
    def check(self, x: Inexact[Array, " batch *shape"]) -> None:
        """Makes sure that samples are of the kind that is decoded to.

        **Raises:** `ValueError` where they are not.
        """

    @abc.abstractmethod
    def __call__(
        self, x: Inexact[Array, "*shape"], z: Inexact[Array, "*shape"], log_snr: Float[Array, ""]
    ) -> Inexact[Array, ""]:
        r"""$-\log p(x|z)$ in nats, of one sample.

        **Arguments:**

        - `x`: the sample.
        - `z`: its diffused state.
        - `log_snr`: $\lambda$ there.
        """


class GaussianDecoder(AbstractDecoder):
    r"""A density around the rescaled state,

    $$p(x|z) = \mathcal{N}\bigl(x;\ z/\sqrt a,\ e^{-\lambda}I\bigr), \qquad a = \mathrm{sigmoid}(\lambda).$$
    """

    def check(self, x: Inexact[Array, " batch *shape"]) -> None:
        del x

    def __call__(
        self, x: Inexact[Array, "*shape"], z: Inexact[Array, "*shape"], log_snr: Float[Array, ""]
    ) -> Inexact[Array, ""]:
        residuals = (z - signal(log_snr) * x) / noise(log_snr)
        return jnp.sum(0.5 * residuals**2 + 0.5 * math.log(2 * math.pi) - 0.5 * log_snr)


class GridDecoder(AbstractDecoder):
    r"""A probability of each level of a grid, every coordinate by itself, from the diffusion's own kernel and a uniform
    prior: $P(x|z) \propto q(z|x)$,

    $$P(x_k = b|z_k) = \mathrm{softmax}_b\Bigl(-\frac\gamma2\bigl(z_k/\sqrt a - b\bigr)^2\Bigr), \qquad
      \gamma = e^\lambda,\ a = \mathrm{sigmoid}(\lambda).$$

    **Arguments:**

    - `grid`: the levels.

    ??? cite "Source"
        Kingma, Salimans, Poole and Ho, Variational diffusion models (2021), Sec. 3.3.
    """

    grid: Grid

    def __check_init__(self):
        check_instance("grid", self.grid, Grid)

    def check(self, x: Inexact[Array, " batch *shape"]) -> None:
        self.grid.check(x)

    def __call__(
        self, x: Inexact[Array, "*shape"], z: Inexact[Array, "*shape"], log_snr: Float[Array, ""]
    ) -> Inexact[Array, ""]:
        # The noise that the state would hold at each level: no quotient of two large numbers, whatever λ is.
        levels = jnp.asarray(self.grid.values, z.dtype).reshape((1,) * z.ndim + (-1,))
        residuals = (z[..., None] - signal(log_snr) * levels) / noise(log_snr)
        logs = jax.nn.log_softmax(-0.5 * residuals**2)
        return -jnp.sum(jnp.take_along_axis(logs, self.grid.index(x)[..., None], -1))


def variational_bound(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    log_snr: Float[ArrayLike, "..."],
    decoder: AbstractDecoder = GaussianDecoder(),
) -> Estimate:
    r"""The variational bound of the discrete-time model (DDPM, VDM) that a denoiser defines on the noise levels
    $\lambda_1 > \dots > \lambda_T$,

    $$-\log p(x) \le \mathbb{E}\bigl[-\log p(x|z_1)\bigr] + \frac12\sum_{t=2}^T \bigl(e^{\lambda_{t-1}-\lambda_t} -
      1\bigr)\,\mathbb{E}\|\varepsilon - \hat\varepsilon(z_t, \lambda_t, y)\|^2 + \mathrm{KL}\bigl(q(z_T|x)\,\big\|\,
      \mathcal{N}(0, I)\bigr).$$

    The terms of the sum are $\mathrm{KL}(q(z_{t-1}|z_t, x)\,\|\,p(z_{t-1}|z_t))$, where $p$ has the mean that the
    denoiser implies and the variance of $q$. The last term is exact, $\tfrac12\sum_k[a x_k^2 + (1-a) - 1 - \log(1-a)]$
    with $a = \mathrm{sigmoid}(\lambda_T)$; the expectations are those of noise that is drawn afresh for each step and
    sample.

    For an exact denoiser the mean falls to that of $-\log p(x)$ as the steps become many and their range wide. Until
    then it is larger: the sum is the left Riemann sum of $\tfrac12\int\mathbb{E}\|\varepsilon -
    \hat\varepsilon\|^2\,\mathrm{d}\lambda = \tfrac12\int\mathbb{E}\|x - \hat x\|^2\,\mathrm{d}\gamma$ over
    $\gamma = e^\lambda$, whose integrand falls. [`entropax.nll`][] and [`entropax.discrete_nll`][] do that integral
    without steps.

    **Arguments:**

    - `denoiser`: the model.
    - `x`: samples that it was not fitted to, shape `(batch, *shape)`.
    - `y`: their conditions, for a bound on $-\log p(x|y)$.
    - `key`: the randomness of the noise.
    - `log_snr`: $\lambda_1, \dots, \lambda_T$, strictly decreasing, from the least noise to the most, shape `(steps,)`.
        The thousand steps of DDPM: `jax.vmap(process.log_snr)(jnp.arange(1, 1001) / 1000 * process.T)`.
    - `decoder`: $p(x|z_1)$: [`entropax.GaussianDecoder`][] for a density (the default), [`entropax.GridDecoder`][] for
        the probability of data on a grid.

    **Returns:** an [`entropax.Estimate`][] in nats for a whole sample, with `pointwise` of shape `(batch,)`, without a
    profile. [`entropax.bits_per_dim`][] converts it.

    **Raises:** `ValueError` on samples that are empty, not finite or not of the decoder's kind, lengths and shapes that
    do not fit, and a `log_snr` that does not decrease or leaves the range where the denoiser can be trusted;
    `RuntimeError` where the bound is not finite. Values that are traced are not checked.

    ??? cite "Source"
        Kingma, Salimans, Poole and Ho, Variational diffusion models (2021), Eqs. (11) to (15); Ho, Jain and Abbeel,
        Denoising diffusion probabilistic models (2020), Eq. (5).
    """
    check_denoiser(denoiser, "denoiser")
    check_key(key)
    check_instance("decoder", decoder, AbstractDecoder)
    x, y = as_samples(x, y)
    check_labels(denoiser, y, "y")
    decoder.check(x)
    levels = as_floats(log_snr, "log_snr").astype(x.dtype)
    _check_log_snr(levels, denoiser)

    batch, dim = x.shape[0], math.prod(x.shape[1:])
    chunks = -(-batch // max(1, min(_SAMPLES, _NUMBERS // max(dim, 1))))
    size = -(-batch // chunks)
    parts = []
    for index in tqdm(range(chunks), "Bounding", unit="chunk", leave=False, delay=_PATIENCE, disable=not is_seen()):
        # The last chunk is filled up from the first, so that all have one shape.
        rows = (np.arange(size) + index * size) % batch
        chosen_x, chosen_y = jax.tree.map(lambda leaf: leaf[rows], (x, y))
        parts.append(_bound(denoiser, decoder, levels, chosen_x, chosen_y, key, jnp.asarray(rows)))
    pointwise, lost = (jnp.concatenate(part)[:batch] for part in zip(*parts))
    _check_finite(pointwise, lost, levels, denoiser)
    check_units([denoiser], x)
    return mean_of(pointwise)


@eqx.filter_jit
def _bound(denoiser, decoder, log_snr, x, y, key, rows):
    """The bound of each sample, from noise of its own key, and whether each of its terms is finite: those of the noise
    levels, with that of the decoder and the prior at the first. No sample depends on the others."""
    keys = jax.vmap(jr.fold_in, (None, 0))(key, rows)

    def diffused(x, key, step, log_snr):
        eps = jr.normal(jr.fold_in(key, step), x.shape, x.dtype)
        return diffuse(x, log_snr, eps), eps

    def loss(x, y, key, step, log_snr):
        z, eps = diffused(x, key, step, log_snr)
        prediction = denoiser(z, log_snr, y)
        check_prediction(denoiser, prediction, z)
        return 0.5 * jnp.sum((eps - prediction) ** 2)

    def add(total, level):
        step, weight, log_snr = level
        term = weight * jax.vmap(loss, (0, 0, 0, None, None))(x, y, keys, step, log_snr)
        return total + term, jnp.isfinite(term)

    def ends(x, key):
        z, _ = diffused(x, key, 0, log_snr[0])
        # -log(1 - a) = softplus(λ).
        prior = 0.5 * jnp.sum(jax.nn.sigmoid(log_snr[-1]) * (x**2 - 1) + jax.nn.softplus(log_snr[-1]))
        return decoder(x, z, log_snr[0]) + prior

    levels = (jnp.arange(1, log_snr.size), jnp.expm1(log_snr[:-1] - log_snr[1:]), log_snr[1:])
    middle, finite = jax.lax.scan(add, jnp.zeros(x.shape[0], x.dtype), levels)
    outer = jax.vmap(ends)(x, keys)
    terms = jnp.concatenate([jnp.isfinite(outer)[None], finite])
    # The first term that is not finite; the number of them where all are.
    return outer + middle, jnp.where(jnp.all(terms, 0), terms.shape[0], jnp.argmin(terms, 0))


def _check_log_snr(log_snr, denoiser) -> None:
    if log_snr.ndim != 1 or log_snr.size < 2:
        raise ValueError(
            f"`log_snr` must have shape (steps,) with two steps or more; got {log_snr.shape}. It holds all noise "
            "levels, from the least noise to the most."
        )
    if isinstance(log_snr, Tracer):
        return
    # As it is used: levels that differ in more digits than x has are one.
    values = np.asarray(log_snr, np.float64)
    rising = np.flatnonzero(np.diff(values) >= 0)
    if rising.size:
        k = int(rising[0])
        raise ValueError(
            f"`log_snr` must be strictly decreasing; got {values[k]:g} at index {k} and {values[k + 1]:g} at index "
            f"{k + 1}, in {log_snr.dtype.name}, the precision of `x`."
        )
    low, high = denoiser.log_snr_range
    if values[-1] < low - 1e-3 or values[0] > high + 1e-3:
        raise ValueError(
            f"`log_snr` from {values[0]:.3f} to {values[-1]:.3f} leaves ({low:.3f}, {high:.3f}), the range where the "
            "denoiser can be trusted."
        )


def _check_finite(pointwise, place, log_snr, denoiser) -> None:
    if isinstance(pointwise, Tracer):
        return
    lost = np.flatnonzero(~np.isfinite(np.asarray(pointwise)))
    if lost.size:
        first, widest = int(lost[0]), float(jnp.max(log_snr[:-1] - log_snr[1:]))
        step = int(place[first])
        where = f"at λ = {float(log_snr[step]):.2f}" if step < log_snr.size else "in the sum over its noise levels"
        raise RuntimeError(
            f"The bound of {lost.size} of {pointwise.size} samples is not finite, first for x[{first}], {where}: "
            f"either the predictions of {type(denoiser).__name__} are not, or the widest step of `log_snr`, "
            f"{widest:.3g}, is too wide for {pointwise.dtype}."
        )
