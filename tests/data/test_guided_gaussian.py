"""The exact law of guided samples: the table of I_CFG, closed forms, Monte Carlo, and what float32 refuses."""

import functools

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import entropax as ex


PROCESS = ex.VariancePreserving(beta_min=0.1, beta_max=16.0)

# I_CFG in nats at w = 0, ..., 6, from an independent matrix ODE and from sampling in float64.
TABLE = {
    5: (7.62, 15.40, 22.84, 30.31, 37.84, 45.41, 53.01),
    10: (12.87, 26.58, 39.43, 52.15, 64.86, 77.61, 90.39),
    15: (18.27, 38.01, 56.60, 74.90, 93.13, 111.34, 129.55),
}
# The same for D_Y = 15 as exact scores show it down to a least time.
SEEN = {
    1e-5: (18.27, 38.00, 56.24, 69.97, 77.90, 82.48, 85.49),
    1e-3: (18.25, 37.44, 49.93, 55.61, 58.64, 60.80, 62.39),
}


def problem(dim_x, dim_y, noise_std=1.0):
    return ex.data.JointGaussian.random(jr.key(7), dim_x=dim_x, dim_y=dim_y, noise_std=noise_std)


@functools.cache
def laws_of(dim_y):
    return [problem(25, dim_y).guided(PROCESS, float(w)) for w in range(7)]


@pytest.mark.parametrize("dim_y", TABLE)
def test_table(dim_y):
    laws = laws_of(dim_y)
    np.testing.assert_allclose([law.mutual_information for law in laws], TABLE[dim_y], atol=6e-3)
    # The spectrum says what Liouville's formula says.
    for law in laws:
        assert abs(law.mutual_information_between(-np.inf, np.inf) / law.mutual_information - 1) < 1e-11


@pytest.mark.parametrize("cut", SEEN)
def test_what_is_seen_above_a_least_time(cut):
    seen = [law.mutual_information_between(*PROCESS.log_snr_range(cut)) for law in laws_of(15)]
    np.testing.assert_allclose(seen, SEEN[cut], atol=6e-3)


def test_growth_does_not_end():
    """By more than I(X;Y) a unit, far beyond where a float64 matrix holds its determinant; and the spectrum with it."""
    gaussian = problem(25, 15)
    laws = [gaussian.guided(PROCESS, w) for w in (6.0, 12.0, 24.0)]
    values = [law.mutual_information for law in laws]
    assert values[1] - values[0] > 5.9 * gaussian.mutual_information
    assert values[2] - values[1] > 11.8 * gaussian.mutual_information
    assert laws[2]._residual_variances[0] < 1e-50
    np.testing.assert_allclose([law.mutual_information_between(-np.inf, np.inf) for law in laws], values, rtol=1e-11)


def test_without_guidance_only_the_start_differs():
    """By the order of exp(λ(T)/2): between processes it falls as that does, and is nothing in the end."""
    gaussian = problem(25, 15)
    lost, log_snrs = [], []
    for beta_max in (16.0, 24.0, 80.0):
        process = ex.VariancePreserving(beta_max=beta_max)
        lost.append(gaussian.mutual_information - gaussian.guided(process, 0.0).mutual_information)
        log_snrs.append(float(process.log_snr(jnp.asarray(process.T))))
    assert lost[0] == pytest.approx(0.065, abs=1e-3)
    assert lost[1] / lost[0] == pytest.approx(np.exp((log_snrs[1] - log_snrs[0]) / 2), rel=0.05)
    assert abs(lost[2]) < 1e-7


def commuting():
    """A problem in which every principal axis is a problem of its own, seen from a turned frame."""
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    alone, slopes = np.geomspace(0.05, 3.0, 6), np.array([0.3, 4.0, 1.0, 0.1, 2.0, 7.0])
    gaussian = ex.data.JointGaussian((turn * alone) @ turn.T, (turn * slopes).T, np.eye(6))
    return gaussian, turn, alone, alone / (1 + slopes**2 * alone)


def log_roots(alone, given, pieces):
    """log of the flow's factor along each axis, over pieces (w, v from, v to)."""
    parts = [
        (1 + w) * np.log((given + end) / (given + begin)) - w * np.log((alone + end) / (alone + begin))
        for w, begin, end in pieces
    ]
    return 0.5 * (np.log1p(pieces[0][1]) + sum(parts))


