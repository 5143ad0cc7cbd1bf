"""Whether a file holds the frames of an image file, frame by frame."""

from __future__ import annotations

from itertools import zip_longest

import numpy as np

from pixcodec.container.frames import SeriesKind
from pixcodec.container.header import PLANE_BITS
from pixcodec.errors import PixcodecError
from pixcodec.frames.decoder import SeriesReader
from pixcodec.images.canvas import Canvas
from pixcodec.images.series import Frame
from pixcodec.images.series_files import read_series
from pixcodec.network.model import Model
from pixcodec.tiling import Given


def check_frames(
    written: bytes, source: bytes, max_pixels: int, model: Model | None, threads: int | None, *, strip: bool
) -> None:
    """Raise an error unless a .pxc file holds all frames of an image file: what is shown, and the metadata.

    Parameters
    ----------
    written, source : bytes
        The .pxc file and the image file.
    max_pixels, model, threads
        As of :func:`pixcodec.decode`.
    strip : bool
        Whether metadata was left out.

    Raises
    ------
    PixcodecError
    """
    series = read_series(source, max_pixels=max_pixels, strip=strip)
    reader = SeriesReader(written, Given(model, threads, None), max_pixels)
    start = reader.start
    if series is None or (series.kind, series.loop) != (start.kind, start.loop):
        raise PixcodecError("the file decodes to another kind of series than the original")
    animation = start.kind is SeriesKind.ANIMATION
    if animation and (series.width, series.height) != (start.width, start.height):
        raise PixcodecError("the decoded canvas has another size than the original")
    deep = any(entry.header.bit_depth > PLANE_BITS for entry in start.frames)
    canvases = [Canvas(start.width, start.height, deep=deep) for _ in range(2)] if animation else []
    pairs = zip_longest((frame for _, frame in reader.stored()), series.frames)
    for number, (decoded, original) in enumerate(pairs):
        if decoded is None or original is None or not _same(decoded, original, canvases):
            raise PixcodecError(f"frame {number} of the decoded file differs from the original")


def _same(decoded: Frame, original: Frame, canvases: list[Canvas]) -> bool:
    """Return whether two frames show the same, for the same time, with the same metadata."""
    one, other = decoded.setting, original.setting
    same = one.seconds == other.seconds and one.hidden == other.hidden
    same = same and decoded.picture.chunks == original.picture.chunks
    if not canvases:
        plain = original.picture._replace(bit_depth=decoded.picture.bit_depth, pixels=decoded.picture.pixels)
        same = same and plain == decoded.picture
        return same and np.array_equal(decoded.picture.pixels, original.picture.pixels)
    shown = [
        canvas.draw(frame.picture, frame.setting)
        for canvas, frame in zip(canvases, (decoded, original), strict=True)
    ]
    same = same and one.disposal == other.disposal
    return same and np.array_equal(shown[0], shown[1])
