"""One way to code symbols: whatever predicts them takes steps, and this drives it with a range coder.

A *stage* is a named tuple of arrays: a network (:mod:`pixcodec.coding.nibbles`), a mixed layer of a
tile (:mod:`pixcodec.coding.bits`) or the JPEG coefficients of a component (:mod:`pixcodec.jpeg.coder`). It
codes the symbols of all lanes of a step together, and implements four operations:

    prepare     set up the lanes of the next step
    predict     write the frequencies of their symbols
    recall      write their symbols, which an encoder knows
    learn       take their symbols, known now, and go on

An encoder takes steps until its buffers are full, and only then leaves the kernel; a decoder needs the
symbols of a step before the next. Before each step, the stage is in the same state in both directions.

Shapes: N lanes of a step, R room of the buffers, S outcomes of a symbol.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pixcodec.coding.team import helped
from pixcodec.coding.threads import ALONE, Crew
from pixcodec.coding.turns import give_turn, take_turn
from pixcodec.errors import CorruptFileError
from pixcodec.network.kernels import EntryPoint, entry_point
from pixcodec.network.structs import struct_of

Symbols = npt.NDArray[np.int32]
Rows = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

# Size of an encoder's rows. Long enough to stay out of Python, short enough to stay in the cache.
ROOM_SIZE_BYTES = 1 << 20

# The field ``progress`` of a stage: a structured array of one element.
PROGRESS = np.dtype(
    [
        ("state", np.int64),
        ("lanes", np.int64),  # of the step
        ("most_lanes", np.int64),  # of any step
        ("outcomes", np.int64),  # of a symbol
        ("pixels", np.int64),  # how many were begun; a stage counts them
    ],
    align=True,
)
_AT_REST, _PREPARED, _WAITING = range(3)


class Buffers(NamedTuple):
    """What goes between a stage and the coder."""

    symbols: Symbols  # R
    rows: Rows  # R, S
    turn: Int64  # 1: whose turn it is at the coder (pixcodec.coding.turns)
    mine: Int64  # 1: whether it is that of this thread


def new_buffers(room: int, outcomes: int, turn: Int64) -> Buffers:
    """Return buffers for so many symbols of so many outcomes."""
    return Buffers(np.zeros(room, np.int32), np.zeros((room, outcomes)), turn, np.zeros(1, np.int64))


class Coder(Protocol):
    """One direction of the range coder, or a recorder in its place."""

    def code(self, symbols: Symbols, rows: Rows) -> Symbols:
        """Code the symbols (N,), or return those that are decoded, by rows (N, S) of frequencies - 1."""
        ...


class Stage(Protocol):
    """What all stages have."""

    @property
    def progress(self) -> Any:
        """An array of PROGRESS."""
        ...


def new_progress(most_lanes: int, outcomes: int) -> Any:
    """Return the progress of a stage whose steps have so many lanes at most."""
    progress = np.zeros(1, PROGRESS)
    progress["most_lanes"], progress["outcomes"] = most_lanes, outcomes
    return progress


def prepare(stage: Any) -> int:
    """Set up the lanes of the next step; return how many they are, 0 at the end."""
    raise NotImplementedError


def predict(stage: Any, rows: Rows, start: int) -> None:
    """Write frequencies - 1 of the lanes' symbols to ``rows[start :]`` (N, S); a row sums to 2**24 - S."""
    raise NotImplementedError


def recall(stage: Any, symbols: Symbols, start: int) -> None:
    """Write the lanes' symbols, from the values in the canvas of a stage, to ``symbols[start :]``."""
    raise NotImplementedError


def learn(stage: Any, symbols: Symbols, start: int) -> None:
    """Take the lanes' symbols, ``symbols[start :]``, and go on to the next step."""
    raise NotImplementedError


@cache
def driver_of(kind: type) -> EntryPoint:
    """Return the kernel that drives the stages of a kind."""

    def advance(stage: Any, known: Any, buffers: Buffers, decoding: int) -> int:
        """Take steps; return for how many symbols there are rows now, 0 at the end.

        An encoder's symbols and rows are written as long as there is room; ``known`` is the stage that holds
        the values, which may be another than the one that learns. A decoder takes the symbols of the rows
        that it got last, and goes on to the next rows.
        """
        symbols, rows = buffers.symbols, buffers.rows
        progress, start = stage.progress[0], 0
        if decoding:
            give_turn(buffers.turn, buffers.mine)
        while True:
            if progress.state == _WAITING:
                learn(stage, symbols, start)
                progress.state = _AT_REST
                if not decoding:
                    start += progress.lanes
            if progress.state == _AT_REST:
                progress.lanes = prepare(stage)
                if progress.lanes == 0:
                    break
                progress.state = _PREPARED
            if start + progress.lanes > len(rows):
                break
            predict(stage, rows, start)
            progress.state = _WAITING
            if decoding:
                take_turn(buffers.turn, buffers.mine)
                return int(progress.lanes)
            recall(known, symbols, start)
        return start

    return entry_point(advance, f"advance.{kind.__module__}.{kind.__qualname__}")


