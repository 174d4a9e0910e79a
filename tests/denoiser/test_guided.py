"""Guidance: what it makes of exact denoisers, in closed form, and of a network, in one batch."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.stats import norm

import entropax as ex
from tests.trusted import Trusted


DIM = 3
PROBLEM = ex.data.JointGaussian.random(jr.key(3), dim_x=DIM, dim_y=2, noise_std=0.5)
MODEL = PROBLEM.denoiser()
X, Y = PROBLEM.sample(jr.key(4), 1)
LAMBDA = jnp.asarray(0.7)
Z = ex.diffuse(X[0], LAMBDA, jr.normal(jr.key(5), (DIM,)))
CONDITIONAL, ALONE = MODEL(Z, LAMBDA, Y[0]), MODEL(Z, LAMBDA)


def assert_close(found, expected, tolerance=1e-6):
    scale = float(jnp.max(jnp.abs(expected)))
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(scale, 1.0))


def _noise_of_gaussian(mean, cov, z, log_snr):
    """The exact prediction for N(mean, cov), in float64 by the textbook."""
    a = 1 / (1 + np.exp(-float(log_snr)))
    cov, mean = np.asarray(cov, np.float64), np.asarray(mean, np.float64)
    whitened = np.linalg.solve(a * cov + (1 - a) * np.eye(len(cov)), np.asarray(z, np.float64) - np.sqrt(a) * mean)
    return np.sqrt(1 - a) * whitened


@pytest.mark.parametrize("weight", [-1.5, 0.3, 2.0, 7.0])
def test_of_a_joint_gaussian_it_is_the_closed_form(weight):
    given = _noise_of_gaussian(PROBLEM.gain @ np.asarray(Y[0]), PROBLEM.cov_x_given_y, Z, LAMBDA)
    alone = _noise_of_gaussian(np.zeros(DIM), PROBLEM.cov_x, Z, LAMBDA)
    assert_close(ex.Guided(MODEL, weight)(Z, LAMBDA, Y[0]), (1 + weight) * given - weight * alone, 1e-5)


def test_no_weight_is_the_conditional_model_and_minus_one_the_reference():
    assert float(jnp.max(jnp.abs(CONDITIONAL - ALONE))) > 0.1
    assert_close(ex.Guided(MODEL, 0.0)(Z, LAMBDA, Y[0]), CONDITIONAL)
    assert_close(ex.Guided(MODEL, -1)(Z, LAMBDA, Y[0]), ALONE)
    other = ex.Equilibrium(0.5)
    assert_close(ex.Guided(MODEL, -1.0, other)(Z, LAMBDA, Y[0]), other(Z, LAMBDA))


def test_a_weight_may_be_a_function_of_the_noise_level():
    guided = ex.Guided(MODEL, lambda log_snr: 2.0 * jax.nn.sigmoid(-log_snr))
    weight = 2 / (1 + np.exp(0.7))
    assert_close(guided(Z, LAMBDA, Y[0]), CONDITIONAL + weight * (CONDITIONAL - ALONE))


INCREASING = lambda log_snr: 2.0 + 0.5 * log_snr


@pytest.mark.parametrize("weight, inside", [(2.0, (2, 2, 2)), (INCREASING, (1, 2, 3.5))], ids=["number", "function"])
def test_an_interval_guides_inside_alone(weight, inside):
    log_snrs = jnp.asarray([-3.0, -2.125, -2.0, 0.0, 3.0, 3.5, 6.0])
    expected = jnp.asarray([0.0, 0.0, *inside, 0.0, 0.0])
    interval = ex.Interval(weight, -2.125, 3.5)
    np.testing.assert_array_equal(jax.jit(jax.vmap(interval))(log_snrs), expected)
    guided = jax.vmap(ex.Guided(MODEL, interval), (None, 0, None))(Z, log_snrs, Y[0])
    alone = jax.vmap(MODEL, (None, 0))(Z, log_snrs)
    given = jax.vmap(MODEL, (None, 0, None))(Z, log_snrs, Y[0])
    assert_close(guided, given + expected[:, None] * (given - alone))
    np.testing.assert_array_equal(guided[jnp.asarray([0, 1, 5, 6])], given[jnp.asarray([0, 1, 5, 6])])


def test_an_interval_may_be_open_on_one_side_and_traced():
    below = ex.Interval(1.0, -np.inf, 0.0)
    np.testing.assert_array_equal(jax.vmap(below)(jnp.asarray([-50.0, -0.1, 0.0, 50.0])), [1.0, 1.0, 0.0, 0.0])
    highs = jnp.asarray([0.5, 1.5])
    swept = jax.vmap(lambda high: ex.Interval(3.0, -1.0, high)(jnp.asarray(1.0)))(highs)
    np.testing.assert_array_equal(swept, [0.0, 3.0])


def test_the_score_is_the_guided_score():
    # 1-D: X ~ N(0, 2), Y = X + N(0, 1/2), under a process that is not variance-preserving.
    process, s, x, y, weight = ex.VarianceExploding(), jnp.asarray(0.4), jnp.asarray([0.8]), jnp.asarray([1.5]), 2.5
    problem = ex.data.JointGaussian(np.array([[2.0]]), np.array([[1.0]]), np.array([[0.5]]))
    spread = float(process.std(s)) ** 2
    given = -(0.8 - 2.0 / 2.5 * 1.5) / (2.0 * 0.5 / 2.5 + spread)
    alone = -0.8 / (2.0 + spread)
    found = ex.score(process, ex.Guided(problem.denoiser(), weight), x, s, y)
    np.testing.assert_allclose(found, [(1 + weight) * given - weight * alone], rtol=1e-4)


def test_autoguidance_needs_no_condition():
    good, weak = ex.Gaussian(np.ones(DIM), PROBLEM.cov_x), ex.Gaussian(np.ones(DIM), 2 * PROBLEM.cov_x)
    a, b = (_noise_of_gaussian(np.ones(DIM), factor * PROBLEM.cov_x, Z, LAMBDA) for factor in (1, 2))
    assert_close(ex.Guided(good, 1.3, reference=weak)(Z, LAMBDA), a + 1.3 * (a - b), 1e-5)
    # With a condition, both hear it.
    guided = ex.Guided(MODEL, 1.3, reference=weak)
    assert_close(guided(Z, LAMBDA, Y[0]), CONDITIONAL + 1.3 * (CONDITIONAL - weak(Z, LAMBDA)))


def test_a_negative_condition_is_led_away_from():
    negative = jnp.asarray([1.0, -2.0])
    given, other = (
        _noise_of_gaussian(PROBLEM.gain @ np.asarray(y), PROBLEM.cov_x_given_y, Z, LAMBDA) for y in (Y[0], negative)
    )
    reference = ex.Conditioned(MODEL, np.asarray(negative, np.float64))
    assert_close(reference(Z, LAMBDA, Y[0]), other, 1e-5)
    assert_close(ex.Guided(MODEL, 2.0, reference)(Z, LAMBDA, Y[0]), given + 2.0 * (given - other), 1e-5)
    assert_close(ex.Conditioned(MODEL, None)(Z, LAMBDA, Y[0]), ALONE)


class _TwoConditions(ex.AbstractDenoiser):
    """The exact denoisers of X given both, one or none of two scalars, y = (y1, y2) with `None` for what is not known:
    each is a coordinate of X in noise."""

    both: ex.ConditionalGaussian
    first: ex.ConditionalGaussian
    second: ex.ConditionalGaussian

    def __init__(self, cov_x):
        matrix, cov_noise = np.eye(2), np.diag([0.3, 0.1])
        of = lambda rows: ex.data.JointGaussian(cov_x, matrix[rows], cov_noise[rows, rows]).denoiser()
        self.both, self.first, self.second = of(slice(None)), of(slice(0, 1)), of(slice(1, 2))

    @property
    def log_snr_range(self):
        return self.both.log_snr_range

    def __call__(self, z, log_snr, y=None):
        first, second = (None, None) if y is None else y
        if first is not None and second is not None:
            return self.both(z, log_snr, jnp.stack([first, second]))
        return self.first(z, log_snr, _one(first)) if second is None else self.second(z, log_snr, _one(second))


def _one(part):
    return None if part is None else part[None]


PARTS = (lambda y: (y[0], None), lambda y: (None, y[1]))
PAIR, PLANE = (jnp.asarray(0.9), jnp.asarray(-1.2)), jnp.asarray([0.4, 0.7])


def test_composition_of_independent_conditions_is_the_posterior():
    # Independent coordinates, a condition on each: y1 and y2 are independent given z at every noise level.
    denoiser = _TwoConditions(np.diag([1.0, 2.0]))
    composed = ex.Composed(denoiser, PARTS, (0.0, 0.0))
    for log_snr in jnp.asarray([-4.0, 0.0, 3.0, 8.0]):
        assert_close(composed(PLANE, log_snr, PAIR), denoiser(PLANE, log_snr, PAIR), 1e-5)
    # Each weight then acts on a coordinate of its own.
    alone, given = denoiser(PLANE, LAMBDA), denoiser(PLANE, LAMBDA, PAIR)
    weighted = ex.Composed(denoiser, PARTS, (0.5, lambda log_snr: 1 + log_snr))(PLANE, LAMBDA, PAIR)
    assert_close(weighted, given + jnp.asarray([0.5, 1.7]) * (given - alone), 1e-5)
    # Of coordinates that depend on each other, z tells y1 and y2 apart and it is not the posterior.
    denoiser = _TwoConditions(np.array([[1.0, 0.9], [0.9, 2.0]]))
    composed = ex.Composed(denoiser, PARTS, (0.0, 0.0))
    assert float(jnp.max(jnp.abs(composed(PLANE, LAMBDA, PAIR) - denoiser(PLANE, LAMBDA, PAIR)))) > 0.02


def test_composition_of_one_condition_is_guidance():
    for weight in (0.0, 1.7, ex.Interval(2.0, 0.0, 1.0)):
        composed, guided = ex.Composed(MODEL, [lambda y: y], [weight]), ex.Guided(MODEL, weight)
        for found, expected in zip(composed.both(Z, LAMBDA, Y[0]), guided.both(Z, LAMBDA, Y[0])):
            assert_close(found, expected)


def test_rescaling_gives_the_spread_of_the_conditional_prediction():
    guided = ex.Guided(MODEL, 6.0)
    whole = guided(Z, LAMBDA, Y[0])
    assert float(jnp.std(whole)) > 1.5 * float(jnp.std(CONDITIONAL))
    rescaled = ex.Rescaled(guided, 1.0)(Z, LAMBDA, Y[0])
    np.testing.assert_allclose(jnp.std(rescaled), jnp.std(CONDITIONAL), rtol=1e-5)
    np.testing.assert_allclose(rescaled / whole, jnp.full(DIM, jnp.std(CONDITIONAL) / jnp.std(whole)), rtol=1e-5)
    assert_close(ex.Rescaled(guided, 0)(Z, LAMBDA, Y[0]), whole)
    assert_close(ex.Rescaled(guided, 0.7)(Z, LAMBDA, Y[0]), 0.7 * rescaled + 0.3 * whole)
    # Composed with no weights is what its own spread is taken from.
    composed = ex.Composed(MODEL, [lambda y: y], [6.0])
    assert_close(ex.Rescaled(composed, 1.0)(Z, LAMBDA, Y[0]), rescaled)
    # No spread at all is left as it is.
    flat = ex.Rescaled(ex.Guided(ex.Equilibrium(), 1.0, ex.Zero()), 1.0)
    np.testing.assert_array_equal(flat(jnp.zeros(DIM), LAMBDA), jnp.zeros(DIM))


def test_the_gradient_by_the_weight_is_the_difference():
    total = lambda weight: jnp.sum(ex.Guided(MODEL, weight)(Z, LAMBDA, Y[0]))
    np.testing.assert_allclose(jax.grad(total)(jnp.asarray(0.4)), jnp.sum(CONDITIONAL - ALONE), rtol=1e-5)
    weights = jnp.asarray([-1.0, 0.0, 2.0])
    swept = jax.vmap(lambda weight: ex.Guided(MODEL, weight)(Z, LAMBDA, Y[0]))(weights)
    assert_close(swept, CONDITIONAL + weights[:, None] * (CONDITIONAL - ALONE))


class _Counting(ex.AbstractDenoiser):
    """Appends to `calls` whenever Python calls it: evaluations while tracing."""

    denoiser: ex.AbstractDenoiser
    calls: list = eqx.field(static=True)

    @property
    def log_snr_range(self):
        return self.denoiser.log_snr_range

    def __call__(self, z, log_snr, y=None):
        self.calls.append(y)
        return self.denoiser(z, log_snr, y)


def test_another_weight_interval_or_negative_condition_is_not_another_program():
    calls = []
    model = _Counting(MODEL, calls)
    guide = eqx.filter_jit(lambda guided: guided(Z, LAMBDA, Y[0]))
    for k, weight in enumerate((0, 0.5, 2.0, np.float64(3.0), jnp.asarray(4.0))):
        assert_close(guide(ex.Guided(model, weight)), CONDITIONAL + weight * (CONDITIONAL - ALONE))
        assert len(calls) == 2, f"traced again for weight number {k}"
    for high in (0.0, 1.0, 2.0):
        guide(ex.Guided(model, ex.Interval(1.0, -1, high)))
        assert len(calls) == 4
    for negative in (np.array([1.0, 2.0]), jnp.array([3.0, 4.0])):
        guide(ex.Guided(MODEL, 1.0, ex.Conditioned(model, negative)))
        assert len(calls) == 5
    for amount in (0.0, 0.5):
        # Conditional and guided prediction share their evaluations.
        guide(ex.Rescaled(ex.Guided(model, 2.0), amount))
        assert len(calls) == 7


def test_it_is_trusted_where_both_are():
    model, reference = Trusted(MODEL, (-8.0, 9.0)), Trusted(MODEL, (-5.0, 12.0))
    assert ex.Guided(model, 1.0).log_snr_range == (-8.0, 9.0)
    guided = ex.Guided(model, 1.0, reference)
    assert guided.log_snr_range == ex.Rescaled(guided, 0.5).log_snr_range == (-5.0, 9.0)
    assert ex.Composed(reference, PARTS, (1.0, 1.0)).log_snr_range == (-5.0, 12.0)
    assert ex.Conditioned(reference, Y[0]).log_snr_range == (-5.0, 12.0)


def test_the_gap_to_the_conditional_model_is_the_squared_weight_of_the_information():
    # ½∫E‖w(ε̂(·|y) − ε̂)‖² = w² I(X;Y).
    x, y = PROBLEM.sample(jr.key(6), 4000)
    gaps = [ex.Gap(ex.Guided(MODEL, weight), MODEL) for weight in (1.5, -0.5)]
    for weight, found in zip((1.5, -0.5), ex.integrate(gaps, x, y, key=jr.key(7))):
        exact = weight**2 * PROBLEM.mutual_information
        assert abs(float(found.value) - exact) < 4 * float(found.stderr)
        assert float(found.stderr) < 0.03 * exact


@pytest.mark.parametrize("weight", [0.0, 1.5])
def test_the_density_of_its_flow(weight):
    # 2-D, independent coordinates: the flow is linear, and an ODE for each mean and scale says all about it.
    variances, cov_noise, y = np.array([1.5, 0.3]), np.array([0.5, 0.2]), jnp.asarray([0.8, -0.6])
    problem = ex.data.JointGaussian(np.diag(variances), np.eye(2), np.diag(cov_noise))
    process = ex.VariancePreserving()
    gain = variances / (variances + cov_noise)
    low, high = float(process.log_snr(jnp.asarray(process.T))), 20.0

    def slope(log_snr, state):
        """Of a solution z and of ∂z/∂x, by coordinate: dz/dλ = ½√b(√b z − ε̂)."""
        z, derivative = state.reshape(2, 2)
        a, b = 1 / (1 + np.exp(-log_snr)), 1 / (1 + np.exp(log_snr))
        given, alone = b / (a * gain * cov_noise + b), b / (a * variances + b)
        rate = 0.5 * (b - (1 + weight) * given + weight * alone)
        shift = 0.5 * (1 + weight) * given * np.sqrt(a) * gain * np.asarray(y, np.float64)
        return np.concatenate([rate * z + shift, rate * derivative])

    x = jr.normal(jr.key(8), (3, 2))
    expected = []
    for sample in np.asarray(x, np.float64):
        begin = np.concatenate([sample, np.ones(2)]) * np.sqrt(1 / (1 + np.exp(-high)))
        end = solve_ivp(slope, (high, low), begin, rtol=1e-10, atol=1e-12, method="DOP853").y[:, -1]
        expected.append(norm.logpdf(end[:2]).sum() + np.log(end[2:]).sum())
    ys = jnp.broadcast_to(y, (3, 2))
    found = ex.log_density(process, ex.Guided(problem.denoiser(), weight), x, y=ys)
    # The density of what a sampler makes of N(0, I); the guided score at the end has no density of its own.
    np.testing.assert_allclose(found.value - found.remainder, expected, atol=1e-3)
    if weight == 0:
        exact = norm.logpdf(np.asarray(x), gain * np.asarray(y), np.sqrt(gain * cov_noise)).sum(1)
        np.testing.assert_allclose(found.value, exact, atol=1e-3)


class _NeedsCondition(ex.AbstractDenoiser):
    @property
    def log_snr_range(self):
        return -np.inf, np.inf

    def __call__(self, z, log_snr, y=None):
        if y is None:
            raise TypeError("no token for nothing")
        return y * z


class _Narrow(ex.AbstractDenoiser):
    """Predicts noise for the first coordinate alone, which would be broadcast."""

    @property
    def log_snr_range(self):
        return -np.inf, np.inf

    def __call__(self, z, log_snr, y=None):
        return z[:1]


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ex.Guided(MODEL, np.inf), "`weight` must be finite; got inf.*such as Interval"),
        (lambda: ex.Guided(MODEL, jnp.asarray(np.nan)), "`weight` must be finite; got nan"),
        (lambda: ex.Guided(MODEL, jnp.ones(3)), r"`weight` must be a scalar; got shape \(3,\).*`jax.vmap`"),
        (
            lambda: ex.Guided(Trusted(MODEL, (-9.0, 0.0)), 1.0, Trusted(MODEL, (1.0, 9.0))),
            r"`reference` must be trusted where `denoiser` is; .* \(1.0, 9.0\) and \(-9.0, 0.0\)",
        ),
        (lambda: ex.Interval(np.nan, 0.0, 1.0), "`weight` must be finite; got nan"),
        (lambda: ex.Interval(1.0, 2.0, 2.0), "`low` must be less than `high`; got 2.0 and 2.0"),
        (lambda: ex.Interval(1.0, np.nan, 2.0), "`low` must be less than `high`; got nan"),
        (lambda: ex.Interval(1.0, np.zeros(2), 2.0), r"`low` must be a scalar; got shape \(2,\)"),
        (lambda: ex.Composed(MODEL, PARTS, (1.0,)), "`selects` and `weights` must be of one length.*got 2 and 1"),
        (lambda: ex.Composed(MODEL, (), ()), "at least 1; got 0 and 0"),
        (lambda: ex.Composed(MODEL, PARTS, (1.0, np.inf)), r"`weights\[1\]` must be finite; got inf"),
        (lambda: ex.Rescaled(ex.Guided(MODEL, 1.0), 1.1), "`amount` must be between 0 and 1; got 1.1"),
        (lambda: ex.Rescaled(ex.Guided(MODEL, 1.0), np.nan), "`amount` must be between 0 and 1; got nan"),
        (lambda: ex.Rescaled(ex.Guided(MODEL, 1.0), np.ones(1)), r"`amount` must be a scalar; got shape \(1,\)"),
    ],
)
def test_refusals_when_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "denoiser, y, message",
    [
        (ex.Guided(MODEL, 1.0), None, "`y` must be given to guide by; got None.*Give `y`, or .* a `reference`"),
        (ex.Composed(MODEL, PARTS, (1.0, 1.0)), None, "`y` must be given to select conditions from"),
        (ex.Guided(MODEL, lambda log_snr: jnp.ones(2)), Y[0], r"`weight` must return a scalar .* shape \(2,\)"),
        (ex.Guided(_Narrow(), 1.0), Y[0], r"`denoiser` must predict noise of the shape .* \(3,\); it predicts \(1,\)"),
        (ex.Guided(MODEL, 1.0, _Narrow()), Y[0], r"`reference` must predict noise .* \(3,\); it predicts \(1,\)"),
        (ex.Composed(_Narrow(), PARTS, (1.0, 1.0)), PAIR, r"`denoiser` must predict noise of the shape"),
    ],
)
def test_refusals_when_called(denoiser, y, message):
    with pytest.raises(ValueError, match=message):
        eqx.filter_jit(denoiser)(Z, LAMBDA, y)


def test_a_spread_wants_two_coordinates():
    with pytest.raises(ValueError, match=r"`z` must have at least two coordinates.*got shape \(1,\)"):
        ex.Rescaled(ex.Guided(ex.Equilibrium(), 1.0, ex.Zero()), 0.5)(jnp.ones(1), LAMBDA)


def test_a_model_without_a_null_condition_is_refused_with_its_own_words():
    for guided in (ex.Guided(_NeedsCondition(), 1.0), ex.Composed(_NeedsCondition(), [lambda y: y], [1.0])):
        with pytest.raises(ValueError, match="_NeedsCondition, makes no prediction without.*`reference=`") as refusal:
            jax.vmap(guided, (0, None, 0))(Z[None], LAMBDA, jnp.ones(1))
        assert isinstance(refusal.value.__cause__, TypeError) and "no token for nothing" in str(refusal.value.__cause__)
    # With a reference of its own it may be guided.
    found = ex.Guided(_NeedsCondition(), 1.0, ex.Zero())(Z, LAMBDA, jnp.asarray(2.0))
    assert_close(found, 4 * Z)
    # What is wrong with the condition is not put down to the lack of one.
    net = ex.nn.MLP(DIM, ex.nn.NoCondition(8), (-9.0, 9.0), key=jr.key(0))
    fixed = ex.Neural(net, ex.Zero(), jnp.ones_like, ex.Standardising(jnp.zeros(DIM), jnp.ones(DIM)), (-9.0, 9.0))
    with pytest.raises(ValueError, match="made without a condition"):
        ex.Guided(fixed, 1.0)(Z, LAMBDA, Y[0])
