import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, ArrayLike, Inexact, PyTree

from .._arguments import check_finite, check_instance
from .._arrays import as_known, plain_array, rounded
from ..integral import Estimate, TruncationWarning
from ..integral._samples import is_list_of_numbers
from ._condition import check_given


# Beyond so many coordinates the eigenvalues cost more than they tell.
_MOST_COORDINATES = 1024

# Eigenvalues below this share of the largest are rounding of float32 samples.
_ROUNDING = 1e-14


def information_above(x: Inexact[ArrayLike, " batch *shape"], y: PyTree, log_snr: float) -> float:
    r"""How much of $I(X;Y)$ lies above a noise level, by second moments alone: with $C$ the covariance of the samples,
    $R$ that of what the best linear map of $y$ leaves of them, and $n = e^{-\lambda}$ the noise,

    $$\tfrac12\bigl[\log\det C - \log\det R\bigr] - \tfrac12\bigl[\log\det(C + nI) - \log\det(R + nI)\bigr].$$

    It is what no integral that ends at $\lambda$ can see, exact for Gaussians.

    **Arguments:**

    - `x`, `y`: samples; `y` a pytree of vectors.
    - `log_snr`: $\lambda$, where the integral ends.

    **Returns:** nats; zero for labels, and where there are too few samples (ten for each coordinate) or more than 1024
        coordinates.

    **Raises:** `ValueError` where samples are traced, empty, not finite, of different lengths, or beyond the range of
        the precision of JAX, and where `y` is not given or `log_snr` is not finite.
    """
    check_given(y)
    # No noise is left at an infinite log-SNR, and nothing above it.
    if log_snr == math.inf:
        return 0.0
    check_finite(log_snr=log_snr)
    leaves = [plain_array(leaf, "y") for leaf in jax.tree.leaves(y, is_leaf=is_list_of_numbers)]
    given = [plain_array(x, "x"), *leaves]
    for array, name in zip(given, ("x", *("y" for _ in leaves))):
        if array.ndim < 1 or not array.size or len(array) != len(given[0]):
            raise ValueError(f"`{name}` must hold one row for each sample, one or more; got shape {array.shape}.")
    if any(jnp.issubdtype(leaf.dtype, kind) for leaf in leaves for kind in (jnp.integer, jnp.bool_)):
        return 0.0
    tables = [as_known(x, "x"), *(as_known(leaf, "y") for leaf in leaves)]
    for table, name in zip(tables, ("x", *("y" for _ in leaves))):
        rounded(table, name)
    flat = [table.reshape(len(table), -1) for table in tables]
    samples, given = flat[0], np.concatenate(flat[1:], 1)
    coordinates = samples.shape[1] + given.shape[1]
    if coordinates > _MOST_COORDINATES or len(samples) < 10 * coordinates:
        return 0.0
    samples, given = samples - samples.mean(0), given - given.mean(0)
    residuals = samples - given @ np.linalg.lstsq(given, samples, rcond=None)[0]
    # Of the samples themselves: their covariance would lose the least of its eigenvalues.
    variances, left = (np.linalg.svd(part, compute_uv=False) ** 2 / len(samples) for part in (samples, residuals))
    floor, noise = _ROUNDING * variances[0], np.exp(-log_snr)
    variances, left = np.maximum(variances, floor), np.maximum(left, floor)
    seen = np.log((variances + noise) / (left + noise))
    return float(0.5 * np.sum(np.log(variances / left) - seen))


def check_resolution(
    estimate: Estimate, x: Inexact[Array, " batch *shape"], y: PyTree, log_snr: float, name: str = "I(X;Y)"
) -> None:
    """Warns where an estimate of mutual information ends at a noise level above which, by second moments, there is more
    than a hundredth of it: the model has never seen noise as small as what `y` leaves undecided of `x`.

    **Arguments:**

    - `estimate`: in nats.
    - `x`, `y`: the samples it was made with.
    - `log_snr`: where its integral ends.
    - `name`: what the warning calls it.
    """
    check_instance("estimate", estimate, Estimate)
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((x, y, estimate.value))):
        return
    unseen = information_above(x, y, log_snr)
    if unseen > max(3 * float(estimate.stderr), 0.01 * abs(float(estimate.value))):
        warnings.warn(
            f"The integral ends at λ = {log_snr:.1f}, and above that there are {unseen:.3g} nats of {name} by second "
            f"moments alone: `y` decides `x` more finely than the least noise of the model, exp(-λ/2) = "
            f"{np.exp(-0.5 * log_snr):.2g}. The estimate cannot see them, nor does its error bar: read {estimate} as a "
            "lower bound, or train over a wider `log_snr_range`.",
            TruncationWarning,
            stacklevel=3,
        )
