from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixcodec.container import (
    HEADER_SIZE_BYTES,
    MAGIC,
    MAX_SIDE,
    Chunk,
    Container,
    Effort,
    Header,
    Mode,
    Tile,
    TileKind,
    pack,
    parse,
    parse_header,
    pixel_hash,
    read_info,
)
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    NotPixcodecError,
    PixcodecError,
    UnsupportedVersionError,
)

HEADER = Header(3, 2, Mode.RGB, Effort.NORMAL, 2, 2, bytes(range(16)))
CONTAINER = Container(
    HEADER,
    (Tile(TileKind.CODED, 3, b"coded bits"), Tile(TileKind.RAW, 0, b"rawraw")),
    bytes(range(100, 116)),
    (Chunk("noTE", b"a note"), Chunk("eMPT", b"")),
)
DATA = pack(CONTAINER)


def chunk(kind: bytes, payload: bytes = b"") -> bytes:
    return struct.pack("<I4s", len(payload), kind) + payload + struct.pack("<I", zlib.crc32(kind + payload))


def head(**changes: int | bytes) -> bytes:
    """Return magic and HEAD of a 1x1 grey image, as FORMAT.md says, with some fields changed."""
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


def tile(kind: int = 0, reserved: int = 0, slope: int = 0, bitstream: bytes = b"x") -> bytes:
    return chunk(b"TILE", struct.pack("<BBI", kind, reserved, slope) + bitstream)


HASH = chunk(b"HASH", bytes(16))
DONE = chunk(b"DONE")


@st.composite
def containers(draw: st.DrawFn) -> Container:
    size = st.integers(1, 12)
    width, height, tile_width, tile_height = (draw(size) for _ in range(4))
    header = Header(
        *(width, height, draw(st.sampled_from(Mode)), draw(st.sampled_from(Effort))),
        *(tile_width + 3, tile_height + 3, draw(st.binary(min_size=16, max_size=16))),
    )
    tiles = []
    for box in header.grid:
        if draw(st.booleans()):
            size_bytes = box.pixel_count * header.mode.channels
            tiles.append(Tile(TileKind.RAW, 0, draw(st.binary(min_size=size_bytes, max_size=size_bytes))))
        else:
            tiles.append(Tile(TileKind.CODED, draw(st.integers(1, MAX_SIDE)), draw(st.binary(max_size=40))))
    types = st.from_regex(r"[a-z][A-Za-z]{3}", fullmatch=True)
    ancillary = draw(st.lists(st.builds(Chunk, types, st.binary(max_size=20)), max_size=3))
    return Container(header, tuple(tiles), draw(st.binary(min_size=16, max_size=16)), tuple(ancillary))


@given(containers())
@settings(deadline=None)
def test_parse_is_the_inverse_of_pack(container: Container) -> None:
    data = pack(container)
    assert parse(data) == container
    assert pack(parse(data)) == data
    assert parse_header(data[:HEADER_SIZE_BYTES]) == container.header


@given(containers(), st.data())
@settings(deadline=None)
def test_every_short_read_and_flipped_bit_is_noticed(container: Container, draw: st.DataObject) -> None:
    data = pack(container)
    with pytest.raises(PixcodecError):
        parse(data[: draw.draw(st.integers(0, len(data) - 1))])
    flipped = bytearray(data)
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PixcodecError):
        parse(flipped)


@given(st.binary(max_size=300), st.sampled_from([0, len(MAGIC), HEADER_SIZE_BYTES, HEADER_SIZE_BYTES + 8]))
def test_garbage_raises_nothing_but_our_errors(garbage: bytes, kept: int) -> None:
    with pytest.raises(PixcodecError):
        parse(DATA[:kept] + garbage)


def test_truncation_at_every_byte() -> None:
    for length in range(len(DATA)):
        with pytest.raises(NotPixcodecError if length < 4 else CorruptFileError):
            parse(DATA[:length])


