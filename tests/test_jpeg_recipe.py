"""What a kept JPEG file holds beside its coefficients, against a plain reader written from the format."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pixcodec
import samples
from pixcodec.container.container import parse
from pixcodec.container.header import Effort, Header, Mode
from pixcodec.errors import PixcodecError
from pixcodec.jpeg.files.numbers import Numbers
from pixcodec.jpeg.files.outline import Hole, walkable
from pixcodec.jpeg.files.recipe import unpack_recipe
from pixcodec.jpeg.files.steps import pack_steps, read_steps, scaled
from pixcodec.reference import jpeg_recipe

PHOTO = samples.large_photo()
TABLES = [[*range(1, 65)], [max(1, 250 - 3 * i) for i in range(64)]]


def jpeg(mode: str = "RGB", height: int = 47, width: int = 61, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PHOTO[:height, :width]).convert(mode).save(file, "JPEG", **{"quality": 80, **options})
    return file.getvalue()


def with_thumbnails(thumbnail: bytes) -> bytes:
    body = b"Exif\0\0" + bytes(60) + thumbnail + b"between" + jpeg(height=9) + thumbnail + b"behind"
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    return jpeg()[:20] + 2 * segment + jpeg()[20:]


FILES = {
    "usual": jpeg(),
    "grey": jpeg(mode="L", quality=30),
    "CMYK": jpeg(mode="CMYK", subsampling=0),
    "density": jpeg(dpi=(300, 300), quality=100, subsampling=1),
    "densities": jpeg(dpi=(300, 72), quality=1),
    "optimised": jpeg(optimize=True),
    "progressive": jpeg(progressive=True, subsampling=1),
    "progressive grey": jpeg(progressive=True, mode="L"),
    "progressive CMYK": jpeg(progressive=True, mode="CMYK"),
    "progressive with restarts": jpeg(progressive=True, restart_marker_blocks=3),
    "restarts": jpeg(restart_marker_blocks=2, height=9),
    "tables": jpeg(qtables=TABLES),
    "other tables": jpeg(qtables=[TABLES[1]]),
    "metadata": jpeg(comment=b"Some words.", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", quality=51),
    "much metadata": jpeg(comment=PHOTO[:60, :100].tobytes()),
    "two files": jpeg() + jpeg(mode="L", height=9) + b"and a tail",
    "thumbnails": with_thumbnails(jpeg(height=20, mode="L", quality=97)),
    "stored": jpeg()[:500],
}


@pytest.mark.parametrize("name", FILES)
def test_the_plain_reader_finds_the_same(name: str) -> None:
    data = FILES[name]
    packed = pixcodec.encode(data, verify=True)
    container = parse(packed)
    found = jpeg_recipe.Kept(packed)
    header = container.header
    assert (found.width, found.height, found.mode) == (header.width, header.height, header.mode)
    assert (found.hash, found.coded) == (container.pixel_hash, header.jpeg)
    assert found.coefficients == container.coefficients
    recipe = unpack_recipe(container.recipe, header)
    if recipe.stored is not None:
        assert found.stored == recipe.stored == data
        return
    assert len(found.files) == len(recipe.all_files)
    for file, expected in zip(found.files, recipe.all_files, strict=True):
        skeleton, derived = walkable(expected.outline)
        assert (file.skeleton, file.derived) == (skeleton, derived)
        assert (file.fill, file.padding) == (expected.parts.fill, expected.parts.padding)
        if not derived and not any(isinstance(piece, Hole) for piece in expected.outline):
            assert all(each in data for each in file.skeleton.split(b"\xff\xda")[0].split(b"\xff\xd8"))


@settings(max_examples=15, deadline=None)
@given(
    st.binary(min_size=64, max_size=64)
    | st.integers(1, 4000).map(lambda scale: bytes(scaled(0, scale).tolist()))
)
def test_any_table_of_steps_comes_back(table: bytes) -> None:
    packed = pack_steps(table)
    read = Numbers(packed + b"more")
    assert read_steps(read) == table
    assert read.at == len(packed) < 90


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1), st.integers(1, 2000), st.lists(st.integers(-2, 2), min_size=64, max_size=64))
def test_tables_near_a_scaled_one_take_few_bytes(base: int, scale: int, off: list[int]) -> None:
    wanted = np.clip(scaled(base, scale) + np.array(off), 0, 255).astype(np.uint8).tobytes()
    assert len(pack_steps(wanted)) <= 3 + 64 * 3 // 8


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_recipe_or_damage(payload: bytes) -> None:
    header = Header(61, 47, Mode.RGB, Effort.FAST, 1, 1, b"", kept=True, version=7)
    with contextlib.suppress(PixcodecError):
        unpack_recipe(b"\1\0" + payload, header)
