"""Two images compared, so that a decoded image is known to be the original."""

from __future__ import annotations

from typing import Any

from pixcodec.errors import PixcodecError


def check_same(decoded: Any, image: Any) -> None:
    """Raise an error unless two images are equal except for their metadata.

    Parameters
    ----------
    decoded, image : PIL image or ndarray

    Raises
    ------
    PixcodecError
        If they differ in mode, size, palette, transparency or pixels.
    """
    found = _parts(decoded)
    for name, expected in _parts(image).items():
        if found.get(name) != expected:
            raise PixcodecError(f"the decoded image differs from the original in {name}")


def _parts(image: Any) -> dict[str, object]:
    if not hasattr(image, "mode"):  # an array, as Pillow has no such mode
        return {"mode": image.dtype, "size": image.shape, "pixels": image.tobytes()}
    return {
        "mode": image.mode,
        "size": image.size,
        "palette": image.getpalette("RGBA") if image.mode in ("P", "PA") else None,
        "transparency": image.info.get("transparency"),
        "pixels": image.tobytes(),
    }
