"""Blocks whose rounding went wrong -> coefficients near by whose samples lie within bounds.

Shapes: N blocks of 64 samples or coefficients. The search is one of single steps up or down, the best
first, no coefficient twice within a few moves. What samples lack counts the more the longer they lack it.

numba's cache looks only at this file for changes: touch it after changing a kernel of another file.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.pixels import inverse_dct

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]

MOVES = 400  # of a block, at most
MOVES_OF_ALL = 40  # of a block on the average of all, failing or not
MOST_MOVES = 1_000_000  # of all blocks: seconds
_REST, _RESTS = 2, 5  # the fewest moves for which a coefficient then stays, how many numbers of them
_INSISTENCE = np.float32(1)  # weight that a sample gains with each move, times its excess
_NEARLY = 0.1  # squared excess that the rounding of libjpeg's integers may explain


@numba.njit(cache=True)
def _outside(block: npt.NDArray[np.int16], table: Floats, lower: Floats, upper: Floats, x: Numbers) -> int:
    """Return how many samples of a block, as libjpeg rounds them, are not within bounds (64,)."""
    inverse_dct(block, table, x)
    count = 0
    for i in range(64):
        if x[i] < lower[i] or x[i] > upper[i]:
            count += 1
    return count


@numba.njit(cache=True, fastmath=True)
def improve_blocks(
    blocks: npt.NDArray[np.int16], table: Floats, dct: Floats, lower: Floats, upper: Floats, moves: int
) -> None:
    """Change blocks (N, 64) in place until their samples lie between ``lower`` and ``upper`` (N, 64)."""
    samples = np.empty(64, np.float32)
    excess = np.empty(64, np.float32)
    weight = np.empty(64, np.float32)
    resting = np.empty(64, np.int32)
    best = np.empty(64, np.int16)
    exact = np.empty(64, np.int64)
    for n in range(blocks.shape[0]):
        block, low, high = blocks[n], lower[n], upper[n]
        samples[:] = 0
        for k in range(64):
            if block[k] != 0:
                level = np.float32(block[k]) * table[k]
                for i in range(64):
                    samples[i] += level * dct[k, i]
        best[:] = block
        resting[:] = -1
        weight[:] = 1
        least = np.float32(1e30)
        for move in range(moves + 1):
            total = np.float32(0)
            for i in range(64):
                over = max(samples[i] - high[i], np.float32(0)) + min(samples[i] - low[i], np.float32(0))
                excess[i] = over
                total += over * over
            if total < least:
                least = total
                best[:] = block
            if move == moves:
                break
            if total < _NEARLY and _outside(block, table, low, high, exact) == 0:
                best[:] = block
                break
            for i in range(64):
                weight[i] += _INSISTENCE * abs(excess[i])
            chosen, change, lowest = -1, np.float32(0), np.float32(1e30)
            for k in range(64):
                if resting[k] > move:
                    continue
                slope = np.float32(0)
                for i in range(64):
                    slope += dct[k, i] * excess[i] * weight[i]
                # More than this a step cannot improve, as it moves other samples, too.
                if table[k] > 8 and abs(slope) * 16 < table[k] * 0.02:
                    continue
                step = -table[k] if slope > 0 else table[k]
                after = np.float32(0)
                for i in range(64):
                    sample = samples[i] + step * dct[k, i]
                    over = max(sample - high[i], np.float32(0)) + min(sample - low[i], np.float32(0))
                    after += weight[i] * over * over
                if after < lowest:
                    chosen, change, lowest = k, step, after
            if chosen < 0:
                break
            block[chosen] += np.int16(1 if change > 0 else -1)
            resting[chosen] = move + _REST + 7 * move % _RESTS
            for i in range(64):
                samples[i] += change * dct[chosen, i]
        block[:] = best
