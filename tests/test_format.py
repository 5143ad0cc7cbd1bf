"""FORMAT.md against the code: the worked example, the constants."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import pixcodec
from pixcodec.container.beginning import HEADER_SIZE_BYTES
from pixcodec.container.chunks import MAGIC, MAX_PAYLOAD_SIZE_BYTES
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import (
    FORMAT_VERSION,
    FORMAT_VERSIONS,
    MAX_PIXELS,
    MAX_SIDE,
    MAX_TILE_PIXELS,
    Effort,
    Header,
    Mode,
)
from pixcodec.container.pixel_hash import pixel_hash

TEXT = (Path(pixcodec.__file__).parent / "FORMAT.md").read_text("utf-8")


def example() -> bytes:
    """Return the bytes of the fenced block ``hex``, its offsets checked."""
    found = re.search(r"^```hex\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    assert found
    data = b""
    for line in found[1].splitlines():
        offset, values = line.partition("#")[0].split(maxsplit=1)
        assert int(offset) == len(data), line
        data += bytes.fromhex(values)
    return data


def test_the_example_is_what_pack_writes() -> None:
    pixels = bytes([200, 201])
    header = Header(2, 1, Mode.GREY, Effort.NORMAL, 2, 1, b"")
    container = Container(header, (Tile(TileKind.RAW, 0, pixels),), pixel_hash(header, pixels))
    assert pack(container) == example()
    assert parse(example()) == container


def test_the_example_decodes() -> None:
    np.testing.assert_array_equal(pixcodec.decode(example()), np.array([[200, 201]], np.uint8))


def test_the_example_is_described() -> None:
    info = pixcodec.read_info(example())
    assert (info.width, info.height, info.mode, info.effort) == (2, 1, "grey", "normal")
    assert f"{len(example())} bytes, offsets" in TEXT


def test_the_versions_are_those_of_the_text() -> None:
    assert re.match(r"# The .pxc format, versions 5, 4, 3 and 1\n", TEXT)
    assert (FORMAT_VERSION, sorted(FORMAT_VERSIONS)) == (5, [1, 3, 4, 5])


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table whose first line this is."""
    found = re.search(rf"^{re.escape(heading)}\n\|[-|]*\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    assert found, heading
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]


def test_the_modes_are_those_of_the_text() -> None:
    rows = table("| mode | | channels | bit depth |")
    assert [int(row[0]) for row in rows] == sorted(Mode)
    for row in rows:
        mode = Mode(int(row[0]))
        first, _, last = row[3].partition(" to ")
        assert mode.bit_depths == tuple(range(int(first), int(last or first) + 1))
        assert mode.channels == int(row[2])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (MAGIC.hex(" ").upper(), "8C 50 58 43 0D 0A 1A 0A"),
        (HEADER_SIZE_BYTES, "first 60 bytes of the file hold all of it"),
        (MAX_SIDE, "2^20"),
        (MAX_PIXELS, "2^31"),
        (MAX_PAYLOAD_SIZE_BYTES, "2^31 - 1"),
        (MAX_TILE_PIXELS, "2^28"),
    ],
)
def test_constants_are_those_of_the_text(value: object, words: str) -> None:
    assert words in TEXT
    number = re.search(r"2\^(\d+)( - 1)?$", words)
    if number:
        assert value == 2 ** int(number[1]) - bool(number[2])
    else:
        assert str(value) in words
