"""Information taken apart, by sample, by coordinate and given what is known already, against jointly Gaussian laws."""

import re

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.stats import norm

import entropax as ex
from tests.trusted import Trusted


FORMS = [ex.Orthogonal(), ex.EntropyDifference(), ex.LossGapForm()]

# Two standard normals that correlate.
RHO = 0.8
PAIR = ex.ConditionalGaussian(cov_x=np.eye(1), gain=np.array([[RHO]]), cov_x_given_y=np.array([[1 - RHO**2]]))
FINE = ex.Integrator(nodes=ex.GaussLegendre(10), chunk=2**21)
REPEATS = 2048

# Tests share the numbers of samples, and with them what is compiled.
MANY = 4000

# Three coordinates, each seen through noise of its own.
STDS = np.array([0.5, 1.0, 2.0])
SEEN = ex.ConditionalGaussian(
    cov_x=np.eye(3), gain=np.diag(1 / (1 + STDS**2)), cov_x_given_y=np.diag(STDS**2 / (1 + STDS**2))
)

# Six numbers with one covariance: X, then Y that hears X, and C that hears both; two each.
A, B, D = np.random.default_rng(0).normal(size=(3, 2, 2))
ROOT = np.block([[np.eye(2), np.zeros((2, 4))], [A, 0.2 * np.eye(2), np.zeros((2, 2))], [B, 0.4 * D, np.eye(2)]])
COV = ROOT @ ROOT.T
X, Y, C = slice(0, 2), slice(2, 4), slice(4, 6)


def joined(y):
    return jnp.concatenate(y)


def known(y):
    return y[1]


def regression(rest):
    """Σ_X|rest, and the denoiser of X that hears the rest."""
    gain = np.linalg.solve(COV[rest, rest], COV[rest, X]).T
    cov = COV[X, X] - gain @ COV[rest, X]
    return cov, ex.ConditionalGaussian(cov_x=COV[X, X], gain=gain, cov_x_given_y=(cov + cov.T) / 2)


COV_X_GIVEN_C, ON_C = regression(C)
COV_X_GIVEN_YC, ON_YC = regression(slice(2, 6))
FULL, REFERENCE = ex.Given(ON_YC, joined), ex.Given(ON_C, known)


def log_ratio(covs):
    """½ log det of the first over that of the second."""
    return 0.5 * (np.linalg.slogdet(covs[0])[1] - np.linalg.slogdet(covs[1])[1])


CONDITIONAL = log_ratio((COV_X_GIVEN_C, COV_X_GIVEN_YC))


def conditional_rate(log_snr):
    total = jnp.zeros_like(log_snr)
    for sign, cov in ((1, COV_X_GIVEN_C), (-1, COV_X_GIVEN_YC)):
        for variance in np.linalg.eigvalsh(cov):
            total = total + 0.5 * sign * jax.nn.sigmoid(log_snr + float(np.log(variance)))
    return total


def sample_pair(key, num):
    x_key, y_key = jr.split(key)
    y = jr.normal(y_key, (num, 1))
    return RHO * y + np.sqrt(1 - RHO**2) * jr.normal(x_key, (num, 1)), y


def sample_seen(key, num):
    x_key, y_key = jr.split(key)
    x = jr.normal(x_key, (num, 3))
    return x, x + jnp.asarray(STDS, jnp.float32) * jr.normal(y_key, (num, 3))


def sample_triple(key, num):
    draws = jr.normal(key, (num, 6)) @ jnp.asarray(np.linalg.cholesky(COV).T, jnp.float32)
    return draws[:, X], (draws[:, Y], draws[:, C])


def pointwise(estimate):
    assert estimate.pointwise is not None
    return np.asarray(estimate.pointwise, np.float64)


def assert_within_errors(found, exact, worst):
    assert np.all(np.abs(np.asarray(found.value) - exact) < 4 * np.asarray(found.stderr))
    assert np.all(np.asarray(found.stderr) < worst)


# By sample.


def test_the_log_ratio_of_each_sample(getkey):
    # Each of a few pairs many times: the mean is over noise alone.
    x, y = jnp.asarray([[1.0], [1.0], [-0.3], [2.0]]), jnp.asarray([[1.5], [-0.5], [0.1], [2.0]])
    exact = norm.logpdf(x, RHO * y, np.sqrt(1 - RHO**2)) - norm.logpdf(x)
    assert exact.min() < 0 < exact.mean()
    x, y = (jnp.repeat(v, REPEATS, 0) for v in (x, y))
    found = ex.mutual_information(PAIR, x, y, key=getkey(), method=ex.LossGapForm(), integrator=FINE)
    by_pair = pointwise(found).reshape(4, REPEATS)
    errors = by_pair.std(1, ddof=1) / np.sqrt(REPEATS)
    assert np.all(np.abs(by_pair.mean(1) - exact[:, 0]) < 4 * errors)
    assert np.all(errors < 0.05)


