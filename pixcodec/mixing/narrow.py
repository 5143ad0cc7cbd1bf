"""Arithmetic of the block fits' systems of linear equations in vectors of eight float32.

A system is 23 rows of 24 numbers, of which vectors that lie left of the diagonal are left out. Every
number is rounded after every operation, in the order that is written here, as in
:mod:`pixcodec.mixing.systems`. Addresses are int64.
"""

from __future__ import annotations

from pixcodec.mixing.systems import NARROW
from pixcodec.network.kernels import generated

ROWS, COLUMNS = 23, 24  # of a system; the last column that is used is the right-hand side
SYSTEM = sum(COLUMNS - i // NARROW * NARROW for i in range(ROWS))  # numbers of a system

_CODE = "pixcodec.mixing.narrow_code"
close_block = generated(_CODE, "close_block")
interleave = generated(_CODE, "interleave")
predict_sample = generated(_CODE, "predict_sample")
