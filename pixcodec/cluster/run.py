"""A run: items of a manifest in batches to the workers, and their results to the results folder."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from distributed import Client, Future, KilledWorker, as_completed
from distributed.diagnostics.plugin import WorkerPlugin

from pixcodec.batch.outcome import EXIT_FAILED
from pixcodec.cluster.manifest import Item
from pixcodec.cluster.results import Record, Results
from pixcodec.cluster.work import ClusterSettings, Row, encode_items

if TYPE_CHECKING:
    from distributed import Worker

_BATCHES_AHEAD = 3  # in flight, for each thread of the cluster: enough that none waits, few enough to forget
_NAME = "pixcodec-encode"  # of the tasks on the dashboard

Batch = list[tuple[Item, Record | None]]


@dataclass
class Summary:
    """What came of a run: images by status, and their bytes before and after."""

    counts: Counter[str] = field(default_factory=Counter)
    input_size_bytes: int = 0
    output_size_bytes: int = 0

    def add(self, row: Row) -> None:
        """Count the result of an image."""
        self.counts[row["status"]] += 1
        self.input_size_bytes += row.get("input_size_bytes") or 0
        self.output_size_bytes += row.get("output_size_bytes") or 0


def encode_all(
    client: Client,
    items: Iterable[Item],
    results: str,
    settings: ClusterSettings | None = None,
    *,
    batch: int = 8,
    report: Callable[[Row], None] | None = None,
) -> Summary:
    """Encode images on the workers of a cluster.

    Each image is coded by one thread of a worker; workers with one thread each use their processors best.
    What earlier results say is done, and is unchanged, is skipped. An item whose worker dies is tried on
    another one; once that has happened as often as Dask allows, it counts as failed.

    Parameters
    ----------
    client : distributed.Client
    items : iterable of Item
        Read as they are needed.
    results : str
        URL of a folder, in any store, for the results of this run, and with those of earlier ones.
    settings : ClusterSettings, optional
    batch : int
        Images that a worker takes at a time.
    report : callable, optional
        Called with the row of each image, in the order in which they are done.

    Returns
    -------
    Summary

    Raises
    ------
    PlanError
        If the results folder holds anything else.
    OSError, or an error of the store
        If the results cannot be read or written.
    """
    settings = settings or ClusterSettings()
    table = Results(results)
    summary = Summary()
    client.register_plugin(_WarmUp(settings.effort), name=f"{_NAME}-{settings.effort}")
    try:
        for row in _rows(client, _batches(items, table, batch), settings):
            if row["status"] != "skipped":  # what says that it is done is still there
                table.add(row)
            summary.add(row)
            if report is not None:
                report(row)
    finally:
        table.flush()
    return summary


def _batches(items: Iterable[Item], table: Results, size: int) -> Iterator[Batch]:
    batch: Batch = []
    for item in items:
        batch.append((item, table.record(item)))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(client: Client, batches: Iterator[Batch], settings: ClusterSettings) -> Iterator[Row]:
    """Keep the workers busy with batches and yield the rows of their results."""
    running: dict[Future, Batch] = {}
    done = as_completed(raise_errors=False)

    def submit(batch: Batch) -> None:
        key = f"{_NAME}-{uuid.uuid4().hex}"
        future = client.submit(encode_items, batch, settings, key=key, pure=False)
        running[future] = batch
        done.add(future)

    def fill() -> None:
        threads = sum(client.nthreads().values())
        while len(running) < max(1, threads) * _BATCHES_AHEAD:
            batch = next(batches, None)
            if batch is None:
                return
            submit(batch)

    try:
        fill()
        while running:
            future = next(done)
            batch = running.pop(future)
            error: Any = future.exception()
            if error is None:
                yield from future.result()
            elif len(batch) > 1:  # one of them may have ended the worker: which?
                for one in batch:
                    submit([one])
            else:
                yield _lost(batch[0][0], error, settings)
            future.release()
            fill()
    finally:
        with suppress(Exception):  # the cluster may be gone
            client.cancel(list(running))


def _lost(item: Item, error: BaseException, settings: ClusterSettings) -> Row:
    """Return the row of an image that no worker has survived, or whose result was lost."""
    killed = isinstance(error, KilledWorker)
    what = "each worker that encoded it ended" if killed else f"{type(error).__name__}: {error}"
    return {
        "source": item.source,
        "target": item.target,
        "status": "failed",
        "error": f"{item.source}: {what}",
        "exit_code": EXIT_FAILED,
        "settings": settings.text,
        "finished": datetime.now(timezone.utc),
    }


class _WarmUp(WorkerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Loads kernels and model once in each worker, also in those that start later."""

    def __init__(self, effort: str) -> None:
        self.effort = effort

    def setup(self, worker: Worker) -> None:
        """Encode a small image."""
        import numpy as np

        from pixcodec.codec import encode

        encode(np.zeros((8, 8, 3), np.uint8), effort=self.effort, threads=1)
