"""What samplers, grids and guidance refuse, and what they say."""

import diffrax as dfx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import entropax as ex


PROCESS = ex.VariancePreserving()
DENOISER = ex.Equilibrium()
ADAPTIVE = dfx.PIDController(rtol=1e-3, atol=1e-3)
SAMPLERS = {
    "SDE solver without churn": (dict(solver=dfx.ShARK()), "`solver` ShARK is for SDEs and `churn` is 0: give"),
    "ODE solver with churn": (dict(solver=dfx.Tsit5(), churn=1.0), "`solver` Tsit5 is for ODEs and `churn` is 1.0"),
    "multistep ODE solver with churn": (dict(churn=0.5), "`solver` DPMSolverPlusPlus is for ODEs"),
    "adaptive multistep": (dict(controller=ADAPTIVE), "`solver` DPMSolverPlusPlus is a multistep one .* leave"),
    "adaptive Euler": (
        dict(solver=dfx.Euler(), controller=ADAPTIVE),
        "`solver` Euler has no error estimate .* leave it",
    ),
    "multistep in another clock": (dict(clock=ex.LogSNR()), "is for the clock of the noise-to-signal ratio; got"),
    "no steps": (dict(steps=0), "`steps` must be a whole number, at least 1; got 0"),
    "negative churn": (dict(solver=dfx.ShARK(), churn=-1.0), "`churn` must be finite and not negative; got -1.0"),
    "two ODE terms": (dict(solver=dfx.KenCarp3()), "`solver` KenCarp3 is for a sum of two ODE terms"),
}


@pytest.mark.parametrize("settings, message", SAMPLERS.values(), ids=SAMPLERS)
def test_parts_that_do_not_fit(settings, message):
    with pytest.raises(ValueError, match=message):
        ex.Sampler(**settings)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: ex.solve.Nodes(np.array([-5.0, 1.0, 1.0, 5.0])), "increase strictly.*1 at index 1 and 1 at index 2"),
        (lambda: ex.solve.Nodes(np.array([-5.0, np.nan, 5.0])), "must be finite; got nan at index 1"),
        (lambda: ex.solve.Nodes(np.array([1.0])), "two nodes or more"),
        (lambda: ex.solve.Karras(0.0), "`rho` must be positive and finite; got 0.0"),
        (lambda: ex.solve.DPMSolverPlusPlus(4), "`steps` must be 1 to 3, a whole number; got 4"),
        (lambda: ex.solve.AdamsBashforth(0), "`steps` must be 1 to 4, a whole number; got 0"),
        (lambda: ex.solve.UniPC(0), "`steps` must be 1 to 3, a whole number; got 0"),
        (lambda: ex.solve.SDEDPMSolverPlusPlus(3), "`steps` must be 1 to 2, a whole number; got 3"),
        (lambda: ex.solve.evaluations(dfx.Kvaerno3()), "Kvaerno3 is implicit"),
        (lambda: ex.Guided(DENOISER, np.inf), "`weight` must be finite; got inf"),
    ],
)
def test_parts_that_are_wrong_in_themselves(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def draw(denoiser, y=None, process=PROCESS, **settings):
    return ex.sample(process, denoiser, (4, 2), y, key=jr.key(0), sampler=ex.Sampler(steps=2, **settings))


def network(condition):
    net = ex.nn.MLP(2, condition, (-9.0, 9.0), depth=1, key=jr.key(1))
    parts = ex.entropy_matching()
    return ex.Neural(net, parts.baseline, parts.scale, ex.Whitening.fit(jr.normal(jr.key(0), (64, 2))), (-9.0, 9.0))


class Narrow(ex.AbstractDenoiser):
    """Trusted on a few noise levels only."""

    @property
    def log_snr_range(self):
        return -5.0, 5.0

    def __call__(self, z, log_snr, y=None):
        return z


def test_ranges():
    with pytest.raises(ValueError, match=r"runs from λ = -8.000 to 5.000, .* trusted on \(-5.000, 5.000\)"):
        draw(Narrow(), log_snr_range=(-8.0, 5.0))
    with pytest.raises(ValueError, match=r"`log_snr_range` must be two finite numbers that increase; got \(3.0, 1.0\)"):
        draw(DENOISER, log_snr_range=(3.0, 1.0))
    with pytest.raises(ValueError, match="`clock` NoiseRatio reaches from -4.6"):
        draw(DENOISER, clock=ex.NoiseRatio(T=10.0))


def test_conditions():
    model = network(ex.nn.LabelCondition(3, 8, key=jr.key(2)))
    with pytest.raises(ValueError, match="`y` must hold as many samples as `x`, 4; got shape"):
        draw(model, jnp.zeros(3, jnp.int32))
    with pytest.raises(ValueError, match="`y` must hold the labels 0 to 2 .* from 0 to 7"):
        draw(model, jnp.array([0, 1, 2, 7]))
    with pytest.raises(ValueError, match="`y` must be given to guide by; got None"):
        draw(ex.Guided(model, 1.0))
    vectors = network(ex.nn.VectorCondition(jr.normal(jr.key(2), (64, 3)), 8, key=jr.key(3)))
    with pytest.raises(ValueError, match=r"`y` must have shape \(3,\) for each sample; got \(2,\)"):
        draw(vectors, jnp.zeros((4, 2)))
    exact = ex.data.JointGaussian.random(jr.key(4), dim_x=2, dim_y=3, noise_std=1.0).denoiser()
    with pytest.raises(ValueError, match=r"`y` must have shape \(3,\) for each sample; got \(2,\)"):
        draw(exact, jnp.zeros((4, 2)))


def test_guidance_without_a_null_condition():
    class AlwaysGiven(ex.AbstractDenoiser):
        @property
        def log_snr_range(self):
            return -9.0, 9.0

        def __call__(self, z, log_snr, y=None):
            assert y is not None
            return z * y

    with pytest.raises(ValueError, match="makes no prediction without a condition.* give Guided a `reference=`"):
        draw(ex.Guided(AlwaysGiven(), 1.0), jnp.ones((4, 2)))


def test_noise_needs_a_key_and_cannot_be_encoded():
    sampler = ex.Sampler(dfx.ShARK(), steps=2, churn=1.0)
    with pytest.raises(ValueError, match="`key` is needed for a sampler with churn"):
        ex.decode(PROCESS, DENOISER, jnp.zeros((2, 2)), sampler=sampler)
    with pytest.raises(ValueError, match="`sampler` must have no churn to encode with"):
        ex.encode(PROCESS, DENOISER, jnp.zeros((2, 2)), sampler=sampler)
    with pytest.raises(ValueError, match="must have a fixed grid for a trajectory"):
        ex.trajectory(PROCESS, DENOISER, jnp.zeros((2, 2)), sampler=ex.Sampler(dfx.Tsit5(), controller=ADAPTIVE))


def test_samples_that_leave_all_bounds():
    class Explosive(Narrow):
        def __call__(self, z, log_snr, y=None):
            return -1e30 * z

    with pytest.raises(
        RuntimeError, match="4 samples, the first at index 0, became infinite or NaN under DPMSolverPlusPlus in 2 steps"
    ):
        draw(Explosive())
