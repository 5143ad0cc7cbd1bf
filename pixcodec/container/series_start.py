"""The start of a file of several frames -> what its index says of them (FORMAT.md, "Series").

Standard library only.
"""

from __future__ import annotations

import struct
import zlib

from pixcodec.container.chunks import MAGIC, Data, is_chunk_type
from pixcodec.container.deep import numbered_deep
from pixcodec.container.frames import Disposal, FrameEntry, Part, Reference, SeriesKind, SeriesStart, Setting
from pixcodec.container.header import (
    MAX_SIDE,
    MODEL_ID_SIZE_BYTES,
    WIDER_VERSION,
    Effort,
    Header,
    Mode,
    unknown,
)
from pixcodec.container.pixel_hash import pixel_hash_size_bytes
from pixcodec.container.varint import read_varint
from pixcodec.errors import CorruptFileError, LimitExceededError

SERIES_BYTE = 0x80 | WIDER_VERSION  # follows the magic
FIRST_KIND = 2  # the next byte is this plus the kind; 1 is a compact file
MAX_FRAMES = 2**16
MAX_SERIES_PIXELS = 2**33  # of all frames together
MAX_INDEX_SIZE_BYTES = 2**26  # uncompressed
MAX_MODELS = 8
MAX_DURATION = 2**32 - 1  # numerator and denominator
SERIES_START_SIZE_BYTES = len(MAGIC) + 128  # a prefix with all that precedes the index

CRC = struct.Struct("<I")
_TYPE_SIZE_BYTES = 4
_WHERE = "the start of a file of several frames"
SINGLE = ("PLTE", "TRNS")
LAYOUT = ("alpha_first", "graphics", "interleaved", "mapped")  # from bit 0 on, as in HEAD
COLUMNS = 15


def is_series(data: bytes) -> bool:
    """Return whether a file, which begins with the magic, holds several frames."""
    mark = data[len(MAGIC) : len(MAGIC) + 2]
    return mark[:1] == bytes([SERIES_BYTE]) and mark[1:] in (b"\2", b"\3")


def holds_series(data: Data) -> bool:
    """Return whether a file, or its first bytes, is a .pxc file of several frames."""
    start = bytes(data[: len(MAGIC) + 2])
    return start.startswith(MAGIC) and is_series(start)


def read_series_start(data: Data) -> SeriesStart:
    """Read the start of a file of which :func:`is_series` holds; the bodies need not be there.

    Parameters
    ----------
    data : bytes-like
        The file up to its first body, or more.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    data = bytes(data)
    at, size = index_place(data)
    end = at + size
    if len(data) < end + CRC.size:
        raise CorruptFileError(
            f"{_WHERE}: file ends after {len(data)} bytes, expected {end + CRC.size} or more"
        )
    (expected,) = CRC.unpack_from(data, end)
    crc = zlib.crc32(data[:end])
    if crc != expected:
        raise CorruptFileError(f"{_WHERE}: CRC is 0x{crc:08x}, expected 0x{expected:08x}")
    kind, effort, values, models, _ = _read_fixed(data)
    count = values[0]
    index = _inflated(data[at:end])
    try:
        frames, bodies_end = _parse_index(index, count, Effort(effort), models, end + CRC.size)
    except ValueError as error:
        raise CorruptFileError(f"{_WHERE}: {error}") from error
    if kind is SeriesKind.ANIMATION:
        width, height = values[1:3]
    else:
        width, height = frames[0].header.width, frames[0].header.height
    loop = values[3] - 1 if kind is SeriesKind.ANIMATION and values[3] else None
    start = SeriesStart(kind, width, height, loop, frames, bodies_end)
    _check_frames(start)
    return start


def index_place(data: bytes) -> tuple[int, int]:
    """Return position and size of the packed index, from the first START_SIZE_BYTES bytes of a file or more.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    *_, at = _read_fixed(data)
    try:
        size, at = read_varint(data, at)
    except ValueError as error:
        raise CorruptFileError(f"{_WHERE}: {error}") from error
    if size > MAX_INDEX_SIZE_BYTES:
        raise LimitExceededError(f"{_WHERE}: index is {size} bytes, the limit is {MAX_INDEX_SIZE_BYTES}")
    return at, size


