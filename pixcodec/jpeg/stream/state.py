"""The state of a stream of coefficients (FORMAT.md, part Streams of coefficients).

Shapes: R rows and C columns of blocks, N lanes, one for each row, J contexts, M mixers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import new_progress
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, Blocks
from pixcodec.jpeg.state import FIRST_EDGE
from pixcodec.jpeg.stream.network import Network
from pixcodec.jpeg.stream.network_files import new_network, no_network
from pixcodec.mixing.maps import new_apm
from pixcodec.mixing.mixer import WEIGHT_BITS, Mixers, new_mixers
from pixcodec.mixing.slots import Slots, new_slots
from pixcodec.network.kernels import implements

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

EDGE_UNITS = 16  # of an edge's prediction: parts of a step of quantisation
RECIPROCAL_BITS = 28
COMPONENTS = 4  # at most
NODE_CLASSES = 24
SET_CLASSES = 64  # of what chooses a mixer's weights
MIN_SLOT_BITS = 8
FIRST_SUM = 1.6  # of the weights of all contexts
NETWORKED_SUM, NETWORK_WEIGHT = 0.6, 0.7  # the same, and the network's weight
VALUES, SIZES = 11, 13  # features of the fits of values and of magnitudes
ROOM = 16  # of a row of features, and of normal equations: the target follows the features


class StreamKind(NamedTuple):
    """How streams are coded."""

    effort: int  # its number; those above the last of THOROUGHNESS are as that
    networked: bool = True  # networks foresee the bits; streams of earlier versions of the format have none

    @property
    def row(self) -> int:
        """Return the number of the row of THOROUGHNESS."""
        return min(self.effort, len(THOROUGHNESS) - 1)


class Thoroughness(NamedTuple):
    """How much a stream of one effort learns."""

    contexts: int
    mixers: int
    slot_bits: int  # log2 of the slots of a context, at most
    sampled: int  # of so many blocks, one is learnt by the fits
    plain_fit: int  # a sign is not mixed if the magnitude foreseen is less, in 1/16
    plain_kind: int  # a bit is not mixed if its class is not less


THOROUGHNESS = (
    Thoroughness(7, 2, 15, 8, 4, 20),
    Thoroughness(15, 4, 16, 2, 0, NODE_CLASSES),
    Thoroughness(23, 6, 17, 1, 0, NODE_CLASSES),
)

# What is known of a lane's block.
LANE = np.dtype(
    [
        ("column", np.int64),  # of the block that is under way, or next
        ("under_way", np.int64),
        ("mixes", np.int64),  # whether contexts and mixers predict the bit
        ("phase", np.int64),  # which of the decisions is next
        ("entry", np.int64),  # of a slot: whose counter predicts it
        ("kind", np.int64),  # the class of its node
        ("node", np.int64),  # what tells the slots of contexts with equal numbers apart
        ("k", np.int64),  # the coefficient that is coded, in zigzag order
        ("length", np.int64),  # number of coefficients up to the last that is not 0, DC not counted
        ("negative", np.int64),  # 1 if the coefficient is
        ("value", np.int64),  # its magnitude, as far as it is known
        ("power", np.int64),  # the number of bits of the magnitude after the first
        ("left", np.int64),  # bits that it lacks
        ("predicted", np.int64),  # of DC
        ("fit", np.int64),  # what the fit of values predicts; of DC, MAX_EDGE
        ("nonzero", np.int64),  # how many coefficients were not 0
        ("logs", np.int64),  # their logarithms, added up: of coefficients but DC
        ("energy", np.int64),  # their magnitudes, added up, of DC not
        *((name, np.int64) for name in ("squares", "mixed", "apm_at")),  # as in pixcodec.mixing.state.LANE
    ],
    align=True,
)
WAVE = np.dtype(
    [
        ("active", np.int64),  # rows with a block under way
        ("fresh", np.int64),  # rows where a length or a coefficient begins
        ("blocks", np.int64),  # begun, of all components
        ("own", np.int64),  # begun, of this component
        ("fit_at", np.int64),  # when so many of this component are begun, the fits are solved
    ],
    align=True,
)


class Stream(NamedTuple):
    """What was learnt in a stream, and the blocks of the component that is coded."""

    blocks: Blocks  # R, C, 64: row-major
    luma: Blocks  # R, C, 64: magnitudes of the luma blocks at the same place, added up; 0 for luma
    blue: Blocks  # R, C, 64: of red chroma, the coefficients of blue chroma; else 0
    steps: Int64  # 64: of quantisation
    by_left: Int64  # 64: what turns a level at the left edge into a coefficient
    by_top: Int64  # 64
    right: Int64  # R, 8: of the last block of a row, the rows of vertical frequencies at the last edge
    bottom: (
        Int64  # C, 8: of the last block of a column, the columns of horizontal frequencies at the last edge
    )
    lengths: Int64  # R, C
    energies: Int64  # R, C: magnitudes of the coefficients but DC, added up
    component: int
    sampled: int
    plain_fit: int
    plain_kind: int
    progress: Any
    plain: Int32  # COMPONENTS * 64 * NODE_CLASSES: counters of bits that are not mixed
    slots: Slots
    mixers: Mixers
    apm: Int32  # COMPONENTS * 64 * NODE_CLASSES * 33
    values: Float64  # 64, VALUES, ROOM: normal equations of the values
    value_fit: Int64  # 64, ROOM: their solutions, in 2**-16
    sizes: Float64  # 64, SIZES, ROOM: the same of the magnitudes
    size_fit: Int64  # 64, ROOM
    scratch: Float64  # ROOM, ROOM
    weights: Float64  # ROOM
    wave: Any  # one of WAVE
    lane: Any  # N of LANE
    active: Int64  # N: rows with a block under way
    after: Int64  # N: the same for the next round
    fresh: Int64  # N: rows where a length or a coefficient begins
    rest_left: Int64  # N, 8: the level across the left edge less what is known of the one on this side
    rest_top: Int64  # N, 8: likewise at the top edge
    new_right: Int64  # N, 8: the level at the last edges, as far as it is known
    new_bottom: Int64  # N, 8
    value_features: Int64  # N, ROOM
    size_features: Int64  # N, ROOM
    network: Network
    ctx: Int64  # N, J
    set_classes: Int64  # N, M


class FastStream(Stream):
    """A stream of effort fast. The efforts have kinds of their own so that their sizes are constants."""


class NormalStream(Stream):
    """A stream of effort normal."""


class MaxStream(Stream):
    """A stream of effort max."""


KINDS = (FastStream, NormalStream, MaxStream)


def contexts_of(stage: Stream) -> int:
    """Return the number of contexts."""
    raise NotImplementedError


def mixers_of(stage: Stream) -> int:
    """Return the number of mixers."""
    raise NotImplementedError


@implements(contexts_of, FastStream)
def _contexts_of_fast(stage: Stream) -> int:
    return 7


@implements(mixers_of, FastStream)
def _mixers_of_fast(stage: Stream) -> int:
    return 2


@implements(contexts_of, NormalStream)
def _contexts_of_normal(stage: Stream) -> int:
    return 15


@implements(mixers_of, NormalStream)
def _mixers_of_normal(stage: Stream) -> int:
    return 4


@implements(contexts_of, MaxStream)
def _contexts_of_max(stage: Stream) -> int:
    return 23


@implements(mixers_of, MaxStream)
def _mixers_of_max(stage: Stream) -> int:
    return 6


def new_learning(coefficients: int, lanes: int, kind: StreamKind) -> dict[str, Any]:
    """Return the fields of a Stream that all its components share, nothing being learnt yet.

    Parameters
    ----------
    coefficients, lanes : int
        Coefficients of the stream; the most rows of blocks of a component.
    kind : StreamKind
    """
    contexts, many, most_bits, sampled, plain_fit, plain_kind = THOROUGHNESS[kind.row]
    bits = min(max((coefficients // 8).bit_length(), MIN_SLOT_BITS), most_bits)
    sets = many * COMPONENTS * NODE_CLASSES * SET_CLASSES
    mixers = new_mixers(sets, COMPONENTS * NODE_CLASSES, many, 1 + contexts, lanes)
    first_sum = NETWORKED_SUM if kind.networked else FIRST_SUM
    mixers.weights[:, 1 : 1 + contexts] = round(first_sum * (1 << WEIGHT_BITS)) // contexts
    if kind.networked:
        mixers.weights[:, 0] = round(NETWORK_WEIGHT * (1 << WEIGHT_BITS))
        plain_fit = 0

    def integers(*shape: int) -> Int64:
        return np.zeros(shape, np.int64)

    return {
        "sampled": sampled,
        "plain_fit": plain_fit,
        "plain_kind": plain_kind,
        "plain": np.zeros(COMPONENTS * FREQUENCIES * NODE_CLASSES, np.int32),
        "progress": new_progress(lanes, 2),
        "slots": new_slots(contexts, bits, lanes),
        "mixers": mixers,
        "apm": new_apm(COMPONENTS * FREQUENCIES * NODE_CLASSES),
        "scratch": np.zeros((ROOM, ROOM)),
        "weights": np.zeros(ROOM),
        "wave": np.zeros(1, WAVE),
        "lane": np.zeros(lanes, LANE),
        "active": integers(lanes),
        "after": integers(lanes),
        "fresh": integers(lanes),
        "rest_left": integers(lanes, 8),
        "rest_top": integers(lanes, 8),
        "new_right": integers(lanes, 8),
        "new_bottom": integers(lanes, 8),
        "value_features": integers(lanes, ROOM),
        "size_features": integers(lanes, ROOM),
        "ctx": integers(lanes, contexts),
        "set_classes": integers(lanes, many),
    }


def reciprocals(steps: Int64) -> tuple[Int64, Int64]:
    """Return what turns a level at the left edge, and at the top edge, into a coefficient (64,) each."""
    unit = EDGE_UNITS << RECIPROCAL_BITS
    p = np.arange(FREQUENCIES)
    return unit // (FIRST_EDGE[p % BLOCK] * steps), unit // (FIRST_EDGE[p // BLOCK] * steps)


def of_component(
    learnt: dict[str, Any],
    component: int,
    blocks: Blocks,
    luma: Blocks | None,
    blue: Blocks | None,
    steps: Int64,
    kind: StreamKind,
) -> Stream:
    """Return the state at the start of a component; ``luma`` and ``blue`` as in Stream, None for zeros."""
    rows, columns = blocks.shape[:2]
    nothing = np.zeros(blocks.shape, np.int16) if luma is None or blue is None else blocks
    wave = learnt["wave"]
    for name in ("active", "fresh", "own"):
        wave[name] = 0
    wave["fit_at"] = 8
    learnt["progress"]["pixels"] = 0
    learnt["lane"]["column"] = learnt["lane"]["under_way"] = 0
    by_left, by_top = reciprocals(steps)
    return KINDS[kind.row](
        blocks=blocks,
        luma=nothing if luma is None else luma,
        blue=nothing if blue is None else blue,
        steps=steps,
        by_left=by_left,
        by_top=by_top,
        right=np.zeros((rows, 8), np.int64),
        bottom=np.zeros((columns, 8), np.int64),
        lengths=np.zeros((rows, columns), np.int64),
        energies=np.zeros((rows, columns), np.int64),
        component=component,
        values=np.zeros((FREQUENCIES, VALUES, ROOM)),
        value_fit=np.zeros((FREQUENCIES, ROOM), np.int64),
        sizes=np.zeros((FREQUENCIES, SIZES, ROOM)),
        size_fit=np.zeros((FREQUENCIES, ROOM), np.int64),
        network=new_network(component, steps, rows, columns) if kind.networked else no_network(),
        **learnt,
    )
