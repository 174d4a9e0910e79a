from ._diffusers import load_diffusers as load_diffusers
from ._file import read_tensors as read_tensors
from ._iddpm import load_iddpm as load_iddpm
from ._schedules import (
    cosine_log_snrs as cosine_log_snrs,
    linear_log_snrs as linear_log_snrs,
    log_snrs_of as log_snrs_of,
)
