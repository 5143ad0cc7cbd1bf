from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageCms, ImageFile, ImageOps
from PIL.PngImagePlugin import PngInfo, iTXt

from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError, UnsupportedImageError
from pixcodec.images import losses as image_losses
from pixcodec.images.files import WRITABLE, read_image, write_image
from samples import IMAGES, gradient, noise, photo

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PHOTO = IMAGES / "kodak23_61x47_rgb.png"
RGB = photo(3)
ORIENTED = b"Exif\0\0II*\0\x08\0\0\0\1\0\x12\x01\3\0\1\0\0\0\6\0\0\0\0\0\0\0"


def saved(image: Image.Image, name: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)
    return buffer.getvalue()


def palette_image(colours: int, mode: str = "RGB") -> Image.Image:
    image = Image.fromarray((gradient(9, 13, 1)[:, :, 0] % np.uint16(colours)).astype(np.uint8))
    image = image.convert("P")
    values = noise(colours, len(mode), 1, seed=colours).ravel().tolist()
    image.putpalette(values, mode)
    return image


def with_transparency(image: Image.Image, transparency: int | bytes | tuple[int, ...]) -> Image.Image:
    image.info["transparency"] = transparency
    return image


def deep(channels: int, seed: int = 0) -> npt.NDArray[np.uint16]:
    shape = (7, 11, channels) if channels > 1 else (7, 11)
    return np.random.default_rng(seed).integers(0, 2**16, shape, np.uint16)


def big_endian(array: npt.NDArray[np.uint16]) -> Image.Image:
    return Image.frombytes("I;16B", array.shape[::-1], array.astype(">u2").tobytes())


GREY = Image.fromarray(RGB[:, :, 0])
SAMPLES: dict[str, Image.Image | npt.NDArray[Any]] = {
    "1": GREY.convert("1"),
    "L": GREY,
    "L, transparent": with_transparency(GREY.copy(), 77),
    "LA": Image.fromarray(noise(9, 13, 2), "LA"),
    "P": palette_image(256),
    "P, 2 colours": palette_image(2),
    "P, 13 colours": palette_image(13),
    "P, transparent index": with_transparency(palette_image(20), 5),
    "P, alphas": with_transparency(palette_image(20), bytes(range(0, 200, 10))),
    "P, RGBA": palette_image(20, "RGBA"),
    "RGB": Image.fromarray(RGB),
    "RGB, transparent": with_transparency(Image.fromarray(RGB), (1, 2, 3)),
    "RGBA": Image.fromarray(noise(9, 13, 4)),
    "CMYK": Image.fromarray(noise(9, 13, 4), "CMYK"),
    "I;16": Image.fromarray(deep(1)),
    "I;16B": big_endian(deep(1)),
    "I;16B, transparent": with_transparency(big_endian(deep(1)), 1000),
    "array L": noise(5, 6, 1),
    "array LA;16": deep(2),
    "array RGB;16": deep(3),
    "array RGBA;16": deep(4),
    "array I;16": deep(1)[:, :, None],
}
HELD_BY = {
    "png": {*SAMPLES} - {"CMYK"},
    "ppm": {"1", "L", "RGB", "I;16", "I;16B", "array L", "array RGB;16", "array I;16"},
    "pgm": {"L", "I;16", "I;16B", "array L", "array I;16"},
    "pbm": {"1"},
    "bmp": {"1", "L", "P", "P, 2 colours", "P, 13 colours", "RGB", "array L"},
    "webp": {"L", "LA", "RGB", "RGBA", "array L"},
    "tif": {"1", "L", "LA", "P", "P, 2 colours", "P, 13 colours", "RGB", "RGBA", "CMYK"}
    | {"I;16", "I;16B", "array L", "array I;16"},
}
HELD_BY["tiff"] = HELD_BY["tif"]


def colours(image: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(image.convert("RGBA"))


def test_every_format_is_tested() -> None:
    assert HELD_BY.keys() == WRITABLE.keys()


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.parametrize("suffix", WRITABLE)
def test_what_is_written_is_read(suffix: str, sample: str) -> None:
    image = SAMPLES[sample]
    if sample not in HELD_BY[suffix]:
        with pytest.raises(UnsupportedImageError, match=f"which a {suffix} file cannot hold: use ") as caught:
            write_image(image, suffix)
        way_out = str(caught.value).split(": use ")[1].split(", ")
        assert {name for name in WRITABLE if sample in HELD_BY[name]} == set(way_out)
        return
    found, info = read_image(write_image(image, suffix))
    assert not info
    if isinstance(image, np.ndarray) and image.dtype == np.uint16 and image.shape[2] > 1:
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found, image)
        return
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image[:, :, 0])
    assert isinstance(found, Image.Image)
    transparency = image.info.get("transparency")
    if suffix == "webp":
        assert found.mode == {"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode)
        np.testing.assert_array_equal(colours(found), colours(image))
        return
    assert found.mode == image.mode or {found.mode, image.mode} == {"I;16", "I;16B"}
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image))
    if image.mode == "P":
        np.testing.assert_array_equal(colours(found), colours(image))
    if sample != "P, RGBA":
        assert found.info.get("transparency") == transparency


