"""The results: a folder of Parquet files with a row for each image that a run has dealt with."""

from __future__ import annotations

import time
import uuid
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import url_to_fs

from pixcodec.batch.plan import PlanError
from pixcodec.cluster.manifest import Item
from pixcodec.cluster.storage import write

SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("target", pa.string()),
        ("status", pa.string()),  # done or failed
        ("error", pa.string()),
        ("exit_code", pa.int32()),
        ("input_size_bytes", pa.int64()),
        ("output_size_bytes", pa.int64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("bpsp_file", pa.float64()),
        ("seconds", pa.float64()),
        ("worker", pa.string()),
        ("attempts", pa.int32()),
        ("settings", pa.string()),
        ("source_stamp", pa.string()),
        ("target_stamp", pa.string()),
        ("finished", pa.timestamp("us", tz="UTC")),
    ]
)
FLUSH_ROWS, FLUSH_SECONDS = 1000, 20.0
_RECORD = ("settings", "source_stamp", "target_stamp")


class Record(NamedTuple):
    """What earlier results say of an image that was done: the settings, and the stamps of both files."""

    settings: str
    source_stamp: str
    target_stamp: str


class Results:
    """The results in a folder: those of earlier runs, and those that this run appends.

    Parameters
    ----------
    url : str
        The folder, in any store. Earlier results in it are read: about 200 bytes of memory a row.

    Raises
    ------
    PlanError
        If a file in it is not one of results.
    OSError, or an error of the store
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._rows: list[dict[str, Any]] = []
        self._flushed = time.monotonic()
        self._parts = 0
        self._run = uuid.uuid4().hex[:12]
        self._earlier, self._keys = _earlier(self.url)

    def record(self, item: Item) -> Record | None:
        """Return what the newest earlier results say of an item, if it was done."""
        key = _key(item.source, item.target)
        at = int(np.searchsorted(self._keys, key))
        if at == len(self._keys) or self._keys[at] != key:
            return None
        row = self._earlier.slice(at, 1).to_pylist()[0]
        return Record(*(row[name] for name in _RECORD))

    def add(self, row: dict[str, Any]) -> None:
        """Append the result of an image; it is written now and then."""
        self._rows.append(row)
        if len(self._rows) >= FLUSH_ROWS or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the results that are not written yet, as a file of its own."""
        self._flushed = time.monotonic()
        if not self._rows:
            return
        table = pa.Table.from_pylist(self._rows, schema=SCHEMA)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        write(f"{self.url}/part-{self._run}-{self._parts:06}.parquet", sink.getvalue().to_pybytes())
        self._parts += 1
        self._rows.clear()


def read_results(url: str) -> pa.Table:
    """Return all results in a folder, a row for each image and run, the oldest first.

    Raises
    ------
    PlanError
        If a file in it is not one of results.
    OSError, or an error of the store
    """
    store, path = url_to_fs(url)
    store.invalidate_cache()
    names = sorted(store.find(path)) if store.exists(path) else []
    tables = []
    for name in names:
        if not name.endswith(".parquet"):
            continue
        try:
            with store.open(name, "rb") as file:
                tables.append(pq.read_table(file, schema=SCHEMA))
        except (pa.ArrowInvalid, KeyError, ValueError) as error:
            raise PlanError(f"{name}: is not a file of results: {error}") from error
    if not tables:
        return SCHEMA.empty_table()
    return pa.concat_tables(tables).sort_by("finished")


def _earlier(url: str) -> tuple[pa.Table, npt.NDArray[np.uint64]]:
    """Return the newest records of what was done, sorted by key, and the keys."""
    table = read_results(url)
    names = zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True)
    keys = np.fromiter((_key(*name) for name in names), np.uint64, len(table))
    order = np.argsort(keys, kind="stable")  # of equal keys, the newest comes last
    last = np.ones(len(order), bool)
    last[:-1] = keys[order][1:] != keys[order][:-1]
    order = order[last]
    done = np.asarray([status == "done" for status in table["status"].to_pylist()], bool)
    order = order[done[order]]
    return table.select(list(_RECORD)).take(order), keys[order]


def _key(source: str, target: str) -> int:
    """Return a number that stands for an item: two of 10 million items share one with a chance of 3e-6."""
    text = f"{source}\0{target}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