def run(stage: Any, coder: Coder, *, decoding: bool, crew: Crew = ALONE, foreseen: Any = None) -> None:
    """Code all symbols of a stage, or decode them.

    Parameters
    ----------
    stage : named tuple
        With the values, if they are to be coded.
    coder : Coder
    decoding : bool
    crew : Crew, optional
        Told of the pixels that were begun; its threads help, if the stage has a team.
    foreseen : named tuple, optional
        The stage with the values that a decoder is thought to find, when a bitstream is checked: see
        :func:`_check_steps`.

    Raises
    ------
    CorruptFileError
        From the decoder, or if what is decoded was not foreseen.
    """
    progress = stage.progress
    room = most = int(progress["most_lanes"][0])
    outcomes = int(progress["outcomes"][0])
    one_by_one = decoding and foreseen is None
    if not one_by_one:
        room = max(most, ROOM_SIZE_BYTES // (8 * outcomes))
    buffers = new_buffers(room, outcomes, crew.turn)
    own = struct_of(stage)
    known = own if foreseen is None else struct_of(foreseen)
    kind: Any = type(stage)
    structs = own, known, struct_of(buffers)
    advance = driver_of(kind).bind_all(*structs, int(one_by_one))
    work = _decode_steps if one_by_one else _encode_steps if foreseen is None else _check_steps
    begun, ticked = progress["pixels"], 0  # the former is a view, and changes

    def tick() -> None:
        nonlocal ticked
        if begun[0] > ticked:
            crew.tick(int(begun[0]) - ticked)
            ticked = int(begun[0])

    try:
        with helped(stage, crew):
            work(advance, coder, buffers, tick)
    finally:
        if buffers.mine[0]:  # the coder failed
            crew.turn[0] = 0
    tick()  # the last pixels may need no symbols
    assert progress["lanes"][0] == 0, "a step has more lanes than most_lanes"


def run_by_steps(stage: Any, begin: Callable[[], None], end: Callable[[Symbols, Rows], None]) -> None:
    """Take the steps of a stage that has the values, one at a time, without a coder.

    Parameters
    ----------
    stage : named tuple
    begin : callable
        Called when the lanes of a step are set up, before their symbols are predicted.
    end : callable
        Called with the symbols (N,) and rows (N, S) of the step.
    """
    progress, own, turn = stage.progress, struct_of(stage), np.zeros(1, np.int64)
    outcomes = int(progress["outcomes"][0])
    calls: dict[int, tuple[Advance, Buffers]] = {}
    kind: Any = type(stage)
    lanes = 0  # the first call has no room for a step, and sets up its lanes
    while True:
        if lanes not in calls:
            buffers = new_buffers(lanes, outcomes, turn)
            advance = driver_of(kind).bind_all(own, own, struct_of(buffers), 0)
            calls[lanes] = advance, buffers
        advance, buffers = calls[lanes]
        _check_end(advance())
        if lanes:
            end(buffers.symbols, buffers.rows)
        lanes = int(progress["lanes"][0])
        if lanes == 0:
            return
        begin()


Advance = Callable[[], int]
Tick = Callable[[], None]


def _encode_steps(advance: Advance, coder: Coder, buffers: Buffers, tick: Tick) -> None:
    while (count := advance()) > 0:
        coder.code(buffers.symbols[:count], buffers.rows[:count])
        tick()
    _check_end(count)


def _check_end(count: int) -> None:
    if count < 0:
        raise ArithmeticError("the kernel of a stage failed: a division by 0")


def _decode_steps(advance: Advance, coder: Coder, buffers: Buffers, tick: Tick) -> None:
    code = coder.code
    views: dict[int, tuple[Symbols, Rows]] = {}
    while True:
        count = advance()
        if count <= 0:
            return _check_end(count)
        if count not in views:  # a step may take less time than to cut them
            views[count] = buffers.symbols[:count], buffers.rows[:count]
        symbols, rows = views[count]
        symbols[:] = code(symbols, rows)
        tick()


def _check_steps(advance: Advance, coder: Coder, buffers: Buffers, tick: Tick) -> None:
    """Decode the symbols of many steps at once, each step having learnt those foreseen of the steps before.

    As long as all that are decoded were foreseen, the stage is what it would be had it learnt the decoded
    ones: so this finds out what a decoder would find, without a call of the coder for every step.
    """
    while (count := advance()) > 0:
        symbols = buffers.symbols[:count]
        if not np.array_equal(coder.code(symbols, buffers.rows[:count]), symbols):
            raise CorruptFileError("bitstream decodes to other symbols than were encoded")
        tick()
    _check_end(count)
