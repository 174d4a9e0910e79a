"""What the Gaussian runs share: fit one network to a joint Gaussian, measure it by every method, beside the truth."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs._record import Record


# The paper's process (App. E): β from 0.1 to 16, T = 1.
PROCESS = ex.VariancePreserving(beta_min=0.1, beta_max=16.0)

# Axes on which exact curves are drawn.
_FINE_LOG_SNR = np.linspace(-10.0, 22.0, 321)


def measure(
    problem: ex.data.JointGaussian, config, record: Record, parameterisation: ex.Parameterisation | None = None
) -> dict:
    """Trains with and without y at once, measures on fresh samples, both over all devices of all processes, and saves
    the rates along λ.

    **Returns:** metrics: each estimate with its error, the exact values, and the errors relative to them.
    """
    data_key, fit_key, sample_key, node_key = jr.split(jr.key(config.seed + 1), 4)
    # One device has no need of a mesh, on which chunks are rounded up, and so other noise is drawn.
    mesh = ex.parallel.make_mesh() if jax.device_count() > 1 else None
    x, y = problem.sample(data_key, config.train_samples)
    with record.stage("train"):
        training = ex.fit_with_history(
            x,
            y,
            key=fit_key,
            parameterisation=parameterisation,
            settings=ex.Settings(steps=config.steps),
            checkpoints=ex.Checkpoints(record.directory / "checkpoints", record.plain_config),
            mesh=mesh,
        )
        jax.block_until_ready(jax.tree.leaves(training.denoiser))

    model = training.denoiser
    x, y = problem.sample(sample_key, config.samples)
    with record.stage("estimate"):
        estimates = ex.integrate(
            {
                **ex.unconditional_rates(model, problem.marginals()),
                **ex.conditional_rates(model),
                "total_entropy": ex.LossGap(ex.Equilibrium(), ex.Unconditional(model)),
            },
            x,
            y,
            key=node_key,
            integrator=ex.Integrator(nodes=ex.Stratified(config.nodes), mesh=mesh),
        )
        jax.block_until_ready(estimates["loss_gap"].value)

    information = problem.mutual_information
    exact = {
        "neural_entropy": problem.total_entropy(),
        "conditional_entropy": problem.conditional_entropy(),
        "total_entropy": problem.total_entropy(),
        "total_correlation": problem.total_correlation,
        "orthogonal": information,
        "entropy_difference": information,
        "loss_gap": information,
    }
    arrays = {"steps": training.history.step, "loss": training.history.loss, "held_out": training.history.held_out}
    for name in ("neural_entropy", "conditional_entropy", "orthogonal", "loss_gap"):
        profile = estimates[name].profile
        assert profile is not None
        arrays |= {"log_snr": profile.log_snr, f"{name}_rate": profile.rate, f"{name}_stderr": profile.stderr}
    arrays["exact_log_snr"] = _FINE_LOG_SNR
    arrays["exact_neural_entropy_rate"] = np.asarray(problem.total_entropy_rate(_FINE_LOG_SNR))
    arrays["exact_conditional_entropy_rate"] = np.asarray(problem.conditional_entropy_rate(_FINE_LOG_SNR))
    arrays["exact_mutual_information_rate"] = np.asarray(problem.mutual_information_rate(_FINE_LOG_SNR))
    record.save(**arrays)
    return {
        "estimates": estimates,
        "exact": exact,
        "relative_error": {name: float(e.value) / exact[name] - 1 for name, e in estimates.items()},
        "effective_radius_squared": float(np.exp(np.linalg.slogdet(problem.cov_x)[1] / problem.dim_x)),
        "log_snr_range": list(model.log_snr_range),
    }


def in_time(log_snr, rate) -> tuple[np.ndarray, np.ndarray]:
    """Times of the paper's process, increasing, and a rate per unit of them from one per unit of λ."""
    inside = log_snr >= float(PROCESS.log_snr(jnp.asarray(PROCESS.T)))
    s = jax.vmap(PROCESS.time)(jnp.asarray(log_snr[inside], jnp.float32))
    speed = -jax.vmap(PROCESS.log_snr_rate)(s)
    return np.asarray(s)[::-1], (np.asarray(speed) * rate[inside])[::-1]
