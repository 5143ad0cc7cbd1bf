from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixcodec.container.beginning import HEADER_SIZE_BYTES, parse_header, parse_start, read_beginning
from pixcodec.container.chunks import MAGIC, Chunk
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import MAX_SIDE, Effort, Header, Mode
from pixcodec.container.info import read_info
from pixcodec.container.layers import LayerKind, layers_of
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    NotPixcodecError,
    PixcodecError,
    UnsupportedVersionError,
)

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
    """Return magic and HEAD of a 1x1 grey image of format version 5, with some fields changed."""
    fields = {"version": 5, "mode": 0, "depth": 8, "effort": 0, "layout": 0, "index_bits": 0}
    assert set(changes) <= set(fields)
    start = struct.pack("<HBBBBB", *(fields | changes).values())
    return MAGIC + chunk(b"HEAD", start + sizes + model_id)


HASH_1 = chunk(b"HASH", bytes(16))
DONE_1 = chunk(b"DONE")
TILE = chunk(b"TILE", b"\0x")
DONE = chunk(b"DONE", bytes(8))
START = len(head())  # of the first chunk after HEAD


@st.composite
def containers(draw: st.DrawFn) -> Container:
    size = st.integers(1, 12)
    width, height, tile_width, tile_height = (draw(size) for _ in range(4))
    mode = draw(st.sampled_from(Mode))
    depth = draw(st.sampled_from(mode.bit_depths))
    header = Header(
        *(width, height, mode, draw(st.sampled_from(Effort)), tile_width + 3, tile_height + 3),
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


@given(containers())
def test_parse_is_the_inverse_of_pack(container: Container) -> None:
    data = pack(container)
    assert parse(data) == container
    assert pack(parse(data)) == data
    assert parse_header(data[:HEADER_SIZE_BYTES]) == container.header


@given(containers())
def test_what_is_before_the_tiles_is_read_by_itself(container: Container) -> None:
    data = pack(container)
    file = io.BytesIO(data)
    beginning = read_beginning(file)
    header, chunks = parse_start(beginning)
    assert header == container.header
    assert parse_start(data) == (header, chunks)
    assert tuple(found for found in chunks if found.ancillary) == container.ancillary
    single = {found.type: found.payload for found in chunks if not found.ancillary}
    assert single.get("PLTE", b"") == container.palette
    assert single.get("TRNS", b"") == container.transparency
    assert beginning == data[: len(beginning)]
    assert beginning.endswith(b"COEF" if header.jpeg else b"TILE")


@given(containers(), st.data())
def test_every_short_read_and_flipped_bit_is_noticed(container: Container, draw: st.DataObject) -> None:
    data = pack(container)
    with pytest.raises(PixcodecError):
        parse(data[: draw.draw(st.integers(0, len(data) - 1))])
    flipped = bytearray(data)
    bit = draw.draw(st.integers(0, 8 * len(data) - 1))
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PixcodecError):
        parse(flipped)


@given(st.binary(max_size=300), st.sampled_from([0, len(MAGIC), START, START + 8]))
def test_garbage_raises_nothing_but_our_errors(garbage: bytes, kept: int) -> None:
    for parser in (parse, parse_start, parse_header):
        try:
            parser(DATA[:kept] + garbage)
        except PixcodecError:
            continue
        assert parser is not parse


@pytest.mark.parametrize("data", [DATA, pack(PALETTE), head_1() + tile_1() + HASH_1 + DONE_1])
def test_truncation_at_every_byte(data: bytes) -> None:
    for length in range(len(data)):
        with pytest.raises(NotPixcodecError if length < 4 else CorruptFileError):
            parse(data[:length])


@pytest.mark.parametrize("data", [DATA, pack(PALETTE), head_1() + tile_1() + HASH_1 + DONE_1])
def test_every_bit_flip(data: bytes) -> None:
    parse(data)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(NotPixcodecError if bit < 32 else CorruptFileError):
            parse(flipped)


@pytest.mark.parametrize("data", [bytearray(DATA), memoryview(DATA)])
def test_any_bytes_like_object_is_read(data: bytearray | memoryview) -> None:
    assert parse(data) == CONTAINER
    assert parse_header(data) == HEADER


