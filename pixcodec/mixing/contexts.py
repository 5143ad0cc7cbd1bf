"""Contexts of the mixing stage: what is known before a subpixel, as numbers (FORMAT.md, section Mixing).

A context is an integer below 2**56; a subpixel's statistics are kept for every context apart. With
u the previous channel's value at the same pixel, the symbol is (value - u + 136) mod 256, so contexts
without u predict the difference to it, and contexts with u the value itself; the symbol of the first
channel is its value. Subpixels outside the tile read as ``PAD_VALUE``.

RGB that was once YCbCr lies on a lattice, with smooth chroma. The lattices of JPEG (JFIF) and of Kodak's
Photo CD are inverted exactly: integer luma and chroma of every pixel, of whichever of the two has fitted
the tile's pixels better so far, are contexts too.

numba caches the kernels of :mod:`pixcodec.coding.bits` by that file alone: touch it after a change here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

RGB_CONTEXTS = 35
GREY_CONTEXTS = 15

# Which contexts each effort uses, by channel; the first ones matter most to a high nibble.
NORMAL_RGB = (
    (0, 2, 3, 9, 18, 4, 5, 16, 17, 19, 26, 28),
    (0, 1, 2, 3, 18, 4, 5, 8, 11, 16, 17, 19),
    (0, 1, 2, 3, 18, 4, 5, 8, 11, 16, 17, 19),
)
MAX_RGB = (tuple(range(RGB_CONTEXTS)),) * 3
NORMAL_GREY = (tuple(range(12)),)
MAX_GREY = (tuple(range(GREY_CONTEXTS)),)

# Of graphics, these and all exact contexts; effort max has all of both.
EXACT_CONTEXTS = 7
GRAPHICS_RGB = ((0, 2, 3, 4, 9, 5, 28, 27), (0, 1, 2, 3, 4, 9, 5, 28), (0, 1, 2, 3, 4, 9, 5, 28))
GRAPHICS_GREY = ((0, 1, 2, 3, 4, 9, 10, 11),)

# Fields of a pixel's luma and chroma: luma, blue and red chroma by JFIF, then the same by Photo CD.
LATTICE_FIELDS = 6
JFIF, PHOTO_CD = 0, 1
CHROMA_OFFSET = 512
_FACTOR = np.int64(-7046029254386353131)
_LAST = np.int64(-4417276706812531889)


def chosen_contexts(effort: int, channels: int, graphics: bool) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Return the numbers of the contexts of each channel, and how many there are to choose from."""
    chosen: tuple[tuple[int, ...], ...]
    if channels == 1:
        total = GREY_CONTEXTS
        chosen = MAX_GREY if effort == 2 else GRAPHICS_GREY if graphics else NORMAL_GREY
    else:
        total = RGB_CONTEXTS
        chosen = MAX_RGB if effort == 2 else GRAPHICS_RGB if graphics else NORMAL_RGB
    if graphics:
        exact = tuple(range(total, total + EXACT_CONTEXTS))
        return tuple(exact + numbers for numbers in chosen), total + EXACT_CONTEXTS
    return chosen, total


@njit(cache=True, nogil=True)
def _clamp(value: int) -> int:
    return min(max(value, 0), 255)


@njit(cache=True, nogil=True, forceinline=True)
def hashed(seed: int, value: int) -> Any:
    """Return a number below 2**56 that depends on all of ``seed`` and ``value``."""
    h = (np.int64(seed) + np.int64(value) + 1) * _FACTOR
    h ^= (h >> 32) & 0xFFFFFFFF
    return (h * _LAST >> 8) & ((1 << 56) - 1)


