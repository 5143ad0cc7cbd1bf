from __future__ import annotations

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo, iTXt

import pixcodec
from pixcodec.container.chunks import Chunk
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.container.header import Effort, Header, Mode
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    UnsupportedImageError,
    UnsupportedVersionError,
)
from pixcodec.images import metadata
from pixcodec.images.metadata import clean, from_chunks, to_chunks
from pixcodec.images.pillow_info import collect
from pixcodec.images.summary import describe, icc_description
from samples import IMAGES

FORMAT = (Path(pixcodec.__file__).parent / "format" / "other-chunks.md").read_text("utf-8")

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
TEXT = {
    "Title": "in Latin-1: café",
    "empty": "",
    "Gruß": iTXt("水", "ja", "題名"),
    "not Latin-1": "水",
}
INFO: dict[str, Any] = {
    "icc_profile": PROFILE,
    "exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0",
    "xmp": b"<x:xmpmeta/>",
    "comment": b"\xff\0 no encoding",
    "gamma": 0.45455,
    "chromaticity": (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    "srgb": 1,
    "dpi": (72.009, 300.0),
    "text": TEXT,
}


def exif_with_orientation(orientation: int, order: str = "<") -> bytes:
    start = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + start + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def photo() -> Image.Image:
    with Image.open(IMAGES / "kodak23_61x47_rgb.png") as image:
        image.load()
        return image.copy()


def opened(name: str, image: Image.Image | None = None, **options: Any) -> Image.Image:
    buffer = io.BytesIO()
    (image or photo()).save(buffer, name, **options)
    return Image.open(buffer)


def kinds(chunks: tuple[Chunk, ...]) -> list[str]:
    return [chunk.type for chunk in chunks]


FINITE = st.floats(allow_nan=False, allow_infinity=False)
BYTES = st.binary(min_size=1, max_size=50)
WORDS = st.text(max_size=9)
INFOS = st.fixed_dictionaries(
    {},
    optional={
        "icc_profile": BYTES,
        "exif": BYTES,
        "xmp": BYTES,
        "comment": BYTES,
        "gamma": FINITE,
        "chromaticity": st.tuples(*[FINITE] * 8),
        "srgb": st.integers(0, 3),
        "text": st.dictionaries(WORDS, WORDS | st.builds(iTXt, WORDS, WORDS, WORDS), min_size=1, max_size=4),
    },
)


@given(INFOS, st.sampled_from(["dpi", "aspect", None]), st.tuples(FINITE, FINITE).filter(any))
def test_round_trip(info: dict[str, Any], key: str | None, resolution: tuple[float, float]) -> None:
    if key:
        info[key] = resolution
    chunks = to_chunks(info)
    found = from_chunks(chunks)
    assert found == info
    for keyword, text in info.get("text", {}).items():
        assert type(found["text"][keyword]) is type(text)
        if isinstance(text, iTXt):
            assert (found["text"][keyword].lang, found["text"][keyword].tkey) == (text.lang, text.tkey)
    assert to_chunks(found) == chunks
    json.dumps(describe(chunks))


def test_chunks_survive_a_container() -> None:
    header = Header(1, 1, Mode.GREY, Effort.FAST, 1, 1, b"")
    container = Container(header, (Tile(TileKind.RAW, 0, b"x"),), bytes(8), to_chunks(INFO))
    assert from_chunks(parse(pack(container)).ancillary) == INFO


def test_the_payloads_are_as_the_format_says() -> None:
    def packed(data: bytes) -> bytes:
        return min(b"\0" + data, b"\1" + zlib.compress(data, 9), key=len)

    info = {
        "icc_profile": bytes(1000),
        "exif": b"e",
        "gamma": 0.5,
        "chromaticity": tuple(range(8)),
        "srgb": 2,
        "dpi": (1, 2.5),
        "text": {"k": "ü", "c": iTXt("t", "en", "cc")},
    }
    assert to_chunks(info) == (
        Chunk("iccp", packed(bytes(1000))),
        Chunk("exif", b"\0e"),
        Chunk("gama", struct.pack("<d", 0.5)),
        Chunk("chrm", struct.pack("<8d", *range(8))),
        Chunk("srgb", b"\2"),
        Chunk("phys", b"\1" + struct.pack("<2d", 1, 2.5)),
        Chunk("text", packed(struct.pack("<BIII", 0, 1, 0, 0) + b"k\xc3\xbc")),
        Chunk("text", packed(struct.pack("<BIII", 1, 1, 2, 2) + b"cencct")),
    )
    assert to_chunks({"aspect": (4, 3)}) == (Chunk("phys", b"\0" + struct.pack("<2d", 4, 3)),)


def test_the_format_lists_every_chunk() -> None:
    section = FORMAT.split("## Ancillary chunks\n")[1].split("\n##")[0]
    listed = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}
    others = {"exrh", "phot", "pngc", "tift"}  # of other files than INFO is of
    assert listed == {*kinds(to_chunks(INFO)), *others, "gscr", "pilm", "shap"}  # the last are no metadata
    assert all(Chunk(kind, b"").ancillary for kind in listed)
    assert "2^26 bytes" in section
    assert metadata.MAX_METADATA_SIZE_BYTES == 2**26


