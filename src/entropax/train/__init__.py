from ._checkpoint import Checkpoints as Checkpoints
from ._fit import fit as fit, fit_with_history as fit_with_history, log_snr_range as log_snr_range
from ._objective import (
    AbstractWeighting as AbstractWeighting,
    denoising_loss as denoising_loss,
    Epsilon as Epsilon,
    Likelihood as Likelihood,
    Unit as Unit,
)
from ._train import History as History, Settings as Settings, train as train, Training as Training
