"""Plain predictors of side layers, and a mixture of them in place of the network's (FORMAT.md, Side layers).

Each of K predictors gives a guess; their distributions are as wide, and weigh as much, as their errors nearby
say. The last predictor is a blend of the others.

Values may be divided into high and low bits, coded one after the other: two *parts*, each with a mixture of
its own made from the same guesses. Shapes: N lanes, C channels of values, K predictors, H W height and width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.distribution import Mixture
from pixcodec.network.kernels import inlined, kernel

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

NETWORK, ALPHA, LOW, INDEX, BILEVEL, WIDE = range(6)  # kinds of layers, to the kernels
PREDICTORS = 7
NO_FIT = -1  # in place of a least-squares prediction
FAR = 1 << 21  # largest error that is kept, in 1/16 level
_ONE = 1 << 16
_WIDEST = 1 << 21  # scale, so that its inverse is not 0; values of 16 bits have no such errors
_TAIL = 6  # a mean further outside the range than so many scales changes nothing
_HIGH, _LOW = range(2)  # parts of a value


class Predictors(NamedTuple):
    """What the predictors of a layer look at, their guesses and their errors."""

    kind: int  # ALPHA, LOW, INDEX, BILEVEL or WIDE
    low_bits: int  # how many of the image's values are low ones, 0 if they are not divided
    further: int  # by how many bits the values exceed 16
    top: int  # the largest value, in 1/16 level
    values: Int32  # H + 3, W + 6, C: the image's values if they are divided, else the layer's
    sees: Int32  # H + 6, W + 6, channels seen: layers coded before; of LOW the high bits
    guesses: Int64  # N, K: in 1/16 level
    penalties: Int32  # H + 3, W + 6, C, K: absolute errors of the guesses, in 1/16 level


class Value(NamedTuple):
    """A value that is to be predicted."""

    lane: int
    y: int  # in the canvas
    x: int
    channel: int  # of the values
    part: int  # 0: the value, or its high bits; 1: its low bits
    high: int  # of part 1, the high bits, up to 16


@inlined
def _med(w: int, n: int, nw: int) -> Any:
    """Return the median of W, N and W + N - NW."""
    return max(min(w, n), min(max(w, n), w + n - nw))


@inlined
def same(sees: Int32, y: int, x: int, other_y: int, other_x: int) -> Any:
    """Return 1 if the layers before are the same at two places, 0 if they are not or if there are none."""
    for c in range(sees.shape[2]):
        if sees[y, x, c] != sees[other_y, other_x, c]:
            return 0
    return 1 if sees.shape[2] else 0


@kernel
def guess(s: Predictors, at: Value, linear: int) -> None:
    """Write the guesses of a value, but for the blend, to its lane's row.

    ``linear``: a least-squares prediction, of indices the reference, in 1/16 level; or NO_FIT.
    """
    v, guesses, i, y, x, c = s.values, s.guesses, at.lane, at.y, at.x, at.channel
    w, n = np.int64(v[y, x - 1, c]), np.int64(v[y - 1, x, c])
    nw, ne = np.int64(v[y - 1, x - 1, c]), np.int64(v[y - 1, x + 1, c])
    med = _med(w, n, nw)
    guesses[i, 0] = 16 * med
    guesses[i, 1] = 16 * w
    guesses[i, 2] = 16 * n
    guesses[i, 3] = 16 * (w + ne - n)
    guesses[i, 4] = 8 * (w + n) + 4 * (ne - nw)
    guesses[i, 5] = guesses[i, 4]
    if s.kind in (LOW, WIDE):
        if c > 0:
            e = c - 1
            d_w, d_n, d_nw = w - v[y, x - 1, e], n - v[y - 1, x, e], nw - v[y - 1, x - 1, e]
            guesses[i, 3] = 16 * (_med(d_w, d_n, d_nw) + v[y, x, e])
        if linear != NO_FIT:
            guesses[i, 5] = linear
    elif s.kind == INDEX and linear != NO_FIT:
        guesses[i, 5] = linear
    elif s.kind == ALPHA:
        like = med
        if same(s.sees, y, x, y, x - 1):
            like = w
        elif same(s.sees, y, x, y - 1, x):
            like = n
        elif same(s.sees, y, x, y - 1, x - 1):
            like = nw
        elif same(s.sees, y, x, y - 1, x + 1):
            like = ne
        guesses[i, 5] = 16 * like
    for k in range(PREDICTORS - 1):
        guesses[i, k] = min(max(guesses[i, k], 0), s.top)


@inlined
def _errors_nearby(penalties: Int32, y: int, x: int, c: int, k: int) -> Any:
    """Return the errors of a predictor nearby, added up with weights of 12 in all."""
    return (
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


@kernel
def _weigh(s: Predictors, at: Value, mixture: Mixture) -> None:
    """Write weights and scales (the latter in place of their inverses) of the predictors, and the blend."""
    i, guesses, weight, scales = at.lane, s.guesses, mixture.weight, mixture.inverse
    total, blend, shares = np.int64(0), np.int64(0), np.int64(0)
    first_part = at.part == _HIGH or s.kind == LOW
    for k in range(PREDICTORS):
        if k == PREDICTORS - 1 and first_part:
            guesses[i, k] = blend // shares
        off: Any = _errors_nearby(s.penalties, at.y, at.x, at.channel, k)
        small: Any = min((off >> s.further) + 4, 1 << 20)  # a blend of wider values needs smaller weights
        scales[i, k] = min(max(off // 16, 1), _WIDEST)
        weight[i, k] = (1 << (42 - s.further)) // (small * small) + 1
        total += weight[i, k]
        shares += weight[i, k]
        blend += weight[i, k] * guesses[i, k]
    rest = np.int64(_ONE)
    for k in range(PREDICTORS):
        weight[i, k] = weight[i, k] * _ONE // total
        rest -= weight[i, k]
    weight[i, 0] += rest


@kernel
def mix_guesses(s: Predictors, at: Value, mixture: Mixture) -> tuple[Any, Any]:
    """Make a mixture of the guesses of a lane; return its mean and spread, all in 1/16 level of the part."""
    _weigh(s, at, mixture)
    i, guesses, low_bits = at.lane, s.guesses, s.low_bits
    weight, mean, inverse = mixture.weight, mixture.mean, mixture.inverse
    center, spread = np.int64(0), np.int64(0)
    for k in range(PREDICTORS):
        center += weight[i, k] * guesses[i, k]
        scale: Any = inverse[i, k]
        spread += weight[i, k] * ((29 * scale) >> 4)
        if at.part == _HIGH:
            mean[i, k] = ((guesses[i, k] + 8) >> low_bits) - 8
            inverse[i, k] = (1 << (22 + low_bits)) // scale
        else:
            within = guesses[i, k] - (at.high << (4 + low_bits))
            mean[i, k] = min(max(within, -8 - _TAIL * scale), (16 << low_bits) + 8 + _TAIL * scale)
            inverse[i, k] = (1 << 22) // scale
    center >>= 16
    spread >>= 16
    if at.part == _HIGH:
        return ((center + 8) >> low_bits) - 8, spread >> low_bits
    return center - (at.high << (4 + low_bits)), spread


@kernel
def learn_value(s: Predictors, at: Value, value: int) -> None:
    """Keep the errors of the guesses of a value that is known now."""
    most = FAR << s.further
    for k in range(PREDICTORS):
        s.penalties[at.y, at.x, at.channel, k] = min(abs(16 * value - s.guesses[at.lane, k]), most)
