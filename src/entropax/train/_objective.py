import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_finite, check_instance, check_key, check_share
from ..denoiser import AbstractDenoiser, check_labels, diffuse, dropping, mixed_predictions
from ..integral import as_samples
from ..process import AbstractProcess


class AbstractWeighting(eqx.Module):
    r"""The weight $w(\lambda)$ of a noise level in the objective $\tfrac12\int w(\lambda)\,
    \mathbb{E}\|\hat\varepsilon - \varepsilon\|^2\,\mathrm{d}\lambda$."""

    @abc.abstractmethod
    def __call__(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        r"""$w(\lambda)$."""


class Likelihood(AbstractWeighting):
    r"""$w = 1$: the bound on the likelihood, $\lambda(s) = \sigma^2/2$ in the paper's terms, whatever the process.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (33), and Eq. (43) with $\lambda(s) = \sigma(s)^2/2$.
    """

    def __call__(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.ones_like(log_snr)


class Epsilon(AbstractWeighting):
    r"""$w = 2\,\lvert\mathrm{d}s/\mathrm{d}\lambda\rvert$: the error of the noise, uniform in time, $\lambda(s) =
    \Sigma(s)$; what the paper's code does where the paper says $\lambda = 1$.

    **Arguments:**

    - `process`: whose time is meant.

    **Raises:** `ValueError` where `process` is none.
    """

    process: AbstractProcess

    def __check_init__(self):
        check_instance("process", self.process, AbstractProcess)

    def __call__(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        return -2 / self.process.log_snr_rate(self.process.time(log_snr))


class Unit(AbstractWeighting):
    r"""$w = 2\,\lvert\mathrm{d}s/\mathrm{d}\lambda\rvert/\Sigma$: the error of the score, uniform in time; Eq. (43)
    with $\lambda(s) = 1$ to the letter.

    **Arguments:**

    - `process`: whose time is meant.

    **Raises:** `ValueError` where `process` is none.
    """

    process: AbstractProcess

    def __check_init__(self):
        check_instance("process", self.process, AbstractProcess)

    def __call__(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        s = self.process.time(log_snr)
        return -2 / (self.process.log_snr_rate(s) * self.process.std(s) ** 2)


class Sigmoid(AbstractWeighting):
    r"""$w = \mathrm{sigmoid}(b - \lambda)$: the likelihood's weight where noise hides what the data are, and ever less
    of it where only their last digits are unknown, which for images is most of $\lambda$. Samples come out right many
    times sooner than by [`entropax.Likelihood`][].

    **Arguments:**

    - `bias`: $b$, in units of $\lambda$; the noise level from which on less counts.

    **Raises:** `ValueError` where `bias` is not one finite number.

    ??? cite "Source"
        Kingma and Gao, Understanding diffusion objectives as the ELBO with simple data augmentation (2023); Hoogeboom
        et al., Simpler diffusion (2024).
    """

    bias: float

    def __check_init__(self):
        check_finite(bias=self.bias)

    def __call__(self, log_snr: Float[Array, ""]) -> Float[Array, ""]:
        return jax.nn.sigmoid(self.bias - log_snr)


# Between so many noise levels, equally far apart, a weight is taken for constant where levels are drawn by it.
_LEVELS = 1_025


def denoising_loss(
    denoiser: AbstractDenoiser,
    x: Float[Array, " batch *shape"],
    y: PyTree | None,
    *,
    key: PRNGKeyArray,
    weighting: AbstractWeighting = Likelihood(),
    unconditional: float = 0.5,
    dropout: PRNGKeyArray | None = None,
) -> Float[Array, ""]:
    r"""One draw of the denoising objective, in nats,

    $$L = \frac12\int w(\lambda)\,\mathbb{E}\|\hat\varepsilon(z, \lambda, y) - \varepsilon\|^2\,\mathrm{d}\lambda,$$

    with $\lambda$ drawn from the density that is proportional to $w$ on the denoiser's range, stratified over the
    batch: noise levels are asked for as often as they count, and all errors count alike. The first rows of the batch
    are predicted without their condition: in a batch drawn at random they are a random share of it.

    **Arguments:**

    - `denoiser`: the model.
    - `x`, `y`: a batch and its conditions, or `None`; lists, integers and floats of half precision are taken as
        [`entropax.nll`][] takes them.
    - `key`: for noise levels and noise.
    - `weighting`: $w$.
    - `unconditional`: the share of the batch that is predicted without its condition.
    - `dropout`: for the masks of [`entropax.nn.Dropout`][], each sample with its own, in training; `None` to leave
        nothing out.

    **Returns:** the loss.

    **Raises:** `ValueError` where an argument is of another kind, the denoiser's range is not finite, `x` or `y` is
    masked, NaN or infinite, or they differ in length, labels are unknown to the denoiser, or `unconditional` is no
    share.
    """
    check_trusted(denoiser)
    check_key(key)
    if dropout is not None:
        check_key(dropout, "dropout")
    check_instance("weighting", weighting, AbstractWeighting)
    check_share(unconditional=unconditional)
    x, y = as_samples(x, y)
    check_labels(denoiser, y, "y")
    level_key, order_key, noise_key = jr.split(key, 3)
    batch = x.shape[0]
    low, high = denoiser.log_snr_range
    # Strata in random order, so that both parts of the batch see all noise levels.
    place = jr.permutation(order_key, jnp.arange(batch, dtype=x.dtype)) + jr.uniform(level_key, (), x.dtype)
    levels = jnp.linspace(low, high, _LEVELS, dtype=x.dtype)
    weights = jax.vmap(weighting)(0.5 * (levels[1:] + levels[:-1])) * (high - low) / (_LEVELS - 1)
    below = jnp.concatenate([jnp.zeros(1, x.dtype), jnp.cumsum(weights)])
    log_snr = jnp.interp(place / batch * below[-1], below, levels)
    eps = jr.normal(noise_key, x.shape, x.dtype)
    z = jax.vmap(diffuse)(x, log_snr, eps)
    masks = None if dropout is None else jr.split(dropout, batch)

    if y is None:
        predict = lambda z, log_snr, mask: dropping(denoiser, mask)(z, log_snr, None)
        predictions = jax.vmap(predict)(z, log_snr, masks)
    else:
        predictions = mixed_predictions(denoiser, z, log_snr, y, round(unconditional * batch), masks)
    errors = jnp.sum((predictions - eps) ** 2, axis=tuple(range(1, x.ndim)))
    return 0.5 * below[-1] * jnp.mean(errors)


def check_trusted(denoiser: AbstractDenoiser) -> None:
    """Refuses a denoiser without ends of the noise levels that it is trusted on, as exact ones are: no loss is an
    integral over all of them.

    **Raises:** `ValueError` that names the denoiser and its range.
    """
    check_instance("denoiser", denoiser, AbstractDenoiser)
    ends = denoiser.log_snr_range
    if not any(isinstance(end, Tracer) for end in ends) and not np.isfinite(ends).all():
        raise ValueError(
            f"`denoiser` must be trusted on a finite range of noise levels, over which its loss is an integral; "
            f"{type(denoiser).__name__}, which is exact, has {ends}."
        )


class AbstractObjective(eqx.Module):
    """What a training makes small. To add one, subclass this and state `__call__` and `unit`."""

    @abc.abstractmethod
    def __call__(
        self,
        model: PyTree,
        x: Float[Array, " batch *shape"],
        y: PyTree | None,
        *,
        key: PRNGKeyArray,
        progress: Float[Array, ""],
        dropout: PRNGKeyArray | None,
    ) -> Float[Array, ""]:
        """One draw of it, in nats.

        **Arguments:**

        - `model`: what is trained.
        - `x`, `y`: a batch and its conditions, or `None`.
        - `key`: all randomness but that of dropout.
        - `progress`: the share of the training that was taken, from 0 to 1; 1 on held-out samples.
        - `dropout`: for the masks of [`entropax.nn.Dropout`][], or `None` to leave nothing out.
        """

    @abc.abstractmethod
    def unit(self, model: PyTree, size: int) -> float:
        """The loss in whose units gradients are clipped, so that one `clip` serves data of any size: what an error of
        one in each of the `size` numbers of a sample would come to."""


class Denoising(AbstractObjective):
    """[`entropax.denoising_loss`][] of a denoiser.

    **Arguments:**

    - `weighting`, `unconditional`: as there.

    **Raises:** `ValueError` where the one is no weighting, or the other no share.
    """

    weighting: AbstractWeighting = Likelihood()
    unconditional: float = 0.5

    def __check_init__(self):
        check_instance("weighting", self.weighting, AbstractWeighting)
        check_share(unconditional=self.unconditional)

    def __call__(self, model, x, y, *, key, progress, dropout):
        del progress
        return denoising_loss(
            model, x, y, key=key, weighting=self.weighting, unconditional=self.unconditional, dropout=dropout
        )

    def unit(self, model, size):
        low, high = model.log_snr_range
        return 0.5 * size * (high - low)
