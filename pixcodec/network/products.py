"""Matrix products of int16, exact in int32: what the network spends its time on.

Inputs come in pairs, and weights are packed so that a vector instruction multiplies a pair with two weights
of each of several outputs and adds the two products (``pmaddwd`` of x86, ``smlal`` of ARM; the compiler makes
it from the plain vector arithmetic that is written here). The sums of a lane stay in registers.

Rectified activations are zero half of the time. Pairs of zeros are left out: their sums are the same without
them. :mod:`pixcodec.network.pairing` orders the inputs so that such pairs are frequent.

Where an instruction multiplies, adds up and accumulates 512 bits at a time (VNNI of AVX-512), finding such
pairs takes longer than multiplying them: there, all pairs of BLOCK lanes are multiplied side by side.

Shapes: N lanes, I inputs, M outputs, rounded up by :func:`padded`; inputs come in segments of equal length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.network.kernels import generated, kernel, shared

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

WIDTH = 16  # outputs of a vector; a processor with shorter ones takes two or four in its place
TILES = (1, 2, 3)  # vectors that a tile of outputs may have
BLOCK = 4  # lanes whose products may be computed together
_LONG = 96  # inputs of a segment of wide rows, a multiple of the largest tile
_GROUPED = 8  # inputs of which a segment is a multiple
_MOST_INPUTS = 128  # of a segment: whether a pair is zero is a bit of a word


def _tile_vectors(outputs: int) -> int:
    return next((count for count in TILES if count * WIDTH >= outputs), TILES[-1])


def padded(outputs: int) -> int:
    """Return the number of outputs rounded up to whole tiles."""
    tile = _tile_vectors(outputs) * WIDTH
    return -(-outputs // tile) * tile


def width_of(size: int) -> int:
    """Return how wide the rows of so many activations are: as inputs and as outputs."""
    width = padded(size)
    return width if width <= _MOST_INPUTS else -(-size // _LONG) * _LONG


def input_width(size: int) -> int:
    """Return how wide rows of so many inputs are that are no outputs."""
    return -(-size // _GROUPED) * _GROUPED if size <= _MOST_INPUTS else -(-size // _LONG) * _LONG


@shared
def segment_length(width: int) -> int:
    """Return the number of inputs of a segment of rows of this width."""
    return width if width <= _MOST_INPUTS else _LONG


def pack_weights(weights: npt.NDArray[Any]) -> Int16:
    """Return weights (I, M), I being even, as the kernel takes them: (tiles, I / 2, 2 * tile)."""
    inputs, outputs = weights.shape
    tile = _tile_vectors(outputs) * WIDTH
    full = np.zeros((inputs, padded(outputs)), np.int16)
    full[:, :outputs] = weights
    parts = full.reshape(inputs // 2, 2, -1, tile)
    return np.ascontiguousarray(parts.transpose(2, 0, 3, 1)).reshape(-1, inputs // 2, 2 * tile)


def pack_scale(*of_outputs: Int32) -> Int32:
    """Return biases and shifts, and limits if there are any, (M,) each, as the kernels take them.

    The result has the shape (tiles, 2 or 4, tile).
    """
    outputs = len(of_outputs[0])
    tile = _tile_vectors(outputs) * WIDTH
    full = np.zeros((len(of_outputs), padded(outputs)), np.int32)
    full[:, :outputs] = of_outputs
    return np.ascontiguousarray(full.reshape(len(of_outputs), -1, tile).transpose(1, 0, 2))


by_blocks = generated("pixcodec.network.products_code", "by_blocks")
_one, _two, _three = (generated("pixcodec.network.products_code", name) for name in ("one", "two", "three"))
_block_of_one, _block_of_two, _block_of_three = (
    generated("pixcodec.network.products_code", f"block_of_{name}") for name in ("one", "two", "three")
)
_wide_one, _wide_two, _wide_three = (
    generated("pixcodec.network.products_code", f"wide_{name}") for name in ("one", "two", "three")
)
_wide_block_of_one, _wide_block_of_two, _wide_block_of_three = (
    generated("pixcodec.network.products_code", f"wide_block_of_{name}") for name in ("one", "two", "three")
)
rectify = generated("pixcodec.network.products_code", "rectify")
add_row = generated("pixcodec.network.products_code", "add_row")


@kernel
def multiply(segments: Int64, lane_bytes: int, n: int, weights: Int16, scale: Int32, out: Int32) -> None:
    """Write the outputs of a layer that is not activated, of ``n`` lanes, to ``out`` (N, padded M).

    They are the products of inputs and weights plus a bias, moved down by a shift, within the limits of each.

    Parameters
    ----------
    segments : ndarray of int64, shape (S,)
        The address of each segment of the first lane's inputs (int16): of :func:`segment_length`.
    lane_bytes : int
        From the inputs of a lane to those of the next; the same in all segments.
    n : int
    weights : ndarray of int16
        From :func:`pack_weights`.
    scale : ndarray of int32
        From :func:`pack_scale`: biases, shifts, lower limits, upper limits.
    out : ndarray of int32
    """
    tiles, pairs, width = weights.shape
    first, count, row_bytes = segments.ctypes.data, len(segments), 4 * out.shape[1]
    each = pairs // count
    blocks = by_blocks() and n >= BLOCK
    for tile in range(tiles):
        w, s = weights.ctypes.data + tile * pairs * width * 2, scale.ctypes.data + tile * width * 8
        row = out.ctypes.data + tile * width * 2
        for start in range(0, n, BLOCK if blocks else 1):
            # The last block begins earlier where lanes are no multiple: it writes some again.
            i = min(start, n - BLOCK) if blocks else start
            source = (first, count, each, i * lane_bytes, lane_bytes)
            target = (row + i * row_bytes, row_bytes, s, 0)
            if blocks:
                if width == 6 * WIDTH:
                    _wide_block_of_three(source, w, target)
                elif width == 4 * WIDTH:
                    _wide_block_of_two(source, w, target)
                else:
                    _wide_block_of_one(source, w, target)
            elif width == 6 * WIDTH:
                _wide_three(source, w, target)
            elif width == 4 * WIDTH:
                _wide_two(source, w, target)
            else:
                _wide_one(source, w, target)


@kernel
def activate(
    segments: Int64, lane_bytes: int, n: int, weights: Int16, scale: Int32, low: int, out: Int16
) -> None:
    """Write the activations of ``n`` lanes to ``out`` (N, padded M).

    They are the products plus a bias, moved down by a shift, but not less than ``low`` nor more than
    ACTIVATION_MAX. ``scale`` is biases and shifts; the other parameters are as of :func:`multiply`.
    """
    tiles, pairs, width = weights.shape
    first, count, row_bytes = segments.ctypes.data, len(segments), 2 * out.shape[1]
    each = pairs // count
    blocks = by_blocks() and n >= BLOCK
    for tile in range(tiles):
        w, s = weights.ctypes.data + tile * pairs * width * 2, scale.ctypes.data + tile * width * 4
        row = out.ctypes.data + tile * width
        for start in range(0, n, BLOCK if blocks else 1):
            i = min(start, n - BLOCK) if blocks else start
            source = (first, count, each, i * lane_bytes, lane_bytes)
            target = (row + i * row_bytes, row_bytes, s, low)
            if blocks:
                if width == 6 * WIDTH:
                    _block_of_three(source, w, target)
                elif width == 4 * WIDTH:
                    _block_of_two(source, w, target)
                else:
                    _block_of_one(source, w, target)
            elif width == 6 * WIDTH:
                _three(source, w, target)
            elif width == 4 * WIDTH:
                _two(source, w, target)
            else:
                _one(source, w, target)
