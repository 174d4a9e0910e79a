"""Autoencoders of images, and how they are trained."""

import dataclasses
import math
from typing import Literal, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

import entropax as ex
from entropax.data import images
from runs import _image_models as models


# Above, what noise still hides of an image is known pixel by pixel, and there is nothing that a latent could tell.
_HIGHEST = 8.0

# Of the levels that the baseline has bins of their own for: of all pixels.
_LEAST_SHARE = 0.005


@dataclasses.dataclass(frozen=True)
class Budget:
    """What an autoencoder is, and how it is trained.

    **Arguments:**

    - `network`: of encoders and decoders. An MLP sees pixels in a row: of digits, or with few images on two cores, it
        learns what tells them apart in a tenth of the time, and does not learn how neighbours go together where noise
        is small, so that what it draws is not clean. A convolutional one and its U-Net do.
    - `dim`: of each latent.
    - `weight`: β, reached after a half of the training.
    - `steps`, `batch_size`, `learning_rate`: as [`entropax.Settings`][].
    - `unconditional`: the share of a batch for which the decoder has no latent.
    """

    network: Literal["mlp", "convolutional"] = "mlp"
    dim: int = 8
    weight: float = 0.1
    steps: int = 2_000
    batch_size: int = 256
    learning_rate: float = 2e-3
    unconditional: float = 0.1


def of_many_images(dim: int) -> Budget:
    """For MNIST whole and CIFAR-10, on a GPU."""
    return Budget("convolutional", dim, steps=50_000, batch_size=512)


def shape_of(split: models.Split, budget: Budget) -> tuple[int, ...]:
    """As networks see an image."""
    return (math.prod(split.train.shape),) if budget.network == "mlp" else split.train.shape


def pixels(part: images.Images, shape: tuple[int, ...], key) -> jax.Array:
    """Dequantised."""
    return images.dequantise(part, key).reshape(-1, *shape)


def examples(split: models.Split, budget: Budget, num: int, *, key) -> list[tuple[jax.Array, np.ndarray]]:
    """Images and their labels: those of the training, and no more than `num` unseen ones."""
    shape = shape_of(split, budget)
    return [(pixels(part, shape, key), np.asarray(part.labels)) for part in (split.train, split.test[:num])]


def encoder(shape: tuple[int, ...], dim: int, key, *, depth: int = 2) -> ex.nn.AbstractEncoder:
    """`depth`: of a convolutional one; with more it sees more of the image at a time."""
    if len(shape) == 1:
        return ex.nn.MLPEncoder(shape, dim, (256, 256), key=key)
    channels, height, width = shape
    return ex.nn.ConvEncoder((channels, height, width), dim, (32, 64, 64)[:depth], key=key)


def diffusion_autoencoder(
    split: models.Split, budget: Budget, edges: tuple[float, ...], key
) -> ex.latent.DiffusionAutoencoder:
    """Untrained, with a latent for each band, of which those of more noise see more of the image."""
    condition_key, net_key, *encoder_keys = jr.split(key, 3 + len(edges))
    bands, shape = len(edges) + 1, shape_of(split, budget)
    condition = ex.nn.LatentCondition(bands * budget.dim, _embedding(shape), key=condition_key)
    depths = [3 if place == 0 and bands > 1 else 2 for place in range(bands)]
    encoders = tuple(encoder(shape, budget.dim, k, depth=depth) for k, depth in zip(encoder_keys, depths))
    return ex.latent.DiffusionAutoencoder(encoders, ex.latent.Bands(denoiser(split, shape, condition, net_key), edges))


def by_label(split: models.Split, budget: Budget, key) -> ex.Neural:
    """The decoder of a diffusion autoencoder, untrained, told the label in place of a latent."""
    condition_key, net_key = jr.split(key)
    shape = shape_of(split, budget)
    return denoiser(split, shape, ex.nn.LabelCondition(models.CLASSES, _embedding(shape), key=condition_key), net_key)


def _embedding(shape: tuple[int, ...]) -> int:
    return 256 if len(shape) == 1 else 128


