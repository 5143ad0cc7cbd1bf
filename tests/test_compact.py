"""Compact files: packed images of one tile, without chunks."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pixcodec
import samples
from pixcodec import reference
from pixcodec.container.beginning import HEADER_SIZE_BYTES, parse_header, parse_start, read_beginning
from pixcodec.container.chunks import MAGIC, Chunk
from pixcodec.container.compact import COMPACT_SAVING_BYTES, MAX_COMPACT_SIZE_BYTES, is_compact
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import Effort, Header, Mode
from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedVersionError

FOREVER = samples.GOLDEN / "forever"
SMALL = (FOREVER / "packed-palette.pxc").read_bytes()
ALL_PARTS = (FOREVER / "packed-metadata.pxc").read_bytes()


def checked(data: bytes) -> bytes:
    """Return a file with a correct check, given without one."""
    return data + (zlib.crc32(data) & 0xFFFF).to_bytes(2, "little")


@st.composite
def containers(draw: st.DrawFn) -> Container:
    mode = draw(st.sampled_from([mode for mode in Mode if mode is not Mode.DEEP]))
    depth = draw(st.sampled_from(mode.bit_depths))
    index_bits, mapped = 0, False
    if mode not in (Mode.PALETTE, Mode.BILEVEL):
        mapped = draw(st.booleans())
        index_bits = draw(st.integers(int(mapped), 15 if mapped else 8))
    width, height = draw(st.integers(1, 2000)), draw(st.integers(1, 2000))
    effort = draw(st.sampled_from([Effort.FAST, Effort.NORMAL, Effort.MAX]))
    header = Header(
        *(width, height, mode, effort, width, height, b"", depth, index_bits),
        mapped=mapped,
        packed=True,
        version=8,
    )
    some = st.binary(min_size=1, max_size=200)
    palette = draw(some) if index_bits or mode is Mode.PALETTE else b""
    names = draw(st.lists(st.sampled_from(["gama", "text", "xxxx"]), max_size=3))
    return Container(
        *(
            header,
            (Tile(TileKind.PACKED, 0, draw(st.binary(max_size=300))),),
            draw(st.binary(min_size=8, max_size=8)),
        ),
        ancillary=tuple(Chunk(name, draw(st.binary(max_size=20))) for name in names),
        palette=palette,
        transparency=draw(st.just(b"") | some),
    )


@given(containers())
def test_parse_is_the_inverse_of_pack(container: Container) -> None:
    data = pack(container)
    assert is_compact(data)
    assert parse(data) == container
    assert parse_header(data[:HEADER_SIZE_BYTES]) == container.header
    header, chunks = parse_start(read_beginning(io.BytesIO(data)))
    assert header == container.header
    assert tuple(chunk for chunk in chunks if chunk.ancillary) == container.ancillary
    kinds = [kind.decode() for kind, _ in reference.container.compact_chunks(data)]
    assert kinds == ["HEAD", *(chunk.type for chunk in chunks), "TILE", "DONE"]


def test_a_large_bitstream_has_chunks() -> None:
    whole = parse(SMALL)
    stream = bytes(MAX_COMPACT_SIZE_BYTES)
    large = Container(whole.header, (Tile(TileKind.PACKED, 0, stream),), bytes(8), palette=b"x")
    data = pack(large)
    assert not is_compact(data)
    assert parse(data) == large
    small = Container(whole.header, (Tile(TileKind.PACKED, 0, stream[:500]),), bytes(8), palette=b"x")
    assert len(data) - len(stream) - (len(pack(small)) - 500) >= COMPACT_SAVING_BYTES


@pytest.mark.parametrize("data", [SMALL, ALL_PARTS])
def test_every_damaged_byte_is_noticed(data: bytes) -> None:
    for at in range(len(data)):
        for change in (1, 0x40, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= change
            with pytest.raises(PixcodecError):
                pixcodec.decode(bytes(damaged))


@pytest.mark.parametrize("data", [SMALL, ALL_PARTS])
def test_every_truncation_is_noticed(data: bytes) -> None:
    for size in range(len(data) - 2):
        with pytest.raises(PixcodecError):
            parse(data[:size])
        with pytest.raises(PixcodecError):  # also if somebody has made the check right
            parse(checked(data[:size])) and pixcodec.decode(checked(data[:size]))
    with pytest.raises(CorruptFileError, match="the last bytes are"):
        parse(data + b"\0")


@given(st.binary(max_size=80))
def test_garbage_raises_nothing_but_our_errors(garbage: bytes) -> None:
    data = checked(MAGIC + b"\x88\1" + garbage)
    for read in (parse, parse_start, parse_header, pixcodec.recover):
        try:
            read(data)
        except PixcodecError:
            continue


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (b"\7\7\1\1", UnsupportedVersionError, "mode is 7"),
        (b"\x18\7\1\1", UnsupportedVersionError, "effort is 3"),
        (b"\0\0\1\1", CorruptFileError, "bit depth of mode GREY is 1"),
        (b"\x40\7\1\1\0", CorruptFileError, "TRNS is 0 bytes"),
        (b"\x40\7\1\1\x20", CorruptFileError, "TRNS is 32 bytes, and the file ends"),
        (b"\x80\7\1\1\0", CorruptFileError, "number of ancillary chunks is 0"),
        (b"\x80\7\1\1\1TEXT\0", CorruptFileError, "type 'TEXT' is not that of an ancillary chunk"),
        (b"\0\7\x81\0\1", CorruptFileError, "longer than it has to be"),
        (b"\0\7\0\1", CorruptFileError, "image is 0x1 pixels"),
        (b"\0\7\1\1", CorruptFileError, "within the hash of its pixels"),
    ],
)
def test_a_damaged_start_says_what_is_wrong(start: bytes, error: type[PixcodecError], message: str) -> None:
    with pytest.raises(error, match=message):
        parse(checked(MAGIC + b"\x88\1" + start))


def test_a_file_that_ends_after_its_first_bytes_is_damaged() -> None:
    with pytest.raises(CorruptFileError, match="file ends after 11 bytes"):
        parse(MAGIC + b"\x88\1\0")


def test_other_forms_after_the_byte_of_version_8_are_too_new() -> None:
    with pytest.raises(UnsupportedVersionError):
        parse(checked(MAGIC + b"\x88\xfe" + SMALL[10:-2]))


def test_a_compact_file_has_a_limit() -> None:
    with pytest.raises(CorruptFileError, match="a compact file has 65537 bytes"):
        parse(checked(SMALL[:-2] + bytes(MAX_COMPACT_SIZE_BYTES + 1 - len(SMALL))))


def test_metadata_and_transparency_come_back() -> None:
    assert is_compact(ALL_PARTS)
    image: Any = pixcodec.decode_image(ALL_PARTS)
    assert (image.mode, image.info["transparency"], image.info["comment"]) == ("P", 2, b"golden")
    mode, size, info = pixcodec.codec.header_image(ALL_PARTS)
    assert (mode, size, info["transparency"]) == ("P", image.size, 2)


def test_pillow_and_recover_read_it(tmp_path: Path) -> None:
    pixcodec.register_pillow()
    path = tmp_path / "small.pxc"
    path.write_bytes(ALL_PARTS)
    with Image.open(path) as image:
        assert image.info["comment"] == b"golden"
        np.testing.assert_array_equal(np.asarray(image), pixcodec.decode(ALL_PARTS))
    found = pixcodec.recover(ALL_PARTS)
    assert not found.damaged
    np.testing.assert_array_equal(np.asarray(found.image), pixcodec.decode(ALL_PARTS))
    with pytest.raises(CorruptFileError):
        pixcodec.recover(ALL_PARTS[:-3])


def test_arrays_that_are_read_in_part_may_be_compact(tmp_path: Path) -> None:
    path = tmp_path / "small.pxc"
    data = (FOREVER / "packed-rgb.pxc").read_bytes()
    path.write_bytes(data)
    expected = pixcodec.decode(data)
    found = np.zeros_like(expected)
    pixcodec.decode_large(path, found)
    np.testing.assert_array_equal(found, expected)
