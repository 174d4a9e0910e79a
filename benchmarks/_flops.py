"""Floating-point operations of a U-Net, counted by hand: of convolutions, linear layers and attention, two for each
multiplication and its addition. What is left out (norms, activations, noise) is no matrix work, and a percent or two.

A weight that meets the zeros around an image is not counted, as XLA does not count it either: of the nine weights of a
3 x 3 filter 8.6 meet a pixel of a 32 x 32 image on average. Other counts of this kind are so much higher."""

import equinox as eqx

import entropax as ex


def forward(net: ex.nn.UNet, size: tuple[int, int]) -> int:
    """Of one image of this height and width."""
    count, sizes = _convolution(net.inputs, size), [size]
    count += sum(_linear(layer) for layer in (net.log_snr_embedding.first, net.log_snr_embedding.second))
    for level in net.down:
        count += _level(level, sizes[-1])
        if level.resample is not None:
            count += _convolution(level.resample.conv, sizes[-1])
            sizes.append(_output(level.resample.conv, sizes[-1]))
    count += _level(net.middle, sizes[-1])
    for level in net.up:
        count += _level(level, sizes.pop())
        if level.resample is not None:
            count += _convolution(level.resample.conv, sizes[-1])
    assert not sizes
    return count + _convolution(net.output, size)


def training(net: ex.nn.UNet, size: tuple[int, int]) -> int:
    """Of one image of a training step: backwards each layer costs as much again for its weights, and as much for its
    input, which the first one need not know."""
    return 3 * forward(net, size) - _convolution(net.inputs, size)


def _level(level, size) -> int:
    count = 0
    for block, attention in zip(level.blocks, level.attentions, strict=True):
        layers = [block.first, block.second]
        layers += [block.shortcut] if isinstance(block.shortcut, eqx.nn.Conv2d) else []
        count += sum(_convolution(layer, size) for layer in layers) + _linear(block.modulation.linear)
        if attention is not None:
            tokens = size[0] * size[1]
            count += tokens * (_linear(attention.inputs) + _linear(attention.output))
            # Each token asks every other, and hears it.
            count += 2 * 2 * tokens**2 * attention.output.in_features
    return count


def _linear(layer) -> int:
    return 2 * layer.in_features * layer.out_features


def _convolution(layer, size) -> int:
    count = 2 * layer.in_channels * layer.out_channels
    for axis, pixels in enumerate(size):
        before, kernel, stride = layer.padding[axis][0], layer.kernel_size[axis], layer.stride[axis]
        starts = [stride * i - before for i in range(_output(layer, size)[axis])]
        count *= sum(0 <= start + k < pixels for start in starts for k in range(kernel))
    return count


def _output(layer, size) -> tuple[int, int]:
    rows, columns = (
        (pixels + sum(layer.padding[axis]) - layer.kernel_size[axis]) // layer.stride[axis] + 1
        for axis, pixels in enumerate(size)
    )
    return rows, columns
