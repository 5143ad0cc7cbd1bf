"""The state of the mixing stage: of a layer of a tile, all that it has learnt and holds of a wavefront.

Shapes: N lanes, K mixture components, J contexts, I inputs of a mixer, M mixers, H W height and width.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.mixing.contexts import REFERENCE_CONTEXTS, chosen_contexts
from pixcodec.mixing.counters import COUNT_BITS, HALF
from pixcodec.mixing.least_squares import error_planes
from pixcodec.mixing.maps import FIRST_INPUT, TOTAL, Maps, new_apm, new_maps
from pixcodec.mixing.matches import LENGTH_CLASSES, Repeats, new_repeats
from pixcodec.mixing.mixer import WEIGHT_BITS, Mixers, new_mixers
from pixcodec.mixing.slots import Slots, new_slots, slot_bits
from pixcodec.network.architecture import REACH
from pixcodec.network.distribution import Mixture
from pixcodec.network.wavefront import lane_count, new_wave

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Errors = npt.NDArray[Any]  # int16 of the network's layers, int32 of side layers, whose values have 16 bits

NORMAL, MAX = 1, 2  # efforts
MAX_CHANNELS = 6  # of a layer
NEAR_CLASSES = 16  # of the logit around the prediction of a block fit
SPREADS, ERRORS, GRID = 16, 4, 8  # classes of spread and of errors; GRID: pixels of JPEG's blocks
OFFSET = 136  # symbol of a value that equals its base: the middle of a high nibble
BEGINNING = -1  # depth before the first bit of a subpixel
OPEN, SURE, LEFT = range(3)  # kinds of nibbles: mixed; the value is foreseen; it was foreseen wrongly

# What is known of a lane's subpixel.
LANE = np.dtype(
    [
        ("node", np.int64),  # 1, then the bits so far below it
        ("inside", np.int64),  # the node, 1..15, in the tree of its nibble, once its bit is known
        ("bit", np.int64),
        ("ready", np.int64),  # the depth of the bit whose counters were read ahead, or -1
        ("one", np.int64),  # the probability that the bit is 1, in 2**-24
        ("base", np.int64),  # value of symbol OFFSET
        ("mean", np.int64),  # of the mixture, in 1/16 level
        ("width", np.int64),  # about the spread of the mixture, in 1/16 level
        ("linear", np.int64),  # least-squares prediction in 1/16 level; of side layers the mixture's mean
        ("joint", np.int64),  # the joint prediction of effort max, in 1/16 level
        ("spread", np.int64),  # class of the width
        ("surprise", np.int64),  # class of the errors nearby, relative to the width
        ("place", np.int64),  # in a block of 8x8 pixels
        ("repeat", np.int64),  # class of the length of the repeat
        ("still", np.int64),  # class of how still the neighbours are
        ("kind", np.int64),  # of the nibble: OPEN, SURE or LEFT
        ("target", np.int64),  # the value foreseen of a sure nibble, plus 16
        ("squares", np.int64),  # sum of the squared inputs, or NOT_MIXED
        ("mixed", np.int64),  # probability by the mixers, in 2**-16
        ("apm_at", np.int64),  # nearest entry of the map that corrected it
    ],
    align=True,
)
EDGES = 17  # of the 16 values of a nibble
# Learning rates of the mixers in 2**-16: at first, and after many pixels.
RATES = 2000, 200
LINEAR_RATES = 1200, 100  # where least-squares predictions are inputs
RATE_PIXELS = 4096  # after so many half of the way is gone
FIRST_SHARE = 1 << 18  # weight at first of the network's prior, and of those of least squares
NEAR_SHARE = 1 << 19  # the same where there is that of a block fit alone
APM_LIMITS = (255, 1023)  # limit of the counters of the output's map: photographs, graphics

# Of efforts normal and max: contexts of a high nibble, odds of a sure nibble, certain logit (see Rules).
ALL = 1 << 30  # contexts
PHOTO_RULES = ((5, 1 << 8, 7 << 8), (ALL, 1 << 12, 9 << 8))
GRAPHICS_RULES = (ALL, 1 << 12, 9 << 8)
NEAR_RULES = (4, 1 << 8, 7 << 8)
SURE_START = ((TOTAL - (1 << 9)) >> 2) - HALF
SURE_COUNT = 30

# Where the weight sets begin that are chosen by the node, the place in a block, the length of a repeat.
BY_NODE = 8 * MAX_CHANNELS * SPREADS
BY_PLACE = BY_NODE + 256 * MAX_CHANNELS
BY_LENGTH = BY_PLACE + 8 * MAX_CHANNELS * GRID * GRID
WEIGHT_SETS = BY_LENGTH + 8 * MAX_CHANNELS * LENGTH_CLASSES
BY_STILL = WEIGHT_SETS  # of frames that are predicted from others
STILLS = 32  # classes (pixcodec.mixing.reference_contexts)

LOCAL_SHARES = (3 << 14, 1 << 14)  # of a narrow and a wide logistic
NEAR_SHARES = (1 << 16,)  # of a single one
ERROR_CONSTANT = 32  # value of the constant plane of the errors


class Rules(NamedTuple):
    """How a layer is mixed."""

    high_contexts: int  # contexts of a high nibble, the first ones; a low nibble has all
    sure_odds: int  # odds of a nibble's value beyond which it is not mixed; 0: never
    certain: int  # logit of the prior, in 1/256, beyond which a bit is not mixed
    linear: int  # 1 if least-squares predictions are inputs (effort max)
    matches: int  # 1 if repeats are looked for (graphics)
    apm_limit: int
    low_bits: int  # how many of the image's values are low ones; 0 if they are not divided
    first_rate: int
    last_rate: int
    reference: int = 0  # 1 if the layer is predicted from a frame before
    near: int = 0  # 1 if the prediction of a block fit is an input (photographs, effort normal, version 9)
    open_ends: int = 0  # 1 if a value is as likely as the mixture says, given that it is none of the others


class Mixing(NamedTuple):
    """The state of a layer of a tile."""

    rules: Rules
    wave: Any  # one of WAVE
    first_depths: Int64  # C: of a subpixel's first bit: values of few bits begin later
    lane: Any  # N of LANE
    ctx: Int64  # N, J
    open: Int64  # N: the lanes whose nibble is open, or whose bit is learnt from
    slots: Slots
    maps: Maps
    mixers: Mixers
    apm: Int32  # C * 256 * 33
    # F at the edges of the values of the lanes' nibbles, by the network's mixture and by the priors around
    # other predictions; that of the latter is set for open nibbles.
    edges: Int32  # priors, N, EDGES
    sure: Int32  # C * 8 * 4: how often the network is right when it is sure
    around_linear: Mixture  # N, 2: around the prediction of least squares, as wide as its errors nearby
    around_joint: Mixture  # N, 2: around the joint prediction
    error: Errors  # H + 3, W + 6, C or more (error_planes): errors of predictions, in 1/16 level, 0 outside
    repeats: Repeats


class SidePlan(NamedTuple):
    """How a side layer is mixed."""

    contexts: int
    bits: int  # of a value
    low_bits: int  # as in Rules
    matches: bool
    odds: int
    certain: int
    prior_weight: int  # weights at first, in 2**-20
    context_weight: int
    reference: bool = False
    open_ends: bool = False
    rates: tuple[int, int] = RATES


class Extent(NamedTuple):
    """Size of a layer of a tile, and the slope of its wavefronts; the most pixels of a frame of a series."""

    height: int
    width: int
    channels: int
    slope: int
    most_pixels: int = 0

    @property
    def lanes(self) -> int:
        """Return the largest number of lanes of a wavefront."""
        return lane_count(self.slope, self.height, self.width)

    @property
    def framed(self) -> tuple[int, int]:
        """Return height and width of a canvas."""
        return self.height + REACH, self.width + 2 * REACH


def network_rules(
    effort: int, contexts: int, graphics: bool, reference: bool = False, near: bool = False
) -> Rules:
    """Return the rules of a layer of the network, by effort (NORMAL or MAX)."""
    linear = effort == MAX
    high, odds, certain = GRAPHICS_RULES if graphics else NEAR_RULES if near else PHOTO_RULES[effort - 1]
    high += REFERENCE_CONTEXTS * reference
    rates = LINEAR_RATES if linear else RATES
    limit = APM_LIMITS[graphics]
    return Rules(
        *(min(high, contexts), odds, certain, int(linear), int(graphics), limit, 0, *rates),
        reference=int(reference),
        near=int(near),
    )


def side_rules(plan: SidePlan) -> Rules:
    """Return the rules of a side layer."""
    matches = int(plan.matches)
    rest = (APM_LIMITS[1], plan.low_bits, *plan.rates, int(plan.reference), 0, int(plan.open_ends))
    return Rules(plan.contexts, plan.odds, plan.certain, 0, matches, *rest)


def new_network_mixing(
    effort: int,
    size: Extent,
    logistic: Int64,
    *,
    graphics: bool = False,
    reference: bool = False,
    near: bool = False,
) -> Mixing:
    """Return the state of a layer of the network of which nothing is coded yet.

    Memory is bounded: 8 MiB of slots a context at most, so 96 MiB (normal) or 280 MiB (max) a tile, and less
    than 100 bytes a pixel besides (those of least squares: see :func:`systems_size_bytes`).

    Parameters
    ----------
    effort : int
        NORMAL or MAX.
    size : Extent
    logistic : ndarray of int64
        As in Mixture.
    graphics : bool
        Whether repeats and exact neighbourhoods are contexts.
    reference : bool
        Whether what was shown before is.
    near : bool
        Whether the prediction of a block fit is an input; with effort NORMAL and none of the others.
    """
    contexts = len(chosen_contexts(effort, size.channels, graphics, reference, near)[0][0])
    rules = network_rules(effort, contexts, graphics, reference, near)
    inputs = FIRST_INPUT + (2 * contexts + 3 if rules.linear else contexts + rules.near)
    state = _new_mixing(rules, size, contexts, inputs, logistic, np.int16)
    weights = state.mixers.weights
    weights[:, 0] = 1 << WEIGHT_BITS
    if rules.linear:
        weights[:, 0] = weights[:, inputs - 3 : inputs] = FIRST_SHARE
        state.error[:, :, -1] = ERROR_CONSTANT
    if rules.near:
        weights[:, 0] = weights[:, inputs - 1] = NEAR_SHARE
    return state


def new_side_mixing(plan: SidePlan, size: Extent, logistic: Int64) -> Mixing:
    """Return the state of a side layer of which nothing is coded yet."""
    inputs = FIRST_INPUT + 2 * plan.contexts
    state = _new_mixing(side_rules(plan), size, plan.contexts, inputs, logistic, np.int32)
    weights = state.mixers.weights
    weights[:, 0], weights[:, FIRST_INPUT : FIRST_INPUT + plan.contexts] = (
        plan.prior_weight,
        plan.context_weight,
    )
    state.first_depths[:] = 8 - plan.bits
    return state


def _new_mixing(
    rules: Rules,
    size: Extent,
    contexts: int,
    inputs: int,
    logistic: Int64,
    error: type[np.signedinteger[Any]],
) -> Mixing:
    lanes, channels = size.lanes, size.channels
    planes = error_planes(channels) if rules.linear else channels * (1 + rules.near)
    wave = new_wave(size.height, size.width, channels, size.slope)
    wave["depth"] = BEGINNING
    local = NEAR_SHARES if rules.near else LOCAL_SHARES
    shares = np.tile(np.array(local, np.int64), (lanes, 1))
    mean, inverse = np.zeros((2, 2, lanes, len(local)), np.int64)
    area = (1, size.most_pixels) if size.most_pixels else (size.height, size.width)
    sets = WEIGHT_SETS + 8 * MAX_CHANNELS * STILLS * rules.reference
    selectors = 2 + rules.linear + rules.near + rules.matches + rules.reference
    return Mixing(
        rules=rules,
        wave=wave,
        first_depths=np.zeros(channels, np.int64),
        lane=np.zeros(lanes, LANE),
        ctx=np.zeros((lanes, contexts), np.int64),
        open=np.zeros(lanes, np.int64),
        slots=new_slots(contexts, slot_bits(*area), lanes),
        maps=new_maps(channels, contexts, lanes),
        mixers=new_mixers(sets, 8 * MAX_CHANNELS, selectors, inputs, lanes),
        apm=new_apm(channels * 256),
        edges=np.zeros((1 + (3 if rules.linear else rules.near), lanes, EDGES), np.int32),
        sure=np.full(8 * MAX_CHANNELS * ERRORS, SURE_START << COUNT_BITS | SURE_COUNT, np.int32),
        around_linear=Mixture(shares, mean[0], inverse[0], logistic),
        around_joint=Mixture(shares, mean[1], inverse[1], logistic),
        error=np.zeros((*size.framed, planes), error),
        repeats=new_repeats(size.height, size.width, used=bool(rules.matches)),
    )
