"""What is known around a coefficient before it is coded (FORMAT.md, sections Edges and Fits).

That is the same frequency in the blocks coded before, the higher frequencies of its own block, the same place
in other components, and what the edges to the blocks above and to the left predict. Names are those of
FORMAT.md: n, w, nw and ne are the blocks above, to the left, above left and above right; nn and ww are two
blocks above and two to the left. What does not exist reads as 0.

Shapes: R rows and C columns of blocks, N lanes.

All of this is integers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pixcodec.jpeg.coefficients import BLOCK
from pixcodec.jpeg.state import FIRST_EDGE, ZIGZAG, Int64
from pixcodec.network.kernels import inlined

EDGE_UNITS = 16  # of an edge's prediction: parts of a step of quantisation


class Place(NamedTuple):
    """Which coefficient it is, and which blocks there are around its block."""

    r: int  # row of blocks
    c: int  # column of blocks
    k: int  # number in JPEG's order of frequencies; 0 is DC
    p: np.int64  # row-major number in the block, 8 u + v
    u: np.int64  # vertical frequency
    v: np.int64  # horizontal frequency
    above: bool  # whether there is a block (r - 1, c)
    before: bool  # whether there is a block (r, c - 1)
    above_right: bool  # whether there is a block (r - 1, c + 1)


class SameFrequency(NamedTuple):
    """The coefficients of the same frequency in the blocks around."""

    n: np.int64
    w: np.int64
    nw: np.int64
    ne: np.int64
    nn: np.int64
    ww: np.int64


class SameBlock(NamedTuple):
    """The coefficients of the block at higher frequencies: one or two further down, across, or both."""

    down: np.int64
    across: np.int64
    both: np.int64
    down2: np.int64
    across2: np.int64


class Edges(NamedTuple):
    """The coefficient for which an edge of the block has the same level on both sides, in 1/EDGE_UNITS.

    The lower frequencies of its row (at the left edge) or column (at the top edge) are not known yet. ``by``
    takes them for 0, ``like`` for those of the block on the other side.
    """

    by_left: np.int64
    by_top: np.int64
    like_left: np.int64
    like_top: np.int64


class Around(NamedTuple):
    """All that is known around a coefficient."""

    place: Place
    same: SameFrequency
    block: SameBlock
    edges: Edges
    luma: np.int64  # of chroma: magnitudes of luma at this frequency and place, added up; else 0
    blue: np.int64  # of red chroma: the coefficient of blue chroma; else 0


@inlined
def place_of(r: int, c: int, k: int, columns: int) -> Any:
    """Return the Place of coefficient ``k`` of block (r, c)."""
    p = ZIGZAG[k]
    return Place(r, c, k, p, p // BLOCK, p % BLOCK, r > 0, c > 0, r > 0 and c + 1 < columns)


@inlined
def same_frequency(b: Any, at: Place) -> Any:
    """Return SameFrequency from the blocks ``b`` (R, C, 64)."""
    r, c, p = at.r, at.c, at.p
    return SameFrequency(
        np.int64(b[r - 1, c, p]) if at.above else np.int64(0),
        np.int64(b[r, c - 1, p]) if at.before else np.int64(0),
        np.int64(b[r - 1, c - 1, p]) if at.above and at.before else np.int64(0),
        np.int64(b[r - 1, c + 1, p]) if at.above_right else np.int64(0),
        np.int64(b[r - 2, c, p]) if r > 1 else np.int64(0),
        np.int64(b[r, c - 2, p]) if c > 1 else np.int64(0),
    )


@inlined
def same_block(b: Any, at: Place) -> Any:
    """Return SameBlock from the blocks ``b`` (R, C, 64)."""
    r, c, p, u, v = at.r, at.c, at.p, at.u, at.v
    return SameBlock(
        np.int64(b[r, c, p + BLOCK]) if u < BLOCK - 1 else np.int64(0),
        np.int64(b[r, c, p + 1]) if v < BLOCK - 1 else np.int64(0),
        np.int64(b[r, c, p + BLOCK + 1]) if u < BLOCK - 1 and v < BLOCK - 1 else np.int64(0),
        np.int64(b[r, c, p + 2 * BLOCK]) if u < BLOCK - 2 else np.int64(0),
        np.int64(b[r, c, p + 2]) if v < BLOCK - 2 else np.int64(0),
    )


@inlined
def edges(
    b: Any, steps: Int64, left: Int64, right: Int64, top: Int64, bottom: Int64, i: int, at: Place
) -> Any:
    """Return Edges: the level on the other side of an edge, less what is known of the level on this side.

    ``b`` are the blocks (R, C, 64); the other arrays are those of State.
    """
    r, c, u, v = at.r, at.c, at.u, at.v
    by_left, by_top, like_left, like_top = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
    edge, step = FIRST_EDGE, steps[at.p]
    if at.before:
        rest = right[r, c - 1, u] - left[i, u]
        by_left = rest * EDGE_UNITS // (edge[v] * step)
        for q in range(v):
            rest -= edge[q] * steps[BLOCK * u + q] * b[r, c - 1, BLOCK * u + q]
        like_left = rest * EDGE_UNITS // (edge[v] * step)
    if at.above:
        rest = bottom[r - 1, c, v] - top[i, v]
        by_top = rest * EDGE_UNITS // (edge[u] * step)
        for q in range(u):
            rest -= edge[q] * steps[BLOCK * q + v] * b[r - 1, c, BLOCK * q + v]
        like_top = rest * EDGE_UNITS // (edge[u] * step)
    return Edges(by_left, by_top, like_left, like_top)
