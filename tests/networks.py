"""Networks for tests, and all that a model says of an image, computed in two ways."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

import samples
from pixcodec.network.architecture import Architecture
from pixcodec.network.distribution import component_weights
from pixcodec.network.integer_net import run_image
from pixcodec.network.model import Model
from pixcodec.network.pixelcnn import PixelCNN
from pixcodec.network.stepping import WavefrontNetwork
from pixcodec.network.wavefront import inner, lane_range, wavefront_count

Ints = npt.NDArray[np.int64]
Mixtures = list[tuple[Ints, ...]]


def random_network(
    channels: int, blocks: int = 2, seed: int = 0, gain: float = 3.0, sizes: tuple[int, int, int] = (7, 9, 3)
) -> PixelCNN:
    """Return an untrained network whose every layer matters; sizes: features, hidden units, components."""
    torch.manual_seed(seed)
    network = PixelCNN(Architecture(channels, sizes[0], blocks, *sizes[1:]))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-0.1, 0.1).mul_(gain)
    return network


def mixtures_of_image(model: Model, image: samples.Pixels) -> Mixtures:
    """Return weight, mean and inverse scale (H, W, K) of every channel, from the whole-image pass."""
    found = []
    for mixture in run_image(model, image):
        weight = np.empty(mixture.logit.shape, np.int64)
        for i, logit in enumerate(mixture.logit):
            component_weights(np.ascontiguousarray(logit), model.tensors["table.weight"], weight, i)
        inverse = model.tensors["table.scale"].astype(np.int64)[mixture.log_scale]
        shape = (*image.shape[:2], -1)
        parts = (weight, mixture.mean.astype(np.int64), inverse)
        found.append(tuple(part.reshape(shape) for part in parts))
    return found


def mixtures_of_wavefronts(
    model: Model, image: samples.Pixels, slope: int, *, unknown: samples.Pixels | None = None
) -> Mixtures:
    """Return the same as `mixtures_of_image`, computed in the order in which a decoder does it.

    A subpixel has its value from ``unknown`` until it is coded.
    """
    height, width, channels = image.shape
    net = WavefrontNetwork(model, height, width, slope, image if unknown is None else unknown)
    shape = (height, width, model.architecture.components)
    found = [tuple(np.full(shape, -1, np.int64) for _ in range(3)) for _ in range(channels)]
    for t in range(wavefront_count(slope, height, width)):
        first, n = lane_range(t, slope, height, width)
        if n == 0:
            continue
        net.features(t, first, n)
        y = np.arange(first, first + n)
        x = t - slope * y
        for channel in range(channels):
            mixture = net.mixture(channel)
            parts = (mixture.weight, mixture.mean, mixture.inverse)
            for out, part in zip(found[channel], parts, strict=True):
                out[y, x] = part[:n]
            inner(net.network.canvas)[y, x, channel] = image[y, x, channel]
    return found
