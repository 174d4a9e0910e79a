"""Floating-point operations of a U-Net, counted by hand: of convolutions, linear layers and attention, two for each
multiplication and its addition. What is left out (norms, activations, noise) is no matrix work, and a percent or two.

A weight that meets the zeros around an image is counted like any other, as is the custom; XLA, which leaves them out,
counts 4 % less in a 32 x 32 image."""

import entropax as ex


def forward(net: ex.nn.UNet, size: tuple[int, int]) -> int:
    """Of one image of this height and width."""
    count, sizes = _convolution(net.inputs, size), [size]
    assert isinstance(net.log_snr_embedding, ex.nn.LogSNREmbedding)
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
        layers += [block.shortcut] if isinstance(block.shortcut, ex.nn.Conv2d) else []
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
    rows, columns = _output(layer, size)
    # Zeros of the padding count as pixels do, as is the custom.
    return 2 * rows * columns * layer.weight.size


def _output(layer, size) -> tuple[int, int]:
    filters = layer.weight.shape[-1]
    rows, columns = ((pixels + sum(layer.padding) - filters) // layer.stride + 1 for pixels in size)
    return rows, columns
