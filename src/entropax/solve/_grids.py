"""Where a sampler's steps lie: nodes in log-SNR, from noise to data."""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Float

from .._arguments import check_instance, check_positive, check_share
from .._arrays import as_floats
from ..integral import Estimate
from ..process import AbstractProcess


class AbstractGrid(eqx.Module):
    """How the steps of a sampler are spread over the noise levels. To add one, subclass this; or give any nodes as
    [`entropax.solve.Nodes`][]."""

    @abc.abstractmethod
    def __call__(
        self, process: AbstractProcess, low: Float[Array, ""], high: Float[Array, ""], steps: int
    ) -> Float[Array, " nodes"]:
        r"""The nodes.

        **Arguments:**

        - `process`: whose time a grid may be uniform in.
        - `low`, `high`: $\lambda$ of the most and the least noise.
        - `steps`: the number of steps.

        **Returns:** increasing $\lambda$, shape `(steps + 1,)`.
        """

    def shifted(self, shift: float) -> "AbstractGrid":
        r"""The same grid where every $\lambda$ is larger by a number, as it is where samples are measured in other
        units. A grid that holds $\lambda$ of its own overrides this.

        **Arguments:**

        - `shift`: the number.
        """
        del shift
        return self


class UniformLogSNR(AbstractGrid):
    r"""Equal steps of $\lambda$."""

    def __call__(self, process, low, high, steps):
        return jnp.linspace(low, high, steps + 1)


class UniformTime(AbstractGrid):
    r"""Equal steps of the process's own time $s$: what samplers of the first diffusion models did."""

    def __call__(self, process, low, high, steps):
        start, end = process.time(low), process.time(high)
        return _between(jax.vmap(process.log_snr)(jnp.linspace(start, end, steps + 1)), low, high)


class Karras(AbstractGrid):
    r"""Equal steps of $(\sqrt\Sigma/\mu)^{1/\rho}$.

    **Arguments:**

    - `rho`: $\rho$; 7 in the reference. Towards infinity the steps become equal in $\lambda$, at 1 in the ratio itself.

    **Raises:** `ValueError` unless `rho` is positive and finite.

    ??? cite "Source"
        Karras et al., Elucidating the design space of diffusion-based generative models (2022), Eq. (5).
    """

    rho: float | Float[Array, ""] = 7.0

    def __check_init__(self):
        check_positive(rho=self.rho)

    def __call__(self, process, low, high, steps):
        # ratio = e^{-λ/2}.
        roots = jnp.linspace(jnp.exp(-0.5 * low / self.rho), jnp.exp(-0.5 * high / self.rho), steps + 1)
        return _between(-2 * self.rho * jnp.log(roots), low, high)


class CosineGrid(AbstractGrid):
    r"""Equal steps of the angle $\arctan(\sqrt\Sigma/\mu)$, the time of the cosine schedule.

    ??? cite "Source"
        Nichol and Dhariwal, Improved denoising diffusion probabilistic models (2021), Eq. (17).
    """

    def __call__(self, process, low, high, steps):
        angles = jnp.linspace(jnp.arctan(jnp.exp(-0.5 * low)), jnp.arctan(jnp.exp(-0.5 * high)), steps + 1)
        return _between(-2 * jnp.log(jnp.tan(angles)), low, high)


class Entropic(AbstractGrid):
    r"""Equal increments of entropy production, $\int r\,\mathrm{d}\lambda$ between any two nodes the same: steps where
    information goes into the samples. A share of them is spread evenly in $\lambda$, without which the first step and
    the last would span all noise levels where nothing is produced.

    Where production ends the samples are a denoised mean away from done: end the range there, not at the data.

    **Arguments:**

    - `estimate`: an [`entropax.Estimate`][] with a profile, such as that of [`entropax.neural_entropy`][]; any rate $r$
        along $\lambda$ will do. What its profile does not cover is taken to have the rate at its end.
    - `even`: the share, between 0 and 1; at 1 it is [`entropax.solve.UniformLogSNR`][].

    **Raises:** `ValueError` where there is no profile of one number a node, or `even` is not in [0, 1].
    """

    log_snr: Float[Array, " nodes"]
    rate: Float[Array, " nodes"]
    even: float | Float[Array, ""]

    def __init__(self, estimate: Estimate, even: float | Float[Array, ""] = 0.5):
        check_instance("estimate", estimate, Estimate)
        profile = estimate.profile
        if profile is None or profile.rate.ndim != 1:
            raise ValueError("`estimate` must have a profile of one rate at each node; got one without.")
        check_share(even=even)
        self.log_snr, self.rate, self.even = profile.log_snr, profile.rate, even

    def __call__(self, process, low, high, steps):
        fine = jnp.linspace(low, high, 64 * steps + 1)
        # A noisy rate may be negative, and steps must not be infinite.
        rate = jnp.maximum(jnp.interp(fine, self.log_snr, self.rate), 1e-4 * jnp.max(self.rate))
        density = (1 - self.even) * rate / jnp.mean(rate) + self.even
        produced = jnp.concatenate([jnp.zeros_like(fine[:1]), jnp.cumsum(0.5 * (density[1:] + density[:-1]))])
        return _between(jnp.interp(jnp.linspace(0, produced[-1], steps + 1), produced, fine), low, high)

    def shifted(self, shift):
        return eqx.tree_at(lambda grid: grid.log_snr, self, self.log_snr + shift)


class Nodes(AbstractGrid):
    r"""Nodes of one's own, such as those of a tabulated schedule. They say themselves where the sampler begins and ends
    and how many steps it has.

    **Arguments:**

    - `log_snr`: $\lambda$, strictly increasing, shape `(steps + 1,)`.

    **Raises:** `ValueError` where they are fewer than two, not finite, or do not increase.
    """

    log_snr: Float[Array, " nodes"]

    def __init__(self, log_snr: Float[ArrayLike, " nodes"]):
        self.log_snr = as_floats(log_snr, "log_snr", finite=False)
        if self.log_snr.ndim != 1 or self.log_snr.size < 2:
            raise ValueError(f"`log_snr` must hold two nodes or more along one axis; got shape {self.log_snr.shape}.")
        check_increasing(self.log_snr)

    def __call__(self, process, low, high, steps):
        return self.log_snr

    def shifted(self, shift):
        return eqx.tree_at(lambda grid: grid.log_snr, self, self.log_snr + shift)


def check_increasing(log_snr: Float[ArrayLike, " nodes"]) -> None:
    """Refuses nodes that are not finite or do not increase."""
    if isinstance(log_snr, Tracer):
        return
    values = np.asarray(log_snr)
    if not np.isfinite(values).all():
        place = int(np.argmin(np.isfinite(values)))
        raise ValueError(f"The grid's `log_snr` must be finite; got {values[place]} at index {place}.")
    rises = np.diff(values) > 0
    if not rises.all():
        i = int(np.argmin(rises))
        raise ValueError(
            f"The grid's `log_snr` must increase strictly, from noise to data; got {values[i]:g} at index {i} and "
            f"{values[i + 1]:g} at index {i + 1}. Leave out duplicate nodes, or give fewer steps."
        )


def _between(nodes, low, high):
    """The nodes, with ends that are what was asked for to the bit."""
    return nodes.at[0].set(low).at[-1].set(high)
