"""The manifest: a Parquet file with a row for each image: where it is, and where its .pxc file goes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.core import open as open_url

from pixcodec.batch.plan import PlanError
from pixcodec.batch.suffixes import PIXCODEC, READABLE
from pixcodec.cluster.storage import below, files_below, write

_SCHEMA = pa.schema([("source", pa.string()), ("target", pa.string())])
_ROWS = 8192  # read at a time


class Item(NamedTuple):
    """An image: the URL of its file, and that of its .pxc file."""

    source: str
    target: str


def manifest_of(
    urls: Iterable[str], folder: str, *, recursive: bool = True, keep_suffix: bool = False
) -> list[Item]:
    """Return an item for each image file given and below the folders given.

    Parameters
    ----------
    urls : iterable of str
        Files and folders.
    folder : str
        URL of the folder of all .pxc files; the folders below each folder given are repeated there.
    recursive : bool
        Whether folders are allowed.
    keep_suffix : bool
        Name an output ``a.png.pxc`` instead of ``a.pxc``.

    Raises
    ------
    PlanError
        If a folder is given without ``recursive``, or two images would have one output.
    OSError, or an error of the store
    """
    items = []
    for url in urls:
        found = files_below(url, READABLE)
        if found != [url] and not recursive:
            raise PlanError(f"{url}: is a folder; use -r to take the files below it")
        for source in found:
            name = below(source, url)
            stem = name if keep_suffix or "." not in name.rpartition("/")[2] else name.rpartition(".")[0]
            items.append(Item(source, f"{folder.rstrip('/')}/{stem}.{PIXCODEC}"))
    _check_targets(pa.array([item.target for item in items], pa.string()))
    return items


def write_manifest(url: str, items: Iterable[Item]) -> None:
    """Write a manifest."""
    rows = list(items)
    table = pa.Table.from_pylist([item._asdict() for item in rows], schema=_SCHEMA)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    write(url, sink.getvalue().to_pybytes())


def read_manifest(url: str) -> Iterator[Item]:
    """Yield the items of a manifest, of which a few thousand are in memory at a time.

    Raises
    ------
    PlanError
        If it is not a Parquet file with the columns ``source`` and ``target``, or two rows have one target.
    OSError, or an error of the store
    """
    with open_url(url, "rb") as file:
        try:
            table = pq.ParquetFile(file)
            missing = {"source", "target"} - set(table.schema_arrow.names)
        except pa.ArrowInvalid as error:
            raise PlanError(f"{url}: is not a manifest: {error}") from error
        if missing:
            raise PlanError(f"{url}: has no column {' and '.join(sorted(missing))}")
        _check_targets(table.read(columns=["target"]).column("target").combine_chunks())
        for batch in table.iter_batches(_ROWS, columns=["source", "target"]):
            for source, target in zip(batch["source"], batch["target"], strict=True):
                yield Item(str(source), str(target))


def _check_targets(targets: pa.Array) -> None:
    """Raise an error if a target is missing, or occurs twice."""
    if targets.null_count:
        raise PlanError(f"{targets.null_count} rows have no target")
    if pc.count_distinct(targets).as_py() == len(targets):
        return
    counts = pc.value_counts(targets)
    twice = counts.filter(pc.greater(counts.field("counts"), 1))[0].as_py()
    raise PlanError(f"{twice['counts']} images would become {twice['values']}")