def test_the_orthogonal_form_is_the_divergence_given_y(getkey):
    y = jnp.repeat(jnp.asarray([[-2.0], [0.0], [0.3], [1.0]]), REPEATS, 0)
    x = RHO * y + np.sqrt(1 - RHO**2) * jr.normal(getkey(), y.shape)
    found = ex.mutual_information(PAIR, x, y, key=getkey(), method=ex.Orthogonal(), integrator=FINE)
    by_y = pointwise(found).reshape(4, REPEATS)
    assert by_y.min() >= 0
    exact = 0.5 * (RHO**2 * np.asarray(y[::REPEATS, 0]) ** 2 - RHO**2 - np.log(1 - RHO**2))
    errors = by_y.std(1, ddof=1) / np.sqrt(REPEATS)
    assert np.all(np.abs(by_y.mean(1) - exact) < 4 * errors)
    assert np.all(errors < 0.01 + 0.01 * exact)


def test_both_forms_have_the_mutual_information_as_mean(getkey):
    x, y = sample_pair(getkey(), 4 * REPEATS)
    for method in (ex.Orthogonal(), ex.LossGapForm()):
        found = ex.mutual_information(PAIR, x, y, key=getkey(), method=method, integrator=FINE)
        assert_within_errors(found, 0.5108256, 0.02)
        np.testing.assert_allclose(pointwise(found).mean(), found.value, rtol=1e-4)


# By coordinate.


def test_a_map_gives_each_coordinate_what_it_tells(getkey):
    x, y = sample_seen(getkey(), MANY)
    key = getkey()
    for method in FORMS:
        found = ex.information_map(SEEN, x, y, key=key, method=method)
        assert_within_errors(found, 0.5 * np.log(1 + 1 / STDS**2), 0.05)
        assert pointwise(found).shape == (MANY, 3)
        np.testing.assert_allclose(pointwise(found).mean(0), found.value, rtol=1e-4)
        whole = ex.mutual_information(SEEN, x, y, key=key, method=method)
        total = found.sum()
        np.testing.assert_allclose(total.value, whole.value, rtol=1e-5)
        np.testing.assert_allclose(total.stderr_data, whole.stderr_data, rtol=1e-3)
        assert float(total.stderr_nodes) >= 0.999 * float(whole.stderr_nodes)
        np.testing.assert_allclose(pointwise(total), pointwise(whole), rtol=1e-3, atol=1e-4)
        assert found.profile is not None and whole.profile is not None
        np.testing.assert_allclose(found.profile.rate.sum(1), whole.profile.rate, rtol=1e-3, atol=1e-5)
        cumulative = found.profile.cumulative().sum(1), whole.profile.cumulative()
        np.testing.assert_allclose(*cumulative, rtol=1e-3, atol=1e-4)


def test_one_coordinate_knows_of_another(getkey):
    # Only the first of two correlated coordinates is seen; what it tells of the second is in the map.
    cov, noise = np.array([[1.0, 0.9], [0.9, 1.0]]), 0.25
    gain = cov[:, :1] / (1 + noise)
    denoiser = ex.ConditionalGaussian(cov_x=cov, gain=gain, cov_x_given_y=cov - gain @ cov[:1])
    x = jr.normal(getkey(), (MANY, 2)) @ jnp.asarray(np.linalg.cholesky(cov).T, jnp.float32)
    y = x[:, :1] + np.sqrt(noise) * jr.normal(getkey(), (MANY, 1))
    # In two chunks, the second of which is filled up.
    integrator = ex.Integrator(chunk=10 * MANY)
    found = ex.information_map(denoiser, x, y, key=getkey(), integrator=integrator)
    assert pointwise(found).shape == (MANY, 2)
    # ½∫ of the difference of the diagonals of the two error covariances, by quadrature.
    log_snr = np.linspace(-16, 24, 4001)
    snr = np.exp(log_snr)[:, None, None]
    errors = [snr * np.linalg.inv(np.linalg.inv(c) + snr * np.eye(2)) for c in (cov, cov - gain @ cov[:1])]
    rates = 0.5 * np.diagonal(errors[0] - errors[1], axis1=1, axis2=2)
    exact = np.array([np.trapezoid(rate, log_snr) for rate in rates.T])
    assert exact[1] > 0.1
    np.testing.assert_allclose(exact.sum(), 0.5 * np.log(1 + 1 / noise), rtol=1e-4)
    assert_within_errors(found, exact, 0.05)


