"""Lattices: RGB that was once YCbCr, and contexts of its luma and chroma (FORMAT.md, section Mixing).

RGB that was converted from YCbCr lies on a lattice, with smooth chroma. The conversions of JPEG (JFIF) and of
Kodak's Photo CD are inverted exactly: integer luma and chroma of every pixel, by whichever of the two has
fitted the tile's pixels better so far, give contexts 14 .. 31.

A lattice is an int16 array (H + 3, W + 6, 6), in the frame of a canvas: luma, blue and red chroma by JFIF,
then the same by Photo CD. Shapes: N lanes, J contexts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pixcodec.mixing.contexts import Int16, Int32, Int64, Pixel
from pixcodec.network.architecture import REACH
from pixcodec.network.kernels import kernel
from pixcodec.network.wavefront import Record

LATTICE_FIELDS = 6
JFIF, PHOTO_CD = 0, 1
CHROMA_OFFSET = 512  # makes chroma positive


class Chroma(NamedTuple):
    """Blue (p) and red (q) chroma around a pixel, plus CHROMA_OFFSET, and what they foretell of its own."""

    kind: int  # JFIF or PHOTO_CD
    p_w: int
    q_w: int
    p_n: int
    q_n: int
    p_nw: int
    q_nw: int
    q_ww: int
    p_row: int  # along the row
    q_row: int
    p_col: int  # along the column
    q_col: int
    p_plane: int  # W + N - NW
    q_plane: int


@kernel
def invert_lattices(lattice: Int16, y: int, x: int, r: int, g: int, b: int) -> Any:
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


@kernel
def copy_lattices(lattice: Int16, copied: Int64, count: int, wave: Record) -> None:
    """Take luma and chroma of the first ``count`` rows of ``copied`` from the pixel that was copied there."""
    for k in range(count):
        y, x = copied[k] + REACH, wave.t - wave.slope * copied[k] + REACH
        other_y, other_x = (y, x - 1) if x > REACH else (y - 1, x)
        for field in range(LATTICE_FIELDS):
            lattice[y, x, field] = lattice[other_y, other_x, field]


@kernel
def _luma_phase(kind: int, r: int, red: int) -> Any:
    """Return in eighths where ``r`` lies between two levels of luma, for a red chroma."""
    if kind == JFIF:
        return 0
    return (((((r << 16) + 32768 - 119374 * (red - CHROMA_OFFSET)) * 48245) >> 16) >> 13) & 7


@kernel
def _red_chroma(kind: int, difference: int, blue: int) -> Any:
    """Return the red chroma that red - green = ``difference`` and a blue chroma imply."""
    wide = difference << 16
    if kind == JFIF:
        scaled = ((wide - 22553 * (blue - CHROMA_OFFSET)) * 30970) >> 16
    else:
        scaled = ((wide - 28198 * (blue - CHROMA_OFFSET)) * 23843) >> 16
    return ((scaled + 32768) >> 16) + CHROMA_OFFSET


@kernel
def lattice_contexts(ctx: Int64, canvas: Int32, lattice: Int16, kind: int, p: Pixel) -> None:
    """Write contexts 14 .. 31 of an RGB subpixel to its lane's row; ``kind`` is JFIF or PHOTO_CD."""
    y, x, o = p.y, p.x, 3 * kind
    p_w, q_w = lattice[y, x - 1, o + 1] + 512, lattice[y, x - 1, o + 2] + 512
    p_n, q_n = lattice[y - 1, x, o + 1] + 512, lattice[y - 1, x, o + 2] + 512
    p_nw, q_nw = lattice[y - 1, x - 1, o + 1] + 512, lattice[y - 1, x - 1, o + 2] + 512
    q_ww = lattice[y, x - 2, o + 2] + 512
    p_row, q_row = (2 * p_w - lattice[y, x - 2, o + 1] - 512) & 1023, (2 * q_w - q_ww) & 1023
    p_col = (2 * p_n - lattice[y - 2, x, o + 1] - 512) & 1023
    q_col = (2 * q_n - lattice[y - 2, x, o + 2] - 512) & 1023
    p_plane, q_plane = (p_w + p_n - p_nw) & 1023, (q_w + q_n - q_nw) & 1023
    around = Chroma(kind, p_w, q_w, p_n, q_n, p_nw, q_nw, q_ww, p_row, q_row, p_col, q_col, p_plane, q_plane)
    if p.channel == 0:
        l_w, l_n, l_nw = lattice[y, x - 1, o], lattice[y - 1, x, o], lattice[y - 1, x - 1, o]
        luma = min(max(l_w + l_n - l_nw, min(l_w, l_n)), max(l_w, l_n)) + 512
        _first_channel(ctx, canvas, luma, around, p)
    else:
        _later_channel(ctx, canvas, around, p)


