"""Bad inputs of autoencoders and of what is measured with them."""

# pyright: reportArgumentType=false

import jax.random as jr
import numpy as np

import entropax as ex
from tests.bad_inputs import BadInput


KEY = jr.key(0)
X = np.zeros((4, 2), np.float32)
GAUSSIAN = ex.Gaussian(np.zeros(2), np.eye(2))
VARIANCES = np.ones(2)


def of(name, call, *says):
    return BadInput(name, call, ValueError, says)


def _model():
    bands = ex.latent.Bands(GAUSSIAN, ())
    return ex.latent.DiffusionAutoencoder((ex.nn.MLPEncoder((2,), 1, (), key=KEY),), bands)


INPUTS = [
    of(
        "a denoiser to encode with",
        lambda: ex.latent.encode(GAUSSIAN, X, key=KEY),
        "`model`",
        "Autoencoder",
        "Gaussian",
    ),
    of("nothing to measure rates of", lambda: ex.latent.rates(None, X), "`model`", "AbstractAutoencoder", "None"),
    of("a denoiser's distortion", lambda: ex.latent.rate_distortion(GAUSSIAN, X, key=KEY), "`model`", "Gaussian"),
    of("learnt rates of nothing", lambda: ex.latent.learnt_rates(None, X, (), key=KEY), "`model`", "None"),
    of(
        "one prior without a tuple", lambda: ex.latent.learnt_rates(_model(), X, GAUSSIAN, key=KEY), "`priors`", "tuple"
    ),
    of("samples through a denoiser", lambda: ex.latent.generate(GAUSSIAN, GAUSSIAN, X, key=KEY), "`model`", "Gaussian"),
    of("no prior", lambda: ex.latent.generate(_model(), None, X, key=KEY), "`prior`", "AbstractDenoiser", "None"),
    of("latents of a denoiser", lambda: ex.latent.split_latents(GAUSSIAN, X), "`model`", "Gaussian"),
    of("NaN to encode", lambda: ex.latent.encode(_model(), np.full((4, 2), np.nan), key=KEY), "`x`", "finite", "nan"),
    of("a plain denoiser for bands", lambda: ex.latent.DiffusionAutoencoder((), GAUSSIAN), "`denoiser`", "Bands"),
    of(
        "a decoder for an encoder",
        lambda: ex.latent.DiffusionAutoencoder((GAUSSIAN,), ex.latent.Bands(GAUSSIAN, ())),
        "`encoders[0]`",
        "AbstractEncoder",
    ),
    of("bands of nothing", lambda: ex.latent.Bands(None, ()), "`denoiser`", "None"),
    of("one edge without a tuple", lambda: ex.latent.Bands(GAUSSIAN, 0.0), "`edges`", "tuple", "0.0"),
    of("an edge in words", lambda: ex.latent.Bands(GAUSSIAN, ("a",)), "`edges`", "number", "'a'"),
    of("a time in words", lambda: ex.latent.band_edges(ex.VariancePreserving(), "a"), "`times`", "number", "'a'"),
    of("edges of no process", lambda: ex.latent.band_edges(None, 0.5), "`process`", "None"),
    of(
        "masked variances",
        lambda: ex.latent.gaussian_optimum(np.ma.array(VARIANCES, mask=[False, True]), (0.0, 1.0)),
        "`variances`",
        "masks 1 of 2",
    ),
    of(
        "a weight in words", lambda: ex.latent.gaussian_optimum(VARIANCES, (0.0, 1.0), "a"), "`weight`", "number", "'a'"
    ),
    of("an edge alone", lambda: ex.latent.gaussian_optimum(VARIANCES, 0.5), "`edges`", "two noise levels", "0.5"),
    of(
        "a share below zero", lambda: ex.latent.NegativeELBO(unconditional=-1.0), "`unconditional`", "from 0 to 1", "-1"
    ),
    of("a share of NaN", lambda: ex.latent.NegativeELBO(unconditional=np.nan), "`unconditional`", "from 0 to 1", "nan"),
    of("weights for a weight", lambda: ex.latent.NegativeELBO(np.ones(3)), "`weight`", "one number", "(3,)"),
]
