"""Files in any store that fsspec knows: local paths, s3://, gs://, memory:// and others."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem

from pixcodec.batch.atomic import write_whole
from pixcodec.batch.suffixes import suffix_of

_STAMPS = ("ETag", "etag", "md5Hash", "content_md5", "mtime", "LastModified", "last_modified", "created")


def read(url: str) -> bytes:
    """Return the contents of a file.

    Raises
    ------
    OSError, or an error of the store
    """
    store, path = url_to_fs(url)
    return bytes(store.cat_file(path))


def write(url: str, data: bytes) -> None:
    """Write a file as a whole or not at all; a local file with the folders that it needs.

    Object stores show an object when all of it has arrived.

    Raises
    ------
    OSError, or an error of the store
    """
    store, path = url_to_fs(url)
    if isinstance(store, LocalFileSystem):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_whole(Path(path), data)
    else:
        store.pipe_file(path, data)


def stamp(url: str) -> str | None:
    """Return what changes when a file changes: its size, and its hash or time as the store knows them.

    None if there is no such file.

    Raises
    ------
    OSError, or an error of the store
    """
    store, path = url_to_fs(url)
    store.invalidate_cache()
    try:
        info: dict[str, Any] = store.info(path)
    except FileNotFoundError:
        return None
    return " ".join(str(info[name]) for name in ("size", *_STAMPS) if info.get(name) is not None)


def files_below(url: str, suffixes: Collection[str]) -> list[str]:
    """Return the URLs of the files below a folder that have one of some suffixes, sorted.

    If ``url`` is a file, it is returned alone, whatever its suffix.

    Raises
    ------
    FileNotFoundError
        If there is neither a file nor a folder.
    OSError, or an error of the store
    """
    store, path = url_to_fs(url)
    if store.isfile(path):
        return [url]
    found = sorted(store.find(path))
    if not found and not store.exists(path):
        raise FileNotFoundError(2, "no such file or folder", url)
    if not isinstance(store, LocalFileSystem):
        found = [store.unstrip_protocol(name) for name in found]
    return [name for name in found if suffix_of(name) in suffixes]


def below(url: str, folder: str) -> str:
    """Return the name of a file relative to a folder that it was found below, or its last part."""
    (_, path), (_, top) = url_to_fs(url), url_to_fs(folder)
    top = top.rstrip("/") + "/"
    return str(path).removeprefix(top) if str(path).startswith(top) else str(path).rpartition("/")[2]
