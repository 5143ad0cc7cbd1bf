"""Whether a .pxc file decodes to what was encoded: by the hashes in it, and by a second decoder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.batch.files import decode_frames
from pixcodec.codec import decode, restore
from pixcodec.container.header import DEFAULT_MAX_PIXELS
from pixcodec.container.info import Info, read_info
from pixcodec.errors import SelfTestError
from pixcodec.network.model import Model
from pixcodec.network.model_files import load_model

Progress = Callable[[float], None]  # called with the fraction that is done

# Subpixels that the plain decoder decodes in a second, by effort, measured on one core; files with little
# to decode, such as those of flat images, take less time than that.
PLAIN_SPEEDS = {"fast": 4500, "normal": 900, "max": 200, "research": 3500}
PLAIN_SPEED_DEEP = 400  # of more than 8 bits
PLAIN_SPEED_JPEG = 17000  # of JPEG files that are kept


def verify(
    data: bytes | bytearray | memoryview | str | os.PathLike[str],
    *,
    deep: bool = False,
    model: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
    progress: Progress | None = None,
) -> Info:
    """Decode a .pxc file, and check the hashes of its pixels, or of the JPEG file that it keeps.

    Parameters
    ----------
    data : bytes-like or path
    deep : bool
        Decode it once more with :mod:`pixcodec.reference`, a plain decoder that was written from the text of
        the format and shares no code with this one, and compare: for archives. It is slow, see
        :func:`plain_seconds`, and runs on one processor.
    model : path, optional
        The model file that it was encoded with, if that is not one that ships with the package.
    threads : int, optional
        At most.
    max_pixels : int or None
        Refuse larger images before anything is allocated.
    progress : callable, optional
        Called with the fraction done, now and then, from any thread.

    Returns
    -------
    Info

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, ModelMismatchError, LimitExceededError
    SelfTestError
        If the plain decoder does not find the same.
    """
    whole = Path(data).read_bytes() if isinstance(data, (str, os.PathLike)) else bytes(data)
    info = read_info(whole)
    loaded = None if model is None else load_model(Path(model))
    own = _decoded(whole, info, loaded, threads, max_pixels, None if deep else progress)
    if deep:
        _check_plainly(whole, own, [] if model is None else [Path(model)], progress)
    return info


def _decoded(
    data: bytes,
    info: Info,
    model: Model | None,
    threads: int | None,
    max_pixels: int | None,
    progress: Progress | None,
) -> bytes | npt.NDArray[Any] | None:
    """Return what a file holds; None of several frames, whose hashes are of the frames as they are stored."""
    if info.frames > 1:
        frames = decode_frames(data, model=model, threads=threads, max_pixels=max_pixels)
        for number, _ in enumerate(frames):
            if progress is not None:
                progress((number + 1) / info.frames)
        return None
    options: dict[str, Any] = {"threads": threads, "max_pixels": max_pixels, "progress": progress}
    return restore(data, **options) if info.kept else decode(data, model=model, **options)


def _check_plainly(
    data: bytes, own: bytes | npt.NDArray[Any] | None, models: list[Path], progress: Progress | None
) -> None:
    """Raise SelfTestError unless the plain decoder finds what this one found, and the hashes are right."""
    from pixcodec.reference.whole import decode_file

    advice = "keep what was encoded, if you have it, and report this with the file"
    try:
        found = decode_file(data, models, progress)
    except MemoryError:
        raise
    except Exception as error:
        what = " ".join(f"{type(error).__name__} {error}".split())
        raise SelfTestError(f"the plain decoder refuses what this one decodes ({what}): {advice}") from error
    if isinstance(own, bytes):
        same = found == own
    else:
        same = own is None or (not isinstance(found, bytes) and _same(found[0], own))
    if not same:
        raise SelfTestError(f"the plain decoder finds something else than this one: {advice}")


def _same(found: npt.NDArray[Any], own: npt.NDArray[Any]) -> bool:
    """Return whether pixels have the same bits: the plain decoder's (H, W, C) are unsigned integers."""
    return bool(np.array_equal(found, np.ascontiguousarray(own).view(found.dtype).reshape(found.shape)))


def plain_seconds(info: Info) -> float:
    """Return about how long the plain decoder takes for a file."""
    subpixels = 8 * info.size_bytes / info.bpsp_file
    speed = PLAIN_SPEED_JPEG if info.kept else PLAIN_SPEEDS[info.effort]
    return subpixels / (min(speed, PLAIN_SPEED_DEEP) if info.bit_depth > 8 else speed)
