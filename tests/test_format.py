"""FORMAT.md against the code: the worked example, the constants."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import pixcodec
from pixcodec.container import (
    HEADER_SIZE_BYTES,
    MAGIC,
    MAX_PAYLOAD_SIZE_BYTES,
    MAX_PIXELS,
    MAX_SIDE,
    MAX_TILE_PIXELS,
    Container,
    Effort,
    Header,
    Mode,
    Tile,
    TileKind,
    pack,
    parse,
    pixel_hash,
)

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
    header = Header(2, 1, Mode.GREY, Effort.NORMAL, 2, 1, bytes(16))
    container = Container(header, (Tile(TileKind.RAW, 0, pixels),), pixel_hash(2, 1, Mode.GREY, pixels))
    assert pack(container) == example()
    assert parse(example()) == container


def test_the_example_decodes() -> None:
    np.testing.assert_array_equal(pixcodec.decode(example()), np.array([[200, 201]], np.uint8))


def test_the_example_is_described() -> None:
    info = pixcodec.read_info(example())
    assert (info.width, info.height, info.mode, info.effort) == (2, 1, "grey", "normal")
    assert f"{len(example())} bytes, offsets" in TEXT


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (MAGIC.hex(" ").upper(), "8C 50 58 43 0D 0A 1A 0A"),
        (HEADER_SIZE_BYTES, "`HEAD` ends at byte 60"),
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
