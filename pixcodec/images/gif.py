"""GIF files of several frames <-> the rectangles that they draw (GIF89a); LZW by Pillow."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixcodec.container.chunks import Chunk
from pixcodec.container.frames import Disposal, SeriesKind, Setting
from pixcodec.container.header import Mode
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedImageError
from pixcodec.images.colours import pack_colours, unpack_colours
from pixcodec.images.metadata import from_chunks, to_chunks
from pixcodec.images.picture import Picture
from pixcodec.images.series import Frame, Series
from pixcodec.images.transparency import pack_transparency, unpack_transparency

SIGNATURES = (b"GIF87a", b"GIF89a")
MAX_COLOURS = 256
TICKS = 100  # a second
_MAX_TICKS = 65535

_SCREEN = struct.Struct("<HHBBB")  # width, height, flags, background, aspect
_IMAGE = struct.Struct("<HHHHB")  # x, y, width, height, flags
_CONTROL = struct.Struct("<BHB")  # flags, ticks, transparent index
_TABLE, _SIZE_BITS = 0x80, 7  # of the flags of a screen or image
_INTERLACED = 0x40
_EXTENSION, _SEPARATOR, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL, _COMMENT, _APPLICATION = 0xF9, 0xFE, 0xFF
_LOOPS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
_XMP_TRAILER_SIZE_BYTES = 257  # after the packet: it lets readers of blocks find the end
_SCREEN_CHUNK = "gscr"  # FORMAT.md, "Ancillary chunks"
_KEPT_SCREEN = struct.Struct("<BHH")  # background, width, height
_GREY_RAMP = np.repeat(np.arange(MAX_COLOURS, dtype=np.uint8)[:, None], 3, axis=1)


@dataclass
class _Image:
    """A frame as the file has it."""

    box: tuple[int, int, int, int]
    flags: int
    colours: bytes  # its own colour table, or that of the file; empty if there is none
    data: bytes  # of LZW: the size of a code, then blocks
    ticks: int
    disposal: int
    transparent: int | None
    info: dict[str, Any]


@dataclass
class _File:
    """What a file holds."""

    width: int
    height: int
    background: int = 0
    loop: int | None = None
    images: list[_Image] = field(default_factory=list)


def read_gif(data: bytes, max_pixels: int) -> Series:
    """Return the frames of a GIF file.

    Parameters
    ----------
    data : bytes
        It starts with one of SIGNATURES.
    max_pixels : int
        Of the canvas, which is as large as the frames need.

    Raises
    ------
    CorruptFileError, LimitExceededError
    """
    found = _parse(data)
    if not found.images:
        raise CorruptFileError("the GIF file holds no image")
    width = max(found.width, *(image.box[0] + image.box[2] for image in found.images))
    height = max(found.height, *(image.box[1] + image.box[3] for image in found.images))
    if width * height > max_pixels:
        raise LimitExceededError(f"image is too large, the limit is {max_pixels} pixels (max_pixels)")
    kept = _KEPT_SCREEN.pack(found.background, found.width, found.height)
    usual = kept == _KEPT_SCREEN.pack(0, width, height)
    screens = [b"" if usual else kept, *[b""] * (len(found.images) - 1)]
    frames = map(_frame, found.images, screens)
    return Series(SeriesKind.ANIMATION, width, height, found.loop, frames, len(found.images))


def _frame(image: _Image, screen: bytes) -> Frame:
    x, y = image.box[:2]
    pixels = _indices(image)
    table = np.frombuffer(image.colours, np.uint8).reshape(-1, 3) if image.colours else _GREY_RAMP
    chunks = to_chunks(image.info)
    if screen:
        chunks = (*chunks, Chunk(_SCREEN_CHUNK, screen))
    picture = Picture(
        *(Mode.PALETTE, max(1, int(pixels.max()).bit_length()), pixels[:, :, None]),
        *(bytes([3]) + pack_colours(table), pack_transparency(image.transparent), chunks),
    )
    disposal = Disposal(image.disposal if image.disposal <= max(Disposal) else 0)
    return Frame(picture, Setting(x, y, image.ticks, TICKS, disposal, over=True))


def _indices(image: _Image) -> npt.NDArray[np.uint8]:
    """Return the indices (h, w) of a frame."""
    _, _, width, height = image.box
    alone = b"".join(
        (
            *(SIGNATURES[1], _SCREEN.pack(width, height, 0, 0, 0), bytes([_SEPARATOR])),
            *(_IMAGE.pack(0, 0, width, height, image.flags & _INTERLACED), image.data, bytes([_TRAILER])),
        )
    )
    with Image.open(io.BytesIO(alone), formats=("GIF",)) as opened:
        return np.array(opened)


def _parse(data: bytes) -> _File:
    """Return what a file holds; it may end without a trailer, as Pillow allows."""
    try:
        return _Reader(data).read()
    except (struct.error, IndexError) as error:
        raise CorruptFileError("the GIF file ends too early") from error


class _Reader:
    """Reads the blocks of a file."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, len(SIGNATURES[0])
        width, height, flags, background, _ = self._unpacked(_SCREEN)
        self._table = self._colours(flags)
        self._found = _File(width, height, background)
        self._control: tuple[int, int, int | None] = 0, 0, None
        self._info: dict[str, Any] = {}

    def read(self) -> _File:
        """Return all images."""
        while self._at < len(self._data):
            kind = self._data[self._at]
            self._at += 1
            if kind == _TRAILER:
                break
            if kind == _EXTENSION:
                self._read_extension()
            elif kind == _SEPARATOR:
                self._read_image()
        return self._found

    def _unpacked(self, layout: struct.Struct) -> tuple[int, ...]:
        values = layout.unpack_from(self._data, self._at)
        self._at += layout.size
        return values

    def _taken(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        self._at += size
        return part

    def _colours(self, flags: int) -> bytes:
        return self._taken(3 << (flags & _SIZE_BITS) + 1) if flags & _TABLE else b""

    def _blocks(self) -> list[bytes]:
        found = []
        while size := self._data[self._at]:
            self._at += 1
            found.append(self._taken(size))
        self._at += 1
        return found

    def _read_extension(self) -> None:
        label = self._data[self._at]
        self._at += 1
        start = self._at
        blocks = self._blocks()
        if label == _GRAPHIC_CONTROL and blocks:
            flags, ticks, index = _CONTROL.unpack_from(blocks[0])
            self._control = flags >> 2 & 7, ticks, index if flags & 1 else None
        elif label == _COMMENT and blocks:
            comment = self._info.get("comment")
            self._info["comment"] = (
                b"".join(blocks) if comment is None else comment + b"\n" + b"".join(blocks)
            )
        elif label == _APPLICATION and len(blocks) > 1:
            self._read_application(blocks, start)

    def _read_application(self, blocks: list[bytes], start: int) -> None:
        name = blocks[0]
        if name in _LOOPS and len(blocks[1]) >= 3 and blocks[1][0] == 1 and self._found.loop is None:
            self._found.loop = int.from_bytes(blocks[1][1:3], "little")
        elif name == _XMP:
            packet = self._data[start + 1 + len(name) : self._at]
            self._info["xmp"] = packet[:-_XMP_TRAILER_SIZE_BYTES]
        elif name == _ICC:
            self._info["icc_profile"] = b"".join(blocks[1:])

    def _read_image(self) -> None:
        *box, flags = self._unpacked(_IMAGE)
        x, y, width, height = box
        colours = self._colours(flags) or self._table
        start = self._at
        self._at += 1  # the size of a code
        try:
            self._blocks()
            end = self._at
        except IndexError:
            end = len(self._data)
        if min(width, height) < 1:
            raise CorruptFileError(f"frame of the GIF file is {width}x{height} pixels, expected at least 1x1")
        disposal, ticks, transparent = self._control
        image = _Image(
            (x, y, width, height),
            flags,
            colours,
            self._data[start:end],
            ticks,
            disposal,
            transparent,
            self._info,
        )
        self._found.images.append(image)
        self._control, self._info = (0, 0, None), {}


def is_plain(picture: Picture) -> bool:
    """Return whether a GIF file can hold a picture: indices of RGB colours, one transparent, or grey."""
    if picture.mode is Mode.GREY:
        return picture.bit_depth == 8 and isinstance(_key(picture), int | None)
    return picture.mode is Mode.PALETTE and picture.palette[0] == 3 and isinstance(_key(picture), int | None)


def _key(picture: Picture) -> object:
    return unpack_transparency(picture.transparency) if picture.transparency else None


def write_gif(series: Series) -> bytes:
    """Return frames as a GIF file; durations are rounded to hundredths of a second.

    Raises
    ------
    UnsupportedImageError
        If one of them is no :func:`is_plain` picture, or has another setting than GIF knows.
    """
    parts: list[bytes] = []
    first: bytes | None = None
    for number, frame in enumerate(series.frames):
        if not is_plain(frame.picture):
            raise UnsupportedImageError(
                f"frame {number} has mode {frame.picture.mode.name}, of which a gif file holds indices of up "
                "to 256 RGB colours: use png or webp"
            )
        colours = _table_of(frame.picture)
        if first is None:
            first = colours
            parts.append(SIGNATURES[1])
            flags = _TABLE | 0x70 | _size_bits(colours)
            background, width, height = _screen(frame.picture, series)
            parts += [_SCREEN.pack(width, height, flags, background, 0), colours]
            if series.loop is not None:
                loop = bytes([3, 1]) + min(series.loop, _MAX_TICKS).to_bytes(2, "little") + b"\0"
                parts.append(bytes([_EXTENSION, _APPLICATION, len(_LOOPS[0])]) + _LOOPS[0] + loop)
        parts += _written(frame, b"" if colours == first else colours)
    return b"".join([*parts, bytes([_TRAILER])])


def _screen(picture: Picture, series: Series) -> tuple[int, int, int]:
    """Return background index, width and height of the screen, which the first frame may name."""
    for chunk in picture.chunks:
        if chunk.type == _SCREEN_CHUNK and len(chunk.payload) == _KEPT_SCREEN.size:
            background, width, height = _KEPT_SCREEN.unpack(chunk.payload)
            return background, width, height
    return 0, series.width, series.height


def _table_of(picture: Picture) -> bytes:
    """Return the colour table of a picture, filled up to a power of two with black."""
    entries = _GREY_RAMP if picture.mode is Mode.GREY else unpack_colours(picture.palette[1:], 3, 8)
    count = max(len(entries), int(picture.pixels.max()) + 1, 2)
    table = np.zeros((1 << (count - 1).bit_length(), 3), np.uint8)
    table[: len(entries)] = entries
    return table.tobytes()


def _size_bits(colours: bytes) -> int:
    return (len(colours) // 3 - 1).bit_length() - 1


def _written(frame: Frame, colours: bytes) -> Iterator[bytes]:
    """Yield the blocks of a frame; ``colours``: its own table, if it needs one."""
    picture, setting = frame
    height, width = picture.pixels.shape[:2]
    info = from_chunks(picture.chunks)
    if "xmp" in info:
        trailer = bytes([1, *range(255, -1, -1), 0])
        yield bytes([_EXTENSION, _APPLICATION, len(_XMP)]) + _XMP + info["xmp"] + trailer
    if "icc_profile" in info:
        yield bytes([_EXTENSION, _APPLICATION, len(_ICC)]) + _ICC + _in_blocks(info["icc_profile"])
    if "comment" in info:
        yield bytes([_EXTENSION, _COMMENT]) + _in_blocks(info["comment"])
    ticks = min(round(setting.seconds * TICKS), _MAX_TICKS)
    key = _key(picture)
    index = key if isinstance(key, int) and key < MAX_COLOURS else None
    control = _CONTROL.pack(setting.disposal << 2 | (index is not None), ticks, index or 0)
    if any(control):
        yield bytes([_EXTENSION, _GRAPHIC_CONTROL, _CONTROL.size]) + control + b"\0"
    flags = _TABLE | _size_bits(colours) if colours else 0
    yield bytes([_SEPARATOR]) + _IMAGE.pack(setting.x, setting.y, width, height, flags) + colours
    yield _lzw(picture.pixels[:, :, 0].astype(np.uint8))


def _in_blocks(data: bytes) -> bytes:
    blocks = (data[k : k + 255] for k in range(0, len(data), 255))
    return b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def _lzw(indices: npt.NDArray[np.uint8]) -> bytes:
    """Return the size of a code and the blocks of indices (h, w)."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(indices)).save(buffer, "GIF", optimize=False, interlace=False)
    return _parse(buffer.getvalue()).images[0].data
