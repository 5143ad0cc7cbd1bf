"""Mixers: inputs in the logistic domain, added up with weights that are learnt (FORMAT.md, section Mixing).

Several selectors each choose a weight set; the final mixer joins their outputs. Both layers are trained
online to lower the coding cost of the bit just coded (gradient of the cross-entropy).

Shapes: N lanes, I inputs, M mixers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.mixing.logits import LOGIT_MAX, to_probability
from pixcodec.mixing.tables import FINE_BITS
from pixcodec.mixing.vectors import WIDTH, dot_product, move_weights, sum_of_squares
from pixcodec.network.kernels import inlined

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]

WEIGHT_BITS = 20
# Weights lose nine bits before they are multiplied, so that no sum leaves 32 bits: the most inputs, 89 of
# graphics with effort max, come close. tests/test_mixing.py adds up the bounds of all layers.
COARSE_BITS = 9
DOT_SHIFT = WEIGHT_BITS + 8 - FINE_BITS - COARSE_BITS
WEIGHT_MAX = 1 << 23
ENERGY = 100  # sum of squared inputs at which the learning rate is halved
ENERGIES = 2048
DAMPING: Int64 = np.array([(ENERGY << 16) // (ENERGY + q) for q in range(ENERGIES)], np.int64)
STEP_BITS = 12  # of a step of the weights
FINAL_RATE = 3
FINAL_MAX = 1 << 24
NOT_MIXED = -1  # in a lane's field ``squares``


class Mixers(NamedTuple):
    """Weights of a tile's mixers, and what its lanes mix now."""

    weights: Int32  # weight sets, I: in 2**-20
    final: Int64  # nodes, M: weights of the final mixer, in 2**-20
    inputs: Int32  # 2, N, I: logits in 1/256; two, so that those of the next bit can be read ahead
    sets: UInt64  # N, M: the weight sets chosen
    dots: Int64  # N, M: their outputs, in 2**-12


def new_mixers(sets: int, nodes: int, mixers: int, inputs: int, lanes: int) -> Mixers:
    """Return mixers whose weights are 0; the final mixer takes their mean. ``inputs`` is rounded up to 8."""
    inputs = -(-inputs // 8) * 8
    return Mixers(
        np.zeros((sets, inputs), np.int32),
        np.full((nodes, mixers), (1 << WEIGHT_BITS) // mixers, np.int64),
        np.zeros((2, lanes, inputs), np.int32),
        np.zeros((lanes, mixers), np.uint64),
        np.zeros((lanes, mixers), np.int64),
    )


@inlined
def mix(s: Mixers, inputs: Int32, i: int, f: int, lane: Any) -> Any:
    """Return the mixed logit, in 2**-12, of row ``i`` of ``inputs``, by row ``f`` of the final weights.

    Keeps in the lane's record its sum of squared inputs.
    """
    return mix_sized(s, inputs, i, f, lane, inputs.shape[1] // WIDTH, s.sets.shape[1])


@inlined
def mix_sized(s: Mixers, inputs: Int32, i: int, f: int, lane: Any, vectors: int, mixers: int) -> Any:
    """Do as :func:`mix`; if these sizes are constants, the loops are unrolled."""
    weights, sets, dots, final = s.weights, s.sets, s.dots, s.final
    row = inputs.ctypes.data + 4 * WIDTH * i * vectors
    dot: Any
    mixed: Any = np.int64(0)
    lane.squares = min(sum_of_squares(row, vectors, 8) >> 8, ENERGIES - 1)
    for m in range(mixers):
        where = weights.ctypes.data + 4 * WIDTH * np.int64(sets[i, m]) * vectors
        total: Any = dot_product(row, where, vectors, COARSE_BITS)
        dot = min(max(total >> DOT_SHIFT, -LOGIT_MAX), LOGIT_MAX)
        dots[i, m] = dot
        mixed += dot * final[f, m]
    return min(max(mixed >> WEIGHT_BITS, -LOGIT_MAX), LOGIT_MAX)


@inlined
def train_weights(weights: Int32, w: int, inputs: Int32, i: int, step: int, vectors: int) -> None:
    """Move weight set ``w`` along the inputs of lane ``i``, which are so many vectors."""
    where = weights.ctypes.data + 4 * WIDTH * w * vectors
    row = inputs.ctypes.data + 4 * WIDTH * i * vectors
    move_weights(where, row, step, vectors, STEP_BITS, WEIGHT_MAX)


@inlined
def train_mixers(
    s: Mixers, inputs: Int32, mine: tuple[int, int], i: int, f: int, lane: Any, bit: int, rate: int
) -> None:
    """Move the weights by which :func:`mix` mixed ``inputs`` of lane ``i`` towards a bit; rate in 2**-16.

    Of the mixers, those from ``mine[0]`` on up to ``mine[1]`` learn.
    """
    train_sized(s, inputs, mine, i, f, lane, bit, rate, inputs.shape[1] // WIDTH)


@inlined
def train_sized(
    s: Mixers,
    inputs: Int32,
    mine: tuple[int, int],
    i: int,
    f: int,
    lane: Any,
    bit: int,
    rate: int,
    vectors: int,
) -> None:
    """Do as :func:`train_mixers`; if these sizes are constants, the loops are unrolled."""
    weights, sets, dots, final = s.weights, s.sets, s.dots, s.final
    target = bit * 65535
    final_step = (target - lane.mixed) * FINAL_RATE
    own_rate = (rate * DAMPING[lane.squares]) >> 16
    for m in range(max(mine[0], 0), mine[1]):
        dot = dots[i, m]
        moved = final[f, m] + ((dot * final_step + (1 << 17)) >> 18)
        final[f, m] = min(max(moved, -FINAL_MAX), FINAL_MAX)
        step = ((target - (to_probability(dot) >> 8)) * own_rate) >> 8
        train_weights(weights, np.int64(sets[i, m]), inputs, i, step, vectors)
