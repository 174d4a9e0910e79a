from ._field import (
    AbstractField as AbstractField,
    batched_score as batched_score,
    check_churn as check_churn,
    check_model as check_model,
    ForwardDrift as ForwardDrift,
    ProbabilityFlow as ProbabilityFlow,
    ReverseDrift as ReverseDrift,
    TimeReversed as TimeReversed,
)
from ._functional import accumulate as accumulate, PathState as PathState, stochastic_integral as stochastic_integral
from ._noise import (
    ForwardScale as ForwardScale,
    GridBrownianPath as GridBrownianPath,
    IsotropicNoise as IsotropicNoise,
    ReverseScale as ReverseScale,
)
from ._terms import forward as forward, probability_flow as probability_flow, reverse as reverse
