"""The schedule that entropy asks for: β(s) under which neural entropy is produced at a constant rate.

    just run schedule

Between the same two noise levels all schedules produce the same entropy S. Of them the one of constant rate, and no
other, has the least ∫(dS/ds)² ds, S²/T (Cauchy and Schwarz). Here this integral is carried along simulated forward
paths, and the knots of β are fitted to it by gradients through the solve, from the paper's linear β on, for the X of
the joint Gaussian of seed 10 and its exact denoiser. Before and after: the rate along s, which is known; the spread of
the estimate of S_NN whose times are uniform in s, as the papers' are; and the error of samplers with equal steps of s,
exact since their samples are Gaussian.

Three minutes on two cores. Expected: the integral from 2.9 times its least value to 1.04 times, and the spread of an
evaluation from 1.6 to 0.5 of S. Samplers gain where errors are counted in nats and steps are many: KL by Euler's method
in 64 steps from 0.019 to 0.002. Heun's method loses, and so do Wasserstein distances, which care for the wide
directions of the data, which noise hides last and of which entropy knows little.
"""

import dataclasses
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax

import entropax as ex
from runs._gaussian import PROCESS
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is fitted.

    **Arguments:**

    - `dim_x`, `dim_y`, `problem_seed`: of the joint Gaussian, whose X it is.
    - `knots`: of β.
    - `steps`, `learning_rate`, `batch_size`: of the fit.
    - `solve_steps`: of each path.
    - `s_min`: where paths begin.
    - `evaluations`: of the estimate's variance.
    - `sampler_steps`: how many steps samplers take.
    """

    seed: int = 0
    dim_x: int = 25
    dim_y: int = 15
    problem_seed: int = 10
    knots: int = 17
    steps: int = 400
    learning_rate: float = 0.05
    batch_size: int = 256
    solve_steps: int = 100
    s_min: float = 1e-4
    evaluations: int = 200_000
    sampler_steps: tuple[int, ...] = (8, 16, 32, 64, 128)


PRESETS = {
    "smoke": Config(dim_x=5, dim_y=3, steps=20, batch_size=64, evaluations=5_000, sampler_steps=(8, 16)),
    "default": Config(),
    "paper": Config(steps=2_000, knots=33),
}

# The most and the least noise of samplers.
HIGHEST = 9.0


class SquaredRate(eqx.Module):
    """(dS/ds)² for a batch, without the bias that the square of a mean has: the product of the means of its halves."""

    rate: ex.solve.EntropyRate

    def __call__(self, t, x, args):
        rates = self.rate(t, x, args)
        half = rates.shape[0] // 2
        return jnp.full_like(rates, jnp.mean(rates[:half]) * jnp.mean(rates[half:]))


def squared_production(process: ex.AbstractProcess, denoiser: ex.AbstractDenoiser, x, times, *, key) -> jax.Array:
    """∫(dS/ds)² ds, along forward paths from a batch of data."""
    start_key, path_key = jr.split(key)
    start = process.mean_factor(times[0]) * x + process.std(times[0]) * jr.normal(start_key, x.shape)
    path = ex.terms.GridBrownianPath(times, path_key, x.shape)
    rate = SquaredRate(ex.solve.EntropyRate(process, denoiser))
    out = dfx.diffeqsolve(
        ex.terms.accumulate(ex.terms.forward(process, path), rate),
        dfx.ShARK(),
        times[0],
        times[-1],
        None,
        ex.terms.PathState.start(start),
        stepsize_controller=dfx.StepTo(times),
        max_steps=times.size - 1,
    )
    assert out.ys is not None
    return out.ys.total[0, 0]


def clock(config: Config, steps: int) -> jax.Array:
    """Times that are closer where most may happen, at the least noise."""
    return config.s_min + (PROCESS.T - config.s_min) * jnp.linspace(0.0, 1.0, steps + 1) ** 2


def fit(problem: ex.data.JointGaussian, config: Config) -> tuple[ex.ScheduledVariancePreserving, np.ndarray]:
    """The knots, from those of the linear β on, and the integral along the way."""
    denoiser = ex.Unconditional(problem.denoiser())
    times = clock(config, config.solve_steps)
    optimiser = optax.adam(optax.cosine_decay_schedule(config.learning_rate, config.steps))
    knots = jnp.linspace(PROCESS.beta_min, PROCESS.beta_max, config.knots)
    process = ex.ScheduledVariancePreserving(log_rates=jnp.log(knots))
    x, _ = problem.sample(jr.key(config.seed), 64 * config.batch_size)

    @jax.jit
    def step(log_rates, state, key):
        row_key, path_key = jr.split(key)
        rows = jr.randint(row_key, (config.batch_size,), 0, len(x))

        def loss(log_rates):
            own = dataclasses.replace(process, log_rates=log_rates)
            return squared_production(own, denoiser, x[rows], times, key=path_key)

        value, slope = jax.value_and_grad(loss)(log_rates)
        # Optax raises floats to an integer count, which strict promotion refuses.
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimiser.update(slope, state)
        return optax.apply_updates(log_rates, updates), state, value

    log_rates, losses = process.log_rates, []
    state = optimiser.init(log_rates)
    for key in jr.split(jr.key(config.seed + 1), config.steps):
        log_rates, state, value = step(log_rates, state, key)
        losses.append(value)
    return dataclasses.replace(process, log_rates=log_rates), np.asarray(jax.device_get(losses))


def rate(problem: ex.data.JointGaussian, process: ex.AbstractProcess, s: np.ndarray) -> np.ndarray:
    """dS/ds, exact."""
    times = jnp.asarray(s, jnp.float32)
    log_snr, speed = (np.asarray(jax.vmap(f)(times), np.float64) for f in (process.log_snr, process.log_snr_rate))
    return -speed * problem.total_entropy_rate(log_snr)


def spread(problem, process: ex.AbstractProcess, config: Config, *, key) -> float:
    """The standard deviation of one evaluation of S_NN at a time that is uniform in s, over its mean."""
    time_key, data_key, noise_key = jr.split(key, 3)
    s = jr.uniform(time_key, (config.evaluations,), minval=config.s_min, maxval=process.T)
    x, _ = problem.sample(data_key, config.evaluations)
    eps = jr.normal(noise_key, x.shape)
    gap = ex.Gap(ex.Unconditional(problem.denoiser()), ex.Equilibrium())

    @jax.jit
    @jax.vmap
    def one(s, x, eps):
        log_snr = process.log_snr(s)
        z = ex.diffuse(x, log_snr, eps)
        found = gap.rate(tuple(denoiser(z, log_snr, None) for denoiser in gap.denoisers), log_snr, eps)
        return -process.log_snr_rate(s) * found

    values = np.asarray(one(s, x, eps), np.float64)
    return float(values.std() / values.mean())


def sampled(problem, process: ex.AbstractProcess, solver, steps: int) -> np.ndarray:
    """What a sampler makes of the axes, on the process's own clock, where the probability flow is the entropy field and
    nothing else: with an exact denoiser a sampler is this linear map."""
    sampler = ex.Sampler(
        solver=solver,
        steps=steps,
        grid=ex.solve.UniformTime(),
        clock=process,
        log_snr_range=(float(process.log_snr(jnp.asarray(process.T))), HIGHEST),
    )
    columns = ex.decode(process, ex.Unconditional(problem.denoiser()), jnp.eye(problem.dim_x), sampler=sampler).x
    return np.asarray(columns, np.float64).T


def errors(covariance: np.ndarray, drawn: np.ndarray) -> dict[str, float]:
    """Of the map that samples are drawn by, against the data's covariance: KL(data ‖ samples), and the squared
    Wasserstein distance over the variance of the data."""
    pair = np.zeros(len(covariance)), covariance, np.zeros(len(covariance)), drawn @ drawn.T
    return {"KL": ex.distance.gaussian_kl(*pair), "W2": ex.distance.gaussian_w2(*pair) ** 2 / np.trace(covariance)}


def run(config: Config, record: Record) -> dict[str, Any]:
    problem = ex.data.JointGaussian.random(
        jr.key(config.problem_seed), dim_x=config.dim_x, dim_y=config.dim_y, noise_std=1.0
    )
    with record.stage("fit"):
        fitted, losses = fit(problem, config)
    schedules = {
        "linear": PROCESS,
        "fitted": fitted,
    }
    s = np.asarray(clock(config, 2_000), np.float64)
    arrays, metrics = {"s": s, "losses": losses, "log_rates": np.asarray(fitted.log_rates)}, {}
    for name, process in schedules.items():
        produced = rate(problem, process, s)
        total = np.trapezoid(produced, s)
        span = s[-1] - s[0]
        arrays[f"rate, {name}"] = produced
        arrays[f"beta, {name}"] = np.asarray(-2 * jax.vmap(process.drift_rate)(jnp.asarray(s, jnp.float32)))
        metrics[name] = {
            "entropy": float(total),
            # One where the rate is constant.
            "over_the_least": float(np.trapezoid(produced**2, s) * span / total**2),
            "spread_of_one_evaluation": spread(problem, process, config, key=jr.key(config.seed + 2)),
        }
        for solver, calls in ((dfx.Euler(), 1), (dfx.Heun(), 2)):
            drawn = [sampled(problem, process, solver, num // calls) for num in config.sampler_steps]
            found = [errors(problem.cov_x, one) for one in drawn]
            for measure in found[0]:
                label = f"{measure}, {type(solver).__name__}"
                arrays[f"{label}, {name}"] = np.array([one[measure] for one in found])
                metrics[name][label] = dict(zip(map(str, config.sampler_steps), arrays[f"{label}, {name}"]))
    record.save(sampler_steps=np.array(config.sampler_steps), **arrays)
    return metrics


if __name__ == "__main__":
    main(PRESETS, run)
