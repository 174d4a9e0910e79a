import jax
import jax.numpy as jnp
from jax.core import Tracer
from jaxtyping import Array, Float

from .._arguments import check_finite, check_instance, check_whole
from ..process import AbstractProcess


def uniform_in_log_snr(
    process: AbstractProcess, steps: int, s_min: float, s_max: float | Array | None = None
) -> Float[Array, " times"]:
    r"""Times from the latest to the earliest at equal steps of $\lambda$. As a grid of the generative time $t = T - s$
    take `process.T - uniform_in_log_snr(...)`; of the forward time, the reverse of it.

    **Arguments:**

    - `process`: whose times.
    - `steps`: the number of steps; one less than of times.
    - `s_min`, `s_max`: the earliest time, above 0, and the latest; $T$ where it is not given.

    **Returns:** decreasing times, shape `(steps + 1,)`, whose ends are `s_max` and `s_min` to the bit.

    **Raises:** `ValueError` unless there is a step, $0 < s_\mathrm{min} < s_\mathrm{max} \le T$, and $\lambda$ is
        finite at $s_\mathrm{max}$.
    """
    check_instance("process", process, AbstractProcess)
    check_whole("steps", steps, 1)
    s_max = process.T if s_max is None else s_max
    check_finite(s_min=s_min, s_max=s_max)
    ordered = (s_min > 0, s_min < s_max, s_max <= process.T)
    if any(not isinstance(known, Tracer) and not known for known in ordered):
        raise ValueError(f"`s_min`, `s_max` must satisfy 0 < s_min < s_max <= T = {process.T}; got {s_min}, {s_max}.")
    high, low = (process.log_snr(jnp.asarray(s)) for s in (s_min, s_max))
    if not isinstance(low, Tracer) and low == -jnp.inf:
        raise ValueError(f"`s_max` must be a time of finite log-SNR; at {s_max} there is no signal left.")
    times = jax.vmap(process.time)(jnp.linspace(low, high, steps + 1))
    return times.at[0].set(s_max).at[-1].set(s_min)
