"""Solves that would go wrong say so: steps off the grid, decreasing time, Lévy areas that the path lacks."""

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import entropax as ex


TS = jnp.linspace(0.0, 1.0, 9)
SRK = (dfx.SEA(), dfx.SRA1(), dfx.ShARK(), dfx.GeneralShARK(), dfx.SlowRK(), dfx.SPaRK())
of_name = lambda solver: type(solver).__name__


def _grid(key, levy_area: type = dfx.SpaceTimeLevyArea):
    return ex.terms.GridBrownianPath(TS, key, (2,), levy_area)


def _tree(key, levy_area: type = dfx.SpaceTimeLevyArea):
    return dfx.VirtualBrownianTree(0.0, 1.0, 1e-2, (2,), key, levy_area)


class _Decay(eqx.Module):
    rate: Array

    def __call__(self, t, x, y):
        return -self.rate * x


def _terms(path, rate=jnp.ones(2)):
    noise = ex.terms.IsotropicNoise(lambda t: jnp.ones_like(t), path)
    return dfx.MultiTerm(dfx.ODETerm(_Decay(rate)), noise)


@eqx.filter_jit
def _solve(terms, solver, t0, t1, dt0=None, controller: dfx.AbstractStepSizeController = dfx.ConstantStepSize()):
    out = dfx.diffeqsolve(terms, solver, t0, t1, dt0, jnp.zeros(2), stepsize_controller=controller, max_steps=64)
    assert out.ys is not None
    return out.ys[0]


@pytest.mark.parametrize(
    "ts, pair",
    [
        ([1.0, 0.5, 0.0], r"ts\[0\] = 1.0, ts\[1\] = 0.5"),
        ([0.0, 0.5, 0.25, 0.5], r"ts\[1\] = 0.5, ts\[2\] = 0.25"),
        ([0.0, 0.5, 0.5], r"ts\[1\] = 0.5, ts\[2\] = 0.5"),
        ([0.0, float("nan"), 0.5], r"ts\[0\] = 0.0, ts\[1\] = nan"),
    ],
)
def test_times_that_do_not_increase(ts, pair, getkey):
    with pytest.raises(ValueError, match=rf"`ts` must increase; got {pair}.*t = T − s"):
        ex.terms.GridBrownianPath(jnp.asarray(ts), getkey(), ())
    # Traced ones are not known.
    traced = jax.jit(lambda ts: ex.terms.GridBrownianPath(ts, jax.random.key(0), ()).t1)
    assert float(traced(jnp.asarray(ts))) == ts[-1]


def test_other_arguments_of_a_path(getkey):
    with pytest.raises(ValueError, match="increments only"):
        _grid(getkey()).evaluate(0.25)
    with pytest.raises(ValueError, match=r"`ts` must hold at least two times.*\(1,\)"):
        ex.terms.GridBrownianPath(jnp.zeros(1), getkey(), (2,))
    with pytest.raises(ValueError, match="`levy_area` must be .* got SpaceTimeTimeLevyArea"):
        _grid(getkey(), dfx.SpaceTimeTimeLevyArea)


@pytest.mark.parametrize("cell", [(0.0, 0.25), (0.1, 0.2), (0.0, 0.0625)], ids=["two", "beside", "half"])
def test_an_increment_over_anything_but_a_cell(cell, getkey):
    assert bool(jnp.all(jnp.isfinite(_grid(getkey()).evaluate(0.25, 0.375))))
    with pytest.raises(RuntimeError, match="not a cell of the grid"):
        _grid(getkey()).evaluate(*cell)


def test_steps_that_are_not_the_cells(getkey):
    message = r"not a cell of the grid `ts` of its `GridBrownianPath`.*`t0=ts\[0\]`.*controller=diffrax.StepTo"
    with pytest.raises(RuntimeError, match=message):
        _solve(_terms(_grid(getkey())), dfx.ShARK(), 0.0, 1.0, 0.1)

    # In a batch of solves on the way to their gradients.
    @eqx.filter_jit
    @eqx.filter_vmap(in_axes=(None, 0, None))
    @eqx.filter_grad
    def sensitivity(rate, key, dt0):
        return jnp.sum(_solve(_terms(_grid(key), rate), dfx.Euler(), 0.0, 1.0, dt0))

    keys = jax.random.split(getkey(), 2)
    with pytest.raises(RuntimeError, match=message):
        sensitivity(jnp.ones(2), keys, jnp.asarray(0.1))
    assert bool(jnp.all(jnp.abs(sensitivity(jnp.ones(2), keys, jnp.asarray(0.125))) > 0))


def test_adaptive_steps_on_a_grid(getkey):
    with pytest.raises(RuntimeError, match="adaptive steps, give the terms a `diffrax.VirtualBrownianTree`"):
        _solve(_terms(_grid(getkey())), dfx.SPaRK(), 0.0, 1.0, 0.1, dfx.PIDController(1e-2, 1e-2))