def test_every_bit_flip() -> None:
    for bit in range(8 * len(DATA)):
        flipped = bytearray(DATA)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotPixcodecError if bit < 32 else CorruptFileError):
            parse(flipped)


@pytest.mark.parametrize("data", [bytearray(DATA), memoryview(DATA)])
def test_any_bytes_like_object_is_read(data: bytearray | memoryview) -> None:
    assert parse(data) == CONTAINER
    assert parse_header(data) == HEADER


def test_the_smallest_file_is_small() -> None:
    header = Header(1, 1, Mode.GREY, Effort.FAST, 512, 512, bytes(16))
    data = pack(Container(header, (Tile(TileKind.RAW, 0, b"x"),), bytes(16)))
    assert len(data) == 60 + 19 + 28 + 12
    assert data == head(tile_width=512, tile_height=512) + tile() + HASH + DONE


def test_the_crc_of_a_chunk_is_named_with_its_place() -> None:
    broken = bytearray(head() + tile() + HASH + DONE)
    broken[HEADER_SIZE_BYTES + 14] ^= 0xFF
    with pytest.raises(CorruptFileError) as caught:
        parse(broken)
    found, expected = (zlib.crc32(b"TILE\0\0\0\0\0\0" + bytes([b])) for b in (ord("x") ^ 0xFF, ord("x")))
    assert str(caught.value) == f"chunk 'TILE' at byte 60: CRC is 0x{found:08x}, expected 0x{expected:08x}"


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", NotPixcodecError, "starts with nothing"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), NotPixcodecError, "starts with 89 50 4e 47"),
        (MAGIC.replace(b"\r\n", b"\n") + bytes(100), CorruptFileError, "transferred as text"),
        (
            head(version=3),
            UnsupportedVersionError,
            "format version is 3, this version of pixcodec knows 1..2",
        ),
        (head(version=2), UnsupportedVersionError, "format version of effort fast is 2"),
        (head(version=1, effort=1), UnsupportedVersionError, "format version of effort normal is 1"),
        (
            MAGIC + chunk(b"HEAD", b"\3\0" + bytes(60)),
            UnsupportedVersionError,
            "format version is 3",
        ),
        (MAGIC + chunk(b"HEAD", b"\1\0" + bytes(60)), CorruptFileError, "62 bytes, expected"),
        (MAGIC + chunk(b"TILE", bytes(40)), CorruptFileError, "type 'TILE'"),
        (head(flags=0x8000), UnsupportedVersionError, "flags is 0x8000"),
        (head(reserved=1), UnsupportedVersionError, "reserved byte is 1"),
        (head(depth=16), UnsupportedVersionError, "bit depth is 16"),
        (head(mode=2), UnsupportedVersionError, "mode is 2"),
        (head(effort=3), UnsupportedVersionError, "effort is 3"),
        (head(width=0), CorruptFileError, "chunk 'HEAD' at byte 8: image is 0x1 pixels"),
        (head(tile_height=0), CorruptFileError, "tile is 1x0 pixels"),
        (head(width=MAX_SIDE + 1), LimitExceededError, "width is 1048577 pixels, the limit is 1048576"),
        (head(tile_height=2**32 - 1), LimitExceededError, "tile_height is 4294967295 pixels"),
        (head(width=2**17, height=2**17), LimitExceededError, "image is 131072x131072 pixels"),
        (
            head(width=2**15, height=2**15, tile_width=2**15, tile_height=2**15),
            LimitExceededError,
            "tile is 32768x32768 pixels",
        ),
        (head() + tile(kind=2), UnsupportedVersionError, "kind of tile is 2"),
        (head() + tile(reserved=1), UnsupportedVersionError, "reserved byte is 1"),
        (head() + tile(slope=1), CorruptFileError, "slope of a RAW tile is 1"),
        (head() + tile(kind=1), CorruptFileError, "slope of a CODED tile is 0"),
        (head() + tile(kind=1, slope=2**20 + 1), CorruptFileError, "slope of a CODED tile is 1048577"),
        (head() + chunk(b"TILE", bytes(5)), CorruptFileError, "payload is 5 bytes, expected 6 or more"),
        (head() + tile(bitstream=b"xy") + HASH + DONE, CorruptFileError, "raw tile 0 is 2 bytes, expected 1"),
        (head() + tile() + tile() + HASH + DONE, CorruptFileError, "at byte 79: expected chunk 'HASH'"),
        (head() + HASH + DONE, CorruptFileError, "chunk 'HASH' at byte 60: expected chunk 'TILE'"),
        (head(width=2) + tile() + HASH + DONE, CorruptFileError, "at byte 79: expected chunk 'TILE'"),
        (head() + tile() + DONE, CorruptFileError, "chunk 'DONE' at byte 79: expected chunk 'HASH'"),
        (head() + tile() + HASH + HASH + DONE, CorruptFileError, "expected chunk 'DONE'"),
        (head() + tile() + chunk(b"HASH", bytes(15)) + DONE, CorruptFileError, "pixel hash is 15 bytes"),
        (head() + tile() + HASH + chunk(b"DONE", b"!"), CorruptFileError, "payload is 1 bytes, expected 0"),
        (head() + tile() + HASH + DONE + b"\0", CorruptFileError, "found 1 bytes after chunk 'DONE'"),
        (head() + tile() + HASH, CorruptFileError, "chunk at byte 107: file ends after 0 bytes"),
        (head() + head()[len(MAGIC) :], CorruptFileError, "chunk 'HEAD' at byte 60: expected chunk 'TILE'"),
        (head() + chunk(b"NEWS"), UnsupportedVersionError, "chunk 'NEWS' at byte 60"),
        (head() + chunk(b"no e"), CorruptFileError, "four ASCII letters"),
        (head() + tile() + chunk(b"noTE") + HASH + DONE, CorruptFileError, "expected chunk 'HASH'"),
        (head(width=2) + tile() + chunk(b"noTE"), CorruptFileError, "expected chunk 'TILE'"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, error: type[PixcodecError], message: str) -> None:
    with pytest.raises(error) as caught:
        parse(data)
    assert message in str(caught.value)


