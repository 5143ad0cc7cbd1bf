"""One file: read, encoded or decoded, and written; the result of that as an Outcome."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pixcodec.batch.atomic import replacing
from pixcodec.batch.compare import check_same
from pixcodec.batch.memory import return_large_blocks
from pixcodec.batch.outcome import TRACEBACK_VARIABLE, Outcome, failure, is_expected
from pixcodec.batch.outputs import (
    check_target,
    give_times,
    prepare_output,
    regular_status,
    remove_source,
    write_output,
)
from pixcodec.batch.plan import STREAM, Task
from pixcodec.batch.settings import DecodeSettings, EncodeSettings, Progress, Region, Settings, VerifySettings
from pixcodec.batch.suffixes import DEFAULT_SUFFIX, RASTERS, RESTORED, SERIES, WRITABLE, suffix_of
from pixcodec.container.info import Info, read_info
from pixcodec.errors import PixcodecError

if TYPE_CHECKING:
    from pixcodec.network.model import Model


def encode_file(
    settings: EncodeSettings, task: Task, progress: Progress | None = None, stdout: BinaryIO | None = None
) -> Outcome:
    """Encode an image file; see :func:`decode_file` for the parameters."""
    return _attempt(settings, task, lambda: _encode(settings, task, progress, stdout))


def decode_file(
    settings: DecodeSettings, task: Task, progress: Progress | None = None, stdout: BinaryIO | None = None
) -> Outcome:
    """Decode a .pxc file to an image file.

    Parameters
    ----------
    settings : DecodeSettings
    task : Task
    progress : callable, optional
        Called with the fraction that is done.
    stdout : binary file, optional
        Where an output named STREAM is written.

    Returns
    -------
    Outcome
        An error is an outcome with the status ``failed``. Only a BrokenPipeError, and with TRACEBACK_VARIABLE
        an unexpected error, is raised.
    """
    return _attempt(settings, task, lambda: _decode(settings, task, progress, stdout))


def verify_file(
    settings: VerifySettings, task: Task, progress: Progress | None = None, stdout: BinaryIO | None = None
) -> Outcome:
    """Decode a .pxc file and check its hash; see :func:`decode_file` for the parameters."""
    return _attempt(settings, task, lambda: _verify(settings, task, progress))


def dry_run(settings: Settings, task: Task) -> Outcome:
    """Return the outcome of a dry run: ``planned``, unless the output or the input prevents the task."""
    return _attempt(settings, task, lambda: Outcome(task.source, task.target, "planned"))


def read_bytes(source: str) -> bytes:
    """Return the contents of a file, or those of stdin for STREAM."""
    return sys.stdin.buffer.read() if source == STREAM else Path(source).read_bytes()


@contextmanager
def about(name: str) -> Iterator[None]:
    """Put the name of a file in front of the message of a PixcodecError."""
    try:
        yield
    except PixcodecError as error:
        raise type(error)(f"{name}: {error}") from error


def _attempt(settings: Settings, task: Task, work: Callable[[], Outcome]) -> Outcome:
    """Return the outcome of ``work``, which is not called if the output exists or cannot be written."""
    start = time.perf_counter()
    return_large_blocks()
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
    from pixcodec.batch.large_files import is_large_source
    from pixcodec.codec import encode
    from pixcodec.images.files import is_jpeg, read_image
    from pixcodec.images.series_files import holds_several

    before = regular_status(task.source)
    with about(task.source):
        if is_large_source(task.source, task.target, settings):
            return _encode_by_stripes(settings, task, before, progress)
        source = read_bytes(task.source)
        image: Any = source
        info, source_size_bytes = None, len(source)
        keeps = is_jpeg(source) and not (settings.pixels or settings.strip)
        several = not keeps and holds_several(source, max_pixels=settings.max_pixels)
        if not keeps and not several:
            image, info = read_image(source, max_pixels=settings.max_pixels)
            source = b""
        images = [image]  # popped, so that the encoder can let go of it
        if not settings.remove:
            del image
        data = encode(
            images.pop(),
            info=None if settings.strip else info,
            strip=settings.strip,
            device=settings.device,
            effort=settings.effort,
            order=settings.order,
            model=_model(settings.model),
            threads=settings.threads,
            verify=settings.verify and not settings.remove,  # if it removes, it verifies the written file
            progress=progress,
            max_pixels=settings.max_pixels,
            pixels=several,  # of a JPEG file with several images, all of them
        )
        check: Callable[[bytes], None] | None = None
        if settings.remove and several:
            check = partial(_check_series, settings, source)
        elif settings.remove:
            check = (
                partial(_check_kept, settings, source)
                if info is None
                else partial(_check_written, settings, image, info)
            )
        write_output(task, data, settings.force, before, stdout, check)
    if settings.remove:
        remove_source(task, before)
    return _done(task, read_info(data), source_size_bytes, len(data))


def _encode_by_stripes(
    settings: EncodeSettings, task: Task, before: os.stat_result | None, progress: Progress | None
) -> Outcome:
    """Encode an image that is larger than memory; it was verified when its file got its name."""
    from pixcodec.batch.large_files import encode_large_file

    assert task.target is not None
    prepare_output(task, settings.force)
    info = encode_large_file(task.source, task.target, settings, _model(settings.model), progress)
    give_times(Path(task.target), before)
    if settings.remove:
        remove_source(task, before)
    return _done(
        task, info, os.stat(task.source).st_size if before is None else before.st_size, info.size_bytes
    )


def _check_kept(settings: EncodeSettings, source: bytes, written: bytes) -> None:
    """Raise an error unless a written file gives a JPEG file back."""
    from pixcodec.codec import restore

    if restore(written, max_pixels=None, threads=settings.threads) != source:
        raise PixcodecError("the restored file differs from the original")


def _check_series(settings: EncodeSettings, source: bytes, written: bytes) -> None:
    """Raise an error unless a written file decodes to all frames of an image file."""
    from pixcodec.frames.checking import check_frames

    check_frames(
        *(written, source, settings.max_pixels),
        *(_model(settings.model), settings.threads),
        strip=settings.strip,
    )


def _check_written(settings: EncodeSettings, image: Any, info: Mapping[str, Any], written: bytes) -> None:
    """Raise an error unless a written file decodes to an image and its metadata."""
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
    from pixcodec.batch.large_files import is_large_target
    from pixcodec.codec import decode_image, header_image, restore
    from pixcodec.images.files import write_image

    assert task.target is not None
    before = regular_status(task.source)
    with about(task.source):
        wanted = settings.suffix or suffix_of(task.target)
        if is_large_target(task.source, task.target, wanted, settings):
            return _decode_by_stripes(settings, task, wanted, before, progress)
        data = read_bytes(task.source)
        info = read_info(data)
        if (settings.frame or 0) >= info.frames:
            raise PixcodecError(f"frame is {settings.frame}, the file has {info.frames}: 0 is the first one")
        suffix = settings.suffix or _suffix_for(task.target, info, settings.region)
        if suffix in RESTORED:
            if settings.region:
                raise PixcodecError("a part of a JPEG file is not a JPEG file: choose another format")
            file = restore(data, max_pixels=settings.max_pixels, threads=settings.threads, progress=progress)
            write_output(task, file, settings.force, before, stdout)
            return _done(task, info, len(data), len(file))
        if settings.recover:
            return _recover(settings, task, data, before, stdout)
        if info.frames > 1 and settings.frame is None:
            return _decode_frames(settings, task, data, before, suffix, stdout)
        if suffix not in (*WRITABLE, *RASTERS):
            raise PixcodecError(f"{suffix} files are written of several frames, and this is one image")
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
            frame=settings.frame or 0,
        )
    with about(task.target):
        metadata = header_image(data)[2] if info.frames == 1 else None
        target = write_image(image, suffix, metadata)
    write_output(task, target, settings.force, before, stdout)
    return replace(_done(task, info, len(data), len(target)), width=width, height=height)


def _decode_by_stripes(
    settings: DecodeSettings,
    task: Task,
    suffix: str,
    before: os.stat_result | None,
    progress: Progress | None,
) -> Outcome:
    """Decode an image that is larger than memory."""
    from pixcodec.batch.large_files import decode_large_file

    assert task.target is not None
    prepare_output(task, settings.force)
    target = Path(task.target)
    with replacing(target) as temporary:
        info = decode_large_file(task.source, temporary, suffix, settings, _model(settings.model), progress)
        give_times(temporary, before)
    return _done(task, info, info.size_bytes, target.stat().st_size)


def _decode_frames(
    settings: DecodeSettings,
    task: Task,
    data: bytes,
    before: os.stat_result | None,
    suffix: str,
    stdout: BinaryIO | None,
) -> Outcome:
    """Write all frames of a file."""
    from pixcodec.frames.api import frames_to_write
    from pixcodec.images.series_write import write_series

    assert task.target is not None
    if settings.region is not None:
        raise PixcodecError("a region is of one frame, and the file holds several: choose one with --frame")
    if suffix not in SERIES:
        expected = ", ".join(SERIES)
        raise PixcodecError(
            f"the file holds several frames, which a {suffix} file cannot: use {expected}, or --frame"
        )
    frames = frames_to_write(data, _model(settings.model), settings.threads, settings.max_pixels)
    target = write_series(frames, suffix)
    write_output(task, target, settings.force, before, stdout)
    return _done(task, read_info(data), len(data), len(target))


def _recover(
    settings: DecodeSettings,
    task: Task,
    data: bytes,
    before: os.stat_result | None,
    stdout: BinaryIO | None,
) -> Outcome:
    """Write what is intact of a file; the outcome is a failure if that is not all."""
    from pixcodec.batch.recover import recover
    from pixcodec.images.files import write_image

    assert task.target is not None
    model, threads = _model(settings.model), settings.threads
    found = recover(data, model=model, threads=threads, max_pixels=settings.max_pixels)
    target = write_image(found.image, settings.suffix or _suffix_for(task.target, None, None))
    write_output(task, target, settings.force, before, stdout)
    if not (found.damaged or found.problems):
        return _done(task, read_info(data), len(data), len(target))
    parts = ", ".join(f"{box.width}x{box.height} at {box.x},{box.y}" for box in found.damaged)
    done = "painted what is damaged" if found.painted else "0 is what is damaged"
    what = f"{done}: {parts}" if parts else "all pixels could be decoded"
    problems = "; ".join(found.problems) or "tiles cannot be decoded"
    error = f"{task.source}: {problems}; {what}"
    return replace(failure(task, PixcodecError(error)), output_size_bytes=len(target))


def _suffix_for(target: str, info: Info | None, region: Region | None) -> str:
    """Return the format of an output: that of its suffix, or that of a stream."""
    if target != STREAM:
        return suffix_of(target)
    if info is not None and info.frames > 1 and not info.durations:
        return "tif"
    return RESTORED[0] if info is not None and info.kept and region is None else DEFAULT_SUFFIX


def _verify(settings: VerifySettings, task: Task, progress: Progress | None) -> Outcome:
    from pixcodec.batch.large_files import is_large_file, verify_large_file
    from pixcodec.batch.verify import verify

    with about(task.source):
        if not settings.deep and is_large_file(task.source, settings):
            info = verify_large_file(task.source, settings, _model(settings.model), progress)
            return _done(task, info, info.size_bytes, None)
        data = read_bytes(task.source)
        info = verify(
            data,
            deep=settings.deep,
            model=settings.model,
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
    """Return the model in a file, which a process loads once."""
    from pixcodec.network.model_files import load_model

    return None if path is None else load_model(path)
