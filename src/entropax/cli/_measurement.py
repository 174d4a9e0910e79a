import hashlib
import math
import time
from typing import Any, NamedTuple

import jax
import jax.random as jr
import numpy as np
from jaxtyping import PRNGKeyArray, PyTree

from ..denoiser import Product
from ..information import (
    check_mutual_information,
    check_resolution,
    conditional_rates,
    label_entropy,
    mutual_information,
    Posterior,
    unconditional_rates,
)
from ..integral import Estimate, integrate, Integrator, Stratified
from ..train import fit_with_history, History, Settings, Training
from ._checkpoint import checkpoints_in, Place
from ._refusal import Refusal, refusing
from ._samples import Share


# In the order in which they are shown.
_QUANTITIES = ("neural_entropy", "conditional_entropy", "total_correlation")
_METHODS = ("orthogonal", "entropy_difference", "loss_gap", "posterior")

_INTEGRATOR = Integrator()

# The posterior form compares likelihoods of single samples, whose noise falls with the nodes of each.
_POSTERIOR_INTEGRATOR = Integrator(nodes=Stratified(128))

# How many times a training of fewer than 10000 steps notes its losses and writes a checkpoint.
_RECORDS = 20


class Measurement(NamedTuple):
    """What was measured.

    **Arguments:**

    - `quantities`: neural entropy; conditional entropy where there is y; total correlation where x has more than one
        coordinate.
    - `mutual_information`: by method; empty without y.
    - `label_entropy`: $H(Y)$ in nats where y holds labels, which mutual information cannot pass.
    - `history`: the losses of the training.
    - `budget`: what training and evaluation took.
    """

    quantities: dict[str, Estimate]
    mutual_information: dict[str, Estimate]
    label_entropy: float | None
    history: History
    budget: dict[str, dict[str, Any]]


def measure(
    train: Share,
    held_out: Share,
    *,
    steps: int,
    batch_size: int,
    checkpoint: Place | None,
    key: PRNGKeyArray,
) -> Measurement:
    """Fits one network to one share of the samples, and makes every estimate that there is on the other.

    **Arguments:**

    - `train`, `held_out`: the shares.
    - `steps`, `batch_size`: the budget of the training.
    - `checkpoint`: the folder of its checkpoints.
    - `key`: all randomness.

    **Raises:** `Refusal` where the training cannot go on from the checkpoint, diverges, or yields no finite estimate.

    **Warns:** `BoundWarning`, `TruncationWarning`; `NotKeptWarning` where no checkpoint can be written any more.
    """
    fit_key, integral_key, posterior_key = jr.split(key, 3)
    start = time.perf_counter()
    training, resumed_from = _fit(train, steps, batch_size, checkpoint, fit_key)
    trained = time.perf_counter()

    model, (x, y) = training.denoiser, held_out
    marginals = Product.fit(train.x) if x.shape[1] > 1 else None
    rates = unconditional_rates(model, marginals) | ({} if y is None else conditional_rates(model))
    found = integrate(rates, x, y, key=integral_key, integrator=_INTEGRATOR)
    # The network with its condition and without.
    evaluations = _INTEGRATOR.evaluations(len(x)) * (1 if y is None else 2)
    entropy = None
    if y is not None and held_out.is_discrete:
        found["posterior"] = mutual_information(
            model, x, y, key=posterior_key, method=Posterior(), integrator=_POSTERIOR_INTEGRATOR
        )
        evaluations += _POSTERIOR_INTEGRATOR.evaluations(len(x)) * len(np.unique(y))
        entropy = label_entropy(y)
    quantities, by_method = (
        {name: found[name] for name in names if name in found} for names in (_QUANTITIES, _METHODS)
    )
    check_bounds(quantities, by_method, y)
    if y is not None:
        check_resolution(by_method["loss_gap"], x, y, model.log_snr_range[1], "I(X;Y) (loss_gap)")

    taken = int(training.history.step[-1])
    budget = {
        "training": {
            "samples": len(train.x),
            "steps": taken,
            "batch_size": batch_size,
            "network_evaluations": taken * batch_size,
            "seconds": trained - start,
            "resumed_from_step": resumed_from,
        },
        "evaluation": {
            "samples": len(x),
            "network_evaluations": evaluations,
            "seconds": time.perf_counter() - trained,
        },
    }
    return Measurement(quantities, by_method, entropy, training.history, budget)


def _fit(
    train: Share, steps: int, batch_size: int, checkpoint: Place | None, key: PRNGKeyArray
) -> tuple[Training, int]:
    """The training, and the step that it went on from."""
    chunk = min(500, max(1, steps // _RECORDS))
    checkpoints, done = None, None
    # What the user can mend: the budget, the samples, a loss that diverges, a folder that is not of this training.
    with refusing(ValueError, FloatingPointError, OSError):
        settings = Settings(steps=steps, batch_size=batch_size, chunk=chunk)
        if checkpoint is not None:
            digest = hashlib.sha256(b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(train)))
            identity = {
                "samples": digest.hexdigest(),
                "key": jr.key_data(key).tolist(),
                "steps": steps,
                "batch_size": batch_size,
            }
            checkpoints = checkpoints_in(checkpoint, identity)
            done = None if checkpoints is None else checkpoints.latest()
        training = fit_with_history(train.x, train.y, key=key, settings=settings, checkpoints=checkpoints)
    return training, min((done or 0) * chunk, steps)


def check_bounds(quantities: dict[str, Estimate], by_method: dict[str, Estimate], y: PyTree | None) -> None:
    """Refuses what is no number, and warns of mutual information that cannot be.

    **Arguments:** as the fields of [`Measurement`][], and the conditions.
    """
    for name, estimate in (quantities | by_method).items():
        check_finite(name, estimate)
    for name, estimate in by_method.items():
        if name != "posterior":
            check_mutual_information(estimate, y, f"I(X;Y) ({name})")


def check_finite(name: str, estimate: Estimate) -> None:
    """Refuses what is no number."""
    if not math.isfinite(estimate.value) or not math.isfinite(estimate.stderr):
        raise Refusal(f"the {name.replace('_', ' ')} comes out as {estimate}: the network's predictions overflow.")
