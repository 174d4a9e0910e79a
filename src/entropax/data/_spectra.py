r"""Information between Gaussians along the noise, from their spectra alone, in float64.

At log-SNR $\lambda$ a direction of variance $v$ has the variance $av + \bar a$ in
variance-preserving units, $a = \mathrm{sigmoid}(\lambda)$, $\bar a = 1 - a$. Each
quantity here is a divergence $Q(\lambda)$ between two laws that carry this noise: zero
at $\lambda = -\infty$, the divergence of the data at $\lambda = \infty$, and with
$\mathrm{d}Q/\mathrm{d}\lambda = \tfrac12\mathbb{E}\|\hat\varepsilon_a -
\hat\varepsilon_b\|^2$ in between. So every rate has its antiderivative beside it.
"""

import numpy as np
from jaxtyping import ArrayLike, Float, Float64
from scipy.special import expit


# A scalar or an array of log signal-to-noise ratios, and the values there: NumPy
# returns a scalar (a `float`) for a scalar.
LogSNR = Float[ArrayLike, "..."]
Values = float | Float64[np.ndarray, "..."]
Spectrum = Float64[np.ndarray, " dim"]


def _shares(log_snr: LogSNR):
    """The shares of data and of noise in the variance, with an axis for directions."""
    log_snr = np.asarray(log_snr, np.float64)[..., None]
    # Each by itself: 1 - expit would lose the noise at large log-SNR.
    return expit(log_snr), expit(-log_snr)


def divergence(log_snr: LogSNR, variances: Spectrum, reference: float) -> Values:
    r"""$\tfrac12\sum_i (r_i - 1 - \log r_i)$, with $r = (av + \bar a)/(ak + \bar a)$:
    from $\mathcal{N}(0, v)$ to the isotropic $\mathcal{N}(0, k)$."""
    a, b = _shares(log_snr)
    scale = a * reference + b
    excess = a * (variances - reference) / scale
    return 0.5 * np.sum(excess - np.log((a * variances + b) / scale), -1)


def divergence_rate(log_snr: LogSNR, variances: Spectrum, reference: float) -> Values:
    r"""$\tfrac12\sum_i \bar a a^2 (v_i - k)^2 / \bigl((av_i + \bar a)(ak + \bar
    a)^2\bigr)$."""
    a, b = _shares(log_snr)
    excess = a * (variances - reference) / (a * reference + b)
    return 0.5 * np.sum(b * excess**2 / (a * variances + b), -1)


def log_ratio(log_snr: LogSNR, larger: Spectrum, smaller: Spectrum) -> Values:
    r"""$\tfrac12\sum_i \log\bigl((ac_i + \bar a)/(av_i + \bar a)\bigr)$."""
    a, b = _shares(log_snr)
    return 0.5 * np.sum(np.log((a * larger + b) / (a * smaller + b)), -1)


def log_ratio_rate(log_snr: LogSNR, larger: Spectrum, smaller: Spectrum) -> Values:
    r"""$\tfrac12\sum_i a\bar a(c_i - v_i) / \bigl((ac_i + \bar a)(av_i + \bar
    a)\bigr)$."""
    a, b = _shares(log_snr)
    spread = (larger - smaller) / ((a * larger + b) * (a * smaller + b))
    return 0.5 * np.sum(a * b * spread, -1)


def equal_trace_rate(log_snr: LogSNR, larger: Spectrum, smaller: Spectrum) -> Values:
    r"""`log_ratio_rate` for spectra of the same trace, precise where it vanishes: there
    $\bar a(c - v)$ sums to zero and only the second order in $a$ is left,

    $$\tfrac12\sum_i \frac{(tv_i)^2}{1 + tv_i} - \frac{(tc_i)^2}{1 + tc_i},
      \qquad t = a/\bar a.$$
    """
    a, b = _shares(log_snr)
    noisy = log_ratio_rate(log_snr, larger, smaller)
    # Below λ = 0 alone, where t is at most 1.
    t = a / np.maximum(b, 0.5)
    squares = (t * smaller) ** 2 / (1 + t * smaller)
    squares = squares - (t * larger) ** 2 / (1 + t * larger)
    second_order = 0.5 * np.sum(squares, -1)
    return np.where(np.asarray(log_snr) < 0, second_order, noisy)[()]
