"""The worked examples of the format: their bytes and numbers against the plain decoders and the codec."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import earlier_chunk
import pixcodec
import samples
import worked
from pixcodec import codec, reference
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import Effort, Header, Mode
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.images import ways
from pixcodec.jpeg.chunk import decode_coefficients
from pixcodec.jpeg.files import kept
from pixcodec.jpeg.stream.coder import Workers
from pixcodec.reference import core, fast, jpeg_pixels
from pixcodec.reference.text import Section

pytestmark = pytest.mark.usefixtures("no_packed_layers")

MODEL = samples.GOLDEN / "grey.safetensors"
FILES = {  # mode and effort
    "A whole file": ("grey", "fast"),
    "A coded tile": ("grey", "fast"),
    "A tile of effort normal": ("grey", "normal"),
    "A tile of effort max": ("grey", "max"),
    "A fitted tile": ("grey", "normal"),
    "A calibrated tile": ("grey", "fast"),
    "A file of indices": ("palette", "fast"),
    "A layer of alpha": ("grey_alpha", "normal"),
    "A file of coefficients": ("grey", "fast"),
}
OLDER = (  # that encoders write no longer
    *("A tile of effort normal", "A layer of alpha", "A coded tile"),
    "A fitted tile",
)
NEWER = "A fitted tile", "A calibrated tile"
DECODED = [title for title in FILES if title not in ("A whole file", "A file of coefficients")]
ENCODED = [title for title in DECODED if title not in OLDER]
# Decoded once: most tests look at some numbers of a file.
TRACES: dict[str, Any] = {}


def example(title: str) -> bytes:
    """Return the bytes of the block ``hex`` of a section, its offsets checked."""
    (block,) = Section(title).fenced("hex")
    data = b""
    for line in block.splitlines():
        offset, values = line.partition("#")[0].split(maxsplit=1)
        assert int(offset) == len(data), line
        data += bytes.fromhex(values)
    return data


def image(title: str) -> npt.NDArray[np.uint8]:
    """Return the image that a section shows, (H, W) or (H, W, C)."""
    if title in (OLDER[0], "A tile of effort max", *NEWER):
        title = "A coded tile"
    blocks = Section(title).fenced("text")
    planes = [[line.split() for line in block.splitlines()] for block in blocks]
    return np.array(planes, np.uint8).transpose(1, 2, 0).squeeze()


def trace(title: str) -> Any:
    if title not in TRACES:
        TRACES[title] = worked.Trace(example(title), (MODEL,))
    return TRACES[title]


def tables(title: str) -> list[list[list[str]]]:
    return Section(title).tables


def pixel_pairs(rows: list[list[str]]) -> list[tuple[int, ...]]:
    """Return the pixels of the first cells of rows, each once."""
    found = [tuple(map(int, re.findall(r"\d+", row[0]))) for row in rows]
    return list(dict.fromkeys(found))


def check_bits(title: str, rows: list[list[str]]) -> None:
    assert rows == trace(title).bits_of(*pixel_pairs(rows))


def check_inputs(title: str, rows: list[list[str]]) -> None:
    bits = [(pixel_pairs([row])[0], int(row[1])) for row in rows]
    assert rows == trace(title).inputs_of(*bits)


# Whole files


@pytest.mark.parametrize("title", FILES)
def test_examples_decode(title: str) -> None:
    data = example(title)
    decoded = np.asarray(pixcodec.decode(data, model=MODEL))
    expected = np.array([[200, 201]]) if title == "A whole file" else image(title)
    np.testing.assert_array_equal(decoded, expected)
    info = pixcodec.read_info(data)
    assert (info.width, info.height) == expected.shape[1::-1]
    version = 9 if title in NEWER else 6
    assert (info.format_version, info.mode, info.effort) == (version, *FILES[title])
    assert f"{len(data)} bytes" in Section(title).words


@pytest.mark.parametrize("title", FILES)
def test_examples_say_how_long_they_are(title: str) -> None:
    (block,) = Section(title).fenced("hex")
    lengths = [int(n) for n in re.findall(r"# length: (\d+)", block)]
    kinds = re.findall(r"# type: (\w+)", block)
    chunks = core.chunks(example(title))
    assert [(kind.decode(), len(payload)) for kind, payload in chunks] == list(
        zip(kinds, lengths, strict=True)
    )
    words = re.findall(r"\b[0-9a-f]{8}\b", block.partition("bitstream: words")[2].partition("\n")[0])
    stream = b"".join(int(word, 16).to_bytes(4, "little") for word in words)
    assert stream in example(title)


@pytest.mark.parametrize("title", ENCODED)
def test_examples_are_what_the_encoder_writes(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels: samples.AnyImage = image(title)
    if title == "A file of indices":
        pixels = Image.fromarray(image(title), "P")
        pixels.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 255, 255, 255])
    monkeypatch.setattr(codec, "all_ways", lambda header, picture, _: [ways.ways_of(header, picture)[:1]])
    assert pixcodec.encode(pixels, effort=FILES[title][1], model=MODEL) == example(title)


def test_the_raw_example_is_what_pack_writes() -> None:
    pixels = bytes([200, 201])
    header = Header(2, 1, Mode.GREY, Effort.FAST, 2, 1, b"")
    container = Container(header, (Tile(TileKind.RAW, 0, pixels),), pixel_hash(header, pixels))
    assert pack(container) == example("A whole file")
    assert parse(example("A whole file")) == container


def test_graphics_means_nothing_in_effort_fast() -> None:
    plain = parse(example("A coded tile"))
    data = pack(replace(plain, header=replace(plain.header, graphics=True)))
    assert data != example("A coded tile")
    np.testing.assert_array_equal(fast.decode(data, [MODEL])[:, :, 0], image("A coded tile"))
    np.testing.assert_array_equal(pixcodec.decode(data, model=MODEL), image("A coded tile"))


# Numbers


def test_numbers_of_a_coded_tile() -> None:
    title = "A coded tile"
    vectors, mixtures, nibbles = tables(title)
    pixels, found_mixtures, found_nibbles, tile = worked.nibbles(example(title), MODEL)
    np.testing.assert_array_equal(pixels[:, :, 0], image(title))
    assert mixtures == found_mixtures
    assert nibbles == found_nibbles
    assert [row[0] for row in vectors] == ["inputs", "h_0", "h_1", "h_2"]
    expected = [tile.inputs(1, 1), *tile.h[:, 1, 1]]
    assert [row[1] for row in vectors] == [" ".join(map(str, values)) for values in expected]
    sizes = tile.network.sizes
    words = Section(title).words
    assert all(f"{sizes[name]} {name}" in words for name in ("features", "blocks", "components"))
    assert tile.network.model_id().hex() in words


def test_numbers_of_effort_normal() -> None:
    title = "A tile of effort normal"
    classes, slots, bits, inputs, learnt = tables(title)
    found = trace(title)
    assert classes == found.classes_of(*pixel_pairs(classes))
    assert slots == worked.slots_of(found, (0, 0), range(5), 1)
    check_bits(title, bits)
    check_inputs(title, inputs)
    assert learnt == worked.learning(found)


def test_numbers_of_effort_max() -> None:
    title = "A tile of effort max"
    fits, bits, inputs = tables(title)
    assert fits == worked.fits_of(trace(title), *pixel_pairs(fits))
    check_bits(title, bits)
    check_inputs(title, inputs)


def test_numbers_of_a_fitted_tile() -> None:
    title = "A fitted tile"
    fits, bits, inputs = tables(title)
    assert fits == worked.near_of(trace(title), *pixel_pairs(fits))
    check_bits(title, bits)
    check_inputs(title, inputs)


def test_numbers_of_a_calibrated_tile() -> None:
    title = "A calibrated tile"
    assert list(worked.calibrated(example(title), MODEL)) == tables(title)


def test_numbers_of_indices() -> None:
    title = "A file of indices"
    repeats, predictions, bits = tables(title)
    assert repeats == worked.repeats_of(trace(title), *pixel_pairs(repeats))
    assert predictions == worked.predictions_of(trace(title), *pixel_pairs(predictions))
    check_bits(title, bits)


def test_numbers_of_alpha() -> None:
    title = "A layer of alpha"
    predictions, classes, bits = tables(title)
    assert predictions == worked.predictions_of(trace(title), *pixel_pairs(predictions))
    assert classes == trace(title).classes_of(*pixel_pairs(classes))
    check_bits(title, bits)


@pytest.mark.parametrize("title", DECODED)
def test_the_plain_decoder_decodes_to_the_same_pixels(title: str) -> None:
    np.testing.assert_array_equal(trace(title).pixels.squeeze(), image(title))


def test_numbers_of_coefficients() -> None:
    title = "A file of coefficients"
    coefficients, bits = tables(title)
    payload = dict(core.chunks(example(title)))[b"COEF"]
    height, width = image(title).shape
    found = worked.Blocks(payload, height, width, 1)
    np.testing.assert_array_equal(jpeg_pixels.pixels(found.image, height, width)[:, :, 0], image(title))
    assert coefficients == found.edges((0, 0), (0, 1))
    assert bits == found.rows()
    coefficients = decode_coefficients(payload, height, width, 1, workers=Workers(1))
    assert earlier_chunk.encode_coefficients(coefficients) == payload


def test_numbers_of_a_kept_file_with_networks() -> None:
    title = "A kept file with networks"
    data = example(title)
    (rows,) = tables(title)
    found = worked.Stream(data)
    assert found.file == worked.Stream(example("A kept file of effort fast")).file
    assert pixcodec.encode(found.file, effort="fast") == data
    assert f"{len(data)} bytes" in Section(title).words
    assert rows == found.logits_of((0, 0), (2, 2))


def test_numbers_of_a_kept_file(monkeypatch: pytest.MonkeyPatch) -> None:
    title = "A kept file of effort fast"
    data = example(title)
    coefficients, bits, slots, learnt = tables(title)
    found = worked.Stream(data)
    assert pixcodec.restore(data) == found.file
    monkeypatch.setattr(kept, "KEPT_VERSIONS", (7, 7))
    assert pixcodec.encode(found.file, effort="fast") == data
    words = Section(title).words
    assert f"{len(data)} bytes instead of {len(found.file)}" in words
    (lengths,) = Section(title).fenced("text")
    assert [int(length) for length in lengths.split()] == list(found.lengths().values())
    (frame,) = (reference.Frame(file.skeleton) for file in reference.Kept(data).files)
    assert f"The steps begin with {', '.join(map(str, frame.found[0][:4]))}." in words
    blocks = (0, 0), (0, 1), (1, 0), (2, 2)
    assert coefficients == found.coefficients_of(*blocks)
    assert bits == found.bits_of(*blocks)
    assert slots == found.slots_of((2, 2), 2)
    assert learnt == found.learning_of((2, 2), 2)
    assert "dot_0 = {} and dot_1 = {}".format(*found.first_bit((2, 2), 2)[1].dots) in words