def test_modes_that_no_format_holds() -> None:
    with pytest.raises(UnsupportedImageError, match="mode HSV, which a png file cannot hold, nor can"):
        write_image(Image.new("HSV", (2, 2)), "png")


@pytest.mark.parametrize("mode", ["L", "P", "RGB", "I;16"])
def test_transparency_that_is_none(mode: str) -> None:
    with pytest.raises(UnsupportedImageError, match="Pillow cannot write the image as PNG"):
        write_image(with_transparency(Image.new(mode, (2, 2)), (70000,)), "png")


def test_stale_transparency_is_ignored() -> None:
    found, _ = read_image(write_image(with_transparency(Image.new("RGBA", (2, 2)), 3), "tif"))
    assert isinstance(found, Image.Image)
    assert found.mode == "RGBA"


@pytest.mark.parametrize("shape", [(2, 2, 5), (0, 2), (2, 2, 0), (4,), (2, 2, 2, 2)])
def test_arrays_of_other_shapes(shape: tuple[int, ...]) -> None:
    for dtype in (np.uint8, np.uint16):
        with pytest.raises(UnsupportedImageError, match=r"array has dtype uint.*, expected uint8 or uint16"):
            write_image(np.zeros(shape, dtype), "png")
    with pytest.raises(UnsupportedImageError, match="array has dtype float64 and shape"):
        write_image(np.zeros((2, 2)), "png")


def test_indices_beyond_the_palette_are_kept() -> None:
    image = Image.fromarray(np.arange(30, dtype=np.uint8)[None]).convert("P")
    image.putpalette([1, 2, 3, 4, 5, 6])
    for suffix in ("png", "tif", "bmp"):
        found, _ = read_image(write_image(image, suffix))
        np.testing.assert_array_equal(np.asarray(found), np.asarray(image))
    assert len(image.getpalette() or ()) == 6


def test_webp_files_have_a_limit() -> None:
    with pytest.raises(UnsupportedImageError, match="Pillow cannot write the image as WEBP"):
        write_image(np.zeros((1, 16384, 3), np.uint8), "webp")


def test_arrays_of_eight_bits() -> None:
    np.testing.assert_array_equal(np.asarray(read_image(write_image(RGB, "png")).image), RGB)
    np.testing.assert_array_equal(
        np.asarray(read_image(write_image(RGB[:, :, 0], "pgm")).image), RGB[:, :, 0]
    )
    assert write_image(RGB[:, :, :1], "png") == write_image(RGB[:, :, 0], "png")


INFO: dict[str, Any] = {
    "icc_profile": PROFILE,
    "exif": ORIENTED,
    "xmp": b"<x:xmpmeta/>",
    "gamma": 0.45455,
    "chromaticity": (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06),
    "dpi": (72.0, 300.0),
    "text": {"Title": "café", "Gruß": iTXt("水", "ja", "題名"), "empty": "", "plain": "水"},
}


@pytest.mark.parametrize("image", [Image.fromarray(RGB), deep(4)], ids=["8 bits", "16 bits"])
def test_png_files_hold_all_metadata(image: Any) -> None:
    data = write_image(image, "png", {**INFO, "srgb": 1, "comment": b"not in PNG"})
    found = read_image(data).info
    assert found.pop("dpi") == pytest.approx(INFO["dpi"], abs=0.02)
    assert found == {key: value for key, value in INFO.items() if key != "dpi"}
    assert isinstance(found["text"]["Gruß"], iTXt)
    assert found["text"]["Gruß"].tkey == "題名"
    assert not isinstance(found["text"]["Title"], iTXt)
    assert read_image(write_image(image, "png", found)).info == found
    assert (b"sRGB" in data, b"iCCP" in data) == (False, True)  # a file must not have both
    assert read_image(write_image(image, "png", {"srgb": 2, "aspect": (4, 3)})).info == {
        "srgb": 2,
        "aspect": (4, 3),
    }


