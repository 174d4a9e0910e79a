"""Conditions of another shape or kind than a denoiser's are refused, and never broadcast; labels are those it has."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex
from entropax.denoiser import check_labels, mixed_predictions


PROBLEM = ex.data.JointGaussian.random(jr.key(7), dim_x=2, dim_y=2, noise_std=1.0)
EXACT = PROBLEM.denoiser()
Z, LAMBDA, Y = jnp.asarray([0.3, -1.0]), jnp.asarray(0.5), jnp.asarray([0.7, -0.4])
MIXTURE = ex.GaussianMixture(
    np.array([0.3, 0.7]), np.array([[-2.0, 0.0], [2.0, 0.0]]), np.stack([np.eye(2)] * 2), np.array([3, 5])
)
POINTS = ex.Empirical(jr.normal(jr.key(0), (6, 2)), jnp.asarray([3, 3, 5, 5, 5, 3]))
GRID = ex.Grid(-1.0, 1.0, 4)


def _network(condition):
    net = ex.nn.MLP(2, condition, (-9.0, 9.0), depth=1, key=jr.key(1))
    return ex.Neural(net, ex.Zero(), jnp.ones_like, _same, (-9.0, 9.0))


def _same(z, log_snr):
    return z


VECTORS = {
    "exact": EXACT,
    "neural": _network(ex.nn.VectorCondition(jr.normal(jr.key(2), (50, 2)), 8, key=jr.key(3))),
    "clipped": ex.Clipped(EXACT, -3.0, 3.0),
    "diffused": ex.Diffused(EXACT, 4.0),
    "rounded": ex.HardRounding(EXACT, GRID),
    "softly rounded": ex.SoftRounding(EXACT, GRID),
    "ensemble": ex.Ensemble((EXACT, ex.Zero()), (-9.0, 0.0, 9.0), (0, 1)),
    "guided": ex.Guided(EXACT, 1.0),
    "composed": ex.Composed(EXACT, [lambda y: y], [0.5]),
    "rescaled": ex.Rescaled(ex.Guided(EXACT, 1.0), 0.5),
    "given": ex.Given(EXACT, lambda y: y),
    "flattened": ex.Flattened(EXACT, (2,)),
}
LABELS = {
    "mixture": MIXTURE,
    "points": POINTS,
    "neural": _network(ex.nn.LabelCondition(6, 8, key=jr.key(4))),
    "guided": ex.Guided(MIXTURE, 1.0),
    "clipped": ex.Clipped(POINTS, -3.0, 3.0),
}
NO_VECTORS = {
    "one column of two": Y[:1],
    "a scalar": Y[0],
    "a Python number": 0.7,
    "a column": Y[:, None],
    "a row": Y[None],
    "longer": jnp.concatenate([Y, Y]),
    "empty": Y[:0],
    "a pair": (Y, Y),
    "a list": [0.7, -0.4],
    "a dictionary": {"y": Y},
    "complex": Y.astype(complex),
}
NO_LABELS = {
    "a float": jnp.asarray(3.0),
    "a Python float": 3.0,
    "a vector": jnp.asarray([3]),
    "a batch": jnp.asarray([3, 5]),
    "one-hot": jnp.asarray([1.0, 0.0]),
    "a pair": (3, 5),
    "text": "3",
}


@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_of_another_shape_is_refused(name):
    denoiser = VECTORS[name]
    assert denoiser(Z, LAMBDA, Y).shape == Z.shape
    for what, wrong in NO_VECTORS.items():
        with pytest.raises(ValueError, match=r"`y` must have shape \(2,\) for each sample; got"):
            jax.eval_shape(lambda z: denoiser(z, LAMBDA, wrong), Z)  # noqa: B023
            pytest.fail(what)


@pytest.mark.parametrize("name", LABELS)
def test_what_is_no_label_is_refused(name):
    denoiser = LABELS[name]
    assert denoiser(Z, LAMBDA, 3).shape == Z.shape
    for what, wrong in NO_LABELS.items():
        with pytest.raises(ValueError, match="`y` must be a label, one integer for each sample; got"):
            jax.eval_shape(lambda z: denoiser(z, LAMBDA, wrong), Z)  # noqa: B023
            pytest.fail(what)


def test_a_latent_of_another_shape_is_refused():
    denoiser = _network(ex.nn.LatentCondition(3, 8, key=jr.key(5)))
    with pytest.raises(ValueError, match=r"`y` must be a latent of shape \(3,\) for each sample; got \(2,\)"):
        denoiser(Z, LAMBDA, Y)


def test_a_batch_in_which_some_conditions_are_missing_is_checked_too():
    z, log_snr = jnp.stack([Z, Z, Z]), jnp.zeros(3)
    for denoiser in (EXACT, VECTORS["neural"]):
        with pytest.raises(ValueError, match=r"`y` must have shape \(2,\) for each sample; got \(1,\)"):
            mixed_predictions(denoiser, z, log_snr, jnp.ones((3, 1)), 1, None)


def test_integers_and_half_precision_are_the_numbers_that_they_hold():
    whole = jnp.asarray([2.0, -1.0])
    expected = EXACT(Z, LAMBDA, whole)
    for y in (whole.astype(int), whole.astype(jnp.bfloat16), np.asarray(whole, np.float16), np.asarray([2, -1])):
        np.testing.assert_array_equal(EXACT(Z, LAMBDA, y), expected)
    for label in (5, np.int64(5), np.uint8(5), jnp.asarray(5, jnp.int16)):
        np.testing.assert_array_equal(MIXTURE(Z, LAMBDA, label), MIXTURE(Z, LAMBDA, jnp.asarray(5)))


KNOWN = {
    "itself": (MIXTURE, [3, 5], [3, 4]),
    "points": (POINTS, [3, 5], [3, 4]),
    "a network": (LABELS["neural"], [0, 5], [1, 6]),
    "inside": (ex.Guided(ex.Clipped(MIXTURE, -1.0, 1.0), 1.0), [5, 5], [0, 5]),
    "a part": (ex.Given(MIXTURE, lambda y: y + 3), [0, 2], [3, 5]),
    "parts": (ex.Composed(MIXTURE, [lambda y: y, lambda y: 8 - y], [0.0, 0.0]), [3, 5], [5, 6]),
}


@pytest.mark.parametrize("name", KNOWN)
def test_labels_are_those_that_the_denoiser_sees(name):
    denoiser, right, wrong = KNOWN[name]
    check_labels(denoiser, jnp.asarray(right), "y")
    with pytest.raises(ValueError, match="`y` must hold the labels .* that the model has; got labels from"):
        check_labels(denoiser, jnp.asarray(wrong), "y")
    jax.jit(lambda y: check_labels(denoiser, y, "y"))(jnp.asarray(wrong))


def test_a_condition_that_is_left_out_may_be_any():
    for denoiser in (ex.Unconditional(MIXTURE), ex.Conditioned(MIXTURE, 3), ex.Product(MIXTURE), EXACT):
        check_labels(denoiser, jnp.asarray([0, 1]), "y")
    check_labels(MIXTURE, None, "y")
    with pytest.raises(ValueError, match="got labels from 4 to 4"):
        check_labels(ex.Conditioned(MIXTURE, 4), None, "y")


def test_labels_that_count_from_one_are_told_so():
    model = ex.GaussianMixture(np.ones(4) / 4, np.zeros((4, 1)), np.ones((4, 1, 1)))
    with pytest.raises(ValueError, match=r"labels 0 to 3 .* from 1 to 4, among them 4.* count from 1: pass `y - 1`"):
        check_labels(model, np.array([1, 2, 3, 4]), "y")
    with pytest.raises(ValueError, match="`column` must hold the labels 0 to 1 that the model has; got .* from 0 to 2"):
        ex.LearnedProduct(ex.GaussianMixture(np.array([0.5, 0.5]), np.zeros((2, 1)), np.ones((2, 1, 1))))(
            jnp.zeros(3), LAMBDA
        )
