"""One .pxc file: encode an image to a path, decode the pixels at a path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pixcodec.batch.atomic import write_whole
from pixcodec.codec import decode, encode
from pixcodec.images.picture import AnyImage, Array


def save(path: str | os.PathLike[str], image: AnyImage, **options: Any) -> None:
    """Encode ``image`` to ``path``; options as for :func:`pixcodec.encode`.

    The file is complete or not there: it is written beside ``path`` and renamed.
    """
    write_whole(Path(path), encode(image, **options))


def open(path: str | os.PathLike[str], **options: Any) -> Array:
    """Return the pixels of the .pxc file at ``path``; options as for :func:`pixcodec.decode`."""
    return decode(Path(path).read_bytes(), **options)
