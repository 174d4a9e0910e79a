from . import bmi as bmi, images as images, random_pairs as random_pairs
from ._arrays import load_arrays as load_arrays
from ._batches import batch_rows as batch_rows, process_rows as process_rows
from ._bottleneck import Bottleneck as Bottleneck, gaussian_bottleneck as gaussian_bottleneck
from ._cubature import cubature as cubature
from ._digits import digits as digits
from ._guided_gaussian import GuidedGaussian as GuidedGaussian
from ._joint_gaussian import JointGaussian as JointGaussian
from ._mixture import GaussianMixture as GaussianMixture
from ._planar import (
    AbstractPlanar as AbstractPlanar,
    Circle as Circle,
    Square as Square,
    StronglyCorrelatedGaussian as StronglyCorrelatedGaussian,
)
from ._planar_mixtures import Dino as Dino, Moons as Moons
from ._race import Race as Race
from ._samples import (
    check_samples as check_samples,
    depends_on as depends_on,
    Kind as Kind,
    Samples as Samples,
    SamplesWarning as SamplesWarning,
)
from ._transforms import (
    rank_gaussianise as rank_gaussianise,
    standardise as standardise,
)
