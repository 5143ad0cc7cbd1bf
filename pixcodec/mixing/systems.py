"""Arithmetic of systems of linear equations in vectors of four float64.

Every number is rounded after every operation, in the order that is written here: the compiler may neither
reorder sums nor fuse a product with a sum, so that all processors get the same numbers. Addresses are int64.
"""

from __future__ import annotations

from pixcodec.network.kernels import generated

WIDTH = 4  # numbers of a vector
SIZE_BYTES = 8 * WIDTH

add_sample = generated("pixcodec.mixing.systems_code", "add_sample")
divide = generated("pixcodec.mixing.systems_code", "divide")
subtract_products = generated("pixcodec.mixing.systems_code", "subtract_products")
subtract_scaled = generated("pixcodec.mixing.systems_code", "subtract_scaled")
