"""What a worker does: read an image, encode and check it, write its .pxc file, and say what came of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pixcodec.batch.outcome import exit_code, message
from pixcodec.batch.transcode import about
from pixcodec.cluster.manifest import Item
from pixcodec.cluster.results import Record
from pixcodec.cluster.storage import read, stamp, write
from pixcodec.container.header import DEFAULT_MAX_PIXELS
from pixcodec.errors import PixcodecError

Row = dict[str, Any]  # of the results
_PAUSE_SECONDS = 0.5  # before the second attempt; doubled for each one after it


@dataclass(frozen=True)
class ClusterSettings:
    """Settings of a run.

    Parameters
    ----------
    effort, strip, pixels, max_pixels
        As for :func:`pixcodec.encode`.
    force : bool
        Overwrite .pxc files of other content that no earlier result knows of.
    retries : int
        How often reading and writing are tried again, after a longer pause each time.
    """

    effort: str = "normal"
    strip: bool = False
    pixels: bool = False
    max_pixels: int = DEFAULT_MAX_PIXELS
    force: bool = False
    retries: int = 3

    @property
    def text(self) -> str:
        """Return the settings that the bytes of a .pxc file depend on."""
        return f"effort={self.effort} strip={self.strip:d} pixels={self.pixels:d}"


def encode_items(items: list[tuple[Item, Record | None]], settings: ClusterSettings) -> list[Row]:
    """Encode images one after another and return a row of the results for each."""
    return [encode_item(item, record, settings) for item, record in items]


def encode_item(item: Item, record: Record | None, settings: ClusterSettings) -> Row:
    """Encode an image, unless an earlier result says that it is done and both files are as they were then.

    A .pxc file that exists already is written again only if it is another one, and then only if the earlier
    result says that pixcodec wrote it, or with ``settings.force``.

    Parameters
    ----------
    item : Item
    record : Record or None
        The earlier result.
    settings : ClusterSettings

    Returns
    -------
    dict
        A row of the results. No error is raised: it is in the row.
    """
    start = time.perf_counter()
    for attempt in range(1 + settings.retries):
        row: Row = {"source": item.source, "target": item.target, "attempts": attempt + 1}
        try:
            row |= _encode(item, record, settings)
            break
        except Exception as error:  # of storage (OSError, and whatever its library raises) or of the codec
            row |= {"status": "failed", "error": message(error), "exit_code": exit_code(error)}
            if isinstance(error, (PixcodecError, FileNotFoundError, PermissionError, MemoryError)):
                break
            if attempt < settings.retries:
                time.sleep(_PAUSE_SECONDS * 2**attempt)
    return row | {
        "settings": settings.text,
        "seconds": time.perf_counter() - start,
        "worker": _worker(),
        "finished": datetime.now(timezone.utc),
    }


def _encode(item: Item, record: Record | None, settings: ClusterSettings) -> Row:
    from pixcodec.codec import encode
    from pixcodec.container.info import read_info

    source_stamp, target_stamp = stamp(item.source), stamp(item.target)
    if source_stamp is None:
        raise FileNotFoundError(2, "no such file", item.source)
    stamps = {"source_stamp": source_stamp, "target_stamp": target_stamp}
    if record == (settings.text, source_stamp, target_stamp):
        return {"status": "skipped", "exit_code": 0, **stamps}
    file = read(item.source)
    with about(item.source):
        data = encode(
            file,
            effort=settings.effort,
            strip=settings.strip,
            pixels=settings.pixels,
            max_pixels=settings.max_pixels,
            threads=1,
            verify=True,
        )
    known = record is not None and record.target_stamp == target_stamp
    if target_stamp is None or known or settings.force:
        write(item.target, data)
        target_stamp = stamp(item.target)
    if read(item.target) != data:
        wrote = known or settings.force or stamps["target_stamp"] is None
        raise PixcodecError(
            f"{item.target}: the store gives other bytes back than were written"
            if wrote
            else f"{item.target}: exists, with other contents: --force overwrites it"
        )
    info = read_info(data)
    return {
        "status": "done",
        "exit_code": 0,
        "input_size_bytes": len(file),
        "output_size_bytes": len(data),
        "width": info.width,
        "height": info.height,
        "bpsp_file": info.bpsp_file,
        "source_stamp": source_stamp,
        "target_stamp": target_stamp,
    }


def _worker() -> str:
    """Return the address of the worker that this runs on."""
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:  # no worker of a cluster
        return "local"