@pytest.mark.parametrize("weight", [-2.0, -0.5, 0.0, 5.0, 24.0])
def test_spectrum_of_a_commuting_problem(weight):
    """In closed form, axis by axis, down to standard deviations of 1e-21."""
    gaussian, turn, alone, given = commuting()
    law = gaussian.guided(PROCESS, weight)
    roots = np.exp(log_roots(alone, given, [(weight, np.exp(-law.start), 0.0)]))
    np.testing.assert_allclose(law._residual_variances, np.sort(roots) ** 2, rtol=1e-9)
    np.testing.assert_allclose(law.matrix_p, (turn * roots) @ turn.T, atol=1e-11 * roots.max())
    # Between the axes nothing is mixed, and the mean is scaled with the noise.
    spread = np.diag(turn.T @ law.cov_x @ turn)
    np.testing.assert_allclose(np.sort(spread), law._variances, rtol=1e-9)


def test_spectrum_under_a_weight_on_an_interval():
    """A function of plain Python here; `ex.Interval` is below."""
    gaussian, _, alone, given = commuting()
    law = gaussian.guided(PROCESS, lambda log_snr: 7.0 if -1 < log_snr < 4 else 0.0)
    begin, end = np.exp(1.0), np.exp(-4.0)
    roots = np.exp(log_roots(alone, given, [(0.0, np.exp(-law.start), begin), (7.0, begin, end), (0.0, end, 0.0)]))
    # λ is a float32 to the weight.
    np.testing.assert_allclose(law._residual_variances, np.sort(roots) ** 2, rtol=2e-6)


@pytest.mark.parametrize("weight", [-0.5, 0.0, 2.0, 5.0])
def test_one_dimension(weight):
    """The noise has variance C (C/Σ)^w where it starts from the diffused data, here from N(0, 1) at λ(T) = -30."""
    gaussian = problem(1, 1)
    law = gaussian.guided(ex.VariancePreserving(beta_max=60.0), weight)
    given, alone = gaussian.cov_x_given_y.item(), gaussian.cov_x.item()
    np.testing.assert_allclose(law.cov_x_given_y.item(), given * (given / alone) ** weight, rtol=1e-11)
    np.testing.assert_allclose(law.cov_x_given_y.item(), np.exp(2 * law._solution.log_det), rtol=1e-11)


def test_one_dimensional_information():
    # 0.117, 0.671, 1.385 by the same independent computation.
    values = [problem(1, 1).guided(PROCESS, w).mutual_information for w in (0.0, 2.0, 5.0)]
    np.testing.assert_allclose(values, [0.117, 0.671, 1.385], atol=1e-3)


def flow_of(gaussian, weight, process, y, z, tolerance=1e-9):
    """The guided flow of samples in z, by SciPy, with denoisers written out."""
    low = float(process.log_snr(jnp.asarray(process.T)))
    eye, gain = np.eye(gaussian.dim_x), gaussian.gain

    def field(log_snr, state):
        a, b = 1 / (1 + np.exp(-log_snr)), 1 / (1 + np.exp(log_snr))
        z = state.reshape(len(y), -1)
        given = np.sqrt(b) * (z - np.sqrt(a) * y @ gain.T) @ np.linalg.inv(a * gaussian.cov_x_given_y + b * eye)
        alone = np.sqrt(b) * z @ np.linalg.inv(a * gaussian.cov_x + b * eye)
        w = weight if isinstance(weight, float) else float(weight(jnp.asarray(log_snr)))
        return (0.5 * np.sqrt(b) * (np.sqrt(b) * z - given - w * (given - alone))).ravel()

    solution = solve_ivp(field, (low, 25.0), z.ravel(), rtol=tolerance, atol=1e-3 * tolerance, max_step=0.5)
    return solution.y[:, -1].reshape(len(y), -1)


@pytest.mark.parametrize("weight", [2.0, ex.Interval(2.0, -1.0, 4.0)], ids=["w", "w(λ)"])
def test_every_sample_goes_where_its_flow_goes(weight):
    gaussian, rng = problem(3, 2, 0.5), np.random.default_rng(0)
    law = gaussian.guided(PROCESS, weight)
    y, z = rng.normal(size=(5, 2)), rng.normal(size=(5, 3))
    np.testing.assert_allclose(z @ law.matrix_p.T + y @ law.gain.T, flow_of(gaussian, weight, PROCESS, y, z), atol=2e-5)


def within_sampling_error(samples, exact, standard_errors=4):
    found = np.cov(np.asarray(samples, np.float64), rowvar=False)
    spread = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / len(samples))
    return np.all(np.abs(found - exact) < standard_errors * spread)


def joint_covariance(law):
    cross = law.gain @ law.cov_y
    return np.block([[law.cov_x, cross], [cross.T, law.cov_y]])


def test_flow_of_samples_has_its_covariance():
    gaussian, rng, num = problem(3, 2, 0.5), np.random.default_rng(1), 4_000
    law = gaussian.guided(PROCESS, 2.0)
    y = rng.normal(size=(num, 2)) @ np.linalg.cholesky(gaussian.cov_y).T
    x = flow_of(gaussian, 2.0, PROCESS, y, rng.normal(size=(num, 3)), tolerance=1e-6)
    assert within_sampling_error(np.concatenate([x, y], 1), joint_covariance(law))
    # The noise about the mean by itself: beside the spread of the mean it would not be seen.
    assert within_sampling_error(x - y @ law.gain.T, law.cov_x_given_y)


