"""Side layers: planes that the network does not know, predicted from their own past and from other layers.

Alpha, black (of CMYK), the low bits of 16, palette indices and bilevel pixels are coded by the mixing stage
(:mod:`pixcodec.mixing.mixer`) as the network's planes are, except for what this file gives it: instead of the
network's mixture one of K plain predictors, each as wide and as heavy as its errors nearby say, and contexts
of their own. The layers coded before are known as a whole, also to the right of the pixel and below it.
FORMAT.md, section Side layers, is the norm.

Shapes: N lanes, C channels of the layer, K predictors, H W height and width of the tile.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from pixcodec.mixing.contexts import hashed
from pixcodec.mixing.logit_tables import LOGISTIC_TABLE
from pixcodec.mixing.matches import expected, find_matches, update_matches
from pixcodec.mixing.mixer import (
    BASE,
    CHANNEL,
    COUNT,
    ERRORS,
    FIRST,
    FIRST_DEPTH,
    GRID,
    LINEAR,
    LOW_BITS,
    MATCHED,
    MEAN,
    NODE,
    OFFSET,
    PIXELS,
    PLACE,
    SPREAD_CLASS,
    SURPRISE,
    SidePlan,
    State,
    T,
    half_octave,
    uses_matches,
)
from pixcodec.network.architecture import PAD_VALUE, REACH
from pixcodec.network.wavefront import State as NetworkState
from pixcodec.network.wavefront import Weights, lane_count

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

NETWORK, ALPHA, LOW, INDEX, BILEVEL, WIDE = range(6)  # kinds of layers, to the kernels
PREDICTORS = 7  # the last one is a blend of the others
SIDE_CONTEXTS = 16
_ONE = 1 << 16
_FAR = 1 << 21
# Of each kind: odds of a sure nibble, prior logit beyond which it is believed, and the mixers' first weights.
_NEVER = 1 << 30
_PLANS = {
    ALPHA: (1 << 12, 9 << 8, 1 << 19, 1 << 17),
    LOW: (0, _NEVER, 1 << 20, 0),
    WIDE: (1 << 12, 9 << 8, 1 << 20, 0),
    INDEX: (0, _NEVER, 1 << 18, 1 << 15),
    BILEVEL: (0, _NEVER, 1 << 18, 1 << 15),
}
_TAIL = 6  # a mean further outside the range than so many scales changes nothing

_NONE = np.zeros((1, 1, 1), np.int32)


@njit(cache=True, nogil=True, forceinline=True)
def _med(w: int, n: int, nw: int) -> Any:
    return max(min(w, n), min(max(w, n), w + n - nw))


@njit(cache=True, nogil=True, forceinline=True)
def _colour(sees: Int32, y: int, x: int) -> Any:
    """Return all that the layers before this one say of a pixel, as one number."""
    colour: Any = np.int64(0)
    for c in range(sees.shape[2]):
        colour = (colour << 8) | np.int64(sees[y, x, c])
    return colour


@njit(cache=True, nogil=True, forceinline=True)
def _same(sees: Int32, y: int, x: int, other_y: int, other_x: int) -> Any:
    for c in range(sees.shape[2]):
        if sees[y, x, c] != sees[other_y, other_x, c]:
            return 0
    return 1 if sees.shape[2] else 0


@njit(cache=True, nogil=True, forceinline=True)
def _mixture(
    i: int,
    penalties: Int32,
    y: int,
    x: int,
    c: int,
    low_bits: int,
    part: int,
    new: bool,
    high: int,
    guesses: Int64,
    weight: Int64,
    mean: Int64,
    inverse: Int64,
) -> tuple[Any, Any]:
    """Make a mixture of the predictions in ``guesses[i]``; return its mean and spread, all in 1/16 level.

    Of values with low bits, ``part`` says whether the high bits (0) are coded now, or the low ones (1) of a
    value with these high bits.
    """
    total, blend, shares = np.int64(0), np.int64(0), np.int64(0)
    for k in range(PREDICTORS):
        if k == PREDICTORS - 1 and new:
            guesses[i, k] = blend // shares
        off = (
            2 * np.int64(penalties[y, x - 1, c, k])
            + 2 * np.int64(penalties[y - 1, x, c, k])
            + np.int64(penalties[y - 1, x - 1, c, k])
            + np.int64(penalties[y - 1, x + 1, c, k])
            + np.int64(penalties[y, x - 2, c, k])
            + np.int64(penalties[y - 2, x, c, k])
            + np.int64(penalties[y - 2, x + 1, c, k])
            + np.int64(penalties[y - 2, x - 1, c, k])
            + np.int64(penalties[y - 1, x + 2, c, k])
            + np.int64(penalties[y - 1, x - 2, c, k])
        )
        scale: Any = max(off // 16, 1)
        small: Any = min(off + 4, 1 << 20)
        weight[i, k] = (1 << 42) // (small * small) + 1
        total += weight[i, k]
        shares += weight[i, k]
        blend += weight[i, k] * guesses[i, k]
        inverse[i, k] = scale
    rest, center, spread = np.int64(_ONE), np.int64(0), np.int64(0)
    for k in range(PREDICTORS):
        weight[i, k] = weight[i, k] * _ONE // total
        rest -= weight[i, k]
    weight[i, 0] += rest
    for k in range(PREDICTORS):
        center += weight[i, k] * guesses[i, k]
        scale = inverse[i, k]
        spread += weight[i, k] * ((29 * scale) >> 4)
        if part == 0:
            mean[i, k] = ((guesses[i, k] + 8) >> low_bits) - 8
            inverse[i, k] = (1 << (22 + low_bits)) // scale
        else:
            within = guesses[i, k] - (high << (4 + low_bits))
            mean[i, k] = min(max(within, -8 - _TAIL * scale), (16 << low_bits) + 8 + _TAIL * scale)
            inverse[i, k] = (1 << 22) // scale
    center >>= 16
    spread >>= 16
    if part == 0:
        return ((center + 8) >> low_bits) - 8, spread >> low_bits
    return center - (high << (4 + low_bits)), spread


@njit(cache=True, nogil=True, forceinline=True)
def _predict(
    kind: int, v: Int32, sees: Int32, linear: int, y: int, x: int, c: int, top: int, guesses: Int64, i: int
) -> None:
    """Write the predictions of a value of ``v``, at most ``top``, to ``guesses[i]``, in 1/16 level."""
    w, n = np.int64(v[y, x - 1, c]), np.int64(v[y - 1, x, c])
    nw, ne = np.int64(v[y - 1, x - 1, c]), np.int64(v[y - 1, x + 1, c])
    med = _med(w, n, nw)
    guesses[i, 0] = 16 * med
    guesses[i, 1] = 16 * w
    guesses[i, 2] = 16 * n
    guesses[i, 3] = 16 * (w + ne - n)
    guesses[i, 4] = 8 * (w + n) + 4 * (ne - nw)
    guesses[i, 5] = guesses[i, 4]
    if kind in (LOW, WIDE):
        if c > 0:
            e = c - 1
            d_w, d_n, d_nw = w - v[y, x - 1, e], n - v[y - 1, x, e], nw - v[y - 1, x - 1, e]
            guesses[i, 3] = 16 * (_med(d_w, d_n, d_nw) + v[y, x, e])
        if linear >= 0:
            guesses[i, 5] = linear
    elif kind == ALPHA:
        guess = med
        if _same(sees, y, x, y, x - 1):
            guess = w
        elif _same(sees, y, x, y - 1, x):
            guess = n
        elif _same(sees, y, x, y - 1, x - 1):
            guess = nw
        elif _same(sees, y, x, y - 1, x + 1):
            guess = ne
        guesses[i, 5] = 16 * guess
    for k in range(PREDICTORS - 1):
        guesses[i, k] = min(max(guesses[i, k], 0), 16 * top)


@njit(cache=True, nogil=True)
def _contexts(
    kind: int,
    ctx: Int64,
    i: int,
    canvas: Int32,
    sees: Int32,
    y: int,
    x: int,
    c: int,
    high: int,
    mean: int,
    spread: int,
    error: int,
) -> None:
    """Write the contexts of a side layer's subpixel at canvas position (y, x) to row ``i``."""
    w, n, nw, ne = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c], canvas[y - 1, x + 1, c]
    ww, nn = canvas[y, x - 2, c], canvas[y - 2, x, c]
    if kind == BILEVEL:
        _bilevel_contexts(ctx, i, canvas, y, x)
        return
    near = ((np.int64(w) * 256 + n) * 256 + nw) * 256 + ne
    far = hashed(near, np.int64(ww) * 256 + nn)
    if kind == INDEX:
        nne, nnw, nww, www = (
            canvas[y - 2, x + 1, c],
            canvas[y - 2, x - 1, c],
            canvas[y - 1, x - 2, c],
            canvas[y, x - 3, c],
        )
        nee = canvas[y - 1, x + 2, c]
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
        return
    level = mean >> 4
    if kind in (LOW, WIDE):
        before = np.int64(canvas[y, x, c - 1]) if c > 0 else np.int64(0)
        two_before = np.int64(canvas[y, x, c - 2]) if c > 1 else np.int64(0)
        ctx[i, 0] = high
        ctx[i, 1] = mean >> 3
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
        return
    colour = _colour(sees, y, x)
    flags = (
        _same(sees, y, x, y, x - 1)
        + 2 * _same(sees, y, x, y - 1, x)
        + 4 * _same(sees, y, x, y - 1, x - 1)
        + 8 * _same(sees, y, x, y - 1, x + 1)
        + 16 * _same(sees, y, x, y, x + 1)
        + 32 * _same(sees, y, x, y + 1, x)
    )
    ctx[i, 0] = np.int64(w) * 256 + n
    ctx[i, 1] = near
    ctx[i, 2] = far
    ctx[i, 3] = colour
    ctx[i, 4] = colour * 256 + w
    ctx[i, 5] = colour * 65536 + np.int64(w) * 256 + n
    ctx[i, 6] = flags * 256 + w
    ctx[i, 7] = (np.int64(flags) * 256 + w) * 256 + n
    ctx[i, 8] = (np.int64(level) * 16 + spread) * 4 + error
    ctx[i, 9] = mean >> 3
    ctx[i, 10] = ((colour >> 2 & 63) * 64 + (w >> 2)) * 64 + (n >> 2)
    ctx[i, 11] = hashed(near, flags)
    ctx[i, 12] = ((2 * np.int64(w) - ww) & 511) * 512 + ((2 * n - nn) & 511)
    ctx[i, 13] = hashed(colour, _colour(sees, y, x + 1)) ^ w


