"""Turns: threads that decode at the same time ask for the range coder one after the other.

A decoder leaves the kernel at every step, and needs the interpreter's lock outside. Threads that wait for it
are put to sleep, which takes longer than a step of the coder. So a kernel waits for its turn before it
leaves, awake, and gives it back when it is entered again: then nobody waits for the interpreter. A turn is a
courtesy: who has waited for long goes without.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixcodec.network.kernels import generated, inlined

Int64 = npt.NDArray[np.int64]

PATIENCE = 1000  # pauses

_CODE = "pixcodec.network.atomics_code"
_load_acquire = generated(_CODE, "load_acquire")
_store_release = generated(_CODE, "store_release")
_replace = generated(_CODE, "replace")
_pause = generated(_CODE, "pause")


def new_turn() -> Int64:
    """Return a turn that nobody has."""
    return np.zeros(1, np.int64)


@inlined
def take_turn(turn: Int64, mine: Int64) -> None:
    """Wait for the turn, but not for ever; note in ``mine`` (1) whether it came."""
    where = turn.ctypes.data
    for _ in range(PATIENCE):
        if _load_acquire(where) == 0 and _replace(where, 0, 1):
            mine[0] = 1
            return
        _pause()


@inlined
def give_turn(turn: Int64, mine: Int64) -> None:
    """Give the turn back, if it was ``mine``."""
    if mine[0]:
        mine[0] = 0
        _store_release(turn.ctypes.data, 0)