def test_samplers_draw_from_it(getkey):
    gaussian = problem(3, 2, 0.5)
    law, (_, y) = gaussian.guided(PROCESS, 2.0), gaussian.sample(getkey(), 20_000)
    sampler = ex.Sampler(steps=60, grid=ex.solve.UniformLogSNR(), log_snr_range=(-8.0, 14.0))
    x = ex.sample(PROCESS, ex.Guided(gaussian.denoiser(), 2.0), (len(y), 3), y, key=getkey(), sampler=sampler).x
    assert within_sampling_error(np.concatenate([x, y], 1), joint_covariance(law))


def test_samples_have_its_moments(getkey):
    law = problem(3, 2).guided(PROCESS, 1.0)
    x, y = law.sample(getkey(), 40_000)
    noise = np.asarray(x, np.float64) - np.asarray(y, np.float64) @ law.gain.T
    assert within_sampling_error(noise, law.cov_x_given_y)


def gap_integral(law, samples, key, highest):
    """By JAX in float64, of samples drawn in float64."""
    with jax.enable_x64(True):
        keys = jr.split(key, 3)
        normal = lambda key, size: np.asarray(jr.normal(key, (samples, size), jnp.float64))
        y = normal(keys[0], law.problem.dim_y) @ np.linalg.cholesky(law.cov_y).T
        x = normal(keys[1], law.problem.dim_x) @ law.matrix_p.T + y @ law.gain.T
        estimate = ex.mutual_information(
            law.denoiser(),
            jnp.asarray(x),
            jnp.asarray(y),
            key=keys[2],
            method=ex.Orthogonal(),
            integrator=ex.Integrator(nodes=ex.Stratified(16), log_snr_range=(-9.0, highest)),
        )
    return float(estimate.value)


# Conditional variances of 1e-24 and 1e-13 of the largest: of a covariance matrix the first would be rounding.
@pytest.mark.parametrize(
    "gaussian, weight, share, highest", [((5, 3, 0.3), 10.0, 1e-24, 62.0), ((25, 15), 5.0, 2e-13, 34.0)]
)
def test_gap_integral_on_its_own_range(getkey, gaussian, weight, share, highest):
    """Within 1 % in float64; float32 says that it cannot."""
    law = problem(*gaussian).guided(PROCESS, weight)
    assert law._residual_variances[0] < share * law._variances[-1]
    message = "least conditional variance .* of their largest variance, .* float32 resolves.*jax.enable_x64"
    with pytest.raises(ValueError, match=message):
        law.denoiser()
    assert abs(gap_integral(law, 4_000, getkey(), highest) / law.mutual_information - 1) < 0.01


def test_denoiser_knows_the_whole_spectrum():
    law = problem(8, 5, 0.3).guided(PROCESS, 10.0)
    assert law._residual_variances[0] < 1e-18 * law._variances[-1]
    with jax.enable_x64(True):
        residual = law.denoiser().residual
        variances, axes = np.asarray(residual.variances), np.asarray(residual.axes)
    np.testing.assert_allclose(np.sort(variances), law._residual_variances, rtol=1e-14)
    np.testing.assert_allclose(axes.T @ axes, np.eye(8), atol=1e-13)
    np.testing.assert_allclose((axes * variances) @ axes.T, law.cov_x_given_y, atol=1e-14)
    with jax.enable_x64(True), pytest.raises(ValueError, match="that float64 resolves"):
        problem(8, 5, 0.3).guided(PROCESS, 16.0).denoiser()


@pytest.mark.parametrize("weight", [np.nan, np.inf, lambda log_snr: jnp.nan])
def test_weights_that_are_not_finite(weight):
    with pytest.raises(ValueError, match="`weight` must be (a )?finite"):
        problem(2, 1).guided(PROCESS, weight)


def test_variances_that_are_no_number_of_float64():
    """Below 1e-308, and the information is exact still."""
    gaussian = problem(1, 1, 1e-6)
    law = gaussian.guided(PROCESS, 27.0)
    root = log_roots(gaussian.cov_x.item(), gaussian.cov_x_given_y.item(), [(27.0, np.exp(-law.start), 0.0)])
    assert root < 0.5 * np.log(1e-308)
    assert law.mutual_information == pytest.approx(0.5 * np.log(law.cov_x.item()) - root, rel=1e-11)
    with pytest.raises(ValueError, match="below the least number of float64: `mutual_information` is exact"):
        law.mutual_information_rate(0.0)
