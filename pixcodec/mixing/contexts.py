"""Contexts of the network's layers: what is known before a subpixel, as numbers (FORMAT.md, section Mixing).

A context is an integer below 2**56; a subpixel's statistics are kept for every context apart. With u the
previous channel's value at the same pixel, the symbol is (value - u + 136) mod 256, so contexts without u
predict the difference to it, and contexts with u the value itself; the symbol of the first channel is its
value. Subpixels outside the tile read as ``PAD_VALUE``.

To add a context of RGB: write it in :mod:`pixcodec.mixing.rgb_contexts` or :mod:`pixcodec.mixing.lattices` as
number RGB_CONTEXTS - LINEAR_CONTEXTS, raise RGB_CONTEXTS by one, and choose it below for effort normal.
Effort max has all contexts.

Shapes: N lanes, J contexts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.kernels import inlined, kernel

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

RGB_CONTEXTS = 35
GREY_CONTEXTS = 15
LINEAR_CONTEXTS = 3  # the last ones of both: those of linear_contexts

# Which contexts each effort uses, by channel, as many for each. A high nibble of effort normal has only the
# first five (pixcodec.mixing.state.PHOTO_RULES).
NORMAL_RGB = (
    (0, 2, 3, 9, 18, 4, 5, 16, 17, 19, 26, 28),
    (0, 1, 2, 3, 18, 4, 5, 8, 11, 16, 17, 19),
    (0, 1, 2, 3, 18, 4, 5, 8, 11, 16, 17, 19),
)
MAX_RGB = (tuple(range(RGB_CONTEXTS)),) * 3
NORMAL_GREY = (tuple(range(12)),)
# Beside the prediction of a block fit, fewer are enough.
NEAR_RGB = ((1, 18, 14, 17, 3, 16, 10, 5),) * 3
NEAR_GREY = ((1, 0, 3, 4, 5, 8, 9, 11),)
MAX_GREY = (tuple(range(GREY_CONTEXTS)),)

# Of graphics, these and all exact contexts; effort max has all of both.
EXACT_CONTEXTS = 7  # those of exact_contexts
GRAPHICS_RGB = ((0, 2, 3, 4, 9, 5, 28, 27), (0, 1, 2, 3, 4, 9, 5, 28), (0, 1, 2, 3, 4, 9, 5, 28))
GRAPHICS_GREY = ((0, 1, 2, 3, 4, 9, 10, 11),)

# Of frames that are predicted from others, effort max leaves these out: mixers have no room for more.
REFERENCE_CONTEXTS = 8  # those of pixcodec.mixing.reference_contexts
DROPPED_RGB = (6, 7, 10, 11, 12, 13, 14, 15)

_FACTOR = np.uint64(-7046029254386353131 % (1 << 64))
_LAST = np.uint64(-4417276706812531889 % (1 << 64))


class Pixel(NamedTuple):
    """A subpixel whose contexts are wanted."""

    lane: int
    y: int  # in the canvas
    x: int
    channel: int
    phase: int  # 2 * (column mod 2) + row mod 2, in the tile
    mean: int  # of the network's mixture, in 1/16 level
    spread: int  # class of the mixture's spread, 0..15
    error: int  # class of the mixture's recent errors relative to its spread, 0..3


def chosen_contexts(
    effort: int, channels: int, graphics: bool, reference: bool = False, near: bool = False
) -> tuple[tuple[tuple[int, ...], ...], int]:
    """Return the numbers of the contexts of each channel, and how many there are to choose from.

    With a ``reference``, its contexts come first, and stand after all others in number.
    """
    chosen, total = _chosen_alone(effort, channels, graphics)
    if near:
        return NEAR_GREY if channels == 1 else NEAR_RGB, total
    if not reference:
        return chosen, total
    own = tuple(range(total, total + REFERENCE_CONTEXTS))
    dropped = DROPPED_RGB if effort == 2 and channels == 3 else ()
    return tuple(
        own + tuple(number for number in numbers if number not in dropped) for numbers in chosen
    ), total + REFERENCE_CONTEXTS


def _chosen_alone(effort: int, channels: int, graphics: bool) -> tuple[tuple[tuple[int, ...], ...], int]:
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


@kernel
def clamped(value: int) -> int:
    """Return a value as a level, 0..255."""
    return min(max(value, 0), 255)


@inlined
def hashed(seed: int, value: int) -> Any:
    """Return a number below 2**56 that depends on all of ``seed`` and ``value``."""
    h = (np.uint64(seed) + np.uint64(value) + np.uint64(1)) * _FACTOR
    h ^= h >> np.uint64(32)
    return np.int64(h * _LAST >> np.uint64(8))


@kernel
def grey_contexts(ctx: Int64, canvas: Int32, p: Pixel) -> None:
    """Write contexts 0 .. 11 of a grey pixel to its lane's row of ``ctx`` (N, J)."""
    i, y, x, phase, mean, spread, error = p.lane, p.y, p.x, p.phase, p.mean, p.spread, p.error
    w, n, nw, ne = canvas[y, x - 1, 0], canvas[y - 1, x, 0], canvas[y - 1, x - 1, 0], canvas[y - 1, x + 1, 0]
    ww, nn, nne = canvas[y, x - 2, 0], canvas[y - 2, x, 0], canvas[y - 2, x + 1, 0]
    level, half = mean >> 4, mean >> 3
    ctx[i, 0] = half
    ctx[i, 1] = w * 256 + n
    ctx[i, 2] = clamped(w + n - nw) * 16 + spread
    ctx[i, 3] = (level * 16 + spread) * 4 + error
    ctx[i, 4] = (w * 256 + n) * 64 + (ne >> 2)
    ctx[i, 5] = half * 4 + phase
    ctx[i, 6] = clamped(2 * w - ww) * 4 + phase
    ctx[i, 7] = clamped(2 * n - nn) * 4 + phase
    ctx[i, 8] = ((w + ne) >> 1) * 256 + n
    ctx[i, 9] = ((w * 256 + n) * 256 + nw) * 256 + ne
    ctx[i, 10] = (((w * 256 + n) * 256 + nw) * 256 + ne) * 65536 + ww * 256 + nn
    ctx[i, 11] = clamped(n + ne - nne) * 4 + phase


@kernel
def linear_contexts(ctx: Int64, first: int, linear: int, u: int, p: Pixel) -> None:
    """Write three contexts of a least-squares prediction in 1/16 level, from number ``first`` on.

    ``u`` is the previous channel's value, 0 for the first channel.
    """
    i, mean, spread, error = p.lane, p.mean, p.spread, p.error
    half = (linear >> 3) - 2 * u + 512
    beyond = min(max((linear - mean) >> 2, -32), 31) + 32
    ctx[i, first] = half
    ctx[i, first + 1] = (((linear >> 4) - u + 256) * 16 + spread) * 4 + error
    ctx[i, first + 2] = half * 64 + beyond


class Expected(NamedTuple):
    """What a graphic's contexts know besides."""

    value: int  # what the repeat that the row follows says
    length: int  # the class of its length, 0 if there is none


@kernel
def exact_contexts(ctx: Int64, first: int, canvas: Int32, sees: Int32, p: Pixel, repeat: Expected) -> None:
    """Write the contexts of whole pixels around a pixel of graphics, from number ``first`` on.

    ``sees`` (H + 6, W + 6, channels seen) is alpha if it was coded before.
    """
    i, y, x, channel, value, length = p.lane, p.y, p.x, p.channel, repeat.value, repeat.length
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
