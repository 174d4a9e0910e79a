from ._bits import bits_per_dim as bits_per_dim
from ._curve import CurveLikelihood as CurveLikelihood, nll_from_mse_curve as nll_from_mse_curve
from ._discrete import discrete_nll as discrete_nll
from ._entropy import (
    conditional_entropy as conditional_entropy,
    entropy_rate as entropy_rate,
    kl_divergence as kl_divergence,
    negentropy as negentropy,
    neural_entropy as neural_entropy,
    total_correlation as total_correlation,
    total_entropy as total_entropy,
)
from ._guard import (
    BoundWarning as BoundWarning,
    check_mutual_information as check_mutual_information,
    is_discrete as is_discrete,
    label_entropy as label_entropy,
)
from ._likelihood import nll as nll
from ._maps import information_map as information_map, nll_map as nll_map
from ._mutual_information import (
    AbstractMethod as AbstractMethod,
    AbstractRateMethod as AbstractRateMethod,
    ControlledBy as ControlledBy,
    EntropyDifference as EntropyDifference,
    LossGapForm as LossGapForm,
    mutual_information as mutual_information,
    Orthogonal as Orthogonal,
    Posterior as Posterior,
)
from ._predicted_decoder import PredictedDecoder as PredictedDecoder
from ._rates import conditional_rates as conditional_rates, unconditional_rates as unconditional_rates
from ._resolution import check_resolution as check_resolution, information_above as information_above
from ._variational import (
    AbstractDecoder as AbstractDecoder,
    GaussianDecoder as GaussianDecoder,
    GridDecoder as GridDecoder,
    variational_bound as variational_bound,
)
