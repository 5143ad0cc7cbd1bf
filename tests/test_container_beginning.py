"""What is read of a file before its tiles: the first chunks, the info; and the hash after them."""

from __future__ import annotations

import hashlib
import io
import struct
from dataclasses import replace

import pytest
from hypothesis import given

from container_files import (
    DATA,
    PALETTE,
    containers,
    head,
    head_1,
)
from pixcodec.container.beginning import HEADER_SIZE_BYTES, parse_header, parse_start, read_beginning
from pixcodec.container.container import Container, pack
from pixcodec.container.header import Effort, Header, Mode
from pixcodec.container.info import read_info
from pixcodec.container.pixel_hash import pixel_hash


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
    assert (info.format_version, info.bit_depth) == (6, 8)
    assert info.bpsp_file == 8 * len(DATA) / 18
    other = read_info(pack(PALETTE))
    assert (other.mode, other.bit_depth, other.effort, other.model_id) == ("palette", 2, "max", "")
    assert read_info(head_1()).format_version == 1
    assert read_info(head(version=3)).format_version == 3


@pytest.mark.parametrize(("layout", "jpeg", "exact", "tiles"), [(0, 0, 0, 2), (16, 1, 0, 2), (48, 1, 1, 0)])
def test_info_tells_where_pixels_come_from(layout: int, jpeg: int, exact: int, tiles: int) -> None:
    info = read_info(head(b"\2\1\1\1", layout=layout))
    assert (info.jpeg, info.exact, info.tile_count) == (jpeg, exact, tiles)
