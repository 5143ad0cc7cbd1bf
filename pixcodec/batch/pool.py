"""Work on many items by several processes."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
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

STOP_SECONDS = 10.0  # for a process to end after SIGTERM; then it is killed
REPEAT_SECONDS = 0.5  # between two signals to one process


class ProcessDiedError(PixcodecError):
    """A process was killed, or ran out of memory, while it worked on an item."""


@dataclass
class _Worker(Generic[Item]):
    process: BaseProcess
    item: Item


def run_all(
    work: Callable[[Item], Result], items: Sequence[Item], jobs: int
) -> Generator[tuple[Item, Result | ProcessDiedError], None, None]:
    """Work on items and yield each one with its result, in the order in which they are done.

    If a process dies, the result of the item that it worked on is a ProcessDiedError, and another process
    goes on with the next item. Closing the iterator ends the processes.

    Parameters
    ----------
    work : callable
        Returns a result and raises no error. It is pickled, and so are the items and the results.
    items : sequence
    jobs : int
        Number of processes.
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
    """Start a process that works on what it is sent; return the connection to it, and the process."""
    context = multiprocessing.get_context("spawn")  # works on every system, and inherits no threads
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    with _interrupts_ignored():
        process.start()
    theirs.close()
    return ours, process


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore SIGINT meanwhile; a process that is started then ignores it from its first instruction on.

    Ctrl-C sends SIGINT to all processes of a terminal, of which the main one ends the others.
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
    with suppress(OSError):  # the process is dead, as the next call of wait() shows
        connection.send(item)


def _death(process: BaseProcess) -> ProcessDiedError:
    """Return the result of the item that a dead process worked on."""
    process.join(STOP_SECONDS)
    return ProcessDiedError(f"the process that worked on it ended with status {process.exitcode}")


def _stop(processes: Sequence[BaseProcess]) -> None:
    """End processes, by force if they do not end in time.

    A signal that arrives just before a system call that waits is handled only after that call: the next
    signal interrupts it.
    """
    for process in processes:
        process.terminate()
    end = time.monotonic() + STOP_SECONDS
    for process in processes:
        process.join(REPEAT_SECONDS)
        while process.is_alive() and time.monotonic() < end:
            process.terminate()
            process.join(REPEAT_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


class _Terminated(BaseException):
    """The process received SIGTERM or SIGHUP."""


def _serve(connection: Connection, work: Callable[[Any], Any]) -> None:
    """Work on items until the connection is closed or the process that sends them ends."""
    serving = True

    def terminate(number: int, frame: object) -> None:
        nonlocal serving
        if serving:
            serving = False
            raise _Terminated  # so that the work removes its temporary files

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
    """Wait for the end of the parent process, then end this one."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
