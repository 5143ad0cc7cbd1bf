"""Contexts of the subpixels of RGB images (FORMAT.md, section Mixing, contexts 0 .. 13).

Shapes: N lanes, J contexts.
"""

from __future__ import annotations

from pixcodec.mixing.contexts import Int32, Int64, Pixel, clamped
from pixcodec.network.kernels import kernel


@kernel
def rgb_contexts(ctx: Int64, canvas: Int32, p: Pixel) -> None:
    """Write contexts 0 .. 13 of a subpixel of an RGB image to its lane's row of ``ctx`` (N, J)."""
    if p.channel == 0:
        _first_channel(ctx, canvas, p)
    else:
        _later_channel(ctx, canvas, p)


@kernel
def _first_channel(ctx: Int64, canvas: Int32, p: Pixel) -> None:
    i, y, x, c, phase, spread, error = p.lane, p.y, p.x, p.channel, p.phase, p.spread, p.error
    w, n, nw, ne = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c], canvas[y - 1, x + 1, c]
    ww, nn = canvas[y, x - 2, c], canvas[y - 2, x, c]
    w_rg = canvas[y, x - 1, 0] - canvas[y, x - 1, 1] + 256
    w_bg = canvas[y, x - 1, 2] - canvas[y, x - 1, 1] + 256
    n_rg = canvas[y - 1, x, 0] - canvas[y - 1, x, 1] + 256
    n_bg = canvas[y - 1, x, 2] - canvas[y - 1, x, 1] + 256
    w_chroma = w_rg * 512 + w_bg
    n_chroma = n_rg * 512 + n_bg
    level, half = p.mean >> 4, p.mean >> 3
    ctx[i, 0] = half
    ctx[i, 1] = w * 256 + n
    ctx[i, 2] = clamped(w + n - nw) * 16 + spread
    ctx[i, 3] = (level * 16 + spread) * 4 + error
    ctx[i, 4] = (w * 256 + n) * 64 + (ne >> 2)
    ctx[i, 5] = half * 4 + phase
    ctx[i, 6] = clamped(2 * w - ww) * 4 + phase
    ctx[i, 7] = clamped(2 * n - nn) * 4 + phase
    ctx[i, 8] = ((w + ne) >> 1) * 256 + n
    ctx[i, 9] = w_chroma
    ctx[i, 10] = n_chroma
    ctx[i, 11] = (w_rg * 512 + n_rg) * 64 + (level >> 2)
    ctx[i, 12] = w_chroma * 64 + (level >> 2)
    ctx[i, 13] = n_chroma * 64 + (level >> 2)


@kernel
def _later_channel(ctx: Int64, canvas: Int32, p: Pixel) -> None:
    i, y, x, c, phase, spread, error = p.lane, p.y, p.x, p.channel, p.phase, p.spread, p.error
    w, n, nw, ne = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c], canvas[y - 1, x + 1, c]
    ww, nn = canvas[y, x - 2, c], canvas[y - 2, x, c]
    w_rg = canvas[y, x - 1, 0] - canvas[y, x - 1, 1] + 256
    w_bg = canvas[y, x - 1, 2] - canvas[y, x - 1, 1] + 256
    n_rg = canvas[y - 1, x, 0] - canvas[y - 1, x, 1] + 256
    n_bg = canvas[y - 1, x, 2] - canvas[y - 1, x, 1] + 256
    w_chroma = w_rg * 512 + w_bg
    n_chroma = n_rg * 512 + n_bg
    level, half = p.mean >> 4, p.mean >> 3
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
