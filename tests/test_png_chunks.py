"""Every ancillary chunk of a PNG file comes back."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import pixcodec
from pixcodec.images.files import read_image, write_image
from pixcodec.images.metadata import from_chunks, to_chunks
from pixcodec.images.png_chunks import texts_of, types_of, with_unsaid_chunks
from pixcodec.images.png_text import compressed_text, plain_text

PIXELS = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3) * 4
TIME = struct.pack(">HBBBBB", 2026, 11, 26, 12, 0, 59)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    *early: tuple[bytes, bytes],
    middle: tuple[tuple[bytes, bytes], ...] = (),
    late: tuple[tuple[bytes, bytes], ...] = (),
    image: Any = PIXELS,
) -> bytes:
    """Return a PNG file with chunks after IHDR, before IDAT and after it."""
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, "PNG")
    data = file.getvalue()
    at, end = data.index(b"IDAT") - 4, len(data) - 12
    parts = [b"".join(chunk(*each) for each in group) for group in (early, middle, late)]
    return data[:33] + parts[0] + data[33:at] + parts[1] + data[at:end] + parts[2] + data[end:]


def chunks(data: bytes) -> list[tuple[str, bytes]]:
    """Return the types and the data, texts and profiles not compressed, of all chunks but IDAT."""
    at, found = 8, []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"iCCP":
            start = body.index(0) + 2
            body = body[:start] + zlib.decompress(body[start:])
        if kind != b"IDAT":
            found.append((kind.decode(), plain_text(kind, body)))
    return found


def again(file: bytes, *, effort: str = "fast") -> bytes:
    """Return a PNG file after a .pxc file."""
    data = pixcodec.encode(file, effort=effort)
    return write_image(pixcodec.decode_image(data), "png")


FILES = {
    "time and background": png((b"tIME", TIME), (b"bKGD", struct.pack(">HHH", 1, 2, 3))),
    "significant bits, colours": png((b"sBIT", b"\5\6\5"), (b"cICP", b"\x09\x10\0\1"), (b"mDCV", bytes(24))),
    "light levels": png((b"cLLI", struct.pack(">II", 10000, 4000))),
    "sPLT": png((b"sPLT", b"name\0\x08" + bytes(6)), (b"sPLT", b"other\0\x08" + bytes(12))),
    "sRGB with gamma": png((b"sRGB", b"\1"), (b"gAMA", struct.pack(">I", 45455))),
    "a profile's name": png((b"iCCP", b"my profile\0\0" + zlib.compress(b"profile" * 9))),
    "a profile and sRGB": png((b"sRGB", b"\1"), (b"iCCP", b"p\0\0" + zlib.compress(b"profile" * 9))),
    "no size of pixels": png((b"pHYs", struct.pack(">IIB", 0, 0, 0))),
    "compressed text": png((b"zTXt", b"Title\0\0" + zlib.compress(b"a title"))),
    "repeated texts": png((b"tEXt", b"Comment\0one"), (b"tEXt", b"Comment\0two"), (b"tEXt", b"Title\0three")),
    "late text": png(late=((b"tEXt", b"Title\0late"), (b"tIME", TIME))),
    "international": png((b"iTXt", b"Title\0\0\0en\0titre\0t\xc3\xa9xt")),
    "compressed international": png((b"iTXt", b"Title\0\1\0en\0titre\0" + zlib.compress(b"text"))),
    "compressed XMP": png((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x:xmpmeta/>"))),
    "plain XMP": png((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta/>")),
    "unknown": png((b"abCd", b"one"), (b"xyZZ", b""), late=((b"abCd", b"two"),)),
    "EXIF": png((b"eXIf", Image.Exif().tobytes().removeprefix(b"Exif\0\0"))),
    "EXIF in a text": png((b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n   2\n4949\n"))),
    "grey": png((b"bKGD", b"\0\7"), (b"sBIT", b"\7"), image=PIXELS[:, :, 0]),
    "palette": png(
        (b"tIME", TIME),
        middle=((b"hIST", struct.pack(">4H", 1, 2, 3, 4)), (b"bKGD", b"\1")),
        image=Image.fromarray(PIXELS).quantize(4),
    ),
    "16 bits": png((b"sBIT", b"\x0c"), (b"tIME", TIME), image=PIXELS[:, :, 0].astype(np.uint16) * 99),
    "alpha": png((b"sBIT", b"\5\6\5\1"), image=np.dstack([PIXELS, PIXELS[:, :, 0]])),
}


@pytest.mark.parametrize("name", FILES)
def test_chunks_come_back(name: str) -> None:
    file = FILES[name]
    written = again(file)
    assert sorted(chunks(written)) == sorted(chunks(file))
    # They stay in their places: before PLTE, before IDAT, after it.
    order = [kind for kind, _ in chunks(written)]
    if name == "palette":
        assert order.index("tIME") < order.index("PLTE") < order.index("hIST")
    if name == "late text":
        assert written.index(b"IDAT") < written.index(b"tEXt") < written.index(b"tIME")
    np.testing.assert_array_equal(read_image(written)[0], read_image(file)[0])
    # Whoever reads the metadata of the .pxc file finds what Pillow finds in the PNG file.
    info = pixcodec.decode_image(pixcodec.encode(file, effort="fast")).info
    with Image.open(BytesIO(file)) as image:
        image.load()
        for key, value in getattr(image, "text", {}).items():
            assert key == "XML:com.adobe.xmp" or info[key] == value
    assert again(written) == written


def test_what_metadata_say_is_not_kept_twice() -> None:
    text = b"a long text " * 99
    file = png((b"zTXt", b"Title\0\0" + zlib.compress(text)), (b"iCCP", b"p\0\0" + zlib.compress(text)))
    kept = to_chunks(read_image(file).info)
    assert [chunk.type for chunk in kept] == ["iccp", "pngc"]
    assert sum(len(chunk.payload) for chunk in kept) < 150
    assert from_chunks(kept)["text"] == {"Title": text.decode()}
    usual = png((b"gAMA", struct.pack(">I", 45455)), (b"tEXt", b"Title\0text"))
    assert "png_chunks" not in read_image(usual).info


def test_texts_that_a_user_changes_win() -> None:
    info = read_image(FILES["repeated texts"]).info
    assert info["text"] == {"Comment": "two", "Title": "three"}
    changed = from_chunks(to_chunks({**info, "text": {"Title": "new"}}))
    assert changed["text"] == {"Title": "new"}
    assert ("tEXt", b"Title\0new") in chunks(write_image(Image.fromarray(PIXELS), "png", changed))
    both = read_image(png((b"tEXt", b"A\0b"), (b"tEXt", b"A\0c"), (b"tIME", TIME))).info
    assert types_of(from_chunks(to_chunks({**both, "text": {}}))["png_chunks"]) == ["tIME"]


def test_what_depends_on_the_colour_type_stays_with_it() -> None:
    info = read_image(png((b"bKGD", bytes(6)), (b"tIME", TIME), (b"abCD", b"x"), (b"abcd", b"y"))).info
    written = write_image(Image.fromarray(PIXELS[:, :, 0]), "png", info)
    assert [kind for kind, _ in chunks(written)] == ["IHDR", "tIME", "abcd", "IEND"]


def test_a_grey_background_is_scaled_with_its_pixels() -> None:
    four_bits = b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0)),
            chunk(b"bKGD", b"\0\x0f"),
            chunk(b"IDAT", zlib.compress(b"\0\x3f")),
            chunk(b"IEND", b""),
        ]
    )
    written = again(four_bits)
    assert ("bKGD", b"\0\xff") in chunks(written)
    assert np.asarray(Image.open(BytesIO(written))).tolist() == [[51, 255]]


def test_strip_drops_them() -> None:
    data = pixcodec.encode(FILES["unknown"], effort="fast", strip=True)
    assert "png_chunks" not in pixcodec.decode_image(data).info


@pytest.mark.parametrize(
    "unsaid",
    [
        b"\2",
        b"\2\x08\0tIM",
        b"\2\x08\4tIME\0\0\0\0",
        b"\2\x08\0tIME\7\0\0\0abc",
        b"\2\x08\0IDAT\0\0\0\0",
        b"\2\x08\0a\0bc\0\0\0\0",
    ],
)
def test_damage(unsaid: bytes) -> None:
    with pytest.raises(pixcodec.CorruptFileError, match="chunk 'pngc'"):
        texts_of(unsaid)


@given(st.binary(max_size=60), st.binary(max_size=9))
def test_any_bytes_give_a_png_file_or_an_error(unsaid: bytes, xmp: bytes) -> None:
    file = png()
    try:
        written = with_unsaid_chunks(file, b"\2\x08" + unsaid, xmp)
        texts_of(b"\2\x08" + unsaid)
    except pixcodec.CorruptFileError:
        return
    assert chunks(written)[0][0] == "IHDR"


@given(st.sampled_from([b"zTXt", b"iTXt", b"tEXt"]), st.binary(max_size=20), st.binary(max_size=40))
def test_text_survives_compression(kind: bytes, keyword: bytes, text: bytes) -> None:
    head = {b"zTXt": b"\0\0", b"iTXt": b"\0\1\0en\0\0", b"tEXt": b"\0"}[kind]
    data = keyword.replace(b"\0", b"") + head + text
    written = compressed_text(kind, data)
    assert (written == data) == (kind == b"tEXt")
    assert plain_text(kind, written) == data
