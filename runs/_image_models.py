"""Images to learn from and to measure on, and the networks that runs train on them."""

import dataclasses
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jax.sharding import Mesh

import entropax as ex
from entropax.data import images


DataName = Literal["digits", "mnist5k", "mnist", "cifar10"]

CLASSES = 10

# From where the data are all but noise (of S_NN, 0.3 nats of MNIST are below) to where a pixel's noise is half of what
# dequantisation added to it: there each pixel is known by itself, and the histogram takes over.
LEAST_LOG_SNR = -7.0

# What early stopping looks at: often, and with the same noise each time.
_MOST_HELD_OUT = 250

# What the histogram takes: from noise without data to noise of 4e-6.
_WIDEST = (-16.0, 24.0)


@dataclasses.dataclass(frozen=True)
class Budget:
    """How a network is trained.

    **Arguments:**

    - `steps`, `batch_size`, `learning_rate`, `accumulate`: as [`entropax.Settings`][].
    - `averages`: of the weights.
    - `bias`: of [`entropax.Sigmoid`][], the weighting of noise levels; `None` for the likelihood's.
    - `dropout`: of the network.
    - `flip`, `shift`: as [`entropax.data.images.augment`][].
    - `precision`: in which the network computes.
    """

    steps: int = 4_000
    batch_size: int = 128
    learning_rate: float = 2e-3
    accumulate: int = 1
    averages: tuple[float, ...] = (0.99, 0.999)
    bias: float | None = None
    dropout: float = 0.1
    flip: float = 0.0
    shift: int = 0
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclasses.dataclass(frozen=True)
class Split:
    """Images to train on, to stop early by, and to measure on."""

    train: images.Images
    held_out: images.Images
    test: images.Images


def load(data: DataName) -> Split:
    """The images of a data set. Where no test set comes with it, a fifth of them, the same ones each time."""
    if data in ("mnist", "cifar10"):
        read = images.mnist if data == "mnist" else images.cifar10
        learn, test = read("train"), read("test")
    else:
        every = images.digits() if data == "digits" else images.mnist5k()
        # MNIST's come sorted by their labels; the digits' writers follow one another, and some write in one part only.
        order = np.arange(len(every)) if data == "digits" else np.random.default_rng(0).permutation(len(every))
        cut = 4 * len(every) // 5
        learn, test = every[order[:cut]], every[order[cut:]]
    order = np.random.default_rng(1).permutation(len(learn))
    kept = min(_MOST_HELD_OUT, len(learn) // 10)
    return Split(learn[order[kept:]], learn[order[:kept]], test)


def marginals(split: Split, share: float = 0.0) -> ex.Histogram:
    """The product of the dequantised pixels' marginals.

    **Arguments:**

    - `share`: levels that hold less of all pixels are put together, neighbour by neighbour, in bins that hold more: of
        MNIST's 256, a few per cent but for black and white, 0.005 leaves some 40 bins, and a sixth of the time.
    """
    train = split.train
    edges = np.linspace(-1, 1, train.levels + 1)
    kept, held = [0], 0.0
    for level, mass in enumerate(np.bincount(np.ravel(train.pixels), minlength=train.levels) / np.size(train.pixels)):
        # One that holds enough by itself has what is below it for a bin of its own.
        if mass >= share and level > kept[-1]:
            kept, held = [*kept, level], 0.0
        held += mass
        if held >= share:
            kept, held = [*kept, level + 1], 0.0
    kept = sorted({*kept, train.levels})
    # The middle of its bin does for a pixel.
    middles = (np.asarray(train.pixels, np.float64) + 0.5) * train.bin_width - 1
    return ex.Histogram.fit(middles, edges[kept])


def mesh(rows: int | None = None) -> Mesh | None:
    """All devices, where there are several and so many rows can be dealt out evenly; else one does everything."""
    devices = jax.device_count()
    return None if devices == 1 or (rows is not None and rows % devices) else ex.parallel.make_mesh()


def network(data: DataName, split: Split, budget: Budget, *, key: jax.Array) -> ex.Neural:
    """A class-conditional U-Net before its training, with a null token. What pixels tell one by one is exact from the
    start; it has to learn what they tell of each other."""
    dtype = jnp.dtype(budget.precision)
    condition_key, net_key = jr.split(key)
    make, width = {
        "digits": (ex.nn.unet_digits, 128),
        "mnist5k": (_on_two_cores, 128),
        "mnist": (ex.nn.unet_mnist, 128),
        "cifar10": (ex.nn.unet_cifar10, 1024),
    }[data]
    condition = ex.nn.LabelCondition(CLASSES, width, key=condition_key)
    train = split.train
    values = (np.asarray(train.pixels, np.float32) + 0.5) * train.bin_width - 1
    scheme = ex.entropy_matching()
    return ex.Neural(
        net=make(condition, dropout=budget.dropout, dtype=dtype, key=net_key),
        baseline=marginals(split),
        scale=scheme.scale,
        normalise=ex.Standardising(jnp.asarray(values.mean()), jnp.asarray(values.var())),
        trained_range=(LEAST_LOG_SNR, float(np.log(48) - 2 * np.log(train.bin_width))),
    )


def _on_two_cores(condition, *, dropout, dtype, key) -> ex.nn.UNet:
    """For MNIST, 0.74 million parameters with fewer channels where there are many pixels: half the time of
    [`entropax.nn.unet_mnist`][]."""
    return ex.nn.UNet(1, condition, (16, 32, 64), depth=1, groups=8, dropout=dropout, dtype=dtype, key=key)


def fit(
    data: DataName,
    split: Split,
    budget: Budget,
    *,
    seed: int,
    chunk: int,
    observe: Callable[[int, ex.Neural], None] | None = None,
    checkpoints: ex.Checkpoints | None = None,
    loggers: tuple = (),
) -> ex.Training[ex.Neural]:
    """A network that is trained on all devices that there are."""
    net_key, train_key = jr.split(jr.key(seed))
    settings = ex.Settings(
        steps=budget.steps,
        batch_size=budget.batch_size,
        learning_rate=budget.learning_rate,
        averages=budget.averages,
        accumulate=budget.accumulate,
        weighting=ex.Likelihood() if budget.bias is None else ex.Sigmoid(budget.bias),
        unconditional=0.3,
        chunk=chunk,
    )
    levels = split.train.levels

    def transform(key, pixels):
        shift_key, noise_key = jr.split(key)
        moved = images.augment(shift_key, pixels, flip=budget.flip, shift=budget.shift)
        return images.dequantise(images.Images(moved, levels=levels), noise_key)

    train, held_out = ((jnp.asarray(part.pixels), jnp.asarray(part.labels)) for part in (split.train, split.held_out))
    return ex.train(
        network(data, split, budget, key=net_key),
        *train,
        held_out=held_out,
        key=train_key,
        settings=settings,
        transform=transform,
        checkpoints=checkpoints,
        loggers=loggers,
        mesh=mesh(),
        observe=observe,
    )


def complete(model: ex.Neural, pixels: ex.Histogram | None = None) -> ex.Ensemble:
    """The model within the range that it was trained on, and the pixels one by one beyond, its baseline where they are
    not given: a denoiser for all noise levels."""
    low, high = model.trained_range
    return ex.Ensemble(
        (model.baseline if pixels is None else pixels, model), (_WIDEST[0], low, high, _WIDEST[1]), (0, 1, 0)
    )
