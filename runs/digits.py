"""Handwritten digits: S_NN, and what an image knows of its label, I(X;Y) <= H(Y) <= ln 10 = 2.303 nats.

    just run digits

The 8×8 digits of scikit-learn (1 797 real images), dequantised: x = 2(pixel + u)/17 − 1. Four fifths train, one fifth
measures. The default estimate is the posterior form (the diffusion classifier), which cannot pass H(Y). The other three
are shown along an over-long training beside the held-out loss: they are no bounds. They stand above ln 10 throughout,
and the orthogonal form (MINDE) and the difference climb once the held-out loss turns, which is how values of 4.1 nats
for MNIST come about (Kelly gamblers, Fig. 14).

About five minutes on two cores. Expected: posterior 2.1 to 2.3 nats, S_NN some 110 nats.
"""

import dataclasses
import warnings

import jax
import jax.random as jr
import numpy as np

import entropax as ex
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """`steps` are those of the network that is reported, `overtraining` those of the one that is watched."""

    seed: int = 0
    steps: int = 5_000
    overtraining: int = 8_000
    snapshots: int = 8
    nodes: int = 64


PRESETS = {
    "smoke": Config(steps=40, overtraining=40, snapshots=2, nodes=4),
    "default": Config(),
    "paper": Config(overtraining=20_000, snapshots=20),
}


# Above λ = 9 noise is a tenth of what dequantisation added, and labels have long been decided.
LOG_SNR_RANGE = (-9.0, 9.0)
DECIDING_RANGE = (-6.0, 4.0)


def split(seed: int) -> tuple[tuple, tuple]:
    """The training and the measuring part of the digits."""
    x, y = ex.data.digits(jr.key(seed))
    cut = 4 * len(x) // 5
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def fit(seed: int, steps: int, observe=None, checkpoints=None) -> ex.Training:
    """The network of both trainings; few samples want weight decay, and a short average."""
    (x, y), _ = split(seed)
    settings = ex.Settings(
        steps=steps,
        batch_size=256,
        learning_rate=2e-3,
        weight_decay=0.3,
        averages=(0.995,),
        unconditional=0.3,
        chunk=max(20, min(100, steps // 10)),
    )
    return ex.fit_with_history(
        x,
        y,
        key=jr.key(seed + 1),
        width=256,
        depth=4,
        normalise=ex.Standardising.fit(x),
        log_snr_range=LOG_SNR_RANGE,
        held_out=0.1,
        settings=settings,
        observe=observe,
        checkpoints=checkpoints,
    )


def measure(model: ex.Neural, x, y, *, key, nodes: int) -> dict[str, ex.Estimate]:
    """The neural entropies, and the mutual information by four methods."""
    rate_key, posterior_key = jr.split(key)
    integrator = ex.Integrator(nodes=ex.Stratified(nodes))
    estimates = ex.integrate(
        ex.unconditional_rates(model) | ex.conditional_rates(model), x, y, key=rate_key, integrator=integrator
    )
    # Over any range of noise levels the posterior form is a bound; over that where labels are decided, a tight one.
    deciding = ex.Integrator(nodes=ex.Stratified(2 * nodes), log_snr_range=DECIDING_RANGE)
    posterior = ex.mutual_information(model, x, y, key=posterior_key, integrator=deciding)
    for name in ("orthogonal", "entropy_difference", "loss_gap"):
        ex.check_mutual_information(estimates[name], y, f"I(X;Y) ({name})")
    return estimates | {"posterior": posterior}


def run(config: Config, record: Record) -> dict:
    _, (x, y) = split(config.seed)
    methods = ("posterior", "orthogonal", "entropy_difference", "loss_gap")
    with record.stage("fit"):
        checkpoints = ex.Checkpoints(record.directory / "checkpoints", record.plain_config)
        training = fit(config.seed, config.steps, checkpoints=checkpoints)
        found = measure(training.denoiser, x, y, key=jr.key(config.seed + 2), nodes=config.nodes)

    trace = []
    every = max(config.overtraining // config.snapshots, 1)

    def observe(step, model):
        if step % every == 0:
            # That the naive forms break their bounds here is the point, and drawn.
            with warnings.catch_warnings(action="ignore"):
                estimates = measure(model, x, y, key=jr.key(config.seed + 3), nodes=config.nodes // 2)
            trace.append([step] + [v for name in methods for v in (estimates[name].value, estimates[name].stderr)])

    with record.stage("overtrain"):
        watched = fit(config.seed, config.overtraining, observe)
    profile = found["neural_entropy"].profile
    given = found["conditional_entropy"].profile
    assert profile is not None and given is not None
    record.save(
        log_snr=profile.log_snr,
        neural_entropy_rate=profile.rate,
        neural_entropy_stderr=profile.stderr,
        conditional_entropy_rate=given.rate,
        steps=watched.history.step,
        loss=watched.history.loss,
        held_out=watched.history.held_out,
        trace=np.asarray(jax.device_get(trace)),
    )
    return {
        "estimates": found,
        "label_entropy": ex.label_entropy(y),
        "ln_10": float(np.log(10)),
        "early_stopped_at": int(training.history.step[np.argmin(training.history.held_out)]),
    }


if __name__ == "__main__":
    main(PRESETS, run)
