"""The runs of a layer of a tile: what is known of them (FORMAT.md, section Runs).

Shapes: N lanes, H W height and width of the tile.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import REACH

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Planes = npt.NDArray[np.uint8]

# Of each row of the tile.
RUN = np.dtype(
    [
        (
            "broken",
            np.int64,
        ),  # of the pixel after these, 1 + the first plane that differs; 0: it may not differ
        ("calm", np.int64),  # how many pixels before this one might have asked
        ("level", np.int64),  # log2 of the length that is asked for
        ("asks", np.int64),  # what the next symbol of the row is: one of the following
        ("length", np.int64),  # the length that was asked for
        ("above", np.int64),  # class of the run above, which may end there too; 0 if there is none
        (
            "ends",
            np.int64,
        ),  # class of how the run ends, to the row below: 0 nobody knows, 1 as above, else 2 or more
        ("node", np.int64),  # of a shorter run: 1, then the bits so far of the size of what is missing
        ("bits", np.int64),  # how many bits are to come of what is missing, but for the highest
        ("rest", np.int64),  # these bits so far, and the highest
        ("plane", np.int64),  # which the symbol is about
        ("ahead", np.int64),  # how long the run is, to an encoder
        ("differs", np.int64),  # which plane is the first that differs after it, to an encoder
    ],
    align=True,
)
NOTHING, FLAG, SIZE, REST, PLANE = range(5)  # values of ``asks``

# Where a wavefront stands: a structured array of one element.
STATE = np.dtype(
    [
        ("begun", np.int64),  # whether the rows of the wavefront were looked at
        ("asking", np.int64),  # how many of them have a symbol to come
        ("copied", np.int64),  # how many pixels were copied
    ],
    align=True,
)

LENGTHS = 16  # classes of lengths
ENDS = 9  # classes of how a run ends
# Counters: of flags, of sizes, of the bits of what is missing, of planes.
SIZES = ENDS * LENGTHS
RESTS = SIZES + ENDS * LENGTHS
PLANES = RESTS + 2 * LENGTHS
CONTEXTS = PLANES + 8


class RunKind(IntEnum):
    """Which runs a layer has."""

    NONE = 0
    FLAT = 1
    STILL = 2


class Runs(NamedTuple):
    """The runs of a layer of a tile."""

    on: int  # 1 if there are runs, else 0
    still: int  # 1 if their pixels are those of the reference
    rows: Any  # H of RUN
    left: Int64  # H: how many pixels of each row are still to be copied
    state: Any  # one of STATE
    asking: Int64  # N: rows with a symbol to come
    copied: Int64  # N: rows whose pixel was copied
    broken: Int64  # N: of each lane what ``broken`` said of its pixel
    counters: Int32
    reference: Int32  # H + 6, W + 6, planes: what the layer is predicted from; without planes if it is not


def new_runs(height: int, lanes: int, *, on: int, reference: Planes | None = None) -> Runs:
    """Return the runs of a tile of which nothing is coded yet.

    Parameters
    ----------
    height, lanes : int
    on : int
        A RunKind.
    reference : ndarray of uint8, shape (H, W, planes), optional
        Needed for still runs.
    """
    room = lanes if on else 1
    asking, copied = np.zeros((2, room), np.int64)
    return Runs(
        int(bool(on)),
        int(on == RunKind.STILL),
        np.zeros(height if on else 1, RUN),
        np.zeros(height if on else 1, np.int64),
        np.zeros(1, STATE),
        asking,
        copied,
        np.zeros(lanes, np.int64),
        np.zeros(CONTEXTS, np.int32),
        np.zeros((1, 1, 0), np.int32) if reference is None else framed(reference),
    )


def framed(planes: Planes) -> Int32:
    """Return planes (H, W, C) with a frame of REACH zeros around, as the kernels take what a layer sees."""
    return np.pad(planes.astype(np.int32), ((REACH, REACH), (REACH, REACH), (0, 0)))
