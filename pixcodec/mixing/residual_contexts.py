"""Contexts of layers RESIDUAL (FORMAT.md, section Residual layers).

Neighbours count exactly, which suits flat areas, ramps and repeats, or in units of the width of the mixture,
which suits noise. In layers that are relative, exact ones are relative to the prediction, too.

Shapes: N lanes, J contexts, H W height and width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pixcodec.mixing.contexts import Int64, hashed
from pixcodec.mixing.residual_predictors import Residuals
from pixcodec.network.architecture import REACH
from pixcodec.network.kernels import inlined, kernel

RESIDUAL_CONTEXTS = 16
_WORD = (1 << 16) - 1


class ResidualPixel(NamedTuple):
    """A part of a residual whose contexts are wanted."""

    lane: int
    y: int  # in the canvas
    x: int
    part: int  # 0: the high bits
    octave: int  # of the width
    surprise: int


@inlined
def octave_of(width: int) -> int:
    """Return about 2 log2(width), 0 for widths below 2, at most 31."""
    steps = 0
    while width >= 4:
        width >>= 1
        steps += 2
    return min(steps + (1 if width == 3 else 0), 31)


@inlined
def _step(off: int, width: int) -> Any:
    """Return a class, 0 .. 10, of a difference in 1/16 level relative to the width; 5 if it is small."""
    size = abs(off)
    steps: Any = np.int64(0)
    for k in range(5):
        steps += 8 * size > width << k
    return 5 - steps if off < 0 else 5 + steps


@kernel
def residual_contexts(s: Residuals, ctx: Int64, p: ResidualPixel) -> None:
    """Write the contexts of a part of a residual to its lane's row of ``ctx`` (N, J)."""
    i, y, x, v, e = p.lane, p.y, p.x, s.values, s.errors
    center, width, octave = s.center[i], s.width[i], p.octave
    level = (center + 8) >> 4
    zero = level if s.relative else np.int64(0)
    w, n = np.int64(v[y, x - 1, 0]) - zero, np.int64(v[y - 1, x, 0]) - zero
    nw, ne = np.int64(v[y - 1, x - 1, 0]) - zero, np.int64(v[y - 1, x + 1, 0]) - zero
    ww, nn = np.int64(v[y, x - 2, 0]) - zero, np.int64(v[y - 2, x, 0]) - zero
    nne = np.int64(v[y - 2, x + 1, 0]) - zero
    e_w, e_n = np.int64(e[y, x - 1]), np.int64(e[y - 1, x])
    e_nw, e_ne = np.int64(e[y - 1, x - 1]), np.int64(e[y - 1, x + 1])
    quarter = ((center + 8) & 15) >> 2
    near = s.guesses[i, 5]
    both, above = (w & _WORD) << 16 | (n & _WORD), (nw & _WORD) << 16 | (ne & _WORD)
    four = hashed(both, above)
    off_w, off_n = _step(e_w, width), _step(e_n, width)
    ctx[i, 0] = octave * 4 + p.surprise
    ctx[i, 1] = (octave * 16 + _step(near - center, width)) * 4 + quarter
    ctx[i, 2] = both
    ctx[i, 3] = four
    ctx[i, 4] = hashed(four, (ww & _WORD) << 16 | (nn & _WORD))
    ctx[i, 5] = level
    ctx[i, 6] = level << 16 | (w & _WORD)
    ctx[i, 7] = (octave * 16 + off_w) * 16 + off_n
    ctx[i, 8] = ((off_w * 16 + off_n) * 16 + _step(e_ne, width)) * 16 + _step(e_nw, width)
    ctx[i, 9] = (octave * 16 + _step(s.guesses[i, 0] - 16 * level, width)) * 16 + _step(
        16 * (w + n - nw + zero - level), width
    )
    ctx[i, 10] = ((w + n - nw) & _WORD) << 16 | ((2 * w - ww) & _WORD)
    ctx[i, 11] = (((near >> 3) - 2 * zero) & _WORD) * 4 + quarter
    ctx[i, 12] = ((n + ne - nne) & _WORD) << 16 | ((w + ne - n) & _WORD)
    ctx[i, 13] = ((e_w >> 4) & _WORD) << 16 | ((e_n >> 4) & _WORD)
    ctx[i, 14] = (x - REACH) * 32 + octave
    ctx[i, 15] = (
        (octave * 16 + _step(16 * (w - ww), width)) * 16 + _step(16 * (n - nn), width)
    ) * 16 + _step(16 * (ne - n), width)
    if not s.relative:
        ctx[i, 4], ctx[i, 12], ctx[i, 13] = w, n, 0
    if p.part:
        for j in range(RESIDUAL_CONTEXTS):
            ctx[i, j] = hashed(ctx[i, j], s.high[i])
