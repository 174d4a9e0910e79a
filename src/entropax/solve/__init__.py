from ._bounds import (
    denoising_bound as denoising_bound,
    nll_bound as nll_bound,
    OptimalControl as OptimalControl,
)
from ._divergence import (
    AbstractDivergence as AbstractDivergence,
    ExactDivergence as ExactDivergence,
    Hutchinson as Hutchinson,
    HutchPlusPlus as HutchPlusPlus,
)
from ._grid import uniform_in_log_snr as uniform_in_log_snr
from ._log_density import log_density as log_density, LogDensity as LogDensity
from ._paths import (
    entropy_production as entropy_production,
    EntropyRate as EntropyRate,
    information_injected as information_injected,
    path_nll as path_nll,
    Paths as Paths,
)
