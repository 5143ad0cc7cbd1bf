"""Matrix products of int16, exact in int32: what the network spends its time on.

Weights are packed so that a vector instruction multiplies the same two inputs with two weights of each of
several outputs and adds the two products (``pmaddwd`` of x86, ``smlal`` of ARM; the compiler makes it from
the plain vector arithmetic that is written here). A block of LANES lanes times OUTPUTS outputs stays in
registers.

Shapes: N lanes, I inputs, M outputs, rounded up to OUTPUTS; inputs come in segments of equal length.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.network.kernels import intrinsic_from, kernel

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

# Measured with AVX2 (Zen): 3 lanes x 3 vectors 18-22 GMAC/s, 2 x 6 and 4 x 3 15-17, float32 by BLAS 15.
LANES = 3
_VECTORS = 3  # of outputs
_WIDTH = 8  # outputs of a vector
OUTPUTS = _VECTORS * _WIDTH


def pack_weights(weights: npt.NDArray[Any], segments: int = 1) -> Int16:
    """Return weights (I, M) as the kernel takes them: (tiles of outputs, pairs of inputs, 2 * OUTPUTS).

    An odd number of inputs, which only a single segment may have, is rounded up.
    """
    inputs, outputs = weights.shape
    assert segments == 1 or inputs // segments % 2 == 0
    tiles = -(-outputs // OUTPUTS)
    padded = np.zeros((inputs + inputs % 2, tiles * OUTPUTS), np.int16)
    padded[:inputs, :outputs] = weights
    parts = padded.reshape(-1, 2, tiles, OUTPUTS)
    return np.ascontiguousarray(parts.transpose(2, 0, 3, 1)).reshape(tiles, -1, 2 * OUTPUTS)


def room(lanes: int) -> int:
    """Return for how many lanes there must be room: the last block may have more of them."""
    return -(-lanes // LANES) * LANES


@kernel
def multiply(segments: Int64, lane_bytes: int, n: int, weights: Int16, sums: Int32) -> None:
    """Write the products of the inputs of ``n`` lanes with packed weights to ``sums`` (room(N), M).

    Parameters
    ----------
    segments : ndarray of int64, shape (S,)
        The address of each segment of the first lane's inputs (int16).
    lane_bytes : int
        From the inputs of a lane to those of the next; the same in all segments.
    n : int
        Inputs of room(n) lanes are read, and as many rows written.
    weights : ndarray of int16
        From :func:`pack_weights`.
    sums : ndarray of int32
    """
    tiles, pairs = weights.shape[0], weights.shape[1]
    tile_bytes, row_bytes = pairs * 4 * OUTPUTS, 4 * sums.shape[1]
    for start in range(0, n, LANES):
        for tile in range(tiles):
            _block(
                segments.ctypes.data,
                len(segments),
                pairs // len(segments),
                start * lane_bytes,
                lane_bytes,
                weights.ctypes.data + tile * tile_bytes,
                sums.ctypes.data + start * row_bytes + tile * 4 * OUTPUTS,
                row_bytes,
            )


@intrinsic_from
def _block() -> Any:
    """Write LANES x OUTPUTS sums to an address."""
    from pixcodec.network.generated import block_of_products

    return block_of_products(LANES, _VECTORS, _WIDTH)
