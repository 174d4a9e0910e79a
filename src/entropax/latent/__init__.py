"""Autoencoders whose decoder is a diffusion model, and what their latents know."""

from ._autoencoder import (
    AbstractAutoencoder as AbstractAutoencoder,
    DiffusionAutoencoder as DiffusionAutoencoder,
    VariationalAutoencoder as VariationalAutoencoder,
)
from ._bands import band_edges as band_edges, Bands as Bands, Latents as Latents
from ._gaussian_optimum import gaussian_optimum as gaussian_optimum, GaussianOptimum as GaussianOptimum
from ._generation import generate as generate, split_latents as split_latents
from ._measures import (
    CollapseWarning as CollapseWarning,
    encode as encode,
    learnt_rates as learnt_rates,
    rate_distortion as rate_distortion,
    RateDistortion as RateDistortion,
    rates as rates,
)
from ._objective import NegativeELBO as NegativeELBO
