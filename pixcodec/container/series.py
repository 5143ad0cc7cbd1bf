"""A file of several frames -> its frames as images of their own (FORMAT.md, "Series").

Standard library only.
"""

from __future__ import annotations

import zlib

from pixcodec.container.chunks import Chunk
from pixcodec.container.container import Container, Tile, parse_tile
from pixcodec.container.frames import SeriesStart
from pixcodec.container.header import WIDER_VERSION
from pixcodec.container.pixel_hash import pixel_hash_size_bytes
from pixcodec.container.series_start import CRC, SINGLE, read_series_start
from pixcodec.errors import CorruptFileError, UnsupportedVersionError


def check_series(data: bytes, start: SeriesStart) -> None:
    """Check size and CRC of a whole file.

    Raises
    ------
    CorruptFileError
    """
    expected_size = start.end + CRC.size
    if len(data) != expected_size:
        raise CorruptFileError(f"file of several frames is {len(data)} bytes, expected {expected_size}")
    (expected,) = CRC.unpack_from(data, start.end)
    crc = zlib.crc32(data[: start.end])
    if crc != expected:
        raise CorruptFileError(f"the last bytes: CRC is 0x{crc:08x}, expected 0x{expected:08x}")


def frame_container(data: bytes, start: SeriesStart, number: int) -> Container:
    """Return a frame of a whole file as an image of its own.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    entry, where = start.frames[number], f"frame {number}"
    single: dict[str, bytes] = {}
    ancillary: list[Chunk] = []
    tiles: list[Tile] = []
    for part in entry.parts:
        payload = data[part.start : part.start + part.size]
        if part.type == "TILE":
            tiles.append(parse_tile(payload, where, WIDER_VERSION, still=True))
        elif part.type[0].islower():
            ancillary.append(Chunk(part.type, payload))
        elif part.type not in SINGLE:
            raise UnsupportedVersionError(
                f"{where}: this version of pixcodec does not know chunk {part.type!r}"
            )
        elif part.type in single or not payload or tiles:
            raise CorruptFileError(f"{where}: chunk {part.type!r} is out of order, or empty")
        else:
            single[part.type] = payload
    digest = data[entry.hash_at : entry.hash_at + pixel_hash_size_bytes(WIDER_VERSION)]
    try:
        return Container(
            *(entry.header, tuple(tiles), digest, tuple(ancillary)),
            *(single.get(name, b"") for name in SINGLE),
        )
    except ValueError as error:
        raise CorruptFileError(f"{where}: {error}") from error


def frame_chunks(data: bytes, start: SeriesStart, number: int) -> tuple[Chunk, ...]:
    """Return the chunks of a frame but for its tiles.

    Raises
    ------
    CorruptFileError
        If ``data`` ends within them.
    """
    found = []
    for part in start.frames[number].parts:
        if part.type != "TILE":
            payload = data[part.start : part.start + part.size]
            if len(payload) < part.size:
                raise CorruptFileError(f"frame {number}: file ends within chunk {part.type!r}")
            found.append(Chunk(part.type, payload))
    return tuple(found)


def parse_series(data: bytes) -> SeriesStart:
    """Parse a whole file of several frames, and check its size and CRC.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    start = read_series_start(data)
    check_series(data, start)
    return start


def start_chunks(data: bytes) -> tuple[Chunk, ...]:
    """Return the chunks of the first frame but for its tiles, from the start of a file.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    return frame_chunks(data, read_series_start(data), 0)