def test_metadata_that_does_not_fit_a_png_file_is_left_out() -> None:
    unfit = {"dpi": (-1, 1), "gamma": 1e300, "chromaticity": (-1.0,) * 8}
    text = {"水": "", "": "", "k" * 80: "", "nul\0": "", "l": iTXt("", "e\0n"), "surrogate": "\ud800"}
    assert read_image(write_image(RGB, "png", {**unfit, "text": text})).info == {}


def test_metadata_of_an_image_is_the_default() -> None:
    pnginfo = PngInfo()
    pnginfo.add_text("Title", "t")
    image = Image.open(io.BytesIO(saved(Image.fromarray(RGB), "PNG", pnginfo=pnginfo, exif=ORIENTED)))
    data = write_image(image, "png")
    assert read_image(data).info == {"exif": ORIENTED, "text": {"Title": "t"}}
    assert read_image(write_image(image, "png", {})).info == {}


def test_webp_files_hold_profile_exif_and_xmp() -> None:
    found = read_image(write_image(RGB, "webp", INFO)).info
    found["exif"] = b"Exif\0\0" + found["exif"].removeprefix(b"Exif\0\0")
    assert found == {key: INFO[key] for key in ("icc_profile", "exif", "xmp")}


def test_bmp_files_hold_dpi() -> None:
    assert read_image(write_image(RGB, "bmp", INFO)).info == {"dpi": pytest.approx(INFO["dpi"], abs=0.02)}


def exif_of_a_camera() -> bytes:
    exif = Image.Exif()
    exif[0x0110] = "camera"
    exif[0x0103] = 7  # compression: about another file
    exif[0x8769] = {0x829A: 0.5, 0x9003: "2024:01:02 03:04:05"}
    exif[0x8825] = {1: "N"}
    return exif.tobytes()


@pytest.mark.parametrize("suffix", ["tif", "png", "webp"])
def test_exif_of_a_camera(suffix: str) -> None:
    info = {"exif": exif_of_a_camera()}
    for _ in range(2):
        info = read_image(write_image(RGB, suffix, info)).info
    exif = Image.Exif()
    exif.load(info["exif"])
    assert exif[0x0110] == "camera"
    assert exif.get_ifd(0x8769) == {0x829A: 0.5, 0x9003: "2024:01:02 03:04:05"}
    assert exif.get_ifd(0x8825) == {1: "N"}
    assert (0x0103 in exif) == (suffix != "tif")


def test_tiff_files_hold_profile_dpi_and_xmp() -> None:
    data = write_image(RGB, "tif", {**INFO, "exif": b""})
    assert read_image(data).info == {key: INFO[key] for key in ("icc_profile", "xmp", "dpi")}
    assert "exif" not in read_image(write_image(RGB, "tif", {"exif": b"Exif\0\0II*\0damaged"})).info


def test_pillow_applies_the_orientation_of_a_tiff_file() -> None:
    image = Image.fromarray(RGB)
    found, info = read_image(write_image(image, "tif", {"exif": ORIENTED}))
    image.getexif()[0x0112] = 6
    np.testing.assert_array_equal(np.asarray(found), np.asarray(ImageOps.exif_transpose(image)))
    assert "exif" not in info


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_an_orientation_is_kept_and_not_applied(name: str) -> None:
    data = saved(Image.fromarray(RGB), name, exif=ORIENTED)
    found, info = read_image(data)
    assert isinstance(found, Image.Image)
    assert found.size == (61, 47)
    assert info["exif"].endswith(ORIENTED.removeprefix(b"Exif\0\0"))


def test_a_file_is_not_written_as_the_old_one_was() -> None:
    jpeg = saved(Image.fromarray(RGB), "TIFF", compression="jpeg")
    image, _ = read_image(jpeg)
    assert isinstance(image, Image.Image)
    found, _ = read_image(write_image(image, "tif"))
    np.testing.assert_array_equal(np.asarray(found), np.asarray(image))


# What Pillow would drop.


