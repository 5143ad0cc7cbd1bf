"""What the coder of coefficients has learnt of an image, and where it stands (FORMAT.md, section JPEG).

Shapes: R rows and C columns of blocks, N lanes, J contexts, I inputs of a mixer, M mixers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.coefficients import Blocks
from pixcodec.mixing.mixer import APM_AT, ERROR, SQUARES, WEIGHT_BITS, new_apm, new_map

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
UInt16 = npt.NDArray[np.uint16]
Float64 = npt.NDArray[np.float64]

CONTEXTS = 17
INPUTS = -(-(2 + 2 * CONTEXTS) // 8) * 8
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

# Fields of a lane, besides SQUARES, ERROR and APM_AT of mixing
NODE, K, LENGTH, NEGATIVE, VALUE, LEFT, PREDICTED, NONZERO, ENERGY = range(9)
LANE_FIELDS = 1 + max(SQUARES, ERROR, APM_AT)

# Fields of State.wave
T, FIRST, WAITING, ACTIVE, BLOCKS, WAVE_FIELDS = range(6)


class State(NamedTuple):
    """What has been learnt of the image, and the blocks of the component that is coded."""

    blocks: Blocks  # R, C, 64: row-major
    luma: Blocks  # R, C, 64: magnitudes of the luma blocks at the same place, added up; 0 for luma
    blue: Blocks  # R, C, 64: of red chroma, the coefficients of blue chroma; else 0
    steps: Int64  # 64: of quantisation
    right: Int64  # R, C, 8: the rows of vertical frequencies at the last edge
    bottom: Int64  # R, C, 8: the columns of horizontal frequencies at the last edge
    lengths: Int64  # R, C
    component: int
    cell_bits: int
    cells: Int32  # J << cell_bits: entries as in mixing's slots
    checks: UInt16  # J << cell_bits
    weights: Int32  # weight sets, I
    final: Int64  # 4 * NODE_CLASSES, M
    maps: Int32  # NODE_CLASSES * J * 512
    apm: Int32  # 3 * 64 * NODE_CLASSES * 33
    values: Float64  # 64, VALUES, VALUES + 1: normal equations of the values
    value_fit: Float64  # 64, VALUES: their solutions
    sizes: Float64  # 64, SIZES, SIZES + 1: the same of the magnitudes
    size_fit: Float64  # 64, SIZES
    scratch: Float64  # VALUES, VALUES + 1
    wave: Int64  # see the fields above
    lane: Int64  # N, LANE_FIELDS
    active: Int64  # N: lanes that have bits left
    left: Int64  # N, 8: rows at the first edge, of the frequencies known
    top: Int64  # N, 8: likewise columns
    value_features: Float64  # N, VALUES
    size_features: Float64  # N, SIZES
    ctx: Int64  # N, J
    set_classes: Int64  # N, M
    at: UInt64  # N, J: where in cells
    map_at: UInt64  # N, J
    inputs: Int32  # N, I
    sets: UInt64  # N, M
    dots: Int64  # N, M


def learnt(coefficients: int, lanes: int) -> dict[str, Any]:
    """Return the fields of a State that all components of an image share, nothing being learnt yet.

    At most 107 MB of cells, 8 MB of weights.

    Parameters
    ----------
    coefficients, lanes : int
        Of the whole image; at most, in a wavefront.
    """
    bits = min(max((coefficients // 2).bit_length(), MIN_CELL_BITS), MAX_CELL_BITS)
    weights = np.zeros((MIXERS * 4 * NODE_CLASSES * SET_CLASSES, INPUTS), np.int32)
    weights[:, 2 : 2 + CONTEXTS] = FIRST_WEIGHT

    def integers(*shape: int) -> Int64:
        return np.zeros(shape, np.int64)

    return {
        "cell_bits": bits,
        "cells": np.zeros(CONTEXTS << bits, np.int32),
        "checks": np.zeros(CONTEXTS << bits, np.uint16),
        "weights": weights,
        "final": np.full((4 * NODE_CLASSES, MIXERS), (1 << WEIGHT_BITS) // MIXERS, np.int64),
        "maps": np.tile(new_map(), NODE_CLASSES * CONTEXTS),
        "apm": np.tile(new_apm(), 3 * 64 * NODE_CLASSES),
        "scratch": np.zeros((VALUES, VALUES + 1)),
        "wave": integers(WAVE_FIELDS),
        "lane": integers(lanes, LANE_FIELDS),
        "active": integers(lanes),
        "left": integers(lanes, 8),
        "top": integers(lanes, 8),
        "value_features": np.zeros((lanes, VALUES)),
        "size_features": np.zeros((lanes, SIZES)),
        "ctx": integers(lanes, CONTEXTS),
        "set_classes": integers(lanes, MIXERS),
        "at": np.zeros((lanes, CONTEXTS), np.uint64),
        "map_at": np.zeros((lanes, CONTEXTS), np.uint64),
        "inputs": np.zeros((lanes, INPUTS), np.int32),
        "sets": np.zeros((lanes, MIXERS), np.uint64),
        "dots": integers(lanes, MIXERS),
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
    learnt["wave"][:BLOCKS] = 0
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
