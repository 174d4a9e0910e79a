"""Digits: the variational bound beside the information-theoretic estimate, before and after fine-tuning.

    just run itd_digits

After the tables of "Information-theoretic diffusion". Two networks of noise matching are trained as DDPM (linear
schedule) and IDDPM (cosine schedule) are: the error of the noise, uniform in time, and so with little weight where the
noise is small. Each is measured on images that no part of the training saw, in bits a pixel: by the variational bound
of its thousand steps, and by I-MMSE; then it is fine-tuned on the objective that I-MMSE integrates, and measured again.
Once with dequantised images, whose density is measured (and reported as what it bounds, the code length of a bin), and
once with the 17 levels themselves, whose probability is.

Where the network errs more than the Gaussian of the training images, or than itself rounded to the levels, or than
what each pixel tells by itself, the best of them is asked: which one, the validation images say. The bound of that
denoiser is given too, so that the two reasons for a gap, the steps and the choice, are told apart.

About ten minutes on two cores. Expected: the information-theoretic estimate lies below the variational bound in every
row, and both fall with fine-tuning; 8 noise levels an image, placed by a pilot on the validation images, leave less
than 0.01 bits/dim of error beside that of the images' own number.
"""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """`steps` of training and `tuning` after it; `bound_steps` are those of the variational model, `nodes` an image
    those of I-MMSE, whose error is then measured over `repeats` with `few_nodes`."""

    seed: int = 0
    steps: int = 3_000
    tuning: int = 2_000
    bound_steps: int = 1_000
    nodes: int = 64
    few_nodes: tuple[int, ...] = (4, 8, 16, 24)
    repeats: int = 32


PRESETS = {
    "smoke": Config(steps=30, tuning=20, bound_steps=10, nodes=8, few_nodes=(4,), repeats=2),
    "default": Config(),
    "paper": Config(steps=10_000, tuning=5_000, bound_steps=4_000),
}

DIM, LEVELS = 64, 17
# The levels are the middles of the bins that `ex.data.digits` fills.
GRID = ex.Grid(1 / LEVELS - 1, 1 - 1 / LEVELS, LEVELS)
LOG_SNR_RANGE = (-10.0, 12.0)
PROCESSES = {"linear": ex.VariancePreserving(beta_max=20.0), "cosine": ex.Cosine()}
DATA = ("density", "discrete")