def denoiser(split: models.Split, shape: tuple[int, ...], condition: ex.nn.AbstractCondition, key) -> ex.Neural:
    """Untrained, of images given a condition; what pixels tell one by one is exact from the start."""
    train = split.train
    values = (np.asarray(train.pixels, np.float32) + 0.5) * train.bin_width - 1
    trained_range = models.LEAST_LOG_SNR, min(_HIGHEST, math.log(48) - 2 * math.log(train.bin_width))
    if len(shape) == 1:
        net = ex.nn.MLP(math.prod(shape), condition, trained_range, depth=3, key=key)
    else:
        net = ex.nn.UNet(shape[0], condition, (16, 32, 64), depth=1, groups=8, key=key)
    return ex.Neural(
        net=net,
        baseline=_shaped(models.marginals(split, _LEAST_SHARE), shape),
        scale=ex.entropy_matching().scale,
        normalise=ex.Standardising(jnp.asarray(values.mean()), jnp.asarray(values.var())),
        trained_range=trained_range,
    )


def _shaped(pixels: ex.Histogram, shape: tuple[int, ...]) -> ex.Histogram:
    return ex.Histogram(pixels.edges, pixels.log_probabilities.reshape(*shape, -1))


def variational_autoencoder(split: models.Split, budget: Budget, key) -> ex.latent.VariationalAutoencoder:
    """Untrained, with the encoder of a diffusion autoencoder of one latent."""
    encoder_key, decoder_key = jr.split(key)
    shape = shape_of(split, budget)
    if len(shape) == 1:
        net = ex.nn.MLPDecoder(budget.dim, shape, (256, 256), key=decoder_key)
    else:
        channels, height, width = shape
        net = ex.nn.ConvDecoder(budget.dim, (channels, height, width), (32, 64), key=decoder_key)
    return ex.latent.VariationalAutoencoder((encoder(shape, budget.dim, encoder_key),), net, jnp.asarray(-1.0))


_Autoencoder = TypeVar("_Autoencoder", bound=ex.latent.AbstractAutoencoder)
_Model = TypeVar("_Model", bound=eqx.Module)


def train(model: _Autoencoder, split: models.Split, budget: Budget, *, key) -> _Autoencoder:
    """Trained without labels; the rate is free at first, else encoders give up before the decoder listens."""
    objective = ex.latent.NegativeELBO(
        weight=lambda progress: budget.weight * jnp.minimum(2 * progress, 1.0), unconditional=budget.unconditional
    )
    return _trained(model, split, budget, objective, lambda part: None, key)


def train_by_label(model: ex.Neural, split: models.Split, budget: Budget, *, key) -> ex.Neural:
    """Trained as long, with a null token for as large a share."""
    objective = ex.Denoising(unconditional=budget.unconditional)
    return _trained(model, split, budget, objective, lambda part: jnp.asarray(part.labels), key)


def _trained(model: _Model, split, budget, objective, told, key) -> _Model:
    levels, shape = split.train.levels, shape_of(split, budget)
    arrays = lambda part: (jnp.asarray(part.pixels), told(part))

    def transform(key, values):
        return pixels(images.Images(values, levels=levels), shape, key)

    settings = ex.Settings(
        steps=budget.steps,
        batch_size=budget.batch_size,
        learning_rate=budget.learning_rate,
        averages=(0.99, 0.998),
        chunk=max(1, budget.steps // 5),
    )
    return ex.train(
        model,
        *arrays(split.train),
        held_out=arrays(split.held_out),
        key=key,
        settings=settings,
        objective=objective,
        transform=transform,
    ).denoiser


def complete(model: ex.latent.DiffusionAutoencoder, split: models.Split) -> ex.latent.DiffusionAutoencoder:
    """With the pixels one by one for a decoder beyond the range that it was trained on: one for all noise levels, whose
    distortion is a bound on -log p(x|z)."""
    inner = model.denoiser.denoiser
    assert isinstance(inner, ex.Neural)
    return eqx.tree_at(
        lambda m: m.denoiser.denoiser,
        model,
        models.complete(inner, _shaped(models.marginals(split), model.encoders[0].shape)),
    )


def drawn(denoiser: ex.AbstractDenoiser, y, shape: tuple[int, ...], *, key) -> jax.Array:
    """A sample for each condition, over all noise levels that the denoiser can be trusted at."""
    sampler = ex.Sampler(log_snr_range=denoiser.log_snr_range)
    return ex.sample(ex.LogSNR(), denoiser, (len(jax.tree.leaves(y)[0]), *shape), y, key=key, sampler=sampler).x
