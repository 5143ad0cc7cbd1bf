"""What the layers of a frame know of the frames before (FORMAT.md, "Series"): what these show, and taught.

Shapes: H height, W width of a tile, D planes.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Planes = npt.NDArray[np.uint8]

_ALIGNMENT = 128  # bytes


class Learnt:
    """What the layers of the frames so far have learnt, by the kind of layer."""

    def __init__(self) -> None:
        self._states: dict[Hashable, Any] = {}

    def copy(self) -> Learnt:
        """Return a copy that can learn apart."""
        copy = Learnt()
        for kind, state in self._states.items():
            copy._states[kind] = tuple(part if isinstance(part, int) else _copied(part) for part in state)
        return copy

    def take(self, other: Learnt) -> None:
        """Become another one."""
        self._states = other._states

    def taught(self, kind: Hashable, stage: Any) -> Any:
        """Return a new stage with what the last layer of this kind has learnt, if there was one."""
        if kind not in self._states:
            return stage
        entries, maps, weights, final, apm, sure, counters, pixels = self._states[kind]
        mixing, runs = stage.mixing, stage.runs
        if len(entries) != len(mixing.slots.entries):  # pages of different sizes
            return stage
        mixing.wave["pixels"] = pixels
        mixing = mixing._replace(
            slots=mixing.slots._replace(entries=entries),
            maps=mixing.maps._replace(entries=maps),
            mixers=mixing.mixers._replace(weights=weights, final=final),
            apm=apm,
            sure=sure,
        )
        return stage._replace(mixing=mixing, runs=runs._replace(counters=counters))

    def keep(self, kind: Hashable, stage: Any) -> None:
        """Keep what a stage has learnt, once all of its layer is coded."""
        mixing, mixers = stage.mixing, stage.mixing.mixers
        self._states[kind] = (
            *(mixing.slots.entries, mixing.maps.entries, mixers.weights, mixers.final, mixing.apm),
            *(mixing.sure, stage.runs.counters, int(mixing.wave["pixels"][0])),
        )


def _copied(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a copy that begins where a pair of cache lines does, as slots must."""
    spare = np.empty(array.nbytes + _ALIGNMENT, np.uint8)
    start = -spare.ctypes.data % _ALIGNMENT
    copy = spare[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


class Past(NamedTuple):
    """What is known before a layer of a tile is coded.

    Parameters
    ----------
    reference : ndarray of uint8, shape (H, W, D), or None
        What the layer is predicted from, at the same places: as many planes as the layer has, and of indices
        one more.
    learnt : Learnt or None
        Where the layer takes up what was learnt, and leaves it.
    most_pixels : int
        Of a frame of the series; 0 of an image alone.
    """

    reference: Planes | None = None
    learnt: Learnt | None = None
    most_pixels: int = 0


NO_PAST = Past()
