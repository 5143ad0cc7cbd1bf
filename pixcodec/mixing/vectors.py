"""Sums and steps of a weight set in vectors of eight int32.

The compiler would take the short loops of a mixer one number at a time: it cannot know that rows are short,
and that their lengths are multiples of eight. Addresses are int64; products and sums wrap around at 32 bits.
"""

from __future__ import annotations

from pixcodec.network.kernels import generated

WIDTH = 8  # numbers of a vector

dot_product = generated("pixcodec.mixing.vectors_code", "dot_product")
bit_length = generated("pixcodec.mixing.vectors_code", "bit_length")
move_weights = generated("pixcodec.mixing.vectors_code", "move_weights")
prefetch = generated("pixcodec.mixing.vectors_code", "prefetch")
sum_of_squares = generated("pixcodec.mixing.vectors_code", "sum_of_squares")
