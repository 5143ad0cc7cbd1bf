"""Coefficients of an image that was a JPEG file once <-> the chunk COEF (FORMAT.md, section JPEG).

They are coded as streams, as those of a JPEG file that is kept are. Before format version 8 could say so,
there was one bitstream of another kind, which :mod:`pixcodec.jpeg.coder` still decodes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pixcodec.coding.rangecoder import Decoder as BitDecoder
from pixcodec.container.header import unknown
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError
from pixcodec.jpeg.coder import code_image
from pixcodec.jpeg.coefficients import (
    MAX_COEFFICIENT,
    OLD_SUBSAMPLINGS,
    SUBSAMPLINGS,
    Coefficients,
    block_counts,
)
from pixcodec.jpeg.decoders import DECODERS, DEFAULT, Decoder
from pixcodec.jpeg.orientations import ORIENTATIONS, TRANSPOSED
from pixcodec.jpeg.pixels import units_of
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.jpeg.stream.coder import Image, Workers, decode_streams, encode_streams
from pixcodec.jpeg.stream.state import THOROUGHNESS, StreamKind

_HEAD_SIZE_BYTES, _WIDER_HEAD_SIZE_BYTES = 3, 5
_DECODER_AT = 3
# The byte of the decoder in version 8: its number, whether networks foresee the streams, their effort,
# whether there are streams.
_STREAMS, _EFFORT_SHIFT, _NETWORKED, _DECODER_MASK = 0x80, 5, 0x10, 0x0F


class _Head(NamedTuple):
    """What a payload says before the steps of quantisation."""

    top: int
    left: int
    subsampling: int
    decoder: Decoder
    orientation: int
    streams: StreamKind | None  # None: there are none


def encode_coefficients(coefficients: Coefficients, effort: int, workers: Workers) -> bytes:
    """Return the payload of the chunk COEF in a file of version 8.

    Parameters
    ----------
    coefficients : Coefficients
    effort : int
        Of the streams, 0 .. 2.
    workers : Workers

    Raises
    ------
    ValueError
        If a coefficient is beyond MAX_COEFFICIENT.
    """
    c = coefficients._replace(blocks=tuple(np.ascontiguousarray(b, np.int16) for b in coefficients.blocks))
    if any(b.size and int(np.abs(b).max()) > MAX_COEFFICIENT for b in c.blocks):
        raise ValueError(f"a coefficient is beyond {MAX_COEFFICIENT}")
    decoder = _STREAMS | effort << _EFFORT_SHIFT | _NETWORKED | DECODERS.index(c.decoder)
    head = [c.top, c.left, SUBSAMPLINGS.index((c.horizontal, c.vertical)), decoder, c.orientation]
    return bytes(head) + packed_steps(c) + encode_streams([image_of(c)], StreamKind(effort), workers)


def packed_steps(c: Coefficients) -> bytes:
    """Return the steps of quantisation as a payload has them."""
    return b"".join(table.astype(np.uint8)[ZIGZAG].tobytes() for table in c.tables)


def image_of(c: Coefficients) -> Image:
    """Return what is coded of the coefficients of an image."""
    vertical, horizontal = c.vertical, c.horizontal
    luma, chroma = ((vertical,) * 2, (horizontal,) * 2), ((vertical, 1), (horizontal, 1))
    return Image(c.blocks, c.tables, (luma, chroma, chroma)[: len(c.blocks)])


def coded_start(channels: int, *, wider: bool) -> int:
    """Return where the coded coefficients begin in a payload, in bytes; ``wider``: of format version 8."""
    return (_WIDER_HEAD_SIZE_BYTES if wider else _HEAD_SIZE_BYTES) + 64 * channels


def stream_kind(payload: bytes, *, wider: bool) -> StreamKind | None:
    """Return how the streams of a payload are coded; None if it has none.

    Raises
    ------
    UnsupportedVersionError
        If only a later version of pixcodec knows it.
    """
    return _read_head(payload, wider).streams


def decode_coefficients(
    payload: bytes,
    height: int,
    width: int,
    channels: int,
    *,
    wider: bool = False,
    workers: Workers,
    part: TileBox | None = None,
) -> Coefficients:
    """Return the coefficients of an image of this size, in pixels, and 1 or 3 channels.

    ``wider``: of a file of format version 8. ``part``: coefficients that this part of the image does not need
    may be 0.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If the payload is none of such an image's, or only a later version of pixcodec knows what it is.
    """
    start = coded_start(channels, wider=wider)
    if len(payload) < start:
        raise CorruptFileError(f"coefficients are {len(payload)} bytes, expected at least {start}")
    head = _read_head(payload, wider)
    c = _empty(head, _read_steps(payload[:start], channels), height, width)
    if head.streams is not None:
        units = None if part is None else units_of(c, part)
        decode_streams(payload[start:], [image_of(c)], head.streams, workers, units=units)
    else:
        bits = BitDecoder(payload[start:])
        code_image(image_of(c), bits, decoding=True)
        bits.finish()
    if any(int(np.abs(b).max()) > MAX_COEFFICIENT for b in c.blocks):
        raise CorruptFileError(f"a coefficient is beyond {MAX_COEFFICIENT}")
    return c


def _read_head(payload: bytes, wider: bool) -> _Head:
    """Return the head of a payload of at least as many bytes."""
    top, left, subsampling = payload[:_HEAD_SIZE_BYTES]
    known = len(SUBSAMPLINGS) if wider else OLD_SUBSAMPLINGS
    if subsampling >= known:
        raise unknown("coefficients", "subsampling", subsampling, f"0..{known - 1}")
    if not wider:
        return _Head(top, left, subsampling, DEFAULT, 0, None)
    value, orientation = payload[_DECODER_AT:_WIDER_HEAD_SIZE_BYTES]
    has_streams = value >= _STREAMS
    number = value & _DECODER_MASK if has_streams else value
    if number >= len(DECODERS):
        raise unknown("coefficients", "decoder", number, f"0..{len(DECODERS) - 1}")
    effort = (value & ~_STREAMS) >> _EFFORT_SHIFT
    if effort >= len(THOROUGHNESS):
        raise unknown("coefficients", "effort of streams", effort, f"0..{len(THOROUGHNESS) - 1}")
    if orientation >= ORIENTATIONS:
        raise unknown("coefficients", "orientation", orientation, f"0..{ORIENTATIONS - 1}")
    kind = StreamKind(effort, bool(value & _NETWORKED)) if has_streams else None
    return _Head(top, left, subsampling, DECODERS[number], orientation, kind)


def _read_steps(start: bytes, channels: int) -> np.ndarray:
    """Return the steps of quantisation (channels, 64) at the end of the start of a payload."""
    steps = np.frombuffer(start, np.uint8, 64 * channels, len(start) - 64 * channels).reshape(channels, 64)
    if not steps.all():
        raise CorruptFileError("step of quantisation is 0")
    tables = np.zeros((channels, 64), np.int32)
    tables[:, ZIGZAG] = steps
    return tables


def _empty(head: _Head, tables: np.ndarray, height: int, width: int) -> Coefficients:
    """Return coefficients that are 0, of an image of this size."""
    channels = len(tables)
    if head.subsampling and channels == 1:
        raise CorruptFileError(f"subsampling of a grey image is {head.subsampling}, expected 0")
    horizontal, vertical = SUBSAMPLINGS[head.subsampling]
    if head.top >= 8 * vertical or head.left >= 8 * horizontal:
        raise CorruptFileError(f"image begins at ({head.left}, {head.top}), which is not in its first block")
    if head.orientation & TRANSPOSED:
        height, width = width, height
    place = (height, width, head.top, head.left, horizontal, vertical)
    shapes = [block_counts(*place, component) for component in range(channels)]
    blocks = tuple(np.zeros((*shape, 64), np.int16) for shape in shapes)
    return Coefficients(*place, tuple(tables), blocks, head.decoder, head.orientation)