def png(width: int, depth: int, colour: int, rows: bytes, *chunks: bytes, interlace: int = 0) -> bytes:
    height = zlib.decompress(rows).count(b"\0row") or 1
    ihdr = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    parts = (chunk(b"IHDR", ihdr), *chunks, chunk(b"IDAT", rows), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def deep_png(channels: int, *chunks: bytes) -> tuple[npt.NDArray[np.uint16], bytes]:
    row = deep(channels, seed=channels)[:1]
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    data = zlib.compress(b"\0" + row.astype(">u2").tobytes())
    return row, png(row.shape[1], 16, colour, data, *chunks)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_files_of_16_bits(channels: int) -> None:
    pixels, data = deep_png(channels)
    found, _ = read_image(data)
    if channels == 1:
        assert isinstance(found, Image.Image)
        assert found.mode == "I;16"
    else:
        assert isinstance(found, np.ndarray)
        assert found.dtype == np.uint16
        assert found.flags.c_contiguous
    np.testing.assert_array_equal(np.asarray(found), pixels)


@pytest.mark.parametrize("kind", [">u2", "<u2"])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_files_of_16_bits(channels: int, kind: str) -> None:
    order = kind[0]
    pixels = deep(channels)
    height, width, _ = pixels.shape
    bits, icc = 8 + 2 + 12 * 10 + 4, b"profile"
    start = bits + 8 + len(icc) + 1
    size = pixels.size * 2
    tags = [
        *((256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, bits), (259, 3, 1, 1)),
        *((262, 3, 1, 2), (273, 4, 1, start), (277, 3, 1, channels), (278, 3, 1, height)),
        *((279, 4, 1, size), (34675, 7, len(icc), bits + 8)),
    ]
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(tags))
    for tag, type_, count, value in tags:
        short = type_ == 3 and count == 1
        data += struct.pack(
            order + "HHI" + ("HH" if short else "I"), tag, type_, count, *(value, 0)[: 1 + short]
        )
    data += bytes(4) + struct.pack(order + "4H", 16, 16, 16, 16) + icc + b"\0" + pixels.astype(kind).tobytes()
    found, info = read_image(data)
    assert info["icc_profile"] == icc
    np.testing.assert_array_equal(found, pixels)


def test_netpbm_files_of_16_bits() -> None:
    found, _ = read_image(b"P6 11 7 65535\n" + deep(3).astype(">u2").tobytes())
    np.testing.assert_array_equal(found, deep(3))
    for data in (
        b"P5 11 7 65535\n" + deep(1).astype(">u2").tobytes(),
        b"P2 11 7 65535\n" + " ".join(map(str, deep(1).ravel())).encode(),
    ):
        image, _ = read_image(data)
        assert isinstance(image, Image.Image)
        assert image.mode == "I;16"
        np.testing.assert_array_equal(np.asarray(image), deep(1))


@pytest.mark.parametrize("data", [b"P6 1 1 1023\n" + bytes(6), b"P5 1 1 15\n\0", b"P3 1 1 65535 1 2 3"])
def test_netpbm_files_that_pillow_scales(data: bytes) -> None:
    with pytest.raises(UnsupportedImageError, match=r"greatest value of the file is .* which Pillow scales"):
        read_image(data)


def test_a_pillow_that_rounds_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert image_losses.takes_single_bytes()
    rounded = Image.new("RGB", (1, 1), (1, 1, 1))
    monkeypatch.setattr(Image, "frombytes", lambda *_: rounded)
    assert not image_losses.takes_single_bytes()
    with pytest.raises(UnsupportedImageError, match="rounds 16-bit channels"):
        read_image(deep_png(3)[1])


def test_a_transparent_colour_of_16_bits() -> None:
    with pytest.raises(UnsupportedImageError, match="transparent colour and 16 bits"):
        read_image(deep_png(3, chunk(b"tRNS", bytes(6)))[1])
    found, _ = read_image(deep_png(1, chunk(b"tRNS", b"\1\2"))[1])
    assert isinstance(found, Image.Image)
    assert found.info["transparency"] == 0x102


@pytest.mark.parametrize(("depth", "row"), [(1, 0b01), (2, 0b0001), (4, 0x01)])
def test_a_transparent_grey_is_scaled_as_the_pixels_are(depth: int, row: int) -> None:
    rows = zlib.compress(bytes([0, row << (8 - 2 * depth)]))
    found, _ = read_image(png(2, depth, 0, rows, chunk(b"tRNS", b"\0\1")))
    assert isinstance(found, Image.Image)
    assert found.info["transparency"] == found.getpixel((1, 0)) != found.getpixel((0, 0))


def test_deep_files_that_cannot_be_read() -> None:
    sgi = struct.pack(">hBBHHHHll80s", 474, 0, 2, 3, 1, 1, 3, 0, 255, b"").ljust(512, b"\0") + bytes(6)
    jp2 = bytearray(saved(Image.fromarray(RGB), "JPEG2000"))
    start = jp2.index(b"\xff\x4f\xff\x51")
    assert read_image(bytes(jp2)).image
    jp2[start + 42 + 3] = 11
    for data in (sgi, bytes(jp2)):
        with pytest.raises(UnsupportedImageError, match="more than 8 bits per subpixel, which Pillow"):
            read_image(data)