@pytest.mark.parametrize("path, solver", [(_grid, dfx.ShARK()), (_grid, dfx.SPaRK()), (_tree, dfx.SEA())])
def test_stochastic_runge_kutta_in_decreasing_time(path, solver, getkey):
    # Diffrax 0.7.2 returns another law there (#598), on the cells of the grid too.
    with pytest.raises(RuntimeError, match="from `t0` to a smaller `t1`, and .* they go wrong.*t = T − s"):
        _solve(_terms(path(getkey())), solver, 1.0, 0.0, -0.125)


def test_times_of_the_solve_that_are_not_those_of_the_grid(getkey):
    # Diffrax's own words name the argument.
    with pytest.raises(RuntimeError, match=r"`StepTo\(ts=...\)` must be strictly increasing .*t0 > t1"):
        _solve(_terms(_grid(getkey())), dfx.Euler(), 1.0, 0.0, None, dfx.StepTo(TS))
    with pytest.raises(RuntimeError, match=r"Must have `t0==ts\[0\]` and `t1==ts\[-1\]`"):
        _solve(_terms(_grid(getkey())), dfx.Euler(), 0.0, 0.5, None, dfx.StepTo(TS))


@pytest.mark.parametrize("path", [_grid, _tree], ids=["grid", "tree"])
@pytest.mark.parametrize("solver", SRK, ids=of_name)
def test_a_levy_area_that_the_path_lacks(solver, path, getkey):
    terms = _terms(path(getkey(), dfx.BrownianIncrement))
    name = type(terms.terms[1].path).__name__
    message = rf"{of_name(solver)}.*{name} has `levy_area` = BrownianIncrement, .* give it `levy_area=diffrax.SpaceTime"
    with pytest.raises(ValueError, match=message):
        _solve(terms, solver, 0.0, 1.0, 0.125)


def test_milstein_solvers_need_no_area(getkey):
    # And are Euler's where the noise does not depend on the state.
    terms = _terms(_grid(getkey(), dfx.BrownianIncrement))
    ends = [_solve(terms, s, 0.0, 1.0, 0.125) for s in (dfx.Euler(), dfx.ItoMilstein(), dfx.StratonovichMilstein())]
    np.testing.assert_allclose(ends[1:], [ends[0]] * 2, rtol=1e-5)


@pytest.mark.parametrize("solver", [dfx.ALIGN(0.1), dfx.QUICSORT(0.1), dfx.ShOULD(0.1)], ids=of_name)
def test_solvers_for_langevin_dynamics(solver, getkey):
    # Diffrax's own words: what it got, and which terms it expected.
    with pytest.raises(ValueError, match=r"(?s)IsotropicNoise\(.*expected.*UnderdampedLangevin"):
        _solve(_terms(_grid(getkey())), solver, 0.0, 1.0, 0.125)
    if isinstance(solver, dfx.ALIGN):
        return
    # On their own terms they want a higher area than a grid has, which it says when it is made, and they when run.
    langevin = dfx.MultiTerm(
        dfx.UnderdampedLangevinDriftTerm(1.0, 1.0, lambda x, args: x),
        dfx.UnderdampedLangevinDiffusionTerm(1.0, 1.0, _grid(getkey())),
    )
    with pytest.raises(ValueError, match="must have `levy_area=AbstractSpaceTimeTimeLevyArea`"):
        dfx.diffeqsolve(langevin, solver, 0.0, 1.0, 0.125, (jnp.zeros(2), jnp.zeros(2)))


LAW = ex.Gaussian(np.zeros(2), np.eye(2))
FROM_DATA = r"score was asked for at the forward time s = 0.*s_min.*t = T − s_min"


def _run(terms, solver, dt0=0.25, **settings):
    return dfx.diffeqsolve(terms, solver, 0.0, 1.0, dt0, jnp.ones((4, 2)), **settings)


@pytest.mark.parametrize("process", [ex.VariancePreserving(), ex.NoiseRatio(T=1.0), ex.StraightLine(T=0.999)])
def test_a_score_of_data_without_noise(process, getkey):
    with pytest.raises(RuntimeError, match=FROM_DATA):
        _run(
            ex.terms.probability_flow(process, LAW),
            dfx.Tsit5(),
            stepsize_controller=dfx.PIDController(1e-4, 1e-4),
            max_steps=16,
        )
    if process.T < 1:
        return
    backwards = ex.terms.TimeReversed(ex.terms.ProbabilityFlow(process, LAW), process.T)
    with pytest.raises(RuntimeError, match=FROM_DATA):
        _run(dfx.ODETerm(backwards), dfx.Heun())
    path = ex.terms.GridBrownianPath(jnp.linspace(0.0, 1.0, 5), getkey(), (4, 2))
    with pytest.raises(RuntimeError, match=FROM_DATA):
        _run(ex.terms.reverse(process, LAW, path), dfx.Heun())
