"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".partial"
KEPT_CHARACTERS = 48  # of the name, of up to 4 bytes each: a file name has at most 255 bytes


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a temporary file that becomes ``path`` at the end, or vanishes after an exception.

    The temporary file stands beside ``path``, which keeps its permissions if it exists. If ``path`` is a
    symbolic link, the file that it names is replaced. A process that is killed leaves the temporary file:
    its name begins with a dot and the name of ``path``, and ends in ``.partial``.

    Raises
    ------
    OSError
        If the temporary file cannot be moved to ``path``.
    """
    final = Path(os.path.realpath(path))
    # Not the process number: that of a killed process comes again, in a container at once.
    temporary = final.with_name(f".{final.name[:KEPT_CHARACTERS]}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    try:
        yield temporary
        if final.exists():
            temporary.chmod(final.stat().st_mode & 0o7777)
        os.replace(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(
    path: Path,
    data: bytes,
    *,
    times_ns: tuple[int, int] | None = None,
    check: Callable[[bytes], None] | None = None,
) -> None:
    """Write ``data`` to ``path`` and through to the disk.

    Parameters
    ----------
    path : Path
    data : bytes
    times_ns : (int, int), optional
        When the file was last read and last modified, as ``os.utime`` takes it.
    check : callable, optional
        Called with what the file holds before it becomes ``path``; raises if that will not do.

    Raises
    ------
    OSError
        If the file cannot be written; ``path`` is then as it was.
    """
    with replacing(path) as temporary:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(temporary.read_bytes())
        if times_ns is not None:
            os.utime(temporary, ns=times_ns)


def sync_folder(folder: Path) -> None:
    """Write the names in a folder through to the disk, where the system can."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
