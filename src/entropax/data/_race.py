from dataclasses import dataclass

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Float64, Int, PRNGKeyArray

from .._arguments import check_key
from ._checks import check_count, check_number, check_numbers


# How far from one a sum of probabilities may be: of float32, for many outcomes.
_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Race:
    r"""A betting game: an outcome $X$, of which a unit bet returns the odds $o(x)$, and a signal $Y$ that is seen
    before bets are placed. A horse race; or a die in a cup, with a whisper of what it shows.

    Bets are shares $b(x|y)$ of the wealth, none of which returns but that on the outcome; what is not bet is kept, so
    that a round multiplies wealth by

    $$1 - \textstyle\sum_{x'} b(x'|y) + b(x|y)\,o(x).$$

    Where odds are fair, $\sum_x 1/o(x) = 1$, wealth grows most where all is bet in proportion to $p(x|y)$: by
    $\mathbb{E}\log o(X) - H(X|Y)$ nats a round, which is $I(X;Y)$ more than without the signal, and by bets on another
    law $q(x|y)$ less by $\mathrm{KL}(p\,\|\,q)$.

    **Arguments:**

    - `joint`: $p(x, y)$, shape `(outcomes, signals)`.
    - `odds`: $o(x)$, shape `(outcomes,)`, or one number for all.

    **Raises:** `ValueError` unless `joint` holds probabilities with sum 1, and odds are positive.

    ??? cite "Source"
        Kelly, A new interpretation of information rate (1956); Cover and Thomas, Elements of information theory (2006),
        Ch. 6; Diffusion models are Kelly gamblers, Sec. 2 and Eq. (1).
    """

    joint: Float64[np.ndarray, "outcomes signals"]
    odds: Float64[np.ndarray, " outcomes"]

    def __init__(self, joint: Float[ArrayLike, "..."], odds: Float[ArrayLike, "..."] | float):
        probabilities, returns = check_numbers(joint, "joint"), check_numbers(odds, "odds")
        if probabilities.ndim != 2 or 0 in probabilities.shape:
            raise ValueError(f"`joint` must be of shape (outcomes, signals); got {probabilities.shape}.")
        if not (np.all(probabilities >= 0) and abs(probabilities.sum() - 1) < _ROUNDING):
            raise ValueError(
                f"`joint` must hold probabilities with sum 1; got sum {probabilities.sum():g}, least "
                f"{probabilities.min():g}."
            )
        if returns.shape not in ((), probabilities.shape[:1]):
            raise ValueError(f"`odds` must be of shape () or {probabilities.shape[:1]}; got {returns.shape}.")
        if not np.all(returns > 0):
            raise ValueError(f"`odds` must be positive; got {odds}.")
        object.__setattr__(self, "joint", probabilities / probabilities.sum())
        object.__setattr__(self, "odds", np.array(np.broadcast_to(returns, len(probabilities))))

    def __repr__(self) -> str:
        return f"Race(outcomes={self.joint.shape[0]}, signals={self.joint.shape[1]})"

    @classmethod
    def symmetric(
        cls, probabilities: Float[ArrayLike, "..."], odds: Float[ArrayLike, "..."] | float, error: float
    ) -> "Race":
        r"""With a signal that names the outcome, or with probability `error` one of the others, any of them alike.

        **Arguments:**

        - `probabilities`: $p(x)$, shape `(outcomes,)`.
        - `odds`: as above.
        - `error`: 0 for a perfect channel, `1 - 1/outcomes` for one that tells nothing.

        **Raises:** `ValueError` as above, and unless `error` is from 0 to 1.
        """
        check_number(error, "error", 0.0, 1.0)
        law = check_numbers(probabilities, "probabilities")
        if law.ndim != 1:
            raise ValueError(f"`probabilities` must be of shape (outcomes,); got {law.shape}.")
        channel = np.full((len(law), len(law)), error / max(len(law) - 1, 1))
        np.fill_diagonal(channel, 1 - error)
        return cls(law[:, None] * channel, odds)

    @property
    def prior(self) -> Float64[np.ndarray, "signals outcomes"]:
        """$p(x)$ for bets: the same whatever the signal."""
        return np.tile(self.joint.sum(1), (self.joint.shape[1], 1))

    @property
    def posterior(self) -> Float64[np.ndarray, "signals outcomes"]:
        """$p(x|y)$; $p(x)$ for a signal that never comes."""
        signals = self.joint.sum(0)[:, None]
        return np.where(signals > 0, self.joint.T / np.where(signals > 0, signals, 1), self.prior)

    @property
    def entropy(self) -> float:
        """$H(X)$ in nats."""
        return _entropy(self.joint.sum(1))

    @property
    def mutual_information(self) -> float:
        """$I(X;Y)$ in nats."""
        return self.entropy + _entropy(self.joint.sum(0)) - _entropy(self.joint)

    def growth_rate(self, bets: Float[ArrayLike, "..."]) -> float:
        r"""What $\log$ wealth gains by a round in the mean, in nats: $-\infty$ where an outcome that can come leaves
        nothing.

        **Arguments:**

        - `bets`: $b(x|y)$, shape `(signals, outcomes)`.

        **Raises:** `ValueError` unless bets are shares with a sum of no more than 1 for each signal.
        """
        possible = self.joint.T > 0
        return float(np.sum(np.where(possible, self.joint.T * np.where(possible, self._logs(bets), 0), 0)))

    def log_returns(
        self, bets: Float[ArrayLike, "..."], x: Int[Array, "*rounds"], y: Int[Array, "*rounds"]
    ) -> Float[Array, "*rounds"]:
        r"""What $\log$ wealth gains by each of several rounds, in nats: their sum is that of wealth after all of them,
        $-\infty$ from the round on in which it is lost.

        **Arguments:**

        - `bets`: $b(x|y)$, shape `(signals, outcomes)`.
        - `x`, `y`: outcomes and signals.

        **Raises:** as `growth_rate`.
        """
        return jnp.asarray(self._logs(bets), float)[y, x]

    def sample(self, key: PRNGKeyArray, *shape: int) -> tuple[Int[Array, "*shape"], Int[Array, "*shape"]]:
        """Outcomes and signals of rounds that are independent of each other.

        **Arguments:**

        - `key`: for the draws.
        - `shape`: of both.
        """
        for length in shape:
            check_count(length, "shape", 0)
        check_key(key)
        with np.errstate(divide="ignore"):
            logits = jnp.asarray(np.log(self.joint.reshape(-1)), float)
        return jnp.divmod(jr.categorical(key, logits, shape=shape), self.joint.shape[1])

    def _logs(self, bets) -> np.ndarray:
        shares = np.asarray(jax.device_get(bets), np.float64)
        if shares.shape != self.joint.T.shape:
            raise ValueError(f"`bets` must be of shape {self.joint.T.shape}, (signals, outcomes); got {shares.shape}.")
        kept = 1 - shares.sum(1)
        if not (np.all(shares >= 0) and np.all(kept > -_ROUNDING)):
            raise ValueError(
                "`bets` must be shares of the wealth, with a sum of no more than 1 for each signal; got least "
                f"{shares.min():g} and largest sum {shares.sum(1).max():g}."
            )
        # What rounding leaves of a sum of one is not kept: it would save from ruin.
        kept = np.where(kept < _ROUNDING, 0, kept)
        with np.errstate(divide="ignore"):
            return np.log(kept[:, None] + shares * self.odds)


def _entropy(probabilities: np.ndarray) -> float:
    positive = probabilities[probabilities > 0]
    return float(-np.sum(positive * np.log(positive)))
