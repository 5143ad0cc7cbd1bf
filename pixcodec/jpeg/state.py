"""The state of the coder of coefficients (FORMAT.md, section JPEG).

Shapes: R rows and C columns of blocks, N lanes, J contexts, I inputs of a mixer, M mixers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import new_progress
from pixcodec.jpeg.coefficients import Blocks
from pixcodec.mixing.maps import FIRST_INPUT, Maps, new_apm, new_maps
from pixcodec.mixing.mixer import WEIGHT_BITS, Mixers, new_mixers

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
UInt16 = npt.NDArray[np.uint16]
Float64 = npt.NDArray[np.float64]

COMPONENTS = 4  # at most
CONTEXTS = 17
MIXERS = 4
SET_CLASSES = 64  # of what chooses a mixer's weights
MIN_CELL_BITS, MAX_CELL_BITS = 16, 20
FIRST_WEIGHT = round(0.09 * (1 << WEIGHT_BITS))
VALUES, SIZES = 20, 16  # features of the fits of values and of magnitudes
SLOPE = 2

# Row-major places of the coefficients in the order of JPEG: along the diagonals, to and fro.
ZIGZAG: Int64 = np.array(
    sorted(range(64), key=lambda p: (p // 8 + p % 8, p % 8 if (p // 8 + p % 8) % 2 == 0 else p // 8)),
    np.int64,
)
# What a coefficient adds to its row, or column, at the first edge of the block, and at the last; cos(0) is 1.
FIRST_EDGE: Int64 = np.array([181, *[256] * 7], np.int64)
LAST_EDGE: Int64 = FIRST_EDGE * np.array([1, -1] * 4)

# Nodes: the decisions about a block. 1 .. 63 are those of the tree of its length.
ZERO, SIGN, EXPONENT, MANTISSA = 64, 65, 66, 80
MAX_POWER = 11
NODE_CLASSES = 32

# What is known of a lane's block.
LANE = np.dtype(
    [
        ("node", np.int64),
        ("k", np.int64),  # the coefficient that is coded, in zigzag order
        ("length", np.int64),  # number of coefficients up to the last that is not 0, DC not counted
        ("negative", np.int64),  # 1 if the coefficient is
        ("value", np.int64),  # its magnitude, as far as it is known
        ("left", np.int64),  # bits that it lacks
        ("predicted", np.int64),  # of DC
        ("nonzero", np.int64),  # how many coefficients were not 0
        ("energy", np.int64),  # their magnitudes, added up
        *((name, np.int64) for name in ("squares", "mixed", "apm_at")),  # as in pixcodec.mixing.state.LANE
    ],
    align=True,
)
WAVE = np.dtype(
    [
        ("t", np.int64),  # column + SLOPE * row of the blocks
        ("first", np.int64),  # row of the first lane
        ("end", np.int64),  # the wavefront after the last
        ("active", np.int64),  # lanes that have bits left
        ("blocks", np.int64),  # begun, of all components
    ],
    align=True,
)


class State(NamedTuple):
    """What was learnt of the image, and the blocks of the component that is coded."""

    blocks: Blocks  # R, C, 64: row-major
    luma: Blocks  # R, C, 64: magnitudes of the luma blocks at the same place, added up; 0 for luma
    blue: Blocks  # R, C, 64: of red chroma, the coefficients of blue chroma; else 0
    steps: Int64  # 64: of quantisation
    right: Int64  # R, C, 8: the rows of vertical frequencies at the last edge
    bottom: Int64  # R, C, 8: the columns of horizontal frequencies at the last edge
    lengths: Int64  # R, C
    component: int
    progress: Any
    cell_bits: int
    cells: Int32  # J << cell_bits: counters
    checks: UInt16  # J << cell_bits
    mixers: Mixers
    maps: Maps  # of each class of nodes
    apm: Int32  # COMPONENTS * 64 * NODE_CLASSES * 33
    values: Float64  # 64, VALUES, VALUES + 1: normal equations of the values
    value_fit: Float64  # 64, VALUES: their solutions
    sizes: Float64  # 64, SIZES, SIZES + 1: the same of the magnitudes
    size_fit: Float64  # 64, SIZES
    scratch: Float64  # VALUES, VALUES + 1
    wave: Any  # one of WAVE
    lane: Any  # N of LANE
    active: Int64  # N: lanes that have bits left
    left: Int64  # N, 8: rows at the first edge, of the frequencies known
    top: Int64  # N, 8: likewise columns
    value_features: Float64  # N, VALUES
    size_features: Float64  # N, SIZES
    ctx: Int64  # N, J
    set_classes: Int64  # N, M
    at: UInt64  # N, J: where in cells


def new_learning(coefficients: int, lanes: int) -> dict[str, Any]:
    """Return the fields of a State that all components of an image share, nothing being learnt yet.

    At most 107 MB of cells, 8 MB of weights.

    Parameters
    ----------
    coefficients, lanes : int
        Of the whole image; at most, in a wavefront.
    """
    bits = min(max((coefficients // 2).bit_length(), MIN_CELL_BITS), MAX_CELL_BITS)
    sets = MIXERS * COMPONENTS * NODE_CLASSES * SET_CLASSES
    mixers = new_mixers(sets, COMPONENTS * NODE_CLASSES, MIXERS, FIRST_INPUT + 2 * CONTEXTS, lanes)
    mixers.weights[:, FIRST_INPUT : FIRST_INPUT + CONTEXTS] = FIRST_WEIGHT

    def integers(*shape: int) -> Int64:
        return np.zeros(shape, np.int64)

    return {
        "progress": new_progress(lanes, 2),
        "cell_bits": bits,
        "cells": np.zeros(CONTEXTS << bits, np.int32),
        "checks": np.zeros(CONTEXTS << bits, np.uint16),
        "mixers": mixers,
        "maps": new_maps(NODE_CLASSES, CONTEXTS, lanes),
        "apm": new_apm(COMPONENTS * 64 * NODE_CLASSES),
        "scratch": np.zeros((VALUES, VALUES + 1)),
        "wave": np.zeros(1, WAVE),
        "lane": np.zeros(lanes, LANE),
        "active": integers(lanes),
        "left": integers(lanes, 8),
        "top": integers(lanes, 8),
        "value_features": np.zeros((lanes, VALUES)),
        "size_features": np.zeros((lanes, SIZES)),
        "ctx": integers(lanes, CONTEXTS),
        "set_classes": integers(lanes, MIXERS),
        "at": np.zeros((lanes, CONTEXTS), np.uint64),
    }


def of_component(
    learnt: dict[str, Any],
    component: int,
    blocks: Blocks,
    luma: Blocks | None,
    blue: Blocks | None,
    steps: Int64,
) -> State:
    """Return the state at the start of a component; ``luma`` and ``blue`` as in State, None for zeros."""
    rows, columns = blocks.shape[:2]
    nothing = np.zeros(blocks.shape, np.int16)
    wave = learnt["wave"]
    wave["t"], wave["first"], wave["active"] = 0, 0, 0
    wave["end"] = columns + SLOPE * (rows - 1)
    return State(
        blocks=blocks,
        luma=nothing if luma is None else luma,
        blue=nothing if blue is None else blue,
        steps=steps,
        right=np.zeros((rows, columns, 8), np.int64),
        bottom=np.zeros((rows, columns, 8), np.int64),
        lengths=np.zeros((rows, columns), np.int64),
        component=component,
        values=np.zeros((64, VALUES, VALUES + 1)),
        value_fit=np.zeros((64, VALUES)),
        sizes=np.zeros((64, SIZES, SIZES + 1)),
        size_fit=np.zeros((64, SIZES)),
        **learnt,
    )
