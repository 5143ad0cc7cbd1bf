"""Whole files: what is packed is parsed again, in the order of FORMAT.md."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from container_files import (
    COEF,
    CONTAINER,
    DATA,
    DONE,
    DONE_1,
    EXACT,
    HASH_1,
    HEADER,
    PALETTE,
    TILE,
    chunk,
    containers,
    head,
    head_1,
    tile_1,
)
from pixcodec.container.beginning import HEADER_SIZE_BYTES, parse_header
from pixcodec.container.chunks import Chunk
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import MAX_SIDE, Effort, Header, Mode
from pixcodec.errors import (
    PixcodecError,
)


@pytest.mark.slow
@given(containers())
def test_parse_is_the_inverse_of_pack(container: Container) -> None:
    data = pack(container)
    assert parse(data) == container
    assert pack(parse(data)) == data
    assert parse_header(data[:HEADER_SIZE_BYTES]) == container.header


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


@pytest.mark.parametrize(
    "parts",
    [
        *((head_1(), tile_1(), HASH_1, DONE_1), (head(version=3), TILE, DONE), (head(), TILE, DONE)),
        *((head(layout=16), COEF, TILE, DONE), (EXACT, COEF, DONE)),
    ],
    ids=["version 1", "version 3", "version 6", "with coefficients", "exact"],
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
