"""Runs: flat parts of a layer, whose pixels are copied instead of coded (FORMAT.md, section Runs).

A pixel all of whose neighbours are equal asks, before its wavefront is coded, whether the next pixels of its
row equal them, too; and if not all of them do, how many do, and which plane of the pixel after these is the
first that differs. Pixels of runs are copied from the left (in the first column from above) and cost nothing
else. The other pixels are the lanes of their wavefront, and are coded by the stage as always. A pixel that
ends a run is known to differ: :mod:`pixcodec.coding.run_ends` tells its mixture so.

Still runs, of frames of a series, are of pixels that are what the frame's reference shows at their places.

Shapes: N lanes, H W height and width of the tile, S outcomes of a symbol.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.coding.driver import Rows, Symbols
from pixcodec.coding.run_state import (
    FLAG,
    LENGTHS,
    NOTHING,
    PLANE,
    PLANES,
    REST,
    RESTS,
    SIZE,
    SIZES,
    Int32,
    Runs,
)
from pixcodec.mixing.counters import COUNT_BITS, HALF, move
from pixcodec.mixing.matches import Repeats
from pixcodec.network.architecture import REACH
from pixcodec.network.distribution import NIBBLE, TOTAL
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.wavefront import Record, next_lanes, set_row

# Neighbours that must be equal, as far as they lie in the tile.
_AROUND = np.array(
    [
        *((0, -1), (0, -2), (0, -3), (-1, -2), (-1, -1), (-1, 0), (-1, 1), (-1, 2)),
        *((-2, -1), (-2, 0), (-2, 1), (-2, 2)),
    ],
    np.int64,
)
_MIN_LEVEL, _MAX_LEVEL = 3, 12
_MAX_LENGTH = (1 << (LENGTHS - 1)) - 1
_REPEAT = 8  # the class of a run that ends where a repeat does
_CALM = 8  # pixels that are coded before one asks without a run above
_LEAST_REPEAT = 16  # a repeat that was right for so many pixels is believed
_LIMIT = 255
_LEAST = 1 << 12  # least probability of an outcome, in 2**-24


def copy_pixels(stage: Any) -> None:
    """Take the pixels of ``stage.runs.copied``, which are in the canvas, into the rest of the stage."""
    raise NotImplementedError


def limit_runs(stage: Any) -> None:
    """Let the rows of ``stage.runs.asking`` ask for no more than repeats foretell."""
    raise NotImplementedError


@kernel
def cut_runs(s: Runs, repeats: Repeats, canvas: Int32, wave: Record) -> None:
    """Let rows that follow a repeat ask only for pixels that are the same there, possibly none."""
    count = 0
    for k in range(s.state[0].asking):
        row = s.asking[k]
        run, here = s.rows[row], repeats.rows[row]
        if here.length >= _LEAST_REPEAT and s.still == 0:
            other_y, other_x = _reference(row + REACH, wave.t - wave.slope * row + REACH)
            known = min(wave.width - here.column, wave.t - wave.slope * here.row - here.column) - 1
            for j in range(min(run.length, known)):
                if not _same(canvas, here.row + REACH, here.column + 1 + j + REACH, other_y, other_x):
                    run.length, run.above = j, _REPEAT
                    break
        if run.length > 0:
            s.asking[count] = row
            count += 1
        else:
            run.asks = NOTHING
    s.state[0].asking = count


@kernel
def next_pixels(stage: Any, wave: Record) -> int:
    """Go on to the next pixels that need symbols; return how many need one now, 0 at the end.

    If ``stage.runs.state[0].asking`` is not 0, the symbols are of runs. Else they are those of the lanes of a
    wavefront that begins.
    """
    runs = stage.runs
    if runs.on == 0:
        lanes = next_lanes(wave)
        stage.progress[0].pixels += lanes
        return int(lanes)
    state = runs.state[0]
    while state.asking == 0:
        if state.begun == 0:
            pixels = next_lanes(wave)
            if pixels == 0:
                return 0
            stage.progress[0].pixels += pixels
            _look(runs, stage.canvas, wave)
            limit_runs(stage)
            state.begun = 1
            continue
        _settle(runs, wave)
        copy_pixels(stage)
        state.begun = 0
        if wave.lanes > 0:
            return int(wave.lanes)
        wave.t += 1
    return int(state.asking)


@inlined
def _reference(y: int, x: int) -> tuple[Any, Any]:
    """Return the canvas position that a pixel of a run is copied from."""
    return (y, x - 1) if x > REACH else (y - 1, x)


@inlined
def reference_value(s: Runs, canvas: Int32, y: int, x: int, plane: int) -> Any:
    """Return the value of a plane that a canvas position would have in a run."""
    if s.still:
        return np.int64(s.reference[y, x, plane])
    other_y, other_x = _reference(y, x)
    return np.int64(canvas[other_y, other_x, plane])


@inlined
def _is_still(canvas: Int32, reference: Int32, y: int, x: int) -> Any:
    """Return whether a canvas position has the values of the reference in all planes."""
    same = True
    for c in range(canvas.shape[2]):
        same &= canvas[y, x, c] == reference[y, x, c]
    return same


@inlined
def _same(canvas: Int32, y: int, x: int, other_y: int, other_x: int) -> Any:
    """Return whether two canvas positions have the same values in all planes."""
    same = True
    for c in range(canvas.shape[2]):
        same &= canvas[y, x, c] == canvas[other_y, other_x, c]
    return same


@kernel
def _is_all_still(canvas: Int32, reference: Int32, y: int, x: int, width: int) -> Any:
    """Return whether the neighbours of a position that lie in the tile are still."""
    for k in range(len(_AROUND)):
        near_y, near_x = y + _AROUND[k, 0], x + _AROUND[k, 1]
        inside = near_y >= REACH and REACH <= near_x < width + REACH
        if inside and not _is_still(canvas, reference, near_y, near_x):
            return False
    return True


@kernel
def _is_flat(canvas: Int32, y: int, x: int, width: int) -> Any:
    """Return whether the neighbours of a position that lie in the tile equal its reference."""
    other_y, other_x = _reference(y, x)
    for k in range(len(_AROUND)):
        near_y, near_x = y + _AROUND[k, 0], x + _AROUND[k, 1]
        inside = near_y >= REACH and REACH <= near_x < width + REACH
        if inside and not _same(canvas, near_y, near_x, other_y, other_x):
            return False
    return other_y >= REACH


@kernel
def _may_run(s: Runs, canvas: Int32, y: int, x: int, width: int) -> Any:
    """Return whether a run may begin at a position: its neighbours are still, or flat."""
    if s.still:
        return _is_all_still(canvas, s.reference, y, x, width)
    return _is_flat(canvas, y, x, width)


@kernel
def _look(s: Runs, canvas: Int32, wave: Record) -> None:
    """Find the rows of a wavefront that ask."""
    rows, left, width, slope, asking = s.rows, s.left, wave.width, wave.slope, s.asking
    count = 0
    for row in range(wave.first, wave.first + wave.whole):
        if left[row] > 0:
            continue
        run, column = rows[row], wave.t - slope * row
        if column == 0:
            run.calm = 0
            run.level = rows[row - 1].level if row > 0 else _MIN_LEVEL
        if run.broken > 0:
            continue
        y, x = row + REACH, column + REACH
        if not _may_run(s, canvas, y, x, width):
            run.calm = 0
            continue
        length = np.int64(1) << run.level
        run.above = 0
        if row > 0 and left[row - 1] > 0 and (s.still or _same(canvas, y - 1, x, y - 1, x + slope - 1)):
            run.above = rows[row - 1].ends
            end = slope + left[row - 1]
            length = end if run.above else max(length, end)
        elif run.calm < _CALM and column > 0:
            run.calm += 1
            continue
        run.length = min(length, width - column, _MAX_LENGTH)
        run.asks = FLAG
        asking[count] = row
        count += 1
    s.state[0].asking = count


@inlined
def _bit_length(n: int) -> Any:
    length = np.int64(0)
    while n >> length:
        length += 1
    return length


@inlined
def _context(run: Any) -> Any:
    """Return which counter predicts the next symbol of a row."""
    if run.asks == FLAG:
        return run.above * LENGTHS + _bit_length(run.length)
    if run.asks == SIZE:
        return SIZES + run.above * LENGTHS + run.node
    if run.asks == REST:
        return RESTS + (run.bits if run.rest == 1 else LENGTHS)
    return PLANES + run.plane


@kernel
def predict_runs(s: Runs, buffer: Rows, start: int) -> None:
    """Write frequencies - 1 of the symbols of runs to ``buffer[start :]`` (N, S); only 0 and 1 occur."""
    outcomes = buffer.shape[1]
    others = 0 if outcomes == 2 else NIBBLE - 2
    for k in range(s.state[0].asking):
        entry = np.int64(s.counters[_context(s.rows[s.asking[k]])])
        p: Any = min(max(((entry >> COUNT_BITS) + HALF) << 2, _LEAST), TOTAL - _LEAST)
        buffer[start + k, 0] = TOTAL - others - p - 1
        buffer[start + k, 1] = p - 1
        for j in range(2, outcomes):
            buffer[start + k, j] = 0
        if outcomes == 3:  # a row of an encoder: the third outcome stands for all others
            buffer[start + k, 2] = others - 1


@kernel
def recall_runs(s: Runs, canvas: Int32, wave: Record, buffer: Symbols, start: int) -> None:
    """Write the symbols of runs, from the values in the canvas, to ``buffer[start :]``."""
    for k in range(s.state[0].asking):
        row = s.asking[k]
        run = s.rows[row]
        if run.asks == FLAG:
            _measure(s, run, canvas, row + REACH, wave.t - wave.slope * row + REACH)
            buffer[start + k] = 1 if run.ahead == run.length else 0
        elif run.asks == SIZE:
            size = _bit_length(_missing(run))
            buffer[start + k] = (size >> (4 - _bit_length(run.node))) & 1
        elif run.asks == REST:
            buffer[start + k] = (_missing(run) >> (run.bits - 1)) & 1
        else:
            buffer[start + k] = 1 if run.plane == run.differs else 0


@inlined
def _missing(run: Any) -> Any:
    """Return the number that says how long a run is, to an encoder."""
    return run.length - 1 - run.ahead if run.above else run.ahead


@kernel
def _measure(s: Runs, run: Any, canvas: Int32, y: int, x: int) -> None:
    """Find how long a run from a canvas position on is, and where it ends."""
    other_y, other_x = _reference(y, x)
    run.ahead = 0
    if s.still:
        while run.ahead < run.length and _is_still(canvas, s.reference, y, x + run.ahead):
            run.ahead += 1
    else:
        while run.ahead < run.length and _same(canvas, y, x + run.ahead, other_y, other_x):
            run.ahead += 1
    if run.ahead < run.length:
        run.differs = 0
        at = x + run.ahead
        while canvas[y, at, run.differs] == _source_value(s, canvas, y, at, other_y, other_x, run.differs):
            run.differs += 1


@inlined
def _source_value(s: Runs, canvas: Int32, y: int, x: int, other_y: int, other_x: int, plane: int) -> Any:
    """Return the value of a plane at a position of a run, whose flat pixels are those of another position."""
    if s.still:
        return np.int64(s.reference[y, x, plane])
    return np.int64(canvas[other_y, other_x, plane])


@kernel
def learn_runs(s: Runs, canvas: Int32, wave: Record, buffer: Symbols, start: int) -> None:
    """Take the symbols of runs, ``buffer[start :]``; rows that need more of them stay in ``asking``.

    Pixels of runs are written to the canvas at once: nothing looks at them before their wavefront.
    """
    count = 0
    for k in range(s.state[0].asking):
        row = s.asking[k]
        run, bit = s.rows[row], 1 if buffer[start + k] else 0
        move(s.counters, _context(run), bit, _LIMIT)
        copies = _learn_symbol(run, bit, canvas.shape[2])
        if copies > 0:
            s.left[row] = copies
            _copy(s, canvas, row + REACH, wave.t - wave.slope * row + REACH, copies)
        if run.asks != NOTHING:
            s.asking[count] = row
            count += 1
    s.state[0].asking = count


@inlined
def _learn_symbol(run: Any, bit: int, planes: int) -> Any:
    """Take a symbol of a row; return how many pixels are to be copied, if it says so."""
    copies = np.int64(0)
    run.calm = 0
    if run.asks == FLAG and bit:
        copies, run.level, run.ends = run.length, min(run.level + 1, _MAX_LEVEL), min(run.above, 1)
        run.asks = NOTHING
    elif run.asks == FLAG:
        run.level = max(run.level - 1, _MIN_LEVEL)
        run.node, run.rest, run.bits, run.asks = 1, 0, 0, SIZE
        if run.length == 1:
            copies = _end(run, planes)
    elif run.asks == SIZE:
        run.node = 2 * run.node + bit
        if run.node >= LENGTHS:
            size = run.node - LENGTHS
            run.rest, run.bits, run.asks = min(size, 1), max(size - 1, 0), REST
            if run.bits == 0:
                copies = _end(run, planes)
    elif run.asks == REST:
        run.rest, run.bits = 2 * run.rest + bit, run.bits - 1
        if run.bits == 0:
            copies = _end(run, planes)
    else:
        run.plane += 1 - bit
        if bit or run.plane == planes - 1:
            run.broken, run.asks = run.plane + 1, NOTHING
    return copies


@inlined
def _end(run: Any, planes: int) -> Any:
    """Let a run be shorter than was asked for, and go on to the plane that differs; return its length."""
    rest = min(run.rest, run.length - 1)
    run.ends = min(2 + _bit_length(rest) // 2, _REPEAT - 1) if run.above else _REPEAT - 1
    run.plane, run.asks = 0, PLANE
    if planes == 1:
        run.broken, run.asks = 1, NOTHING
    return run.length - 1 - rest if run.above else rest


@inlined
def _copy(s: Runs, canvas: Int32, y: int, x: int, count: int) -> None:
    """Write the pixels of a run from a canvas position on."""
    for c in range(canvas.shape[2]):
        value = reference_value(s, canvas, y, x, c)
        for k in range(count):
            canvas[y, x + k, c] = s.reference[y, x + k, c] if s.still else value


@kernel
def _settle(s: Runs, wave: Record) -> None:
    """Divide the pixels of a wavefront into those that are copied and its lanes."""
    rows, left, copied, broken = s.rows, s.left, s.copied, s.broken
    lanes, copies = 0, 0
    for row in range(wave.first, wave.first + wave.whole):
        if left[row] > 0:
            left[row] -= 1
            copied[copies] = row
            copies += 1
        else:
            set_row(wave.rows, lanes, row)
            broken[lanes] = rows[row].broken
            rows[row].broken = 0
            lanes += 1
    wave.lanes, s.state[0].copied = lanes, copies
