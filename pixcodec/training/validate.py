"""Code length of images under a model: the size of effort fast without headers and raw tiles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixcodec.network.distribution import TOTAL_BITS, frequencies
from pixcodec.network.integer_net import run_image
from pixcodec.network.model import Model
from pixcodec.training.data import class_of, list_images, load_pixels
from pixcodec.training.histories import Pixels

Measure = Callable[[Pixels, str], npt.NDArray[np.floating]]  # pixels (H, W, C) and their class -> bits


def bits(model: Model, pixels: Pixels) -> npt.NDArray[np.float64]:
    """Return -log2 of the probability of every subpixel under the integer network.

    Parameters
    ----------
    model : Model
    pixels : ndarray of uint8, shape (H, W, C)

    Returns
    -------
    ndarray of float64, shape (H, W, C)
    """
    height, width, channels = pixels.shape
    lengths = np.empty((height * width, channels))
    for channel, mixture in enumerate(run_image(model, pixels)):
        symbols = pixels[..., channel].ravel().astype(np.int32)
        lengths[:, channel] = TOTAL_BITS - np.log2(frequencies(model, mixture, symbols))
    return lengths.reshape(height, width, channels)


def validation_bpsp(measure: Measure, channels: int, folder: Path, limit: int = 8, side: int = 256) -> float:
    """Return the mean bpsp_model of some images below a folder.

    Parameters
    ----------
    measure : callable
        Returns the bits of every subpixel (H, W, C) of pixels (H, W, C) of a class, as :func:`bits` does.
    channels : int
        3 for RGB, 1 for grey.
    folder : Path
    limit : int
        Number of images, evenly chosen from the sorted ones.
    side : int
        Only the central square of this side, in pixels, counts.

    Raises
    ------
    ValueError
        If there are no images.
    """
    paths = list_images(folder)
    if not paths:
        raise ValueError(f"{folder}: no images found")
    chosen = paths[:: max(1, len(paths) // limit)][:limit]
    total = 0.0
    for path in chosen:
        pixels = load_pixels(path, channels)
        y, x = ((n - min(n, side)) // 2 for n in pixels.shape[:2])
        part = pixels[y : y + side, x : x + side]
        total += float(measure(part, class_of(path, folder)).mean())
    return total / len(chosen)
