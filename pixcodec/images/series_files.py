"""Image files of several frames <-> their frames with metadata.

GIF and APNG are read as the rectangles that they draw, all others as whole images by Pillow.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from numbers import Real
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from pixcodec.container.frames import SeriesKind, Setting
from pixcodec.container.header import DEFAULT_MAX_PIXELS
from pixcodec.errors import PixcodecError, UnsupportedImageError
from pixcodec.images.apng import is_apng, read_apng
from pixcodec.images.files import read_image, too_large, within_limits
from pixcodec.images.gif import SIGNATURES, read_gif
from pixcodec.images.picture import AnyImage, Picture, to_picture
from pixcodec.images.pillow_info import collect
from pixcodec.images.rasters import tiff_pages
from pixcodec.images.series import Frame, Series

_PAGES = ("TIFF", "MPO", "DCX", "ICO", "ICNS")
_ANIMATIONS = ("WEBP", "AVIF", "FLI", "GIF", "PNG")  # by Pillow: each frame as it is shown
_MILLISECONDS = 1000
_FINEST = 10**6  # parts of a second
MAX_LOOP = 2**32 - 1
_ICO_COUNT = slice(4, 6)


def read_series(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS, strip: bool = False) -> Series | None:
    """Return the frames of an image file, or None if it holds one image or cannot be read as a series.

    Parameters
    ----------
    data : bytes
    max_pixels : int
        Of the canvas, or of each page.
    strip : bool
        Leave out the metadata.

    Raises
    ------
    PixcodecError
        As :func:`pixcodec.images.files.read_image`, also while the frames are read.
    """
    kind, count = _kind_and_count(data, max_pixels)
    if count < 2 or kind not in (*_PAGES, *_ANIMATIONS):
        return None
    if kind == "GIF" and data.startswith(SIGNATURES):
        with within_limits(data, max_pixels):
            series = read_gif(data, max_pixels)
    elif kind == "PNG" and is_apng(data):
        series = read_apng(data, max_pixels, lambda file: _picture_in(file, max_pixels))
    elif kind in _PAGES:
        frames = (Frame(_page(data, kind, number, max_pixels)) for number in range(count))
        series = Series(SeriesKind.PAGES, 0, 0, None, frames, count)
    else:
        series = _shown(data, max_pixels, count)
    if strip:
        return series._replace(frames=(_stripped(frame) for frame in series.frames))
    return series


def holds_several(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> bool:
    """Return whether an image file holds several frames that :func:`read_series` returns."""
    kind, count = _kind_and_count(data, max_pixels)
    return count > 1 and kind in (*_PAGES, *_ANIMATIONS)


def _kind_and_count(data: bytes, max_pixels: int) -> tuple[str, int]:
    """Return Pillow's name of the format and the number of frames; 0 if Pillow cannot open the file."""
    try:
        with within_limits(data, max_pixels), Image.open(io.BytesIO(data)) as image:
            if image.format == "ICO":
                return "ICO", int.from_bytes(data[_ICO_COUNT], "little")
            if image.format == "ICNS":
                return "ICNS", len(image.info["sizes"])
            return image.format or "", int(getattr(image, "n_frames", 1))
    except PixcodecError:  # whoever reads it as one image meets it again
        return "TIFF", tiff_pages(data)


def _picture_in(file: bytes, max_pixels: int, page: int | None = None) -> Picture:
    image, info = read_image(file, max_pixels=max_pixels, page=page)
    return to_picture(image, info=info)


def _page(data: bytes, kind: str, number: int, max_pixels: int) -> Picture:
    if kind not in ("ICO", "ICNS"):
        return _picture_in(data, max_pixels, number)
    with within_limits(data, max_pixels), Image.open(io.BytesIO(data)) as opened:
        assert isinstance(opened, ImageFile.ImageFile)
        icons: Any = opened
        image = icons.ico.frame(number) if kind == "ICO" else _apple_icon(icons, number, max_pixels)
        if image.width * image.height > max_pixels:
            raise too_large(max_pixels)
        image.load()
    return to_picture(image.copy(), info={})


