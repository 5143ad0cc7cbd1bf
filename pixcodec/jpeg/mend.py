"""Blocks that were rounded to wrong coefficients -> blocks whose samples lie within a range.

The DCT of rounded samples, rounded to multiples of the steps, mostly gives the coefficients of the file;
small steps, and samples that are clipped or only bounded, leave some blocks wrong. Such a block is projected
onto the range and rounded a few times. Then single coefficients are changed by one step: each time the one
that leaves the samples the least outside the range, no coefficient twice within a few moves. A sample counts
the more the longer it lies outside.

Sums of floats have one order on all processors. Innermost loops go over coefficients, whose sums do not
depend on each other: so they are vectorised all the same.

Shapes: N blocks of 64 samples or coefficients; H height, W width of the image.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.blocks import DCT, MIDDLE, MIDDLES, Floats, Grid, blocks_of, quantised
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, Blocks, Table
from pixcodec.jpeg.decoders import Transform
from pixcodec.jpeg.find_samples import UNBOUNDED, Range
from pixcodec.jpeg.transform import (
    Int64,
    Plane,
    effective_steps,
    inverse_dct,
    multipliers_of,
    samples_of_blocks,
)
from pixcodec.network.kernels import entry_point, inlined, kernel
from pixcodec.network.structs import struct_of

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
# Squared distance that the rounding of the integers of an exact transform, and of the fast one, may explain.
_NEARLY, _NEARLY_FAST = 0.1, 8.0
_LARGE_STEP = 8  # steps above this are only tried where the slope is steep enough
_LEAST_SLOPE = 0.02 / 16  # of a large step: below that, what it takes from some samples it gives to others
_UNLIMITED = np.float32(1e30)
_NOTHING = np.float32(0)
_IS_FAST = int(Transform.FAST)


class Search(NamedTuple):
    """Blocks that are searched for one after the other, and the state of the search for one of them."""

    blocks: Blocks  # N, 64
    table: Floats  # 64: steps
    multipliers: Int64  # 64: of coefficients, in the transform of the decoder
    transform: int
    by_coefficient: Floats  # 64, 64: the samples of each coefficient
    by_sample: Floats  # 64, 64: the same, transposed
    lower: Floats  # N, 64: between which the samples are to be
    upper: Floats  # N, 64
    samples: Floats  # 64: less 128, before rounding
    excess: Floats  # 64: by how much samples are above their range, or below it (negative)
    weight: Floats  # 64: of samples
    slope: Floats  # 64: of the weighted sum of squared excess, for each coefficient
    after: Floats  # 64: the sum after a step of each coefficient
    step: Floats  # 64: these steps, up or down
    resting: npt.NDArray[np.int32]  # 64: moves up to which a coefficient is not changed
    best: Blocks  # 64: the coefficients whose samples were the least outside
    exact: Int64  # 64: samples less 128 as the decoder rounds them


def mend_plane(
    blocks: Blocks, table: Table, limits: Range, grid: Grid, transform: Transform = Transform.SLOW
) -> None:
    """Change blocks (rows, columns, 64) in place so that more of their samples lie within limits (H, W)."""
    rows, columns = blocks.shape[:2]
    low = np.full((rows * BLOCK, columns * BLOCK), -UNBOUNDED, np.float32)
    high = -low
    middle = np.float32(MIDDLES[transform])
    low[grid.visible], high[grid.visible] = limits.lower - middle, limits.upper - middle
    levels = Range(*(blocks_of(plane).reshape(-1, FREQUENCIES) for plane in (low, high)))
    mend_blocks(blocks.reshape(-1, FREQUENCIES), table, levels, transform)


def mend_blocks(blocks: Blocks, table: Table, levels: Range, transform: Transform = Transform.SLOW) -> None:
    """Change blocks (N, 64) in place so that more of their samples, less 128, lie within levels (N, 64).

    A block is replaced only if fewer of its samples are outside then.
    """
    wrong = _count_outside(samples_of_blocks(blocks, table, transform), *levels)
    failing = np.flatnonzero(wrong)
    steps = effective_steps(table, transform)
    part, low, high = blocks[failing], levels.lower[failing], levels.upper[failing]
    for _ in range(_ROUNDS):
        samples = (part * steps) @ DCT
        part = quantised((samples + _OVERSHOOT * (np.clip(samples, low, high) - samples)) @ DCT.T, steps)
    moves = min(_MOVES, min(_MOVES_OF_ALL * len(blocks), _MOST_MOVES) // max(1, len(failing)))
    improve_blocks.bind(struct_of(new_search(part, table, low, high, transform)))(moves)
    better = _count_outside(samples_of_blocks(part, table, transform), low, high) < wrong[failing]
    blocks[failing[better]] = part[better]


def _count_outside(samples: Plane, lower: Floats, upper: Floats) -> npt.NDArray[np.int64]:
    """Return for each block how many of its samples, less 128, are not within ``lower`` .. ``upper``."""
    levels = samples.astype(np.float32) - np.float32(MIDDLE)
    outside: npt.NDArray[np.int64] = ((levels < lower) | (levels > upper)).sum(1)
    return outside


def new_search(
    blocks: Blocks, table: Table, lower: Floats, upper: Floats, transform: Transform = Transform.SLOW
) -> Search:
    """Return what :func:`improve_blocks` takes: blocks (N, 64), steps (64,), limits of samples (N, 64)."""
    samples, excess, weight, slope, after, step = np.empty((6, FREQUENCIES), np.float32)
    return Search(
        blocks,
        effective_steps(table, transform),
        multipliers_of(table, transform),
        transform,
        DCT,
        np.ascontiguousarray(DCT.T),
        np.ascontiguousarray(lower, np.float32),
        np.ascontiguousarray(upper, np.float32),
        samples,
        excess,
        weight,
        slope,
        after,
        step,
        np.empty(FREQUENCIES, np.int32),
        np.empty(FREQUENCIES, np.int16),
        np.empty(FREQUENCIES, np.int64),
    )


@entry_point
def improve_blocks(search: Search, moves: int) -> None:
    """Change the blocks in place until their samples lie between ``lower`` and ``upper``.

    A block that needs more than so many moves becomes what was nearest on the way.
    """
    for n in range(search.blocks.shape[0]):
        _improve_block(search, n, moves)


@kernel
def _improve_block(search: Search, n: int, moves: int) -> None:
    """Change block ``n`` as :func:`improve_blocks` does."""
    block, low, high = search.blocks[n], search.lower[n], search.upper[n]
    samples, excess, weight, dct = search.samples, search.excess, search.weight, search.by_coefficient
    best, resting = search.best, search.resting
    _transform(block, search.table, dct, samples)
    _copy(best, block)
    resting[:] = -1
    weight[:] = 1
    least = _UNLIMITED
    nearly = _NEARLY_FAST if search.transform == _IS_FAST else _NEARLY
    for move in range(moves + 1):
        total = _write_excess(samples, low, high, excess)
        if total < least:
            least = total
            _copy(best, block)
        if move == moves:
            break
        if total < nearly and _is_exact(block, search, low, high):
            _copy(best, block)
            break
        for i in range(FREQUENCIES):
            weight[i] += _WEIGHT_GAIN * abs(excess[i])
        chosen = _best_move(search, low, high, move)
        if chosen < 0:
            break
        change = search.step[chosen]
        block[chosen] += np.int16(1 if change > 0 else -1)
        resting[chosen] = move + _REST + _REST_FACTOR * move % _RESTS
        for i in range(FREQUENCIES):
            samples[i] += change * dct[chosen, i]
    _copy(block, best)


@inlined
def _copy(target: Blocks, source: Blocks) -> None:
    for k in range(FREQUENCIES):
        target[k] = source[k]


@inlined
def _transform(block: Blocks, table: Floats, dct: Floats, samples: Floats) -> None:
    """Write the samples of a block (64,), less 128 and not rounded, to ``samples`` (64,)."""
    samples[:] = 0
    for k in range(FREQUENCIES):
        if block[k] != 0:
            level = np.float32(block[k]) * table[k]
            for i in range(FREQUENCIES):
                samples[i] += level * dct[k, i]


@inlined
def _beyond(sample: Any, low: Any, high: Any) -> Any:
    """Return by how much a sample is above ``high``, or below ``low`` (negative), or 0."""
    above, below = sample - high, sample - low
    return (above if above > _NOTHING else _NOTHING) + (below if below < _NOTHING else _NOTHING)


@inlined
def _write_excess(samples: Floats, low: Floats, high: Floats, excess: Floats) -> Any:
    """Write by how much samples (64,) are outside the range to ``excess``; return the sum of squares."""
    for i in range(FREQUENCIES):
        excess[i] = _beyond(samples[i], low[i], high[i])
    total = _NOTHING
    for i in range(FREQUENCIES):
        total += excess[i] * excess[i]
    return total


@kernel
def _best_move(search: Search, low: Floats, high: Floats, move: int) -> int:
    """Return which coefficient to change by its ``step``, -1 if there is none.

    It is the one that makes the weighted sum of squared excess least, against whose slope it goes.
    """
    table, resting, slope = search.table, search.resting, search.slope
    _write_slopes(search)
    _write_sums_after(search, low, high)
    chosen, lowest = -1, _UNLIMITED
    for k in range(FREQUENCIES):
        if resting[k] > move or (table[k] > _LARGE_STEP and abs(slope[k]) < table[k] * _LEAST_SLOPE):
            continue
        if search.after[k] < lowest:
            chosen, lowest = k, search.after[k]
    return chosen


@inlined
def _write_slopes(search: Search) -> None:
    """Write slopes, and the steps against them."""
    excess, weight, slope, step, table = search.excess, search.weight, search.slope, search.step, search.table
    slope[:] = 0
    for i in range(FREQUENCIES):
        if excess[i] != 0:
            weighted, row = excess[i] * weight[i], search.by_sample[i]
            for k in range(FREQUENCIES):
                slope[k] += row[k] * weighted
    for k in range(FREQUENCIES):
        step[k] = -table[k] if slope[k] > 0 else table[k]


@inlined
def _write_sums_after(search: Search, low: Floats, high: Floats) -> None:
    """Write the weighted sum of squared excess after the step of each coefficient."""
    samples, weight, step, after = search.samples, search.weight, search.step, search.after
    after[:] = 0
    for i in range(FREQUENCIES):
        sample, lowest, highest, share, row = samples[i], low[i], high[i], weight[i], search.by_sample[i]
        for k in range(FREQUENCIES):
            over = _beyond(sample + step[k] * row[k], lowest, highest)
            after[k] += share * over * over


@inlined
def _is_exact(block: Blocks, search: Search, low: Floats, high: Floats) -> bool:
    """Return if samples of a block (64,), as the decoder rounds them, are within ``low`` .. ``high``."""
    exact = search.exact
    inverse_dct(block, search.multipliers, exact, search.transform)
    outside = 0
    for i in range(FREQUENCIES):
        if exact[i] < low[i] or exact[i] > high[i]:
            outside += 1
    return outside == 0
