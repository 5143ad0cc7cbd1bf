"""The tags of TIFF files that say more than how the pixels are stored come back."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.TiffImagePlugin import IFDRational, ImageFileDirectory_v2

import pixcodec
from benchmarks.metadata_check import check, differences, main, tiff_tags
from image_files import RGB
from pixcodec.images.files import read_image, write_image
from pixcodec.images.metadata import from_chunks, to_chunks
from pixcodec.images.summary import describe
from pixcodec.images.tiff_tags import packed_tags, put_tags, tag_names, without_orientation

BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED, DOUBLE = 1, 2, 3, 4, 5, 7, 12
TAGS: dict[int, tuple[int, Any]] = {
    33550: (DOUBLE, (30.0, 30.0, 0.0)),  # GeoTIFF: size of a pixel
    33922: (DOUBLE, (0.0, 0.0, 0.0, 500000.5, 4100000.25, 0.0)),
    34735: (SHORT, (1, 1, 0, 2, 1024, 0, 1, 1)),
    34737: (ASCII, "WGS 84 / UTM zone 11N|"),
    42112: (ASCII, "<GDALMetadata/>"),
    42113: (ASCII, "-9999"),
    285: (ASCII, "a page"),
    297: (SHORT, (2, 5)),
    33723: (UNDEFINED, b"\x1c\x02\x00\x00\x02\x00\x02"),
    34377: (BYTE, b"8BIM\x04\x04\0\0\0\0\0\0"),
    65000: (LONG, (7, 8, 9)),  # private
    270: (ASCII, "caf\xe9"),
    305: (ASCII, "a program"),
}


def tiff(image: Any, tags: dict[int, tuple[int, Any]], **options: Any) -> bytes:
    info = ImageFileDirectory_v2(prefix=b"II")
    for tag, (kind, value) in tags.items():
        info[tag] = value.encode("latin-1") if isinstance(value, str) else value
        info.tagtype[tag] = kind
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        file, "TIFF", tiffinfo=info, **options
    )
    return file.getvalue()


def tags_of(file: bytes) -> dict[int, tuple[int, Any]]:
    with Image.open(BytesIO(file)) as image:
        tags: Any = image.tag_v2  # type: ignore[attr-defined]
        return {tag: (tags.tagtype[tag], tags[tag]) for tag in tags}


def again(file: bytes) -> bytes:
    """Return a TIFF file after a .pxc file."""
    return write_image(pixcodec.decode_image(pixcodec.encode(file, effort="fast")), "tif")


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_deflate"}, {"big_tiff": True}])
def test_tags_come_back(options: dict[str, Any]) -> None:
    file = tiff(RGB, TAGS, **options)
    before, after = tags_of(file), tags_of(again(file))
    for tag in TAGS:
        assert after[tag] == before[tag], tag
    pixels = read_image(again(file)).image
    np.testing.assert_array_equal(np.asarray(pixels), RGB)


def test_iptc_that_was_written_as_integers() -> None:
    iptc = b"\x1c\x02\x00\x00\x02\x00\x02iptc 1234"[:16]
    file = tiff(RGB, {33723: (UNDEFINED, iptc)})
    entry = struct.pack("<HHI", 33723, UNDEFINED, 16)
    assert entry in file
    file = file.replace(entry, struct.pack("<HHI", 33723, LONG, 4))
    assert tags_of(again(file))[33723] == (UNDEFINED, iptc)


@pytest.mark.parametrize(("unit", "dpi"), [(2, True), (3, True), (1, False)])
def test_resolutions_keep_their_unit(unit: int, dpi: bool) -> None:
    tags = {282: (RATIONAL, IFDRational(118, 1)), 283: (RATIONAL, IFDRational(473, 4)), 296: (SHORT, unit)}
    file = tiff(RGB, tags)
    info = read_image(file).info
    assert ("dpi" in info) == dpi
    assert ("tiff_tags" in info) == (unit != 2)
    after = tags_of(again(file))
    assert (after[282], after[283], after[296]) == ((5, 118), (5, 118.25), (SHORT, unit))


@pytest.mark.parametrize("mode", ["1", "L", "I;16"])
def test_white_stays_zero(mode: str) -> None:
    grey = RGB[:, :, 0]
    pixels = {"1": grey > 99, "L": grey, "I;16": grey.astype(np.uint16) * 200}[mode]
    plain = tiff(pixels, {})
    at = next(k for k in range(8, len(plain), 1) if plain[k : k + 4] == struct.pack("<HH", 262, SHORT))
    file = plain[: at + 8] + b"\0\0" + plain[at + 10 :]
    written = again(file)
    assert tags_of(written)[262] == (SHORT, 0)
    assert np.array_equal(np.asarray(Image.open(BytesIO(written))), np.asarray(Image.open(BytesIO(file))))


def test_palettes_of_16_bits_come_back() -> None:
    image = Image.fromarray(RGB).quantize(16)
    plain = tiff(image, {})
    colours = tags_of(plain)[320][1]
    assert len(colours) == 768
    deep = [value | (k % 251) for k, value in enumerate(colours)]
    at = plain.index(struct.pack(f"<{len(colours)}H", *colours))
    file = plain[:at] + struct.pack(f"<{len(deep)}H", *deep) + plain[at + 2 * len(deep) :]
    assert tags_of(again(file))[320] == (SHORT, tuple(deep))
    # Another palette wins.
    info = read_image(file).info
    other = Image.fromarray(255 - RGB).quantize(16)
    assert tags_of(write_image(other, "tif", info))[320][1] != tuple(deep)


def test_photoshop_resources_of_a_jpeg_file_whose_pixels_are_kept() -> None:
    file = BytesIO()
    Image.fromarray(RGB).save(file, "JPEG")
    resources = b"8BIM\x04\x04\0\0\0\0\0\x05hello\0"
    segment = b"Photoshop 3.0\0" + resources
    data = file.getvalue()
    data = data[:2] + b"\xff\xed" + struct.pack(">H", 2 + len(segment)) + segment + data[2:]
    found = pixcodec.decode_image(pixcodec.encode(data, effort="fast", pixels=True))
    assert isinstance(found, Image.Image)
    assert found.info["app13"] == segment
    assert tags_of(write_image(found, "tif"))[34377][1] == resources


def test_the_orientation_in_the_xmp_is_not_applied_either() -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    file = tiff(RGB, {700: (BYTE, xmp)})
    found = read_image(file)
    np.testing.assert_array_equal(np.asarray(found.image), RGB)
    assert "exif" not in found.info
    written = again(file)
    assert 274 not in tags_of(written)
    assert tags_of(written)[700][1] == xmp
    np.testing.assert_array_equal(np.asarray(read_image(written).image), RGB)


def test_an_orientation_of_a_wrong_type_takes_no_other_tag_with_it() -> None:
    file = tiff(RGB, {274: (BYTE, b"\x08"), 305: (ASCII, "a program")})
    after = tags_of(again(file))
    assert after[305] == (ASCII, "a program")
    assert 274 not in after


def test_a_resolution_of_a_wrong_type_does_not_keep_the_image_from_being_written() -> None:
    file = tiff(
        RGB, {282: (RATIONAL, IFDRational(16, 1)), 283: (RATIONAL, IFDRational(1, 1)), 285: (ASCII, "p")}
    )
    at = file.index(struct.pack("<HHI", 282, RATIONAL, 1))
    file = file[:at] + struct.pack("<HHIHH", 282, SHORT, 1, 16, 0) + file[at + 12 :]
    assert tags_of(file)[282] == (SHORT, 16)
    after = tags_of(again(file))
    assert after[282][0] == RATIONAL
    assert after[285] == (ASCII, "p")


def test_info_names_the_tags() -> None:
    chunks = to_chunks(read_image(tiff(RGB, TAGS)).info)
    summary = describe(chunks)["tiff_tags"]
    assert {"PageNumber", "65000"} <= set(summary["tags"])
    assert summary["size_bytes"] > 0


def test_the_benchmark_sees_tags_as_tifffile_does(tmp_path: Path) -> None:
    pytest.importorskip("tifffile")
    file = tiff(RGB, TAGS)
    (tmp_path / "a.tif").write_bytes(file)
    assert {"33550 ModelPixelScaleTag", "42113 GDAL_NODATA", "65000 65000"} <= set(tiff_tags(file))
    assert differences(file, "tif", tiff_tags) == {}
    assert check([tmp_path / "a.tif"])["tifffile"] == {"equal": 1}
    assert main([str(tmp_path)]) == 0
    # A reader that looks at how pixels are stored finds a difference.
    other = tiff(RGB, TAGS, compression="tiff_deflate")
    assert set(differences(other, "tif", lambda data: {"tags": tags_of(data)[259]})) == {"tags"}


def test_names_for_people() -> None:
    with Image.open(BytesIO(tiff(RGB, TAGS))) as image:
        names = tag_names(packed_tags(image))
    assert {"PageNumber", "IptcNaaInfo", "65000"} <= set(names), names
    assert "Software" not in names  # EXIF has it


def test_what_has_none() -> None:
    assert packed_tags(Image.fromarray(RGB)) == b""
    assert "tiff_tags" not in read_image(tiff(RGB, {305: (ASCII, "a program")})).info
    assert without_orientation(b"II*\0") == (b"II*\0", 1)
    assert without_orientation(b"\x89PNG\r\n\x1a\n" + bytes(20))[1] == 1


@given(st.binary(max_size=80))
def test_damaged_tags_do_no_harm(data: bytes) -> None:
    packed = b"II*\0\x08\0\0\0" + data
    put_tags(Image.Exif(), packed)
    tag_names(packed)
    info = from_chunks(to_chunks({"tiff_tags": packed}))
    assert read_image(write_image(Image.fromarray(RGB), "tif", info)).image is not None


@given(st.binary(max_size=60), st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]))
def test_any_bytes_may_follow_the_start_of_a_tiff_file(data: bytes, start: bytes) -> None:
    found, orientation = without_orientation(start + data)
    assert len(found) == len(start + data)
    assert 1 <= orientation <= 8
