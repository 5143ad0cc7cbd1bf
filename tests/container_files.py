"""Small .pxc files for tests, and the chunks to make others of."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

from hypothesis import strategies as st

from pixcodec.container.chunks import MAGIC, Chunk
from pixcodec.container.container import Container, Tile, TileKind, pack
from pixcodec.container.header import MAX_SIDE, Effort, Header, Mode
from pixcodec.container.layers import LayerKind, layers_of

EFFORTS = (Effort.FAST, Effort.NORMAL, Effort.MAX)  # of all modes
HEADER = Header(3, 2, Mode.RGB, Effort.NORMAL, 2, 2, bytes(range(8)))
CONTAINER = Container(
    HEADER,
    (Tile(TileKind.CODED, 3, b"coded bits"), Tile(TileKind.RAW, 0, b"rawraw")),
    bytes(range(100, 108)),
    (Chunk("noTE", b"a note"), Chunk("eMPT", b"")),
    transparency=b"\x01abc",
)
DATA = pack(CONTAINER)
PALETTE = Container(
    Header(3, 2, Mode.PALETTE, Effort.MAX, 3, 2, b"", bit_depth=2),
    (Tile(TileKind.RAW, 0, b"\x1b\xe4"),),
    bytes(8),
    palette=b"\x03\x00" + bytes(12),
)


def chunk(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack("<I4s", len(payload), kind) + payload + struct.pack("<I", zlib.crc32(kind + payload))


def head_1(**changes: int | bytes) -> bytes:
    """Return magic and HEAD of a 1x1 grey image of format version 1, with some fields changed."""
    fields: dict[str, int | bytes] = {
        "version": 1,
        "flags": 0,
        "width": 1,
        "height": 1,
        "mode": 0,
        "depth": 8,
        "effort": 0,
        "reserved": 0,
        "tile_width": 1,
        "tile_height": 1,
        "model_id": bytes(16),
    }
    assert set(changes) <= set(fields)
    return MAGIC + chunk(b"HEAD", struct.pack("<HHIIBBBBII16s", *(fields | changes).values()))


def tile_1(kind: int = 0, reserved: int = 0, slope: int = 0, bitstream: bytes = b"x") -> bytes:
    return chunk(b"TILE", struct.pack("<BBI", kind, reserved, slope) + bitstream)


def head(sizes: bytes = b"\1\1\1\1", model_id: bytes = b"\0", **changes: int) -> bytes:
    """Return magic and HEAD of a 1x1 grey image of format version 6, with some fields changed."""
    fields = {"version": 6, "mode": 0, "depth": 8, "effort": 0, "layout": 0, "index_bits": 0}
    assert set(changes) <= set(fields)
    start = struct.pack("<HBBBBB", *(fields | changes).values())
    return MAGIC + chunk(b"HEAD", start + sizes + model_id)


HASH_1 = chunk(b"HASH", bytes(16))
DONE_1 = chunk(b"DONE")
TILE = chunk(b"TILE", b"\0x")
DONE = chunk(b"DONE", bytes(8))
COEF = chunk(b"COEF", b"some")
EXACT = head(layout=48)
START = len(head())  # position of the first chunk after HEAD


@st.composite
def containers(draw: st.DrawFn) -> Container:
    size = st.integers(1, 12)
    width, height, tile_width, tile_height = (draw(size) for _ in range(4))
    mode = draw(st.sampled_from([mode for mode in Mode if mode is not Mode.DEEP]))  # tests/test_deep.py
    depth = draw(st.sampled_from(mode.bit_depths))
    header = Header(
        *(width, height, mode, draw(st.sampled_from(EFFORTS)), tile_width + 3, tile_height + 3),
        draw(st.sampled_from([b"", bytes(range(8))])),
        depth,
        alpha_first=mode.has_alpha and draw(st.booleans()),
        graphics=draw(st.booleans()),
        interleaved=depth > 8 and draw(st.booleans()),
    )
    if mode not in (Mode.PALETTE, Mode.BILEVEL) and draw(st.booleans()):
        flags = {"interleaved": False, "alpha_first": False}
        header = replace(header, index_bits=draw(st.integers(1, 8)), **flags)
    if mode in (Mode.GREY, Mode.RGB) and depth == 8 and draw(st.booleans()):
        exact = not header.index_bits and draw(st.booleans())
        header = replace(header, jpeg=True, exact=exact, graphics=header.graphics and not exact)
    tiles = []
    for box in header.grid:
        for layer in layers_of(header):
            without_model = layer.kind is LayerKind.NETWORK and not header.model_id
            if without_model or draw(st.booleans()):
                size_bytes = layer.raw_size_bytes(box.pixel_count)
                tiles.append(Tile(TileKind.RAW, 0, bytes(size_bytes)))
            else:
                tiles.append(
                    Tile(TileKind.CODED, draw(st.integers(1, MAX_SIDE)), draw(st.binary(max_size=40)))
                )
    types = st.from_regex(r"[a-z][A-Za-z]{3}", fullmatch=True)
    ancillary = draw(st.lists(st.builds(Chunk, types, st.binary(max_size=20)), max_size=3))
    has_palette = mode is Mode.PALETTE or header.index_bits > 0
    palette = draw(st.binary(min_size=1, max_size=20)) if has_palette else b""
    digest, transparency = draw(st.binary(min_size=8, max_size=8)), draw(st.binary(max_size=9))
    coefficients = draw(st.binary(min_size=1, max_size=20)) if header.jpeg else b""
    return Container(header, tuple(tiles), digest, tuple(ancillary), palette, transparency, coefficients)