@pytest.mark.parametrize("name", ["GIF", "MPO", "PNG", "TIFF", "WEBP"])
def test_several_frames_are_refused(name: str) -> None:
    frames = [Image.fromarray(noise(20, 20, 3, seed)) for seed in range(2)]
    data = saved(frames[0], name, save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedImageError, match=f"the {name} file holds 2 images, expected 1: save"):
        read_image(data)
    assert read_image(saved(frames[0], name)).image


def test_several_sizes_are_refused() -> None:
    image = Image.new("RGBA", (32, 32), "red")
    with pytest.raises(UnsupportedImageError, match="ICO file holds 2 images of different size or depth"):
        read_image(saved(image, "ICO", sizes=[(16, 16), (32, 32)]))
    assert read_image(saved(image, "ICO", sizes=[(32, 32)])).image


def test_channels_that_pillow_drops_or_changes() -> None:
    image = Image.fromarray(noise(5, 6, 4))
    data = saved(image, "TIFF")
    extra = struct.pack("<HHIHH", 338, 3, 1, 2, 0)
    assert data.count(extra) == 1
    with pytest.raises(UnsupportedImageError, match="colours multiplied by alpha"):
        read_image(data.replace(extra, struct.pack("<HHIHH", 338, 3, 1, 1, 0)))
    if Image.__version__ > "11":  # before, such an image has mode RGBX and keeps all
        with pytest.raises(UnsupportedImageError, match="has 4 channels, of which Pillow reads 3"):
            read_image(data.replace(extra, struct.pack("<HHIHH", 338, 3, 1, 0, 0)))


def test_drawings_are_refused() -> None:
    data = saved(Image.fromarray(RGB), "EPS")
    with pytest.raises(UnsupportedImageError, match="the file is a drawing, expected pixels"):
        read_image(data)


# Damaged and foreign files.


@pytest.mark.parametrize("name", ["BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP"])
def test_files_that_are_cut_short(name: str) -> None:
    data = saved(Image.fromarray(RGB), name)
    found, _ = read_image(data)
    for cut in sorted({*range(0, 40, 3), *range(0, len(data), len(data) // 20)}):
        with pytest.raises((CorruptFileError, UnsupportedImageError)):
            read_image(data[:cut])
    np.testing.assert_array_equal(np.asarray(read_image(data).image), np.asarray(found))


def test_damaged_files() -> None:
    data = bytearray(PHOTO.read_bytes())
    for place, message in ((20, "it starts as PNG"), (len(data) // 2, "bad header checksum in b'IDAT'")):
        data[place] ^= 1
        with pytest.raises(CorruptFileError, match=f"file is damaged: .*{message}"):
            read_image(bytes(data))
        data[place] ^= 1
    assert read_image(bytes(data)).image


@pytest.mark.parametrize("data", [b"", b"no image", bytes(1000)])
def test_foreign_files(data: bytes) -> None:
    with pytest.raises(UnsupportedImageError, match="format of the file is unknown to Pillow"):
        read_image(data)


def test_truncated_files_are_refused_whatever_pillow_is_set_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(CorruptFileError):
        read_image(saved(Image.fromarray(RGB), "TIFF")[:-100])
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_a_large_profile_in_a_png_file() -> None:
    info = {"icc_profile": bytes(3 * 2**20)}
    assert read_image(write_image(RGB, "png", info)).info == info


def test_too_much_text_in_a_png_file() -> None:
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**26 + 1), 1))
    with pytest.raises(LimitExceededError, match="metadata is more than the limit of 67108864 bytes"):
        read_image(png(1, 8, 0, zlib.compress(b"\0\1"), text))


@pytest.mark.parametrize("limit", [61 * 47 - 1, 61 * 47 // 2 - 1, 1])
def test_large_images_are_refused_before_they_are_decompressed(limit: int) -> None:
    data = PHOTO.read_bytes()[:-2000]
    with pytest.raises(LimitExceededError, match=f"the limit is {limit} pixels"):
        read_image(data, max_pixels=limit)
    with pytest.raises(CorruptFileError):
        read_image(data, max_pixels=61 * 47)


def test_the_limits_of_pillow_are_restored() -> None:
    before = Image.MAX_IMAGE_PIXELS
    data = PHOTO.read_bytes()

    def attempt(number: int) -> bool:
        try:
            read_image(data, max_pixels=61 * 47 if number % 2 else 99)
        except PixcodecError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(attempt, range(40))) == [False, True] * 20
    assert before == Image.MAX_IMAGE_PIXELS
