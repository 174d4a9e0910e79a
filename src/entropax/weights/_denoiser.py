import numpy as np
from jaxtyping import Array, Float, Float32

from .._arrays import as_known, rounded
from ..denoiser import Neural, noise_matching
from ..nn import UNet


def in_discrete_time(net: UNet, log_snrs: Float32[np.ndarray, " steps"]) -> Neural:
    """The network as a denoiser: what it predicts is the noise itself, in the state as it is."""
    parameterisation = noise_matching()
    return Neural(
        net=net,
        baseline=parameterisation.baseline,
        scale=parameterisation.scale,
        normalise=_as_it_is,
        trained_range=(float(log_snrs[-1]), float(log_snrs[0])),
    )


def as_schedule(log_snrs: Float32[np.ndarray, " steps"]) -> Float32[np.ndarray, " steps"]:
    """The log-SNRs of a schedule as a NumPy array.

    **Raises:** `ValueError` where they are no finite numbers along one axis.
    """
    known = rounded(as_known(log_snrs, "log_snrs"), "log_snrs", np.dtype(np.float32))
    if known.ndim != 1 or known.size < 2:
        raise ValueError(f"`log_snrs` must have shape (steps,) with two steps or more; got {known.shape}.")
    return known


def _as_it_is(z: Float[Array, "*shape"], log_snr: Float[Array, ""]) -> Float[Array, "*shape"]:
    del log_snr
    return z


def sines_first(weight: np.ndarray) -> np.ndarray:
    """The weight of a layer over cosines and then sines, for sines and then cosines, which is our order."""
    cosines, sines = np.split(weight, 2, axis=1)
    return np.concatenate([sines, cosines], axis=1)
