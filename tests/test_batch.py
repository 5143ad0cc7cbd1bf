"""Work on several processes: ``eval`` is the work, so that the items can do anything."""

from __future__ import annotations

import os
import time
from contextlib import closing

from pixcodec.batch.pool import ProcessDiedError, run_all

PROCESS_ID = "__import__('os').getpid()"
DIE = f"__import__('os').kill({PROCESS_ID}, 9)"
SLEEP = "__import__('time').sleep(600)"
MISS_A_SIGNAL = """exec('''
import signal
before = signal.getsignal(signal.SIGTERM)
signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, before))
''', {})"""


def test_every_item_is_worked_on_by_one_of_the_processes() -> None:
    items = [f"({i}, {PROCESS_ID})" for i in range(20)]
    results = dict(run_all(eval, items, 2))
    assert [results[item][0] for item in items] == list(range(20))  # type: ignore[index]
    processes = {result[1] for result in results.values()}  # type: ignore[index]
    assert os.getpid() not in processes
    assert 1 <= len(processes) <= 2


def test_a_process_that_dies_costs_one_item() -> None:
    results = dict(run_all(eval, ["1", DIE, "2", "3"], 2))
    assert isinstance(results.pop(DIE), ProcessDiedError)
    assert results == {"1": 1, "2": 2, "3": 3}


def test_closing_ends_the_processes() -> None:
    with closing(run_all(eval, [PROCESS_ID, SLEEP, SLEEP], 1)) as results:
        _, process = next(results)
        start = time.monotonic()
    assert time.monotonic() - start < 4
    assert isinstance(process, int)
    assert not is_running(process)


def test_a_process_that_misses_a_signal_gets_another() -> None:
    """A signal that arrives just before a sleep does not interrupt it."""
    with closing(run_all(eval, [f"{MISS_A_SIGNAL} or {PROCESS_ID}", SLEEP], 1)) as results:
        _, process = next(results)
        start = time.monotonic()
    assert time.monotonic() - start < 4
    assert isinstance(process, int)
    assert not is_running(process)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True