def split(seed: int, data: str) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Training, validation and test images."""
    x, _ = ex.data.digits(jr.key(seed))
    x = x if data == "density" else GRID.nearest(x)
    return x[:1257], x[1257:1437], x[1437:]


def train(config: Config, process, x, validation, key, record: Record, name: str) -> tuple[ex.Neural, ex.Neural]:
    """The network as DDPM trains it, and fine-tuned."""
    net_key, rows_key, fit_key, tune_key = jr.split(key, 4)
    checkpoints = [
        ex.Checkpoints(record.directory / "checkpoints" / f"{name}.{stage}", record.plain_config)
        for stage in ("trained", "tuned")
    ]
    settings = ex.Settings(
        steps=config.steps,
        batch_size=256,
        learning_rate=2e-3,
        weight_decay=0.3,
        averages=(0.995,),
        weighting=ex.Epsilon(process),
        chunk=max(10, min(100, config.steps // 10)),
    )
    # No `ex.fit`, which refuses levels that never vary: they have probabilities, and no density.
    parameterisation = ex.noise_matching()
    untrained = ex.Neural(
        net=ex.nn.MLP(DIM, ex.nn.NoCondition(256), LOG_SNR_RANGE, depth=4, key=net_key),
        baseline=parameterisation.baseline,
        scale=parameterisation.scale,
        normalise=ex.Standardising.fit(x),
        trained_range=LOG_SNR_RANGE,
    )
    rows = jr.permutation(rows_key, len(x))
    kept_back = len(x) // 10
    model = ex.train(
        untrained,
        x[rows[kept_back:]],
        held_out=(x[rows[:kept_back]], None),
        key=fit_key,
        settings=settings,
        checkpoints=checkpoints[0],
    ).denoiser
    tuning = dataclasses.replace(
        settings, steps=config.tuning, learning_rate=1e-3, weighting=ex.Likelihood(), chunk=max(10, config.tuning // 20)
    )
    tuned = ex.train(model, x, held_out=(validation, None), key=tune_key, settings=tuning, checkpoints=checkpoints[1])
    return model, tuned.denoiser


def members(model: ex.AbstractDenoiser, gaussian: ex.Gaussian, x, data: str) -> dict[str, ex.AbstractDenoiser]:
    """What the information-theoretic estimate may ask, at each noise level the best of them."""
    found: dict[str, ex.AbstractDenoiser] = {"network": model, "gaussian": gaussian}
    if data == "density":
        return found
    found |= {"rounded": ex.HardRounding(model, GRID), "soft": ex.SoftRounding(model, GRID)}
    # Each pixel by itself: all that counts where the noise is less than the levels are apart.
    return found | {"pixels": ex.GridPosterior.fit(x, GRID)}


def estimate(best: ex.Ensemble, gaussian: ex.Gaussian, x, data: str, *, key, nodes: ex.Stratified) -> ex.Estimate:
    """By I-MMSE, in bits a pixel."""
    integrator = ex.Integrator(nodes=nodes)
    if data == "density":
        found = ex.nll(best, x, key=key, baseline=gaussian, integrator=integrator)
        return ex.bits_per_dim(found, DIM, spacing=GRID.spacing)
    return ex.bits_per_dim(ex.discrete_nll(best, x, key=key, grid=GRID, integrator=integrator), DIM)


def bound(process: ex.AbstractProcess, model: ex.AbstractDenoiser, x, data: str, *, key, steps: int) -> ex.Estimate:
    """By the variational bound of a model of so many steps, uniform in time, in bits a pixel."""
    first, last = (process.time(jnp.asarray(log_snr)) for log_snr in (LOG_SNR_RANGE[1], LOG_SNR_RANGE[0]))
    times = jnp.maximum(jnp.linspace(0.0, 1.0, steps) * last, first)
    # One step past `first`, which is the least time: 1/steps of the whole, as DDPM has it.
    log_snr = jnp.clip(jax.vmap(process.log_snr)(times[1:]), *LOG_SNR_RANGE)
    decoder = ex.GaussianDecoder() if data == "density" else ex.GridDecoder(GRID)
    found = ex.variational_bound(model, x, key=key, log_snr=log_snr, decoder=decoder)
    return ex.bits_per_dim(found, DIM, spacing=GRID.spacing if data == "density" else 1.0)


def run(config: Config, record: Record) -> dict:
    table, curves, chosen, asks = {}, {}, {}, {}
    nodes = ex.Stratified(config.nodes)
    for data in DATA:
        x, validation, test = split(config.seed, data)
        # On the levels some pixels never vary: what their bins are wide keeps the covariance regular.
        cov = np.cov(np.asarray(x, np.float64), rowvar=False)
        cov += (data == "discrete") * GRID.spacing**2 / 12 * np.eye(DIM)
        gaussian = ex.Gaussian(np.mean(np.asarray(x, np.float64), 0), cov)
        for schedule, process in PROCESSES.items():
            keys = jr.split(jr.fold_in(jr.key(config.seed), len(table)), 5)
            with record.stage("train"):
                networks = train(config, process, x, validation, keys[0], record, f"{data}.{schedule}")
            for stage, model in zip(("trained", "tuned"), networks):
                name = f"{data}.{schedule}.{stage}"
                with record.stage("measure"):
                    asked = members(model, gaussian, x, data)
                    best = ex.Ensemble.fit(list(asked.values()), validation, key=keys[1])
                    found = {
                        "bound": bound(process, model, test, data, key=keys[2], steps=config.bound_steps),
                        "bound_of_best": bound(process, best, test, data, key=keys[2], steps=config.bound_steps),
                        "estimate": estimate(best, gaussian, test, data, key=keys[3], nodes=nodes),
                    }
                    losses = ex.integrate(
                        {member: ex.Loss(denoiser) for member, denoiser in asked.items()},
                        test,
                        key=keys[4],
                        integrator=ex.Integrator(nodes=nodes, log_snr_range=LOG_SNR_RANGE),
                    )
                table[name] = found
                for member, loss in losses.items():
                    curves[f"{name}.{member}"] = np.stack([loss.profile.log_snr, 2 * loss.profile.rate])
                chosen[name] = [list(asked)[k] for k in best.choice]
                asks[name] = best, gaussian, validation, test
    with record.stage("few nodes"):
        few = {}
        best, gaussian, validation, test = asks["density.linear.tuned"]
        pilot = ex.nll(best, validation, key=jr.key(config.seed + 1), baseline=gaussian).profile
        assert pilot is not None
        for count in config.few_nodes:
            placed = ex.Stratified(count, ex.fit_density(pilot))
            again = [
                estimate(best, gaussian, test, "density", key=key, nodes=placed)
                for key in jr.split(jr.key(config.seed + 2), config.repeats)
            ]
            few[str(count)] = {
                "of_nodes_and_noise": float(np.std([float(e.value) for e in again], ddof=1)),
                "with_that_of_the_images": float(again[0].stderr),
            }
    record.save(**curves)
    return {"bits_per_dim": table, "standard_error_by_nodes": few, "chosen": chosen}


if __name__ == "__main__":
    main(PRESETS, run)
