"""Stand-ins for functions of codec.py that are on their way; to be deleted when codec.py has them."""

from __future__ import annotations

from typing import Any

from PIL import Image

from pixcodec import codec
from pixcodec.container import DEFAULT_MAX_PIXELS, Data, read_info


def _encode(image: Any, *, strip: bool = False, **options: Any) -> bytes:
    return codec.encode(image, **options)


def _decode_image(
    data: Data, *, region: None = None, max_pixels: int | None = DEFAULT_MAX_PIXELS, **options: Any
) -> Image.Image:
    return Image.fromarray(codec.decode(data, max_pixels=max_pixels, **options))


def _header_image(data: Data) -> tuple[str, tuple[int, int], dict[str, Any]]:
    info = read_info(data)
    return {"grey": "L", "rgb": "RGB"}[info.mode], (info.width, info.height), {}


READY = hasattr(codec, "header_image")
encode: Any = codec.encode if READY else _encode
decode_image: Any = getattr(codec, "decode_image", _decode_image)
header_image: Any = getattr(codec, "header_image", _header_image)
