from ._checkpoint import Checkpoints as Checkpoints
from ._fit import fit as fit, fit_with_history as fit_with_history, log_snr_range as log_snr_range
from ._log import JSONLines as JSONLines, Logger as Logger, TensorBoard as TensorBoard
from ._objective import (
    AbstractObjective as AbstractObjective,
    AbstractWeighting as AbstractWeighting,
    Denoising as Denoising,
    denoising_loss as denoising_loss,
    Epsilon as Epsilon,
    Likelihood as Likelihood,
    Sigmoid as Sigmoid,
    Unit as Unit,
)
from ._settings import Settings as Settings
from ._train import (
    DivergenceError as DivergenceError,
    History as History,
    train as train,
    Training as Training,
)
