"""What is intact in a damaged file is found again, at its place."""

from __future__ import annotations

import zlib
from functools import cache
from types import SimpleNamespace

import pytest

import pixcodec
import samples
from pixcodec.container import chunks
from pixcodec.container.chunks import pack_chunk, read_chunk
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import Effort, Header, Mode
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.container.salvage import salvage

TILES = 6


@cache
def file() -> tuple[bytes, tuple[tuple[int, int], ...]]:
    """Return a file of six raw tiles, and where its chunks are, HEAD first."""
    header = Header(6, 4, Mode.GREY, Effort.FAST, 2, 2, b"")
    tiles = tuple(Tile(TileKind.RAW, 0, bytes([k] * 4)) for k in range(TILES))
    data = pack(Container(header, tiles, pixel_hash(header, memoryview(bytes(24)))))
    places, at = [], 8
    while at < len(data):
        _, end = read_chunk(data, at)
        places.append((at, end))
        at = end
    return data, tuple(places)


def intact(data: bytes) -> list[bool]:
    found = salvage(data)
    expected = parse(file()[0]).tiles
    for tile, other in zip(found.tiles, expected, strict=True):
        assert tile is None or tile == other
    return [tile is not None for tile in found.tiles]


def test_of_an_intact_file_all_is_found() -> None:
    data, _ = file()
    found, whole = salvage(data), parse(data)
    assert (found.header, found.tiles, found.problems) == (whole.header, whole.tiles, ())
    assert found.single == {"DONE": whole.pixel_hash}


@pytest.mark.parametrize("damaged", range(TILES))
def test_damage_to_a_payload_costs_its_tile(damaged: int) -> None:
    data, places = file()
    changed = bytearray(data)
    changed[places[1 + damaged][0] + 9] ^= 1
    assert intact(bytes(changed)) == [k != damaged for k in range(TILES)]
    assert "CRC" in salvage(bytes(changed)).problems[0]


@pytest.mark.parametrize("damaged", range(TILES))
@pytest.mark.parametrize("byte", range(8))
def test_damage_to_a_length_or_type_costs_its_tile(damaged: int, byte: int) -> None:
    data, places = file()
    changed = bytearray(data)
    changed[places[1 + damaged][0] + byte] ^= 0x81
    assert intact(bytes(changed)) == [k != damaged for k in range(TILES)]


def test_bytes_that_are_missing_cost_the_tiles_they_were_in() -> None:
    data, places = file()
    cut = data[: places[2][0] + 3] + data[places[4][0] + 2 :]
    assert intact(cut) == [True, False, False, False, True, True]
    assert intact(data[: places[5][0] + 7]) == [True] * 4 + [False] * 2
    assert intact(data[: places[0][1]]) == [False] * TILES


def test_between_two_gaps_of_unknown_size_nothing_has_a_place() -> None:
    data, places = file()
    cut = data[: places[1][0] + 3] + data[places[2][0] + 2 : places[4][0] + 3] + data[places[5][0] + 2 :]
    assert intact(cut) == [False, False, False, False, False, True]


def test_without_a_header_there_is_nothing() -> None:
    data, places = file()
    changed = bytearray(data)
    changed[places[0][0] + 9] ^= 1
    with pytest.raises(pixcodec.CorruptFileError, match="HEAD"):
        salvage(bytes(changed))


def test_every_single_damaged_byte_and_every_cut() -> None:
    data, places = file()
    start = places[0][1]
    for at in range(start, len(data)):
        changed = bytearray(data)
        changed[at] ^= 0xFF
        assert sum(intact(bytes(changed))) >= TILES - 1
        intact(data[:at])


def test_a_crafted_file_is_not_searched_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    data, places = file()
    lie = (10**6).to_bytes(4, "little") + b"TILE"
    crafted = data[: places[0][1]] + b"\xff" * 8 + lie * 250_000
    checked = []

    def counting(payload: bytes, start: int = 0) -> int:
        checked.append(len(payload))
        return zlib.crc32(payload, start)

    monkeypatch.setattr(chunks, "zlib", SimpleNamespace(crc32=counting))
    assert salvage(crafted).tiles == (None,) * TILES
    assert sum(checked) < 10 * len(crafted)  # 125,000 times 1,000,000 if all of them were checked


def test_more_tiles_than_there_can_be_are_not_listed() -> None:
    data = (samples.GOLDEN.parent / "faulty" / "more-tiles-than-bytes.pxc").read_bytes()
    with pytest.raises(
        pixcodec.CorruptFileError, match="the header says that there are 4050000 tiles, in 150"
    ):
        salvage(data)


def test_a_tile_that_says_nonsense_is_a_gap() -> None:
    data, places = file()
    start, end = places[3]
    changed = data[:start] + b"".join(pack_chunk("TILE", b"\x09abcd")) + data[end:]
    assert intact(changed) == [True, True, False, True, True, True]


def test_metadata_stays() -> None:
    image = samples.photo(1, 9, 9)
    data = pixcodec.encode(image[..., 0], effort="fast", info={"text": {"Title": "x"}})
    assert [chunk.type for chunk in salvage(data).ancillary] == [
        chunk.type for chunk in parse(data).ancillary
    ]
    assert salvage(data).ancillary
