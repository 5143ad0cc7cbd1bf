"""Blocks that were rounded to wrong coefficients -> blocks whose samples lie within a range.

The DCT of rounded samples, rounded to multiples of the steps, mostly gives the coefficients of the file;
small steps, and samples that are clipped or only bounded, leave some blocks wrong. Such a block is projected
onto the range and rounded a few times. Then single coefficients are changed by one step: each time the one
that leaves the samples the least outside the range, no coefficient twice within a few moves. A sample counts
the more the longer it lies outside.

numba's cache looks only at this file for changes: touch it after changing a kernel of another file.

Shapes: N blocks of 64 samples or coefficients; H height, W width of the image.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.blocks import DCT, MIDDLE, Floats, Grid, blocks_of, quantised
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, Blocks, Table
from pixcodec.jpeg.find_samples import UNBOUNDED, Range
from pixcodec.jpeg.pixels import Plane, inverse_dct, samples_of_blocks

_ROUNDS = 8  # projections of each block
_OVERSHOOT = 1.5  # how far a projection goes, in distances to the range

# Moves bound the time of the search.
_MOVES = 400  # of a block, at most
_MOVES_OF_ALL = 40  # of a block on the average of all blocks, wrong or not
_MOST_MOVES = 1_000_000  # of all blocks together: a few seconds

# After a move a coefficient stays for _REST moves and up to _RESTS - 1 more, which the number of the move
# decides, times _REST_FACTOR: with rests of one length the search could go round in a circle.
_REST, _RESTS, _REST_FACTOR = 2, 5, 7
_WEIGHT_GAIN = np.float32(1)  # weight that a sample gains with each move, times its distance to the range
_NEARLY = 0.1  # squared distance that the rounding of libjpeg's integers may explain
_LARGE_STEP = 8  # steps above this are only tried where the slope is steep enough
_LEAST_SLOPE = 0.02 / 16  # of a large step: below that, what it takes from some samples it gives to others
_UNLIMITED = np.float32(1e30)


class _Scratch(NamedTuple):
    """The state of the search for one block, all of shape (64,)."""

    samples: Floats  # less MIDDLE, before rounding
    excess: Floats  # by how much samples are above their range, or below it (negative)
    weight: Floats  # of samples
    resting: npt.NDArray[np.int32]  # moves up to which a coefficient is not changed
    best: Blocks  # the coefficients whose samples were the least outside
    exact: npt.NDArray[np.int64]  # samples less MIDDLE as libjpeg rounds them


def mend_plane(blocks: Blocks, table: Table, limits: Range, grid: Grid) -> None:
    """Change blocks (rows, columns, 64) in place so that more of their samples lie within limits (H, W)."""
    rows, columns = blocks.shape[:2]
    low = np.full((rows * BLOCK, columns * BLOCK), -UNBOUNDED, np.float32)
    high = -low
    low[grid.visible], high[grid.visible] = limits.lower - MIDDLE, limits.upper - MIDDLE
    levels = Range(*(blocks_of(plane).reshape(-1, FREQUENCIES) for plane in (low, high)))
    mend_blocks(blocks.reshape(-1, FREQUENCIES), table, levels)


def mend_blocks(blocks: Blocks, table: Table, levels: Range) -> None:
    """Change blocks (N, 64) in place so that more of their samples, less MIDDLE, lie within levels (N, 64).

    A block is replaced only if fewer of its samples are outside then.
    """
    wrong = _count_outside(samples_of_blocks(blocks, table), *levels)
    failing = np.flatnonzero(wrong)
    steps = table.astype(np.float32)
    part, low, high = blocks[failing], levels.lower[failing], levels.upper[failing]
    for _ in range(_ROUNDS):
        samples = (part * steps) @ DCT
        part = quantised((samples + _OVERSHOOT * (np.clip(samples, low, high) - samples)) @ DCT.T, table)
    moves = min(_MOVES, min(_MOVES_OF_ALL * len(blocks), _MOST_MOVES) // max(1, len(failing)))
    _improve_blocks(part, steps, DCT, low, high, moves)
    better = _count_outside(samples_of_blocks(part, table), low, high) < wrong[failing]
    blocks[failing[better]] = part[better]


def _count_outside(samples: Plane, lower: Floats, upper: Floats) -> npt.NDArray[np.int64]:
    """Return for each block how many of its samples, less MIDDLE, are not within ``lower`` .. ``upper``."""
    levels = samples.astype(np.float32) - MIDDLE
    outside: npt.NDArray[np.int64] = ((levels < lower) | (levels > upper)).sum(1)
    return outside


@numba.njit(cache=True, fastmath=True)
def _improve_blocks(
    blocks: Blocks, table: Floats, dct: Floats, lower: Floats, upper: Floats, moves: int
) -> None:
    """Change blocks (N, 64) in place until their samples lie between ``lower`` and ``upper`` (N, 64).

    A block that needs more than so many moves becomes what was nearest on the way. ``table`` (64,) holds the
    steps, ``dct`` (64, 64) the samples of each coefficient.
    """
    scratch = _Scratch(
        np.empty(FREQUENCIES, np.float32),
        np.empty(FREQUENCIES, np.float32),
        np.empty(FREQUENCIES, np.float32),
        np.empty(FREQUENCIES, np.int32),
        np.empty(FREQUENCIES, np.int16),
        np.empty(FREQUENCIES, np.int64),
    )
    for n in range(blocks.shape[0]):
        _improve_block(blocks[n], table, dct, lower[n], upper[n], moves, scratch)


@numba.njit(cache=True, fastmath=True, forceinline=True)
def _improve_block(
    block: Blocks, table: Floats, dct: Floats, low: Floats, high: Floats, moves: int, scratch: _Scratch
) -> None:
    """Change a block (64,) as :func:`_improve_blocks` does."""
    samples, excess, weight, resting, best, exact = scratch
    _transform(block, table, dct, samples)
    best[:] = block
    resting[:] = -1
    weight[:] = 1
    least = _UNLIMITED
    for move in range(moves + 1):
        total = _write_excess(samples, low, high, excess)
        if total < least:
            least = total
            best[:] = block
        if move == moves:
            break
        if total < _NEARLY and _is_exact(block, table, low, high, exact):
            best[:] = block
            break
        for i in range(FREQUENCIES):
            weight[i] += _WEIGHT_GAIN * abs(excess[i])
        chosen, change = _best_move(table, dct, low, high, scratch, move)
        if chosen < 0:
            break
        block[chosen] += np.int16(1 if change > 0 else -1)
        resting[chosen] = move + _REST + _REST_FACTOR * move % _RESTS
        for i in range(FREQUENCIES):
            samples[i] += change * dct[chosen, i]
    block[:] = best


@numba.njit(cache=True, fastmath=True, forceinline=True)
def _transform(block: Blocks, table: Floats, dct: Floats, samples: Floats) -> None:
    """Write the samples of a block (64,), less MIDDLE and not rounded, to ``samples`` (64,)."""
    samples[:] = 0
    for k in range(FREQUENCIES):
        if block[k] != 0:
            level = np.float32(block[k]) * table[k]
            for i in range(FREQUENCIES):
                samples[i] += level * dct[k, i]


@numba.njit(cache=True, fastmath=True, forceinline=True)
def _beyond(sample: Any, low: Any, high: Any) -> Any:
    """Return by how much a sample is above ``high``, or below ``low`` (negative), or 0."""
    return max(sample - high, np.float32(0)) + min(sample - low, np.float32(0))


@numba.njit(cache=True, fastmath=True, forceinline=True)
def _write_excess(samples: Floats, low: Floats, high: Floats, excess: Floats) -> Any:
    """Write by how much samples (64,) are outside the range to ``excess``; return the sum of squares."""
    total = np.float32(0)
    for i in range(FREQUENCIES):
        over = _beyond(samples[i], low[i], high[i])
        excess[i] = over
        total += over * over
    return total


@numba.njit(cache=True, fastmath=True, forceinline=True)
def _best_move(
    table: Floats, dct: Floats, low: Floats, high: Floats, scratch: _Scratch, move: int
) -> tuple[Any, Any]:
    """Return which coefficient to change and by how much, a step up or down; -1 and 0 if there is none.

    It is the one that makes the weighted sum of squared excess least, against whose slope it goes.
    """
    samples, excess, weight, resting = scratch.samples, scratch.excess, scratch.weight, scratch.resting
    chosen, change, lowest = -1, np.float32(0), _UNLIMITED
    for k in range(FREQUENCIES):
        if resting[k] > move:
            continue
        slope = np.float32(0)
        for i in range(FREQUENCIES):
            slope += dct[k, i] * excess[i] * weight[i]
        if table[k] > _LARGE_STEP and abs(slope) < table[k] * _LEAST_SLOPE:
            continue
        step = -table[k] if slope > 0 else table[k]
        after = np.float32(0)
        for i in range(FREQUENCIES):
            over = _beyond(samples[i] + step * dct[k, i], low[i], high[i])
            after += weight[i] * over * over
        if after < lowest:
            chosen, change, lowest = k, step, after
    return chosen, change


@numba.njit(cache=True)
def _is_exact(block: Blocks, table: Floats, low: Floats, high: Floats, exact: npt.NDArray[np.int64]) -> bool:
    """Return whether all samples of a block (64,), as libjpeg rounds them, are within ``low`` .. ``high``."""
    inverse_dct(block, table, exact)
    outside = 0
    for i in range(FREQUENCIES):
        if exact[i] < low[i] or exact[i] > high[i]:
            outside += 1
    return outside == 0