def _read_fixed(data: bytes) -> tuple[SeriesKind, int, list[int], list[bytes], int]:
    """Return kind, effort, the numbers after them, the model ids, and where the size of the index is."""
    start = len(MAGIC) + 1
    if len(data) < start + 2:
        raise CorruptFileError(f"{_WHERE}: file ends after {len(data)} bytes")
    kind, effort = data[start] - FIRST_KIND, data[start + 1]
    if not SeriesKind.PAGES <= kind <= SeriesKind.ANIMATION:
        raise unknown(_WHERE, "kind", kind + FIRST_KIND, "2 or 3")
    if effort > Effort.MAX:
        raise unknown(_WHERE, "effort", effort, f"0..{Effort.MAX}")
    values, at = [], start + 2
    try:
        for _ in range(4 if kind == SeriesKind.ANIMATION else 1):
            value, at = read_varint(data, at)
            values.append(value)
    except ValueError as error:
        raise CorruptFileError(f"{_WHERE}: {error}") from error
    if values[0] > MAX_FRAMES:
        raise LimitExceededError(f"{_WHERE}: it has {values[0]} frames, the limit is {MAX_FRAMES}")
    if not values[0]:
        raise CorruptFileError(f"{_WHERE}: it has no frames, expected 1 or more")
    count = data[at] if at < len(data) else MAX_MODELS + 1
    end = at + 1 + count * MODEL_ID_SIZE_BYTES
    if count > MAX_MODELS or len(data) < end:
        raise CorruptFileError(f"{_WHERE}: {count} models in {len(data)} bytes, expected up to {MAX_MODELS}")
    models = [data[k : k + MODEL_ID_SIZE_BYTES] for k in range(at + 1, end, MODEL_ID_SIZE_BYTES)]
    return SeriesKind(kind), effort, values, models, end


def _inflated(packed: bytes) -> bytes:
    stream = zlib.decompressobj()
    try:
        index = stream.decompress(packed, MAX_INDEX_SIZE_BYTES + 1)
    except zlib.error as error:
        raise CorruptFileError(f"{_WHERE}: {error}") from error
    if len(index) > MAX_INDEX_SIZE_BYTES:
        raise LimitExceededError(f"{_WHERE}: index is larger than the limit of {MAX_INDEX_SIZE_BYTES} bytes")
    if not stream.eof or stream.unused_data:
        raise CorruptFileError(f"{_WHERE}: the zlib stream of the index does not end where the index does")
    return index


def _parse_index(
    index: bytes, count: int, effort: Effort, models: list[bytes], at: int
) -> tuple[tuple[FrameEntry, ...], int]:
    """Return the entries of the frames, whose bodies begin at ``at``, and where these end.

    Raises
    ------
    ValueError, UnsupportedVersionError, LimitExceededError
    """
    numbers = _Numbers(index)
    columns = [numbers.take(count) for _ in range(COLUMNS)]
    total = sum(columns[-1])
    sizes = numbers.take(total)
    types_at, number = numbers.at, 0
    if len(index) != types_at + total * _TYPE_SIZE_BYTES:
        raise ValueError(f"index is {len(index)} bytes, expected {types_at + total * _TYPE_SIZE_BYTES}")
    frames: list[FrameEntry] = []
    latest: dict[tuple[str, int], Part] = {}
    for row in zip(*columns, strict=True):
        parts = []
        for size in sizes[number : number + row[-1]]:
            letters = index[types_at : types_at + _TYPE_SIZE_BYTES].decode("latin-1")
            if not is_chunk_type(letters):
                raise ValueError(f"type of chunk {number} is {letters!r}, expected four ASCII letters")
            parts.append(Part(letters, at, size))
            at, types_at, number = at + size, types_at + _TYPE_SIZE_BYTES, number + 1
        frames.append(_entry(row, effort, models, _found(parts, latest), at))
        at += pixel_hash_size_bytes(WIDER_VERSION)
    return tuple(frames), at


def _found(parts: list[Part], latest: dict[tuple[str, int], Part]) -> tuple[Part, ...]:
    """Return the chunks of a frame, each empty one at the place of the last one before that was not."""
    seen: dict[str, int] = {}
    found = []
    for part in parts:
        seen[part.type] = seen.get(part.type, -1) + 1
        key = (part.type, seen[part.type])
        if part.size:
            latest[key] = part
        found.append(latest.get(key, part) if part.type != "TILE" else part)
    return tuple(found)


