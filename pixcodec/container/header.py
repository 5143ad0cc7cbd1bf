"""Bytes <-> the header of a .pxc file (FORMAT.md, "HEAD"); standard library only."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from pixcodec.container.tiles import TileGrid
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedVersionError

FORMAT_VERSION = 5  # of files that are written
FORMAT_VERSIONS = (1, 3, 4, 5)  # of files that are read; before version 5 not those of effort max
MODEL_ID_SIZE_BYTES = 8  # the first bytes of a model's content hash, enough to find it

MAX_SIDE = 2**20  # pixels; of an image and of a tile
MAX_PIXELS = 2**31
DEFAULT_MAX_PIXELS = 2**28  # unless a caller asks for more: a small file can describe a large image
MAX_TILE_PIXELS = 2**28

MAX_NUMBER = 2**35 - 1  # of five groups of seven bits

_START = struct.Struct("<HBBBBB")
_START_1 = struct.Struct("<HHIIBBBBII16s")
# Fields of one bit each, from the lowest bit of the field layout on; version 3 has but four.
_LAYOUT = ("alpha_first", "graphics", "interleaved", "mapped", "jpeg", "exact")
_MOST_LAYOUT = {3: 15, 4: 63, 5: 63}
_MOST_EFFORT = {3: 1, 4: 1, 5: 2}


class Mode(IntEnum):
    """What the subpixels of a pixel are."""

    GREY = 0
    RGB = 1
    GREY_ALPHA = 2
    RGBA = 3
    CMYK = 4
    PALETTE = 5
    BILEVEL = 6

    @property
    def channels(self) -> int:
        """Return the number of subpixels of a pixel."""
        return _CHANNELS[self]

    @property
    def has_alpha(self) -> bool:
        """Return whether the last subpixel is alpha."""
        return self in (Mode.GREY_ALPHA, Mode.RGBA)

    @property
    def bit_depths(self) -> tuple[int, ...]:
        """Return how many bits a subpixel may have."""
        if self is Mode.PALETTE:
            return tuple(range(1, 9))
        if self is Mode.BILEVEL:
            return (1,)
        return (8,) if self is Mode.CMYK else tuple(range(8, 17))


_CHANNELS = {
    Mode.GREY: 1,
    Mode.RGB: 3,
    Mode.GREY_ALPHA: 2,
    Mode.RGBA: 4,
    Mode.CMYK: 4,
    Mode.PALETTE: 1,
    Mode.BILEVEL: 1,
}


class Effort(IntEnum):
    """How much work the bitstreams cost to code and to decode."""

    FAST = 0
    NORMAL = 1
    MAX = 2


@dataclass(frozen=True)
class Header:
    """The chunk HEAD: all that is known of an image before its tiles.

    Parameters
    ----------
    width, height : int
        Size of the image in pixels, 1..MAX_SIDE.
    mode : Mode
    effort : Effort
    tile_width, tile_height : int
        Size of an uncut tile in pixels, 1..MAX_SIDE.
    model_id : bytes
        The first 8 bytes of the content hash of the network; empty if no layer needs one.
    bit_depth : int
        Bits of a subpixel: 8..16, or 1 (bilevel), 1..8 (palette).
    index_bits : int
        If the pixels are coded as indices of a table of colours: the bits of an index, 1..8; if ``mapped``,
        those of the index of a value, 1..16; else 0.
    alpha_first : bool
        Whether alpha is coded before the colours instead of after them.
    graphics : bool
        Whether repeats and exact neighbourhoods are contexts.
    interleaved : bool
        Whether the low bits of a colour follow its high ones, instead of in a layer of their own.
    mapped : bool
        Whether the values of all channels are coded as indices of a table of values.
    jpeg : bool
        Whether there are JPEG coefficients, and the tiles hold only what to add to their pixels.
    exact : bool
        Whether there is nothing to add, and hence no layer and no tile.
    version : int
        Of the format.

    Raises
    ------
    LimitExceededError
        If a side, the image or a tile is larger than pixcodec accepts.
    ValueError
        If the values do not fit each other.
    """

    width: int
    height: int
    mode: Mode
    effort: Effort
    tile_width: int
    tile_height: int
    model_id: bytes
    bit_depth: int = 8
    index_bits: int = 0
    alpha_first: bool = False
    graphics: bool = False
    interleaved: bool = False
    mapped: bool = False
    jpeg: bool = False
    exact: bool = False
    version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        grid = self.grid
        for name in ("width", "height", "tile_width", "tile_height"):
            if getattr(self, name) > MAX_SIDE:
                raise LimitExceededError(f"{name} is {getattr(self, name)} pixels, the limit is {MAX_SIDE}")
        if self.width * self.height > MAX_PIXELS:
            raise LimitExceededError(
                f"image is {self.width}x{self.height} pixels, the limit is {MAX_PIXELS} pixels"
            )
        if grid[0].pixel_count > MAX_TILE_PIXELS:
            raise LimitExceededError(
                f"tile is {grid[0].width}x{grid[0].height} pixels, the limit is {MAX_TILE_PIXELS} pixels"
            )
        if self.bit_depth not in self.mode.bit_depths:
            raise ValueError(f"bit depth of mode {self.mode.name} is {self.bit_depth}")
        most = 0 if self.mode in (Mode.PALETTE, Mode.BILEVEL) else 16 if self.mapped else 8
        if not self.mapped <= self.index_bits <= most:
            raise ValueError(f"an index of mode {self.mode.name} has {self.index_bits} bits")
        if self.interleaved and (self.coded_depth <= 8 or self.indexed):
            raise ValueError("low bits are interleaved, but no layer has any")
        if self.alpha_first and (self.indexed or not self.mode.has_alpha):
            raise ValueError(f"alpha comes first, but no layer of mode {self.mode.name} is alpha")
        self._check_jpeg()
        sizes = (0, MODEL_ID_SIZE_BYTES) if self.version > 1 else (16,)
        if len(self.model_id) not in sizes:
            expected = " or ".join(str(size) for size in sizes)
            raise ValueError(f"model id is {len(self.model_id)} bytes, expected {expected}")

    def _check_jpeg(self) -> None:
        if self.exact and (not self.jpeg or self.graphics or self.index_bits):
            raise ValueError("pixels are exact, but are not those of JPEG coefficients alone")
        if not self.jpeg:
            return
        if self.version < 4:
            raise ValueError(f"format version {self.version} has no JPEG coefficients")
        if self.mode not in (Mode.GREY, Mode.RGB) or self.bit_depth != 8 or self.mapped:
            raise ValueError(
                f"an image of mode {self.mode.name}, {self.bit_depth} bits{', mapped' * self.mapped} "
                "has JPEG coefficients"
            )

    @property
    def indexed(self) -> bool:
        """Return whether the pixels are coded as indices of a table of colours."""
        return self.index_bits > 0 and not self.mapped

    @property
    def coded_depth(self) -> int:
        """Return how many bits the values have that the layers hold, at least 8 of a colour."""
        return max(8, self.index_bits) if self.mapped else self.bit_depth

    @property
    def grid(self) -> TileGrid:
        """Return the tiles of the image."""
        return TileGrid(self.width, self.height, self.tile_width, self.tile_height)

    @property
    def subpixel_count(self) -> int:
        """Return the number of subpixels of the image."""
        return self.width * self.height * self.mode.channels


def pack_header(header: Header) -> bytes:
    """Return the payload of the chunk HEAD."""
    h = header
    assert h.version in _MOST_LAYOUT
    layout = sum(getattr(h, name) << bit for bit, name in enumerate(_LAYOUT))
    parts = [_START.pack(h.version, h.mode, h.bit_depth, h.effort, layout, h.index_bits)]
    parts += [varint(n) for n in (h.width, h.height, h.tile_width, h.tile_height)]
    return b"".join([*parts, bytes([len(h.model_id)]), h.model_id])


def unpack_header(payload: bytes, where: str) -> Header:
    """Read the payload of the chunk HEAD; ``where`` it lies is for messages.

    Raises
    ------
    UnsupportedVersionError, LimitExceededError, CorruptFileError
    """
    if len(payload) < 2:
        raise CorruptFileError(f"{where}: payload is {len(payload)} bytes, expected 2 or more")
    version = int.from_bytes(payload[:2], "little")
    if version not in FORMAT_VERSIONS:
        raise unknown(where, "format version", version, FORMAT_VERSIONS)
    try:
        return (_unpack_1 if version == 1 else _unpack)(payload, where)
    except (ValueError, struct.error) as error:
        raise CorruptFileError(f"{where}: {error}") from error
    except LimitExceededError as error:
        raise LimitExceededError(f"{where}: {error}") from error


def _unpack(payload: bytes, where: str) -> Header:
    version, mode, depth, effort, layout, index_bits = _START.unpack_from(payload)
    if mode not in set(Mode):
        raise unknown(where, "mode", mode, f"0..{max(Mode)}")
    if depth not in Mode(mode).bit_depths:
        raise unknown(where, f"bit depth of mode {Mode(mode).name}", depth, Mode(mode).bit_depths)
    if effort > _MOST_EFFORT[version]:
        raise unknown(where, f"effort of format version {version}", effort, f"0..{_MOST_EFFORT[version]}")
    if layout > _MOST_LAYOUT[version]:
        raise unknown(where, "layout", layout, f"0..{_MOST_LAYOUT[version]}")
    at = _START.size
    sizes = []
    for _ in range(4):
        size, at = read_varint(payload, at)
        sizes.append(size)
    width, height, tile_width, tile_height = sizes
    if (
        at >= len(payload)
        or len(payload) != at + 1 + payload[at]
        or payload[at] not in (0, MODEL_ID_SIZE_BYTES)
    ):
        raise ValueError(f"payload is {len(payload)} bytes, expected another size")
    return Header(
        *(width, height, Mode(mode), Effort(effort), tile_width, tile_height, payload[at + 1 :]),
        *(depth, index_bits, *(bool(layout >> bit & 1) for bit in range(len(_LAYOUT))), version),
    )


def _unpack_1(payload: bytes, where: str) -> Header:
    """Read the payload of format version 1."""
    version, flags, width, height, mode, depth, effort, reserved, tile_width, tile_height, model_id = (
        _START_1.unpack(payload)
    )
    for name, found, expected in (
        ("flags", flags, 0),
        ("reserved byte", reserved, 0),
        ("bit depth", depth, 8),
        ("effort of format version 1", effort, 0),
    ):
        if found != expected:
            raise unknown(where, name, found, expected)
    if mode > Mode.RGB:
        raise unknown(where, "mode", mode, "0..1")
    return Header(
        *(width, height, Mode(mode), Effort(effort), tile_width, tile_height, model_id), version=version
    )


def unknown(where: str, what: str, found: object, expected: object) -> UnsupportedVersionError:
    """Return the error for an intact value that only another version of the format can mean."""
    if isinstance(expected, tuple):
        expected = " or ".join(str(value) for value in expected)
    return UnsupportedVersionError(f"{where}: {what} is {found}, this version of pixcodec knows {expected}")


def varint(number: int) -> bytes:
    """Return a number in groups of seven bits, the lowest first, all but the last with bit 7 set."""
    groups = bytearray()
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    groups.append(number)
    return bytes(groups)


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Return the number at ``start``, at most MAX_NUMBER, and where it ends.

    Raises
    ------
    ValueError
        If the bytes end before, or the number is longer than it has to be.
    """
    number = 0
    for k in range(5):
        if start + k >= len(data):
            raise ValueError(f"payload ends after {len(data)} bytes, within a number")
        group = data[start + k]
        number |= (group & 127) << (7 * k)
        if group < 128:
            if k and not group:
                break
            return number, start + k + 1
    raise ValueError(f"number at byte {start} is longer than it has to be")
