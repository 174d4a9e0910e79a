"""What an integral cannot see above its least noise: exact for Gaussians, and said where it matters."""

import warnings

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROCESS = ex.VariancePreserving(beta_min=0.1, beta_max=16.0)


def guided(weight):
    problem = ex.data.JointGaussian.random(jr.key(7), dim_x=5, dim_y=3, noise_std=0.3)
    return problem.guided(PROCESS, weight)


@pytest.mark.parametrize("weight, log_snr", [(0.0, 4.0), (2.0, 6.0), (4.0, 10.0)])
def test_second_moments_say_what_is_above(getkey, weight, log_snr):
    law = guided(weight)
    x, y = law.sample(getkey(), 20_000)
    exact = law.mutual_information - law.mutual_information_between(-np.inf, log_snr)
    # Sample covariances are off by some root of the dimension over the samples.
    assert abs(ex.information_above(x, y, log_snr) - exact) < 0.02 * max(1.0, exact)


class Trained(ex.AbstractDenoiser):
    """A network that is trusted up to λ = 10 and has learned nothing of its condition above 8, so that the rate ends
    at zero."""

    denoiser: ex.AbstractDenoiser

    @property
    def log_snr_range(self):
        return -9.0, 10.0

    def __call__(self, z, log_snr, y=None):
        return jnp.where(log_snr > 8, self.denoiser(z, log_snr, None), self.denoiser(z, log_snr, y))


def test_estimates_that_cannot_see_it_say_so(getkey):
    law = guided(4.0)
    model = Trained(ex.ConditionalGaussian(cov_x=law.cov_x, gain=law.gain, cov_x_given_y=law.cov_x_given_y))
    x, y = law.sample(getkey(), 2_000)
    with pytest.warns(ex.TruncationWarning, match="The integral ends at λ = 10.0, and above that there are"):
        ex.mutual_information(model, x, y, key=getkey(), method=ex.Orthogonal())


def test_estimates_that_see_all_do_not(getkey):
    problem = ex.data.JointGaussian.random(jr.key(7), dim_x=5, dim_y=3, noise_std=1.0)
    x, y = problem.sample(getkey(), 2_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ex.mutual_information(Trained(problem.denoiser()), x, y, key=getkey())


def test_labels_and_few_samples_have_no_second_moments():
    x = jnp.ones((30, 4))
    assert ex.information_above(x, jnp.zeros(30, jnp.int32), 5.0) == 0.0
    assert ex.information_above(x, jnp.ones((30, 2)), 5.0) == 0.0
