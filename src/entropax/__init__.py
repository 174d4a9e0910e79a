"""Entropax: the information and the thermodynamics of diffusion models, in JAX."""

import importlib.metadata

from . import data as data, nn as nn, parallel as parallel
from .denoiser import (
    AbstractDenoiser as AbstractDenoiser,
    ConditionalGaussian as ConditionalGaussian,
    denoised_mean as denoised_mean,
    diffuse as diffuse,
    Empirical as Empirical,
    entropy_field as entropy_field,
    entropy_matching as entropy_matching,
    Equilibrium as Equilibrium,
    Gaussian as Gaussian,
    gaussian_matching as gaussian_matching,
    GaussianMixture as GaussianMixture,
    LearnedProduct as LearnedProduct,
    Neural as Neural,
    noise_matching as noise_matching,
    Parameterisation as Parameterisation,
    Product as Product,
    score as score,
    score_matching as score_matching,
    Standardising as Standardising,
    Unconditional as Unconditional,
    velocity_matching as velocity_matching,
    Whitening as Whitening,
    Zero as Zero,
)
from .information import (
    BoundWarning as BoundWarning,
    check_mutual_information as check_mutual_information,
    conditional_entropy as conditional_entropy,
    conditional_rates as conditional_rates,
    ControlledBy as ControlledBy,
    entropy_rate as entropy_rate,
    EntropyDifference as EntropyDifference,
    kl_divergence as kl_divergence,
    label_entropy as label_entropy,
    LossGapForm as LossGapForm,
    mutual_information as mutual_information,
    negentropy as negentropy,
    neural_entropy as neural_entropy,
    Orthogonal as Orthogonal,
    Posterior as Posterior,
    total_correlation as total_correlation,
    total_entropy as total_entropy,
    unconditional_rates as unconditional_rates,
)
from .integral import (
    AbstractIntegrand as AbstractIntegrand,
    antithetic_noise as antithetic_noise,
    ClassLosses as ClassLosses,
    Controlled as Controlled,
    Difference as Difference,
    Estimate as Estimate,
    fit_density as fit_density,
    Gap as Gap,
    GaussLegendre as GaussLegendre,
    independent_noise as independent_noise,
    integrate as integrate,
    Integrator as Integrator,
    Logistic as Logistic,
    LossGap as LossGap,
    Piecewise as Piecewise,
    Profile as Profile,
    Stratified as Stratified,
    TruncationWarning as TruncationWarning,
    Uniform as Uniform,
)
from .process import (
    AbstractProcess as AbstractProcess,
    Cosine as Cosine,
    StraightLine as StraightLine,
    SubVariancePreserving as SubVariancePreserving,
    VarianceExploding as VarianceExploding,
    VariancePreserving as VariancePreserving,
)
from .train import (
    Checkpoints as Checkpoints,
    denoising_loss as denoising_loss,
    Epsilon as Epsilon,
    fit as fit,
    fit_with_history as fit_with_history,
    Likelihood as Likelihood,
    Settings as Settings,
    train as train,
    Training as Training,
    Unit as Unit,
)


__version__ = importlib.metadata.version("entropax")