def test_the_smallest_file_is_small() -> None:
    header = Header(1, 1, Mode.GREY, Effort.FAST, 512, 512, b"")
    data = pack(Container(header, (Tile(TileKind.RAW, 0, b"x"),), bytes(8)))
    assert len(data) == 8 + 26 + 14 + 20
    assert data == head(b"\1\1\x80\4\x80\4") + TILE + DONE


def test_chunks_stand_in_their_order() -> None:
    expected = head(b"\3\2\3\2", mode=5, depth=2, effort=2)
    expected += chunk(b"PLTE", PALETTE.palette) + chunk(b"TILE", b"\0\x1b\xe4") + DONE
    assert pack(PALETTE) == expected
    kinds = [b"HEAD", b"TRNS", b"noTE", b"eMPT", b"TILE", b"TILE", b"DONE"]
    places = [DATA.index(kind) for kind in kinds[:5]] + [DATA.rindex(kind) for kind in kinds[5:]]
    assert places == sorted(places)
    assert DATA[places[4] + 4 :].startswith(b"\1\3coded bits")


def test_a_long_slope_takes_more_bytes() -> None:
    slope = Tile(TileKind.CODED, MAX_SIDE, b"")
    data = pack(replace(PALETTE, tiles=(slope,)))
    assert chunk(b"TILE", b"\1\x80\x80\x40") in data
    assert parse(data).tiles == (slope,)


def test_the_crc_of_a_chunk_is_named_with_its_place() -> None:
    broken = bytearray(head() + TILE + DONE)
    broken[START + 9] ^= 0xFF
    with pytest.raises(CorruptFileError) as caught:
        parse(broken)
    found, expected = (zlib.crc32(b"TILE\0" + bytes([b])) for b in (ord("x") ^ 0xFF, ord("x")))
    place = f"chunk 'TILE' at byte {START}"
    assert str(caught.value) == f"{place}: CRC is 0x{found:08x}, expected 0x{expected:08x}"


