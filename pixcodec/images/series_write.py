"""The frames of a series -> GIF, APNG, WebP and TIFF files."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from PIL import Image, TiffImagePlugin

from pixcodec.container.frames import SeriesKind
from pixcodec.container.header import Mode
from pixcodec.errors import UnsupportedImageError
from pixcodec.images.apng import shared_parts, write_apng
from pixcodec.images.files import WRITABLE, check_writable, plain_copy, save_options, write_image
from pixcodec.images.gif import is_plain, write_gif
from pixcodec.images.metadata import from_chunks
from pixcodec.images.picture import Picture, header_info, to_array, to_pillow
from pixcodec.images.rasters import write_tiff
from pixcodec.images.series import Frame, Series

# By the suffix of a file: Pillow's name of the format.
SERIES_WRITABLE = {"apng": "PNG", "gif": "GIF", "png": "PNG", "tif": "TIFF", "tiff": "TIFF", "webp": "WEBP"}
_MILLISECONDS = 1000
_MOST_MILLISECONDS = 2**24 - 1


class Frames(NamedTuple):
    """The frames of a file.

    Parameters
    ----------
    series : Series
        Without frames.
    stored, shown : callable
        Return them as they are stored, and as they are shown.
    """

    series: Series
    stored: Callable[[], Iterator[Frame]]
    shown: Callable[[], Iterator[Frame]]


def write_series(frames: Frames, suffix: str) -> bytes:
    """Return frames as a file.

    Parameters
    ----------
    frames : Frames
    suffix : str
        A key of SERIES_WRITABLE. GIF holds the rectangles of frames with palettes; APNG those of frames of
        one mode and palette, else whole frames; WebP whole frames; TIFF whole frames, without durations.

    Raises
    ------
    UnsupportedImageError
        If the format cannot hold the frames.
    """
    name = SERIES_WRITABLE[suffix]
    if frames.series.kind is SeriesKind.PAGES and name != "TIFF":
        raise UnsupportedImageError(
            f"the file holds {frames.series.number} pages, which a {suffix} file cannot hold: use tiff, or "
            "choose one with --frame (frame=)"
        )
    if name == "GIF":
        return _gif(frames)
    if name == "PNG":
        return _apng(frames)
    return _webp(frames) if name == "WEBP" else _tiff(frames, suffix)


def _gif(frames: Frames) -> bytes:
    def checked() -> Iterator[Frame]:
        for number, frame in enumerate(frames.stored()):
            picture, setting = frame
            clears = not setting.over and bool(picture.transparency)
            if not is_plain(picture) or clears or setting.hidden:
                raise UnsupportedImageError(
                    f"frame {number} cannot be in a gif file, which holds indices of up to 256 RGB colours, "
                    "drawn over what is below: use png or webp"
                )
            yield frame

    return write_gif(frames.series._replace(frames=checked()))


def _apng(frames: Frames) -> bytes:
    stored = _png_files(frames.stored())
    if stored is not None and stored[0].covers(frames.series):
        return write_apng(
            frames.series, [file.data for file in stored], [file.frame.setting for file in stored]
        )
    shown = _png_files(frame._replace(setting=_whole(frame)) for frame in frames.shown())
    if shown is None:
        raise UnsupportedImageError("frames differ in what a png file says once for all of them: use tiff")
    return _joined(frames.series, shown)


def _joined(series: Series, files: list[_PngFile]) -> bytes:
    return write_apng(series, [file.data for file in files], [file.frame.setting for file in files])


def _whole(frame: Frame) -> Any:
    numerator, denominator, hidden = frame.setting.numerator, frame.setting.denominator, frame.setting.hidden
    return type(frame.setting)(numerator=numerator, denominator=denominator, hidden=hidden)


class _PngFile(NamedTuple):
    """A frame and the PNG file that it is by itself."""

    frame: Frame
    data: bytes

    def covers(self, series: Series) -> bool:
        """Return whether the frame is as large as the canvas."""
        height, width = self.frame.picture.pixels.shape[:2]
        return (width, height) == (series.width, series.height)


def _png_files(frames: Iterable[Frame]) -> list[_PngFile] | None:
    """Return each frame as a PNG file; None if not all say the same of colours."""
    found: list[_PngFile] = []
    for frame in frames:
        try:
            info = header_info(frame.picture.transparency, frame.picture.chunks)
            data = write_image(to_pillow(frame.picture), "png", info)
        except UnsupportedImageError:
            return None
        if found and shared_parts(data) != shared_parts(found[0].data):
            return None
        found.append(_PngFile(frame, data))
    return found


def _webp(frames: Frames) -> bytes:
    images: list[Image.Image] = []
    durations: list[int] = []
    info: dict[str, Any] = {}
    for picture, setting in frames.shown():
        if setting.hidden:
            continue
        image = to_pillow(picture)
        if not isinstance(image, Image.Image):
            raise UnsupportedImageError("frames have 16 bits, which a webp file cannot hold: use png")
        info = info or from_chunks(picture.chunks)
        held = plain_copy(image)
        images.append(
            held if held.mode in ("RGB", "RGBA") else held.convert("RGBA" if "A" in held.mode else "RGB")
        )
        durations.append(min(round(setting.seconds * _MILLISECONDS), _MOST_MILLISECONDS))
    buffer = io.BytesIO()
    options = {**WRITABLE["webp"].options, **save_options(info, "WEBP")}
    loop = 1 if frames.series.loop is None else frames.series.loop
    try:
        images[0].save(
            buffer, "WEBP", save_all=True, append_images=images[1:], duration=durations, loop=loop, **options
        )
    except (OSError, ValueError, OverflowError, struct.error) as error:
        raise UnsupportedImageError(f"Pillow cannot write the frames as WEBP: {error}") from error
    return buffer.getvalue()


def _tiff(frames: Frames, suffix: str) -> bytes:
    buffer = io.BytesIO()
    try:
        with TiffImagePlugin.AppendingTiffWriter(buffer) as file:
            for picture, _ in frames.shown():
                _append_page(file, picture, suffix)
                file.newFrame()
    except _ArrayError:
        return write_tiff(*(_raster_page(picture) for picture, _ in frames.shown()))
    except (KeyError, OSError, ValueError, OverflowError, struct.error) as error:
        raise UnsupportedImageError(f"Pillow cannot write the frames as TIFF: {error}") from error
    return buffer.getvalue()


class _ArrayError(Exception):
    """A page is an array, which tifffile writes."""


def _raster_page(picture: Picture) -> tuple[Any, dict[str, Any]]:
    """Return a page as tifffile writes it."""
    if picture.mode in (Mode.PALETTE, Mode.BILEVEL, Mode.CMYK) or picture.palette:
        raise UnsupportedImageError(
            f"a page of mode {picture.mode.name} cannot be beside arrays in a tiff file: choose pages with "
            "--frame (frame=)"
        )
    return to_array(picture), header_info(b"", picture.chunks)


def _append_page(file: Any, picture: Picture, suffix: str) -> None:
    image = to_pillow(picture)
    if not isinstance(image, Image.Image):
        raise _ArrayError
    held = plain_copy(image)
    check_writable(held, suffix)
    info = header_info(b"", picture.chunks)
    held.save(file, "TIFF", **WRITABLE[suffix].options, **save_options(info, "TIFF"))
