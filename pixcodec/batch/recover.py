"""What is intact in a damaged .pxc file, as an image: its damaged tiles are painted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pixcodec.codec import salvage_picture
from pixcodec.container.header import DEFAULT_MAX_PIXELS, Mode
from pixcodec.container.tiles import TileBox
from pixcodec.images.picture import Array, Picture, to_pillow
from pixcodec.network.model import Model
from pixcodec.network.model_files import load_model_or_none

if TYPE_CHECKING:
    from PIL import Image

PAINT_TEMPERATURE = 0.7  # at 1, a large hole drifts into noise
PAINT_PARTICLES = 4


class Recovered(NamedTuple):
    """What was recovered of a file.

    Parameters
    ----------
    image : PIL.Image.Image, or ndarray
        As of :func:`pixcodec.decode_image`.
    damaged : tuple of TileBox
        The parts of the image that could not be decoded: x, y, width, height.
    problems : tuple of str
        What is wrong with the file, a line each; empty if nothing is.
    painted : bool
        Whether the damaged parts were drawn from a model; else they are 0.
    """

    image: Image.Image | Array
    damaged: tuple[TileBox, ...]
    problems: tuple[str, ...]
    painted: bool = False


def recover(
    data: bytes | bytearray | memoryview,
    *,
    paint: bool = True,
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
) -> Recovered:
    """Return what is intact in a damaged .pxc file.

    Parameters
    ----------
    data : bytes-like
    paint : bool
        Fill damaged tiles of grey and RGB images with 8 bits by draws from a model (:func:`inpaint`); else,
        and in other images, they are 0.
    model : Model or path, optional
        As of :func:`pixcodec.decode`.
    threads : int, optional
        At most.
    max_pixels : int or None
        Refuse larger images before anything is allocated.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, ModelMismatchError
    CorruptFileError
        If the header or what all tiles need is damaged.
    """
    found = salvage_picture(data, load_model_or_none(model), threads, max_pixels)
    picture = found.picture
    plain = picture.mode in (Mode.GREY, Mode.RGB) and picture.pixels.dtype == np.uint8
    painted = paint and plain and bool(found.damaged)
    if painted:
        picture = _painted(picture, found.damaged, threads)
    return Recovered(to_pillow(picture), found.damaged, found.problems, painted)


def _painted(picture: Picture, damaged: tuple[TileBox, ...], threads: int | None) -> Picture:
    """Return a picture whose damaged tiles are filled."""
    from pixcodec.generation.inpainting import inpaint

    mask = np.zeros(picture.pixels.shape[:2], bool)
    for box in damaged:
        mask[box.slices] = True
    options = {"best_of": PAINT_PARTICLES, "temperature": PAINT_TEMPERATURE}
    (fill,) = inpaint(picture.pixels, mask, threads=threads, **options)  # type: ignore[arg-type]
    return picture._replace(pixels=fill.image.reshape(picture.pixels.shape))