INDEXED = head(index_bits=1)
EXACT = head(layout=48)
COEF = chunk(b"COEF", b"some")
PLTE = chunk(b"PLTE", b"\0\7")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", NotPixcodecError, "starts with nothing"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), NotPixcodecError, "starts with 89 50 4e 47"),
        (MAGIC.replace(b"\r\n", b"\n") + bytes(100), CorruptFileError, "transferred as text"),
        (head_1(version=2), UnsupportedVersionError, "format version is 2, this version of pixcodec knows 1"),
        (
            MAGIC + chunk(b"HEAD", b"\6\0" + bytes(60)),
            UnsupportedVersionError,
            "format version is 6, this version of pixcodec knows 1 or 3 or 4 or 5",
        ),
        (MAGIC + chunk(b"HEAD", b"\6\0"), UnsupportedVersionError, "format version is 6"),
        (MAGIC + chunk(b"HEAD", b"\1\0" + bytes(60)), CorruptFileError, "62 bytes, the most is 40"),
        (MAGIC + chunk(b"TILE", bytes(40)), CorruptFileError, "type 'TILE'"),
        (MAGIC + chunk(b"HEAD", b"\4"), CorruptFileError, "payload is 1 bytes, expected 2 or more"),
        # Version 1
        (head_1(flags=0x8000), UnsupportedVersionError, "flags is 32768"),
        (head_1(reserved=1), UnsupportedVersionError, "reserved byte is 1"),
        (head_1(depth=16), UnsupportedVersionError, "bit depth is 16"),
        (head_1(mode=2), UnsupportedVersionError, "mode is 2"),
        (head_1(effort=1), UnsupportedVersionError, "effort of format version 1 is 1"),
        (head_1(width=0), CorruptFileError, "chunk 'HEAD' at byte 8: image is 0x1 pixels"),
        (head_1(tile_height=0), CorruptFileError, "tile is 1x0 pixels"),
        (head_1(width=MAX_SIDE + 1), LimitExceededError, "width is 1048577 pixels, the limit is 1048576"),
        (head_1(tile_height=2**32 - 1), LimitExceededError, "tile_height is 4294967295 pixels"),
        (head_1(width=2**17, height=2**17), LimitExceededError, "image is 131072x131072 pixels"),
        (
            head_1(width=2**15, height=2**15, tile_width=2**15, tile_height=2**15),
            LimitExceededError,
            "tile is 32768x32768 pixels",
        ),
        (head_1() + tile_1(kind=2), UnsupportedVersionError, "kind of tile is 2"),
        (head_1() + tile_1(reserved=1), UnsupportedVersionError, "reserved byte is 1"),
        (head_1() + tile_1(slope=1), CorruptFileError, "slope of a RAW tile is 1"),
        (head_1() + tile_1(kind=1), CorruptFileError, "slope of a CODED tile is 0"),
        (head_1() + tile_1(kind=1, slope=2**20 + 1), CorruptFileError, "slope of a CODED tile is 1048577"),
        (head_1() + chunk(b"TILE", bytes(5)), CorruptFileError, "payload is 5 bytes, expected 6 or more"),
        (head_1() + tile_1() * 2 + HASH_1 + DONE_1, CorruptFileError, "number of tiles is 2, expected 1"),
        (head_1() + HASH_1 + DONE_1, CorruptFileError, "number of tiles is 0, expected 1"),
        (head_1() + tile_1() + DONE_1, CorruptFileError, "chunk 'DONE' at byte 79: expected an empty chunk"),
        (
            head_1() + tile_1() + HASH_1 * 2 + DONE_1,
            CorruptFileError,
            "'HASH' at byte 107: found out of order",
        ),
        (head_1() + HASH_1 + tile_1() + DONE_1, CorruptFileError, "'TILE' at byte 88: found out of order"),
        (head_1() + tile_1() + chunk(b"HASH", bytes(8)) + DONE_1, CorruptFileError, "hash is 8 bytes"),
        (head_1() + tile_1() + HASH_1 + DONE, CorruptFileError, "expected an empty chunk"),
        (head_1() + tile_1() + DONE, CorruptFileError, "expected an empty chunk after chunk 'HASH'"),
        (head_1() + chunk(b"TRNS", b"\1\1"), UnsupportedVersionError, "does not know the chunk"),
        # Version 5; test_header.py has more of HEAD
        (head(mode=7), UnsupportedVersionError, "chunk 'HEAD' at byte 8: mode is 7"),
        (head(b"\0\1\1\1"), CorruptFileError, "chunk 'HEAD' at byte 8: image is 0x1 pixels"),
        (head() + chunk(b"TILE", b"\2"), UnsupportedVersionError, "kind of tile is 2"),
        (head() + chunk(b"TILE"), CorruptFileError, "payload is 0 bytes, expected 1 or more"),
        (head() + chunk(b"TILE", b"\1"), CorruptFileError, "within a number"),
        (head() + chunk(b"TILE", b"\1\x83\0"), CorruptFileError, "longer than it has to be"),
        (head() + chunk(b"TILE", b"\1\0"), CorruptFileError, "slope of a CODED tile is 0"),
        (head() + chunk(b"TILE", b"\1\x81\x80\x40"), CorruptFileError, "of a CODED tile is 1048577"),
        (head() + chunk(b"TILE", b"\0xy") + DONE, CorruptFileError, "raw tile 0 is 2 bytes, expected 1"),
        (head() + TILE * 2 + DONE, CorruptFileError, "number of tiles is 2, expected 1"),
        (head(b"\2\1\1\1") + TILE + DONE, CorruptFileError, "number of tiles is 1, expected 2"),
        (head(mode=2) + TILE + DONE, CorruptFileError, "number of tiles is 1, expected 2"),
        (head() + DONE, CorruptFileError, "number of tiles is 0, expected 1"),
        (head() + TILE + chunk(b"DONE", bytes(16)), CorruptFileError, "pixel hash is 16 bytes, expected 8"),
        (head() + TILE + DONE_1, CorruptFileError, "pixel hash is 0 bytes, expected 8"),
        (head() + TILE + DONE + b"\0", CorruptFileError, "found 1 bytes after chunk 'DONE'"),
        (head() + TILE, CorruptFileError, f"chunk at byte {START + 14}: file ends after 0 bytes"),
        (head() + head()[len(MAGIC) :], CorruptFileError, f"'HEAD' at byte {START}: found out of order"),
        (head() + chunk(b"NEWS"), UnsupportedVersionError, f"chunk 'NEWS' at byte {START}"),
        (head() + HASH_1, UnsupportedVersionError, "does not know the chunk"),
        (head() + chunk(b"no e"), CorruptFileError, "four ASCII letters"),
        (head() + PLTE + TILE + DONE, CorruptFileError, "mode GREY has a chunk 'PLTE'"),
        (INDEXED + chunk(b"TILE", b"\0\0") + DONE, CorruptFileError, "chunk 'PLTE' is missing"),
        (INDEXED + PLTE * 2, CorruptFileError, f"'PLTE' at byte {START + 14}: found out of order"),
        (INDEXED + chunk(b"TILE", b"\0\0") + PLTE, CorruptFileError, "found out of order"),
        (head() + TILE + chunk(b"TRNS", b"\1\1"), CorruptFileError, "found out of order"),
        (head() + chunk(b"TRNS"), CorruptFileError, f"'TRNS' at byte {START}: payload is 0 bytes"),
        (head() + chunk(b"TILE", b"\1\3") + DONE, CorruptFileError, "tile 0 is coded with a network"),
        (EXACT + DONE, CorruptFileError, "chunk 'COEF' is missing"),
        (head(layout=16) + TILE + DONE, CorruptFileError, "chunk 'COEF' is missing"),
        (EXACT + COEF * 2, CorruptFileError, f"'COEF' at byte {START + 16}: found out of order"),
        (EXACT + COEF + PLTE, CorruptFileError, f"'PLTE' at byte {START + 16}: found out of order"),
        (EXACT + COEF + chunk(b"TRNS", b"\1\1"), CorruptFileError, "found out of order"),
        (EXACT + PLTE + COEF + DONE, CorruptFileError, "mode GREY has a chunk 'PLTE'"),
        (EXACT + COEF + TILE + DONE, CorruptFileError, "number of tiles is 1, expected 0"),
        (EXACT + chunk(b"COEF"), CorruptFileError, f"'COEF' at byte {START}: payload is 0 bytes"),
        (head(layout=16) + TILE + COEF, CorruptFileError, "'COEF' at byte"),
        (head(layout=16) + COEF + DONE, CorruptFileError, "number of tiles is 0, expected 1"),
        (head() + COEF + TILE + DONE, CorruptFileError, "without JPEG coefficients has a chunk 'COEF'"),
        (head(version=3) + COEF, UnsupportedVersionError, "does not know the chunk"),
        (head_1() + COEF, UnsupportedVersionError, "does not know the chunk"),
        (head(version=3, layout=16), UnsupportedVersionError, "layout is 16"),
    ],
)
def test_what_is_wrong_is_said(data: bytes, error: type[PixcodecError], message: str) -> None:
    with pytest.raises(error) as caught:
        parse(data)
    assert message in str(caught.value)