def test_ancillary_chunks_may_stand_in_two_places() -> None:
    data = head() + chunk(b"noTE", b"1") + tile() + HASH + chunk(b"noTE", b"2") + DONE
    assert parse(data).ancillary == (Chunk("noTE", b"1"), Chunk("noTE", b"2"))


@pytest.mark.parametrize(
    "changes",
    [
        {"tiles": CONTAINER.tiles[:1]},
        {"tiles": (CONTAINER.tiles[0], Tile(TileKind.RAW, 0, b"short"))},
        {"pixel_hash": b"short"},
        {"ancillary": (Chunk("Late", b""),)},
        {"ancillary": (Chunk("no", b""),)},
        {"ancillary": (Chunk("naïf", b""),)},
    ],
)
def test_parts_that_contradict_each_other_make_no_container(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|ancillary"):
        replace(CONTAINER, **changes)  # type: ignore[arg-type]


def test_the_pixel_hash_covers_geometry_and_pixels() -> None:
    pixels = bytes(range(6))
    hashes = {
        pixel_hash(2, 1, Mode.RGB, pixels),
        pixel_hash(1, 2, Mode.RGB, pixels),
        pixel_hash(6, 1, Mode.GREY, pixels),
        pixel_hash(2, 1, Mode.RGB, pixels[::-1]),
    }
    assert len(hashes) == 4
    assert {len(h) for h in hashes} == {16}


def test_info_needs_the_header_only() -> None:
    info = read_info(DATA[:HEADER_SIZE_BYTES], size_bytes=len(DATA))
    assert info == read_info(DATA)
    assert (info.width, info.height, info.mode, info.effort) == (3, 2, "rgb", "normal")
    assert (info.tile_width, info.tile_height, info.tile_count) == (2, 2, 2)
    assert info.model_id == bytes(range(16)).hex()
    assert info.format_version == 2
    assert info.bpsp_file == 8 * len(DATA) / 18
