"""Reads the varints and bytes of a recipe in order."""

from __future__ import annotations

from pixcodec.container.varint import read_varint


class Numbers:
    """Reads a recipe; ``at`` is the position of the next byte."""

    def __init__(self, body: bytes, at: int = 0) -> None:
        self.body, self.at = body, at

    @property
    def left(self) -> int:
        """Return how many bytes are left."""
        return len(self.body) - self.at

    def number(self, most: int) -> int:
        """Read a varint, which must not be larger than ``most``."""
        number, self.at = read_varint(self.body, self.at)
        if number > most:
            raise ValueError(f"number is {number}, the most is {most}")
        return number

    def byte(self, most: int = 255) -> int:
        """Read a byte, which must not be larger than ``most``."""
        (number,) = self.bytes(1)
        if number > most:
            raise ValueError(f"byte is {number}, the most is {most}")
        return number

    def bytes(self, count: int) -> bytes:
        """Read so many bytes."""
        found = self.body[self.at : self.at + count]
        if len(found) != count:
            raise ValueError(f"{count} bytes are expected, there are {len(found)}")
        self.at += count
        return found