def test_a_damaged_version_is_damage() -> None:
    data = bytearray(head() + TILE + DONE)
    data[len(MAGIC) + 8] = 6
    for parser in (parse, parse_header, parse_start):
        with pytest.raises(CorruptFileError, match="CRC"):
            parser(data)


def test_a_long_head_of_another_version_is_not_taken_for_damage() -> None:
    data = MAGIC + chunk(b"HEAD", b"\6\0" + bytes(100))
    with pytest.raises(UnsupportedVersionError, match="format version is 6"):
        parse_header(data[:HEADER_SIZE_BYTES])


@pytest.mark.parametrize(
    "parts",
    [
        *((head_1(), tile_1(), HASH_1, DONE_1), (head(version=3), TILE, DONE), (head(), TILE, DONE)),
        *((head(layout=16), COEF, TILE, DONE), (EXACT, COEF, DONE)),
    ],
    ids=["version 1", "version 3", "version 5", "with coefficients", "exact"],
)
def test_ancillary_chunks_may_stand_between_the_others(parts: tuple[bytes, ...]) -> None:
    start, tile, *rest, done = parts
    data = start + chunk(b"noTE", b"1") + tile + chunk(b"noTE", b"2") + b"".join(rest)
    data += chunk(b"noTE", b"3") + done
    assert parse(data).ancillary == tuple(Chunk("noTE", text) for text in (b"1", b"2", b"3"))


