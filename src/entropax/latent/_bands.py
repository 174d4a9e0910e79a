import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from .._arguments import check_finite, check_instance
from ..denoiser import AbstractDenoiser, check_denoiser, mixed_predictions, predictions
from ..process import AbstractProcess


Latents = tuple[Float[Array, "..."], ...]


def band_edges(process: AbstractProcess, *times: float) -> tuple[float, ...]:
    r"""Times $\tau$ of a process as noise levels $\lambda(\tau)$, increasing, for [`entropax.latent.Bands`][].

    **Arguments:**

    - `process`: whose times they are.
    - `times`: in any order.

    **Raises:** `ValueError` unless all times differ and lie strictly between 0 and $T$.
    """
    check_instance("process", process, AbstractProcess)
    for time in times:
        check_finite(times=time)
    if not all(0 < time < process.T for time in times) or len(set(times)) < len(times):
        raise ValueError(f"`times` must differ, and lie strictly between 0 and T = {process.T}; got {times}.")
    return tuple(float(process.log_snr(jnp.asarray(time))) for time in sorted(times, reverse=True))


class Bands(AbstractDenoiser):
    r"""A denoiser that hears another latent in each band of noise levels: with $y = (z_0, \ldots, z_n)$ and edges
    $\lambda_1 < \dots < \lambda_n$,

    $$\hat\varepsilon(z, \lambda, y) = \hat\varepsilon_\theta\bigl(z, \lambda, (0, \ldots, z_i, \ldots, 0)\bigr) \quad
      \text{where}\quad \lambda_i < \lambda \le \lambda_{i+1}.$$

    So $z_i$ can tell nothing but what serves in its band. With one edge, at $\lambda(\tau)$, the first is the paper's
    $z_\mathrm{sem}$, for $s \ge \tau$, and the second its $z_\mathrm{per}$, for $s < \tau$. A denoiser without edges
    hears one latent everywhere. `None` is no latent at all.

    **Arguments:**

    - `denoiser`: of data given one vector, in which each latent has places of its own: a [`entropax.Neural`][] whose
        network has an [`entropax.nn.LatentCondition`][] as wide as all latents together.
    - `edges`: from the most noise to the least; [`entropax.latent.band_edges`][] makes them of times.

    **Raises:** `ValueError` unless the edges increase and lie within the range that the denoiser can be trusted in.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (19) and (74).
    """

    denoiser: AbstractDenoiser
    edges: tuple[float, ...] = eqx.field(static=True)

    def __check_init__(self):
        check_denoiser(self.denoiser, "denoiser")
        if not isinstance(self.edges, tuple):
            raise ValueError(f"`edges` must be a tuple of numbers; got {self.edges!r}.")
        for edge in self.edges:
            check_finite(edges=edge)
        low, high = self.denoiser.log_snr_range
        if not all(a < b for a, b in itertools.pairwise((low, *self.edges, high))):
            raise ValueError(
                f"`edges` must increase, and lie between the denoiser's {low:g} and {high:g}; got {self.edges}."
            )

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoiser.log_snr_range

    def heard(self, log_snr: Float[Array, ""], latents: Latents) -> Float[Array, " width"]:
        r"""What the denoiser is told at $\lambda$: all latents, of which those of other bands are zero.

        **Raises:** `ValueError` where there are not as many latents as bands.
        """
        if len(latents) != len(self.edges) + 1:
            raise ValueError(f"`y` must have {len(self.edges) + 1} latents, one for each band; got {len(latents)}.")
        band = jnp.sum(log_snr > jnp.asarray(self.edges, log_snr.dtype))
        return jnp.concatenate([jnp.where(band == place, z, 0.0) for place, z in enumerate(latents)])

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        return self.denoiser(z, log_snr, None if y is None else self.heard(log_snr, y))


@mixed_predictions.register(Bands)
def _(denoiser, z, log_snr, y, free, masks):
    return mixed_predictions(denoiser.denoiser, z, log_snr, jax.vmap(denoiser.heard)(log_snr, y), free, masks)


@predictions.register(Bands)
def _(denoiser, z, log_snr, conditions):
    told = tuple(None if y is None else denoiser.heard(log_snr, y) for y in conditions)
    return predictions(denoiser.denoiser, z, log_snr, told)
