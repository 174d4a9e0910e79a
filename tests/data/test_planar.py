import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.datasets import make_moons

import entropax as ex
from entropax.data import Circle, Dino, Moons, Square, StronglyCorrelatedGaussian


ALL = (StronglyCorrelatedGaussian, Moons, Circle, Square, Dino)


def _cartesian(half_side, steps):
    """Cell centres on a square around zero, and the area of a cell."""
    axes = [np.arange(-half_side + 0.5 * step, half_side, step) for step in steps]
    return np.stack(np.meshgrid(*axes), -1), np.prod(steps)


def _polar(centres, radius):
    """Cell centres of discs and the area of each cell, in polar coordinates: midpoints do away with the singularity."""
    radii = radius * (np.arange(100) + 0.5) / 100
    angles = 2 * np.pi * np.arange(8) / 8
    offsets = radii[:, None, None] * np.stack([np.cos(angles), np.sin(angles)], -1)
    areas = np.broadcast_to(radii[:, None] * (radius / 100) * (2 * np.pi / 8), (100, 8))
    return centres[:, None, None] + offsets, areas


def test_entropies_in_closed_form():
    gaussian = StronglyCorrelatedGaussian()
    # A sum over the axes, whose variances are as the paper states them.
    assert gaussian.entropy == pytest.approx(np.log(2 * np.pi * np.e) + 0.5 * np.log(200 / 101 * 2 / 101), rel=1e-13)
    assert gaussian.entropy == pytest.approx(1.21849, abs=5e-6)
    assert Square().entropy == pytest.approx(np.log(12), rel=1e-14)
    # h = log 17 - ∫ p log p over one disc, in its polar coordinates.
    circle = Circle()
    disc = quad(lambda r: np.log(2 * np.pi * circle.radius * r) / circle.radius, 0, circle.radius)[0]
    assert circle.entropy == pytest.approx(np.log(17) + disc, rel=1e-9)
    # As found elsewhere for this noise, by sampling.
    assert Moons().entropy == pytest.approx(0.615, abs=0.004)
    # No closed form, but bounds: components that do not overlap at all, and one Gaussian.
    dino = Dino()
    apart = np.log(142) + np.log(2 * np.pi * np.e * dino.stds.prod())
    assert apart - 0.01 < dino.entropy < apart


@pytest.mark.parametrize("law", ALL)
def test_the_mean_of_log_density_is_the_entropy(law, getkey):
    law = law()
    surprise = -law.log_density(law.sample(getkey(), 20_000))
    stderr = surprise.std() / np.sqrt(len(surprise))
    # The square's is the same at every point.
    assert abs(surprise.mean() - law.entropy) < 4 * stderr + 1e-12
    assert stderr < 0.02


@pytest.mark.parametrize("law", ALL)
def test_densities_integrate_to_one_and_are_standardised(law):
    law = law()
    match law:
        case Circle():
            x, areas = _polar(law.centres, law.radius)
        case Moons() | Dino():
            x, areas = _cartesian(2.3, law.stds)
        case Square():
            x, areas = _cartesian(2 * np.sqrt(3), np.full(2, np.sqrt(3) / 200))
        case _:
            x, areas = _cartesian(6, np.full(2, 0.05))
    masses = np.exp(law.log_density(x)) * areas
    assert masses.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose((masses[..., None] * x).sum((0, 1, 2)[: masses.ndim]), 0, atol=1e-6)
    np.testing.assert_allclose((masses[..., None] * x**2).sum((0, 1, 2)[: masses.ndim]), 1, atol=1e-5)


@pytest.mark.parametrize("law", ALL)
def test_samples_are_a_function_of_the_key_and_have_the_moments(law, getkey):
    law, key, num = law(), getkey(), 20_000
    x = law.sample(key, num)
    assert x.dtype == jnp.float32
    np.testing.assert_array_equal(x, law.sample(key, num))
    np.testing.assert_allclose(x, jax.jit(lambda key: law.sample(key, num))(key), atol=1e-6)
    assert not np.any(np.all(np.asarray(x) == np.asarray(law.sample(getkey(), num)), -1))
    x = np.asarray(x, np.float64)
    assert (np.abs(x.mean(0)) < 4.5 / np.sqrt(num)).all()
    assert (np.abs((x**2).mean(0) - 1) < 4.5 * (x**2).std(0) / np.sqrt(num)).all()
    assert np.isfinite(law.log_density(x)).all()


@pytest.mark.parametrize("law", ALL)
def test_log_density_takes_points_and_batches(law, getkey):
    law = law()
    x = np.asarray(law.sample(getkey(), 6), np.float64)
    batch = law.log_density(x)
    assert law.log_density(x[0]).shape == () and law.log_density(x[0]) == batch[0]
    np.testing.assert_array_equal(law.log_density(x.reshape(2, 3, 2)), batch.reshape(2, 3))
    # Longer than one block.
    np.testing.assert_allclose(law.log_density(np.tile(x, (700, 1))), np.tile(batch, 700), rtol=1e-12)
    assert law.log_density(np.zeros((0, 2))).shape == (0,)


def test_gaussian_density():
    gaussian = StronglyCorrelatedGaussian()
    x = np.random.default_rng(0).normal(size=(20, 2))
    # The axes are the diagonals, with variances 200/101 and 2/101.
    axes = x @ np.array([[1, 1], [-1, 1]]) / np.sqrt(2)
    reference = norm.logpdf(axes, scale=np.sqrt([200 / 101, 2 / 101])).sum(-1)
    np.testing.assert_allclose(gaussian.log_density(x), reference, rtol=1e-11)


