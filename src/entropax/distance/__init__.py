from ._classifier import classifier_two_sample as classifier_two_sample
from ._floor import with_floor as with_floor, WithFloor as WithFloor
from ._gaussian import (
    frechet_distance as frechet_distance,
    gaussian_kl as gaussian_kl,
    gaussian_w2 as gaussian_w2,
    moments as moments,
)
from ._known import (
    cross_entropy as cross_entropy,
    kl_to as kl_to,
    nearest_neighbour_entropy as nearest_neighbour_entropy,
)
from ._occupancy import mode_occupancy as mode_occupancy, Occupancy as Occupancy
from ._sliced import sliced_wasserstein as sliced_wasserstein
from ._two_sample import (
    energy_distance as energy_distance,
    median_bandwidths as median_bandwidths,
    mmd as mmd,
)
