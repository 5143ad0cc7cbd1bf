"""An image of any kind, encoded and decoded."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import pixcodec
import samples
from pil_images import assert_same_image
from pixcodec.codec import decode_image
from pixcodec.images.picture import to_array, to_picture


def pixels_of(image: samples.AnyImage) -> npt.NDArray[Any]:
    return np.asarray(to_array(to_picture(image)))


def comes_back(image: samples.AnyImage, **options: Any) -> bytes:
    """Encode an image, check what it decodes to, and return the file."""
    data = pixcodec.encode(image, **options)
    decoded, expected = pixcodec.decode(data), pixels_of(image)
    assert decoded.dtype == expected.dtype
    np.testing.assert_array_equal(decoded, expected)
    if isinstance(image, Image.Image):
        assert_same_image(decode_image(data), image)
    return data
