"""Threads that work on one tile together.

The lanes of a wavefront hardly depend on each other, and what is learnt of one context does not depend on
that of another. So a kernel may *share* a job: it cuts the job into parts, of which each thread takes the
next one, until none is left. Parts never write what another part reads, and what is written does not depend
on how many there are: the bytes are the same for all numbers of threads.

The thread that codes the tile waits at the end of a job until all parts are done. Helpers wait for jobs in
:func:`assistant_of`, in a loop: from one job to the next are some microseconds. A helper may come and go at
any time; without one, the coding thread takes all the parts.

Their memory is an array of int64, of which TICKET, DONE and HELPERS have cache lines of their own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.coding.threads import Crew
from pixcodec.mixing.least_squares import GROUP
from pixcodec.network.kernels import EntryPoint, entry_point, generated, inlined, kernel
from pixcodec.network.structs import struct_of
from pixcodec.network.wavefront import Share

Int64 = npt.NDArray[np.int64]

MAX_THREADS = 16  # of a tile
PATIENCE = 20_000  # pauses of a helper, after which it looks whether another tile needs it more
# Pauses, some 50 microseconds, after which a waiting thread lets others run: on a busy machine, the thread
# that it waits for may be one of them.
AWAKE = 2_000
LEAST_LANES = 16  # of a job that is shared
OPEN, SLOTS, PREDICT, LEARN, FEATURES, VALUES = range(6)  # jobs

# Places in the memory. A ticket is, from its lowest byte on: the next part to take, the number of parts, and
# how many jobs there were before; or STOPPED. HELPED counts the parts that helpers took.
TICKET, DONE, HELPERS, HELPED, THREADS, JOB, PARTS, LANES = 0, 16, 32, 33, 48, 49, 50, 51
_WORDS = 64
STOPPED = -1
_NONE, _OVER = -1, -2

_CODE = "pixcodec.network.atomics_code"
_load_acquire = generated(_CODE, "load_acquire")
_store_release = generated(_CODE, "store_release")
_add_release = generated(_CODE, "add_release")
_replace = generated(_CODE, "replace")
_pause = generated(_CODE, "pause")
_give_way = generated(_CODE, "give_way")


def new_team(threads: int) -> Int64:
    """Return the memory of a team that works on a tile, of up to so many threads."""
    team = np.zeros(_WORDS, np.int64)
    team[THREADS] = min(threads, MAX_THREADS)
    return team


def do_part(stage: Any, share: Share) -> None:
    """Do a part of the job ``stage.team[JOB]``."""
    raise NotImplementedError


@inlined
def _share_of(team: Int64, number: int) -> Share:
    """Return a part of the job: lanes in whole groups, which the least squares solve side by side."""
    lanes, parts = team[LANES], team[PARTS]
    first = lanes * number // parts // GROUP * GROUP
    end = lanes if number + 1 == parts else lanes * (number + 1) // parts // GROUP * GROUP
    return Share(number, parts, first, end)


@kernel
def _take_part(team: Int64) -> int:
    """Return the number of a part that nobody has taken; _NONE if there is none, or _OVER if the work is."""
    where = team.ctypes.data
    while True:
        ticket = _load_acquire(where + 8 * TICKET)
        if ticket == STOPPED:
            return _OVER
        number, parts = ticket & 255, (ticket >> 8) & 255
        if number >= parts:
            return _NONE
        if _replace(where + 8 * TICKET, ticket, ticket + 1):
            return int(number)


@inlined
def parts_of(team: Int64, lanes: int) -> Any:
    """Return into how many parts a job of so many lanes is cut now: one if there is no helper."""
    if team[THREADS] == 1 or lanes < LEAST_LANES:
        return np.int64(1)
    return min(team[THREADS], 1 + _load_acquire(team.ctypes.data + 8 * HELPERS))


@inlined
def _rest(pauses: int) -> int:
    """Wait for a moment; return how many there were since the last thing to do."""
    _pause()
    if pauses >= AWAKE:
        _give_way()
    return pauses + 1


@kernel
def share_job(stage: Any, lanes: int) -> None:
    """Do the job ``stage.team[JOB]`` of so many lanes, together with the helpers if there are any.

    The job is no parameter: numba would compile all of this once for each constant.
    """
    team = stage.team
    where = team.ctypes.data
    parts = parts_of(team, lanes)
    team[PARTS], team[LANES] = parts, lanes
    if parts > 1:
        before = team[TICKET] >> 16
        team[DONE] = 0
        _store_release(where + 8 * TICKET, ((before + 1) << 16) | (parts << 8))
    number = _take_part(team) if parts > 1 else 0
    while number >= 0:
        do_part(stage, _share_of(team, number))  # at one place, as its code is large
        number = _NONE
        if parts > 1:
            _add_release(where + 8 * DONE, 1)
            number = _take_part(team)
    pauses = 0
    while parts > 1 and _load_acquire(where + 8 * DONE) < parts:
        pauses = _rest(pauses)


@cache
def assistant_of(kind: type) -> EntryPoint:
    """Return the kernel that helps with the stages of a kind."""

    def assist(stage: Any, patience: int) -> int:
        """Take parts of jobs; return 1 after so many pauses without one, or 0 when the work is over."""
        where = stage.team.ctypes.data
        _add_release(where + 8 * HELPERS, 1)
        pauses, parts, number = 0, 0, _NONE
        while pauses < patience and number != _OVER:
            number = _take_part(stage.team)
            if number >= 0:
                do_part(stage, _share_of(stage.team, number))
                _add_release(where + 8 * DONE, 1)
                pauses, parts = 0, parts + 1
            else:
                pauses = _rest(pauses)
        _add_release(where + 8 * HELPED, parts)
        _add_release(where + 8 * HELPERS, -1)
        return 0 if number == _OVER else 1

    return entry_point(assist, f"assist.{kind.__module__}.{kind.__qualname__}")


@contextmanager
def helped(stage: Any, crew: Crew) -> Iterator[None]:
    """Let the idle threads of a crew help with a stage, if it has a team of several."""
    team = getattr(stage, "team", None)
    if team is None or team[THREADS] == 1:
        yield
        return
    kind: Any = type(stage)
    assist = assistant_of(kind).bind(struct_of(stage))
    with crew.helped_by(lambda: assist(PATIENCE)):
        try:
            yield
        finally:
            team[TICKET] = STOPPED