def test_square_jumps_at_its_edges():
    edge = np.sqrt(3)
    inside = np.array([[0, 0], [edge - 1e-9, 0], [1e-9 - edge, edge - 1e-9]])
    outside = np.array([[edge + 1e-9, 0], [0, -edge - 1e-9], [5, 5], [np.inf, 0]])
    np.testing.assert_allclose(Square().log_density(inside), -np.log(12), rtol=1e-15)
    assert (Square().log_density(outside) == -np.inf).all()


def test_circle_rises_to_its_centres_and_ends_at_its_rims(getkey):
    circle = Circle()
    gaps = np.linalg.norm(circle.centres[:, None] - circle.centres, axis=-1)[np.triu_indices(17, 1)]
    assert gaps.min() > 2 * circle.radius
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 17)
    rim = circle.radius * np.stack([np.cos(angle), np.sin(angle)], -1)
    for share in (1e-6, 0.1, 0.999):
        # Equal probabilities in rings of equal width: the density times the circumference is constant.
        ring = circle.log_density(circle.centres + share * rim) + np.log(2 * np.pi * share * circle.radius)
        np.testing.assert_allclose(ring, -np.log(17 * circle.radius), rtol=1e-8)
    assert (circle.log_density(circle.centres + 1.001 * rim) == -np.inf).all()
    assert (circle.log_density(circle.centres) == np.inf).all()
    # Nor does rounding to float32 carry one of many points over its rim, or into its centre.
    assert np.isfinite(circle.log_density(circle.sample(getkey(), 400_000))).all()


def test_moons_density_is_the_integral_along_the_arcs():
    moons = Moons()
    scale = 0.03 / moons.stds
    for point in ([0.0, 0.0], [-0.55, 1.5], [0.58, -0.5], [1.0, 0.6], [-1.7, 0.1]):
        raw = np.array(point) * scale

        def density(t):
            arc = np.array([np.cos(t) - 0.5, np.sin(t) - 0.25])
            return sum(norm.pdf(raw, sign * arc, 0.03).prod() for sign in (1, -1)) / (2 * np.pi)

        nearest = [np.arctan2(sign * raw[1] + 0.25, sign * raw[0] + 0.5) % np.pi for sign in (1, -1)]
        exact = quad(density, 0, np.pi, points=nearest, limit=500, epsabs=0, epsrel=1e-10)[0] * scale.prod()
        assert moons.log_density(np.array(point)) == pytest.approx(np.log(exact), abs=1e-8)
    # Scikit-learn's arcs, away from their ends, are the ridges: the density is that across a line, but for curvature.
    arcs = np.asarray(make_moons(2000, shuffle=False)[0]).reshape(2, 1000, 2)[:, 100:-100]
    ridge = -np.log(2 * np.pi * np.sqrt(2 * np.pi) * 0.03) + np.log(scale.prod())
    np.testing.assert_allclose(moons.log_density((arcs - [0.5, 0.25]) / scale), ridge, atol=0.03**2)


def test_dino_density_is_that_of_the_mixture(getkey):
    dino = Dino()
    assert dino.means.shape == (142, 2)
    mixture = ex.data.GaussianMixture(dino.weights, dino.means, np.tile(np.diag(dino.stds**2), (142, 1, 1)))
    x = np.concatenate([np.asarray(dino.sample(getkey(), 50)), [[30.0, 0.0]]])
    np.testing.assert_allclose(dino.log_density(x), mixture.log_prob(x), rtol=1e-10)


@pytest.mark.parametrize("law", (StronglyCorrelatedGaussian, Moons, Dino))
def test_denoiser_points_up_the_density(law, getkey):
    """Where there is next to no noise, eps-hat = -sqrt(1-a) grad log p."""
    law, log_snr, step = law(), 18.0, 1e-6
    x = law.sample(getkey(), 50)
    at = np.asarray(x, np.float64)
    shifts = 0.5 * step * np.eye(2)
    slopes = np.stack([(law.log_density(at + s) - law.log_density(at - s)) / step for s in shifts], -1)
    denoiser = law.denoiser()
    noise = jax.vmap(lambda z: denoiser(z, jnp.float32(log_snr)))(jnp.sqrt(jax.nn.sigmoid(jnp.float32(log_snr))) * x)
    scale = np.abs(slopes).max()
    np.testing.assert_allclose(np.asarray(noise) * np.exp(log_snr / 2), -slopes, rtol=2e-3, atol=2e-3 * scale)


@pytest.mark.slow
def test_the_losses_of_the_denoiser_integrate_to_the_entropy(getkey):
    """KL(p || N(0, I)), an integral over the noise levels, is log 2πe - h(X) for unit variances."""
    moons = Moons()
    estimate = ex.total_entropy(moons.denoiser(), moons.sample(getkey(), 4000), key=getkey())
    divergence = np.log(2 * np.pi * np.e) - moons.entropy
    assert abs(float(estimate.value) - divergence) < 4 * float(estimate.stderr) < 0.2


def test_misuse():
    with pytest.raises(ValueError, match=r"`x` must have shape \(\*batch, 2\); got \(4, 3\)"):
        Square().log_density(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="holds NaN"):
        Square().log_density(np.array([np.nan, 0.0]))
