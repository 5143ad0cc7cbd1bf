"""Draw images from a model, pixel by pixel (ancestral sampling).

Shapes: N images, H W height and width, C channels.
"""

from __future__ import annotations

import numpy as np

from pixcodec.coding.threads import Crew, Progress, map_tiles
from pixcodec.container.header import MAX_TILE_PIXELS
from pixcodec.errors import LimitExceededError
from pixcodec.generation.painter import Mask, Painter, Planes, Style, random_numbers
from pixcodec.generation.planes import AnyImage, GivenModel, chosen_model, planes_of, without_axis
from pixcodec.network.architecture import MIN_SLOPE
from pixcodec.network.model import Model
from pixcodec.network.wavefront import wavefront_count

WAVES_PER_CALL = 64  # of an image, between two reports of progress


def sample(
    count: int = 1,
    size: tuple[int, int] = (64, 64),
    *,
    seed: int = 0,
    grey: bool = False,
    temperature: float = 1.0,
    top_p: float = 1.0,
    start: AnyImage | None = None,
    rows: int | None = None,
    model: GivenModel = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Planes:
    """Draw images from a model in the order and from the distributions in which files are coded.

    Parameters
    ----------
    count : int
    size : tuple of int
        Width and height; of the image ``start``, if there is one.
    seed : int
        0 .. 2**64 - 1. The same seed draws the same images on every machine, with any number of threads.
    grey : bool
        Draw from the model for grey images.
    temperature, top_p : float
        See :class:`pixcodec.generation.painter.Style`.
    start : ndarray of uint8 or PIL image, optional
        Grey or RGB: its upper ``rows`` are kept (default: half), and the rest is drawn.
    model, threads, progress
        As of :func:`pixcodec.encode`.

    Returns
    -------
    ndarray of uint8
        (N, H, W, 3), or (N, H, W) if they are grey.

    Raises
    ------
    ValueError
        If a number is out of range.
    UnsupportedImageError, LimitExceededError
        If ``start`` is neither grey nor RGB with 8 bits; if the images have too many pixels.
    """
    style = Style(temperature, top_p).checked()
    if count < 1:
        raise ValueError(f"count is {count}, expected at least 1")
    chosen, pixels, known = _beginning(count, size, start, rows, model, grey=grey)
    calls = -(-wavefront_count(MIN_SLOPE, *pixels.shape[:2]) // WAVES_PER_CALL)

    def draw(number: int, crew: Crew) -> Planes:
        painter = Painter(chosen, pixels, known, random_numbers(seed, number, pixels.shape), style)
        for call in range(1, calls + 1):
            painter.advance(call * WAVES_PER_CALL)
            crew.tick(1)
        return painter.pixels

    return without_axis(np.stack(map_tiles(draw, range(count), count * calls, threads, progress)))


def _beginning(
    count: int,
    size: tuple[int, int],
    start: AnyImage | None,
    rows: int | None,
    model: GivenModel,
    *,
    grey: bool,
) -> tuple[Model, Planes, Mask]:
    """Return the model, and what is known of every image: pixels (H, W, C), and where they are (H, W)."""
    given = None if start is None else planes_of(start)
    width, height = size if given is None else (given.shape[1], given.shape[0])
    if width < 1 or height < 1:
        raise ValueError(f"size is {width}x{height}, expected at least 1x1")
    if count * height * width > MAX_TILE_PIXELS:
        raise LimitExceededError(
            f"{count} images of {width}x{height} are {count * height * width} pixels, "
            f"the limit is {MAX_TILE_PIXELS}"
        )
    if given is None:
        channels, rows = 1 if grey else 3, 0
        given = np.zeros((height, width, channels), np.uint8)
    chosen = chosen_model(model, given.shape[2])
    return chosen, given, _upper_rows(height, width, height // 2 if rows is None else rows)


def _upper_rows(height: int, width: int, rows: int) -> Mask:
    """Return which pixels are known (H, W); raise ValueError if there are not so many rows."""
    if not 0 <= rows <= height:
        raise ValueError(f"rows is {rows}, expected 0..{height}, the height of the image")
    known = np.zeros((height, width), bool)
    known[:rows] = True
    return known
