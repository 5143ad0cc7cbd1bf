"""Images under test: files -> arrays that all codecs are given, and what is known of each.

Shapes: H height, W width, C channels (grey and alpha, RGB, RGBA).
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.bench.record import ImageInfo
from pixcodec.container.header import MAX_PIXELS
from pixcodec.errors import UnsupportedImageError
from pixcodec.images.files import read_image

_OPAQUE = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "RGB": "RGB", "RGBA": "RGBA"}
_TRANSPARENT = {**_OPAQUE, "1": "LA", "L": "LA", "P": "RGBA", "RGB": "RGBA"}


def load_image(path: str | Path, *, max_pixels: int = MAX_PIXELS) -> npt.NDArray[Any]:
    """Read an image file as what all codecs are given.

    Palettes become RGB, transparent palettes and colours an alpha channel, bilevel images grey.

    Returns
    -------
    ndarray of uint8 or uint16, (H, W) or (H, W, C)

    Raises
    ------
    UnsupportedImageError
        The file is none that pixcodec reads, or has a mode that the peers do not share, such as CMYK.
    CorruptFileError, LimitExceededError
        As :func:`pixcodec.images.files.read_image`.
    """
    return pixels_of(Path(path).read_bytes(), max_pixels=max_pixels)


def pixels_of(data: bytes, *, max_pixels: int = MAX_PIXELS) -> npt.NDArray[Any]:
    """Return the pixels of a file's bytes, see `load_image`."""
    image = read_image(data, max_pixels=max_pixels).image
    if isinstance(image, np.ndarray):
        return image
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)
    modes = _TRANSPARENT if "transparency" in image.info else _OPAQUE
    if image.mode not in modes:
        raise UnsupportedImageError(
            f"expected a grey, RGB, palette or bilevel image, found mode {image.mode}"
        )
    return np.array(image.convert(modes[image.mode]))


def describe(name: str, image: npt.NDArray[Any]) -> ImageInfo:
    """Return an image's size and a hash of its pixels, by which results files recognise it."""
    info: ImageInfo = {
        "name": name,
        "height": image.shape[0],
        "width": image.shape[1],
        "channels": 1 if image.ndim == 2 else image.shape[2],
        "pixels_sha256": hashlib.sha256(image.tobytes()).hexdigest(),
    }
    if image.dtype != np.uint8:
        info["bit_depth"] = 8 * image.dtype.itemsize
    return info


def as_rgba(image: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Return the colours of an image of any mode, (H, W, 4) of uint16; 8 bits are repeated to 16."""
    deep = image.astype(np.uint16) * 257 if image.dtype == np.uint8 else image.astype(np.uint16)
    if deep.ndim == 2:
        deep = deep[..., None]
    colour = deep[..., :3] if deep.shape[2] > 2 else np.repeat(deep[..., :1], 3, axis=2)
    opaque = np.full_like(deep[..., :1], 65535)
    return np.concatenate([colour, deep[..., -1:] if deep.shape[2] in (2, 4) else opaque], axis=2)
