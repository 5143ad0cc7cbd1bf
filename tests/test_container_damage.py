"""Damaged files: each is refused, with an error that says what is wrong and where."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_files import (
    COEF,
    DATA,
    DONE,
    DONE_1,
    EXACT,
    HASH_1,
    PALETTE,
    START,
    TILE,
    chunk,
    head,
    head_1,
    tile_1,
)
from pixcodec.container.beginning import HEADER_SIZE_BYTES, parse_header, parse_start
from pixcodec.container.chunks import MAGIC
from pixcodec.container.container import pack, parse
from pixcodec.container.header import MAX_SIDE
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    NotPixcodecError,
    PixcodecError,
    UnsupportedVersionError,
)


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


def test_the_crc_of_a_chunk_is_named_with_its_place() -> None:
    broken = bytearray(head() + TILE + DONE)
    broken[START + 9] ^= 0xFF
    with pytest.raises(CorruptFileError) as caught:
        parse(broken)
    found, expected = (zlib.crc32(b"TILE\0" + bytes([b])) for b in (ord("x") ^ 0xFF, ord("x")))
    place = f"chunk 'TILE' at byte {START}"
    assert str(caught.value) == f"{place}: CRC is 0x{found:08x}, expected 0x{expected:08x}"


INDEXED = head(index_bits=1)
PLTE = chunk(b"PLTE", b"\0\7")


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", NotPixcodecError, "starts with nothing"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), NotPixcodecError, "starts with 89 50 4e 47"),
        (MAGIC.replace(b"\r\n", b"\n") + bytes(100), CorruptFileError, "transferred as text"),
        (head_1(version=2), UnsupportedVersionError, "format version is 2, this version of pixcodec knows 1"),
        (
            MAGIC + chunk(b"HEAD", b"\x0c\0" + bytes(60)),
            UnsupportedVersionError,
            "this version of pixcodec knows 1 or 3 or 4 or 5 or 6 or 7 or 8 or 9 or 10 or 11",
        ),
        (MAGIC + chunk(b"HEAD", b"\x0c\0"), UnsupportedVersionError, "format version is 12"),
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
        (head() + chunk(b"TILE", b"\3"), UnsupportedVersionError, "kind of tile is 3"),
        (head(version=5) + chunk(b"TILE", b"\2"), UnsupportedVersionError, "kind of tile is 2"),
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
    data[len(MAGIC) + 8] = 5
    for parser in (parse, parse_header, parse_start):
        with pytest.raises(CorruptFileError, match="CRC"):
            parser(data)


def test_a_long_head_of_another_version_is_not_taken_for_damage() -> None:
    data = MAGIC + chunk(b"HEAD", b"\x0c\0" + bytes(100))
    with pytest.raises(UnsupportedVersionError, match="format version is 12"):
        parse_header(data[:HEADER_SIZE_BYTES])
