"""A public checkpoint measured as in the tables of "Information-theoretic diffusion": code lengths of test images.

    just figure itd-table --model FILE --data cifar10
    just run itd_checkpoint --model FILE --data photographs --images 64
    just run itd_checkpoint --model FILE --data FOLDER

FILE is a .safetensors file on this machine, of a UNet2DModel of diffusers (google/ddpm-cifar10-32 for one, with the
config.json and scheduler_config.json that come with it) or of an unconditional network of improved-diffusion; which of
them, its tensors say. The data are cifar10 or mnist (prepared before, see `ex.data.images`), digits, photographs
(patches of those that come with scikit-image, test patches of other photographs than training patches), or a folder of
PNG or JPEG files. Measured, on the same test images and all in bits per dimension:

- `bound`: the variational bound of the network's own steps with DDPM's discrete decoder, the reverse variances being
  the posterior's (improved-diffusion's learned ones are not imported, whose bound is lower).
- `network`, `hard`, `soft`, `best`: the code length by I-MMSE with the network as it is, rounded to the nearest level,
  softly rounded, and the best of these, a Gaussian and what each pixel tells by itself, at each noise level.
- `dequantised`, `best_dequantised`: density of images with noise that fills their bins, and the bin width: by the
  network, and by the best of it, the Gaussian and what each pixel tells by itself.
- `levels`: as `dequantised`, of the images on their levels, which is how Table 1 has it. They have no density: this is
  no bound on anything and falls without end as the range of noise levels grows.

Which member is the best, validation images say, and the error bars are those of the test images. A denoised mean is cut
to where pixels can be, as in print. The network is asked on its trained noise levels alone, and every number but
`levels` is a bound from above in the mean: below, the Gaussian takes its place; above, the decoder does (whose spread
validation images say), or of densities the better of the Gaussian and the pixels.

Some eight evaluations of the network for each image and noise level, and one for each step of the bound: with 512
images of CIFAR-10 work for a GPU (on a few cores give fewer `--images`, `--nodes` and `--bound-steps`). Of DDPM print
has 3.37 by the bound, of 4 000 steps, and 3.68 softly rounded; its authors' curves give 3.41 by the least error.
"""

import dataclasses
import hashlib
import itertools
import math
import pathlib
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from sklearn.covariance import ledoit_wolf

import entropax as ex
from runs import _checkpoints
from runs._record import main, Record


