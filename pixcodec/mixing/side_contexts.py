"""Contexts of side layers (FORMAT.md, section Side layers).

The layers coded before are known as a whole, also to the right of the pixel and below it.
Shapes: N lanes, J contexts, H W height and width of the tile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pixcodec.mixing.contexts import Int32, Int64, hashed
from pixcodec.mixing.side_predictors import BILEVEL, INDEX, LOW, WIDE, same
from pixcodec.network.architecture import REACH
from pixcodec.network.kernels import inlined, kernel

SIDE_CONTEXTS = 16


class SidePixel(NamedTuple):
    """A symbol of a side layer whose contexts are wanted."""

    lane: int
    y: int  # in the canvas
    x: int
    channel: int  # of the canvas
    high: int  # of low bits the high bits of the value
    mean: int  # of the mixture, in 1/16 level
    spread: int  # class of its spread, 0..15
    error: int  # class of its recent errors relative to its spread, 0..3


@inlined
def _colour(sees: Int32, y: int, x: int) -> Any:
    """Return all that the layers before this one say of a pixel, as one number."""
    colour: Any = np.int64(0)
    for c in range(sees.shape[2]):
        colour = (colour << 8) | np.int64(sees[y, x, c])
    return colour


@kernel
def side_contexts(kind: int, ctx: Int64, canvas: Int32, sees: Int32, p: SidePixel) -> None:
    """Write contexts 0 .. 13 of a symbol to its lane's row of ``ctx`` (N, J).

    Parameters
    ----------
    kind : int
    ctx : ndarray of int64
    canvas : ndarray of int32, shape (H + 3, W + 6, channels)
        The layer.
    sees : ndarray of int32, shape (H + 6, W + 6, channels seen)
    p : SidePixel
    """
    if kind == BILEVEL:
        _bilevel_contexts(ctx, canvas, p)
    elif kind == INDEX:
        _index_contexts(ctx, canvas, p)
    elif kind in (LOW, WIDE):
        _value_contexts(ctx, canvas, p)
    else:
        _alpha_contexts(ctx, canvas, sees, p)


@kernel
def repeat_contexts(ctx: Int64, canvas: Int32, p: SidePixel, value: int, length: int) -> None:
    """Write contexts 14 and 15, of the value that a repeat says and the class of its length."""
    i, y, x, channel = p.lane, p.y, p.x, p.channel
    both = np.int64(canvas[y, x - 1, channel]) * 256 + canvas[y - 1, x, channel]
    ctx[i, 14] = value * 16 + length
    ctx[i, 15] = (both * 256 + value) * 2 + min(length, 1)


@inlined
def _near(canvas: Int32, p: SidePixel) -> Any:
    """Return W, N, NW and NE as one number."""
    y, x, c = p.y, p.x, p.channel
    w, n = np.int64(canvas[y, x - 1, c]), canvas[y - 1, x, c]
    return ((w * 256 + n) * 256 + canvas[y - 1, x - 1, c]) * 256 + canvas[y - 1, x + 1, c]


@kernel
def _index_contexts(ctx: Int64, canvas: Int32, p: SidePixel) -> None:
    """Write contexts of palette indices: neighbourhoods of growing size."""
    i, y, x, c = p.lane, p.y, p.x, p.channel
    w, n, nw, ne = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c], canvas[y - 1, x + 1, c]
    ww, nn = canvas[y, x - 2, c], canvas[y - 2, x, c]
    near = _near(canvas, p)
    far = hashed(near, np.int64(ww) * 256 + nn)
    nne, nnw, nww = canvas[y - 2, x + 1, c], canvas[y - 2, x - 1, c], canvas[y - 1, x - 2, c]
    www, nee = canvas[y, x - 3, c], canvas[y - 1, x + 2, c]
    farther = hashed(far, ((np.int64(nne) * 256 + nnw) * 256 + nww) * 256 + nee)
    farthest = hashed(farther, np.int64(www) * 256 + canvas[y - 3, x, c])
    rows = np.int64(0)
    for dx in range(-3, 4):
        rows = hashed(rows, np.int64(canvas[y - 2, x + dx, c]) * 256 + canvas[y - 3, x + dx, c])
    ctx[i, 0] = w
    ctx[i, 1] = n
    ctx[i, 2] = np.int64(w) * 256 + n
    ctx[i, 3] = (np.int64(w) * 256 + n) * 256 + nw
    ctx[i, 4] = near
    ctx[i, 5] = far
    ctx[i, 6] = farther
    ctx[i, 7] = farthest
    ctx[i, 8] = hashed(farthest, rows)
    ctx[i, 9] = ((np.int64(w) * 256 + ww) * 256 + www) * 256 + n
    ctx[i, 10] = ((np.int64(n) * 256 + nn) * 256 + canvas[y - 3, x, c]) * 256 + w
    ctx[i, 11] = (np.int64(n) * 256 + ne) * 256 + nw
    ctx[i, 12] = np.int64(nn) * 256 + ww
    ctx[i, 13] = 0


@kernel
def _value_contexts(ctx: Int64, canvas: Int32, p: SidePixel) -> None:
    """Write contexts of values of more than 8 bits: predictions, high bits, and the channels before."""
    i, y, x, c, high, spread, error = p.lane, p.y, p.x, p.channel, p.high, p.spread, p.error
    w, n, level = canvas[y, x - 1, c], canvas[y - 1, x, c], p.mean >> 4
    before = np.int64(canvas[y, x, c - 1]) if c > 0 else np.int64(0)
    two_before = np.int64(canvas[y, x, c - 2]) if c > 1 else np.int64(0)
    ctx[i, 0] = high
    ctx[i, 1] = p.mean >> 3
    ctx[i, 2] = (np.int64(level) * 16 + spread) * 4 + error
    ctx[i, 3] = (high * 256 + level) * 16 + spread
    ctx[i, 4] = 0
    ctx[i, 5] = w
    ctx[i, 6] = n
    ctx[i, 7] = np.int64(w) * 256 + n
    ctx[i, 8] = high * 256 + w
    ctx[i, 9] = high * 256 + n
    ctx[i, 10] = spread * 4 + error
    ctx[i, 11] = before
    ctx[i, 12] = two_before * 256 + before
    ctx[i, 13] = (two_before * 256 + level) * 16 + spread


@kernel
def _alpha_contexts(ctx: Int64, canvas: Int32, sees: Int32, p: SidePixel) -> None:
    """Write contexts of alpha (and black): neighbours, the colour, and where the colour is the same."""
    i, y, x, c, spread, error = p.lane, p.y, p.x, p.channel, p.spread, p.error
    w, n, ww, nn = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y, x - 2, c], canvas[y - 2, x, c]
    near, level = _near(canvas, p), p.mean >> 4
    colour = _colour(sees, y, x)
    flags = (
        same(sees, y, x, y, x - 1)
        + 2 * same(sees, y, x, y - 1, x)
        + 4 * same(sees, y, x, y - 1, x - 1)
        + 8 * same(sees, y, x, y - 1, x + 1)
        + 16 * same(sees, y, x, y, x + 1)
        + 32 * same(sees, y, x, y + 1, x)
    )
    ctx[i, 0] = np.int64(w) * 256 + n
    ctx[i, 1] = near
    ctx[i, 2] = hashed(near, np.int64(ww) * 256 + nn)
    ctx[i, 3] = colour
    ctx[i, 4] = colour * 256 + w
    ctx[i, 5] = colour * 65536 + np.int64(w) * 256 + n
    ctx[i, 6] = flags * 256 + w
    ctx[i, 7] = (np.int64(flags) * 256 + w) * 256 + n
    ctx[i, 8] = (np.int64(level) * 16 + spread) * 4 + error
    ctx[i, 9] = p.mean >> 3
    ctx[i, 10] = ((colour >> 2 & 63) * 64 + (w >> 2)) * 64 + (n >> 2)
    ctx[i, 11] = hashed(near, flags)
    ctx[i, 12] = ((2 * np.int64(w) - ww) & 511) * 512 + ((2 * n - nn) & 511)
    ctx[i, 13] = hashed(colour, _colour(sees, y, x + 1)) ^ w


@kernel
def _bilevel_contexts(ctx: Int64, canvas: Int32, p: SidePixel) -> None:
    """Write templates of 4 to 23 pixels around a bilevel one."""
    i, y, x = p.lane, p.y, p.x
    here = np.int64(canvas[y, x - 1, 0] & 1) | (canvas[y, x - 2, 0] & 1) << 1 | (canvas[y, x - 3, 0] & 1) << 2
    above: Any = np.int64(0)  # columns -3 .. 2
    second: Any = np.int64(0)  # columns -3 .. 3
    third: Any = np.int64(0)
    for dx in range(-3, 3):
        above = above * 2 + (canvas[y - 1, x + dx, 0] & 1)
    for dx in range(-3, 4):
        second = second * 2 + (canvas[y - 2, x + dx, 0] & 1)
        third = third * 2 + (canvas[y - 3, x + dx, 0] & 1)
    ctx[i, 0] = (here & 3) * 8 + (above >> 1 & 7)
    ctx[i, 1] = (here & 7) * 64 + above
    ctx[i, 2] = ((here & 7) * 64 + above) * 8 + (second >> 2 & 7)
    ctx[i, 3] = ((here & 7) * 64 + above) * 128 + second
    ctx[i, 4] = (((here & 7) * 64 + above) * 128 + second) * 128 + third
    ctx[i, 5] = (((here & 3) * 16 + (above & 15)) * 8 + (second >> 2 & 7)) * 2 + (third >> 3 & 1)
    ctx[i, 6] = (here * 64 + above) * 32 + (third >> 1 & 31)
    ctx[i, 7] = second * 128 + third
    ctx[i, 8] = here * 128 + second
    ctx[i, 9] = 0
    ctx[i, 10] = (
        (((here & 1) * 2 + (above >> 2 & 1)) * 2 + (second >> 3 & 1)) * 64
        + ((y - REACH) % 8) * 8
        + (x - REACH) % 8
    )
    ctx[i, 11] = (here & 3) * 64 + above
    ctx[i, 12] = (((here & 7) * 64 + above) * 32 + (second >> 1 & 31)) * 8 + (third >> 2 & 7)
    ctx[i, 13] = ((above >> 1 & 7) * 8 + (second >> 2 & 7)) * 8 + (third >> 2 & 7)
