"""What the coders of coefficients are tested with first: see :mod:`pixcodec.coding.self_test`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.self_test import made_noise
from pixcodec.jpeg.coefficients import FREQUENCIES, Blocks

# Of a chunk COEF, and of streams by effort. They change with the format only.
EXPECTED_CHUNK = "8cddc46543686aac"
EXPECTED_STREAMS = ("826d56e9fa1cbe93", "224dbcc17fd01c1b", "eb341ccf0be2c82e")

EXPECTED_NETWORKED = ("085ad50a744ee649", "42971b7e4b064072", "7e2510f86f1557a7")  # with networks

_ROWS, _COLUMNS = 2, 2  # of blocks
_MAGNITUDE = 400  # of DC; it falls with the square of the frequency


class MadeImage(NamedTuple):
    """A component of made coefficients; the fields are those of the coders' own images."""

    blocks: list[Blocks]
    tables: list[npt.NDArray[np.int32]]
    scales: list[Any]


def made_image() -> MadeImage:
    """Return an image of a few blocks whose coefficients fall off with the frequency."""
    across = np.arange(FREQUENCIES)
    most = _MAGNITUDE // (1 + across // 8 + across % 8) ** 2
    noise = made_noise(_ROWS * _COLUMNS * FREQUENCIES).reshape(_ROWS, _COLUMNS, FREQUENCIES)
    blocks = (noise % (2 * most + 1) - most).astype(np.int16)
    return MadeImage([blocks], [np.arange(2, 2 + FREQUENCIES, dtype=np.int32)], [((1, 1), (1, 1))])
