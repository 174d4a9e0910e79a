from jaxtyping import Array, Float, PyTree

from ..process import AbstractProcess
from ._base import AbstractDenoiser, noise, signal


def _predict(process, denoiser, x, s, y):
    """The predicted noise at a state x of the process, with λ and √Σ at its time."""
    log_snr = process.log_snr(s)
    # z = x/√(μ² + Σ), and √Σ/√(μ² + Σ) = √sigmoid(-λ).
    std = process.std(s)
    return denoiser(x * noise(log_snr) / std, log_snr, y), log_snr, std


def score(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, "*shape"],
    s: Float[Array, ""],
    y: PyTree | None = None,
) -> Float[Array, "*shape"]:
    r"""The score of a process at time $s$,

    $$\nabla\log p_s(x|y) = -\frac{\hat\varepsilon(z, \lambda(s), y)}{\sqrt{\Sigma(s)}}, \qquad
      z = \frac{x}{\sqrt{\mu^2 + \Sigma}}.$$

    **Arguments:**

    - `process`: what diffuses the data.
    - `denoiser`: what predicts the noise.
    - `x`: a state of the process at `s`, unbatched.
    - `s`: the forward time, above 0.
    - `y`: the condition, or `None`.

    **Returns:** the score, of the shape of `x`.
    """
    prediction, _, std = _predict(process, denoiser, x, s, y)
    return -prediction / std


def denoised_mean(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, "*shape"],
    s: Float[Array, ""],
    y: PyTree | None = None,
) -> Float[Array, "*shape"]:
    r"""The mean of the data that could have led to $x$ at time $s$, by Tweedie's formula,

    $$\mathbb{E}[X_0 | X_s = x] = \frac{x - \sqrt{\Sigma(s)}\,\hat\varepsilon(z, \lambda(s), y)}{\mu(s)}.$$

    **Arguments:** as [`entropax.score`][].

    **Returns:** the denoised mean, of the shape of `x`.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eqs. (38) to (40).
    """
    prediction, log_snr, std = _predict(process, denoiser, x, s, y)
    # x/μ - (√Σ/μ) ε̂ = (√Σ/μ)(x/√Σ - ε̂), where √Σ/μ = √sigmoid(-λ)/√sigmoid(λ).
    return noise(log_snr) / signal(log_snr) * (x / std - prediction)


def entropy_field(
    process: AbstractProcess,
    denoiser: AbstractDenoiser,
    x: Float[Array, "*shape"],
    s: Float[Array, ""],
    y: PyTree | None = None,
) -> Float[Array, "*shape"]:
    r"""What a network adds to the forward drift to run it backwards,

    $$e(x, s) = \nabla\log p_s(x|y) - \nabla\log p_\mathrm{eq}^{(s)}(x) = \nabla\log p_s(x|y) - \frac{2b_+(x,
      s)}{\sigma(s)^2}.$$

    It vanishes at equilibrium, and $\int \tfrac12\sigma^2\,\mathbb{E}\|e\|^2\,\mathrm{d}s$ is the neural entropy.

    **Arguments:** as [`entropax.score`][].

    **Returns:** the entropy field, of the shape of `x`.

    **Raises:** `ValueError` where the process has no fixed equilibrium.

    ??? cite "Source"
        Diffusion models are Kelly gamblers, Eq. (9); the quasi-invariant state below Eq. (4).
    """
    # Of a fixed equilibrium N(0, κ²I), 2b₊/σ² = -x/κ² at all times.
    return score(process, denoiser, x, s, y) + x / process.equilibrium_std**2
