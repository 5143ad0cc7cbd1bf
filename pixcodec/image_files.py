"""Image files of other formats <-> pixels, through Pillow."""

from __future__ import annotations

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from pixcodec.container import DEFAULT_MAX_PIXELS
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError, UnsupportedImageError
from pixcodec.planes import to_planes

Pixels = npt.NDArray[np.uint8]

# Lossless formats by the suffix of a file: Pillow's name, and its options.
WRITABLE: dict[str, tuple[str, dict[str, object]]] = {
    "png": ("PNG", {}),
    "ppm": ("PPM", {}),
    "pgm": ("PPM", {}),
    "tif": ("TIFF", {}),
    "tiff": ("TIFF", {}),
    "bmp": ("BMP", {}),
    "webp": ("WEBP", {"lossless": True, "exact": True}),
}


def read_pixels(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Return the pixels of an image file.

    Parameters
    ----------
    data : bytes
        A file in any format that Pillow reads.
    max_pixels : int
        Refuse larger images before they are decompressed.

    Returns
    -------
    ndarray
        uint8, shape (H, W, C), C-contiguous.

    Raises
    ------
    UnsupportedImageError
        If Pillow does not know the format, or pixcodec cannot code the image.
    LimitExceededError
        If the image has more than ``max_pixels`` pixels.
    CorruptFileError
        If Pillow knows the format and cannot decode the file.
    """
    before = Image.MAX_IMAGE_PIXELS
    try:
        Image.MAX_IMAGE_PIXELS = max_pixels
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                return to_planes(image)[1]
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise LimitExceededError(
            f"image is too large, the limit is {max_pixels} pixels (max_pixels)"
        ) from error
    except UnidentifiedImageError as error:
        raise UnsupportedImageError(
            "the format of the file is unknown to Pillow, expected an image"
        ) from error
    except (PixcodecError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise anything
        raise CorruptFileError(f"the image file is damaged: {error}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = before


def write_pixels(pixels: Pixels, suffix: str) -> bytes:
    """Return an image as a file in the format of a suffix, a key of WRITABLE.

    Parameters
    ----------
    pixels : ndarray
        uint8, shape (H, W) or (H, W, 3).
    suffix : str

    Raises
    ------
    UnsupportedImageError
        If the format cannot hold the image.
    """
    kind, options = WRITABLE[suffix]
    if suffix == "pgm" and pixels.ndim == 3:
        raise UnsupportedImageError("image is RGB, a pgm file holds grey only: use ppm")
    buffer = io.BytesIO()
    image: Image.Image = Image.fromarray(pixels)
    try:
        image.save(buffer, kind, **options)
    except (KeyError, OSError, ValueError) as error:
        raise UnsupportedImageError(f"Pillow cannot write the image as {kind}: {error}") from error
    return buffer.getvalue()
