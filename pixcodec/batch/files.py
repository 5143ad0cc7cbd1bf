"""An image <-> the .pxc file at a path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pixcodec.batch.atomic import write_whole
from pixcodec.codec import decode, encode
from pixcodec.images.picture import AnyImage, Array


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