def test_what_describes_the_old_file_is_dropped() -> None:
    old = {"jfif": 257, "adobe": 100, "progression": 1, "background": (0, 0, 0), "duration": 3}
    other = {("tuple",): "key", 3: "number", "compression": "raw", "transparency": 0, "interlace": 1}
    assert to_chunks(old | other) == ()
    assert from_chunks(()) == {}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("icc_profile", None),
        ("icc_profile", b""),
        ("exif", 3),
        ("xmp", ["list"]),
        ("gamma", float("nan")),
        ("gamma", True),
        ("gamma", (1.0, 2.0)),
        ("chromaticity", (1.0,) * 7),
        ("srgb", 4),
        ("srgb", -1),
        ("dpi", (float("inf"), 1.0)),
        ("dpi", (1.0, "2")),
        ("dpi", (10**400, 1)),
        ("dpi", (0, 0)),
        ("aspect", 3),
        ("text", {"key": b"bytes", 3: "number"}),
    ],
)
def test_values_of_other_types_are_dropped(key: str, value: object) -> None:
    assert clean({key: value, "comment": b"c"}) == {"comment": b"c"}


def test_dpi_is_preferred_to_aspect() -> None:
    assert clean({"aspect": (1, 2), "dpi": (3, 4)}) == {"dpi": (3, 4)}
    assert clean({"aspect": (1, 2), "dpi": "no numbers", "text": {}}) == {"aspect": (1, 2)}


def test_strings_of_an_info_are_text() -> None:
    assert clean({"Title": "t", "dpi": "a keyword", "compression": "raw", 3: "x"}) == {
        "text": {"Title": "t", "dpi": "a keyword"}
    }


def test_xmp_is_kept_once() -> None:
    text = {"XML:com.adobe.xmp": iTXt("<x/>"), "other": "text"}
    assert clean({"xmp": b"<x/>", "text": text, **text}) == {"xmp": b"<x/>", "text": {"other": "text"}}
    assert clean(text) == {"xmp": b"<x/>", "text": {"other": "text"}}


def test_text_must_be_unicode() -> None:
    with pytest.raises(UnsupportedImageError, match="text 'key' is no valid Unicode"):
        to_chunks({"key": "\ud800"})


def test_unknown_chunks_are_ignored() -> None:
    assert from_chunks([Chunk("abcd", b"x"), Chunk("srgb", b"\1"), Chunk("abcd", b"x")]) == {"srgb": 1}


def text_chunk(kind: int, *sizes: int, rest: bytes = b"") -> Chunk:
    return Chunk("text", b"\0" + struct.pack("<BIII", kind, *sizes) + rest)


STREAM = zlib.compress(bytes(100))


