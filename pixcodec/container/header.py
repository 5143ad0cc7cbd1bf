"""Bytes <-> the header of a .pxc file (FORMAT.md, "HEAD"); standard library only."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from enum import IntEnum

from pixcodec.container.deep import (
    DEEP_SIZE_BYTES,
    MOST_CODED_DEPTH,
    Deep,
    Meaning,
    SampleKind,
    pack_deep,
)
from pixcodec.container.modes import Mode as Mode  # part of a header, for those who import one
from pixcodec.container.tiles import TileGrid
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedVersionError

FORMAT_VERSION = 6  # of files that are written
KEPT_VERSIONS = 7, 11  # of those that keep a JPEG file: networks foresee the streams since version 11
WIDER_VERSION = 8  # of those that need what version 6 has not
FITTED_VERSION = 9  # of photographs: effort fast calibrated, normal with block fits; of steady residuals
CALIBRATED_VERSION = 10  # of photographs: effort normal with block fits, calibrated
# Of files that are read; before version 5 not those of effort max.
FORMAT_VERSIONS = (1, 3, 4, 5, 6, 7, WIDER_VERSION, FITTED_VERSION, CALIBRATED_VERSION, 11)
VERSION_SIZE_BYTES = 2

MODEL_ID_SIZE_BYTES = 8  # the first bytes of a model's content hash, enough to find it
_MODEL_ID_SIZE_BYTES_1 = 16  # in format version 1: all of the hash

MAX_SIDE = 2**20  # pixels; of an image and of a tile
MAX_PIXELS = 2**31
DEFAULT_MAX_PIXELS = 2**28  # unless a caller asks for more: a small file can describe a large image
MAX_TILE_PIXELS = 2**28
MAX_PACKED_VALUES = 2**26  # of a packed layer
BYTES_OF_A_PIXEL = 8  # limits of pixels are also limits of so many bytes of samples for each

PLANE_BITS = 8  # of a value of a plane, unless the image has fewer
_MAX_COLOUR_INDEX_BITS = 8
_MAX_VALUE_INDEX_BITS = 16

_START = struct.Struct("<HBBBBB")  # version, mode, bit depth, effort, layout, index bits; varints follow
_HEAD_1 = struct.Struct("<HHIIBBBBII16s")  # the whole payload in format version 1
_LAYOUT_FLAGS = (
    "alpha_first",
    "graphics",
    "interleaved",
    "mapped",
    "jpeg",
    "exact",
    "packed",
    "residual",
)  # from bit 0 on
_MAX_LAYOUT = {3: 0xF, 4: 0x3F, 5: 0x3F, 6: 0x3F, 8: 0xFF, 9: 0xFF, 10: 0xF}  # by format version
_RESIDUAL, _BLOCKS = 0b10000000, 0b10001000  # of the layout: residual; that and mapped
_CORNER_SHIFT = 4  # of an H-transform, above the index bits
_FIRST_JPEG_VERSION = 4


class Effort(IntEnum):
    """How much time encoding and decoding take; more time makes smaller files."""

    FAST = 0
    NORMAL = 1
    MAX = 2
    RESEARCH = 3  # by a Row LSTM


_MAX_EFFORT = {**dict.fromkeys((3, 4, 10), Effort.NORMAL), **dict.fromkeys((5, 9), Effort.MAX)}
_MAX_EFFORT |= dict.fromkeys((6, 8), Effort.RESEARCH)  # by format version


@dataclass(frozen=True)
class Header:
    """The contents of the chunk HEAD.

    Parameters
    ----------
    width, height : int
        Size of the image in pixels, 1..MAX_SIDE.
    mode : Mode
    effort : Effort
    tile_width, tile_height : int
        Size of an uncut tile in pixels, 1..MAX_SIDE.
    model_id : bytes
        The first 8 bytes of the content hash of the network; empty if no layer needs one. All 16 bytes in
        format version 1.
    bit_depth : int
        Bits of a subpixel: 8..16, or 1 (bilevel), 1..8 (palette).
    index_bits : int
        Bits of an index, if the pixels are coded as indices of a table of colours (1..8) or, if ``mapped``,
        of a table of values (1..16). 0 if there is no table.
    alpha_first : bool
        Whether alpha is coded before the colours instead of after them.
    graphics : bool
        Whether the contexts include repeats and exact neighbourhoods (FORMAT.md, "Repeats").
    interleaved : bool
        Whether a layer WIDE holds the high and the low bits of the colours. Otherwise a layer of its own
        holds the low bits.
    mapped : bool
        Whether every subpixel is coded as the index of a value.
    jpeg : bool
        Whether the file has JPEG coefficients, to whose pixels the values of the tiles are added.
    exact : bool
        Whether the pixels of the coefficients are the image, so that there are no layers and no tiles.
    packed : bool
        Whether each tile is one layer of filtered rows, compressed: version WIDER_VERSION only.
    residual : bool
        Whether a layer RESIDUAL holds interleaved grey values, relative to their prediction if ``graphics``:
        versions WIDER_VERSION and FITTED_VERSION, where the layer is *steady*, only, and not in effort fast.
        With ``index_bits`` and not ``mapped``, it holds the means of blocks of an H-transform.
    kept : bool
        Whether the file keeps a JPEG file byte for byte, instead of tiles. Then ``jpeg`` and ``exact`` say
        that its coefficients are coded. If nobody knows its pixels, it has 1x1 of mode GREY.
    version : int
        Of the format: of KEPT_VERSIONS if ``kept``, and only then.
    corner : int
        Of an H-transform: 1 if blocks begin one row above a tile, and 2 more if one column to its left.
    deep : Deep or None
        Bands and kind of the samples of mode DEEP, which is always ``mapped``: ``index_bits`` is then the
        number of bits of a code, 1..32.

    Raises
    ------
    LimitExceededError
        If a side, the image or a tile is larger than pixcodec accepts.
    ValueError
        If the values contradict each other.
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
    packed: bool = False
    residual: bool = False
    kept: bool = False
    version: int = FORMAT_VERSION
    deep: Deep | None = None
    corner: int = 0

    def __post_init__(self) -> None:
        self._check_sizes()
        if self.bit_depth not in self.mode.bit_depths:
            raise ValueError(f"bit depth of mode {self.mode.name} is {self.bit_depth}")
        if self.mode is Mode.DEEP:
            self._check_deep()
        else:
            self._check_layout()
        self._check_jpeg()
        self._check_packed()
        self._check_residual()
        normal = self.may_be_fitted and self.effort is Effort.NORMAL
        has = {FITTED_VERSION: self.may_be_fitted or self.residual, CALIBRATED_VERSION: normal}
        if not has.get(self.version, True):
            raise ValueError(f"format version {self.version} has no images of such an effort and layout")
        sizes = (0, MODEL_ID_SIZE_BYTES) if self.version > 1 else (_MODEL_ID_SIZE_BYTES_1,)
        if len(self.model_id) not in sizes:
            expected = " or ".join(str(size) for size in sizes)
            raise ValueError(f"model id is {len(self.model_id)} bytes, expected {expected}")

    def _check_sizes(self) -> None:
        grid = self.grid
        for name in ("width", "height", "tile_width", "tile_height"):
            if getattr(self, name) > MAX_SIDE:
                raise LimitExceededError(f"{name} is {getattr(self, name)} pixels, the limit is {MAX_SIDE}")
        if self.width * self.height > MAX_PIXELS:
            raise LimitExceededError(
                f"image is {self.width}x{self.height} pixels, the limit is {MAX_PIXELS} pixels"
            )
        tile = grid[0]
        if tile.pixel_count > MAX_TILE_PIXELS:
            raise LimitExceededError(
                f"tile is {tile.width}x{tile.height} pixels, the limit is {MAX_TILE_PIXELS} pixels"
            )

    def _check_deep(self) -> None:
        if self.version != WIDER_VERSION or self.deep is None:
            raise ValueError(f"format version {self.version} has no mode DEEP")
        self.deep.check(self.bit_depth)
        if not self.mapped or not 1 <= self.index_bits <= MOST_CODED_DEPTH:
            raise ValueError(f"a code of mode DEEP has {self.index_bits} bits")
        others = (self.alpha_first, self.graphics, self.interleaved, self.jpeg, self.exact, self.packed)
        if any(others) or self.model_id:
            raise ValueError("an image of mode DEEP has a layout or a network of other modes")
        most = BYTES_OF_A_PIXEL * MAX_PIXELS
        if self.sample_bytes > most:
            raise LimitExceededError(
                f"image has {self.sample_bytes} bytes of samples, the limit is {most} bytes"
            )

    def _check_layout(self) -> None:
        most = _MAX_VALUE_INDEX_BITS if self.mapped else _MAX_COLOUR_INDEX_BITS
        if self.mode in (Mode.PALETTE, Mode.BILEVEL):
            most = 0
        least = 1 if self.mapped else 0
        if not least <= self.index_bits <= most:
            raise ValueError(f"an index of mode {self.mode.name} has {self.index_bits} bits")
        if self.interleaved and (self.coded_depth <= PLANE_BITS or self.indexed):
            raise ValueError("low bits are interleaved, but no layer has any")
        if self.alpha_first and (self.indexed or not self.mode.has_alpha):
            raise ValueError(f"alpha comes first, but no layer of mode {self.mode.name} is alpha")

    def _check_jpeg(self) -> None:
        if self.kept != (self.version in KEPT_VERSIONS):
            raise ValueError(f"format version {self.version} does not go with what is kept")
        if self.kept and (self.jpeg != self.exact or self.index_bits or self.graphics or self.model_id):
            raise ValueError("a JPEG file is kept, and there is something else")
        if self.exact and (not self.jpeg or self.graphics or self.index_bits):
            raise ValueError("pixels are exact, but are not those of JPEG coefficients alone")
        if not self.jpeg or self.kept:
            return
        if self.version < _FIRST_JPEG_VERSION:
            raise ValueError(f"format version {self.version} has no JPEG coefficients")
        if self.mode not in (Mode.GREY, Mode.RGB) or self.bit_depth != 8 or self.mapped:
            mapped = ", mapped" if self.mapped else ""
            raise ValueError(
                f"an image of mode {self.mode.name}, {self.bit_depth} bits{mapped} has JPEG coefficients"
            )

    def _check_packed(self) -> None:
        if not self.packed:
            return
        if self.version != WIDER_VERSION:
            raise ValueError(f"format version {self.version} has no packed layers")
        if self.alpha_first or self.graphics or self.interleaved or self.jpeg or self.model_id:
            raise ValueError("layers are packed, but the header says how they are coded")
        count = self.grid[0].pixel_count * (1 if self.indexed else self.mode.channels)
        if count > MAX_PACKED_VALUES:
            raise ValueError(f"a packed layer has {count} values, the most is {MAX_PACKED_VALUES}")

    def _check_residual(self) -> None:
        if not self.residual:
            return
        if self.version not in (WIDER_VERSION, FITTED_VERSION):
            raise ValueError(f"format version {self.version} has no residuals")
        if self.mode is not Mode.GREY or not self.interleaved:
            raise ValueError("there are residuals, but no grey values whose bits are interleaved")
        if self.effort not in (Effort.NORMAL, Effort.MAX):
            raise ValueError(f"effort {self.effort.name} has no residuals")
        if self.h_transform and (self.version != FITTED_VERSION or (self.tile_width | self.tile_height) & 1):
            raise ValueError("an H-transform needs version 9, and tiles of even sides")
        if self.corner not in range(4 if self.h_transform else 1):
            raise ValueError(f"corner of blocks is {self.corner}")

    @property
    def may_be_fitted(self) -> bool:
        """Return whether an image of such a header may be of format version 9 or 10."""
        if self.effort not in (Effort.FAST, Effort.NORMAL):
            return False
        if self.indexed or self.graphics or self.jpeg or self.packed:
            return False
        return self.mode not in (Mode.PALETTE, Mode.BILEVEL, Mode.DEEP) and not self.residual

    @property
    def indexed(self) -> bool:
        """Return whether every pixel is coded as the index of a colour."""
        return self.index_bits > 0 and not self.mapped and not self.residual

    @property
    def h_transform(self) -> bool:
        """Return whether blocks of 2x2 pixels are coded as their mean and three differences."""
        return self.residual and self.index_bits > 0 and not self.mapped

    @property
    def coded_depth(self) -> int:
        """Return the number of bits of the values that the layers hold, at least 8 for a colour."""
        return max(PLANE_BITS, self.index_bits) if self.mapped else self.bit_depth

    @property
    def low_bits(self) -> int:
        """Return how many bits of these values are below the 8 high ones."""
        return max(0, self.coded_depth - PLANE_BITS)

    @property
    def grid(self) -> TileGrid:
        """Return the tiles of the image."""
        return TileGrid(self.width, self.height, self.tile_width, self.tile_height)

    @property
    def subpixel_count(self) -> int:
        """Return the number of subpixels of the image."""
        return self.width * self.height * self.channels

    @property
    def channels(self) -> int:
        """Return the number of subpixels of a pixel."""
        return self.deep.bands if self.deep else self.mode.channels

    @property
    def sample_bytes(self) -> int:
        """Return how many bytes the samples take."""
        return self.subpixel_count * -(-self.bit_depth // PLANE_BITS)


def fitted(header: Header) -> Header:
    """Return the header with which an image is written: of version 9 or 10 instead of 6, if it may be."""
    if header.version == FORMAT_VERSION and header.may_be_fitted:
        return replace(header, version=CALIBRATED_VERSION if header.effort else FITTED_VERSION)
    return header


def pack_header(header: Header) -> bytes:
    """Return the payload of the chunk HEAD, in format version 3 or later."""
    h = header
    assert h.version in _MAX_LAYOUT
    layout = sum(getattr(h, name) << bit for bit, name in enumerate(_LAYOUT_FLAGS))
    index_bits = h.index_bits | h.corner << _CORNER_SHIFT
    parts = [_START.pack(h.version, h.mode, h.bit_depth, h.effort, layout, index_bits)]
    parts += [pack_varint(size) for size in (h.width, h.height, h.tile_width, h.tile_height)]
    parts += [bytes([len(h.model_id)]), h.model_id, pack_deep(h.deep) if h.deep else b""]
    return b"".join(parts)


def unpack_version(payload: bytes) -> int:
    """Return the format version from the first bytes of the payload of HEAD."""
    return int.from_bytes(payload[:VERSION_SIZE_BYTES], "little")


def unpack_header(payload: bytes, where: str) -> Header:
    """Read the payload of the chunk HEAD.

    Parameters
    ----------
    payload : bytes
    where : str
        Type and position of the chunk, for messages.

    Raises
    ------
    UnsupportedVersionError
        If a field has a value that this version of pixcodec does not know.
    LimitExceededError
        If the image is larger than pixcodec accepts.
    CorruptFileError
        If anything else is not as FORMAT.md says.
    """
    if len(payload) < VERSION_SIZE_BYTES:
        raise CorruptFileError(
            f"{where}: payload is {len(payload)} bytes, expected {VERSION_SIZE_BYTES} or more"
        )
    version = unpack_version(payload)
    if version not in FORMAT_VERSIONS:
        raise unknown(where, "format version", version, FORMAT_VERSIONS)
    if version in KEPT_VERSIONS:
        raise CorruptFileError(f"{where}: format version {version} does not go with chunks")
    try:
        return _unpack_1(payload, where) if version == 1 else _unpack(payload, where)
    except (ValueError, struct.error) as error:
        raise CorruptFileError(f"{where}: {error}") from error
    except LimitExceededError as error:
        raise LimitExceededError(f"{where}: {error}") from error


def _unpack(payload: bytes, where: str) -> Header:
    version, mode, depth, effort, layout, index_bits = _START.unpack_from(payload)
    known = Mode.DEEP if version == WIDER_VERSION else Mode.BILEVEL
    if mode > known:
        raise unknown(where, "mode", mode, f"0..{known}")
    if depth not in Mode(mode).bit_depths:
        raise unknown(where, f"bit depth of mode {Mode(mode).name}", depth, Mode(mode).bit_depths)
    if effort > _MAX_EFFORT[version]:
        raise unknown(where, f"effort of format version {version}", effort, f"0..{_MAX_EFFORT[version]}")
    if effort == Effort.RESEARCH and (mode, depth, layout, index_bits) != (Mode.RGB, 8, 0, 0):
        found = f"{Mode(mode).name}, {depth} bits, layout {layout}, {index_bits} bits of an index"
        raise unknown(where, "an image of effort research", found, "RGB, 8 bits, 0, 0")
    if layout > _MAX_LAYOUT[version]:
        raise unknown(where, "layout", layout, f"0..{_MAX_LAYOUT[version]}")
    width, at = read_varint(payload, _START.size)
    height, at = read_varint(payload, at)
    tile_width, at = read_varint(payload, at)
    tile_height, at = read_varint(payload, at)
    id_size = payload[at] if at < len(payload) else None
    end = len(payload) - (DEEP_SIZE_BYTES if mode == Mode.DEEP else 0)
    model_id, deep = payload[at + 1 : end], None
    if mode == Mode.DEEP:
        deep = _unpack_deep(payload[max(end, at + 1) :], where)
    if id_size not in (0, MODEL_ID_SIZE_BYTES) or len(model_id) != id_size:
        raise ValueError(f"payload is {len(payload)} bytes, expected another size")
    flags = [bool(layout >> bit & 1) for bit in range(len(_LAYOUT_FLAGS))]  # the fields of Header in order
    corner = 0
    if layout & _BLOCKS == _RESIDUAL and version == FITTED_VERSION:
        corner, index_bits = index_bits >> _CORNER_SHIFT, index_bits & ((1 << _CORNER_SHIFT) - 1)
    return Header(
        *(width, height, Mode(mode), Effort(effort), tile_width, tile_height, model_id),
        *(depth, index_bits, *flags, False, version, deep, corner),
    )


def _unpack_deep(end: bytes, where: str) -> Deep:
    """Read the end of HEAD of mode DEEP."""
    if len(end) != DEEP_SIZE_BYTES:
        raise ValueError(f"payload ends with {len(end)} bytes on the samples, expected {DEEP_SIZE_BYTES}")
    bands, kind, meaning = end
    if kind > max(SampleKind):
        raise unknown(where, "kind of samples", kind, f"0..{max(SampleKind)}")
    if meaning > max(Meaning):
        raise unknown(where, "meaning of the bands", meaning, f"0..{max(Meaning)}")
    return Deep(bands, SampleKind(kind), Meaning(meaning))


def _unpack_1(payload: bytes, where: str) -> Header:
    """Read the payload of format version 1."""
    version, flags, width, height, mode, depth, effort, reserved, tile_width, tile_height, model_id = (
        _HEAD_1.unpack(payload)
    )
    for name, found, expected in (
        ("flags", flags, 0),
        ("reserved byte", reserved, 0),
        ("bit depth", depth, 8),
        ("effort of format version 1", effort, Effort.FAST),
    ):
        if found != expected:
            raise unknown(where, name, found, expected)
    if mode > Mode.RGB:
        raise unknown(where, "mode", mode, "0..1")
    return Header(
        *(width, height, Mode(mode), Effort(effort), tile_width, tile_height, model_id), version=version
    )


def unknown(where: str, what: str, found: object, expected: object) -> UnsupportedVersionError:
    """Return the error for an intact field whose value only another version of the format defines.

    Parameters
    ----------
    where : str
        Type and position of the chunk.
    what : str
        Name of the field.
    found, expected : object
        Its value, and the values that this version of pixcodec knows; a tuple becomes ``a or b or c``.
    """
    if isinstance(expected, tuple):
        expected = " or ".join(str(value) for value in expected)
    return UnsupportedVersionError(f"{where}: {what} is {found}, this version of pixcodec knows {expected}")
