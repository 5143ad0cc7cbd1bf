"""Ways to damage any bytes, by a generator of random numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

FIRST = 2  # bytes before this one stay, as most damage to them is damage to the magic
INTERESTING = bytes([0x00, 0xFF, 0x7F, 0x80, 0x01, 0xD8, 0xD9, 0xDA, 0xC0, 0xC2, 0xC4, 0xDB, 0xDC, 0xDD])

Damage = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def flip(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Flip one to eight bits."""
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def overwrite(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Overwrite one to four bytes with values that mean something."""
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.choice(INTERESTING)


def truncate(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Cut the file off."""
    del data[rng.randrange(FIRST, len(data)) :]


def delete(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Delete a part."""
    at = rng.randrange(FIRST, len(data))
    del data[at : at + rng.randint(1, 64)]


def insert(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Insert a part of the file, or random bytes."""
    at, start, size = rng.randrange(FIRST, len(data)), rng.randrange(len(data)), rng.randint(1, 64)
    data[at:at] = rng.randbytes(size) if rng.random() < 0.5 else data[start : start + size]


def splice(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Go on with another file."""
    other = rng.choice(others)
    data[rng.randrange(FIRST, len(data)) :] = other[rng.randrange(len(other)) :]


def move(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Move a part elsewhere."""
    start, size = rng.randrange(FIRST, len(data)), rng.randint(1, 200)
    part = data[start : start + size]
    del data[start : start + size]
    at = rng.randrange(FIRST, max(FIRST + 1, len(data)))
    data[at:at] = part


KINDS: tuple[Damage, ...] = (flip, overwrite, truncate, delete, insert, splice, move)
