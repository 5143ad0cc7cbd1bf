"""Integers <-> the bytes of a varint (FORMAT.md, "Notation"); standard library only.

A varint holds a non-negative integer in groups of seven bits, one group a byte, the lowest group first. The
highest bit of a byte says whether another byte follows.
"""

from __future__ import annotations

_GROUP_BITS = 7
_GROUP_MASK = (1 << _GROUP_BITS) - 1
_CONTINUES = 1 << _GROUP_BITS
_MAX_GROUPS = 5

MAX_VARINT = (1 << _GROUP_BITS * _MAX_GROUPS) - 1


def pack_varint(number: int) -> bytes:
    """Return the varint of a number, 0..MAX_VARINT."""
    groups = bytearray()
    while number > _GROUP_MASK:
        groups.append(number & _GROUP_MASK | _CONTINUES)
        number >>= _GROUP_BITS
    groups.append(number)
    return bytes(groups)


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Read the varint at byte ``start``.

    Returns
    -------
    number : int
        0..MAX_VARINT.
    end : int
        Position of the first byte after the varint.

    Raises
    ------
    ValueError
        If ``data`` ends within the varint, or if the varint has more bytes than its number needs.
    """
    number = 0
    for index in range(_MAX_GROUPS):
        if start + index >= len(data):
            raise ValueError(f"payload ends after {len(data)} bytes, within a number")
        byte = data[start + index]
        number |= (byte & _GROUP_MASK) << (_GROUP_BITS * index)
        if byte < _CONTINUES:
            if index and not byte:
                break  # the highest group is 0
            return number, start + index + 1
    raise ValueError(f"number at byte {start} is longer than it has to be")
