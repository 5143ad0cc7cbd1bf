"""Code length of images under a network that torch runs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from pixcodec.network.pixelcnn import PixelCNN, bits_per_subpixel
from pixcodec.training.architectures.gated import condition_of
from pixcodec.training.architectures.sizes import TorchArchitecture
from pixcodec.training.data import class_index
from pixcodec.training.histories import Pixels


@torch.no_grad()
def network_bits(network: PixelCNN, pixels: Pixels, name: str = "") -> npt.NDArray[np.float32]:
    """Return -log2 of the probability of every subpixel.

    Parameters
    ----------
    network : PixelCNN
        Of any architecture.
    pixels : ndarray of uint8, shape (H, W, C)
    name : str
        Class of the image, where the condition is the class.

    Returns
    -------
    ndarray of float32, shape (H, W, C)

    Raises
    ------
    ValueError
        If the condition is the class, and the image has another.
    """
    x = torch.from_numpy(pixels.transpose(2, 0, 1).astype(np.float32))[None]
    condition, a = None, network.architecture
    if isinstance(a, TorchArchitecture):
        classes = torch.tensor([class_index(name, a.classes)]) if a.condition == "class" else None
        condition = condition_of(a, x, classes)
    return bits_per_subpixel(network(x, condition), x)[0].permute(1, 2, 0).numpy()