@pytest.mark.parametrize(
    "changes",
    [
        {"tiles": CONTAINER.tiles[:1]},
        {"tiles": (CONTAINER.tiles[0], Tile(TileKind.RAW, 0, b"short"))},
        {"header": replace(HEADER, model_id=b"")},
        {"header": replace(HEADER, jpeg=True)},
        {"coefficients": b"some"},
        {"pixel_hash": b"short"},
        {"pixel_hash": bytes(16)},
        {"palette": b"\0\0"},
        {"header": replace(HEADER, index_bits=3)},
        {"ancillary": (Chunk("Late", b""),)},
        {"ancillary": (Chunk("no", b""),)},
        {"ancillary": (Chunk("naïf", b""),)},
    ],
)
def test_parts_that_contradict_each_other_make_no_container(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected|ancillary|PLTE|COEF"):
        replace(CONTAINER, **changes)  # type: ignore[arg-type]


def test_the_pixel_hash_covers_geometry_and_pixels() -> None:
    pixels = bytes(range(6))

    def header(width: int, height: int, mode: Mode, depth: int = 8, **more: bool) -> Header:
        return Header(width, height, mode, Effort.FAST, 9, 9, b"", depth, **more)

    first = header(2, 1, Mode.RGB)
    hashes = {
        pixel_hash(first, pixels),
        pixel_hash(header(1, 2, Mode.RGB), pixels),
        pixel_hash(header(6, 1, Mode.GREY), pixels),
        pixel_hash(header(6, 1, Mode.PALETTE), pixels),
        pixel_hash(header(3, 1, Mode.GREY_ALPHA), pixels),
        pixel_hash(header(3, 1, Mode.GREY, 9), pixels),
        pixel_hash(header(3, 1, Mode.GREY, 16), pixels),
        pixel_hash(first, pixels[::-1]),
    }
    assert len(hashes) == 8
    assert {len(h) for h in hashes} == {8}
    # How the pixels are coded is none of its business.
    assert pixel_hash(replace(first, effort=Effort.MAX, graphics=True, index_bits=2), pixels) in hashes
    geometry = struct.pack("<IIBB", 2, 1, 1, 8)
    assert pixel_hash(first, pixels) == hashlib.blake2b(geometry + pixels, digest_size=8).digest()


def test_the_pixel_hash_of_version_1_is_longer() -> None:
    header = parse_header(head_1(mode=1))
    expected = hashlib.blake2b(struct.pack("<IIB", 1, 1, 1) + b"abc", digest_size=16).digest()
    assert pixel_hash(header, b"abc") == expected


def test_info_needs_the_header_only() -> None:
    info = read_info(DATA[:HEADER_SIZE_BYTES], size_bytes=len(DATA))
    assert info == read_info(DATA)
    assert (info.width, info.height, info.mode, info.effort) == (3, 2, "rgb", "normal")
    assert (info.tile_width, info.tile_height, info.tile_count) == (2, 2, 2)
    assert info.model_id == bytes(range(8)).hex()
    assert (info.format_version, info.bit_depth) == (5, 8)
    assert info.bpsp_file == 8 * len(DATA) / 18
    other = read_info(pack(PALETTE))
    assert (other.mode, other.bit_depth, other.effort, other.model_id) == ("palette", 2, "max", "")
    assert read_info(head_1()).format_version == 1
    assert read_info(head(version=3)).format_version == 3


@pytest.mark.parametrize(("layout", "jpeg", "exact", "tiles"), [(0, 0, 0, 2), (16, 1, 0, 2), (48, 1, 1, 0)])
def test_info_tells_where_pixels_come_from(layout: int, jpeg: int, exact: int, tiles: int) -> None:
    info = read_info(head(b"\2\1\1\1", layout=layout))
    assert (info.jpeg, info.exact, info.tile_count) == (jpeg, exact, tiles)
