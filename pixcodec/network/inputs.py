"""What the first layer of the network sees of a pixel's neighbours (FORMAT.md, section Network inputs).

Shapes: N lanes, C channels, H W height and width of the tile.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pixcodec.network.kernels import generated, kernel
from pixcodec.network.wavefront import Record, Share, first_of, position

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]

BASES = 4  # how wide a row of bases is, for 1 or 3 channels: a vector
_write_grey, _write_rgb = (
    generated("pixcodec.network.inputs_code", f"write_inputs_{name}") for name in ("grey", "rgb")
)


@kernel
def gather_inputs(base: Int32, inputs: Int16, canvas: Int32, wave: Record, share: Share) -> None:
    """Write what the first layer sees of each lane's neighbours, relative to a base, to ``inputs``.

    ``base``, shape (N, BASES), gets the base of each channel. Inputs beyond those that the model has may be
    anything.
    """
    channels, bases, seen = canvas.shape[2], base.ctypes.data, inputs.ctypes.data
    row_bytes = 4 * canvas.shape[1] * channels
    for i in range(first_of(share), share.end):
        y, x = position(wave, i)
        pixel = canvas.ctypes.data + y * row_bytes + 4 * channels * x
        of_lane = pixel, row_bytes, bases + 4 * BASES * i, seen + 2 * inputs.shape[1] * i
        if channels == 3:
            _write_rgb(*of_lane)
        else:
            _write_grey(*of_lane)
