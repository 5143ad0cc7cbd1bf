"""TEMPORARY: today's codec behind the interface that transcode.py is written for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pixcodec

if TYPE_CHECKING:
    from PIL import Image


def read_image(data: bytes, *, max_pixels: int) -> Image.Image:
    """Return the image of a file in any format that Pillow reads."""
    from PIL import Image

    from pixcodec.image_files import read_pixels

    pixels = read_pixels(data, max_pixels=max_pixels)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def write_image(image: Any, suffix: str) -> bytes:
    """Return an image as a file in the format of a suffix."""
    import numpy as np

    from pixcodec.image_files import write_pixels

    return write_pixels(np.asarray(image), suffix)


def encode(image: Image.Image, *, strip: bool, **options: Any) -> bytes:
    """Return an image as the bytes of a .pxc file."""
    return pixcodec.encode(image, **options)


def decode_image(
    data: bytes, *, region: tuple[int, int, int, int] | None = None, **options: Any
) -> Image.Image:
    """Return the image of a .pxc file, or the part at x, y of a width and a height."""
    from PIL import Image

    image = Image.fromarray(pixcodec.decode(data, **options))
    if region is None:
        return image
    x, y, width, height = region
    return image.crop((x, y, x + width, y + height))
