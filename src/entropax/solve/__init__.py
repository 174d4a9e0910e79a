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
from ._evaluations import evaluations as evaluations
from ._grid import uniform_in_log_snr as uniform_in_log_snr
from ._grids import (
    AbstractGrid as AbstractGrid,
    CosineGrid as CosineGrid,
    Entropic as Entropic,
    Karras as Karras,
    Nodes as Nodes,
    UniformLogSNR as UniformLogSNR,
    UniformTime as UniformTime,
)
from ._log_density import log_density as log_density, LogDensity as LogDensity
from ._multistep import (
    AbstractMultistep as AbstractMultistep,
    AdamsBashforth as AdamsBashforth,
    DPMSolverPlusPlus as DPMSolverPlusPlus,
)
from ._multistep_sde import SDEDPMSolverPlusPlus as SDEDPMSolverPlusPlus
from ._paths import (
    entropy_production as entropy_production,
    EntropyRate as EntropyRate,
    information_injected as information_injected,
    path_nll as path_nll,
    Paths as Paths,
)
from ._sample import (
    decode as decode,
    encode as encode,
    sample as sample,
    Samples as Samples,
    Trajectory as Trajectory,
    trajectory as trajectory,
)
from ._sampler import Sampler as Sampler
from ._unipc import UniPC as UniPC
