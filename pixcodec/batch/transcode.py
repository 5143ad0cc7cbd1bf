"""One file from the disk, through the codec, to the disk."""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pixcodec.batch.atomic import sync_folder, write_whole
from pixcodec.batch.outcome import TRACEBACK_VARIABLE, Outcome, failure, is_expected
from pixcodec.batch.plan import STREAM, Task
from pixcodec.batch.suffixes import suffix_of
from pixcodec.container.header import DEFAULT_MAX_PIXELS
from pixcodec.container.info import Info, read_info
from pixcodec.errors import PixcodecError

if TYPE_CHECKING:
    from pixcodec.network.model import Model

Progress = Callable[[float], None]
Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class Settings:
    """How the files of one command are worked on, whatever the command."""

    max_pixels: int = DEFAULT_MAX_PIXELS
    model: Path | None = None
    threads: int | None = None
    force: bool = False
    skip_existing: bool = False


@dataclass(frozen=True)
class EncodeSettings(Settings):
    """How images are encoded; ``remove`` their files once the new ones are proved to hold them."""

    effort: str = "normal"
    order: str = "wavefront"
    verify: bool = True
    strip: bool = False
    remove: bool = False


@dataclass(frozen=True)
class DecodeSettings(Settings):
    """How files are decoded: to the format of a suffix, or that of the output; all of an image or a part."""

    suffix: str | None = None
    region: Region | None = None


def encode_file(
    settings: EncodeSettings, task: Task, progress: Progress | None = None, stdout: BinaryIO | None = None
) -> Outcome:
    """Encode an image file."""
    return _attempt(settings, task, lambda: _encode(settings, task, progress, stdout))


def decode_file(
    settings: DecodeSettings, task: Task, progress: Progress | None = None, stdout: BinaryIO | None = None
) -> Outcome:
    """Decode a .pxc file to an image file."""
    return _attempt(settings, task, lambda: _decode(settings, task, progress, stdout))


def verify_file(
    settings: Settings, task: Task, progress: Progress | None = None, stdout: BinaryIO | None = None
) -> Outcome:
    """Decode a .pxc file and check the hash of its pixels."""
    return _attempt(settings, task, lambda: _verify(settings, task, progress))


def foresee(settings: Settings, task: Task) -> Outcome:
    """Return the outcome of a task as far as it can be known without doing it: at best ``planned``."""
    return _attempt(settings, task, lambda: Outcome(task.source, task.target, "planned"))


def check_target(target: str, *, force: bool, make_folders: bool = False) -> None:
    """Raise if an output cannot or must not be written.

    Raises
    ------
    OSError
    """
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "is a folder, expected a file", target)
    if os.path.isfile(target) and not force:
        raise FileExistsError(errno.EEXIST, "exists already; use -f to overwrite it", target)
    folder = Path(os.path.realpath(target)).parent
    while make_folders and not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder", str(folder))
    if not os.access(folder, os.W_OK):
        raise PermissionError(errno.EACCES, "no permission to write in this folder", str(folder))


def read_bytes(source: str) -> bytes:
    """Return what a file or stdin holds."""
    return sys.stdin.buffer.read() if source == STREAM else Path(source).read_bytes()


@contextmanager
def about(name: str) -> Iterator[None]:
    """Put the name of a file before the message of a PixcodecError."""
    try:
        yield
    except PixcodecError as error:
        raise type(error)(f"{name}: {error}") from error


def check_same(decoded: Any, image: Any) -> None:
    """Raise unless two images, PIL images or arrays, are the same but for their metadata.

    Raises
    ------
    PixcodecError
    """
    found = _parts(decoded)
    for name, expected in _parts(image).items():
        if found.get(name) != expected:
            raise PixcodecError(f"the decoded image differs from the original in {name}")


def _parts(image: Any) -> dict[str, object]:
    if not hasattr(image, "mode"):  # an array, of a mode that Pillow lacks
        return {"mode": image.dtype, "size": image.shape, "pixels": image.tobytes()}
    return {
        "mode": image.mode,
        "size": image.size,
        "palette": image.getpalette("RGBA") if image.mode == "P" else None,
        "transparency": image.info.get("transparency"),
        "pixels": image.tobytes(),
    }


