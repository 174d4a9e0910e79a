from collections.abc import Sequence
from typing import NamedTuple


class Term(NamedTuple):
    r"""One signed departure, of the law of variables given others from its Gaussian,

    $$\pm\,J(A \mid B) = \pm\tfrac12\int \mathbb E\bigl[\lVert\varepsilon - \hat\varepsilon_{\mathcal N}(\cdot \mid
      b)\rVert^2 - \lVert\varepsilon - \hat\varepsilon(\cdot \mid b)\rVert^2\bigr]\,\mathrm{d}\lambda,$$

    which is a divergence from independent noise less that of the Gaussian.

    **Arguments:**

    - `weight`: how often it counts, and its sign.
    - `of`: the variables $A$, which noise is added to.
    - `given`: the variables $B$, which the network sees as they are. It sees nothing of any other.
    """

    weight: float
    of: tuple[int, ...]
    given: tuple[int, ...] = ()


# Each, with what its Gaussians have, is minus a sum of entropies in which every variable counts as often with one sign
# as with the other, so that the noise they are compared with cancels.


def mutual_information_terms(x: int, y: int, given: Sequence[int] = ()) -> list[Term]:
    r"""$I(X;Y \mid C) = J(X \mid Y, C) - J(X \mid C)$."""
    return [Term(1.0, (x,), (y, *given)), Term(-1.0, (x,), tuple(given))]


def total_correlation_terms(num: int) -> list[Term]:
    r"""$\mathrm{TC} = J(X_1, \dots, X_m) - \sum_i J(X_i)$."""
    return [Term(1.0, tuple(range(num))), *(Term(-1.0, (i,)) for i in range(num))]


def dual_total_correlation_terms(num: int) -> list[Term]:
    r"""$\mathrm{DTC} = H(X_1, \dots, X_m) - \sum_i H(X_i \mid X_{-i}) = \sum_i J(X_i \mid X_{-i}) - J(X_1, \dots,
    X_m)$."""
    rest = lambda i: tuple(j for j in range(num) if j != i)
    return [*(Term(1.0, (i,), rest(i)) for i in range(num)), Term(-1.0, tuple(range(num)))]


def o_information_terms(num: int) -> list[Term]:
    r"""$\Omega = \mathrm{TC} - \mathrm{DTC}$: above zero where redundancy prevails, below where synergy does."""
    return difference(total_correlation_terms(num), dual_total_correlation_terms(num))


def interaction_information_terms() -> list[Term]:
    r"""$I(X;Y \mid Z) - I(X;Y)$ of three variables: above zero where synergy prevails."""
    return difference(mutual_information_terms(0, 1, (2,)), mutual_information_terms(0, 1))


def difference(terms: Sequence[Term], less: Sequence[Term]) -> list[Term]:
    """The terms of a difference, each of them once."""
    weights: dict[tuple, float] = {}
    for sign, several in ((1.0, terms), (-1.0, less)):
        for weight, of, given in several:
            weights[of, given] = weights.get((of, given), 0.0) + sign * weight
    return [Term(weight, *key) for key, weight in weights.items() if weight]
