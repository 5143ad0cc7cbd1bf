"""What is known around a coefficient before it is coded (FORMAT.md, Edges of streams).

That is the same frequency in the blocks coded before, the higher frequencies of its own block, the same place
in other components, and what the edges to the blocks above and to the left predict. Names are those of
FORMAT.md: n, w and nw are the blocks above, to the left and above left; nn and ww are two blocks above and
two to the left. What does not exist reads as 0.

Shapes: R rows and C columns of blocks, N lanes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pixcodec.jpeg.coefficients import BLOCK
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.jpeg.stream.fits import log4
from pixcodec.jpeg.stream.state import RECIPROCAL_BITS, Int64
from pixcodec.network.kernels import inlined

MAX_EDGE = 32767  # of an edge's prediction
MAX_REST = 1 << 38  # of a level at an edge
_CONSTANT = 16  # the last feature of the magnitude


class Around(NamedTuple):
    """All that is known around a coefficient; by_left and by_top in 1/EDGE_UNITS of a step."""

    n: np.int64
    w: np.int64
    nw: np.int64
    nn: np.int64
    ww: np.int64
    down: np.int64  # of the block, one further down
    across: np.int64  # one further across
    both: np.int64
    down2: np.int64
    across2: np.int64
    by_left: np.int64  # the coefficient for which the left edge has one level, lower frequencies being 0
    by_top: np.int64
    luma: np.int64  # of chroma: magnitudes of luma at this frequency and place, added up; else 0
    blue: np.int64  # of red chroma: the coefficient of blue chroma; else 0


@inlined
def _by_edge(rest: int, reciprocal: int) -> Any:
    """Return the coefficient that has this level at an edge, in 1/EDGE_UNITS of a step."""
    rest = min(max(rest, -MAX_REST), MAX_REST)  # so that the product has no more than 63 bits
    return min(max((rest * reciprocal) >> RECIPROCAL_BITS, -MAX_EDGE), MAX_EDGE)


@inlined
def look_around(s: Any, r: int, c: int, k: int) -> Any:
    """Return Around for coefficient ``k`` of block (r, c)."""
    b, p = s.blocks, max(ZIGZAG[k], 0)  # so that the compiler knows that it is not negative
    r, c = max(r, 0), max(c, 0)
    u, v = p >> 3, p & 7
    nothing: Any = np.int64(0)
    n = w = nw = nn = ww = down = across = both = down2 = across2 = by_left = by_top = nothing
    if r > 0:
        n = np.int64(b[r - 1, c, p])
        if r > 1:
            nn = np.int64(b[r - 2, c, p])
        by_top = _by_edge(s.rest_top[r, v], s.by_top[p])
    if c > 0:
        w = np.int64(b[r, c - 1, p])
        if r > 0:
            nw = np.int64(b[r - 1, c - 1, p])
        if c > 1:
            ww = np.int64(b[r, c - 2, p])
        by_left = _by_edge(s.rest_left[r, u], s.by_left[p])
    if u < BLOCK - 1:
        down = np.int64(b[r, c, p + BLOCK])
        if v < BLOCK - 1:
            both = np.int64(b[r, c, p + BLOCK + 1])
        if u < BLOCK - 2:
            down2 = np.int64(b[r, c, p + 2 * BLOCK])
    if v < BLOCK - 1:
        across = np.int64(b[r, c, p + 1])
        if v < BLOCK - 2:
            across2 = np.int64(b[r, c, p + 2])
    luma, blue = np.int64(s.luma[r, c, p]), np.int64(s.blue[r, c, p])
    return Around(n, w, nw, nn, ww, down, across, both, down2, across2, by_left, by_top, luma, blue)


@inlined
def write_features(x: Int64, y: Int64, i: int, a: Around, energy: int) -> None:
    """Write the features of a coefficient to row ``i`` of ``x`` and ``y`` (N, ROOM)."""
    x[i, 0], x[i, 1], x[i, 2], x[i, 3] = a.n << 4, a.w << 4, a.nw << 4, a.by_left
    x[i, 4], x[i, 5], x[i, 6], x[i, 7] = a.by_top, a.down << 4, a.across << 4, a.down2 << 4
    x[i, 8], x[i, 9], x[i, 10] = a.across2 << 4, a.blue << 4, a.both << 4
    y[i, 0], y[i, 1], y[i, 2] = log4(abs(a.n)), log4(abs(a.w)), log4(abs(a.nw))
    y[i, 3], y[i, 4], y[i, 5] = log4(abs(a.down)), log4(abs(a.across)), log4(abs(a.both))
    y[i, 6], y[i, 7], y[i, 8] = log4(abs(a.down2)), log4(abs(a.across2)), log4(energy)
    y[i, 9], y[i, 10] = log4(a.luma), log4(abs(a.blue))
    y[i, 11], y[i, 12] = log4(abs(a.by_left + a.by_top)), _CONSTANT
