"""The beginning of a .pxc file: its header and the chunks before the pixels; standard library only.

``pixcodec info`` and the Pillow plugin read it without the coefficients and tiles that follow.
"""

from __future__ import annotations

from typing import IO

from pixcodec.container.chunks import (
    CHUNK_CRC,
    CHUNK_OVERHEAD_BYTES,
    CHUNK_START,
    MAGIC,
    Chunk,
    Data,
    check_magic,
    read_chunk,
    shown,
    type_at,
)
from pixcodec.container.compact import MAX_COMPACT_SIZE_BYTES, is_compact, read_compact_start
from pixcodec.container.header import (
    FORMAT_VERSIONS,
    VERSION_SIZE_BYTES,
    Header,
    unknown,
    unpack_header,
    unpack_version,
)
from pixcodec.container.kept import START_SIZE_BYTES, is_kept, kept_recipe, read_kept_start
from pixcodec.container.series_start import SERIES_START_SIZE_BYTES, first_chunks_end, index_place, is_series
from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedImageError

_MAX_HEAD_SIZE_BYTES = 40  # of the payload of HEAD
HEADER_SIZE_BYTES = len(MAGIC) + CHUNK_OVERHEAD_BYTES + _MAX_HEAD_SIZE_BYTES  # a prefix with all of HEAD

_PIXEL_CHUNKS = (b"COEF", b"TILE")  # the first one of these ends the beginning
_BLOCK_SIZE_BYTES = 2**20


def read_beginning(file: IO[bytes]) -> bytes:
    """Read a .pxc file up to the length and type of its first chunk of pixels.

    Parameters
    ----------
    file : binary file
        At the start of the .pxc file.

    Returns
    -------
    bytes
        The magic, HEAD, PLTE, TRNS, the ancillary chunks, and the length and type of COEF or of the first
        TILE. Of a file that keeps a JPEG file, all before the coefficients, and perhaps more. All of a
        compact file. Less if the file ends before, or if it does not start with the magic. Nothing else is
        checked.
    """
    data = bytearray(file.read(len(MAGIC)))
    while data[: len(MAGIC)] == MAGIC:
        start = file.read(CHUNK_START.size)
        data += start
        if len(start) < CHUNK_START.size or start.endswith(_PIXEL_CHUNKS):
            break
        if is_compact(bytes(data)):
            return bytes(data) + file.read(MAX_COMPACT_SIZE_BYTES + 1 - len(data))
        if is_series(bytes(data)):
            return _series_beginning(bytes(data), file)
        if is_kept(bytes(data)):
            return _kept_beginning(bytes(data), file)
        more, whole = _read(file, CHUNK_START.unpack(start)[0] + CHUNK_CRC.size)
        data += more
        if not whole:
            break
    return bytes(data)


def _kept_beginning(data: bytes, file: IO[bytes]) -> bytes:
    data += file.read(START_SIZE_BYTES - len(data))
    try:
        missing = read_kept_start(data).coefficients_at - len(data)
    except PixcodecError:  # whoever parses the bytes meets it again
        return data
    return data + _read(file, max(missing, 0))[0]


def _series_beginning(data: bytes, file: IO[bytes]) -> bytes:
    data += file.read(SERIES_START_SIZE_BYTES - len(data))
    try:
        at, size = index_place(data)
        data += _read(file, max(at + size + CHUNK_CRC.size - len(data), 0))[0]
        return data + _read(file, max(first_chunks_end(data) - len(data), 0))[0]
    except PixcodecError:  # whoever parses the bytes meets it again
        return data


def _read(file: IO[bytes], size_bytes: int) -> tuple[bytes, bool]:
    """Return the next bytes of a file, and whether there are so many; a damaged size claims no memory."""
    data = bytearray()
    while len(data) < size_bytes:
        block = file.read(min(size_bytes - len(data), _BLOCK_SIZE_BYTES))
        if not block:
            return bytes(data), False
        data += block
    return bytes(data), True


def parse_header(data: Data) -> Header:
    """Parse the header from the first HEADER_SIZE_BYTES bytes of a .pxc file, or more of them.

    Raises
    ------
    NotPixcodecError
        If the bytes do not start with the magic.
    UnsupportedVersionError
        If the header has a value that this version of pixcodec does not know.
    LimitExceededError
        If the image is larger than pixcodec accepts.
    CorruptFileError
        If the bytes are too few, or the header is not as FORMAT.md says.
    """
    return read_header(bytes(data[:HEADER_SIZE_BYTES]))[0]


def parse_start(data: Data) -> tuple[Header, tuple[Chunk, ...]]:
    """Parse the header and all chunks before the first COEF or TILE.

    The recipe of a file that keeps a JPEG file is returned as a chunk JPEG.

    Parameters
    ----------
    data : bytes-like
        The file, or what :func:`read_beginning` returns of it, or more.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
        As :func:`parse_header`; also CorruptFileError if one of the chunks is damaged. The bytes after them
        are not checked.
    """
    data = bytes(data)
    header, end = read_header(data)
    if header.kept:
        return header, (Chunk("JPEG", kept_recipe(data, read_kept_start(data))),)
    if is_compact(data):
        return header, read_compact_start(data).chunks
    chunks: list[Chunk] = []
    while type_at(data, end) not in (*_PIXEL_CHUNKS, b"DONE"):
        chunk, end = read_chunk(data, end)
        chunks.append(chunk)
    return header, tuple(chunks)


def read_header(data: bytes) -> tuple[Header, int]:
    """Check the magic and parse the chunk HEAD after it, or the start of a file that keeps a JPEG file.

    Returns
    -------
    header : Header
    end : int
        Position of the first byte after it.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
        As :func:`parse_header`.
    """
    check_magic(data)
    if is_compact(data):
        compact = read_compact_start(data, tables=False)
        return compact.header, compact.bitstream_at
    if is_series(data):
        raise UnsupportedImageError("the file holds several frames, expected one image")
    if is_kept(data):
        kept = read_kept_start(data)
        return kept.header, kept.recipe_at
    start = len(MAGIC)
    where = f"chunk 'HEAD' at byte {start}"
    body = start + CHUNK_START.size
    least = body + VERSION_SIZE_BYTES
    if len(data) < least:
        raise CorruptFileError(f"{where}: file ends after {len(data)} bytes, expected {least} or more")
    length, letters = CHUNK_START.unpack_from(data, start)
    if letters != b"HEAD":
        raise CorruptFileError(f"{where}: found type {shown(letters)}, expected 'HEAD'")
    if length > _MAX_HEAD_SIZE_BYTES:
        version = unpack_version(data[body:least])
        if version not in FORMAT_VERSIONS:  # the CRC may be beyond the bytes that were read
            raise unknown(where, "format version", version, FORMAT_VERSIONS)
        raise CorruptFileError(f"{where}: payload is {length} bytes, the most is {_MAX_HEAD_SIZE_BYTES}")
    chunk, end = read_chunk(data, start)
    return unpack_header(chunk.payload, where), end
