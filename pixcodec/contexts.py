"""Contexts of the mixing stage: what is known before a subpixel, as numbers (FORMAT.md, section Mixing).

A context is an integer below 2**56; a subpixel's statistics are kept for every context apart. With
u the previous channel's value at the same pixel (128 for the first channel), the symbol is
(value - u + 128) mod 256, so contexts without u predict the difference to it, and contexts with u
the value itself. Subpixels outside the tile read as ``PAD_VALUE``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

RGB_CONTEXTS = 14
GREY_CONTEXTS = 12


@njit(cache=True, nogil=True)
def _clamp(value: int) -> int:
    return min(max(value, 0), 255)


@njit(cache=True, nogil=True)
def rgb_contexts(
    ctx: Int64, i: int, canvas: Int32, y: int, x: int, phase: int, c: int, mean: int, spread: int, error: int
) -> None:
    """Write the contexts of channel ``c`` of the RGB pixel at canvas position (y, x) to row ``i``.

    Parameters
    ----------
    ctx : ndarray of int64, shape (N, contexts)
    phase : int
        2 * (column mod 2) + row mod 2, in the tile.
    mean : int
        The network's mean in 1/16 level.
    spread, error : int
        Classes (16 and 4) of the network's spread and of its recent errors relative to it.
    """
    w, n, nw, ne = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c], canvas[y - 1, x + 1, c]
    ww, nn = canvas[y, x - 2, c], canvas[y - 2, x, c]
    w_rg = canvas[y, x - 1, 0] - canvas[y, x - 1, 1] + 256
    w_bg = canvas[y, x - 1, 2] - canvas[y, x - 1, 1] + 256
    n_rg = canvas[y - 1, x, 0] - canvas[y - 1, x, 1] + 256
    n_bg = canvas[y - 1, x, 2] - canvas[y - 1, x, 1] + 256
    w_chroma = w_rg * 512 + w_bg
    n_chroma = n_rg * 512 + n_bg
    level, half = mean >> 4, mean >> 3
    if c == 0:
        ctx[i, 0] = half
        ctx[i, 1] = w * 256 + n
        ctx[i, 2] = _clamp(w + n - nw) * 16 + spread
        ctx[i, 3] = (level * 16 + spread) * 4 + error
        ctx[i, 4] = (w * 256 + n) * 64 + (ne >> 2)
        ctx[i, 5] = half * 4 + phase
        ctx[i, 6] = _clamp(2 * w - ww) * 4 + phase
        ctx[i, 7] = _clamp(2 * n - nn) * 4 + phase
        ctx[i, 8] = ((w + ne) >> 1) * 256 + n
        ctx[i, 9] = w_chroma
        ctx[i, 10] = n_chroma
        ctx[i, 11] = (w_rg * 512 + n_rg) * 64 + (level >> 2)
        ctx[i, 12] = w_chroma * 64 + (level >> 2)
        ctx[i, 13] = n_chroma * 64 + (level >> 2)
        return
    r, e = canvas[y, x, 0], c - 1
    u = canvas[y, x, e]
    earlier = 0 if c == 1 else r - u + 256
    d_w, d_n = w - canvas[y, x - 1, e], n - canvas[y - 1, x, e]
    d_nw, d_ne = nw - canvas[y - 1, x - 1, e], ne - canvas[y - 1, x + 1, e]
    d_ww, d_nn = ww - canvas[y, x - 2, e], nn - canvas[y - 2, x, e]
    d_half = half - 2 * u + 512
    ctx[i, 0] = d_half
    ctx[i, 1] = earlier * 256 + u
    ctx[i, 4] = ((level - u + 256) * 16 + spread) * 4 + error
    ctx[i, 5] = (d_half * 512 + earlier) * 4 + phase
    ctx[i, 6] = ((2 * d_w - d_ww + 1024) * 4 + phase) * 512 + earlier
    ctx[i, 7] = ((2 * d_n - d_nn + 1024) * 4 + phase) * 512 + earlier
    ctx[i, 8] = ((d_w + d_n - d_nw + 1024) * 4 + phase) * 512 + earlier
    ctx[i, 9] = level * 256 + u
    ctx[i, 10] = ((d_w + 256) * 512 + d_n + 256) * 512 + d_ne + 256
    if c == 1:
        ctx[i, 2] = (d_w + 256) * 256 + u
        ctx[i, 3] = (d_n + 256) * 256 + u
        ctx[i, 11] = w_chroma * 256 + u
        ctx[i, 12] = n_chroma * 256 + u
        ctx[i, 13] = (n_rg * 512 + w_rg) * 256 + u
    else:
        ctx[i, 2] = ((d_w + 256) * 512 + earlier) * 512 + w_rg
        ctx[i, 3] = ((d_n + 256) * 512 + earlier) * 512 + n_rg
        ctx[i, 11] = (earlier * 512 + w_bg) * 256 + u
        ctx[i, 12] = (earlier * 512 + n_bg) * 512 + w_bg
        ctx[i, 13] = w_chroma * 512 + earlier


@njit(cache=True, nogil=True)
def grey_contexts(
    ctx: Int64, i: int, canvas: Int32, y: int, x: int, phase: int, mean: int, spread: int, error: int
) -> None:
    """Write the contexts of the grey pixel at canvas position (y, x) to row ``i``; see `rgb_contexts`."""
    w, n, nw, ne = canvas[y, x - 1, 0], canvas[y - 1, x, 0], canvas[y - 1, x - 1, 0], canvas[y - 1, x + 1, 0]
    ww, nn, nne = canvas[y, x - 2, 0], canvas[y - 2, x, 0], canvas[y - 2, x + 1, 0]
    level, half = mean >> 4, mean >> 3
    ctx[i, 0] = half
    ctx[i, 1] = w * 256 + n
    ctx[i, 2] = _clamp(w + n - nw) * 16 + spread
    ctx[i, 3] = (level * 16 + spread) * 4 + error
    ctx[i, 4] = (w * 256 + n) * 64 + (ne >> 2)
    ctx[i, 5] = half * 4 + phase
    ctx[i, 6] = _clamp(2 * w - ww) * 4 + phase
    ctx[i, 7] = _clamp(2 * n - nn) * 4 + phase
    ctx[i, 8] = ((w + ne) >> 1) * 256 + n
    ctx[i, 9] = ((w * 256 + n) * 256 + nw) * 256 + ne
    ctx[i, 10] = (((w * 256 + n) * 256 + nw) * 256 + ne) * 65536 + ww * 256 + nn
    ctx[i, 11] = _clamp(n + ne - nne) * 4 + phase
