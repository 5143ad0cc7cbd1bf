"""Where kernels spend their time: for ``benchmarks/profile.py``, compiled to nothing otherwise.

With PIXCODEC_PROFILE=1 in the environment, kernels count the cycles of the processor between two calls of
:func:`lap`, for each part of the work apart, in the field ``cycles`` of the tile's wave.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pixcodec.network.kernels import PROFILING, inlined

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


@intrinsic
def _clock(typing_context: Any) -> Any:
    """Return the cycle counter of the processor."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(64), [])
        function = builder.module.globals.get("llvm.readcyclecounter")
        return builder.call(function or ir.Function(builder.module, kind, "llvm.readcyclecounter"), [])

    return types.int64(), generate


@inlined
def lap(wave: Any, part: int) -> None:
    """Count the cycles since the last lap for a part of the work."""
    if PROFILING:
        now = _clock()
        if wave.clock > 0:
            wave.cycles[part] += now - wave.clock
        wave.clock = now