@njit(cache=True, nogil=True, forceinline=True)
def _bilevel_contexts(ctx: Int64, i: int, canvas: Int32, y: int, x: int) -> None:
    """Write templates of 4 to 23 pixels around a bilevel one."""
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


@njit(cache=True, nogil=True)
def begin_side(
    s: State,
    kind: int,
    slope: int,
    net: NetworkState,
    sees: Int32,
    wide: Int32,
    linear: Int64,
    guesses: Int64,
) -> None:
    """Set up mixture and contexts of the subpixels of a side layer's wavefront, which ``s.wave`` tells.

    Parameters
    ----------
    net : NetworkState
        Its canvas holds the layer; its mixture is written.
    sees : ndarray of int32, shape (H + 6, W + 6, channels seen)
        Layers coded before.
    wide : ndarray of int32, shape (H + 3, W + 6, C)
        Of low bytes, 16-bit values.
    linear : ndarray of int64, shape (N,)
        Of low bytes, least-squares predictions in 1/16 level.
    guesses : ndarray of int64, shape (N, K)
        The predictions are left there for :func:`finish_side`.
    """
    channel, t, first, n = s.wave[CHANNEL], s.wave[T], s.wave[FIRST], s.wave[COUNT]
    if channel == 0:
        s.wave[PIXELS] += n
        if uses_matches(s):
            find_matches(s.matches, s.table, net.canvas, t, first, n, slope)
    lane, ctx, error, penalties = s.lane, s.ctx, s.error, s.penalties
    canvas, weight, mean, inverse = net.canvas, net.weight, net.mean, net.inverse
    low_bits = s.limits[LOW_BITS]
    part, c = (channel & 1, channel >> 1) if kind == WIDE else (1 if kind == LOW else 0, channel)
    if kind == WIDE:
        s.wave[FIRST_DEPTH] = 8 - low_bits if part else 0
    v = wide if low_bits else canvas
    for i in range(n):
        y, x = first + i + REACH, t - slope * (first + i) + REACH
        high = np.int64(0)
        if part:
            high = np.int64(sees[y, x, c]) if kind == LOW else np.int64(canvas[y, x, channel - 1])
        new = kind != WIDE or part == 0
        if new:
            _predict(kind, v, sees, linear[i], y, x, c, (256 << low_bits) - 1, guesses, i)
        center, spread = _mixture(
            i, penalties, y, x, c, low_bits, part, new, high, guesses, weight, mean, inverse
        )
        west, north = abs(error[y, x - 1, channel]), abs(error[y - 1, x, channel])
        lane[i, NODE] = 1 << s.wave[FIRST_DEPTH]
        lane[i, BASE] = OFFSET
        lane[i, LINEAR] = center
        center = min(max(center, 0), 255 * 16)
        lane[i, MEAN] = center
        spread_class = half_octave(spread)
        surprise = min((west + north) * 2 // (spread + 1), ERRORS - 1)
        lane[i, SPREAD_CLASS] = spread_class
        lane[i, SURPRISE] = surprise
        lane[i, PLACE] = ((x - REACH) % GRID) * GRID + (y - REACH) % GRID
        _contexts(kind, ctx, i, canvas, sees, y, x, channel, high, center, spread_class, surprise)
        value, length = np.int64(0), 0
        if uses_matches(s):
            value, length = expected(s.matches, canvas, y - REACH, x - REACH, channel)
            lane[i, MATCHED] = length
        both = np.int64(canvas[y, x - 1, channel]) * 256 + canvas[y - 1, x, channel]
        ctx[i, 14] = value * 16 + length
        ctx[i, 15] = (both * 256 + value) * 2 + min(length, 1)
        for j in range(ctx.shape[1]):
            ctx[i, j] = ctx[i, j] * 8 + channel


@njit(cache=True, nogil=True)
def finish_side(
    s: State, kind: int, slope: int, canvas: Int32, sees: Int32, wide: Int32, guesses: Int64
) -> None:
    """Take the values that the bits of all lanes say into ``canvas``."""
    channel, t, first, lane = s.wave[CHANNEL], s.wave[T], s.wave[FIRST], s.lane
    low_bits = s.limits[LOW_BITS]
    c = channel >> 1 if kind == WIDE else channel
    for i in range(s.wave[COUNT]):
        y, x = first + i + REACH, t - slope * (first + i) + REACH
        value = lane[i, NODE] & 255
        canvas[y, x, channel] = value
        s.error[y, x, channel] = min(max(16 * value - lane[i, LINEAR], -_FAR), _FAR)
        if kind == WIDE:
            if channel & 1 == 0:
                continue
            value += np.int64(canvas[y, x, channel - 1]) << low_bits
            wide[y, x, c] = value
        elif kind == LOW:
            value += np.int64(sees[y, x, c]) << low_bits
            wide[y, x, c] = value
        for k in range(PREDICTORS):
            s.penalties[y, x, c, k] = min(abs(16 * value - guesses[i, k]), _FAR)
    if uses_matches(s) and channel == canvas.shape[2] - 1:
        update_matches(s.matches, s.table, canvas, t, first, s.wave[COUNT], slope)


def framed(planes: npt.NDArray[np.uint8]) -> Int32:
    """Return planes (H, W, C) with a frame of REACH zeros around, as the kernels take what a layer sees."""
    return np.pad(planes.astype(np.int32), ((REACH, REACH), (REACH, REACH), (0, 0)))


class SideLayer:
    """One side layer of a tile, in the shape that the mixing stage takes a network in.

    Parameters
    ----------
    kind : int
        ALPHA, LOW, INDEX, BILEVEL, or WIDE: high and low bits of each value one after the other.
    bits, low_bits : int
        Of a value of the layer, 1..8; how many of the image's values are low ones, 0 if they are not divided.
    sees : ndarray of uint8, shape (H, W, channels seen)
        Of low bytes the high ones; else the layers before, possibly none.
    height, width, channels, slope : int
        Of the layer.
    fits : bool
        Whether low bytes are predicted by least squares, too.
    graphics : bool
        Whether repeats are looked for in alpha; in indices they always are.
    planes : ndarray of uint8, shape (H, W, C), optional
        Its values, when encoding.
    """

    def __init__(
        self,
        kind: int,
        bits: int,
        low_bits: int,
        sees: npt.NDArray[np.uint8],
        height: int,
        width: int,
        channels: int,
        slope: int,
        fits: bool,
        graphics: bool,
        planes: npt.NDArray[np.uint8] | None = None,
    ) -> None:
        self.kind, self.bits, self.low_bits = kind, bits, low_bits
        self.height, self.width, self.slope = height, width, slope
        self.fits = fits and low_bits > 0
        self.graphics = kind in (INDEX, BILEVEL) or (graphics and kind == ALPHA)
        self.state = _plain_state(height, width, channels, lane_count(slope, height, width))
        self.weights = _PLAIN_WEIGHTS
        self.sees = framed(sees)
        self.wide, self.values = _NONE, channels // 2 if kind == WIDE else channels
        if low_bits:
            around = (height + REACH, width + 2 * REACH, self.values)
            self.wide = np.full(around, PAD_VALUE << low_bits, np.int32)
        if kind in (INDEX, BILEVEL):
            self.state.canvas[:] = 0
        if planes is None:
            return
        self.state.canvas[REACH:, REACH:-REACH] = planes
        if low_bits:
            high, low = (planes[:, :, ::2], planes[:, :, 1::2]) if kind == WIDE else (sees, planes)
            self.wide[REACH:, REACH:-REACH] = (high.astype(np.int32) << low_bits) + low

    @property
    def plan(self) -> SidePlan:
        """Return how the layer is mixed."""
        odds, certain, prior, each = _PLANS[self.kind]
        return SidePlan(
            SIDE_CONTEXTS, PREDICTORS, self.bits, self.low_bits, self.graphics, odds, certain, prior, each
        )

    def planes(self) -> npt.NDArray[np.uint8]:
        """Return the values of the tile, shape (H, W, C)."""
        return self.state.canvas[REACH:, REACH:-REACH].astype(np.uint8)


def _plain_weights() -> Weights:
    """Return weights of no network: but for the logistic table, kernels are never asked to use them."""
    floats = {"input": 2, "conv": 3, "mix": 3, "first": 2, "second": 3, "last": 3}
    parts: dict[str, npt.NDArray[Any]] = {"first_earlier": np.zeros((1, 1, 1), np.float32)}
    for name, dimensions in floats.items():
        parts[f"{name}_weight"] = np.zeros((1,) * dimensions, np.float32)
        for part in ("bias", "shift"):
            parts[f"{name}_{part}"] = np.zeros((1,) * (1 if name == "input" else 2), np.int32)
    none = np.zeros(1, np.int32)
    return Weights(**parts, logistic=LOGISTIC_TABLE, scale_table=none, weight_table=none)


_PLAIN_WEIGHTS = _plain_weights()


def _plain_state(height: int, width: int, channels: int, lanes: int) -> NetworkState:
    """Return the state of no network: a canvas, and room for mixtures."""
    flat = np.zeros((1, 1), np.float32)
    return NetworkState(
        np.full((height + REACH, width + 2 * REACH, channels), PAD_VALUE, np.int32),
        np.zeros((1, 1, 1, 1), np.float32),
        np.zeros((1, 1), np.int32),
        *(flat,) * 9,
        np.zeros(1, np.int32),
        *np.zeros((3, lanes, PREDICTORS), np.int64),
    )