class _Numbers:
    """The varints of some bytes, one after another."""

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def take(self, count: int) -> list[int]:
        """Return the next numbers; raise ValueError if the bytes end before."""
        if count > len(self._data) - self.at:
            raise ValueError(f"index ends after {len(self._data)} bytes, within {count} numbers")
        numbers = []
        for _ in range(count):
            number, self.at = read_varint(self._data, self.at)
            numbers.append(number)
        return numbers


def _entry(
    row: tuple[int, ...], effort: Effort, models: list[bytes], parts: tuple[Part, ...], hash_at: int
) -> FrameEntry:
    flags, numerator, denominator, x, y, width, height, mode, depth, layout, index_bits, *rest = row
    tile_width, tile_height, model, _ = rest
    where = "a frame"
    if flags >> 7:
        raise unknown(where, "flags", flags, "0..127")
    if mode not in set(Mode):
        raise unknown(where, "mode", mode, f"0..{max(Mode)}")
    deep = numbered_deep(layout >> len(LAYOUT)) if mode == Mode.DEEP else None
    if layout >> len(LAYOUT) and deep is None:
        raise unknown(where, "layout", layout, f"0..{(1 << len(LAYOUT)) - 1}")
    reference = flags >> 4 & 3
    if reference > Reference.SHOWN:
        raise unknown(where, "reference", reference, f"0..{Reference.SHOWN}")
    if max(numerator, denominator) > MAX_DURATION or max(x, y) > MAX_SIDE or model > len(models):
        raise ValueError(f"a frame has the values {row}")
    setting = Setting(
        *(x, y, numerator, denominator, Disposal(flags & 3), bool(flags & 4), bool(flags & 8)),
        *(Reference(reference), bool(flags & 64)),
    )
    bits = [bool(layout >> bit & 1) for bit in range(len(LAYOUT))]
    header = Header(
        *(width, height, Mode(mode), effort, tile_width or width, tile_height or height),
        models[model - 1] if model else b"",
        bit_depth=depth,
        index_bits=index_bits,
        alpha_first=bits[0],
        graphics=bits[1],
        interleaved=bits[2],
        mapped=bits[3],
        version=WIDER_VERSION,
        deep=deep,
    )
    return FrameEntry(setting, header, parts, hash_at)


def _check_frames(start: SeriesStart) -> None:
    """Raise an error if frames lie beyond the canvas, or refer to none, or have too many pixels."""
    if not 0 < start.width <= MAX_SIDE or not 0 < start.height <= MAX_SIDE:
        raise CorruptFileError(f"{_WHERE}: canvas is {start.width}x{start.height} pixels")
    total = start.width * start.height
    for number, (setting, header, _, _) in enumerate(start.frames):
        total += header.width * header.height
        inside = setting.x + header.width <= start.width and setting.y + header.height <= start.height
        if start.kind is SeriesKind.ANIMATION and not inside:
            raise CorruptFileError(
                f"{_WHERE}: frame {number} is {header.width}x{header.height} at {setting.x},{setting.y}, "
                f"expected it within {start.width}x{start.height}"
            )
        if (not number or header.deep) and (setting.reference or setting.carried):
            which = f"frame {number} of mode DEEP" if number else "the first frame"
            raise CorruptFileError(f"{_WHERE}: {which} refers to one before")
        if start.kind is SeriesKind.ANIMATION and header.deep:
            raise CorruptFileError(f"{_WHERE}: frame {number} of an animation has mode DEEP")
    if total > MAX_SERIES_PIXELS:
        raise LimitExceededError(
            f"the frames have {total} pixels together, the limit is {MAX_SERIES_PIXELS} pixels"
        )


def first_chunks_end(data: bytes) -> int:
    """Return where the chunks of the first frame end that precede its pixels.

    Parameters
    ----------
    data : bytes
        As of :func:`read_series_start`.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    first = read_series_start(data).frames[0]
    return next((part.start for part in first.parts if part.type == "TILE"), first.hash_at)