@pytest.mark.slow
def test_a_map_of_images_has_their_shape(getkey):
    # Of two laws with independent pixels: the divergence of each.
    x = 0.5 * jr.normal(getkey(), (MANY, 2, 3))
    narrow, wide = ex.Equilibrium(0.5), ex.Equilibrium(1.0)
    found = ex.information_map(narrow, x, jnp.zeros((MANY, 1)), key=getkey(), reference=wide)
    assert found.value.shape == found.stderr.shape == (2, 3)
    assert_within_errors(found, 0.5 * (0.25 - 1 - np.log(0.25)), 0.02)
    low, high = found.interval(0.95)
    assert low.shape == high.shape == (2, 3)
    assert found.profile is not None and found.profile.rate.shape == (64, 2, 3)
    # It prints as its sum, with the error of the sum.
    assert str(found) == f"{found.sum()} in sum over (2, 3)"
    assert repr(found.bits) == f"Estimate({found.bits})"


def test_tails_of_a_map_sum_to_those_of_the_whole(getkey):
    x, y = sample_seen(getkey(), MANY)
    denoiser, key = Trusted(SEEN, (-4.0, 5.0)), getkey()
    for method in (ex.Orthogonal(), ex.LossGapForm()):
        parts = ex.information_map(denoiser, x, y, key=key, method=method)
        whole = ex.mutual_information(denoiser, x, y, key=key, method=method)
        assert parts.tails is not None and whole.tails is not None and parts.tails.shape == (2, 3)
        assert float(jnp.min(whole.tails)) > 0
        np.testing.assert_allclose(parts.tails.sum(1), whole.tails, rtol=1e-4)
        np.testing.assert_allclose(parts.sum().value, whole.value, rtol=1e-5)
    # Where the rate has not fallen off, either says so.
    denoiser = Trusted(SEEN, (-6.0, -0.5))
    for estimand in (ex.information_map, ex.mutual_information):
        # The information itself also says what there is above, by second moments.
        with pytest.warns(ex.TruncationWarning) as caught:
            estimand(denoiser, x, y, key=key, method=ex.Orthogonal())
        said = " ".join(str(warning.message) for warning in caught)
        assert re.search(r"λ = -0.5, the rate is still 0.2.* left out", said), said


def test_the_likelihood_by_coordinate(getkey):
    law = ex.Gaussian(np.array([0.3, -0.7, 0.0]), np.diag([0.04, 1.0, 4.0]))
    x = law.mean + jnp.sqrt(law.variances) * jr.normal(getkey(), (MANY, 3)) @ law.axes.T
    key = getkey()
    found = ex.nll_map(law, x, key=key)
    assert_within_errors(found, 0.5 * np.log(2 * np.pi * np.e * np.array([0.04, 1.0, 4.0])), 0.2)
    whole = ex.nll(law, x, key=key)
    np.testing.assert_allclose(found.sum().value, whole.value, rtol=1e-5)
    np.testing.assert_allclose(pointwise(found.sum()), pointwise(whole), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.sum().stderr_data, whole.stderr_data, rtol=1e-3)


# Given what is known already.


def test_conditional_information_is_that_of_the_determinants(getkey):
    x, y = sample_triple(getkey(), MANY)
    key, found = getkey(), None
    for method in FORMS:
        found = ex.mutual_information(FULL, x, y, key=key, method=method, reference=REFERENCE)
        assert_within_errors(found, CONDITIONAL, 0.05 * CONDITIONAL)
    # The loss gap, the last of them, is the default; sample by sample it is a ratio of densities.
    default = ex.mutual_information(FULL, x, y, key=key, reference=REFERENCE)
    np.testing.assert_array_equal(pointwise(default), pointwise(found))
    logs = []
    for denoiser, cov, heard in ((ON_YC, COV_X_GIVEN_YC, jnp.concatenate(y, 1)), (ON_C, COV_X_GIVEN_C, y[1])):
        centred = np.asarray(x - heard @ denoiser.gain.T, np.float64)
        logs.append(-0.5 * np.sum(centred @ np.linalg.inv(cov) * centred, 1) - 0.5 * np.linalg.slogdet(cov)[1])
    exact = logs[0] - logs[1]
    errors = pointwise(found) - exact
    assert abs(errors.mean()) < 4 * errors.std() / np.sqrt(MANY)
    # Were the pointwise values anything else, they would not go up with the ratio one for one.
    slope = np.cov(pointwise(found), exact)[0, 1] / exact.var()
    assert abs(slope - 1) < 4 * errors.std() / exact.std() / np.sqrt(MANY)


