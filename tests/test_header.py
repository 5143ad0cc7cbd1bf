"""HEAD: what is written is read again; each wrong byte is the error that says what to do."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixcodec.container.header import (
    MAX_PIXELS,
    MAX_SIDE,
    MAX_TILE_PIXELS,
    Effort,
    Header,
    Mode,
    pack_header,
    unpack_header,
)
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError, UnsupportedVersionError

WHERE = "chunk 'HEAD' at byte 8"
GREY = Header(768, 512, Mode.GREY, Effort.NORMAL, 768, 256, bytes(range(8)))
RGBA16 = Header(1, 300, Mode.RGBA, Effort.MAX, 1, 300, b"", 12)
PALETTE = Header(5, 7, Mode.PALETTE, Effort.FAST, 5, 7, b"", 3)
NUMBERS = st.integers(0, 2**35 - 1) | st.sampled_from([0, 127, 128, 2**14 - 1, 2**14, 2**28, 2**35 - 1])


@st.composite
def headers(draw: st.DrawFn) -> Header:
    sides = st.integers(1, 2**14) | st.sampled_from([1, 127, 128, MAX_SIDE])
    width, height, tile_width, tile_height = (draw(sides) for _ in range(4))
    height = min(height, MAX_PIXELS // width)
    while tile_width * tile_height > MAX_TILE_PIXELS:
        tile_width = tile_width // 2 + 1
    mode = draw(st.sampled_from([mode for mode in Mode if mode is not Mode.DEEP]))  # tests/test_deep.py
    depth = draw(st.sampled_from(mode.bit_depths))
    index_bits, mapped = 0, False
    if mode not in (Mode.PALETTE, Mode.BILEVEL):
        mapped = draw(st.booleans())
        index_bits = draw(st.integers(int(mapped), 16 if mapped else 8))
    indexed = index_bits > 0 and not mapped
    coded_depth = max(8, index_bits) if mapped else depth
    jpeg = mode in (Mode.GREY, Mode.RGB) and depth == 8 and not mapped and draw(st.booleans())
    exact = jpeg and index_bits == 0 and draw(st.booleans())
    effort = draw(st.sampled_from([Effort.FAST, Effort.NORMAL, Effort.MAX]))
    return Header(
        *(width, height, mode, effort, tile_width, tile_height),
        draw(st.just(b"") | st.binary(min_size=8, max_size=8)),
        depth,
        index_bits,
        alpha_first=mode.has_alpha and not indexed and draw(st.booleans()),
        graphics=not exact and draw(st.booleans()),
        interleaved=coded_depth > 8 and not indexed and draw(st.booleans()),
        mapped=mapped,
        jpeg=jpeg,
        exact=exact,
        version=draw(
            st.sampled_from([5, 6, 8] if effort is Effort.MAX else [4, 5, 6, 8] if jpeg else [3, 4, 5, 6, 8])
        ),
    )


@given(headers())
def test_unpack_is_the_inverse_of_pack(header: Header) -> None:
    payload = pack_header(header)
    assert unpack_header(payload, WHERE) == header
    assert len(payload) <= 40


@given(headers(), st.data())
def test_every_truncation_and_extension_is_noticed(header: Header, draw: st.DataObject) -> None:
    payload = pack_header(header)
    for size in range(len(payload)):
        with pytest.raises(CorruptFileError, match=WHERE):
            unpack_header(payload[:size], WHERE)
    with pytest.raises(CorruptFileError, match=WHERE):
        unpack_header(payload + draw.draw(st.binary(min_size=1, max_size=7)), WHERE)


@given(st.sampled_from([b"", b"\1\0", b"\3\0", b"\4\0"]), st.binary(max_size=40))
def test_garbage_raises_nothing_but_our_errors(version: bytes, garbage: bytes) -> None:
    payload = version + garbage
    try:
        header = unpack_header(payload, WHERE)
    except PixcodecError:
        with pytest.raises(PixcodecError, match=f"^{WHERE}: "):
            unpack_header(payload, WHERE)
    else:
        assert header.version == 1 or pack_header(header) == payload


@given(headers(), st.integers(0, 40), st.integers(0, 255))
def test_a_header_has_one_form_only(header: Header, at: int, value: int) -> None:
    payload = bytearray(pack_header(header))
    payload[at % len(payload)] = value
    try:
        found = unpack_header(bytes(payload), WHERE)
    except PixcodecError:
        return
    assert found.version == 1 or pack_header(found) == payload


def test_the_bytes_are_those_of_the_format() -> None:
    # version, mode, bit depth, effort, layout, index bits; width, height, tile width and height; model id
    numbers = bytes.fromhex("80 06 80 04 80 06 80 02")
    assert pack_header(GREY) == bytes([6, 0, 0, 8, 1, 0, 0]) + numbers + b"\x08" + bytes(range(8))
    assert pack_header(PALETTE) == bytes([6, 0, 5, 3, 0, 0, 0, 5, 7, 5, 7, 0])
    rgba = replace(RGBA16, alpha_first=True, graphics=True, interleaved=True, mapped=True, index_bits=9)
    assert pack_header(rgba) == bytes([6, 0, 3, 12, 2, 15, 9, 1, 0xAC, 2, 1, 0xAC, 2, 0])
    assert pack_header(replace(PALETTE, version=3)) == bytes([3, 0, 5, 3, 0, 0, 0, 5, 7, 5, 7, 0])
    jpeg = Header(1, 2, Mode.GREY, Effort.FAST, 1, 2, b"", graphics=True, jpeg=True)
    assert pack_header(jpeg) == bytes([6, 0, 0, 8, 0, 18, 0, 1, 2, 1, 2, 0])
    assert pack_header(replace(jpeg, graphics=False, exact=True))[5] == 48


def payload(**changes: int) -> bytes:
    """Return HEAD of a 1x1 grey image with some fields changed."""
    fields = {"version": 6, "mode": 0, "depth": 8, "effort": 0, "layout": 0, "index_bits": 0}
    assert set(changes) <= set(fields)
    return struct.pack("<HBBBBB", *(fields | changes).values()) + b"\1\1\1\1\0"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (
            {"version": 0},
            UnsupportedVersionError,
            "format version is 0, this version of pixcodec knows 1 or 3 or 4 or 5 or 6 or 7 or 8",
        ),
        ({"version": 2}, UnsupportedVersionError, "format version is 2"),
        ({"version": 0x103}, UnsupportedVersionError, "format version is 259"),
        ({"mode": 7}, UnsupportedVersionError, "mode is 7, this version of pixcodec knows 0..6"),
        ({"depth": 7}, UnsupportedVersionError, "bit depth of mode GREY is 7"),
        ({"depth": 17}, UnsupportedVersionError, "bit depth of mode GREY is 17"),
        ({"mode": 4, "depth": 16}, UnsupportedVersionError, "bit depth of mode CMYK is 16"),
        ({"mode": 5, "depth": 9}, UnsupportedVersionError, "bit depth of mode PALETTE is 9"),
        ({"mode": 5, "depth": 0}, UnsupportedVersionError, "bit depth of mode PALETTE is 0"),
        ({"mode": 6, "depth": 8}, UnsupportedVersionError, "bit depth of mode BILEVEL is 8"),
        (
            {"effort": 4},
            UnsupportedVersionError,
            "effort of format version 6 is 4, this version of pixcodec knows 0..3",
        ),
        ({"version": 4, "effort": 2}, UnsupportedVersionError, "effort of format version 4 is 2"),
        ({"version": 3, "effort": 2}, UnsupportedVersionError, "effort of format version 3 is 2"),
        ({"layout": 64}, UnsupportedVersionError, "layout is 64, this version of pixcodec knows 0..63"),
        ({"version": 3, "layout": 16}, UnsupportedVersionError, "layout is 16, this version of pixcodec"),
        ({"version": 3, "layout": 48}, UnsupportedVersionError, "this version of pixcodec knows 0..15"),
        ({"mode": 2, "layout": 16}, CorruptFileError, "mode GREY_ALPHA, 8 bits has JPEG coefficients"),
        ({"mode": 4, "layout": 16}, CorruptFileError, "mode CMYK, 8 bits has JPEG coefficients"),
        ({"mode": 5, "layout": 48}, CorruptFileError, "mode PALETTE, 8 bits has JPEG coefficients"),
        ({"mode": 6, "depth": 1, "layout": 16}, CorruptFileError, "mode BILEVEL, 1 bits has JPEG"),
        ({"depth": 9, "layout": 16}, CorruptFileError, "mode GREY, 9 bits has JPEG coefficients"),
        ({"layout": 24, "index_bits": 3}, CorruptFileError, "GREY, 8 bits, mapped has JPEG coefficients"),
        ({"layout": 32}, CorruptFileError, "are not those of JPEG coefficients alone"),
        ({"layout": 50}, CorruptFileError, "are not those of JPEG coefficients alone"),
        ({"layout": 48, "index_bits": 3}, CorruptFileError, "are not those of JPEG coefficients alone"),
        ({"layout": 20}, CorruptFileError, "no layer has any"),
        ({"layout": 17}, CorruptFileError, "no layer of mode GREY is alpha"),
        ({"layout": 1}, CorruptFileError, "no layer of mode GREY is alpha"),
        ({"mode": 3, "layout": 1, "index_bits": 2}, CorruptFileError, "no layer of mode RGBA is alpha"),
        ({"layout": 4}, CorruptFileError, "no layer has any"),
        ({"depth": 9, "layout": 4, "index_bits": 5}, CorruptFileError, "no layer has any"),
        ({"depth": 16, "layout": 12, "index_bits": 8}, CorruptFileError, "no layer has any"),
        ({"layout": 8}, CorruptFileError, "an index of mode GREY has 0 bits"),
        ({"layout": 8, "index_bits": 17}, CorruptFileError, "an index of mode GREY has 17 bits"),
        ({"index_bits": 9}, CorruptFileError, "an index of mode GREY has 9 bits"),
        ({"mode": 5, "index_bits": 1}, CorruptFileError, "an index of mode PALETTE has 1 bits"),
        ({"mode": 6, "depth": 1, "index_bits": 1}, CorruptFileError, "an index of mode BILEVEL has 1 bits"),
        ({"mode": 6, "depth": 1, "layout": 8}, CorruptFileError, "an index of mode BILEVEL has 0 bits"),
    ],
)
def test_an_unknown_value_is_named(changes: dict[str, int], error: type[PixcodecError], message: str) -> None:
    with pytest.raises(error) as caught:
        unpack_header(payload(**changes), WHERE)
    assert message in str(caught.value)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"width": 0}, ValueError, "image is 0x512 pixels"),
        ({"tile_height": 0}, ValueError, "tile is 768x0 pixels"),
        ({"height": MAX_SIDE + 1}, LimitExceededError, "height is 1048577 pixels, the limit is 1048576"),
        ({"tile_width": MAX_SIDE + 1}, LimitExceededError, "tile_width is 1048577 pixels"),
        ({"width": 2**16, "height": 2**15 + 1}, LimitExceededError, "image is 65536x32769 pixels"),
        (
            {"width": 2**15, "height": 2**14, "tile_width": 2**15, "tile_height": 2**14},
            LimitExceededError,
            "tile is 32768x16384 pixels",
        ),
        ({"bit_depth": 7}, ValueError, "bit depth of mode GREY is 7"),
        ({"model_id": bytes(7)}, ValueError, "model id is 7 bytes, expected 0 or 8"),
        ({"model_id": bytes(16)}, ValueError, "model id is 16 bytes, expected 0 or 8"),
        ({"model_id": bytes(8), "version": 1}, ValueError, "model id is 8 bytes, expected 16"),
        ({"alpha_first": True}, ValueError, "alpha comes first"),
        ({"interleaved": True}, ValueError, "low bits are interleaved"),
        ({"mapped": True}, ValueError, "an index of mode GREY has 0 bits"),
        ({"jpeg": True, "version": 3}, ValueError, "format version 3 has no JPEG coefficients"),
        ({"exact": True}, ValueError, "are not those of JPEG coefficients alone"),
        ({"jpeg": True, "mode": Mode.RGBA}, ValueError, "RGBA, 8 bits has JPEG coefficients"),
    ],
)
def test_values_that_contradict_each_other_make_no_header(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        replace(GREY, **changes)
    assert message in str(caught.value)


def test_a_limit_says_where() -> None:
    data = payload()[:7] + pack_varint(MAX_SIDE + 1) + b"\1\1\1\0"
    with pytest.raises(LimitExceededError, match=f"^{WHERE}: width is 1048577"):
        unpack_header(data, WHERE)


def test_the_largest_image_is_no_error() -> None:
    largest = replace(GREY, width=MAX_SIDE, height=2**11, tile_width=2**14, tile_height=2**14)
    assert largest.width * largest.height == MAX_PIXELS
    assert largest.grid[0].pixel_count < MAX_TILE_PIXELS
    assert unpack_header(pack_header(largest), WHERE) == largest


@pytest.mark.parametrize("size", [0, 7, 9, 16])
def test_a_model_id_has_eight_bytes_or_none(size: int) -> None:
    with pytest.raises(CorruptFileError, match="expected another size"):
        unpack_header(payload()[:-1] + bytes([size]) + bytes(size or 1), WHERE)


def test_properties_follow_from_mode_and_table() -> None:
    assert [mode.channels for mode in Mode] == [1, 3, 2, 4, 4, 1, 1, 1]
    assert [mode for mode in Mode if mode.has_alpha] == [Mode.GREY_ALPHA, Mode.RGBA]
    assert GREY.subpixel_count == 768 * 512
    assert RGBA16.subpixel_count == 4 * 300
    assert [header.indexed for header in (GREY, replace(GREY, index_bits=1))] == [False, True]
    mapped = replace(RGBA16, mapped=True, index_bits=3)
    assert not mapped.indexed
    assert [header.coded_depth for header in (GREY, RGBA16, mapped, replace(mapped, index_bits=10))] == [
        *(8, 12, 8, 10)
    ]
    assert [(box.width, box.height) for box in GREY.grid] == [(768, 256)] * 2


@given(NUMBERS, st.binary(max_size=3))
def test_a_number_comes_back_with_its_end(number: int, before: bytes) -> None:
    data = before + pack_varint(number)
    assert read_varint(data + b"\x85", len(before)) == (number, len(data))
    assert len(data) - len(before) == max(1, -(-number.bit_length() // 7))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff\xff\xff\xff"])
def test_a_number_that_is_cut_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="within a number"):
        read_varint(data, 0)


@pytest.mark.parametrize("data", [b"\x80\0", b"\xff\x80\0", b"\xff\xff\xff\xff\xff", b"\x80" * 5 + b"\1"])
def test_a_number_has_one_form_only(data: bytes) -> None:
    with pytest.raises(ValueError, match="longer than it has to be"):
        read_varint(data, 0)