@pytest.mark.parametrize(
    ("chunk", "error", "message"),
    [
        (Chunk("iccp", b""), CorruptFileError, "chunk 'iccp': payload is empty, expected a method"),
        (Chunk("exif", b"\2x"), UnsupportedVersionError, "chunk 'exif': method is 2"),
        (Chunk("xmpm", b"\1" + STREAM[:-1]), CorruptFileError, "chunk 'xmpm': its zlib stream is cut short"),
        (Chunk("xmpm", b"\1"), CorruptFileError, "chunk 'xmpm': its zlib stream is cut short"),
        (
            Chunk("comm", b"\1" + STREAM + b"?"),
            CorruptFileError,
            "'comm': found 1 bytes after its zlib",
        ),
        (Chunk("text", b"\1no zlib"), CorruptFileError, "chunk 'text': its zlib stream is damaged"),
        (Chunk("iccp", b"\1" + STREAM[:-2] + b"??"), CorruptFileError, "'iccp': its zlib stream is damaged"),
        (Chunk("gama", bytes(7)), CorruptFileError, "chunk 'gama': payload is 7 bytes, expected 8"),
        (Chunk("chrm", bytes(65)), CorruptFileError, "chunk 'chrm': payload is 65 bytes, expected 64"),
        (Chunk("srgb", b""), CorruptFileError, "chunk 'srgb': payload is 0 bytes, expected 1"),
        (Chunk("srgb", b"\4"), UnsupportedVersionError, "intent is 4, this version of pixcodec knows 0..3"),
        (Chunk("phys", bytes(16)), CorruptFileError, "chunk 'phys': payload is 16 bytes, expected 17"),
        (Chunk("phys", b"\2" + bytes(16)), UnsupportedVersionError, "unit is 2"),
        (Chunk("gama", struct.pack("<d", float("nan"))), CorruptFileError, "expected finite numbers"),
        (Chunk("text", b"\0" + bytes(12)), CorruptFileError, "data is 12 bytes, expected 13 or more"),
        (text_chunk(2, 0, 0, 0), UnsupportedVersionError, "chunk 'text': kind is 2"),
        (text_chunk(0, 1, 0, 0), CorruptFileError, "kind 0, sizes .1, 0, 0. in 13 bytes"),
        (text_chunk(0, 0, 1, 0, rest=b"x"), CorruptFileError, "kind 0, sizes .0, 1, 0. in 14 bytes"),
        (text_chunk(1, 2**32 - 1, 0, 1, rest=b"x"), CorruptFileError, "kind 1, sizes"),
        (text_chunk(0, 1, 0, 0, rest=b"\xff"), CorruptFileError, "chunk 'text': 'utf-8' codec"),
    ],
)
def test_damaged_chunks(chunk: Chunk, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        from_chunks([chunk])


@pytest.mark.parametrize("kind", [chunk.type for chunk in to_chunks(INFO) if chunk.type != "text"])
def test_a_chunk_may_not_be_there_twice(kind: str) -> None:
    chunk = next(chunk for chunk in to_chunks(INFO) if chunk.type == kind)
    with pytest.raises(CorruptFileError, match=f"chunk '{kind}': found twice, expected once"):
        from_chunks([chunk, Chunk("abcd", b""), chunk])


def test_a_keyword_may_not_be_there_twice() -> None:
    with pytest.raises(CorruptFileError, match="found keyword 'k' twice"):
        from_chunks([*to_chunks({"k": "1"}), *to_chunks({"k": "2"})])


def test_a_bomb_is_not_inflated() -> None:
    deflated = zlib.compressobj(1)
    bomb = b"".join(deflated.compress(bytes(2**20)) for _ in range(65)) + deflated.flush()
    with pytest.raises(LimitExceededError, match="'iccp': there is more metadata than the limit of 67108864"):
        from_chunks([Chunk("iccp", b"\1" + bomb)])


def test_the_limit_is_for_all_chunks_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "MAX_METADATA_SIZE_BYTES", 500)
    info = {"icc_profile": bytes(200), "exif": bytes(100), "comment": bytes(range(180)), "k": "12345"}
    chunks = to_chunks(info)  # 498 bytes
    assert from_chunks(chunks)["text"] == {"k": "12345"}
    for more in ({"k": "12345678"}, {"exif": bytes(103)}, {"comment": bytes(range(183))}):
        with pytest.raises(LimitExceededError, match="the limit is 500"):
            to_chunks(info | more)
    for extra in (Chunk("text", to_chunks({"x": ""})[0].payload), Chunk("xmpm", b"\0abc")):
        with pytest.raises(LimitExceededError, match="more metadata than the limit of 500 bytes"):
            from_chunks([*chunks, extra])


def test_everything_of_a_png_file_is_collected() -> None:
    pnginfo = PngInfo()
    for keyword, text in TEXT.items():
        pnginfo.add_text(keyword, text)
    pnginfo.add_text("zipped", "a" * 100, zip=True)
    pnginfo.add_text("dpi", "a keyword like a key")
    pnginfo.add_itxt("XML:com.adobe.xmp", "<x/>")
    pnginfo.add(b"gAMA", struct.pack(">I", 45455))
    pnginfo.add(b"cHRM", struct.pack(">8I", *range(8)))
    exif = exif_with_orientation(6)
    image = opened("PNG", pnginfo=pnginfo, icc_profile=PROFILE, exif=exif, dpi=(72, 300))
    assert image.info["dpi"] != "a keyword like a key"  # pHYs comes after the text
    found = collect(image)
    assert found["text"] == {**TEXT, "zipped": "a" * 100, "dpi": "a keyword like a key"}
    assert found["text"]["Gruß"].lang == "ja"
    assert found["text"]["Gruß"].tkey == "題名"
    assert found["dpi"] == image.info["dpi"]
    assert found["chromaticity"] == image.info["chromaticity"]
    expected = {"icc_profile": PROFILE, "exif": exif, "xmp": b"<x/>", "gamma": 0.45455}
    assert {key: found[key] for key in expected} == expected
    assert from_chunks(to_chunks(found)) == found