def test_the_chain_rule(getkey):
    # I(X;Y,C) = I(X;C) + I(X;Y|C): on common noise as identities of the rates, but for the orthogonal form.
    x, y = sample_triple(getkey(), MANY)
    key = getkey()
    for method in (ex.Orthogonal(), ex.LossGapForm()):
        both = ex.mutual_information(FULL, x, y, key=key, method=method)
        first = ex.mutual_information(REFERENCE, x, y, key=key, method=method)
        more = ex.mutual_information(FULL, x, y, key=key, method=method, reference=REFERENCE)
        assert_within_errors(both, log_ratio((COV[X, X], COV_X_GIVEN_YC)), 0.1)
        assert_within_errors(first, log_ratio((COV[X, X], COV_X_GIVEN_C)), 0.1)
        if isinstance(method, ex.Orthogonal):
            rest = both - first - more
            assert abs(float(rest.value)) < 4 * float(rest.stderr)
        else:
            np.testing.assert_allclose(first.value + more.value, both.value, rtol=1e-4)


def test_a_map_given_what_is_known(getkey):
    x, y = sample_triple(getkey(), MANY)
    key = getkey()
    found = ex.information_map(FULL, x, y, key=key, reference=REFERENCE)
    whole = ex.mutual_information(FULL, x, y, key=key, method=ex.Orthogonal(), reference=REFERENCE)
    np.testing.assert_allclose(found.sum().value, whole.value, rtol=1e-5)
    assert_within_errors(found.sum(), CONDITIONAL, 0.05)


def test_a_control_variate_has_a_reference_of_its_own(getkey):
    x, y = sample_triple(getkey(), 300)
    for method in (ex.Orthogonal(), ex.LossGapForm()):
        controlled = ex.ControlledBy(method, FULL, conditional_rate, REFERENCE)
        found = ex.mutual_information(FULL, x, y, key=getkey(), method=controlled, reference=REFERENCE)
        np.testing.assert_allclose(found.value, CONDITIONAL, rtol=1e-3)
    with pytest.raises(ValueError, match="`reference` is given for the denoiser, but not for the control"):
        controlled = ex.ControlledBy(ex.LossGapForm(), FULL, conditional_rate)
        ex.mutual_information(FULL, x, y, key=getkey(), method=controlled, reference=REFERENCE)


def test_a_denoiser_hears_what_is_selected():
    z, log_snr = jnp.asarray([0.3, -1.0]), jnp.asarray(0.5)
    y = jnp.asarray([0.1, 0.2]), jnp.asarray([-0.4, 0.7])
    np.testing.assert_array_equal(REFERENCE(z, log_snr, y), ON_C(z, log_snr, y[1]))
    np.testing.assert_array_equal(REFERENCE(z, log_snr), ON_C(z, log_snr))
    np.testing.assert_array_equal(ex.Given(ON_C, lambda y: None)(z, log_snr, y), ON_C(z, log_snr))
    assert ex.Given(Trusted(ON_C, (-4.0, 5.0)), known).log_snr_range == (-4.0, 5.0)


# Bounds and errors.


def test_given_a_reference_the_one_bound_is_zero(getkey):
    x, y = sample_triple(getkey(), MANY)
    with pytest.warns(ex.BoundWarning, match=r"breaks the bound I\(X;Y\|C\) >= 0"):
        ex.mutual_information(REFERENCE, x, y, key=getkey(), method=ex.LossGapForm(), reference=FULL)
    # What labels tell beyond a wrong reference may pass H(Y): nothing is said, and no posterior is asked.
    labels = jnp.arange(MANY) % 2
    narrow, wide = ex.Equilibrium(0.1), ex.Equilibrium(1.0)
    found = ex.mutual_information(narrow, 0.1 * x / jnp.std(x), labels, key=getkey(), reference=wide)
    assert float(found.value) > np.log(2)


def test_what_has_no_map_is_refused(getkey):
    x, y = sample_triple(getkey(), 100)
    for method in (ex.Posterior(), ex.ControlledBy(ex.LossGapForm(), FULL, conditional_rate)):
        with pytest.raises(ValueError, match="`method` must integrate a rate .*; got (Posterior|ControlledBy)"):
            ex.information_map(FULL, x, y, key=getkey(), method=method)
    gap = ex.Gap(FULL, REFERENCE)
    for integrand in (ex.ClassLosses(FULL, jnp.arange(2)), ex.Controlled(gap, gap, conditional_rate)):
        with pytest.raises(ValueError, match="sum over coordinates, .*; got (ClassLosses|Controlled)"):
            ex.PerCoordinate(integrand)


def test_the_posterior_form_has_no_reference(getkey):
    x, _ = sample_triple(getkey(), 100)
    labels = jnp.arange(100) % 2
    with pytest.raises(ValueError, match="`reference` .* posterior form .*`LossGapForm"):
        ex.mutual_information(FULL, x, labels, key=getkey(), method=ex.Posterior(), reference=REFERENCE)
