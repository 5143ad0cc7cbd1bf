"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the name of a temporary file that becomes ``path`` at the end, or vanishes after an exception.

    The temporary file stands beside ``path``, which keeps its permissions if it exists. If ``path`` is a
    symbolic link, the file that it names is replaced.

    Raises
    ------
    OSError
        If the temporary file cannot be moved to ``path``.
    """
    final = Path(os.path.realpath(path))
    temporary = final.with_name(f".{final.name}.{os.getpid()}.partial")
    try:
        yield temporary
        if final.exists():
            temporary.chmod(final.stat().st_mode & 0o7777)
        os.replace(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` and through to the disk.

    Raises
    ------
    OSError
        If the file cannot be written; ``path`` is then as it was.
    """
    with replacing(path) as temporary, temporary.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
