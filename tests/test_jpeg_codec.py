"""Files with JPEG coefficients: every pixel comes back, exact or corrected.

Most tests give the encoder the coefficients of a file that Pillow wrote, so that they do not depend on how
they are found; the last ones let it find them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixcodec
import pixcodec.reference.decoder
import samples
from jpeg_file import FULL, GREY, HALF, QUARTER, coded_jpeg, decoded, jpeg_of, once_jpeg, read_jpeg
from pixcodec import codec, reference, tiling
from pixcodec.cli import main
from pixcodec.container.container import Container, Tile, TileKind, pack, parse
from pixcodec.errors import LimitExceededError
from pixcodec.images.ways import MAX_TRIED_PIXELS
from pixcodec.jpeg import way
from pixcodec.jpeg.coefficients import Coefficients, block_counts
from pixcodec.jpeg.pixels import pixels_of
from pixcodec.jpeg.stream import coder as stream_coder
from pixcodec.network import model_files

pytestmark = pytest.mark.usefixtures("no_packed_layers")

Give = Callable[[Coefficients | None], None]
KINDS = {"grey": GREY, "4:4:4": FULL, "4:2:2": HALF, "4:2:0": QUARTER}
RNG = np.random.default_rng(5)


def cut(found: Coefficients, top: int, left: int, height: int, width: int) -> Coefficients:
    """Return the coefficients of a part of an image that begins in its first block."""
    sizes = [
        block_counts(height, width, top, left, found.horizontal, found.vertical, k)
        for k in range(len(found.blocks))
    ]
    blocks = tuple(
        np.ascontiguousarray(b[:rows, :columns])
        for b, (rows, columns) in zip(found.blocks, sizes, strict=True)
    )
    return found._replace(height=height, width=width, top=top, left=left, blocks=blocks)


def squeezed(pixels: samples.Pixels) -> samples.Pixels:
    """Return an image as `decode` does: (H, W) for grey."""
    return pixels[:, :, 0] if pixels.shape[2] == 1 else pixels


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Give:
    """Return a function that says what the encoder is to find."""

    def found(coefficients: Coefficients | None) -> None:
        monkeypatch.setattr(way, "find_coefficients", lambda pixels: coefficients)

    return found


def comes_back(pixels: samples.Pixels, **options: Any) -> Container:
    """Encode, decode and compare; return the file."""
    data = pixcodec.encode(squeezed(pixels), verify=True, **options)
    np.testing.assert_array_equal(pixcodec.decode(data), squeezed(pixels))
    return parse(data)


@pytest.mark.parametrize("effort", ["fast", "normal"])
@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_alone_give_an_image(kind: str, effort: str, give: Give) -> None:
    pixels, coefficients = once_jpeg(KINDS[kind])
    give(None)
    plain = len(pixcodec.encode(squeezed(pixels), effort=effort))
    give(coefficients)
    container = comes_back(pixels, effort=effort)
    assert container.header.exact
    assert container.tiles == ()
    assert container.header.model_id == b""
    assert len(pack(container)) < 0.8 * plain


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (8, 8), (17, 16), (33, 5)])
@pytest.mark.parametrize("kind", KINDS)
def test_odd_sizes_come_back(kind: str, height: int, width: int, give: Give) -> None:
    pixels, coefficients = once_jpeg(KINDS[kind], height, width)
    give(coefficients)
    comes_back(pixels, effort="fast")


@pytest.mark.parametrize("effort", ["fast", "normal"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_crop_comes_back(kind: str, effort: str, give: Give) -> None:
    pixels, coefficients = once_jpeg(KINDS[kind])
    give(cut(coefficients, 5, 6, 37, 40))
    container = comes_back(pixels[5:42, 6:46], effort=effort)
    assert container.header.jpeg
    # Chroma at the rim was interpolated with what lies beyond it.
    assert container.header.exact == (kind in ("grey", "4:4:4"))


@pytest.mark.slow
@pytest.mark.parametrize("effort", ["fast", "normal", "max"])
def test_an_edited_image_comes_back(effort: str, give: Give) -> None:
    pixels, coefficients = once_jpeg(QUARTER)
    edited = pixels.copy()
    edited[20:26, 30:37] = samples.noise(6, 7, 3)
    give(None)
    plain = len(pixcodec.encode(edited, effort=effort))
    give(coefficients)
    container = comes_back(edited, effort=effort)
    assert container.header.jpeg
    assert not container.header.exact
    assert len(container.tiles) == len(container.header.grid)
    assert len(pack(container)) < 0.8 * plain


def test_corrections_wrap_around(give: Give) -> None:
    pixels, coefficients = once_jpeg(FULL)
    edited = pixels.copy()
    edited[3::16, ::16] += 200
    edited[9::16, ::16] -= 77
    give(coefficients)
    assert comes_back(edited, effort="fast").header.jpeg


def test_corrections_may_be_indices_of_a_table(give: Give) -> None:
    pixels, coefficients = once_jpeg(FULL)
    edited = pixels.copy()
    edited[::5, ::7, 0] ^= 1
    edited[::5, ::7, 1:] += 3
    give(coefficients)
    container = comes_back(edited)
    assert container.header.indexed
    assert container.header.jpeg
    assert container.palette


def test_an_image_that_has_little_of_the_coefficients_is_coded_without(give: Give) -> None:
    _, coefficients = once_jpeg(FULL)
    other = samples.photo(3, number=5)
    give(None)
    plain = pixcodec.encode(other, effort="fast")
    give(coefficients)
    assert pixcodec.encode(other, effort="fast") == plain


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [40, 4000])
def test_pixels_are_tried_where_many_corrections_are_needed(
    wrong: int, give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels, coefficients = once_jpeg(FULL, 264, 304)
    assert pixels[:, :, 0].size > MAX_TRIED_PIXELS
    edited = pixels.reshape(-1, 3).copy()
    edited[RNG.choice(len(edited), wrong, replace=False)] ^= 255
    edited = edited.reshape(pixels.shape)
    give(coefficients)
    tried = []
    best_ways = tiling.best_ways

    def choose(ways: list[Any], size_bytes: Any) -> Any:
        tried.extend(found.header.jpeg for found in ways)
        return best_ways(ways, size_bytes)

    monkeypatch.setattr(tiling, "best_ways", choose)
    container = comes_back(edited, effort="fast")
    assert container.header.jpeg
    assert container.header.exact == (wrong == 0)
    assert all(tried) == (wrong < 4000)


def test_a_file_without_coefficients_is_no_larger_for_the_search(give: Give) -> None:
    flat = samples.flat(40, 40, 3)
    give(None)
    plain = len(pixcodec.encode(flat, effort="fast"))
    give(read_jpeg(jpeg_of(flat, 90)))
    assert len(pixcodec.encode(flat, effort="fast")) <= plain


@pytest.mark.parametrize("mode", ["rgba", "grey_alpha", "cmyk", "palette", "bilevel", "rgb_16", "grey_16"])
def test_other_modes_are_coded_as_before(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(way, "find_coefficients", lambda pixels: pytest.fail("looked for coefficients"))
    data = pixcodec.encode(samples.MODES[mode]("photo", 9, 11), effort="fast")
    assert not parse(data).header.jpeg


def test_metadata_and_transparency_are_kept(give: Give) -> None:
    pixels, coefficients = once_jpeg(FULL)
    give(coefficients)
    image = Image.fromarray(pixels)
    image.info |= {"transparency": (1, 2, 3), "comment": b"once a JPEG", "dpi": (72, 72)}
    data = pixcodec.encode(image)
    assert parse(data).header.exact
    again = pixcodec.decode_image(data)
    assert isinstance(again, Image.Image)
    assert again.info == image.info
    assert codec.header_image(data) == ("RGB", (61, 47), image.info)


# Decoding


@pytest.fixture(scope="module", params=["exact", "corrected"])
def file(request: pytest.FixtureRequest) -> tuple[samples.Pixels, bytes]:
    """Return pixels and their file, of several tiles if it has any."""
    return coded_jpeg(exact=request.param == "exact")


@pytest.mark.parametrize("region", [(0, 0, 61, 47), (3, 5, 20, 9), (29, 19, 32, 28), (60, 46, 1, 1)])
def test_a_region_comes_back(region: codec.Region, file: tuple[samples.Pixels, bytes]) -> None:
    pixels, data = file
    x, y, width, height = region
    np.testing.assert_array_equal(pixcodec.decode(data, region=region), pixels[y : y + height, x : x + width])


def test_the_limit_is_for_the_whole_image(file: tuple[samples.Pixels, bytes]) -> None:
    pixels, data = file
    np.testing.assert_array_equal(pixcodec.decode(data, max_pixels=61 * 47), pixels)
    for region in (None, (0, 0, 2, 2)):
        with pytest.raises(LimitExceededError, match="image is 61x47, 2867 pixels, the limit is 2866"):
            pixcodec.decode(data, max_pixels=61 * 47 - 1, region=region)


def test_the_limit_comes_before_the_coefficients(
    file: tuple[samples.Pixels, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(way, "decode_coefficients", lambda *_, **__: pytest.fail("decoded coefficients"))
    with pytest.raises(LimitExceededError):
        pixcodec.decode(file[1], max_pixels=1)


@pytest.mark.parametrize("orientation", [0, 2, 5, 7])
@pytest.mark.parametrize("kind", KINDS)
def test_a_region_needs_its_stripes_alone(
    kind: str, orientation: int, give: Give, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, coefficients = once_jpeg(KINDS[kind])
    found = coefficients._replace(orientation=orientation)
    pixels = pixels_of(found)
    give(found)
    monkeypatch.setattr(stream_coder, "STRIPE_COEFFICIENTS", 1)  # a stripe for each row of units
    data = pixcodec.encode(squeezed(pixels), effort="fast")
    assert parse(data).header.jpeg
    done: list[int] = []
    code_stream = stream_coder.code_stream
    monkeypatch.setattr(
        stream_coder, "code_stream", lambda *args, **given: (done.append(1), code_stream(*args, **given))
    )
    np.testing.assert_array_equal(pixcodec.decode(data), squeezed(pixels))
    stripes = len(done)
    assert stripes >= 3
    height, width = pixels.shape[:2]
    for region in ((0, 0, 1, 1), (width - 1, height - 1, 1, 1), (3, 20, 2, 9), (0, 0, width, height)):
        done.clear()
        x, y, columns, rows = region
        part = pixcodec.decode(data, region=region, threads=2)
        np.testing.assert_array_equal(part, squeezed(pixels[y : y + rows, x : x + columns]), str(region))
        assert len(done) == stripes if region[2] == width else 1 <= len(done) < stripes


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_and_progress(threads: int, file: tuple[samples.Pixels, bytes], give: Give) -> None:
    pixels, data = file
    seen: list[float] = []
    np.testing.assert_array_equal(pixcodec.decode(data, threads=threads, progress=seen.append), pixels)
    assert seen[-1] == 1.0
    assert seen == sorted(seen)
    give(once_jpeg(QUARTER)[1])
    written: list[float] = []
    again = pixcodec.encode(pixels, effort="fast", threads=threads, progress=written.append)
    assert parse(again).coefficients == parse(data).coefficients
    assert written[-1] == 1.0


def test_threads_are_checked(file: tuple[samples.Pixels, bytes]) -> None:
    with pytest.raises(ValueError, match="threads is 0"):
        pixcodec.decode(file[1], threads=0)


@pytest.mark.slow
def test_the_plain_decoder_finds_coefficients_and_tiles(
    file: tuple[samples.Pixels, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pixels_of(payload: bytes, head: Any) -> samples.Pixels:
        assert payload == parse(data).coefficients
        assert head.exact == parse(data).header.exact
        return way.coefficient_pixels(parse(data).header, payload, None)

    pixels, data = file
    monkeypatch.setattr(reference.decoder, "pixels_of_coefficients", pixels_of)
    models = (model_files.MODELS / "rgb.safetensors",)
    np.testing.assert_array_equal(reference.decode(data, models), pixels)


@pytest.mark.usefixtures("version_6")
def test_files_of_version_3_are_read() -> None:
    image = samples.photo(3, 9, 13)
    container = parse(pixcodec.encode(image, effort="fast"))
    if container.header.jpeg:
        pytest.skip("it is a JPEG")
    data = pack(replace(container, header=replace(container.header, version=3)))
    assert pixcodec.read_info(data).format_version == 3
    np.testing.assert_array_equal(pixcodec.decode(data), image)


def test_raw_corrections_come_back(file: tuple[samples.Pixels, bytes]) -> None:
    pixels, data = file
    container = parse(data)
    whole = way.coefficient_pixels(container.header, container.coefficients, None)
    correction = (pixels - whole).tobytes()
    header = replace(
        container.header,
        exact=False,
        graphics=False,
        index_bits=0,
        model_id=b"",
        tile_width=61,
        tile_height=47,
    )
    raw = replace(container, header=header, tiles=(Tile(TileKind.RAW, 0, correction),), palette=b"")
    np.testing.assert_array_equal(pixcodec.decode(pack(raw)), pixels)


# The command line


def test_the_command_line(
    file: tuple[samples.Pixels, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str], give: Give
) -> None:
    pixels, data = file
    give(once_jpeg(QUARTER)[1])
    png, pxc, back = tmp_path / "a.png", tmp_path / "a.pxc", tmp_path / "b.png"
    Image.fromarray(pixels).save(png)
    assert main(["encode", str(png), str(pxc), "--effort", "fast"]) == 0
    assert main(["verify", str(pxc)]) == 0
    assert main(["decode", str(pxc), str(back)]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(back)), pixels)
    assert main(["decode", "-f", str(pxc), str(back), "--region", "3,5,20,9"]) == 0
    np.testing.assert_array_equal(np.asarray(Image.open(back)), pixels[5:14, 3:23])
    exact = parse(data).header.exact
    capsys.readouterr()
    assert main(["info", str(pxc)]) == 0
    out = capsys.readouterr().out
    assert f"  pixels      from JPEG coefficients, {'exact' if exact else 'with corrections'}\n" in out
    assert ("  tiles " in out) == (not exact)
    assert ("model id" in out) == bool(parse(pxc.read_bytes()).header.model_id)
    assert main(["info", "--json", str(pxc)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["jpeg"], found["exact"], found["format_version"]) == (True, exact, 8)


def test_info_says_nothing_of_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.pxc"
    path.write_bytes(pixcodec.encode(np.zeros((2, 3), bool)))
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "model id" not in out
    assert "JPEG" not in out
    assert "  tiles       1 of up to 3x2 pixels\n" in out


# With what is found


@pytest.mark.parametrize("quality", [50, 95])
@pytest.mark.parametrize("kind", ["grey", "4:4:4"])
def test_coefficients_are_found(kind: str, quality: int) -> None:
    channels, subsampling = KINDS[kind]
    photo = np.ascontiguousarray(samples.large_photo()[:64, :128, :channels])
    pixels = decoded(jpeg_of(photo, quality, subsampling))
    assert comes_back(pixels, effort="fast").header.jpeg


@pytest.mark.slow
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_crops_and_edited_images_come_back(subsampling: int) -> None:
    photo = np.ascontiguousarray(samples.large_photo()[:101, :154])
    pixels = decoded(jpeg_of(photo, 70, subsampling)).copy()
    comes_back(pixels[5:90, 9:150], effort="fast")
    pixels[20:40, 30:50] = samples.noise(20, 20, 3)
    comes_back(pixels, effort="fast")


def test_a_jpeg_file_that_pillow_opened_comes_back() -> None:
    image = Image.open(io.BytesIO(jpeg_of(samples.photo(3), 50, 2)))
    again = pixcodec.decode_image(pixcodec.encode(image))
    np.testing.assert_array_equal(np.asarray(again), np.asarray(image))