def test_text_after_the_pixels_is_collected() -> None:
    with (IMAGES / "kodak23_61x47_rgb.png").open("rb") as file:
        data = file.read()
    chunk = b"tEXtlate\0text"
    late = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    image = Image.open(io.BytesIO(data[:-12] + late + data[-12:]))
    assert "late" not in image.info
    assert collect(image)["text"]["late"] == "text"


def test_jpeg() -> None:
    exif = exif_with_orientation(6)
    image = opened("JPEG", exif=exif, icc_profile=PROFILE, comment=b"\xff hi", dpi=(72, 72))
    assert collect(image) == {
        "icc_profile": PROFILE,
        "exif": exif,
        "comment": b"\xff hi",
        "dpi": (72, 72),
    }


def test_gif_and_webp() -> None:
    assert collect(opened("GIF", comment=b"hello")) == {"comment": b"hello"}
    exif = exif_with_orientation(3)
    image = opened("WEBP", exif=exif, icc_profile=PROFILE, xmp=b"<x/>")
    assert collect(image)["exif"].removeprefix(b"Exif\0\0") == exif.removeprefix(b"Exif\0\0")
    assert collect(image)["icc_profile"] == PROFILE
    assert collect(image)["xmp"] == b"<x/>"


def test_tiff_tags_become_exif() -> None:
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    exif[0x0131] = "a program"
    exif[0x8825] = {1: "N"}
    exif[700] = b"<x/>"
    image = opened("TIFF", exif=exif.tobytes(), icc_profile=PROFILE, dpi=(72, 300))
    found = collect(image)
    assert (found["icc_profile"], found["dpi"], found["xmp"]) == (PROFILE, (72, 300), b"<x/>")
    read = Image.Exif()
    read.load(found["exif"])
    assert dict(read) == {0x0110: "a camera", 0x0131: "a program", 0x8825: read[0x8825]}
    assert read.get_ifd(0x8825) == {1: "N"}
    assert set(found) == {"exif", "icc_profile", "dpi", "xmp"}  # no text: compression is not one


def test_exif_of_an_image_in_memory_is_collected() -> None:
    image = photo()
    assert collect(image) == {}
    image.getexif()[0x0112] = 8
    assert describe(to_chunks(collect(image)))["exif"]["orientation"] == 8


def test_orientation_in_xmp_does_not_become_exif() -> None:
    pnginfo = PngInfo()
    pnginfo.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="3"/>')
    image = opened("PNG", pnginfo=pnginfo)
    assert image.getexif()[0x0112] == 3
    assert set(collect(image)) == {"xmp"}


@pytest.mark.parametrize("order", ["<", ">"])
def test_description(order: str) -> None:
    exif = exif_with_orientation(5, order)
    summary = describe(to_chunks(INFO | {"exif": exif}))
    assert summary == {
        "icc_profile": {"size_bytes": len(PROFILE), "description": "sRGB built-in"},
        "exif": {"size_bytes": len(exif), "orientation": 5},
        "xmp": {"size_bytes": 12},
        "comment": {"size_bytes": 14},
        "gamma": 0.45455,
        "chromaticity": list(INFO["chromaticity"]),
        "srgb": 1,
        "dpi": [72.009, 300.0],
        "text": TEXT,
    }
    assert json.loads(json.dumps(summary)) == summary


def test_description_of_a_profile_of_version_2() -> None:
    tag = b"desc" + bytes(4) + struct.pack(">I", 5) + b"name\0" + bytes(70)
    profile = bytes(128) + struct.pack(">I4sII", 1, b"desc", 144, len(tag)) + tag
    assert icc_description(profile) == "name"


@given(st.binary(max_size=60), st.integers(0, 200))
def test_descriptions_of_nonsense(data: bytes, cut: int) -> None:
    exif = exif_with_orientation(1)
    chunks = to_chunks({"icc_profile": PROFILE[: cut + 1] + data, "exif": exif[: cut + 1] + data})
    assert set(describe(chunks)["icc_profile"]) <= {"size_bytes", "description"}
    assert set(describe(chunks)["exif"]) <= {"size_bytes", "orientation"}
    bare = to_chunks({"icc_profile": bytes(128) + data, "exif": b"II*\0" + data})
    json.dumps(describe(bare))
