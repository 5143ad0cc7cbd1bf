"""Where kernels spend their time: for ``benchmarks/profile.py``, compiled to nothing otherwise.

With PIXCODEC_PROFILE=1 in the environment, kernels count the cycles of the processor between two calls of
:func:`lap`, for each part of the work apart, in the field ``cycles`` of the tile's wave.
"""

from __future__ import annotations

from typing import Any

from pixcodec.network.kernels import generated, inlined
from pixcodec.network.native import PROFILING

PARTS = (
    "gather",
    "products",
    "mixture",
    "fits",
    "contexts",
    "slots",
    "predict",
    "learn",
    "values",
    "outside",
)
GATHER, PRODUCTS, MIXTURE, FITS, CONTEXTS, SLOTS, PREDICT, LEARN, VALUES, OUTSIDE = range(len(PARTS))


_clock = generated("pixcodec.network.profiling_code", "clock")


@inlined
def lap(wave: Any, part: int) -> None:
    """Count the cycles since the last lap for a part of the work."""
    if PROFILING:
        now = _clock()
        if wave.clock > 0:
            wave.cycles[part] += now - wave.clock
        wave.clock = now
