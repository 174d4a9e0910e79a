from ._estimate import (
    Estimate as Estimate,
    mean_of as mean_of,
    Profile as Profile,
    standard_error as standard_error,
)
from ._infinite import (
    check_one_sign as check_one_sign,
    density_signs as density_signs,
    InfiniteWarning as InfiniteWarning,
    warn_of_infinity as warn_of_infinity,
    with_infinite as with_infinite,
)
from ._integrands import (
    AbstractIntegrand as AbstractIntegrand,
    AbstractLocalIntegrand as AbstractLocalIntegrand,
    ClassLosses as ClassLosses,
    Controlled as Controlled,
    Difference as Difference,
    Gap as Gap,
    Loss as Loss,
    LossGap as LossGap,
    PerCoordinate as PerCoordinate,
)
from ._integrate import (
    antithetic_noise as antithetic_noise,
    fit_density as fit_density,
    independent_noise as independent_noise,
    integrate as integrate,
    Integrator as Integrator,
    TruncationWarning as TruncationWarning,
)
from ._nodes import (
    AbstractDensity as AbstractDensity,
    AbstractNodes as AbstractNodes,
    GaussLegendre as GaussLegendre,
    Logistic as Logistic,
    Piecewise as Piecewise,
    Stratified as Stratified,
    Uniform as Uniform,
)
from ._samples import as_samples as as_samples
from ._units import check_units as check_units, UnitsWarning as UnitsWarning
