"""Image in any supported mode <-> the integer planes that are coded.

Shapes: H height, W width, C channels (1 for grey, 3 for RGB).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixcodec.container import Mode
from pixcodec.errors import UnsupportedImageError

Planes = npt.NDArray[np.uint8]
AnyImage = npt.NDArray[np.uint8] | Image.Image


def to_planes(image: AnyImage) -> tuple[Mode, Planes]:
    """Return the mode and the subpixels of an image; no subpixel is changed.

    Parameters
    ----------
    image : ndarray or PIL.Image.Image
        uint8 of shape (H, W), (H, W, 1) or (H, W, 3), or an image of mode L or RGB with one frame.

    Returns
    -------
    mode : Mode
    planes : ndarray
        uint8, shape (H, W, C), C-contiguous; may share memory with ``image``.

    Raises
    ------
    UnsupportedImageError
        If the image is anything else, is empty, or would lose something.
    """
    array = _pil_array(image) if isinstance(image, Image.Image) else image
    if not isinstance(array, np.ndarray):
        raise UnsupportedImageError(
            f"image is a {type(image).__name__}, expected a numpy array or a PIL image: "
            "convert with numpy.asarray(image)"
        )
    if array.dtype != np.uint8:
        raise UnsupportedImageError(
            f"array has dtype {array.dtype}, expected uint8: scale it to 0..255 and use array.astype('uint8')"
        )
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3):
        raise UnsupportedImageError(
            f"array has shape {array.shape}, expected (H, W), (H, W, 1) or (H, W, 3): "
            "drop or split the other channels"
        )
    if array.size == 0:
        raise UnsupportedImageError(f"array has shape {array.shape}, expected at least one pixel")
    mode = Mode.RGB if array.shape[2] == 3 else Mode.GREY
    return mode, np.ascontiguousarray(array)


def from_planes(mode: Mode, planes: Planes) -> Planes:
    """Return planes of shape (H, W, C) as an image: (H, W) for grey, (H, W, 3) for RGB."""
    assert planes.shape[2:] == (mode.channels,)
    return planes[:, :, 0] if mode is Mode.GREY else planes


def _pil_array(image: Image.Image) -> Planes:
    """Return the pixels of a PIL image, or raise if they are not all there is to it."""
    if image.mode not in ("L", "RGB"):
        target = "L" if image.mode == "1" else "RGB"
        raise UnsupportedImageError(
            f"image has mode {image.mode}, expected L or RGB: convert with image.convert({target!r})"
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnsupportedImageError(f"image has {frames} frames, expected 1: encode each frame by itself")
    if "transparency" in image.info:
        raise UnsupportedImageError(
            "image has a transparent colour, expected none: drop it with del image.info['transparency']"
        )
    if _is_deeper(image):
        raise UnsupportedImageError(
            "image has more than 8 bits per subpixel in its file, expected 8: reduce it to 8 bits first"
        )
    if min(image.size) < 1:
        raise UnsupportedImageError(f"image is {image.width}x{image.height} pixels, expected at least 1x1")
    return np.asarray(image)


def _is_deeper(image: Image.Image) -> bool:
    """Return whether Pillow is about to drop bits of a file that it has opened as mode L or RGB.

    Only the decoder settings of a file that is not loaded yet tell: a raw mode such as ``RGB;16B``, or
    the greatest value of a PPM file.
    """
    for codec, _, _, args in getattr(image, "tile", ()):
        values = args if isinstance(args, tuple) else (args,)
        if any(isinstance(value, str) and ";16" in value for value in values):
            return True
        if codec == "ppm" and values[1] != 255:
            return True
    return False
