"""Arithmetic of systems of linear equations in vectors of four float64, or of eight float32.

Every number is rounded after every operation, in the order that is written here: the compiler may neither
reorder sums nor fuse a product with a sum, so that all processors get the same numbers. Addresses are int64;
where both types are possible, the first argument is an array of the type.
"""

from __future__ import annotations

from pixcodec.network.kernels import generated

WIDTH, NARROW = 4, 8  # numbers of a vector: float64, float32
SIZE_BYTES = 8 * WIDTH  # of either
BLOCK = 4  # vectors of a row that lose products at a time

add_sample = generated("pixcodec.mixing.systems_code", "add_sample")
divide = generated("pixcodec.mixing.systems_code", "divide")
subtract_products = generated("pixcodec.mixing.systems_code", "subtract_products")
subtract_scaled = generated("pixcodec.mixing.systems_code", "subtract_scaled")