@kernel
def _first_channel(ctx: Int64, canvas: Int32, luma: int, a: Chroma, p: Pixel) -> None:
    i, y, x, c, phase = p.lane, p.y, p.x, p.channel, p.phase
    w, n, nw, ne = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c], canvas[y - 1, x + 1, c]
    level, half = p.mean >> 4, p.mean >> 3
    ctx[i, 14] = a.q_w * 4 + phase
    ctx[i, 15] = a.q_n * 4 + phase
    ctx[i, 16] = a.q_row * 4 + phase
    ctx[i, 17] = a.q_col * 4 + phase
    ctx[i, 18] = a.q_plane * 4 + phase
    ctx[i, 19] = (a.q_plane * 4 + phase) * 128 + (level >> 2)
    ctx[i, 20] = (a.q_row * 1024 + a.q_col) * 4 + phase
    ctx[i, 21] = (a.q_w * 1024 + a.q_n) * 4 + phase
    ctx[i, 22] = (a.q_w * 1024 + a.q_n) * 64 + (level >> 2)
    ctx[i, 23] = (a.q_row * 4 + phase) * 128 + (level >> 2)
    ctx[i, 24] = (a.q_col * 4 + phase) * 128 + (level >> 2)
    ctx[i, 25] = ((a.q_w * 1024 + a.q_ww) * 1024 + a.q_n) * 1024 + a.q_nw
    ctx[i, 26] = luma * 1024 + a.q_plane
    ctx[i, 27] = (w * 256 + n) * 256 + nw
    ctx[i, 28] = (w >> 1) * 65536 + (n >> 1) * 256 + (level >> 1)
    ctx[i, 29] = (a.q_plane * 16 + p.spread) * 512 + half
    ctx[i, 30] = (level * 16 + p.spread) * 256 + ((2 * n - canvas[y - 2, x, c]) & 255)
    ctx[i, 31] = (((w >> 2) * 64 + (n >> 2)) * 64 + (ne >> 2)) * 64 + (nw >> 2)


@kernel
def _later_channel(ctx: Int64, canvas: Int32, a: Chroma, p: Pixel) -> None:
    i, y, x, c, phase, kind = p.lane, p.y, p.x, p.channel, p.phase, a.kind
    w, n = canvas[y, x - 1, c], canvas[y - 1, x, c]
    half = p.mean >> 3
    r, u = canvas[y, x, 0], canvas[y, x, c - 1]
    d_half = half - 2 * u + 512
    a_w, a_n, a_row, a_col, a_plane = a.q_w, a.q_n, a.q_row, a.q_col, a.q_plane
    if c == 2:  # red and green are known, and with blue chroma they imply red chroma
        a_w, a_n = _red_chroma(kind, r - u, a.p_w), _red_chroma(kind, r - u, a.p_n)
        a_row, a_col = _red_chroma(kind, r - u, a.p_row), _red_chroma(kind, r - u, a.p_col)
        a_plane = _red_chroma(kind, r - u, a.p_plane)
    f_plane = _luma_phase(kind, r, a_plane)
    ctx[i, 14] = ((a_w * 1024 + a.p_w) * 8 + _luma_phase(kind, r, a_w)) * 4 + phase
    ctx[i, 15] = ((a_n * 1024 + a.p_n) * 8 + _luma_phase(kind, r, a_n)) * 4 + phase
    ctx[i, 16] = ((a_row * 1024 + a.p_row) * 8 + _luma_phase(kind, r, a_row)) * 4 + phase
    ctx[i, 17] = ((a_col * 1024 + a.p_col) * 8 + _luma_phase(kind, r, a_col)) * 4 + phase
    ctx[i, 18] = ((a_plane * 1024 + a.p_plane) * 8 + f_plane) * 4 + phase
    ctx[i, 19] = ((a_plane * 1024 + a.p_plane) * 256 + u) * 4 + phase
    ctx[i, 20] = ((a_row * 1024 + a.p_row) * 256 + u) * 4 + phase
    ctx[i, 21] = ((a_col * 1024 + a.p_col) * 256 + u) * 4 + phase
    if c == 1:
        ctx[i, 22] = (a.q_w * 1024 + a.q_n) * 256 + u
        ctx[i, 23] = (d_half * 1024 + a.q_plane) * 4 + phase
        ctx[i, 24] = ((a.q_w * 1024 + a.q_n) * 1024 + a.p_w) * 1024 + a.p_n
        ctx[i, 25] = ((a.q_w * 1024 + a.q_n) * 1024 + a.q_nw) * 256 + u
        ctx[i, 26] = (d_half * 1024 + a.q_row) * 4 + phase
        ctx[i, 27] = (d_half * 1024 + a.q_col) * 4 + phase
    else:
        ctx[i, 22] = ((a.p_w * 1024 + a.p_n) * 256 + u) * 256 + r
        ctx[i, 23] = ((d_half * 1024 + a_plane) * 4 + phase) * 8 + f_plane
        ctx[i, 24] = ((a.p_w * 1024 + a.p_n) * 1024 + a_w) * 1024 + a.p_nw
        ctx[i, 25] = (((a.p_row * 1024 + a.p_col) * 4 + phase) * 1024 + a_plane) * 8 + f_plane
        ctx[i, 26] = (a.p_row * 256 + u) * 256 + r
        ctx[i, 27] = (a.p_col * 256 + u) * 256 + r
    ctx[i, 28] = (w * 256 + n) * 256 + u
    ctx[i, 29] = (w * 256 + n) * 256 + (half >> 1)
    ctx[i, 30] = (d_half * 16 + p.spread) * 4 + p.error
    ctx[i, 31] = (d_half * 1024 + a.p_plane) * 8 + f_plane
