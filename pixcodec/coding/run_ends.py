"""Pixels that end a run: they differ from the pixel before (FORMAT.md, Pixels that end a run).

Shapes: N lanes, J contexts, K components.
"""

from __future__ import annotations

import numpy as np

from pixcodec.coding.run_state import Int32, Int64, Runs
from pixcodec.coding.runs import reference_value
from pixcodec.network.distribution import LOGISTIC_BITS, WEIGHT_BITS, Mixture, logistic_at
from pixcodec.network.kernels import kernel
from pixcodec.network.wavefront import Record, Share, first_of, position

_MARK = np.int64(1 << 60)
_WIDEST = 1 << 16  # largest inverse scale of a component of a discounted mixture: 4 levels


@kernel
def discount_lanes(s: Runs, canvas: Int32, mixture: Mixture, wave: Record, share: Share) -> None:
    """Tell the mixtures of the lanes whose value differs from the one before that it does."""
    for i in range(first_of(share), share.end):
        if s.broken[i] == wave.channel + 1:
            y, x = position(wave, i)
            discount(mixture, i, reference_value(s, canvas, y, x, wave.channel))


@kernel
def mark_contexts(s: Runs, ctx: Int64, wave: Record) -> None:
    """Let contexts (N, J) of values that are known to differ from the one before be others than elsewhere."""
    for i in range(wave.lanes):
        if s.broken[i] == wave.channel + 1:
            for j in range(ctx.shape[1]):
                ctx[i, j] += _MARK


@kernel
def discount(mixture: Mixture, i: int, value: int) -> None:
    """Take from the weights of lane ``i``'s components what they give to a value, and widen them.

    Weights, which sum to 2**16, are multiplied by one minus the probability that the component gives to the
    value; what rounding down leaves goes to the first one. If little is left, that is all.
    """
    weight, mean, inverse, steps = mixture.weight, mixture.mean, mixture.inverse, mixture.logistic
    total = np.int64(0)
    for k in range(weight.shape[1]):
        z, width = (16 * value - 8 - mean[i, k]) * inverse[i, k], 16 * inverse[i, k]
        mass = logistic_at(steps, z + width) - logistic_at(steps, z)
        weight[i, k] = (weight[i, k] * ((1 << LOGISTIC_BITS) - mass)) >> (LOGISTIC_BITS - 8)
        inverse[i, k] = min(inverse[i, k], _WIDEST)
        total += weight[i, k]
    left = np.int64(1 << WEIGHT_BITS)
    for k in range(weight.shape[1]):
        weight[i, k] = (weight[i, k] << WEIGHT_BITS) // (total + 1)
        left -= weight[i, k]
    weight[i, 0] += left
