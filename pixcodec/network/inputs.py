"""What the first layer of the network sees of a pixel's neighbours (FORMAT.md, section Network inputs).

Shapes: N lanes, C channels, H W height and width of the tile.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import (
    COARSE_SCALE,
    FINE_MAX,
    FINE_NEIGHBOURS,
    FINE_SCALE,
    NEIGHBOURS,
    PAD_VALUE,
)
from pixcodec.network.kernels import kernel
from pixcodec.network.wavefront import Record, Share, first_of, position

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]

_NEIGHBOURS = np.array(NEIGHBOURS, np.int64)
_FINE = np.array(FINE_NEIGHBOURS, np.int64)


@kernel
def gather_inputs(base: Int32, inputs: Int16, canvas: Int32, wave: Record, share: Share) -> None:
    """Write what the first layer sees of each lane's neighbours, relative to a base, to ``inputs``."""
    channels = canvas.shape[2]
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        for c in range(channels):
            west, north, northwest = canvas[y, x - 1, c], canvas[y - 1, x, c], canvas[y - 1, x - 1, c]
            low, high = min(west, north), max(west, north)
            base[i, c] = max(low, min(high, west + north - northwest))
        j = 0
        for k in range(len(_NEIGHBOURS)):
            for c in range(channels):
                v = canvas[y + _NEIGHBOURS[k, 0], x + _NEIGHBOURS[k, 1], c] - base[i, c]
                inputs[i, j] = v * COARSE_SCALE
                j += 1
        for k in range(len(_FINE)):
            for c in range(channels):
                v = canvas[y + _FINE[k, 0], x + _FINE[k, 1], c] - base[i, c]
                inputs[i, j] = min(max(v * FINE_SCALE, -FINE_MAX), FINE_MAX)
                j += 1
        for c in range(channels):
            inputs[i, j] = base[i, c] - PAD_VALUE
            j += 1
        if channels == 3:
            inputs[i, j] = (base[i, 0] - base[i, 1]) * COARSE_SCALE
            inputs[i, j + 1] = (base[i, 2] - base[i, 1]) * COARSE_SCALE
