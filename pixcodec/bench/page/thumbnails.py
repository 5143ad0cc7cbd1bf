"""Small pictures of the images under test, as data: URIs."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, features

from pixcodec.pages.writing import data_uri

SIZE = (144, 96)  # pixels: twice what the page shows, for fine screens
QUALITY = 70


def thumbnail(image: npt.NDArray[Any]) -> str:
    """Return a small picture of an image as a data: URI.

    Parameters
    ----------
    image : ndarray of uint8 or uint16, (H, W) or (H, W, C)
    """
    shown = (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image
    small = Image.fromarray(shown)
    small = small.convert("RGBA" if small.mode in ("LA", "RGBA") else "RGB")
    small.thumbnail(SIZE)
    kind = "webp" if features.check("webp") else "png"
    buffer = io.BytesIO()
    small.save(buffer, kind.upper(), **({"quality": QUALITY} if kind == "webp" else {}))
    return data_uri(f"image/{kind}", buffer.getvalue())
