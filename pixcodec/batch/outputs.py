"""The files of a task: whether the output can be written, writing it, removing the input."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from pixcodec.batch.atomic import sync_folder, write_whole
from pixcodec.batch.plan import STREAM, Task
from pixcodec.errors import PixcodecError


def check_target(target: str, *, force: bool, make_folders: bool = False) -> None:
    """Raise an error if an output cannot be written.

    Parameters
    ----------
    target : str
    force : bool
        Whether it may exist.
    make_folders : bool
        Whether its folder may be missing, since it will be made.

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


def regular_status(source: str) -> os.stat_result | None:
    """Return the status of a regular file, None for a stream or a device."""
    if source == STREAM:
        return None
    found = os.stat(source)
    return found if stat.S_ISREG(found.st_mode) else None


def write_output(
    task: Task,
    data: bytes,
    force: bool,
    source: os.stat_result | None,
    stdout: BinaryIO | None,
    check: Callable[[bytes], None] | None = None,
) -> None:
    """Write the output as a whole or not at all.

    Parameters
    ----------
    task : Task
    data : bytes
    force : bool
        Whether to overwrite a file.
    source : os.stat_result or None
        Status of the input, whose times the output gets.
    stdout : binary file or None
        Where an output named STREAM is written.
    check : callable, optional
        As for :func:`pixcodec.batch.atomic.write_whole`.
    """
    assert task.target is not None
    if task.target == STREAM:
        assert stdout is not None
        stdout.write(data)
        stdout.flush()
        return
    path = Path(task.target)
    prepare_output(task, force)
    if path.exists() and not path.is_file():  # a device or a pipe, which must not be replaced by a file
        if check is not None:
            raise PixcodecError(f"{path} cannot be read back, so the input cannot be removed")
        path.write_bytes(data)
        return
    times_ns = None if source is None else (source.st_atime_ns, source.st_mtime_ns)
    write_whole(path, data, times_ns=times_ns, check=check)


def prepare_output(task: Task, force: bool) -> None:
    """Make the folder of an output if its task does so; raise an error if the output cannot be written."""
    assert task.target is not None
    if task.mirrored:
        Path(task.target).parent.mkdir(parents=True, exist_ok=True)
    check_target(task.target, force=force)


def give_times(path: Path, source: os.stat_result | None) -> None:
    """Give a file the times of its source."""
    if source is not None:
        os.utime(path, ns=(source.st_atime_ns, source.st_mtime_ns))


def remove_source(task: Task, before: os.stat_result | None) -> None:
    """Remove the input, unless it changed after it was read."""
    assert task.target is not None
    sync_folder(Path(os.path.realpath(task.target)).parent)
    now = regular_status(task.source)
    if before is None or now is None or _version(now) != _version(before):
        raise PixcodecError(f"{task.source}: is not the file that was encoded any more, so it was kept")
    os.unlink(task.source)


def _version(found: os.stat_result) -> tuple[int, int, int, int]:
    """Return the parts of a status that change if the file is replaced or written to."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
