"""What `entropax.solve` cannot do, it says: which argument, what was found and what was wanted."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


VP = ex.VariancePreserving()
LAW = ex.Gaussian(np.zeros(2), np.eye(2))
ALONG_PATHS = (ex.solve.entropy_production, ex.solve.information_injected, ex.solve.path_nll)
OF_A_CONTROL = (ex.solve.nll_bound, ex.solve.denoising_bound)
by_name = lambda function: function.__name__


def _samples(key):
    return jr.normal(key, (4, 2))


class _Short(ex.AbstractDenoiser):
    """Returns less than it was given."""

    @property
    def log_snr_range(self):
        return -9.0, 9.0

    def __call__(self, z, log_snr, y=None):
        return z[:1]


@pytest.mark.parametrize("function", [*ALONG_PATHS, ex.log_density], ids=by_name)
def test_a_denoiser_of_another_shape(function, getkey):
    # One that is broadcast would give a number.
    with pytest.raises(ValueError, match=r"`denoiser` must return the shape of its input, \(2,\); it returns \(1,\)"):
        function(VP, _Short(), _samples(getkey()), key=getkey())


@pytest.mark.parametrize("bound", OF_A_CONTROL, ids=by_name)
def test_a_control_of_another_shape(bound, getkey):
    with pytest.raises(
        ValueError, match=r"`control` must return the shape of its input, \(4, 2\); it returns \(4, 1\)"
    ):
        bound(VP, lambda s, x, y: x[:, :1], _samples(getkey()), key=getkey())


@pytest.mark.parametrize("function", [*ALONG_PATHS, *OF_A_CONTROL, ex.log_density], ids=by_name)
def test_samples_that_are_not_finite_and_conditions_that_do_not_match(function, getkey):
    model = ex.solve.OptimalControl(VP, LAW) if function in OF_A_CONTROL else LAW
    with pytest.raises(ValueError, match="`x` must be finite"):
        function(VP, model, _samples(getkey()).at[1, 0].set(jnp.nan), key=getkey())
    with pytest.raises(ValueError, match=r"`y` must hold as many samples as `x`, 4; got shape \(3, 1\)"):
        function(VP, model, _samples(getkey()), jnp.zeros((3, 1)), key=getkey())


@pytest.mark.parametrize("function", [ex.solve.entropy_production, ex.solve.information_injected], ids=by_name)
def test_entropy_of_a_process_without_an_equilibrium(function, getkey):
    with pytest.raises(ValueError, match="VarianceExploding has no equilibrium"):
        function(ex.VarianceExploding(), LAW, _samples(getkey()), key=getkey())


@pytest.mark.parametrize("times", [(0.5, 0.4), (0.5, 0.5), (2.0, None), (0.0, 0.5), (0.1, 1.5)])
def test_times_out_of_order(times):
    with pytest.raises(ValueError, match=r"`s_min`, `s_max` must satisfy 0 < s_min < s_max <= T = 1.0; got "):
        ex.solve.uniform_in_log_snr(VP, 8, *times)


def test_a_time_that_is_no_number():
    with pytest.raises(ValueError, match="`s_min` must be finite; got nan"):
        ex.solve.uniform_in_log_snr(VP, 8, float("nan"), 0.5)


def test_what_is_traced_is_not_asked():
    # Of times out of order, what is known still is.
    grid = jax.jit(lambda process, s_max: ex.solve.uniform_in_log_snr(process, 4, 0.1, s_max))
    np.testing.assert_allclose(grid(VP, jnp.asarray(0.5)), ex.solve.uniform_in_log_snr(VP, 4, 0.1, 0.5), rtol=1e-6)
    with pytest.raises(ValueError, match=r"`s_min`, `s_max` must satisfy"):
        jax.jit(lambda process: ex.solve.uniform_in_log_snr(process, 4, 0.5, 0.4))(VP)


def test_grids_on_which_no_path_can_be_drawn(getkey):
    draw = lambda paths: ex.solve.information_injected(VP, LAW, _samples(getkey()), key=getkey(), paths=paths)
    with pytest.raises(ValueError, match=r"`s_min`, `s_max` must satisfy 0 < s_min < s_max"):
        draw(ex.solve.Paths(s_min=2.0))
    # More steps than float32 can tell apart.
    with pytest.raises(ValueError, match=r"`ts` must increase; got ts\[\d+\] = .*fewer steps, or a later `s_min`"):
        draw(ex.solve.Paths(steps=4096, s_min=1e-7))


def test_a_path_that_leaves_all_bounds(getkey):
    stiff, law = ex.solve.Paths(steps=3, s_min=1e-5, solver=dfx.Euler()), ex.Gaussian(np.zeros(2), 1e-12 * np.eye(2))
    with pytest.raises(
        RuntimeError, match="4 samples, .* became infinite or NaN along its path under Euler in 3 steps"
    ):
        with pytest.warns(ex.TruncationWarning, match="hides a direction"):
            ex.solve.information_injected(VP, law, 1e20 * _samples(getkey()), key=getkey(), paths=stiff)


def test_a_tolerance_that_is_not_met_and_a_key_that_is_missing(getkey):
    x = _samples(getkey())
    with pytest.raises(RuntimeError, match="did not meet `rtol` = 1e-06.*`max_steps` = 2"):
        ex.log_density(VP, ex.Gaussian(np.zeros(2), 0.01 * np.eye(2)), x, max_steps=2)
    with pytest.raises(ValueError, match="`key` is needed for a divergence that is random, Hutchinson"):
        ex.log_density(VP, LAW, x, divergence=ex.solve.Hutchinson())
