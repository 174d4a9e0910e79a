import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact, PRNGKeyArray, PyTree
from scipy.special import ndtr

from .._arguments import check_instance
from ..denoiser import AbstractDenoiser, check_denoiser, Grid
from ..integral import as_samples, Estimate, integrate, Integrator, Loss, warn_of_infinity, with_infinite


# Where the noise is so large or so small that the tails are all but exact: the signal-to-noise ratio of the whole
# sample (as its logarithm) below, half a spacing in units of the noise above.
_LEAST_LOG_SNR = -8.0
_SAFE_DISTANCE = 6.0


def discrete_nll(
    denoiser: AbstractDenoiser,
    x: Inexact[Array, " batch *shape"],
    y: PyTree | None = None,
    *,
    key: PRNGKeyArray,
    grid: Grid,
    integrator: Integrator = Integrator(),
) -> Estimate:
    r"""The code length of data on a grid: their probability is an integral with no constants,

    $$-\log P(x) = \frac12\int_{-\infty}^\infty \mathbb{E}_\varepsilon\|\varepsilon - \hat\varepsilon(z, \lambda,
      y)\|^2\,\mathrm{d}\lambda.$$

    It holds for each $x$ where the denoiser is optimal; in the mean over data, any other gives more than the entropy. A
    model that does not know of the grid wants to be rounded where the noise is small:
    `Ensemble.fit((model, HardRounding(model, grid)), ...)`.

    The integral runs over the range where the denoiser can be trusted, and no farther than is of use. What lies beyond
    $(\lambda_0, \lambda_1)$ is that of other denoisers, so that the sum remains a bound from above:

    - below, the optimal linear one, $\tfrac12\sum_k\log(1 + e^{\lambda_0}v_k)$ with $v$ the eigenvalues of the
      covariance of `x`, shared among the samples by their squared distance from the mean;
    - above, rounding the noisy data to the nearest level, $\tfrac d2\int_{\lambda_1}^\infty \gamma\,\delta^2
      \sum_j (2j-1)\,P\bigl(|\varepsilon| > (j-\tfrac12)\delta\sqrt\gamma\bigr)\,\mathrm{d}\lambda \le 4d\sum_j
      e^{-(j-1/2)^2\delta^2\gamma_1/2}$.

    **Arguments:**

    - `denoiser`: the model; [`entropax.GridPosterior`][] is exact for independent coordinates.
    - `x`: samples on the grid that it was not fitted to, shape `(batch, *shape)`.
    - `y`: their conditions, for $-\log P(x|y)$.
    - `key`: the randomness of nodes and noise.
    - `grid`: the values that `x` takes.
    - `integrator`: how the integral over $\lambda$ is done. A `log_snr_range` that is given is integrated as it stands,
        without tails.

    **Returns:** an [`entropax.Estimate`][] in nats for a whole sample; `tails` holds the two bounds, which `value`
    includes. It is `inf`, with an [`entropax.InfiniteWarning`][], where the denoiser gives a sample
    probability zero.

    **Raises:** `ValueError` where `x` does not lie on the grid, on empty samples, and lengths that do not match.

    ??? cite "Source"
        Kong, Brekelmans and Ver Steeg, Information-theoretic diffusion (2023); Guo, Shamai and Verdú (2005). The
        published code has $e^{-(j-1/2)^2\delta^2\gamma_1}$ above, which is too small.
    """
    check_denoiser(denoiser, "denoiser")
    check_instance("grid", grid, Grid)
    check_instance("integrator", integrator, Integrator)
    x, y = as_samples(x, y)
    grid.check(x)
    if integrator.log_snr_range is not None:
        return integrate(Loss(denoiser), x, y, key=key, integrator=integrator)
    dim = math.prod(x.shape[1:])
    low, high = _useful_range(denoiser, grid, dim)
    within = dataclasses.replace(integrator, log_snr_range=(low, high))
    body = integrate(Loss(denoiser), x, y, key=key, integrator=within)
    below, above = _linear_tail(x, low), dim * _rounding_tail(grid, high)
    tails = jnp.stack([jnp.mean(below), jnp.asarray(above, x.dtype)])
    found = dataclasses.replace(body.shifted(below + above), tails=tails)
    # Rounding hides it where the denoiser itself gives a sample probability zero.
    impossible = jnp.isinf(jax.vmap(denoiser.dimension)(x, y)).astype(x.dtype)
    what = "The estimate is infinite: the integral of Loss over all noise levels"
    warn_of_infinity(what, [denoiser], impossible, x, y)
    return with_infinite(found, impossible)


def _useful_range(denoiser, grid, dim) -> tuple[float, float]:
    low, high = denoiser.log_snr_range
    # No covariance on the grid has a larger eigenvalue than this.
    largest = dim * (0.5 * (grid.high - grid.low)) ** 2
    least, most = _LEAST_LOG_SNR - math.log(largest), 2 * math.log(2 * _SAFE_DISTANCE / grid.spacing)
    return max(low, least), min(high, most)


def _linear_tail(x: Array, low: float) -> Array:
    """½ Σ log(1 + e^low v), shared among the samples."""
    distance = x - jnp.mean(x, 0, keepdims=True)
    centred = distance.reshape(x.shape[0], -1) / math.sqrt(x.shape[0])
    # The covariance and the Gram matrix have the same eigenvalues, but for zeros; the smaller one serves.
    if centred.shape[0] > centred.shape[1]:
        centred = centred.T
    variances = jnp.maximum(jnp.linalg.eigvalsh(jnp.matmul(centred, centred.T, precision="highest")), 0.0)
    share = jnp.sum(distance**2, axis=tuple(range(1, x.ndim)))
    share = share / jnp.maximum(jnp.mean(share), jnp.finfo(x.dtype).tiny)
    return 0.5 * share * jnp.sum(jnp.log1p(math.exp(low) * variances))


def _rounding_tail(grid: Grid, high: float) -> float:
    """Of one coordinate, in closed form: an error by j levels has the probability of noise beyond j - ½ spacings."""
    jumps = np.arange(1, grid.levels)
    # With c = (j - ½)δ and t = c√γ: ∫ P(|ε| > t) dγ = 2/c² ((1 - t²) Q(t) + t φ(t)).
    c = (jumps - 0.5) * grid.spacing
    t = c * math.exp(0.5 * high)
    density = np.exp(-0.5 * t**2) / math.sqrt(2 * math.pi)
    # The two terms cancel where t is large: rounding must not turn the sum negative.
    missed = np.maximum((1 - t**2) * ndtr(-t) + t * density, 0.0)
    return float(np.sum(0.5 * grid.spacing**2 * (2 * jumps - 1) * 2 / c**2 * missed))
