"""Contexts of what a frame is predicted from: the pixels that were shown there before (FORMAT.md, "Series").

The reference is known as a whole, also to the right of a pixel and below it. Shapes: N lanes, J contexts, H W
height and width of the tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.mixing.contexts import Int32, Int64, Pixel, clamped, hashed
from pixcodec.mixing.state import STILLS
from pixcodec.network.kernels import inlined, kernel


@inlined
def _same(canvas: Int32, reference: Int32, y: int, x: int, first: int, end: int) -> Any:
    """Return 1 if planes ``first`` up to ``end`` of a position are those of the reference, else 0."""
    for c in range(first, end):
        if canvas[y, x, c] != reference[y, x, c]:
            return 0
    return 1


@inlined
def _is_kept(canvas: Int32, reference: Int32, y: int, x: int) -> Any:
    """Return 1 if a value of one plane is the reference's, or the one that stands for no change, else 0."""
    value, last = canvas[y, x, 0], reference.shape[2] - 1
    return 1 if value == reference[y, x, 0] or value == reference[y, x, last] else 0


@kernel
def still_class(canvas: Int32, reference: Int32, y: int, x: int, channel: int) -> Any:
    """Return the class of a pixel of the network's layers: which neighbours are still, and earlier channels.

    Parameters
    ----------
    canvas : ndarray of int32, shape (H + 3, W + 6, C)
    reference : ndarray of int32, shape (H + 6, W + 6, C)
    """
    planes = canvas.shape[2]
    still = (
        _same(canvas, reference, y, x - 1, 0, planes)
        + 2 * _same(canvas, reference, y - 1, x, 0, planes)
        + 4 * _same(canvas, reference, y - 1, x - 1, 0, planes)
        + 8 * _same(canvas, reference, y - 1, x + 1, 0, planes)
    )
    if channel > 0:
        still += 16 * _same(canvas, reference, y, x, 0, channel)
    return still


@kernel
def kept_class(canvas: Int32, reference: Int32, y: int, x: int) -> Any:
    """Return the class of a value of a side layer: which of its neighbours are still."""
    return (
        _is_kept(canvas, reference, y, x - 1)
        + 2 * _is_kept(canvas, reference, y - 1, x)
        + 4 * _is_kept(canvas, reference, y - 1, x - 1)
        + 8 * _is_kept(canvas, reference, y - 1, x + 1)
        + 16 * _is_kept(canvas, reference, y, x - 2)
    )


@inlined
def _whole(planes: Int32, y: int, x: int, count: int) -> Any:
    """Return the first planes of a position as one number."""
    number: Any = np.int64(0)
    for c in range(count):
        number = number * 256 + np.int64(planes[y, x, c])
    return number


@kernel
def reference_contexts(ctx: Int64, first: int, canvas: Int32, reference: Int32, p: Pixel, still: int) -> None:
    """Write eight contexts of a subpixel of the network's layers to ``ctx`` (N, J), from ``first`` on.

    Parameters
    ----------
    ctx : ndarray of int64
    first : int
    canvas, reference : ndarray of int32
        As of :func:`still_class`.
    p : Pixel
    still : int
        Its class.
    """
    i, y, x, c, mean, planes = p.lane, p.y, p.x, p.channel, p.mean, canvas.shape[2]
    u = np.int64(canvas[y, x, c - 1]) if c > 0 else np.int64(0)
    r = np.int64(reference[y, x, c])
    before = np.int64(reference[y, x, c - 1]) if c > 0 else np.int64(0)
    d_w = np.int64(canvas[y, x - 1, c]) - reference[y, x - 1, c]
    d_n = np.int64(canvas[y - 1, x, c]) - reference[y - 1, x, c]
    d_nw = np.int64(canvas[y - 1, x - 1, c]) - reference[y - 1, x - 1, c]
    both = clamped(r + ((d_w + d_n) >> 1))
    med = max(min(d_w, d_n), min(max(d_w, d_n), d_w + d_n - d_nw))
    earlier = _whole(canvas, y, x, c)
    here = _whole(reference, y, x, planes)
    around = hashed(_whole(reference, y, x + 1, planes), _whole(reference, y + 1, x, planes))
    off = min(max((16 * both - mean) >> 2, -32), 31) + 32
    ctx[i, first] = (r - u + 256) * STILLS + still
    ctx[i, first + 1] = hashed(hashed(here, earlier), still)
    ctx[i, first + 2] = (clamped(r + d_w) - u + 256) * 512 + clamped(r + d_n) - u + 256
    ctx[i, first + 3] = (both - u + 256) * 16 + p.spread
    ctx[i, first + 4] = (clamped(r + med) - u + 256) * STILLS + still
    ctx[i, first + 5] = ((r - before + 256) * 512 + u - before + 256) * 256 + reference[y, x + 1, c]
    ctx[i, first + 6] = hashed(hashed(hashed(around, here), _whole(canvas, y, x - 1, planes)), earlier)
    ctx[i, first + 7] = ((mean >> 3) - 2 * u + 512) * 64 + off


@kernel
def kept_contexts(ctx: Int64, first: int, canvas: Int32, reference: Int32, p: Any, still: int) -> None:
    """Write eight contexts of a value of a side layer of one plane to ``ctx`` (N, J), from ``first`` on.

    Parameters
    ----------
    ctx : ndarray of int64
    first : int
    canvas : ndarray of int32, shape (H + 3, W + 6, 1)
    reference : ndarray of int32, shape (H + 6, W + 6, 1 or 2)
        The last plane is what stands for no change.
    p : SidePixel
    still : int
        The class of :func:`kept_class`.
    """
    i, y, x = p.lane, p.y, p.x
    w, n = np.int64(canvas[y, x - 1, 0]), np.int64(canvas[y - 1, x, 0])
    nw, ne = np.int64(canvas[y - 1, x - 1, 0]), np.int64(canvas[y - 1, x + 1, 0])
    r, east, south = np.int64(reference[y, x, 0]), reference[y, x + 1, 0], reference[y + 1, x, 0]
    west, north = reference[y, x - 1, 0], reference[y - 1, x, 0]
    near = ((w * 256 + n) * 256 + nw) * 256 + ne
    cross = (((r * 256 + east) * 256 + south) * 256 + west) * 256 + north
    corners = np.int64(reference[y - 1, x - 1, 0]) * 256 + reference[y - 1, x + 1, 0]
    corners = (corners * 256 + reference[y + 1, x - 1, 0]) * 256 + reference[y + 1, x + 1, 0]
    ctx[i, first] = r * STILLS + still
    ctx[i, first + 1] = (r * 256 + w) * STILLS + still
    ctx[i, first + 2] = ((r * 256 + w) * 256 + n) * STILLS + still
    ctx[i, first + 3] = ((r * 256 + east) * 256 + south) * 256 + w
    ctx[i, first + 4] = hashed(cross, still)
    ctx[i, first + 5] = hashed(near, r)
    ctx[i, first + 6] = (w * 256 + n) * STILLS + still
    ctx[i, first + 7] = hashed(hashed(cross, corners), w * 256 + n)
