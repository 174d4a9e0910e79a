import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from .._arguments import check_key, check_whole, check_wholes
from .._arrays import as_known
from ._base import AbstractDenoiser, as_batch, check_denoiser, check_range, diffuse
from ._labels import check_conditions, check_labels
from ._predictions import predictions


# Where bins are laid if no member says where it can be trusted.
_UNBOUNDED = (-16.0, 24.0)

# Evaluations of a member at a time: so many, and no more than hold so many numbers.
_CHUNK = 4096
_NUMBERS = 2**19


class Ensemble(AbstractDenoiser):
    r"""A denoiser that asks a member chosen for the noise level,

    $$\hat\varepsilon(z, \lambda, y) = \hat\varepsilon_{k(\lambda)}(z, \lambda, y), \qquad
      k\ \text{constant between edges}.$$

    Being a denoiser, it gives a bound wherever one does. With a model and its [`entropax.HardRounding`][] as members it
    is the rule of the lesser error for discrete data; with a fitted [`entropax.Gaussian`][] it falls back on that where
    a model does worse. Every member that any bin asks is evaluated.

    **Arguments:**

    - `denoisers`: the members.
    - `edges`: of the bins, increasing, one more than there are bins. Below the first and above the last, the members of
        the outermost bins go on.
    - `choice`: which member each bin asks.

    **Raises:** `ValueError` where lengths do not fit, or a bin asks a member that cannot be trusted there.

    ??? cite "Source"
        Kong et al., Information-theoretic diffusion (2023), where the choice is made on the test set.
    """

    denoisers: tuple[AbstractDenoiser, ...]
    edges: tuple[float, ...] = eqx.field(static=True)
    choice: tuple[int, ...] = eqx.field(static=True)

    def __init__(self, denoisers: Sequence[AbstractDenoiser], edges: Sequence[float], choice: Sequence[int]):
        self.denoisers = _checked(denoisers)
        self.edges = tuple(np.atleast_1d(as_known(edges, "edges")).tolist())
        self.choice = check_wholes("choice", choice, least=0)
        if len(self.choice) < 1 or len(self.edges) != len(self.choice) + 1:
            raise ValueError(f"`edges` must be one more than `choice`; got {len(self.edges)} and {len(self.choice)}.")
        if not np.min(np.diff(self.edges)) > 0:
            raise ValueError(f"`edges` must increase; got {self.edges}.")
        for k, low, high in zip(self.choice, self.edges[:-1], self.edges[1:]):
            if not 0 <= k < len(self.denoisers):
                raise ValueError(f"`choice` must index the {len(self.denoisers)} denoisers; got {k}.")
            trusted = self.denoisers[k].log_snr_range
            if low < trusted[0] - 1e-3 or high > trusted[1] + 1e-3:
                raise ValueError(
                    f"`choice` asks denoiser {k} for ({low:.3f}, {high:.3f}); it can be trusted on {trusted} only."
                )

    @classmethod
    def fit(
        cls,
        denoisers: Sequence[AbstractDenoiser],
        x: Float[Array, " batch *shape"],
        y: PyTree | None = None,
        *,
        key: PRNGKeyArray,
        bins: int = 24,
        log_snr_range: tuple[float, float] | None = None,
    ) -> "Ensemble":
        r"""For each bin the member of least $\mathbb{E}\|\varepsilon - \hat\varepsilon\|^2$, on noise that they share.

        The choice looks at `x`: an estimate with the ensemble wants samples that took no part in it, or it is too good.

        **Arguments:**

        - `denoisers`: the members.
        - `x`, `y`: held-out samples and their conditions.
        - `key`: the randomness of noise levels and noise.
        - `bins`: how many there are, of equal width in $\lambda$; each sample is seen once in each.
        - `log_snr_range`: what the bins cover; where it is not given, the range where all members can be trusted.

        **Raises:** `ValueError` on no samples, or a range where not all members can be trusted.
        """
        denoisers = _checked(denoisers)
        check_key(key)
        check_whole("bins", bins, least=1)
        x = as_batch(x)
        check_conditions(x, y)
        for member in denoisers:
            check_labels(member, y, "y")
        lows, highs = zip(*(denoiser.log_snr_range for denoiser in denoisers))
        trusted = max(lows), min(highs)
        low, high = np.clip(trusted, *_UNBOUNDED) if log_snr_range is None else check_range(log_snr_range)
        if low < trusted[0] - 1e-3 or high > trusted[1] + 1e-3 or not low < high:
            raise ValueError(
                f"`log_snr_range` must increase and stay within ({trusted[0]:.3f}, {trusted[1]:.3f}), where all "
                f"members can be trusted; got ({low:.3f}, {high:.3f})."
            )
        edges = np.linspace(low, high, bins + 1)
        losses = np.asarray(_losses(denoisers, x, y, key, jnp.asarray(edges, x.dtype)), np.float64)
        # Where all of them fail, the first is as good as any.
        choice = np.argmin(np.where(np.isnan(losses), np.inf, losses), axis=1)
        return cls(denoisers, edges.tolist(), choice.tolist())

    @property
    def log_snr_range(self) -> tuple[float, float]:
        return self.denoisers[self.choice[0]].log_snr_range[0], self.denoisers[self.choice[-1]].log_snr_range[1]

    def __call__(
        self, z: Float[Array, "*shape"], log_snr: Float[Array, ""], y: PyTree | None = None
    ) -> Float[Array, "*shape"]:
        return predictions(self, z, log_snr, (y,))[0]


@predictions.register(Ensemble)
def _(denoiser, z, log_snr, conditions):
    place = jnp.searchsorted(jnp.asarray(denoiser.edges[1:-1], log_snr.dtype), log_snr, side="right")
    # Not `lax.switch`: under `jax.vmap` it would give every noise level a copy of all weights.
    asked = sorted(set(denoiser.choice))
    which = jnp.asarray([asked.index(k) for k in denoiser.choice])[place]
    members = [predictions(denoiser.denoisers[k], z, log_snr, conditions) for k in asked]
    return tuple(jax.lax.select_n(which, *of_members) for of_members in zip(*members))


def _checked(denoisers) -> tuple[AbstractDenoiser, ...]:
    members = tuple(denoisers) if isinstance(denoisers, Sequence) else (denoisers,)
    if not members:
        raise ValueError("`denoisers` must hold one denoiser or more; got none.")
    for k, member in enumerate(members):
        check_denoiser(member, f"denoisers[{k}]")
    return members


@eqx.filter_jit
def _losses(denoisers, x, y, key, edges):
    """The mean squared error of every member in every bin, shape `(bins, members)`."""
    bins = edges.size - 1

    def of_sample(sample):
        x, y, key = sample
        place_key, noise_key = jr.split(key)
        # One noise level in each bin; a shared offset would see all bins at the same place.
        log_snr = edges[:-1] + jr.uniform(place_key, (bins,), x.dtype) * jnp.diff(edges)
        eps = jr.normal(noise_key, (bins, *x.shape), x.dtype)

        def in_bin(log_snr, eps):
            z = diffuse(x, log_snr, eps)
            return jnp.stack([jnp.sum((eps - denoiser(z, log_snr, y)) ** 2) for denoiser in denoisers])

        return jax.vmap(in_bin)(log_snr, eps)

    keys = jr.split(key, x.shape[0])
    evaluations = min(_CHUNK, _NUMBERS // max(math.prod(x.shape[1:]), 1))
    return jnp.mean(jax.lax.map(of_sample, (x, y, keys), batch_size=max(1, evaluations // bins)), 0)
