from ._base import (
    AbstractDenoiser as AbstractDenoiser,
    check_denoiser as check_denoiser,
    check_range as check_range,
    Conditioned as Conditioned,
    diffuse as diffuse,
    Given as Given,
    noise as noise,
    signal as signal,
    Unconditional as Unconditional,
    Zero as Zero,
)
from ._clipped import Clipped as Clipped
from ._diffused import Diffused as Diffused
from ._discrete import (
    Grid as Grid,
    GridPosterior as GridPosterior,
    HardRounding as HardRounding,
    SoftRounding as SoftRounding,
)
from ._ensemble import Ensemble as Ensemble
from ._fields import denoised_mean as denoised_mean, entropy_field as entropy_field, score as score
from ._flattened import Flattened as Flattened
from ._gaussian import (
    ConditionalGaussian as ConditionalGaussian,
    Equilibrium as Equilibrium,
    Gaussian as Gaussian,
)
from ._guidance_weights import Interval as Interval
from ._guided import (
    AbstractGuided as AbstractGuided,
    Composed as Composed,
    Guided as Guided,
    Rescaled as Rescaled,
)
from ._histogram import Histogram as Histogram
from ._inputs import FourierFeatures as FourierFeatures, Standardising as Standardising, Whitening as Whitening
from ._labels import check_conditions as check_conditions, check_labels as check_labels
from ._mixed import dropping as dropping, mixed_predictions as mixed_predictions
from ._mixture import Empirical as Empirical, GaussianMixture as GaussianMixture
from ._moments import (
    data_moments as data_moments,
    known_moments as known_moments,
    least_resolved as least_resolved,
    units_of as units_of,
)
from ._neural import (
    entropy_matching as entropy_matching,
    gaussian_matching as gaussian_matching,
    in_own_units as in_own_units,
    moments_of as moments_of,
    Neural as Neural,
    noise_matching as noise_matching,
    own_model as own_model,
    Parameterisation as Parameterisation,
    score_matching as score_matching,
    velocity_matching as velocity_matching,
)
from ._predictions import predictions as predictions
from ._product import LearnedProduct as LearnedProduct, Product as Product
from ._units import (
    change_units as change_units,
    in_units as in_units,
    IndependentGaussian as IndependentGaussian,
    Moments as Moments,
    shifted as shifted,
)
