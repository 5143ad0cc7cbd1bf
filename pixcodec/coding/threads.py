"""Work on the tiles of an image, on several threads, with a progress that is reported.

Each thread takes a tile after the other. One that finds none left helps those that still work on theirs
(:mod:`pixcodec.coding.team`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pixcodec.coding.turns import new_turn

Progress = Callable[[float], None]
Tick = Callable[[int], None]
Item = TypeVar("Item")
Result = TypeVar("Result")

LEAST_SHARED_PIXELS = 1 << 14  # of a tile that several threads may work on


class Crew:
    """The threads that work on an image.

    Parameters
    ----------
    threads : int
    tick : callable
        Called with the number of pixels done since the last call; it may raise an error to stop the work.
    """

    def __init__(self, threads: int, tick: Tick) -> None:
        self.threads, self.tick = threads, tick
        self.turn = new_turn()
        self._changed = threading.Condition()
        self._assists: list[Callable[[], int]] = []
        self._over = False

    @contextmanager
    def helped_by(self, assist: Callable[[], int]) -> Iterator[None]:
        """Let idle threads call ``assist``, which is to return 1 now and then, and 0 at the end."""
        with self._changed:
            self._assists.append(assist)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._assists.remove(assist)

    def help(self) -> None:
        """Help other threads until the work is over."""
        turn = 0
        while True:
            with self._changed:
                while not (self._assists or self._over):
                    self._changed.wait()
                if self._over:
                    return
                assist = self._assists[turn % len(self._assists)]
            turn += assist()  # it had nothing to do for a while: see whether another has

    def finish(self) -> None:
        """Let the helpers return."""
        with self._changed:
            self._over = True
            self._changed.notify_all()


class Alike:
    """Results of the work on tiles, kept for tiles that are alike: flat parts, and what repeats.

    Parameters
    ----------
    most : int
        How many results are kept at a time: those that were found last.
    """

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._results: dict[Hashable, Any] = {}

    def result(self, key: Hashable, work: Callable[[], Result], found: Callable[[], None]) -> Result:
        """Return what ``work`` returns for a tile of this ``key``; if it is known, call ``found`` instead.

        A tile without a key is like no other. Threads that come to tiles which are alike at the same time do
        the work twice.
        """
        if key is None:
            return work()
        with self._lock:
            known: Result | None = self._results.get(key)
        if known is not None:
            found()
            return known
        result = work()
        with self._lock:
            self._results[key] = result
            while len(self._results) > self._most:
                self._results.pop(next(iter(self._results)))
        return result


ALONE = Crew(1, lambda pixels: None)


def check_threads(threads: int | None) -> None:
    """Raise ValueError if a number of threads is given and less than 1."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads is {threads}, expected at least 1")


def map_tiles(
    work: Callable[[Item, Crew], Result],
    tiles: Sequence[Item],
    total: int,
    threads: int | None,
    progress: Progress | None,
    *,
    share: int = 1,
) -> list[Result]:
    """Return ``work`` of every tile, in order, on up to ``threads`` threads.

    Parameters
    ----------
    work : callable
        Of a tile and the crew, which it tells of the pixels done.
    tiles : sequence
    total : int
        The number of pixels that all tiles have to do.
    threads : int or None
        Default: as many as there are processors.
    progress : callable or None
        Called with the fraction done, at every further percent, from any thread.
    share : int
        How many threads share a tile all the time, so that fewer tiles take memory at a time.

    Raises
    ------
    ValueError
        If ``threads`` is less than 1.
    """
    check_threads(threads)
    if not tiles or not total:
        if progress is not None:
            progress(1.0)
        return []
    count = threads or processor_count()
    count_done = _ticker(total, progress)
    if count == 1 or (len(tiles) == 1 and total < LEAST_SHARED_PIXELS):
        alone = Crew(1, count_done)
        return [work(tile, alone) for tile in tiles]
    return _on_threads(work, tiles, count, max(1, count // share), count_done)


def _on_threads(
    work: Callable[[Item, Crew], Result], tiles: Sequence[Item], count: int, at_once: int, count_done: Tick
) -> list[Result]:
    """Return ``work`` of every tile, in order, on ``count`` threads, of so many tiles at once."""
    from concurrent.futures import ThreadPoolExecutor  # it takes 10 ms to import

    stopped = threading.Event()

    def tick(pixels: int) -> None:
        if stopped.is_set():
            raise _StoppedError
        count_done(pixels)

    crew = Crew(count, tick)
    with ThreadPoolExecutor(count) as pool:
        for _ in range(count - at_once):  # threads that take no tile
            pool.submit(crew.help)
        futures = [pool.submit(work, tile, crew) for tile in tiles]
        for _ in range(at_once - 1):  # threads come to these when no tile is left
            pool.submit(crew.help)
        try:
            return [future.result() for future in futures]
        except BaseException:
            stopped.set()  # or an interrupt would wait for the tiles under way
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            crew.finish()


class _StoppedError(Exception):
    """Another tile failed, or the user interrupted: leave this one."""


def processor_count() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _ticker(total: int, progress: Progress | None) -> Tick:
    """Return a function that counts pixels done and reports at every further percent."""
    if progress is None:
        return lambda pixels: None
    lock = threading.Lock()
    done, shown = 0, 0

    def tick(pixels: int) -> None:
        nonlocal done, shown
        with lock:
            done += pixels
            if done * 100 < (shown + 1) * total:
                return
            shown = done * 100 // total
            progress(done / total)

    return tick
