"""APNG files <-> the rectangles that they draw (PNG, third edition, "APNG: frame-based animation").

A frame is read and written as a PNG file of its own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pixcodec.container.frames import Disposal, SeriesKind, Setting
from pixcodec.errors import CorruptFileError, LimitExceededError
from pixcodec.images.picture import Picture
from pixcodec.images.png_parts import SIGNATURE, png_chunk
from pixcodec.images.series import Frame, Series

MAX_SHARE = 65535  # numerator and denominator of a duration
_CONTROL = struct.Struct(
    ">IIIIIHHBB"
)  # sequence, width, height, x, y, numerator, denominator, disposal, blend
_SIZES = struct.Struct(">II")
_START = struct.Struct(">I4s")
_CRC_SIZE_BYTES = 4
_SEQUENCE_SIZE_BYTES = 4
_SHARED = (b"PLTE", b"tRNS", b"sBIT")  # chunks that change what the pixels of later frames are
_DISPOSALS = (Disposal.KEEP, Disposal.CLEAR, Disposal.RESTORE)
_OVER = 1


class _Control(NamedTuple):
    """The chunk fcTL of a frame, and its compressed pixels."""

    width: int
    height: int
    setting: Setting
    data: list[bytes]


def is_apng(data: bytes) -> bool:
    """Return whether a PNG file says that it is animated."""
    return data.startswith(SIGNATURE) and any(kind == b"acTL" for kind, _ in _before_pixels(data))


def _before_pixels(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    try:
        for kind, payload in _chunks(data):
            if kind == b"IDAT":
                return
            yield kind, payload
    except CorruptFileError:
        return


def read_apng(data: bytes, max_pixels: int, to_picture: Callable[[bytes], Picture]) -> Series:
    """Return the frames of an APNG file; a still image before them is a hidden frame.

    Parameters
    ----------
    data : bytes
    max_pixels : int
        Of the canvas.
    to_picture : callable
        Reads a PNG file of one image.

    Raises
    ------
    CorruptFileError, LimitExceededError
    """
    header, before, after, controls, plays = _parse(data)
    width, height = _SIZES.unpack_from(header)
    if width * height > max_pixels:
        raise LimitExceededError(f"image is too large, the limit is {max_pixels} pixels (max_pixels)")
    for control in controls:
        x, y = control.setting[:2]
        if min(control.width, control.height) < 1 or x + control.width > width or y + control.height > height:
            raise CorruptFileError(
                f"frame of the PNG file is {control.width}x{control.height} at {x},{y}, expected it within "
                f"{width}x{height}"
            )
    shared = [chunk for chunk in before if chunk[0] in _SHARED]

    def frames() -> Iterator[Frame]:
        for number, control in enumerate(controls):
            around = (shared, []) if number else (before, after)
            yield Frame(to_picture(_alone(header, control, *around)), control.setting)

    return Series(SeriesKind.ANIMATION, width, height, plays, frames(), len(controls))


Chunks = list[tuple[bytes, bytes]]


def _parse(data: bytes) -> tuple[bytes, Chunks, Chunks, list[_Control], int]:
    """Return IHDR, the chunks before and after the pixels, the frames, and how often they are shown."""
    header, plays, last = b"", 0, b""
    before: Chunks = []
    after: Chunks = []
    controls: list[_Control] = []
    for kind, payload in _chunks(data):
        if kind == b"IHDR":
            header = payload
        elif kind == b"acTL":
            plays = int.from_bytes(payload[4:8], "big")
        elif kind == b"fcTL":
            controls.append(_parse_control(payload))
        elif kind == b"IDAT":
            if not controls:
                width, height = _SIZES.unpack_from(header)
                controls.append(_Control(width, height, Setting(hidden=True), []))
            controls[0].data.append(payload)
        elif kind == b"fdAT":
            if not controls:
                raise CorruptFileError("chunk 'fdAT' of the PNG file comes before any frame")
            controls[-1].data.append(payload[_SEQUENCE_SIZE_BYTES:])
        elif kind != b"IEND":
            (after if controls and controls[0].data else before).append((kind, payload))
        last = kind
    if last != b"IEND" or len(header) < _SIZES.size or not all(control.data for control in controls):
        raise CorruptFileError("the APNG file ends too early, or a frame of it has no pixels")
    return header, before, after, controls, plays


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at < len(data):
        if at + _START.size > len(data):
            raise CorruptFileError("the PNG file ends within a chunk")
        size, kind = _START.unpack_from(data, at)
        start, end = at + _START.size, at + _START.size + size
        if end + _CRC_SIZE_BYTES > len(data):
            raise CorruptFileError(f"the PNG file ends within chunk {kind!r}")
        payload = data[start:end]
        if zlib.crc32(kind + payload) != int.from_bytes(data[end : end + _CRC_SIZE_BYTES], "big"):
            raise CorruptFileError(f"the CRC of chunk {kind!r} of the PNG file is wrong")
        yield kind, payload
        at = end + _CRC_SIZE_BYTES
        if kind == b"IEND":
            return


def _parse_control(payload: bytes) -> _Control:
    try:
        _, width, height, x, y, numerator, denominator, disposal, blend = _CONTROL.unpack(payload)
    except struct.error as error:
        raise CorruptFileError("chunk 'fcTL' of the PNG file has another size") from error
    if disposal >= len(_DISPOSALS) or blend > _OVER:
        raise CorruptFileError(f"chunk 'fcTL' of the PNG file has disposal {disposal} and blend {blend}")
    setting = Setting(x, y, numerator, denominator, _DISPOSALS[disposal], blend == _OVER)
    return _Control(width, height, setting, [])


def _alone(header: bytes, control: _Control, before: Chunks, after: Chunks) -> bytes:
    """Return a frame as a PNG file."""
    sized = _SIZES.pack(control.width, control.height) + header[_SIZES.size :]
    chunks = [
        *((b"IHDR", sized), *before),
        *((b"IDAT", part) for part in control.data),
        *(*after, (b"IEND", b"")),
    ]
    return SIGNATURE + b"".join(png_chunk(*chunk) for chunk in chunks)


def shared_parts(data: bytes) -> list[tuple[bytes, bytes]]:
    """Return what the PNG files of all frames must have in common: IHDR but for its sizes, PLTE and tRNS."""
    return [
        (kind, payload[_SIZES.size :] if kind == b"IHDR" else payload)
        for kind, payload in _before_pixels(data)
        if kind in (b"IHDR", *_SHARED)
    ]


def write_apng(series: Series, files: Sequence[bytes], settings: Sequence[Setting]) -> bytes:
    """Return frames, given as PNG files that have the same IHDR but for their sizes, as an APNG file.

    A frame is at least as large as the canvas, or none of them is the first one that is shown.
    """
    header = _chunks(files[0])
    parts, sequence = [SIGNATURE], 0
    shown = [setting for setting in settings if not setting.hidden]
    control = struct.pack(">II", len(shown), series.loop or 0 if series.loop is not None else 1)
    for number, (file, setting) in enumerate(zip(files, settings, strict=True)):
        chunks = list(_chunks(file))
        width, height = _SIZES.unpack_from(chunks[0][1])
        if not number:
            parts.append(png_chunk(*next(header)))
            parts.append(png_chunk(b"acTL", control))
            parts += [png_chunk(*chunk) for chunk in chunks[1:] if chunk[0] not in (b"IDAT", b"IEND")]
        if not setting.hidden:
            parts.append(png_chunk(b"fcTL", _packed_control(sequence, width, height, setting)))
            sequence += 1
        for kind, payload in chunks:
            if kind == b"IDAT" and number:
                parts.append(png_chunk(b"fdAT", struct.pack(">I", sequence) + payload))
                sequence += 1
            elif kind == b"IDAT":
                parts.append(png_chunk(kind, payload))
    return b"".join([*parts, png_chunk(b"IEND", b"")])


def _packed_control(sequence: int, width: int, height: int, setting: Setting) -> bytes:
    numerator, denominator = setting.numerator, setting.denominator
    if max(numerator, denominator) > MAX_SHARE:
        share = setting.seconds.limit_denominator(1000)
        numerator, denominator = min(share.numerator, MAX_SHARE), share.denominator
    disposal = _DISPOSALS.index(setting.disposal or Disposal.KEEP)
    return _CONTROL.pack(
        *(sequence, width, height, setting.x, setting.y, numerator, denominator, disposal, setting.over)
    )
