"""JPEG files come back byte for byte: whatever they hold, however odd, damaged or hostile they are."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import pixcodec
import samples
from made_jpeg import BASELINE, FULL, SCRIPT, Factors, Scans, made, segment, skeleton_of
from pixcodec import reference
from pixcodec.container.container import pack, parse
from pixcodec.container.header import MAX_PIXELS
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    PixcodecError,
    UnsupportedImageError,
    UnsupportedVersionError,
)
from pixcodec.jpeg.files import codes, items, packing
from pixcodec.jpeg.files.kept import restored
from pixcodec.jpeg.files.outline import Apart, walkable
from pixcodec.jpeg.files.parts import Oddities, Parts, put_together, take_apart
from pixcodec.jpeg.files.recipe import APART, unpack_recipe
from pixcodec.jpeg.files.tables import best_table
from pixcodec.jpeg.scans.work import GIVEN, ONES, ZEROS
from pixcodec.jpeg.stream.coder import Workers

PHOTO = samples.large_photo()
LARGEST_FIXED_COST = 62  # bytes, beside 1 % of the file


def jpeg(mode: str = "RGB", height: int = 47, width: int = 61, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PHOTO[:height, :width]).convert(mode).save(file, "JPEG", **{"quality": 80, **options})
    return file.getvalue()


VARIANTS: dict[str, dict[str, Any]] = {
    "4:2:0": {},
    "4:2:2": {"subsampling": 1, "height": 41},
    "4:4:4": {"subsampling": 0, "quality": 97},
    "grey": {"mode": "L", "height": 33, "width": 17},
    "CMYK": {"mode": "CMYK"},
    "one pixel": {"height": 1, "width": 1},
    "optimised": {"optimize": True, "quality": 30},
    "restarts": {"restart_marker_blocks": 3},
    "restarts at the end": {"restart_marker_blocks": 1},
    "progressive": {"progressive": True},
    "progressive grey": {"progressive": True, "mode": "L", "quality": 99},
    "progressive CMYK": {"progressive": True, "mode": "CMYK", "quality": 20},
    "progressive restarts": {"progressive": True, "restart_marker_blocks": 2, "subsampling": 0},
    "metadata": {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0", "comment": b"hello", "dpi": (300, 300)},
    "wide": {"height": 130, "width": 257, "progressive": True, "quality": 95},
}


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> bytes:
    return jpeg(**VARIANTS[request.param])


def check(data: bytes) -> bytes:
    """Check that a file comes back, and is not much larger; return the .pxc file."""
    packed = pixcodec.encode(data, verify=True)
    assert pixcodec.restore(packed) == data
    assert len(packed) <= 1.01 * len(data) + LARGEST_FIXED_COST
    return packed


def test_what_pillow_writes_is_taken_apart_and_nothing_is_odd(variant: bytes) -> None:
    parts, plan, coefficients = take_apart(variant, MAX_PIXELS)
    assert parts.fill == ONES
    assert all(oddities.none for oddities in parts.oddities)
    assert len(parts.skeleton) < len(variant)
    assert put_together(parts, plan, coefficients) == variant


def test_files_come_back_and_decode_to_the_pixels_of_pillow(variant: bytes) -> None:
    packed = check(variant)
    info = pixcodec.read_info(packed)
    assert (info.kept, info.jpeg, info.format_version) == (True, True, 11)
    with Image.open(io.BytesIO(variant)) as image:
        assert (info.width, info.height) == image.size
        np.testing.assert_array_equal(pixcodec.decode(packed), np.asarray(image))
        found = pixcodec.decode_image(packed)
        assert isinstance(found, Image.Image)
        assert found.mode == image.mode
        for key in ("exif", "comment", "dpi"):
            assert found.info.get(key) == image.info.get(key)


USUAL: list[dict[str, Any]] = [
    {},
    {"subsampling": 0, "quality": 92},
    {"mode": "L"},
    {"mode": "CMYK"},
    {"optimize": True},
    {"mode": "L", "optimize": True},
    {"progressive": True, "subsampling": 1},
    {"mode": "L", "progressive": True},
    {"mode": "CMYK", "progressive": True},
    {"restart_marker_blocks": 5, "dpi": (72, 72)},
]


@pytest.mark.parametrize("options", USUAL, ids=str)
def test_a_usual_file_costs_less_than_60_bytes_beside_its_coefficients(options: dict[str, Any]) -> None:
    packed = check(jpeg(**options))
    assert len(packed) - len(parse(packed).coefficients) < 60


@pytest.mark.parametrize(
    "name",
    ["optimised", "wide", "progressive", "progressive grey", "progressive CMYK", "progressive restarts"],
)
def test_optimised_tables_follow_from_the_coefficients(name: str) -> None:
    packed = pixcodec.encode(jpeg(**VARIANTS[name]))
    (file,) = files_of(packed)
    assert len(walkable(file.outline)[1]) == len(file.parts.skeleton.split(b"\xff\xc4")) - 1


def files_of(packed: bytes) -> tuple[Apart, ...]:
    container = parse(packed)
    return unpack_recipe(container.recipe, container.header).files


def test_the_listings_of_the_format_are_those_of_the_code() -> None:
    def listings(title: str) -> list[bytes]:
        text = reference.Section(title).text
        return [bytes.fromhex(found) for found in re.findall(r"^```text\n([0-9a-f\s]+)^```", text, re.M)]

    assert listings("Dictionary") == [packing.DICTIONARY]
    assert f"these {len(packing.DICTIONARY)} bytes" in reference.Section("Dictionary").text
    assert listings("Usual tables") == [b"".join(codes.SETS[flag]) for flag in (0x20, 0x60)]
    (macros,) = re.findall(r"^```text\n(.*?)^```", reference.Section("Items").text, re.M | re.S)
    found = {
        int(number, 16): bytes.fromhex(what)
        for number, what in re.findall(r"(\w\w):([\s0-9a-f]+?)(?=\w\w:|$)", macros)
    }
    assert found == {items.FIRST_MACRO + i: b"".join(macro) for i, macro in enumerate(items.MACROS)}


def test_of_many_equal_counts_some_codes_are_shortened() -> None:
    counts = np.array([*(2**i for i in range(40)), *[1] * 60, *[0] * 156], np.int64)
    assert best_table(counts) == b""
    counts[:40] = [int(1.4**i) for i in range(40)]
    table = best_table(counts)
    assert sum(table[:16]) == len(table) - 16 == 100
    assert len({*table[16:]}) == 100
    used = sum(count << (16 - length) for length, count in enumerate(table[:16], 1))
    assert used < 1 << 16  # the code of all ones is free
    assert table[15] > 2


def test_the_header_and_the_chunks_must_agree() -> None:
    container = parse(pixcodec.encode(jpeg(height=8, width=8)))
    assert parse(pack(container)) == container
    for changes in ({"kept": False}, {"version": 6}, {"exact": False}, {"graphics": True}):
        with pytest.raises(ValueError, match=r"version|something else|alone"):
            replace(container.header, **changes)
    with pytest.raises(ValueError, match="recipe is missing"):
        replace(container, recipe=b"")
    with pytest.raises(ValueError, match="COEF"):
        replace(container, coefficients=b"")
    with pytest.raises(ValueError, match="expected 32"):
        replace(container, pixel_hash=bytes(8))


def test_a_region_is_that_of_the_image() -> None:
    data = jpeg()
    found = pixcodec.decode(pixcodec.encode(data), region=(7, 5, 20, 11))
    np.testing.assert_array_equal(found, np.asarray(Image.open(io.BytesIO(data)))[5:16, 7:27])


def test_paths_and_other_files_are_taken_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg())
    assert pixcodec.encode(path) == pixcodec.encode(str(path)) == pixcodec.encode(bytearray(jpeg()))
    file = io.BytesIO()
    Image.fromarray(PHOTO[:9, :11]).save(file, "PNG", dpi=(100, 100))
    packed = pixcodec.encode(file.getvalue(), effort="fast")
    np.testing.assert_array_equal(pixcodec.decode(packed), PHOTO[:9, :11])
    with pytest.raises(UnsupportedImageError, match="keeps pixels, not a JPEG file"):
        pixcodec.restore(packed)


def test_pixels_alone_are_kept_on_request() -> None:
    data = jpeg(exif=VARIANTS["metadata"]["exif"])
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    for options in ({"pixels": True}, {"strip": True}):
        packed = pixcodec.encode(data, effort="fast", **options)
        assert not pixcodec.read_info(packed).kept
        np.testing.assert_array_equal(pixcodec.decode(packed), pixels)
        assert ("exif" in pixcodec.codec.header_image(packed)[2]) == ("pixels" in options)


# Files that libjpeg would not write.


@pytest.mark.parametrize(
    "factors",
    [
        [(4, 1), (1, 1), (1, 1)],
        [(1, 2), (1, 1), (1, 1)],
        [(4, 2), (1, 1), (1, 1)],
        [(1, 1), (2, 2), (1, 1)],
        [(3, 1), (2, 2), (1, 2)],
        [(2, 2), (2, 2), (2, 2)],
    ],
    ids=str,
)
@pytest.mark.parametrize("progressive", [False, True])
def test_all_sampling_factors_come_back(factors: Factors, progressive: bool) -> None:
    packed = check(made(skeleton_of(factors, SCRIPT if progressive else FULL, progressive=progressive)))
    assert pixcodec.read_info(packed).jpeg


@pytest.mark.parametrize("factors", [[(2, 2)], [(1, 1)] * 2, [(2, 1), (1, 1), (1, 1), (2, 1)]], ids=str)
def test_other_numbers_of_components_come_back(factors: Factors) -> None:
    scans: Scans = [([n], (0, 63), (0, 0)) for n in reversed(range(len(factors)))]
    for interval in (0, 3):
        for order in (scans, [(list(range(len(factors))), (0, 63), (0, 0))]):
            assert pixcodec.read_info(
                check(made(skeleton_of(factors, order, progressive=False, interval=interval)))
            ).jpeg


def taken(data: bytes) -> Parts:
    """Check that a file is taken apart and comes back; return its parts."""
    assert pixcodec.read_info(check(data)).jpeg
    return take_apart(data, MAX_PIXELS)[0]


def test_padding_bits_of_any_kind_come_back() -> None:
    skeleton = skeleton_of([(1, 1)], BASELINE, progressive=False, interval=2)
    count = 20  # intervals
    assert taken(made(skeleton)).fill == ONES
    assert taken(made(skeleton, fill=ZEROS)).fill == ZEROS
    padding = bytes(np.random.default_rng(1).integers(0, 256, count).tolist())
    found = taken(made(skeleton, fill=GIVEN, padding=padding))
    assert (found.fill, len(found.padding)) == (GIVEN, count)


def test_files_that_follow_one_another_are_all_taken_apart() -> None:
    """As in MPO and Ultra HDR files."""
    second, third = jpeg(mode="L", height=20, width=30), jpeg(progressive=True, height=30)
    data = jpeg() + second + b"\xff\xd8\xff no file" + third + b"tail"
    packed = check(data)
    tails = [file.parts.skeleton.split(b"\xff\xd9", 1)[1] for file in files_of(packed)]
    assert tails == [b"", b"\xff\xd8\xff no file", b"tail"]
    np.testing.assert_array_equal(pixcodec.decode(packed), np.asarray(Image.open(io.BytesIO(jpeg()))))
    alone = sum(len(pixcodec.encode(part)) for part in (jpeg(), second, third))
    assert len(packed) < alone


def with_segments(*bodies: bytes) -> bytes:
    """Return a file with segments APP1."""
    data = jpeg(height=70, width=90)
    return data[:20] + b"".join(segment(0xE1, body) for body in bodies) + data[20:]


def test_thumbnails_are_coded_as_jpeg_files() -> None:
    thumbnail = jpeg(height=40, width=50, subsampling=0)
    for inner in (thumbnail, jpeg(mode="L", progressive=True, height=60, width=70), FILES["restarts"]):
        data = with_segments(b"Exif\0\0" + bytes(50) + inner + b"behind it")
        packed = check(data)
        (file,) = files_of(packed)
        assert len(file.embedded) == 1
        plain = with_segments(b"Exif\0\0" + bytes(50) + b"behind it")
        assert len(packed) - len(pixcodec.encode(plain)) < 0.9 * len(inner) - 300
        info = pixcodec.codec.header_image(packed)[2]["exif"]
        assert len(info) == 6 + 50 + len(inner) + len(b"behind it")


def test_a_thumbnail_that_does_not_come_back_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(parts: Parts, *args: Any) -> bytes:
        file = put_together(parts, *args)
        return file if len(file) > 1200 else file[:-1]

    monkeypatch.setattr("pixcodec.jpeg.files.join.put_together", cut)
    packed = check(with_segments(b"Exif\0\0" + jpeg(height=40, width=50)))
    assert not files_of(packed)[0].embedded


def test_a_thumbnail_that_is_there_twice_is_coded_once() -> None:
    first, second = jpeg(height=40, width=50), jpeg(mode="L", height=50, width=50)
    once = len(check(with_segments(b"Exif\0\0" + first, b"other" + second)))
    data = with_segments(b"Exif\0\0" + first, b"Photoshop" + first, b"other" + second, b"and" + second)
    packed = check(data)
    assert len(files_of(packed)[0].embedded) == 2
    assert len(packed) < once + 50


def test_what_only_looks_like_a_thumbnail_comes_back() -> None:
    inner = jpeg(height=40, width=50)
    for body in (
        inner[: len(inner) // 2],
        b"\xff\xd8\xff" + bytes(400),
        inner[:300] + inner,
        inner[2:] + inner[:2],
    ):
        check(with_segments(b"Exif\0\0" + body))
    deep = with_segments(inner)  # a thumbnail of a thumbnail is a part of its metadata
    packed = check(with_segments(deep))
    assert [file.embedded for file in files_of(packed)[0].embedded] == [[]]
    follows = with_segments(inner) + with_segments(inner, inner)
    assert [len(file.embedded) for file in files_of(check(follows))] == [1, 1]


def test_many_thumbnails_come_back() -> None:
    inner = [jpeg(mode="L", height=30, width=30 + i, quality=95) for i in range(70)]
    assert not files_of(check(with_segments(*inner)))[0].embedded
    assert (
        len(files_of(check(with_segments(b"".join(inner[:7]), b"Exif" + b"and".join(inner[:5]))))[0].embedded)
        == 12
    )
    assert len(files_of(check(with_segments(*inner[:60])))[0].embedded) == 60


def test_bytes_between_and_after_segments_come_back() -> None:
    data = jpeg()
    end = data.rindex(b"\xff\xd9")
    frame = data.index(b"\xff\xc0")
    for odd in (
        data + b"a tail of any bytes" + data,
        data[:end] + b"before the end" + data[end:],
        data[:end] + b"\xff\xff\xff" + data[end:],
        data[:frame] + b"\0\0stray" + data[frame:],
        data[:end],
        data[:end] + b"\xff\xd3" + data[end:],
    ):
        taken(odd)


def test_zero_runs_before_the_end_come_back() -> None:
    extras = np.array([[0, 1], [2, 3], [9, 2]], np.int32)
    skeleton = skeleton_of([(1, 1)], BASELINE, progressive=False)
    found = taken(made(skeleton, share=0.001, oddities=(Oddities(None, extras),)))
    np.testing.assert_array_equal(found.oddities[0].extras, extras)


@pytest.mark.parametrize("refined", [False, True])
def test_runs_that_break_off_come_back(refined: bool) -> None:
    scans: Scans = [([0], (1, 63), (0, 1))]
    scans += [([0], (1, 63), (1, 0))] * refined
    skeleton = skeleton_of([(1, 1)], scans, progressive=True)
    breaks = np.array([1, 2, 5, 11, 30], np.int32)
    oddities = (*(Oddities(),) * refined, Oddities(breaks))
    found = taken(made(skeleton, share=0.001, oddities=oddities)).oddities[-1].breaks
    assert found is not None
    assert {*found.tolist()} <= {*breaks.tolist()}
    assert len(found) > 2
    every = Oddities(np.arange(40, dtype=np.int32))
    assert taken(made(skeleton, oddities=(*(Oddities(),) * refined, every))).oddities[-1].breaks is not None


def test_corrections_that_fill_libjpegs_buffer_come_back() -> None:
    scans: Scans = [([0], (1, 63), (0, 1)), ([0], (1, 63), (1, 0))]
    data = made(skeleton_of([(1, 1)], scans, progressive=True), share=0.9, most=900)
    assert all(oddities.none for oddities in taken(data).oddities)


def test_larger_images_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = jpeg()
    assert pixcodec.encode(data, max_pixels=61 * 47) == pixcodec.encode(data, max_pixels=None)
    monkeypatch.setattr("pixcodec.jpeg.files.kept.take_apart", None)
    for options in ({}, {"pixels": True}):
        with pytest.raises(LimitExceededError, match="the limit is 2866 pixels"):
            pixcodec.encode(data, max_pixels=61 * 47 - 1, **options)
    frame = data.index(b"\xff\xc0") + 5
    huge = data[:frame] + b"\xff\xff\xff\xff" + data[frame + 4 :]
    with pytest.raises(LimitExceededError, match="the limit is 268435456 pixels"):
        pixcodec.encode(huge)


# Files that are stored as they are.


def test_a_height_in_a_segment_dnl_is_stored() -> None:
    data = jpeg()
    frame, end = data.index(b"\xff\xc0") + 5, data.rindex(b"\xff\xd9")
    packed = check(data[:frame] + bytes(2) + data[frame + 2 : end] + segment(0xDC, b"\0\x2f") + data[end:])
    assert not pixcodec.read_info(packed).jpeg


@pytest.mark.parametrize("size", [3, 4, 20, 150, 300, 700, 900])
def test_truncated_files_come_back(size: int) -> None:
    check(jpeg()[:size])


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xDE])
def test_other_kinds_of_frames_are_stored(marker: int) -> None:
    packed = check(jpeg().replace(b"\xff\xc0", bytes([0xFF, marker])))
    info = pixcodec.read_info(packed)
    assert (info.kept, info.jpeg) == (True, False)


def test_values_beyond_those_of_8_bits_come_back() -> None:
    packed = check(made(skeleton_of([(1, 1)], BASELINE, progressive=False), most=3000, share=0.5))
    assert pixcodec.read_info(packed).jpeg


def test_a_file_that_nobody_can_decode_says_so() -> None:
    packed = check(b"\xff\xd8\xff and nothing else")
    info = pixcodec.read_info(packed)
    assert (info.width, info.height, info.mode) == (1, 1, "grey")
    with pytest.raises(PixcodecError, match="damaged"):
        pixcodec.decode(packed)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["4:2:0", "progressive", "restarts", "CMYK"]), st.data())
def test_mutated_files_come_back(name: str, data: st.DataObject) -> None:
    mutated = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(2, len(mutated) - 1))
        change = data.draw(st.integers(0, 3))
        if change == 0:
            mutated[at] ^= 1 << data.draw(st.integers(0, 7))
        elif change == 1:
            del mutated[at : at + data.draw(st.integers(1, 40))]
        elif change == 2:
            mutated[at:at] = data.draw(st.binary(min_size=1, max_size=20))
        else:
            mutated[at:at] = mutated[at : at + data.draw(st.integers(1, 300))]
        if len(mutated) < 4:
            break
    mutated[:3] = b"\xff\xd8\xff"
    check(bytes(mutated))


FILES = {name: jpeg(**VARIANTS[name]) for name in ("4:2:0", "progressive", "restarts", "CMYK")}


# Hostile .pxc files.


def test_every_flipped_bit_of_a_kept_file_is_noticed() -> None:
    data = bytearray(pixcodec.encode(jpeg(height=9, width=14)))
    for at in range(len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            with pytest.raises(PixcodecError):
                pixcodec.restore(data)
            data[at] ^= 1 << bit


def test_every_cut_of_a_kept_file_is_noticed() -> None:
    data = pixcodec.encode(jpeg(height=9, width=14))
    for size in range(len(data)):
        with pytest.raises(PixcodecError):
            pixcodec.restore(data[:size])
    with pytest.raises(CorruptFileError):
        pixcodec.restore(data + b"\0")


@pytest.mark.parametrize("name", ["4:2:0", "progressive", "odd", "tables", "inside"])
def test_changed_payloads_with_a_correct_end_are_noticed(name: str) -> None:
    """So that the checks behind it are tried: nothing else than an error of ours, or the file."""
    original = HOSTILE[name]
    container = parse(pixcodec.encode(original))
    random = np.random.default_rng(3)
    for number in range(150):
        changed = bytearray(container.recipe)
        for at in random.integers(0, min(len(changed), 120), random.integers(1, 3)):
            changed[at] = random.integers(0, 256)
        if number % 7 == 0:
            del changed[random.integers(1, len(changed))]
        coefficients = bytearray(container.coefficients)
        if number % 5 == 0:
            coefficients[random.integers(0, len(coefficients))] ^= 0x10
        bad = replace(container, recipe=bytes(changed), coefficients=bytes(coefficients))
        with contextlib.suppress(PixcodecError):
            assert restored(bad, 1 << 20, Workers(1)) == original


HOSTILE = {
    "4:2:0": FILES["4:2:0"],
    "progressive": FILES["progressive"],
    "odd": made(
        skeleton_of([(1, 1)], BASELINE, progressive=False, interval=2),
        share=0.001,
        fill=GIVEN,
        padding=bytes(range(20)),
        oddities=(Oddities(None, np.array([[0, 1], [2, 3], [9, 2]], np.int32)),),
    ),
    "inside": with_segments(b"Exif\0\0" + jpeg(height=40, width=50) + b"1", jpeg(height=40, width=50)),
    "tables": jpeg(qtables=[[*range(1, 65)], [*range(64, 0, -1)]], exif=b"Exif\0\0MM\0*", comment=b"hello"),
}


def test_larger_images_and_files_are_refused_before_they_are_allocated() -> None:
    data = pixcodec.encode(jpeg())
    with pytest.raises(LimitExceededError, match="61x47"):
        pixcodec.restore(data, max_pixels=61 * 47 - 1)
    with pytest.raises(LimitExceededError):
        pixcodec.decode(data, max_pixels=61 * 47 - 1)
    container = parse(data)
    bomb = bytes([packing.LZMA << 1]) + b"\x05" + packing.pack_bytes(bytes(1 << 20))[1]
    with pytest.raises(CorruptFileError, match="expected 5"):
        restored(replace(container, recipe=bomb, coefficients=b"x"), None, Workers(1))


PLAIN = bytes([APART])
USUAL_FILE = "03075025"  # JFIF, quality 80, 4:2:0, standard Huffman tables


@pytest.mark.parametrize(
    ("recipe", "error", "words"),
    [
        (b"\x07", UnsupportedVersionError, "method is 3"),
        (b"\1", CorruptFileError, "1 bytes are expected"),
        (b"\0\5xxxx", CorruptFileError, "expected 5"),
        (b"\2\5\xff\xff", CorruptFileError, "cannot be unpacked"),
        (b"\0\1x", CorruptFileError, "has coefficients"),
        (PLAIN + b"\3\0", UnsupportedVersionError, "fill is 3"),
        (PLAIN + b"\x20\0", CorruptFileError, "byte is 32"),
        (PLAIN + b"\x08\x03\0", UnsupportedVersionError, "blocks that fill units is 3"),
        (PLAIN + b"\0\0", CorruptFileError, "no scan"),
        (PLAIN + b"\0\x03", CorruptFileError, "1 bytes are expected"),
        (PLAIN + b"\0\x7f", UnsupportedVersionError, "item is 127"),
        (PLAIN + b"\x10\0" * 70, CorruptFileError, "more than 64 files"),
        (PLAIN + b"\0" + b"\x03" * 20000, CorruptFileError, "more than 16384 items"),
        (PLAIN + b"\0\x07\0\0", CorruptFileError, "quality is 0"),
        (PLAIN + b"\0\x07\x65\0", CorruptFileError, "quality is 101"),
        (PLAIN + b"\0\x0a\1\4\0", CorruptFileError, "byte is 4"),
        (PLAIN + b"\0\x0a\1\0\x1c\xff\xff\x7f", CorruptFileError, "the most is 65535"),
        (PLAIN + b"\0\x0a\1\0\0\x01" + b"\xff" * 200, CorruptFileError, "out of range"),
        (PLAIN + b"\0\x0d\1\x04\0", UnsupportedVersionError, "kind of a Huffman table"),
        (PLAIN + b"\0\xe1\xff\xff\xff\xff\x07\0", CorruptFileError, "segment of"),
        (PLAIN + b"\0\2\xff\xff\xff\xff\x07\0", CorruptFileError, "expected 2147483647"),
        (PLAIN + b"\0\2\xff\xff\xff\xff\x07\2\1\0", CorruptFileError, "contents are more"),
        (PLAIN + bytes.fromhex("000b000001" + USUAL_FILE), CorruptFileError, "unknown shape"),
        (PLAIN + bytes.fromhex("000b050505"), CorruptFileError, "byte is 5"),
        (PLAIN + bytes.fromhex("00" + USUAL_FILE + "00"), CorruptFileError, "expected 0"),
        (PLAIN + bytes.fromhex("00" + "0d0182" + USUAL_FILE), CorruptFileError, "does not follow"),
        (PLAIN + bytes.fromhex("000fe1010000" + USUAL_FILE), CorruptFileError, "there is none"),
        (
            PLAIN + bytes.fromhex("000fe101006400" + "0fe101006400" + USUAL_FILE),
            UnsupportedVersionError,
            "item is 15",
        ),
        (PLAIN + bytes.fromhex("000fe10100ffff03000000"), CorruptFileError, "segment of"),
        (
            PLAIN + bytes.fromhex("000fe101006400" + USUAL_FILE + "00" + USUAL_FILE),
            CorruptFileError,
            "longer than it has to be",
        ),
        (PLAIN + bytes.fromhex("04050000000000" + USUAL_FILE), CorruptFileError, None),
    ],
)
def test_recipes_that_make_no_sense_are_refused(recipe: bytes, error: type[Exception], words: str) -> None:
    container = parse(pixcodec.encode(jpeg(height=8, width=8)))
    with pytest.raises(error, match=words):
        pixcodec.restore(pack(replace(container, recipe=recipe)))