@dataclasses.dataclass(frozen=True)
class Config:
    """What is measured of which file.

    **Arguments:**

    - `model`: the .safetensors file.
    - `data`: cifar10, mnist, digits, photographs, or a folder of images.
    - `data_dir`: where cifar10 and mnist are prepared, if not in the place of TensorFlow Datasets.
    - `images`, `validation`, `training`: how many images are measured; how many choose between members; how many, at
        most, the Gaussian and the pixels are fitted to.
    - `nodes`: noise levels an image. `chunk`: evaluations at a time.
    - `log_snr_range`: where the network is asked, within its trained range, which it is where nothing is given.
    - `bound_steps`: of the variational bound, evenly taken from the network's own; 0 for all.
    - `schedule`, `steps`, `heads`, `groups`: as `runs._checkpoints.load` has them.
    - `size`: the height and width of the images that the network was trained on, where nothing says it.
    - `digest`: of the file, by which results of another one under the same name are told apart; found where empty.
    """

    model: str = ""
    data: str = "cifar10"
    data_dir: str = ""
    images: int = 512
    validation: int = 256
    training: int = 20_000
    nodes: int = 64
    chunk: int = 128
    log_snr_range: tuple[float, float] | None = None
    bound_steps: int = 0
    schedule: _checkpoints.Schedule = "published"
    steps: int = 0
    heads: int = 4
    groups: int = 32
    size: int = 0
    seed: int = 0
    digest: str = ""

    def __post_init__(self):
        if not self.digest and pathlib.Path(self.model).is_file():
            object.__setattr__(self, "digest", hashlib.sha256(pathlib.Path(self.model).read_bytes()).hexdigest()[:16])
        for name in ("images", "validation", "training", "nodes", "chunk"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be positive; got {getattr(self, name)}.")


PRESETS = {
    "smoke": Config(images=16, validation=8, training=400, nodes=16, chunk=64, bound_steps=5),
    "default": Config(),
    "paper": Config(images=10_000, validation=1_000, training=50_000),
}

# Beyond the network's range: how far the Gaussian is integrated below it, and up to where a density is above.
_BELOW = 12.0
_HIGHEST = 24.0


class Split(NamedTuple):
    """Images for each purpose."""

    training: ex.data.images.Images
    validation: ex.data.images.Images
    test: ex.data.images.Images


def split(config: Config, shape: tuple[int, int, int]) -> Split:
    """The images of a data set that a network of images of that shape is measured on.

    **Raises:** `ValueError` where there is no such data set, its images have another shape, or they are too few.
    """
    key, pick = jr.split(jr.key(config.seed))
    asked = config.validation + config.images
    images = ex.data.images
    folder = pathlib.Path(config.data)
    data_dir = config.data_dir or None
    if config.data in ("cifar10", "mnist"):
        read = {"cifar10": images.cifar10, "mnist": images.mnist}[config.data]
        training, rest = read("train", data_dir=data_dir), read("test", data_dir=data_dir)
    elif config.data == "digits":
        training, rest = _parted(images.digits(), pick, asked)
    elif config.data == "photographs":
        patches = images.natural_patches(pick, 4 * (config.training + asked), shape[1], _channels(shape))
        labels = np.asarray(patches.labels)
        held = labels >= len(patches.names or ()) // 2
        training, rest = patches[~held], patches[held]
    elif folder.is_dir():
        training, rest = _parted(images.folder(folder, size=shape[1:], channels=_channels(shape)), pick, asked)
    else:
        raise ValueError(
            f"`data` must be cifar10, mnist, digits, photographs, or a folder on this machine; got {config.data!r}."
        )
    if rest.shape != shape:
        raise ValueError(
            f"`data`, {config.data}, has images of shape {rest.shape} (channels, height, width), and the network of "
            f"`model` is for {shape}."
        )
    if len(rest) < asked or len(training) < 2:
        raise ValueError(
            f"`images` and `validation` ask for {asked} images that nothing is fitted to, and some more to fit; "
            f"`data`, {config.data}, has {len(rest)} for them beside {len(training)}."
        )
    first, second = jr.split(key)
    training = training[np.asarray(jr.permutation(first, len(training)))[: config.training]]
    rest = rest[np.asarray(jr.permutation(second, len(rest)))[:asked]]
    return Split(training, rest[: config.validation], rest[config.validation :])


def _parted(whole: ex.data.images.Images, key, asked: int):
    """Images of which no part is for tests: those that are, and the others."""
    order = np.asarray(jr.permutation(key, len(whole)))
    return whole[order[asked:]], whole[order[:asked]]


def _channels(shape):
    if shape[0] not in (1, 3):
        raise ValueError(f"`data` are grey or coloured images, and the network of `model` is for {shape[0]} channels.")
    return shape[0]


class Vectors(NamedTuple):
    """Images as vectors: on their levels, and dequantised so that each level is the middle of its bin."""

    levels: jax.Array
    filled: jax.Array


def vectors(images: ex.data.images.Images, key) -> Vectors:
    """Of both kinds, in units where the levels go from -1 to 1, which the networks know."""
    widened = images.levels / (images.levels - 1)
    flat = lambda x: x.reshape(len(images), -1)
    return Vectors(
        flat(ex.data.images.on_grid(images)), flat(ex.data.images.dequantise(images, key) * jnp.float32(widened))
    )


def gaussian_of(training: jax.Array, validation: jax.Array, grid: ex.Grid) -> ex.Gaussian:
    """With the moments of the training images and what fills their bins: as they are, or shrunk where they are few for
    their dimension, whichever makes validation images more likely."""
    x = np.asarray(training, np.float64)
    fill = grid.spacing**2 / 12 * np.eye(x.shape[1])
    candidates = [ex.Gaussian(x.mean(0), cov + fill) for cov in (np.cov(x, rowvar=False), ledoit_wolf(x)[0])]
    fits = [float(jnp.mean(jax.vmap(law.log_density)(validation))) for law in candidates]
    return candidates[int(np.argmax(fits))]


def spread(log_snrs) -> float:
    r"""Of DDPM's decoder, $\tilde\beta$: the standard deviation of the reverse process from the second noise level to
    the first."""
    first, second = (1 / (1 + math.exp(-float(value))) for value in log_snrs[:2])
    return math.sqrt((1 - second / first) * (1 - first) / (1 - second))


@eqx.filter_jit
def _at(decoder: ex.PredictedDecoder, x, log_snr, key, size: int):
    """What the decoder costs of each image at a noise level, and the squared errors of the mean it goes by."""

    def of_image(sample):
        x, key = sample
        eps = jr.normal(key, x.shape, x.dtype)
        z = ex.diffuse(x, log_snr, eps)
        return decoder(x, z, log_snr), jnp.exp(-log_snr) * jnp.mean((eps - decoder.denoiser(z, log_snr)) ** 2)

    return jax.lax.map(of_image, (x, jr.split(key, len(x))), batch_size=size)


def measure(model: ex.AbstractDenoiser, log_snrs, images: Split, config: Config) -> tuple[dict, dict, dict]:
    """All that is measured of a denoiser of images, in bits per dimension.

    **Arguments:**

    - `model`: of images, channels first, in units where the levels go from -1 to 1.
    - `log_snrs`: of its steps, decreasing.
    - `images`, `config`: which, and how.

    **Returns:** estimates by name; the members that were chosen, and where; error curves by name.
    """
    keys = (jr.fold_in(jr.key(config.seed + 1), place) for place in itertools.count())
    grid, dim, shape = images.test.grid, images.test.dim, images.test.shape
    training, validation, test = (vectors(part, next(keys)) for part in images)
    low, high = config.log_snr_range or model.log_snr_range
    model, edge = ex.Flattened(model, shape), 0.5 * grid.spacing
    within = lambda low, high: ex.Integrator(ex.Stratified(config.nodes), (low, high), chunk=config.chunk)
    gaussian = gaussian_of(training.levels, validation.filled, grid)

    network = ex.Clipped(model, grid.low, grid.high)
    members: dict[str, ex.AbstractDenoiser] = {
        "network": network,
        "hard": ex.HardRounding(network, grid),
        "soft": ex.SoftRounding(network, grid),
        "gaussian": gaussian,
        "pixels": ex.GridPosterior.fit(training.levels, grid),
    }
    choose = lambda asked, x, low, high, bins: ex.Ensemble.fit(
        list(asked.values()), x, key=next(keys), bins=bins, log_snr_range=(low, high)
    )
    best = choose(members, validation.levels, low, high, 24)
    key = next(keys)
    rates = {name: ex.Loss(members[name]) for name in ("network", "hard", "soft")} | {"best": ex.Loss(best)}
    inside = ex.integrate(rates, test.levels, key=key, integrator=within(low, high))
    below = ex.integrate(ex.Loss(gaussian), test.levels, key=next(keys), integrator=within(low - _BELOW, low))
    top, size = jnp.float32(high), config.chunk
    _, errors = _at(ex.PredictedDecoder(network, grid, 1.0), validation.levels, top, next(keys), size)
    # Far below the spacing it no longer matters, and may be zero.
    std = max(float(jnp.sqrt(jnp.mean(errors))), 0.05 * grid.spacing)
    decoder = ex.PredictedDecoder(network, grid, std)
    above, _ = _at(decoder, test.levels, top, next(keys), size)
    found = {name: ex.bits_per_dim((one + below).shifted(above), dim) for name, one in inside.items()}

    steps = np.asarray([value for value in log_snrs if low - 1e-3 <= value <= high + 1e-3])
    if config.bound_steps:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, config.bound_steps).round().astype(int))]
    by_steps = ex.PredictedDecoder(network, grid, spread(steps))
    bound = ex.variational_bound(network, test.levels, key=next(keys), log_snr=steps, decoder=by_steps)
    found["bound"] = ex.bits_per_dim(bound, dim)

    filled = ex.Clipped(model, grid.low - edge, grid.high + edge)
    pixels = ex.Histogram.fit(training.levels, np.linspace(grid.low - edge, grid.high + edge, grid.levels + 1))
    of_density = {"network": filled, "gaussian": gaussian, "pixels": pixels}
    best_density = choose(of_density, validation.filled, low, high, 24)
    key = next(keys)
    density = lambda denoiser, x: ex.nll(denoiser, x, key=key, baseline=gaussian, integrator=within(low, high))
    code_length = lambda nats: ex.bits_per_dim(nats, dim, spacing=grid.spacing)
    alone, beside = density(filled, test.filled), density(best_density, test.filled)
    if high < _HIGHEST:
        # The network is not asked there, and the Gaussian is, unless the pixels by themselves do better.
        exact = {"gaussian": gaussian, "pixels": pixels}
        outside = choose(exact, validation.filled, high, _HIGHEST, 8)
        gain = ex.LossGap(gaussian, outside)
        beside = beside - ex.integrate(gain, test.filled, key=next(keys), integrator=within(high, _HIGHEST))
    found |= {"dequantised": code_length(alone), "best_dequantised": code_length(beside)}
    found["levels"] = ex.bits_per_dim(density(network, test.levels), dim)
    chosen = {
        "edges": list(best.edges),
        "best": [list(members)[k] for k in best.choice],
        "best_dequantised": [list(of_density)[k] for k in best_density.choice],
    }
    curves = {}
    for name, estimate in inside.items():
        assert estimate.profile is not None
        curves[name] = np.stack([estimate.profile.log_snr, 2 * estimate.profile.rate])
    return found, chosen, curves


