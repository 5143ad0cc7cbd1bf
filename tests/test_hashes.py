"""Hashes of contexts as numba compiles them: they wrap around at 64 bits, as the text's do in plain Python.

Numbers with a sign must not overflow in compiled code: a compiler may take it for granted that they do not,
and what it makes of them then depends on the compiler and the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pixcodec.mixing.contexts import hashed
from pixcodec.mixing.slots import CHECK, CHECK_BITS, bits_of, hash_of, salt_of
from pixcodec.network.kernels import kernel
from pixcodec.reference.graphics import mix_hash
from pixcodec.reference.text import Section, function

pytest.importorskip("numba")

EXTREMES = (0, 1, 255, 2**31 - 1, 2**31, 2**32 + 7, 2**55, 2**56 - 1, 2**62 + 2**61, 2**63 - 1)
SLOT_BITS = (10, 17)


@kernel
def context_of(seed: int, value: int) -> Any:
    return hashed(seed, value)


@kernel
def place_and_check(number: int, node: int, bits: int) -> Any:
    h = hash_of(number, salt_of(node))
    return bits_of(h, 40, bits), bits_of(h, 16, CHECK_BITS) | CHECK


def test_contexts_are_those_of_the_text() -> None:
    for seed in EXTREMES:
        for value in EXTREMES:
            assert context_of(np.int64(seed), np.int64(value)) == mix_hash(seed, value)
    assert context_of(np.int64(-(2**63)), np.int64(-5)) == mix_hash(-(2**63), -5)


@pytest.mark.parametrize("bits", SLOT_BITS)
def test_slots_are_those_of_the_text(bits: int) -> None:
    expected = function(Section("Slots").blocks[0], "X, C, channel, node, B", "place, check")
    for number in EXTREMES:
        for node in (1, 15, 255):
            found = place_and_check(np.int64(number), np.int64(node), np.int64(bits))
            assert found == expected(number, 1, 0, node, bits)
