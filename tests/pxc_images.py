"""Images that Pillow saves as .pxc files and opens again, for tests."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageFile

import pixcodec

pixcodec.register_pillow()

IMAGES = Path(__file__).parent / "images"
NAMES = ["kodak23_61x47_rgb.png", "kodak23_61x47_grey.png", "kodak05_61x47_rgb.png"]


def png(name: str = NAMES[0]) -> Image.Image:
    with Image.open(IMAGES / name) as image:
        image.load()
    return image


def saved(image: Image.Image | None = None, **options: Any) -> bytes:
    file = io.BytesIO()
    (image or png()).save(file, "PXC", **{"effort": "fast", **options})
    return file.getvalue()


def opened(data: bytes) -> ImageFile.ImageFile:
    return Image.open(io.BytesIO(data))


def same(a: Image.Image, b: Image.Image) -> bool:
    return (a.mode, a.size, a.tobytes()) == (b.mode, b.size, b.tobytes())
