"""The rates of all that one network tells, for [`entropax.integrate`][]: in one integral, they share its predictions,
the noise levels and the noise."""

from ..denoiser import AbstractDenoiser, Equilibrium, Unconditional
from ..integral import AbstractIntegrand, Gap
from ._mutual_information import EntropyDifference, LossGapForm, Orthogonal


def unconditional_rates(
    denoiser: AbstractDenoiser, marginals: AbstractDenoiser | None = None
) -> dict[str, AbstractIntegrand]:
    """What a model tells of $X$: `neural_entropy`, and `total_correlation` where marginals are given.

    **Arguments:**

    - `denoiser`: the model, with or without a condition.
    - `marginals`: the denoiser of the product of the marginals, as in [`entropax.total_correlation`][].

    **Returns:** integrands by name.
    """
    alone = Unconditional(denoiser)
    rates: dict[str, AbstractIntegrand] = {"neural_entropy": Gap(alone, Equilibrium())}
    return rates if marginals is None else rates | {"total_correlation": Gap(alone, marginals)}


def conditional_rates(denoiser: AbstractDenoiser) -> dict[str, AbstractIntegrand]:
    """What a conditional model tells of $X$ and $Y$: `conditional_entropy`, and their mutual information by `loss_gap`,
    `orthogonal` and `entropy_difference`.

    **Arguments:**

    - `denoiser`: the model of $X|Y$ and of $X$.

    **Returns:** integrands by name.
    """
    alone = Unconditional(denoiser)
    return {
        "conditional_entropy": Gap(denoiser, Equilibrium()),
        "loss_gap": LossGapForm().integrand(denoiser, alone),
        "orthogonal": Orthogonal().integrand(denoiser, alone),
        "entropy_difference": EntropyDifference().integrand(denoiser, alone),
    }