def _apple_icon(icons: Any, number: int, max_pixels: int) -> Image.Image:
    """Return an image of an ICNS file, which Pillow decodes at once."""
    width, height, scale = icons.info["sizes"][number]
    if width * height * scale**2 > max_pixels:
        raise too_large(max_pixels)
    image: Image.Image = icons.icns.getimage((width, height, scale))
    return image


def _shown(data: bytes, max_pixels: int, count: int) -> Series:
    with within_limits(data, max_pixels), Image.open(io.BytesIO(data)) as image:
        if image.width * image.height > max_pixels:
            raise too_large(max_pixels)
        size, loop = image.size, image.info.get("loop")

    def frames() -> Iterator[Frame]:
        with within_limits(data, max_pixels):
            opened = Image.open(io.BytesIO(data))
        with opened:
            yield from frames_of(opened, lambda: within_limits(data, max_pixels))

    return Series(SeriesKind.ANIMATION, *size, loop if isinstance(loop, int) else None, frames(), count, True)


def frames_of(image: Image.Image, guard: Any) -> Iterator[Frame]:
    """Yield the frames of an open image as they are shown; ``guard()`` surrounds each call of Pillow.

    Frames that Pillow gives in several modes become those of the one that holds all.
    """
    for number in range(getattr(image, "n_frames", 1)):
        with guard():
            image.seek(number)
            image.load()
            info = collect(image)
            shown = image.copy()
            seconds = duration_of(image.info)
        yield Frame(to_picture(shown, info=info), Setting(0, 0, *seconds))


def duration_of(info: Mapping[Any, Any]) -> tuple[int, int]:
    """Return a duration of Pillow's ``info``, in milliseconds, as a fraction of a second."""
    given = info.get("duration", 0)
    value = float(given) if isinstance(given, Real) else -1.0
    if not 0 <= value < 2**31:
        return 0, _MILLISECONDS
    if value == int(value):
        return int(value), _MILLISECONDS
    share = Fraction(value / _MILLISECONDS).limit_denominator(_FINEST)
    return share.numerator, share.denominator


def series_of(images: Sequence[AnyImage], info: Mapping[str, Any] | None, *, strip: bool = False) -> Series:
    """Return images as a series: an animation if ``info`` has durations, else pages.

    Parameters
    ----------
    images : sequence of ndarray or PIL image
    info : mapping or None
        ``duration`` in milliseconds, of all or of each image, and ``loop``.

    Raises
    ------
    UnsupportedImageError
        If there is none, or if frames of an animation differ in size.
    """
    if not images:
        raise UnsupportedImageError("the list has no images, expected 1 or more")
    if info is None or "duration" not in info:
        pages = (Frame(to_picture(image, strip=strip)) for image in images)
        return Series(SeriesKind.PAGES, 0, 0, None, pages, len(images))
    durations = info["duration"]
    each = durations if isinstance(durations, list | tuple) else [durations] * len(images)
    sizes = {image.shape[:2] if isinstance(image, np.ndarray) else image.size[::-1] for image in images}
    if len(each) != len(images) or len(sizes) > 1:
        raise UnsupportedImageError(
            f"animation has {len(images)} frames, {len(each)} durations and {len(sizes)} sizes, "
            "expected as many durations as frames, and one size"
        )
    (height, width), loop = sizes.pop(), info.get("loop")
    frames = (
        Frame(to_picture(image, strip=strip), Setting(0, 0, *seconds))
        for image, seconds in zip(images, list(map(_checked_duration, each)), strict=True)
    )
    if loop is not None and not (isinstance(loop, int) and 0 <= loop <= MAX_LOOP):
        raise UnsupportedImageError(f"loop is {loop!r}, expected an integer of 0..{MAX_LOOP}")
    return Series(SeriesKind.ANIMATION, width, height, loop, frames, len(images), True)


def _checked_duration(duration: object) -> tuple[int, int]:
    """Return a duration in milliseconds as a fraction of a second."""
    seconds = duration_of({"duration": duration})
    if not seconds[0] and duration != 0:
        raise UnsupportedImageError(f"duration is {duration!r}, expected milliseconds from 0 on")
    return seconds


def _stripped(frame: Frame) -> Frame:
    return frame._replace(picture=frame.picture._replace(chunks=()))
