"""Digits: which pixels carry the information, for single images.

    just run itd_pixels

One network with and without the label. For one image of each digit, by pixel: −log p(x|y); the information i(x;y) that
the label adds, in the orthogonal form (never negative) and as the log-ratio (whose sum over pixels is
log p(x|y)/p(x)); and the evidence for the digit against its strongest rival, log p(x|y)/p(x|y'), which is the same
log-ratio with the network given the rival's label as reference. Every image is measured many times over and averaged.

About four minutes on two cores. Expected: the sum of the log-ratio scatters between −4 and 8 nats over the ten
images. In the mean over all images it is the loss gap of `just run digits`, 4.6 nats, more than ln 10 = 2.3, the most
that a label can tell: on 1 400 images the network given a label and the one given none err in different ways. The maps
show where; their sum is no bound.
"""

import dataclasses

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from runs import digits
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """`repeats` of each image, with `nodes` noise levels each."""

    seed: int = 0
    steps: int = 5_000
    repeats: int = 200
    nodes: int = 64


PRESETS = {"smoke": Config(steps=20, repeats=2, nodes=32), "default": Config(), "paper": Config(repeats=2_000)}

CLASSES = 10


def _rival(y):
    """The label that conditions `(label, rival)` hold second."""
    return y[1]


def _label(y):
    return y[0]


def run(config: Config, record: Record) -> dict:
    _, (x, y) = digits.split(config.seed)
    with record.stage("fit"):
        checkpoints = ex.Checkpoints(record.directory / "checkpoints", record.plain_config)
        model = digits.fit(config.seed, config.steps, checkpoints=checkpoints).denoiser
    # The first image of each digit, and the other digit that the model finds likeliest.
    index = np.array([int(np.argmax(np.asarray(y) == label)) for label in range(CLASSES)])
    image, label = x[index], jnp.arange(CLASSES)
    loss_key, *keys = jr.split(jr.key(config.seed + 1), 5)
    repeat = lambda leaf: jnp.repeat(leaf, config.repeats, axis=0)
    integrator = ex.Integrator(nodes=ex.Stratified(config.nodes))
    with record.stage("rivals"):
        every = ex.ClassLosses(model, label)
        losses = ex.integrate(every, repeat(image), key=loss_key, integrator=integrator).pointwise
        losses = np.asarray(losses).reshape(CLASSES, config.repeats, CLASSES).mean(1)
        rival = np.argmin(losses + np.where(np.eye(CLASSES, dtype=bool), np.inf, 0.0), 1)
    both = (repeat(label), repeat(jnp.asarray(rival)))
    given, other = ex.Given(model, _label), ex.Given(model, _rival)
    with record.stage("maps"):
        maps = {
            "nll": ex.nll_map(model, repeat(image), repeat(label), key=keys[0], integrator=integrator),
            "orthogonal": ex.information_map(model, repeat(image), repeat(label), key=keys[1], integrator=integrator),
            "log_ratio": ex.information_map(
                model, repeat(image), repeat(label), key=keys[2], method=ex.LossGapForm(), integrator=integrator
            ),
            "against_rival": ex.information_map(
                given,
                repeat(image),
                both,
                key=keys[3],
                reference=other,
                method=ex.LossGapForm(),
                integrator=integrator,
            ),
        }
    sums, arrays = {}, {}
    for name, found in maps.items():
        by_image = np.asarray(jax.device_get(found.pointwise), np.float64).reshape(CLASSES, config.repeats, -1)
        arrays[name] = by_image.mean(1)
        totals = by_image.sum(2)
        error = totals.std(1, ddof=1) / np.sqrt(config.repeats)
        sums[name] = {str(k): {"value": float(totals[k].mean()), "stderr": float(error[k])} for k in range(CLASSES)}
    record.save(image=image, rival=rival, **arrays)
    return {"nats_by_digit": sums, "rival": rival.tolist()}


if __name__ == "__main__":
    main(PRESETS, run)
