import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from .._arguments import check_finite, check_instance
from ._base import AbstractProcess, as_state


class NoiseRatio(AbstractProcess):
    r"""The clock in which time is the noise-to-signal ratio, $s = \sqrt{\Sigma}/\mu$:

    $$\mathrm{d}X = \sqrt{2s}\,\mathrm{d}B_s, \qquad \mu = 1, \qquad \Sigma(s) = s^2.$$

    Its probability flow is $\mathrm{d}x/\mathrm{d}s = \hat\varepsilon$, so that [`diffrax.Euler`][] is DDIM and
    [`diffrax.Heun`][] the sampler of EDM.

    **Arguments:**

    - `T`: the end time, the largest noise-to-signal ratio.

    ??? cite "Source"
        Karras et al., Elucidating the design space of diffusion-based generative models (2022).
    """

    T: float = 80.0

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -2 * jnp.log(s)

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.zeros_like(s)

    @property
    def equilibrium_std(self) -> float:
        raise ValueError("NoiseRatio has no equilibrium: its variance grows without bound.")


class Brownian(AbstractProcess):
    r"""The clock in which time is the variance, $s = \Sigma/\mu^2$: Brownian motion itself,

    $$\mathrm{d}X = \mathrm{d}B_s, \qquad \mu = 1, \qquad \Sigma(s) = s.$$

    Its noise has a constant scale, forwards and backwards.

    **Arguments:**

    - `T`: the end time, the largest variance.
    """

    T: float = 6400.0

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return -jnp.log(s)

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.zeros_like(s)

    @property
    def equilibrium_std(self) -> float:
        raise ValueError("Brownian has no equilibrium: its variance grows without bound.")


class LogSNR(AbstractProcess):
    r"""The clock in which time is the log-SNR, falling, $\lambda = \lambda_\mathrm{max} - s$, with the state $z$ in
    variance-preserving units, which denoisers see:

    $$\mu^2 = \mathrm{sigmoid}(\lambda), \qquad \Sigma = \mathrm{sigmoid}(-\lambda).$$

    What every noise level adds to an integral over $\lambda$ is seen at a constant pace. It begins at
    $\lambda_\mathrm{max}$, not at the data themselves.

    **Arguments:**

    - `highest`: $\lambda_\mathrm{max}$.
    - `T`: the end time; it ends at $\lambda_\mathrm{max} - T$.

    **Raises:** `ValueError` where `highest` is not finite, or `T` not positive.
    """

    highest: float = 20.0
    T: float = 40.0

    def __check_init__(self):
        check_finite(highest=self.highest)

    def log_snr(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return self.highest - s

    def log_mean(self, s: Float[Array, ""]) -> Float[Array, ""]:
        return 0.5 * jax.nn.log_sigmoid(self.highest - s)

    @property
    def equilibrium_std(self) -> float:
        return 1.0


def change_clock(
    process: AbstractProcess, other: AbstractProcess, x: Float[ArrayLike, "*shape"], s: Float[ArrayLike, ""]
) -> tuple[Float[Array, "*shape"], Float[Array, ""]]:
    r"""The same state in the units and at the time of another process, at equal $\lambda$:

    $$x' = x\,\frac{\sqrt{\Sigma'(s')}}{\sqrt{\Sigma(s)}}, \qquad \lambda'(s') = \lambda(s).$$

    Terms are made of a process, so that changing the clock of a solve is giving its terms another process.

    **Arguments:**

    - `process`, `other`: from which, and into which.
    - `x`, `s`: the state and its time.

    **Returns:** the state and the time of `other`.

    **Raises:** `ValueError` where one of the two is no process, the state is not finite, and where `s` is no time of
        `process`, or one at which its log-SNR is infinite. Values that are traced are not checked.
    """
    x, s = as_state(process, x, s)
    check_instance("other", other, AbstractProcess)
    time = other.time(process.log_snr(s))
    return x * (other.std(time) / process.std(s)), time