def run(config: Config, record: Record) -> dict:
    if not config.model:
        raise ValueError("`model` must name a .safetensors file: --model FILE.")
    options = {name: getattr(config, name) for name in ("schedule", "steps", "heads", "groups")}
    checkpoint = _checkpoints.load(config.model, **options)
    images = split(config, _shape(checkpoint, config.size))
    trained = checkpoint.denoiser.log_snr_range
    asked = config.log_snr_range or trained
    if not trained[0] - 1e-3 <= asked[0] < asked[1] <= trained[1] + 1e-3:
        raise ValueError(f"`log_snr_range` must increase within {trained}, where the network was trained; got {asked}.")
    with record.stage("measure"):
        found, chosen, curves = measure(checkpoint.denoiser, checkpoint.log_snrs, images, config)
    record.save(**curves)
    return {
        "bits_per_dim": found,
        "chosen": chosen,
        "kind": checkpoint.kind,
        "schedule": checkpoint.schedule,
        "log_snr_range": list(asked),
        "shape": list(images.test.shape),
        "bin_width": images.test.grid.spacing,
        "test_images": len(images.test),
    }


def _shape(checkpoint: _checkpoints.Checkpoint, size: int) -> tuple[int, int, int]:
    channels, height, width = checkpoint.shape
    if not size and not height:
        raise ValueError("`size` must be given: nothing beside `model` says of what size its images are.")
    if size and height and (size, size) != (height, width):
        raise ValueError(f"`size` must be what `model` says of its images, {height} x {width}; got {size}.")
    return (channels, height, width) if height else (channels, size, size)


if __name__ == "__main__":
    main(PRESETS, run)
