from ._augment import (
    augment as augment,
    random_flip as random_flip,
    random_shift as random_shift,
)
from ._bundled import digits as digits, mnist5k as mnist5k
from ._folder import folder as folder
from ._images import Images as Images
from ._photographs import natural_patches as natural_patches
from ._prepared import cifar10 as cifar10, mnist as mnist, prepare as prepare
from ._transforms import dequantise as dequantise, on_grid as on_grid
