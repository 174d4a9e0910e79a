import numpy as np
from jaxtyping import Float, Float32

from .._arguments import check_positive, check_whole
from .._arrays import as_known


def log_snrs_of(alphas: Float[np.ndarray, " steps"]) -> Float32[np.ndarray, " steps"]:
    r"""The log-SNR of each step of a variance-preserving process in discrete time,

    $$\lambda_k = \log\frac{\bar\alpha_k}{1 - \bar\alpha_k}, \qquad
      z_k = \sqrt{\bar\alpha_k}\,x + \sqrt{1 - \bar\alpha_k}\,\varepsilon.$$

    **Arguments:**

    - `alphas`: $\bar\alpha_k$, what is left of the data's variance after each step, decreasing from step to step, in
        float64.

    **Raises:** `ValueError` where they are fewer than two, do not decrease, or leave the open interval from 0 to 1.
    """
    alphas = as_known(alphas, "alphas")
    if alphas.ndim != 1 or alphas.size < 2:
        raise ValueError(f"`alphas` must have shape (steps,) with two steps or more; got {alphas.shape}.")
    if not (np.all((alphas > 0) & (alphas < 1)) and np.all(np.diff(alphas) < 0)):
        raise ValueError(
            "`alphas` must decrease from step to step between 0 and 1, both excluded; got "
            f"{alphas.size} from {alphas[:1]} to {alphas[-1:]}."
        )
    return (np.log(alphas) - np.log1p(-alphas)).astype(np.float32)


def linear_log_snrs(steps: int = 1000, *, first: float = 1e-4, last: float = 0.02) -> Float32[np.ndarray, " steps"]:
    r"""The log-SNRs of $\bar\alpha_k = \prod_{j \leqslant k}(1 - \beta_j)$ with $\beta$ linear in the step.

    **Arguments:**

    - `steps`: how many.
    - `first`, `last`: $\beta_0$ and $\beta_{T-1}$.

    **Raises:** `ValueError` where there are fewer than two steps, or as [`entropax.weights.log_snrs_of`][].

    ??? cite "Source"
        Ho et al., Denoising diffusion probabilistic models (2020).
    """
    check_whole("steps", steps, least=2)
    check_positive(first=first, last=last)
    return log_snrs_of(np.cumprod(1 - np.linspace(first, last, steps)))


def cosine_log_snrs(steps: int = 1000) -> Float32[np.ndarray, " steps"]:
    r"""The log-SNRs of the cosine schedule, $\bar\alpha_k = \prod_{j \leqslant k}(1 - \beta_j)$ with

    $$\beta_j = \min\Bigl(1 - \frac{f((j+1)/T)}{f(j/T)},\ 0.999\Bigr), \qquad
      f(u) = \cos^2\Bigl(\frac{\pi}{2}\,\frac{u + 0.008}{1.008}\Bigr).$$

    **Arguments:**

    - `steps`: how many.

    ??? cite "Source"
        Nichol and Dhariwal, Improved denoising diffusion probabilistic models (2021), Eq. (17).
    """
    check_whole("steps", steps, least=2)
    shares = np.cos(np.pi / 2 * (np.arange(steps + 1) / steps + 0.008) / 1.008) ** 2
    return log_snrs_of(np.cumprod(1 - np.minimum(1 - shares[1:] / shares[:-1], 0.999)))