@njit(cache=True, nogil=True)
def rgb_contexts(
    ctx: Int64, i: int, canvas: Int32, y: int, x: int, phase: int, c: int, mean: int, spread: int, error: int
) -> None:
    """Write contexts 0 .. 13 of channel ``c`` of the RGB pixel at canvas position (y, x) to row ``i``.

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
def invert_lattices(lattice: Int32, y: int, x: int, r: int, g: int, b: int) -> Any:
    """Write luma and chroma of a pixel by both lattices to ``lattice[y, x]``.

    Returns 1 if the pixel lies on the JFIF lattice, plus 2 if it lies on Photo CD's.
    Constants are the standards' in 2**-16. JFIF rounds to nearest; Photo CD rounds down
    R = 1.3584 Y + 1.8215 C2, B = 1.3584 Y + 2.2179 C1, G = 1.3584 Y - 0.194 * 2.2179 C1 - 0.509 * 1.8215 C2.
    """
    luma = 19595 * r + 38470 * g + 7471 * b
    level = (luma + 32768) >> 16
    red = (((((r << 16) - luma) * 46745) >> 16) + 32768) >> 16
    blue = (((((b << 16) - luma) * 36984) >> 16) + 32768) >> 16
    fits = 0
    if level + ((91881 * red + 32768) >> 16) == r and level + ((116130 * blue + 32768) >> 16) == b:
        fits = 1
    lattice[y, x, 0], lattice[y, x, 1], lattice[y, x, 2] = level, blue, red
    luma = 19588 * r + 38482 * g + 7466 * b
    level = (((luma * 48245) >> 16) + 47383) >> 16
    blue = (((((b << 16) - luma) * 29549) >> 16) + 38535) >> 16
    red = (((((r << 16) - luma) * 35979) >> 16) + 39846) >> 16
    over_r = 89024 * level + 119374 * red - (r << 16)
    over_b = 89024 * level + 145352 * blue - (b << 16)
    if -500 < over_r < 66000 and -500 < over_b < 66000:
        fits += 2
    lattice[y, x, 3], lattice[y, x, 4], lattice[y, x, 5] = level, blue, red
    return fits


@njit(cache=True, nogil=True)
def _luma_phase(kind: int, r: int, red: int) -> Any:
    """Return in eighths where ``r`` lies between two levels of luma, for a red chroma."""
    if kind == JFIF:
        return 0
    return (((((r << 16) + 32768 - 119374 * (red - CHROMA_OFFSET)) * 48245) >> 16) >> 13) & 7


@njit(cache=True, nogil=True)
def _red_chroma(kind: int, difference: int, blue: int) -> Any:
    """Return the red chroma that red - green = ``difference`` and a blue chroma imply."""
    wide = difference << 16
    if kind == JFIF:
        scaled = ((wide - 22553 * (blue - CHROMA_OFFSET)) * 30970) >> 16
    else:
        scaled = ((wide - 28198 * (blue - CHROMA_OFFSET)) * 23843) >> 16
    return ((scaled + 32768) >> 16) + CHROMA_OFFSET


@njit(cache=True, nogil=True)
def lattice_contexts(
    ctx: Int64,
    i: int,
    canvas: Int32,
    lattice: Int32,
    kind: int,
    y: int,
    x: int,
    phase: int,
    c: int,
    mean: int,
    spread: int,
    error: int,
) -> None:
    """Write contexts 14 .. 31 of an RGB subpixel to row ``i``; ``kind`` is JFIF or PHOTO_CD."""
    o = 3 * kind
    p_w, q_w = lattice[y, x - 1, o + 1] + 512, lattice[y, x - 1, o + 2] + 512
    p_n, q_n = lattice[y - 1, x, o + 1] + 512, lattice[y - 1, x, o + 2] + 512
    p_nw, q_nw = lattice[y - 1, x - 1, o + 1] + 512, lattice[y - 1, x - 1, o + 2] + 512
    q_ww = lattice[y, x - 2, o + 2] + 512
    # Chroma predicted along the row, along the column, and by a plane.
    p_row, q_row = (2 * p_w - lattice[y, x - 2, o + 1] - 512) & 1023, (2 * q_w - q_ww) & 1023
    p_col = (2 * p_n - lattice[y - 2, x, o + 1] - 512) & 1023
    q_col = (2 * q_n - lattice[y - 2, x, o + 2] - 512) & 1023
    p_plane, q_plane = (p_w + p_n - p_nw) & 1023, (q_w + q_n - q_nw) & 1023
    w, n, nw, ne = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c], canvas[y - 1, x + 1, c]
    level, half = mean >> 4, mean >> 3
    if c == 0:
        l_w, l_n, l_nw = lattice[y, x - 1, o], lattice[y - 1, x, o], lattice[y - 1, x - 1, o]
        l_med = min(max(l_w + l_n - l_nw, min(l_w, l_n)), max(l_w, l_n)) + 512
        ctx[i, 14] = q_w * 4 + phase
        ctx[i, 15] = q_n * 4 + phase
        ctx[i, 16] = q_row * 4 + phase
        ctx[i, 17] = q_col * 4 + phase
        ctx[i, 18] = q_plane * 4 + phase
        ctx[i, 19] = (q_plane * 4 + phase) * 128 + (level >> 2)
        ctx[i, 20] = (q_row * 1024 + q_col) * 4 + phase
        ctx[i, 21] = (q_w * 1024 + q_n) * 4 + phase
        ctx[i, 22] = (q_w * 1024 + q_n) * 64 + (level >> 2)
        ctx[i, 23] = (q_row * 4 + phase) * 128 + (level >> 2)
        ctx[i, 24] = (q_col * 4 + phase) * 128 + (level >> 2)
        ctx[i, 25] = ((q_w * 1024 + q_ww) * 1024 + q_n) * 1024 + q_nw
        ctx[i, 26] = l_med * 1024 + q_plane
        ctx[i, 27] = (w * 256 + n) * 256 + nw
        ctx[i, 28] = (w >> 1) * 65536 + (n >> 1) * 256 + (level >> 1)
        ctx[i, 29] = (q_plane * 16 + spread) * 512 + half
        ctx[i, 30] = (level * 16 + spread) * 256 + ((2 * n - canvas[y - 2, x, c]) & 255)
        ctx[i, 31] = (((w >> 2) * 64 + (n >> 2)) * 64 + (ne >> 2)) * 64 + (nw >> 2)
        return
    r, u = canvas[y, x, 0], canvas[y, x, c - 1]
    d_half = half - 2 * u + 512
    a_w, a_n, a_row, a_col, a_plane = q_w, q_n, q_row, q_col, q_plane
    if c == 2:
        a_w, a_n = _red_chroma(kind, r - u, p_w), _red_chroma(kind, r - u, p_n)
        a_row, a_col = _red_chroma(kind, r - u, p_row), _red_chroma(kind, r - u, p_col)
        a_plane = _red_chroma(kind, r - u, p_plane)
    f_plane = _luma_phase(kind, r, a_plane)
    ctx[i, 14] = ((a_w * 1024 + p_w) * 8 + _luma_phase(kind, r, a_w)) * 4 + phase
    ctx[i, 15] = ((a_n * 1024 + p_n) * 8 + _luma_phase(kind, r, a_n)) * 4 + phase
    ctx[i, 16] = ((a_row * 1024 + p_row) * 8 + _luma_phase(kind, r, a_row)) * 4 + phase
    ctx[i, 17] = ((a_col * 1024 + p_col) * 8 + _luma_phase(kind, r, a_col)) * 4 + phase
    ctx[i, 18] = ((a_plane * 1024 + p_plane) * 8 + f_plane) * 4 + phase
    ctx[i, 19] = ((a_plane * 1024 + p_plane) * 256 + u) * 4 + phase
    ctx[i, 20] = ((a_row * 1024 + p_row) * 256 + u) * 4 + phase
    ctx[i, 21] = ((a_col * 1024 + p_col) * 256 + u) * 4 + phase
    if c == 1:
        ctx[i, 22] = (q_w * 1024 + q_n) * 256 + u
        ctx[i, 23] = (d_half * 1024 + q_plane) * 4 + phase
        ctx[i, 24] = ((q_w * 1024 + q_n) * 1024 + p_w) * 1024 + p_n
        ctx[i, 25] = ((q_w * 1024 + q_n) * 1024 + q_nw) * 256 + u
        ctx[i, 26] = (d_half * 1024 + q_row) * 4 + phase
        ctx[i, 27] = (d_half * 1024 + q_col) * 4 + phase
    else:
        ctx[i, 22] = ((p_w * 1024 + p_n) * 256 + u) * 256 + r
        ctx[i, 23] = ((d_half * 1024 + a_plane) * 4 + phase) * 8 + f_plane
        ctx[i, 24] = ((p_w * 1024 + p_n) * 1024 + a_w) * 1024 + p_nw
        ctx[i, 25] = (((p_row * 1024 + p_col) * 4 + phase) * 1024 + a_plane) * 8 + f_plane
        ctx[i, 26] = (p_row * 256 + u) * 256 + r
        ctx[i, 27] = (p_col * 256 + u) * 256 + r
    ctx[i, 28] = (w * 256 + n) * 256 + u
    ctx[i, 29] = (w * 256 + n) * 256 + (half >> 1)
    ctx[i, 30] = (d_half * 16 + spread) * 4 + error
    ctx[i, 31] = (d_half * 1024 + p_plane) * 8 + f_plane


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


@njit(cache=True, nogil=True)
def linear_contexts(
    ctx: Int64, i: int, first: int, linear: int, u: int, mean: int, spread: int, error: int
) -> None:
    """Write three contexts of a least-squares prediction in 1/16 level to row ``i``, from ``first`` on.

    ``u`` is the previous channel's value, 0 for the first channel.
    """
    half = (linear >> 3) - 2 * u + 512
    beyond = min(max((linear - mean) >> 2, -32), 31) + 32
    ctx[i, first] = half
    ctx[i, first + 1] = (((linear >> 4) - u + 256) * 16 + spread) * 4 + error
    ctx[i, first + 2] = half * 64 + beyond


@njit(cache=True, nogil=True)
def exact_contexts(
    ctx: Int64,
    i: int,
    first: int,
    canvas: Int32,
    sees: Int32,
    y: int,
    x: int,
    channel: int,
    value: int,
    length: int,
) -> None:
    """Write the contexts of whole pixels around a pixel of graphics to row ``i``, from ``first`` on.

    ``sees`` (H + 6, W + 6, channels seen) is alpha if it was coded before; ``value`` is what the repeat that
    the row follows says, ``length`` the class of its length.
    """
    channels = canvas.shape[2]
    earlier: Any = np.int64(0)
    for c in range(sees.shape[2]):
        earlier = earlier * 256 + np.int64(sees[y, x, c])
    for c in range(channel):
        earlier = earlier * 256 + np.int64(canvas[y, x, c])
    w: Any = np.int64(0)
    n: Any = np.int64(0)
    diagonal: Any = np.int64(0)
    second: Any = np.int64(0)
    for c in range(channels):
        w = w * 256 + np.int64(canvas[y, x - 1, c])
        n = n * 256 + np.int64(canvas[y - 1, x, c])
        diagonal = hashed(diagonal, np.int64(canvas[y - 1, x - 1, c]) * 256 + canvas[y - 1, x + 1, c])
        second = hashed(second, np.int64(canvas[y, x - 2, c]) * 256 + canvas[y - 2, x, c])
    u = earlier & 255 if channel > 0 else np.int64(0)
    both = hashed(hashed(w, n), earlier)
    four = hashed(both, diagonal)
    ctx[i, first] = (np.int64(value) * 16 + length) * 256 + u
    ctx[i, first + 1] = hashed(four, second)
    ctx[i, first + 2] = four
    ctx[i, first + 3] = both
    ctx[i, first + 4] = hashed(w, earlier)
    ctx[i, first + 5] = hashed(n, earlier)
    ctx[i, first + 6] = hashed(both, np.int64(value) * 2 + min(length, 1))
