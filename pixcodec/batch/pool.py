"""Work on many items, on several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from pixcodec.errors import PixcodecError

Item = TypeVar("Item")
Result = TypeVar("Result")

STOP_SECONDS = 10.0  # to leave what a process does; then it is killed


class ProcessDiedError(PixcodecError):
    """A process ended while it worked on an item: killed, or out of memory."""


@dataclass
class _Worker(Generic[Item]):
    process: BaseProcess
    item: Item


def run_all(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Generator[tuple[Item, Result | ProcessDiedError], None, None]:
    """Yield each item and its result as they become ready, in any order.

    Close the iterator to end the processes. A process that dies costs the item it worked on, no other.

    Parameters
    ----------
    work : callable
        Returns a result and raises nothing. It and the items travel to other processes.
    items : sequence
    jobs : int
        How many processes.
    """
    waiting = deque(items)
    workers: dict[Connection, _Worker[Item]] = {}
    ending: list[BaseProcess] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < jobs:
                connection, process = _start(work)
                workers[connection] = _Worker(process, waiting.popleft())
                _send(connection, workers[connection].item)
            for ready in wait(list(workers)):
                assert isinstance(ready, Connection)
                worker = workers[ready]
                try:
                    result = ready.recv()
                except (EOFError, OSError):
                    del workers[ready]
                    yield worker.item, _death(worker.process)
                    continue
                item = worker.item
                if waiting:
                    worker.item = waiting.popleft()
                    _send(ready, worker.item)
                else:
                    del workers[ready]
                    ready.close()  # which ends the process
                    ending.append(worker.process)
                yield item, result
        for process in ending:
            process.join(STOP_SECONDS)
    finally:
        _stop([*ending, *(worker.process for worker in workers.values())])


def _start(work: Callable[[Any], Any]) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context("spawn")  # the same on every system, and no threads are inherited
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    with _interrupts_ignored():
        process.start()
    theirs.close()
    return ours, process


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore SIGINT, and have the processes that are started do so from their first instruction on.

    Ctrl-C goes to all processes of a terminal; the first of them stops the others.
    """
    try:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _send(connection: Connection, item: object) -> None:
    with suppress(OSError):  # the process is dead, which the next wait finds out
        connection.send(item)


def _death(process: BaseProcess) -> ProcessDiedError:
    process.join(STOP_SECONDS)
    return ProcessDiedError(f"the process that worked on it ended with status {process.exitcode}")


def _stop(processes: Sequence[BaseProcess]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(STOP_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


class _Terminated(BaseException):
    """The process was told to end."""


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    """Work on items until there are no more, or the process that sends them ends."""
    serving = True

    def terminate(number: int, frame: object) -> None:
        nonlocal serving
        if serving:
            serving = False
            raise _Terminated  # unlike the default, this unwinds, so partial files go

    try:
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), terminate)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        while True:
            connection.send(work(connection.recv()))
    except (EOFError, OSError, _Terminated):
        serving = False


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
