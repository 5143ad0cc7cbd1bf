"""An image <-> the .pxc file at a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixcodec.batch.atomic import write_whole
from pixcodec.codec import decode, decode_image, encode
from pixcodec.container.header import DEFAULT_MAX_PIXELS
from pixcodec.container.series_start import holds_series
from pixcodec.frames.api import shown_images
from pixcodec.images.picture import AnyImage, Array
from pixcodec.network.model import Model
from pixcodec.network.model_files import load_model_or_none
from pixcodec.tiling import Given

if TYPE_CHECKING:
    from PIL import Image


def save(path: str | os.PathLike[str], image: AnyImage, **options: Any) -> None:
    """Encode an image to the file ``path``, which is written as a whole or not at all.

    Parameters
    ----------
    path : str or path
    image : ndarray or PIL image
    **options
        Of :func:`pixcodec.encode`.

    Raises
    ------
    PixcodecError
        As :func:`pixcodec.encode`.
    OSError
        If the file cannot be written.
    """
    write_whole(Path(path), encode(image, **options))


def decode_frames(
    data: bytes | bytearray | memoryview,
    *,
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
) -> Iterator[Image.Image | Array]:
    """Yield the frames of a .pxc file, as :func:`pixcodec.decode_image` returns them; of one image that one.

    Of an animation, ``info`` of a PIL image has its ``duration`` in milliseconds, and ``loop``. Parameters
    and errors as for :func:`pixcodec.decode`.
    """
    if holds_series(data):
        given = Given(load_model_or_none(model), threads, None)
        yield from shown_images(data, given, max_pixels)
    else:
        yield decode_image(data, model=model, threads=threads, max_pixels=max_pixels)


def open(path: str | os.PathLike[str], **options: Any) -> Array:
    """Return the pixels of the .pxc file ``path``.

    Parameters
    ----------
    path : str or path
    **options
        Of :func:`pixcodec.decode`.

    Raises
    ------
    PixcodecError
        As :func:`pixcodec.decode`.
    OSError
        If the file cannot be read.
    """
    return decode(Path(path).read_bytes(), **options)
