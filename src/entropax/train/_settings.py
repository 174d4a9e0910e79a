import math
import numbers

import equinox as eqx
import optax

from .._arguments import check_instance, check_not_negative, check_positive, check_share, check_whole
from ._objective import AbstractWeighting, Likelihood


class Settings(eqx.Module):
    r"""How a denoiser is trained.

    **Arguments:**

    - `steps`, `batch_size`: the budget.
    - `learning_rate`: the peak of a schedule that warms up over 200 steps, or a tenth of all where that is fewer, and
        falls to zero as a cosine.
    - `clip`: the global norm that gradients of the loss per dimension are clipped to.
    - `weight_decay`: of AdamW; what is not trained does not decay.
    - `averages`: the decays of exponential moving averages of the weights, which are debiased. Of several, the training
        returns the one with the least held-out loss.
    - `weighting`: of the noise levels.
    - `unconditional`: the share of each batch that is predicted without its condition.
    - `accumulate`: in how many parts a batch is taken, one after the other, where a device cannot hold it whole.
    - `chunk`: the steps of one jitted scan; held-out loss, progress and checkpoints come between chunks.
    - `patience`: chunks without a better held-out loss after which training stops; `None` for never.

    **Raises:** `ValueError` where a number is out of its range, or `accumulate` does not divide `batch_size`.
    """

    steps: int = 8_000
    batch_size: int = 1024
    learning_rate: float = 3e-3
    clip: float = 1.0
    weight_decay: float = 0.0
    averages: tuple[float, ...] = (0.998,)
    weighting: AbstractWeighting = Likelihood()
    unconditional: float = 0.5
    accumulate: int = 1
    chunk: int = 500
    patience: int | None = None

    def __check_init__(self):
        for name in ("steps", "batch_size", "accumulate", "chunk"):
            check_whole(name, getattr(self, name), least=1)
        if self.patience is not None:
            check_whole("patience", self.patience, least=1)
        check_positive(clip=self.clip)
        check_not_negative(learning_rate=self.learning_rate, weight_decay=self.weight_decay)
        check_instance("weighting", self.weighting, AbstractWeighting)
        check_share(unconditional=self.unconditional)
        if self.batch_size % self.accumulate:
            raise ValueError(f"`accumulate` must divide `batch_size`, {self.batch_size}; got {self.accumulate}.")
        decays = self.averages if isinstance(self.averages, tuple) else ()
        if not decays or not all(isinstance(decay, numbers.Real) and 0 <= decay < 1 for decay in decays):
            raise ValueError(
                f"`averages` must be decays, a tuple of one or more numbers from 0 to less than 1; got {self.averages}."
            )

    @property
    def chunks(self) -> int:
        """How many scans the training is."""
        return math.ceil(self.steps / self.chunk)

    @property
    def schedule(self) -> optax.Schedule:
        """The learning rate of each step."""
        warmup = min(200, max(self.steps // 10, 1))
        return optax.warmup_cosine_decay_schedule(0.0, self.learning_rate, warmup, max(self.steps, warmup + 1))

    def optimiser(self) -> optax.GradientTransformation:
        """Clipped AdamW under the schedule."""
        adam = optax.adamw(self.schedule, weight_decay=self.weight_decay)
        return optax.chain(optax.clip_by_global_norm(self.clip), adam)
