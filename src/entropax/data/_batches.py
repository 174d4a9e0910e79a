import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Int, PRNGKeyArray

from .._arguments import check_key
from ._checks import check_whole


# After four rounds the permutations of 9 or 10 rows pass for uniform ones among 20 000, after six those of 3 or 5.
_ROUNDS = 8


def batch_rows(key: PRNGKeyArray, step: int | Int[Array, ""], num: int, batch_size: int) -> Int[Array, " {batch_size}"]:
    r"""The rows of a step's batch: each epoch, of $\lfloor N/B \rfloor$ steps, goes through the samples in a fresh
    order, without replacement.

    A function of the key and the step alone, so that a training which resumes at any step goes on as it would have
    gone on. No row comes twice in an epoch; the $N \bmod B$ that would make an incomplete batch are left out, others
    each time.

    The order is not held anywhere: a keyed bijection $\pi$ of $\{0, \dots, N - 1\}$ says which row stands where, in
    $O(B + \sqrt N)$ work. On a rectangle of $\lceil\sqrt N\,\rceil$ rows and as many columns as hold all samples, it
    moves every column in a circle by an offset of its own, then every row, eight times, with fresh random offsets; a
    sample that has come to one of the few places beyond $N$ is sent on until it is out of there. That order is
    pseudo-random: it has fewer random bits than a permutation.

    **Arguments:**

    - `key`: of the whole training.
    - `step`: from 0 on; traced or not.
    - `num`: $N$, the number of samples.
    - `batch_size`: $B$, at most $N$.

    **Returns:** the rows, int32, shape `(batch_size,)`.

    **Raises:** `ValueError` unless `batch_size` is from 1 to `num`, `step` a whole number from 0 on, and `key` a key.

    ??? cite "Source"
        Black and Rogaway, Ciphers with arbitrary finite domains (2002): the rectangle and the walk out of it.
    """
    return process_rows(key, step, num, batch_size, process=0, processes=1)


def process_rows(
    key: PRNGKeyArray, step: int | Int[Array, ""], num: int, batch_size: int, *, process: int, processes: int
) -> Int[Array, " share"]:
    """One process's share of [`entropax.data.batch_rows`][]: those of all processes, one after the other, are the
    batch of one, in its order. It takes the work of its share only.

    **Arguments:**

    - `key`, `step`, `num`, `batch_size`: as there, the same in all processes; `batch_size` is that of all together.
    - `process`: which one this is, from 0 on: `jax.process_index()`.
    - `processes`: how many there are, a divisor of `batch_size`: `jax.process_count()`.

    **Returns:** the rows, int32, shape `(batch_size // processes,)`.

    **Raises:** `ValueError` where an argument is out of its range.
    """
    check_key(key)
    _check_step(step)
    for name, value in dict(num=num, batch_size=batch_size, process=process, processes=processes).items():
        check_whole(value, name)
    if not 1 <= batch_size <= num:
        raise ValueError(f"`batch_size` must be from 1 to `num`, {num}; got {batch_size}.")
    if processes < 1 or batch_size % processes:
        raise ValueError(f"`processes` must divide `batch_size`, {batch_size}; got {processes}.")
    if not 0 <= process < processes:
        raise ValueError(f"`process` must be from 0 to {processes - 1}; got {process}.")
    epoch, turn = jnp.divmod(jnp.asarray(step, jnp.int32), num // batch_size)
    share = batch_size // processes
    positions = turn * batch_size + process * share + jnp.arange(share, dtype=jnp.int32)
    move = _moves(jr.fold_in(key, epoch), num)

    def walk(state):
        places, outside = state
        # What is outside of the samples moves on until it is back: where each place goes is still a bijection.
        places = jnp.where(outside, move(places), places)
        return places, places >= num

    return jax.lax.while_loop(lambda state: jnp.any(state[1]), walk, (positions, jnp.full(share, True)))[0]


def _check_step(step) -> None:
    if isinstance(step, Tracer):
        return
    known = np.asarray(step) if isinstance(step, int | np.generic | np.ndarray | jax.Array) else None
    if known is None or known.ndim or known.dtype.kind not in "iu" or known < 0:
        raise ValueError(f"`step` must be a whole number, 0 or more; got {step!r:.80}.")


def _moves(key: PRNGKeyArray, num: int) -> Callable[[Array], Array]:
    """A random bijection of a rectangle's places, counted row by row, of which there are at least `num`."""
    height = math.isqrt(num - 1) + 1
    width = -(-num // height)
    bits = jr.bits(key, (_ROUNDS, width + height), jnp.uint32)
    # Not as likely by at most one in 2³²/√N.
    down = (bits[:, :width] % height).astype(jnp.int32)
    across = (bits[:, width:] % width).astype(jnp.int32)

    def move(places):
        row, column = jnp.divmod(places, width)
        for k in range(_ROUNDS):
            row = (row + down[k, column]) % height
            column = (column + across[k, row]) % width
        return row * width + column

    return move