def _attempt(settings: Settings, task: Task, work: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of a task, which is not begun if something is in the way of its output."""
    start = time.perf_counter()
    try:
        if task.target is not None and task.target != STREAM:
            if settings.skip_existing and os.path.isfile(task.target):
                return Outcome(task.source, task.target, "skipped")
            check_target(task.target, force=settings.force, make_folders=task.mirrored)
        if task.source != STREAM:
            os.stat(task.source)
        outcome = work()
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE) and not is_expected(error):
            raise
        outcome = failure(task, error)
    return replace(outcome, seconds=time.perf_counter() - start)


def _encode(
    settings: EncodeSettings, task: Task, progress: Progress | None, stdout: BinaryIO | None
) -> Outcome:
    from pixcodec.codec import encode
    from pixcodec.images.files import read_image

    before = _regular(task.source)
    with about(task.source):
        source = read_bytes(task.source)
        image, info = read_image(source, max_pixels=settings.max_pixels)
        data = encode(
            image,
            info=None if settings.strip else info,
            strip=settings.strip,
            effort=settings.effort,
            order=settings.order,
            model=_model(settings.model),
            threads=settings.threads,
            verify=settings.verify and not settings.remove,  # or what the disk holds is decoded
            progress=progress,
        )
        check = partial(_check_written, settings, image, info) if settings.remove else None
        _write(task, data, settings.force, before, stdout, check)
    if settings.remove:
        _remove(task, before)
    return _done(task, read_info(data), len(source), len(data))


def _check_written(settings: EncodeSettings, image: Any, info: Mapping[str, Any], written: bytes) -> None:
    """Raise unless a file decodes to an image and its metadata."""
    from pixcodec.codec import decode_image, header_image
    from pixcodec.images.metadata import clean

    decoded = decode_image(
        written, model=_model(settings.model), threads=settings.threads, max_pixels=settings.max_pixels
    )
    check_same(decoded, image)
    if not settings.strip and clean(header_image(written)[2]) != clean(info):
        raise PixcodecError("the decoded image differs from the original in metadata")


def _decode(
    settings: DecodeSettings, task: Task, progress: Progress | None, stdout: BinaryIO | None
) -> Outcome:
    from pixcodec.codec import decode_image, header_image
    from pixcodec.images.files import write_image

    assert task.target is not None
    before = _regular(task.source)
    with about(task.source):
        data = read_bytes(task.source)
        info = read_info(data)
        x, y, width, height = settings.region or (0, 0, info.width, info.height)
        if x + width > info.width or y + height > info.height:
            raise PixcodecError(
                f"region is {width}x{height} pixels at {x},{y}, expected it within the image of "
                f"{info.width}x{info.height}"
            )
        image = decode_image(
            data,
            model=_model(settings.model),
            threads=settings.threads,
            max_pixels=settings.max_pixels,
            progress=progress,
            region=settings.region,
        )
    with about(task.target):
        target = write_image(image, settings.suffix or suffix_of(task.target), header_image(data)[2])
    _write(task, target, settings.force, before, stdout)
    return replace(_done(task, info, len(data), len(target)), width=width, height=height)


def _verify(settings: Settings, task: Task, progress: Progress | None) -> Outcome:
    from pixcodec.codec import decode

    with about(task.source):
        data = read_bytes(task.source)
        info = read_info(data)
        decode(
            data,
            model=_model(settings.model),
            threads=settings.threads,
            max_pixels=settings.max_pixels,
            progress=progress,
        )
    return _done(task, info, len(data), None)


def _done(task: Task, info: Info, input_size_bytes: int, output_size_bytes: int | None) -> Outcome:
    return Outcome(
        task.source,
        task.target,
        "done",
        input_size_bytes=input_size_bytes,
        output_size_bytes=output_size_bytes,
        width=info.width,
        height=info.height,
        bpsp_file=info.bpsp_file,
    )


@cache
def _model(path: Path | None) -> Model | None:
    """Return a model file as loaded once per process."""
    from pixcodec.network.model_files import load_model

    return None if path is None else load_model(path)


def _regular(source: str) -> os.stat_result | None:
    """Return what the disk says of a regular file, None for a stream or a device."""
    if source == STREAM:
        return None
    found = os.stat(source)
    return found if stat.S_ISREG(found.st_mode) else None


def _write(
    task: Task,
    data: bytes,
    force: bool,
    source: os.stat_result | None,
    stdout: BinaryIO | None,
    check: Callable[[bytes], None] | None = None,
) -> None:
    """Write the output so that it is there as a whole or not at all, as old as its source."""
    assert task.target is not None
    if task.target == STREAM:
        assert stdout is not None
        stdout.write(data)
        stdout.flush()
        return
    path = Path(task.target)
    if task.mirrored:
        path.parent.mkdir(parents=True, exist_ok=True)
    check_target(task.target, force=force)
    if path.exists() and not path.is_file():  # a device or a pipe: it must not be replaced
        if check is not None:
            raise PixcodecError(f"{path} cannot be read back, so the input cannot be removed")
        path.write_bytes(data)
        return
    times_ns = None if source is None else (source.st_atime_ns, source.st_mtime_ns)
    write_whole(path, data, times_ns=times_ns, check=check)


def _remove(task: Task, before: os.stat_result | None) -> None:
    """Remove the input, if it still is what was encoded."""
    assert task.target is not None
    sync_folder(Path(os.path.realpath(task.target)).parent)
    now = _regular(task.source)
    if before is None or now is None or _version(now) != _version(before):
        raise PixcodecError(f"{task.source}: is not the file that was encoded any more, so it was kept")
    os.unlink(task.source)


def _version(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
