"""Files that are written as a whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PARTIAL_SUFFIX = ".partial"
RANDOM_SIZE_BYTES = 4
KEPT_CHARACTERS = 48  # of the name, up to 4 bytes each: a file name has at most 255 bytes
PERMISSION_BITS = 0o7777
_FULL = tuple(getattr(errno, name) for name in ("ENOSPC", "EDQUOT", "EFBIG") if hasattr(errno, name))


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a temporary file, and rename that file to ``path`` at the end.

    After an exception, the temporary file is removed instead. It is in the folder of ``path``, whose
    permissions it takes over if there is such a file. If ``path`` is a symbolic link, the file that it points
    to is replaced. A process that is killed leaves the temporary file, ``.NAME.RANDOM.partial``.

    Raises
    ------
    OSError
        If the temporary file cannot be written or renamed; that of a full disk names ``path``.
    """
    final = Path(os.path.realpath(path))
    # Not the process id: another process gets the id of a killed one, in a container at once.
    random = secrets.token_hex(RANDOM_SIZE_BYTES)
    temporary = final.with_name(f".{final.name[:KEPT_CHARACTERS]}.{random}{PARTIAL_SUFFIX}")
    try:
        yield temporary
        if final.exists():
            temporary.chmod(final.stat().st_mode & PERMISSION_BITS)
        os.replace(temporary, final)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None:
            error.filename = str(path)
        temporary.unlink(missing_ok=True)
        raise


def write_whole(
    path: Path,
    data: bytes,
    *,
    times_ns: tuple[int, int] | None = None,
    check: Callable[[bytes], None] | None = None,
) -> None:
    """Write ``data`` to ``path``, and wait until the disk has stored it.

    Parameters
    ----------
    path : Path
    data : bytes
    times_ns : (int, int), optional
        Times of the last access and the last change to give to the file, as ``os.utime`` takes them.
    check : callable, optional
        Called with the contents of the temporary file, read back, before it is renamed to ``path``. If it
        raises an error, ``path`` stays as it was.

    Raises
    ------
    OSError
        If the file cannot be written; ``path`` stays as it was.
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
    """Wait until the disk has stored the names of the files in a folder, where the system can do that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
