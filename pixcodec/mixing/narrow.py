"""Arithmetic of small systems of linear equations in vectors of eight float32.

A system is 23 rows of 24 numbers, of which vectors that lie left of the diagonal are left out. Every
number is rounded after every operation, in the order that is written here, as in
:mod:`pixcodec.mixing.systems`. Addresses are int64.
"""

from __future__ import annotations

from pixcodec.network.kernels import generated

NARROW = 8  # numbers of a vector
NARROW_SIZE_BYTES = 4 * NARROW
ROWS, COLUMNS = 23, 24  # of a system; the last column that is used is the right-hand side
SYSTEM = sum(COLUMNS - i // NARROW * NARROW for i in range(ROWS))  # numbers of a system

_CODE = "pixcodec.mixing.narrow_code"
close_block = generated(_CODE, "close_block")
interleave = generated(_CODE, "interleave")
divide_narrow = generated(_CODE, "divide_narrow")
subtract_narrow_products = generated(_CODE, "subtract_narrow_products")
subtract_narrow_scaled = generated(_CODE, "subtract_narrow_scaled")
predict_sample = generated(_CODE, "predict_sample")
