"""What "Information-theoretic diffusion" prints of CIFAR-10, as data: bits per dimension of 10 000 test images.

Table 1 is of densities: what is printed there is a density's, in units of images in [-1, 1], of images on their levels,
which have none; its variational column is that of Table 2 less log2 127.5 = 6.994. Table 2 is of probabilities; its
column "Cont." is of dequantised images, with the bin width. Behind both are means over random noise levels, whose error
is 0.03 to 0.1 (the quoted ones, some 0.0003, count all images' noise levels as independent).
"""

from typing import NamedTuple


SOURCE = "Kong, Brekelmans and Ver Steeg, Information-theoretic diffusion (2023), Tables 1 and 2"

# The bin width that takes a density to a code length.
SPACING = 1 / 127.5


class Published(NamedTuple):
    """What is printed of a model.

    **Arguments:**

    - `model`: its name there.
    - `density_bound`, `density`: Table 1, by the variational bound and by I-MMSE.
    - `bound`: Table 2, the variational bound with a discrete decoder.
    - `soft`: Table 2, I-MMSE with soft rounding; of the ensemble, of the least error at each noise level.
    - `dequantised`: Table 2, I-MMSE of dequantised images.
    - `checked`: whether both numbers of Table 1 were compared with what its authors show; Table 2 was, in all rows.
    """

    model: str
    density_bound: float | None
    density: float
    bound: float | None
    soft: float
    dequantised: float
    checked: bool


PUBLISHED = (
    Published("DDPM", -3.62, -3.56, 3.37, 3.68, 3.51, False),
    Published("IDDPM", -4.05, -4.09, 2.94, 3.16, 3.17, True),
    Published("DDPM (tune)", -3.55, -3.84, 3.45, 3.48, 3.41, False),
    Published("IDDPM (tune)", -3.85, -4.28, 3.14, 3.15, 3.18, True),
    Published("Ensemble", None, -4.29, None, 2.90, 3.16, False),
)
