"""Adaptive maps: what a probability has meant (FORMAT.md, section Mixing, "Maps" and "Adaptive map").

Two kinds of secondary estimation (SSE). The maps of the counters turn the probability and count of a slot's
counter into the probability that such counters turned out to have, for every channel and context apart; it is
an input of the mixers. The adaptive probability map (APM) of the output corrects what the mixers say, for
every node of a subpixel's tree apart.

Shapes: N lanes, J contexts, I inputs.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.mixing.counters import COUNT_BITS, COUNT_MASK, HALF, counter_of
from pixcodec.mixing.logits import to_probability
from pixcodec.mixing.slots import COUNTER_LIMIT
from pixcodec.mixing.tables import FINE_BITS, PROBABILITY_BITS, STRETCH_TABLE
from pixcodec.network.kernels import inlined

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
UInt8 = npt.NDArray[np.uint8]
UInt64 = npt.NDArray[np.uint64]

TOTAL = 1 << PROBABILITY_BITS
LEAST = 16  # least probability of a bit, in 2**-24

MAP_STRETCHES, MAP_COUNTS = 32, 16  # classes of probabilities and of counts
MAP_STEP, MAP_LOW = 144, -2304  # of a logit in 1/256
MAP_LIMIT = 1023
_COUNT_BOUNDS = (1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 255)
STRETCH_CLASS: UInt8 = np.clip((STRETCH_TABLE - MAP_LOW) // MAP_STEP, 0, MAP_STRETCHES - 1).astype(np.uint8)
COUNT_CLASS: Int16 = np.array(
    [MAP_STRETCHES * sum(n >= bound for bound in _COUNT_BOUNDS) for n in range(COUNTER_LIMIT + 1)], np.int16
)
CONFIDENCE: Int16 = np.array([min(256, 32 * n) for n in range(COUNTER_LIMIT + 1)], np.int16)

APM_LOGITS = 33  # from -16 to 16
FIRST_INPUT = 2  # before the contexts' inputs: the prior and a constant


class Maps(NamedTuple):
    """Maps of the counters, and which entries the lanes use now."""

    entries: Int32  # counters: (channels, or classes of nodes) * J * 512; flat
    at: UInt64  # N, J


def new_maps(rows: int, contexts: int, lanes: int) -> Maps:
    """Return maps in which every class of probabilities means its middle."""
    return Maps(np.tile(_one_map(), rows * contexts), np.zeros((lanes, contexts), np.uint64))


@cache
def _one_map() -> Int32:
    middles = [16 * MAP_LOW + (2 * k + 1) * 8 * MAP_STEP for k in range(MAP_STRETCHES)]
    return np.tile(np.array([counter_of(m) for m in middles], np.int32), MAP_COUNTS)


def new_apm(rows: int) -> Int32:
    """Return so many maps of 33 counters, for logits -16 .. 16, that correct nothing."""
    return np.tile(_one_apm(), rows)


@cache
def _one_apm() -> Int32:
    return np.array([counter_of((k - 16) << FINE_BITS) for k in range(APM_LOGITS)], np.int32)


@inlined
def has_counters(inputs: Int32, contexts: int) -> Any:
    """Return whether contexts have two inputs each: the counters themselves beside the maps."""
    return inputs.shape[1] >= FIRST_INPUT + 2 * contexts


@inlined
def clear_inputs(inputs: Int32, i: int, used: int, contexts: int) -> None:
    """Let the inputs of lane ``i`` by contexts but the first ``used`` be 0."""
    for j in range(used, contexts):
        inputs[i, FIRST_INPUT + j] = 0
        if has_counters(inputs, contexts):
            inputs[i, FIRST_INPUT + contexts + j] = 0


@inlined
def read_counters(
    inputs: Int32,
    i: int,
    row: int,
    k: int,
    mine: tuple[int, int],
    counters: Int32,
    at: UInt64,
    maps: Maps,
) -> None:
    """Turn counters ``at[i, j] + k`` of lane ``i``, of the contexts ``mine``, into inputs of mixers.

    ``row`` says whose maps are asked: those of a channel, or of a class of nodes.
    """
    contexts, entries, map_at = at.shape[1], maps.entries, maps.at
    also_counters = has_counters(inputs, contexts)
    for j in range(np.uint64(max(mine[0], 0)), np.uint64(mine[1])):
        entry = np.int64(counters[at[i, j] + np.uint64(k)])
        p, count = np.uint64((entry >> 20) + 2048), np.uint64(entry & COUNT_MASK)
        first = (np.uint64(row * contexts) + j) * np.uint64(MAP_COUNTS * MAP_STRETCHES)
        where = first + np.uint64(COUNT_CLASS[count]) + np.uint64(STRETCH_CLASS[p])
        map_at[i, j] = where
        meant = np.int64(entries[where] >> 20) + 2048
        inputs[i, np.uint64(FIRST_INPUT) + j] = STRETCH_TABLE[np.uint64(meant)]
        if also_counters:
            second = np.uint64(FIRST_INPUT + contexts) + j
            inputs[i, second] = ((entry >> 20) * np.int64(CONFIDENCE[count])) >> 10


@inlined
def corrected(apm: Int32, first: int, mixed: int, lane: Any) -> Any:
    """Return the probability in 2**-24 of a mixed logit, a quarter of it as the APM from ``first`` on has it.

    Keeps in the lane's record the nearest entry of the map, and the probability before, in 2**-16.
    """
    z = min(max((mixed >> 8) + 256, 0), 511)
    where, share = first + (z >> 4), z & 15
    lane.apm_at = where + (share >> 3)
    low, high = np.int64(apm[where] >> COUNT_BITS) + HALF, np.int64(apm[where + 1] >> COUNT_BITS) + HALF
    likely = to_probability(mixed)
    lane.mixed = likely >> 8
    p = (3 * likely + ((low * (16 - share) + high * share) >> 2)) >> 2
    return min(max(p, LEAST), TOTAL - LEAST)
