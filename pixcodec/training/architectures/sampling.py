"""Images drawn from a network in torch, and what its outputs depend on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pixcodec.network.architecture import MAX_VALUE, PAD_VALUE
from pixcodec.network.pixelcnn import PixelCNN
from pixcodec.training.architectures.registry import coding_order, kind_of

_EDGE = 1e-5  # of random numbers between 0 and 1, which are kept away from both ends


@torch.no_grad()
def sample(
    network: PixelCNN, count: int, height: int, width: int, *, seed: int = 0, condition: Tensor | None = None
) -> npt.NDArray[np.uint8]:
    """Draw images, all pixels of a step of :func:`coding_order` together, R, G and B one after the other.

    Parameters
    ----------
    network : PixelCNN
        Of any architecture.
    count, height, width : int
    seed : int
        The same seed gives the same images on the same machine.
    condition : Tensor, optional
        Of ``count`` images.

    Returns
    -------
    ndarray of uint8, shape (count, height, width, C)
    """
    generator = torch.Generator().manual_seed(seed)
    channels = network.architecture.channels
    order = coding_order(network.architecture, height, width)
    # Rows below the last one of a step do not matter, but for conditions and grids of whole images.
    whole = condition is not None or kind_of(network.architecture) == "multiscale"
    x = torch.full((count, channels, height, width), float(PAD_VALUE))
    for step in range(int(order.max()) + 1):
        ys, xs = torch.nonzero(order == step, as_tuple=True)
        if not len(ys):
            continue
        rows = height if whole else int(ys.max()) + 1
        features, base = network.features(x[:, :, :rows], condition)
        features, base = features[:, :, ys, xs, None], base[:, :, ys, xs, None]
        for channel in range(channels):
            mixture = network.mixture(channel, features, base, x[:, :, ys, xs, None])
            x[:, channel, ys, xs] = _drawn(mixture, generator)[..., 0]
    return x.permute(0, 2, 3, 1).to(torch.uint8).numpy()


def _drawn(mixture: dict[str, Tensor], generator: torch.Generator) -> Tensor:
    """Draw whole numbers 0..255 (B, N, 1) from mixtures of logistics (B, K, N, 1)."""
    logit = mixture["logit"]
    noise = torch.rand(logit.shape, generator=generator).clamp(_EDGE, 1 - _EDGE)
    chosen = (logit - torch.log(-torch.log(noise))).argmax(1, keepdim=True)
    mean, log_scale = (mixture[key].gather(1, chosen)[:, 0] for key in ("mean", "log_scale"))
    u = torch.rand(mean.shape, generator=generator).clamp(_EDGE, 1 - _EDGE)
    return torch.round(mean + torch.exp(log_scale) * torch.logit(u)).clamp(0, MAX_VALUE)


class Field(NamedTuple):
    """What the output at one pixel depends on.

    Parameters
    ----------
    pixels : int
        Number of pixels with a gradient that is not zero.
    up, left, right, down : int
        Their extent from the pixel, in rows and columns.
    effective_rows : int
        Rows up from the pixel, its own included, that have 99 % of the sum of absolute gradients.
    """

    pixels: int
    up: int
    left: int
    right: int
    down: int
    effective_rows: int


def gradient_map(network: PixelCNN, images: Tensor, y: int, x: int) -> Tensor:
    """Return the sum of absolute gradients (H, W) of the first channel's outputs at a pixel.

    Parameters
    ----------
    network : PixelCNN
        Without a condition.
    images : Tensor, shape (B, C, H, W)
    y, x : int
        The pixel.
    """
    images = images.clone().requires_grad_()
    outputs = network(images)[0]
    total = sum(value[:, :, y, x].sum() for value in outputs.values())
    assert isinstance(total, Tensor)
    (gradient,) = torch.autograd.grad(total, images)
    return gradient.abs().sum((0, 1))


def receptive_field(network: PixelCNN, images: Tensor, y: int, x: int) -> Field:
    """Return what the output at a pixel depends on, as :func:`gradient_map` measures it."""
    gradient = gradient_map(network, images, y, x)
    ys, xs = torch.nonzero(gradient, as_tuple=True)
    if not len(ys):
        return Field(0, 0, 0, 0, 0, 0)
    rows = gradient.sum(1)[: y + 1].flip(0).cumsum(0)
    effective = int((rows < 0.99 * rows[-1]).sum()) + 1
    edges = (y - ys.min(), x - xs.min(), xs.max() - x, ys.max() - y)
    up, left, right, down = (max(0, int(edge)) for edge in edges)
    return Field(len(ys), up, left, right, down, effective)
