"""Whole files of any kind, and how far their decoding is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy.typing as npt

from pixcodec.reference import core, decoder, fast, jpeg_files, series

SHIPPED = sorted((Path(__file__).parent.parent / "models").glob("*.safetensors"))
_RESEARCH = 3

Progress = Callable[[float], None]


def decode_file(
    data: bytes, models: Iterable[Path] = (), progress: Progress | None = None
) -> bytes | list[npt.NDArray[Any]]:
    """Return what a file holds: the JPEG file that it keeps, or the pixels (H, W, C) of each frame.

    Pixels are unsigned integers, of an image with a palette the indices; frames are as they are stored.

    Parameters
    ----------
    data : bytes
    models : iterable of Path
        Model files beside those that ship with the package.
    progress : callable, optional
        Called with the fraction of the file that was read, now and then.

    Raises
    ------
    Exception
        Any, if the file is not what the format says, or what was decoded has not the hash that it states.
    """
    read = 0

    def tell(size_bytes: int) -> None:
        nonlocal read
        read += size_bytes
        if progress is not None:
            progress(min(read / len(data), 1.0))

    token = core.TELL.set(tell)
    try:
        return _decoded(data, [*models, *SHIPPED])
    finally:
        core.TELL.reset(token)


def _decoded(data: bytes, models: list[Path]) -> bytes | list[npt.NDArray[Any]]:
    if data[8] == 128 + 7:
        return jpeg_files.restore(data)
    if data[8] == 128 + 8 and data[9] > 1:
        return series.decode(data, models)
    if data[8] != 128 + 8:
        head = core.chunks(data)[0][1]
        version = int.from_bytes(head[:2], "little")
        if version == 1 or head[4] == _RESEARCH:
            return [fast.decode(data, models)]
    return [decoder.decode(data, models)]
