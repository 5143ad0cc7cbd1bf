"""The pieces of a JPEG file without its scans: some of them follow only from the coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pixcodec.jpeg.files.parts import Parts
from pixcodec.jpeg.scans.huffman import MAX_LENGTH
from pixcodec.jpeg.scans.markers import UnusualFileError


class Table(NamedTuple):
    """A Huffman table in a segment DHT."""

    kind: int  # class and number
    codes: bytes | None  # 16 numbers of codes, and the symbols; None if they follow from the coefficients


class Tables(NamedTuple):
    """A segment DHT."""

    tables: tuple[Table, ...]

    def segment(self, derived: Iterator[bytes]) -> bytes:
        """Return the segment; the tables that are not given are taken from ``derived``."""
        body = b"".join(
            bytes([kind]) + (next(derived) if codes is None else codes) for kind, codes in self.tables
        )
        return segment(0xC4, body)


class Hole(NamedTuple):
    """Where another JPEG file is in a segment."""

    size_bytes: int
    file: Apart | None  # None if it is that of the hole before


Piece = bytes | Tables | Hole


class Apart(NamedTuple):
    """A JPEG file that was taken apart, without its coefficients."""

    parts: Parts  # where tables or a file follow from coefficients, others stand for them in the skeleton
    filling: tuple[int, ...]  # of each of four components: NONE, REPEATED or CODED
    outline: tuple[Piece, ...]  # of the skeleton

    @property
    def embedded(self) -> list[Apart]:
        """Return the files in its segments."""
        return [piece.file for piece in self.outline if isinstance(piece, Hole) and piece.file]


def segment(marker: int, body: bytes) -> bytes:
    """Return a segment.

    Raises
    ------
    ValueError
        If it is too long.
    """
    return segment_start(marker, len(body)) + body


def segment_start(marker: int, size_bytes: int) -> bytes:
    """Return the start of a segment with so many bytes; see :func:`segment`."""
    if size_bytes + 2 >= 1 << 16:
        raise ValueError(f"segment of {size_bytes + 2} bytes")
    return bytes([0xFF, marker]) + (size_bytes + 2).to_bytes(2, "big")


def walkable(outline: Sequence[Piece]) -> tuple[bytes, list[int]]:
    """Return a skeleton to walk through, and the positions of the tables that are missing.

    Tables without symbols stand for them, and zeros for other files.
    """
    pieces: list[bytes] = []
    starts: list[int] = []
    at = 0
    empty = iter(lambda: bytes(MAX_LENGTH), None)
    for piece in outline:
        if isinstance(piece, Tables):
            inside = at + 4
            for _, codes in piece.tables:
                if codes is None:
                    starts.append(inside + 1)
                inside += 1 + (MAX_LENGTH if codes is None else len(codes))
            pieces.append(piece.segment(empty))
        else:
            pieces.append(bytes(piece.size_bytes) if isinstance(piece, Hole) else piece)
        at += len(pieces[-1])
    return b"".join(pieces), starts


def complete(outline: Sequence[Piece], derived: Sequence[bytes], embedded: Sequence[bytes]) -> bytes:
    """Return the skeleton, given the tables that are missing and the files in its segments.

    Raises
    ------
    UnusualFileError
        If these have other sizes.
    """
    tables, files = iter(derived), iter(embedded)
    pieces, inside = [], b""
    for piece in outline:
        if isinstance(piece, Tables):
            pieces.append(piece.segment(tables))
        elif isinstance(piece, Hole):
            inside = next(files) if piece.file else inside
            if len(inside) != piece.size_bytes:
                raise UnusualFileError(
                    f"file in a segment is {len(inside)} bytes, expected {piece.size_bytes}"
                )
            pieces.append(inside)
        else:
            pieces.append(piece)
    return b"".join(pieces)
