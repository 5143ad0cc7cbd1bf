"""Damaged files: what is intact comes back exactly, the rest is painted and named."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from command_line import Runner, partial_files
from pixcodec.batch.recover import Recovered
from pixcodec.container.chunks import read_chunk

pytestmark = pytest.mark.usefixtures("no_packed_layers")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@cache
def tall() -> np.ndarray:
    """Return an image that effort fast cuts into three tiles: 61x600."""
    return np.concatenate([samples.photo(3)] * 13)[:600]


@cache
def encoded() -> bytes:
    return pixcodec.encode(tall(), effort="fast")


def places(data: bytes, kind: str) -> list[tuple[int, int]]:
    found, at = [], 8
    while at < len(data):
        chunk, end = read_chunk(data, at)
        if chunk.type == kind:
            found.append((at, end))
        at = end
    return found


def damaged(data: bytes, kind: str, number: int, byte: int = 20) -> bytes:
    changed = bytearray(data)
    changed[places(data, kind)[number][0] + byte] ^= 0x55
    return bytes(changed)


def array(found: Recovered) -> np.ndarray:
    return np.asarray(found.image)


def test_an_intact_file_is_decoded() -> None:
    found = pixcodec.recover(encoded())
    assert (found.damaged, found.problems) == ((), ())
    np.testing.assert_array_equal(array(found), tall())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_damage_stays_in_its_tile(number: int) -> None:
    found = pixcodec.recover(damaged(encoded(), "TILE", number), paint=False)
    (box,) = found.damaged
    assert (box.x, box.y, box.width, box.height) == (0, 200 * number, 61, 200)
    assert len(found.problems) == 1
    assert "CRC" in found.problems[0]
    expected = tall().copy()
    expected[box.slices] = 0
    np.testing.assert_array_equal(array(found), expected)


def test_damaged_tiles_are_painted_the_same_each_time() -> None:
    data = damaged(encoded(), "TILE", 1)
    found = pixcodec.recover(data)
    pixels = array(found)
    np.testing.assert_array_equal(pixels[:200], tall()[:200])
    np.testing.assert_array_equal(pixels[400:], tall()[400:])
    assert len(np.unique(pixels[200:400])) > 20
    np.testing.assert_array_equal(array(pixcodec.recover(data, threads=1)), pixels)


def test_a_file_that_was_cut() -> None:
    data = encoded()
    cut = data[: places(data, "TILE")[1][0] + 30]
    found = pixcodec.recover(cut, paint=False)
    assert [box.y for box in found.damaged] == [200, 400]
    assert any("DONE" in problem for problem in found.problems)
    np.testing.assert_array_equal(array(found)[:200], tall()[:200])


def test_a_missing_hash_is_a_problem() -> None:
    found = pixcodec.recover(damaged(encoded(), "DONE", 0, 9))
    assert found.damaged == ()
    assert any("hash" in problem for problem in found.problems)
    np.testing.assert_array_equal(array(found), tall())


def test_tables_and_headers_are_needed() -> None:
    palette = Image.fromarray(samples.pixel_art(40, 40, 3)).quantize(4)
    data = pixcodec.encode(palette, effort="fast")
    assert array(pixcodec.recover(data)).shape == (40, 40)
    with pytest.raises(pixcodec.CorruptFileError, match="'PLTE' is damaged or missing"):
        pixcodec.recover(damaged(data, "PLTE", 0, 9))
    with pytest.raises(pixcodec.CorruptFileError, match="HEAD"):
        pixcodec.recover(damaged(encoded(), "HEAD", 0, 9))


def test_a_hostile_slope_costs_its_tile_only() -> None:
    """A tile whose CRC is right, and whose bitstream nobody wrote."""
    from pixcodec.container.chunks import pack_chunk

    data = encoded()
    start, end = places(data, "TILE")[1]
    crafted = data[:start] + b"".join(pack_chunk("TILE", b"\x01\x01" + b"\xff" * 7)) + data[end:]
    found = pixcodec.recover(crafted, paint=False)
    assert [box.y for box in found.damaged] == [200]
    np.testing.assert_array_equal(array(found)[400:], tall()[400:])


def test_images_that_are_not_painted() -> None:
    deep = tall()[..., 0].astype(np.uint16) * 200
    data = pixcodec.encode(deep, effort="fast")
    found = pixcodec.recover(damaged(data, "TILE", 0))
    assert len(found.damaged) == 1


def test_the_command(run: Runner, tmp_path: Path) -> None:
    path, out = tmp_path / "a.pxc", tmp_path / "a.png"
    path.write_bytes(damaged(encoded(), "TILE", 2))
    assert run("decode", path).status == 4
    assert not out.exists()
    result = run("decode", "--recover", path)
    assert result.status == 1
    assert "61x200 at 0,400" in result.err
    assert len(result.err.splitlines()) == 1
    with Image.open(out) as image:
        np.testing.assert_array_equal(np.asarray(image)[:400], tall()[:400])
    assert run("decode", "--recover", path, "--region", "0,0,4,4").status == 2
    path.write_bytes(encoded())
    assert run("decode", "--recover", path, "-f").status == 0
    path.write_bytes(b"nothing")
    assert run("decode", "--recover", path, "-f").status == 4
    assert partial_files(tmp_path) == []
