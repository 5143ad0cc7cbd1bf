"""Tables, adaptive probabilities and the learning of mixers: what all layers coded by bits share."""

from __future__ import annotations

import hashlib
import math
import struct

ONE = 2**24


def clamp(v, a, b):
    return max(a, min(v, b))


# Logarithm, stretch and squash


def _sigmoids(count, one):
    return [math.floor(one / (1 + math.exp(-(k - count // 2) / 32))) for k in range(count)]


LN = [0, *(math.floor(256 * math.log(n) + 0.5) for n in range(1, 4097))]
STRETCH = [math.floor(256 * math.log((2 * k + 1) / (8191 - 2 * k)) + 0.5) for k in range(4096)]
SQUASH, LOGISTIC = _sigmoids(961, ONE), _sigmoids(1025, 2**22)


def tables_digest():
    values = LN + STRETCH + SQUASH + LOGISTIC
    return hashlib.blake2b(struct.pack(f"<{len(values)}i", *values), digest_size=8).hexdigest()


def ln(n):
    if n <= 4096:
        return LN[n]
    if n < 2**16:
        return LN[n >> 4] + 710
    return LN[n >> 8] + 1420 if n < 2**20 else LN[n >> 12] + 2130


def squash(x):
    j, f = divmod(x + 61440, 128)
    return SQUASH[j] + ((SQUASH[j + 1] - SQUASH[j]) * f >> 7)


# Adaptive probabilities


def entry(x):
    return [(squash(clamp(x, -61440, 61439)) >> 2) - 2**21, 0]


def move(entry, bit, limit):
    rate = 131072 // (2 * entry[1] + 3)
    entry[0] += ((2**21 - 1 - entry[0]) * rate) >> 16 if bit else -(((entry[0] + 2**21) * rate) >> 16)
    entry[1] = min(entry[1] + 1, limit)


def mix(inputs, weights, final):
    """Section Mixers: what each weight set makes of the inputs, and what the final weights make of these."""
    dots = [
        clamp(sum(a * (w >> 9) for a, w in zip(inputs, of_set, strict=True)) >> 7, -61439, 61439)
        for of_set in weights
    ]
    mixed = sum(dot * v for dot, v in zip(dots, final, strict=True)) >> 20
    return dots, clamp(mixed, -61439, 61439)


def output(apm, where, logit):
    """Section Output: the entry of ``apm`` that learns, and the frequency of bit 1."""
    z = clamp((logit >> 8) + 256, 0, 511)
    f = z & 15
    low, high = (apm.setdefault((*where, at), entry((at - 16) * 4096)) for at in (z >> 4, (z >> 4) + 1))
    c = ((low[0] + 2**21) * (16 - f) + (high[0] + 2**21) * f) >> 2
    return high if f >= 8 else low, clamp((3 * squash(logit) + c) >> 2, 16, ONE - 16)


def train(inputs, weights, dots, final, logit, bit, rate):
    """Section Learning: move the weight sets of a mixer, and the final weights of what they came to."""
    q = min(sum(a * a >> 8 for a in inputs) >> 8, 2047)
    rate = rate * (6553600 // (100 + q)) >> 16
    error = 65535 * bit - (squash(logit) >> 8)
    for m, (dot, of_set) in enumerate(zip(dots, weights, strict=True)):
        final[m] = clamp(final[m] + ((dot * 3 * error + 2**17) >> 18), -(2**24), 2**24)
        step = ((65535 * bit - (squash(dot) >> 8)) * rate) >> 8
        for i, a in enumerate(inputs):
            of_set[i] = clamp(of_set[i] + ((a * step + 2048) >> 12), -(2**23), 2**23)


def halfoctave(v):
    steps = 0
    while v >= 4:
        v, steps = v >> 1, steps + 2
    return min(steps + (v == 3), 15)
