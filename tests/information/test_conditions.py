"""An information about Y needs a condition that the model uses."""

# pyright: reportArgumentType=false, reportAssignmentType=false, reportIncompatibleMethodOverride=false

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROBLEM = ex.data.JointGaussian.random(jr.key(7), dim_x=2, dim_y=2, noise_std=1.0)
MODEL = PROBLEM.denoiser()
X, Y = PROBLEM.sample(jr.key(0), 100)
LABELS = jnp.arange(100) % 2
MIXTURE = ex.GaussianMixture(np.array([0.5, 0.5]), np.array([[-2.0, 0.0], [2.0, 0.0]]), np.stack([np.eye(2)] * 2))
INTEGRATOR = ex.Integrator(nodes=ex.Stratified(8))


class _Deaf(ex.AbstractDenoiser):
    """Takes a condition, and does nothing with it."""

    log_snr_range = (-9.0, 9.0)

    def __call__(self, z, log_snr, y=None):
        return z if y is None else z + 0.0 * jnp.sum(y).astype(z.dtype)


def _information(model, x=X, y=Y, **options):
    return ex.mutual_information(model, x, y, key=jr.key(1), integrator=INTEGRATOR, **options)


METHODS = [
    ex.Orthogonal(),
    ex.LossGapForm(),
    ex.EntropyDifference(),
    ex.ControlledBy(ex.LossGapForm(), MODEL, PROBLEM.controls()[1]),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_a_model_that_ignores_its_condition_is_refused_by_every_method(method):
    with pytest.raises(ValueError, match="`denoiser` must use its condition; _Deaf predicts the same noise with `y`"):
        _information(_Deaf(), method=method)


def test_so_it_is_for_labels_maps_and_references():
    with pytest.raises(ValueError, match="`denoiser` must use its condition; _Deaf"):
        _information(_Deaf(), y=LABELS)
    with pytest.raises(ValueError, match="`denoiser` must use its condition; Unconditional"):
        ex.information_map(ex.Unconditional(MODEL), X, Y, key=jr.key(1), integrator=INTEGRATOR)
    with pytest.raises(ValueError, match="`reference` must know less than `denoiser`, ConditionalGaussian; both"):
        _information(MODEL, reference=MODEL)


def test_a_model_that_uses_its_condition_may_find_little():
    # Predictions that differ, by however little, are an answer.
    faint = ex.data.JointGaussian(np.eye(2), 1e-3 * np.eye(2), np.eye(2))
    x, y = faint.sample(jr.key(2), 100)
    found = _information(faint.denoiser(), x, y)
    assert abs(float(found.value) - faint.mutual_information) < 4 * float(found.stderr) + 1e-6


@pytest.mark.parametrize("y", [None, (), {}])
def test_no_condition_is_refused(y):
    for call in (
        lambda: _information(MODEL, y=y),
        lambda: ex.information_map(MODEL, X, y, key=jr.key(1)),
        lambda: ex.conditional_entropy(MODEL, X, y, key=jr.key(1)),
    ):
        with pytest.raises(ValueError, match="`y` must be given: the conditions of the samples in `x`"):
            call()


GUIDED = ex.Guided(MODEL, 0.5)


@pytest.mark.parametrize("guided", [GUIDED, ex.Clipped(GUIDED, -9.0, 9.0), ex.Composed(MODEL, [lambda y: y], [0.5])])
def test_a_guided_model_needs_a_reference(guided):
    name = type(guided).__name__
    with pytest.raises(ValueError, match=f"`denoiser`, {name}, makes no prediction without a condition.*`reference=`"):
        _information(guided)
    # With one it is an information gap like any other: (1 + w)² times that of the model, by the orthogonal form.
    found = _information(guided, reference=ex.Unconditional(MODEL), method=ex.Orthogonal())
    plain = _information(MODEL, method=ex.Orthogonal())
    if name != "Clipped":
        np.testing.assert_allclose(found.value, 1.5**2 * plain.value, rtol=1e-3)


def test_what_is_wrong_with_a_condition_of_a_guided_model_is_said_as_it_is():
    with pytest.raises(ValueError, match=r"`y` must have shape \(2,\) for each sample; got \(1,\)"):
        _information(GUIDED, y=Y[:, :1])


def test_labels_in_any_integer_container_are_measured_in_the_same_way():
    expected = _information(MIXTURE, y=LABELS)
    for y in (np.asarray(LABELS, np.uint8), np.asarray(LABELS, np.int64), np.asarray(LABELS) == 1):
        np.testing.assert_array_equal(_information(MIXTURE, y=y).pointwise, expected.pointwise)
    for y in (LABELS.astype(float), LABELS[:, None], LABELS[:, None].astype(float)):
        for method in (None, ex.LossGapForm()):
            with pytest.raises(ValueError, match="`y` must be .*integer"):
                _information(MIXTURE, y=y, method=method)


ESTIMANDS = {
    "information": lambda: _information(MODEL),
    "of labels": lambda: _information(MIXTURE, y=LABELS),
    "map": lambda: ex.information_map(MODEL, X, Y, key=jr.key(1), integrator=INTEGRATOR).sum(),
    "likelihood": lambda: ex.nll(MODEL, X, Y, key=jr.key(1), integrator=INTEGRATOR, baseline=ex.Gaussian.fit(X)),
    "correlation": lambda: ex.total_correlation(MODEL, X, key=jr.key(1), integrator=INTEGRATOR),
    "quadrature": lambda: ex.neural_entropy(MODEL, X, key=jr.key(1), integrator=ex.Integrator(ex.GaussLegendre(3, 4))),
    "code length": lambda: ex.discrete_nll(
        ex.SoftRounding(MODEL, GRID), GRID.nearest(X), key=jr.key(1), grid=GRID, integrator=INTEGRATOR
    ),
    "bound": lambda: ex.variational_bound(
        ex.GridPosterior.fit(GRID.nearest(X), GRID),
        GRID.nearest(X),
        key=jr.key(1),
        log_snr=np.linspace(9.0, -9.0, 5),
        decoder=ex.GridDecoder(GRID),
    ),
}
GRID = ex.Grid(-2.0, 2.0, 5)


@pytest.mark.parametrize("name", ESTIMANDS)
def test_nothing_is_broadcast_to_another_rank(name):
    expected = ESTIMANDS[name]()
    with jax.numpy_rank_promotion("raise"):
        found = ESTIMANDS[name]()
    np.testing.assert_allclose(found.value, expected.value, rtol=1e-6)
    np.testing.assert_allclose(found.stderr, expected.stderr, rtol=1e-6)
