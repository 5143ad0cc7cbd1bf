"""Files of images that are larger than memory: encoded, decoded and verified by stripes.

Only .npy and TIFF files are read and written by rows. All other files, and smaller images, are read whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pixcodec.batch.large import Target, decode_large, encode_large, form_of
from pixcodec.batch.plan import STREAM
from pixcodec.batch.settings import DecodeSettings, EncodeSettings, Progress, Settings
from pixcodec.container.beginning import read_beginning, read_header
from pixcodec.container.deep import Meaning
from pixcodec.container.header import Header, Mode
from pixcodec.container.info import Info, read_info
from pixcodec.errors import LimitExceededError, PixcodecError
from pixcodec.images.row_files import SUFFIXES, opened_rows, size_by_rows, written_rows

if TYPE_CHECKING:
    from pixcodec.network.model import Model

LARGE_PIXELS = 2**28  # of more, an image is coded by stripes where that can be done
_BY_ROWS = frozenset(
    mode.name.lower() for mode in (Mode.GREY, Mode.GREY_ALPHA, Mode.RGB, Mode.RGBA, Mode.DEEP)
)


def is_large_source(source: str, target: str | None, settings: EncodeSettings) -> bool:
    """Return whether an image file is encoded by stripes.

    Raises
    ------
    LimitExceededError
        If it could be, and is larger than allowed.
    """
    if not os.path.isfile(source) or not _is_file(target) or settings.order != "wavefront" or settings.device:
        return False
    size = size_by_rows(Path(source))
    if size is None or size[0] * size[1] <= LARGE_PIXELS:
        return False
    if size[0] * size[1] > settings.max_pixels:
        raise LimitExceededError(
            f"image is {size[1]}x{size[0]}, the limit is {settings.max_pixels} pixels (--max-pixels)"
        )
    return True


def encode_large_file(
    source: str, target: str, settings: EncodeSettings, model: Model | None, progress: Progress | None
) -> Info:
    """Encode an image file to a .pxc file; see :func:`pixcodec.batch.large.encode_large`."""
    with opened_rows(Path(source)) as (array, info):
        encode_large(
            array,
            target,
            effort=settings.effort,
            model=model,
            threads=settings.threads,
            info=None if settings.strip else info,
            verify=settings.verify or settings.remove,
            progress=progress,
            max_pixels=settings.max_pixels,
        )
    return _info(target)


def is_large_file(source: str, settings: Settings) -> bool:
    """Return whether a .pxc file holds an image that is decoded by stripes."""
    if source == STREAM or not os.path.isfile(source):
        return False
    try:
        info = _info(source)
        if info.kept or info.jpeg or info.exact or info.frames > 1 or info.mode not in _BY_ROWS:
            return False
        deep = _header(source).deep
    except PixcodecError:  # whoever reads the file says what is wrong
        return False
    plain = deep is None or deep.meaning is Meaning.UNSPECIFIED
    return plain and LARGE_PIXELS < info.width * info.height <= settings.max_pixels


def is_large_target(source: str, target: str, suffix: str, settings: DecodeSettings) -> bool:
    """Return whether a .pxc file is decoded by stripes to an image file of a format."""
    if suffix not in SUFFIXES or settings.region is not None or settings.recover or not _is_file(target):
        return False
    return is_large_file(source, settings)


def decode_large_file(
    source: str,
    target: Path,
    suffix: str,
    settings: DecodeSettings,
    model: Model | None,
    progress: Progress | None,
) -> Info:
    """Decode a .pxc file to a new image file."""
    from pixcodec.codec import header_image

    info = _info(source)
    with open(source, "rb") as file:
        metadata = header_image(read_beginning(file))[2]
    with written_rows(target, suffix, *form_of(_header(source)), metadata) as rows:
        _decode_to(rows, source, settings, model, progress)
    return info


def verify_large_file(
    source: str, settings: Settings, model: Model | None, progress: Progress | None
) -> Info:
    """Decode a .pxc file and check its hash."""
    info = _info(source)
    _decode_to(_Nothing(form_of(_header(source))[0]), source, settings, model, progress)
    return info


def _decode_to(
    target: Target, source: str, settings: Settings, model: Model | None, progress: Progress | None
) -> None:
    decode_large(
        source,
        target,
        model=model,
        threads=settings.threads,
        progress=progress,
        max_pixels=settings.max_pixels,
    )


class _Nothing:
    """An array that forgets what is written to it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def _is_file(target: str | None) -> bool:
    """Return whether an output is or will be a regular file."""
    if target is None or target == STREAM:
        return False
    return os.path.isfile(target) or not os.path.exists(target)


def _header(path: str) -> Header:
    with open(path, "rb") as file:
        return read_header(read_beginning(file))[0]


def _info(path: str) -> Info:
    with open(path, "rb") as file:
        beginning = read_beginning(file)
        return read_info(beginning, size_bytes=os.fstat(file.fileno()).st_size)
