"""Files of several frames: encoded and decoded from Python, by the command line, and through Pillow."""

from __future__ import annotations

import io
import json
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageSequence

import animations
import pixcodec
import samples
from command_line import Runner
from pixcodec.container.container import TileKind
from pixcodec.container.frames import Reference
from pixcodec.container.series import frame_container, parse_series
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError, UnsupportedImageError

EFFORTS = ["fast", "normal", pytest.param("max", marks=pytest.mark.slow)]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


def same_as_source(pxc: bytes, source: bytes) -> None:
    """Check that a file shows what Pillow shows of its source."""
    frames = list(pixcodec.decode_frames(pxc))
    expected = animations.shown(source)
    assert len(frames) == len(expected)
    for frame, (pixels, duration) in zip(frames, expected, strict=True):
        assert isinstance(frame, Image.Image)
        found = np.array(frame.convert("RGBA"))
        found[found[..., 3] == 0] = 0
        np.testing.assert_array_equal(found, pixels)
        assert frame.info["duration"] == duration


@pytest.mark.parametrize("effort", EFFORTS)
def test_gif_and_apng_and_webp_come_back(effort: str) -> None:
    frames = animations.coloured(3, 4)
    for source in (
        animations.gif(),
        animations.apng(frames, duration=[10, 20, 30]),
        animations.saved(frames, "WEBP", lossless=True, exact=True, duration=40),
    ):
        same_as_source(pixcodec.encode(source, effort=effort, verify=True), source)


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("kind", ["RGB", "L", "LA", "RGBA", "few"])
def test_lists_with_durations(effort: str, kind: str) -> None:
    channels = {"RGB": 3, "L": 1, "LA": 2, "RGBA": 4, "few": 3}[kind]
    frames = [samples.any_photo(21, 33, channels) for _ in range(3)]
    if kind == "few":
        frames = [frame // 128 * 200 for frame in frames]
    for number, frame in enumerate(frames):
        frame[number : number + 5, 3:9] = 9 * number
    data = pixcodec.encode(frames, effort=effort, info={"duration": 40, "loop": 2}, verify=True)
    for number, frame in enumerate(frames):
        np.testing.assert_array_equal(
            pixcodec.decode(data, frame=number), frame[..., 0] if channels == 1 else frame
        )
    assert pixcodec.read_info(data).durations == (0.04,) * 3
    assert pixcodec.read_info(data).loop == 2


def test_pages_of_all_modes() -> None:
    pages = [make("photo", 13, 17) for make in samples.MODES.values()]
    data = pixcodec.encode(pages, effort="fast", verify=True)
    assert pixcodec.read_info(data).frames == len(pages)
    for number, (page, found) in enumerate(zip(pages, pixcodec.decode_frames(data), strict=True)):
        np.testing.assert_array_equal(np.asarray(found), np.asarray(page))
        one = pixcodec.decode_image(data, frame=number)
        np.testing.assert_array_equal(np.asarray(one), np.asarray(page))


def test_a_still_frame_costs_next_to_nothing() -> None:
    photo = samples.large_photo()
    alone = len(pixcodec.encode([photo, photo], effort="normal", info={"duration": 10}))
    data = pixcodec.encode([photo] * 20, effort="normal", info={"duration": 10}, verify=True)
    assert len(data) < alone + 20 * 16
    for number in (0, 7, 19):
        np.testing.assert_array_equal(pixcodec.decode(data, frame=number), photo)


def test_frames_are_predicted_from_those_before() -> None:
    frames = animations.moving(8, 60, 90)
    images = [Image.fromarray(animations.COLOURS[frame]) for frame in frames]
    data = pixcodec.encode(images, info={"duration": 10}, verify=True)
    start = parse_series(data)
    assert {entry.setting.reference for entry in start.frames[1:]} == {Reference.CANVAS}
    assert all(entry.setting.carried for entry in start.frames[1:])
    alone = sum(len(pixcodec.encode(image)) for image in images)
    assert len(data) < alone / 2


def test_still_parts_are_runs() -> None:
    source = animations.saved([Image.fromarray(samples.any_photo(47, 61, 3)) for _ in range(2)], "TIFF")
    data = pixcodec.encode(source, verify=True)
    tiles = frame_container(data, parse_series(data), 1).tiles
    assert [tile.kind for tile in tiles] == [TileKind.STILL]


def test_a_region_of_a_frame() -> None:
    frames = [samples.noise(20, 30, 3, seed) for seed in range(3)]
    data = pixcodec.encode(frames, effort="fast")
    found = pixcodec.decode(data, frame=2, region=(5, 6, 7, 8))
    np.testing.assert_array_equal(found, frames[2][6:14, 5:12])
    with pytest.raises(ValueError, match="region is 7x8 at"):
        pixcodec.decode(data, frame=2, region=(25, 6, 7, 8))


def test_raster_order_and_another_thread_count_change_nothing() -> None:
    source = animations.gif()
    data = pixcodec.encode(source, threads=1)
    assert pixcodec.encode(source, threads=2) == data
    same_as_source(pixcodec.encode(source, order="raster", effort="fast"), source)


def deep_pages() -> list[npt.NDArray[Any]]:
    """Return pages of all types of samples, of two sizes, and one of usual pixels among them."""
    grey = samples.photo(1, 21, 26)[:, :, 0].astype(np.float32) / np.float32(7)
    types = ("float32", "int16", "float16", "uint32", "int8", "int32")
    pages = [(grey * 10).astype(kind) for kind in types]
    bands = np.stack([grey, -grey, grey * 3, grey, grey], 2)
    return [*pages, samples.photo(1, 21, 26)[:, :, 0], grey[:7, :9], bands, samples.photo(3, 9, 8), grey]


@pytest.mark.parametrize("effort", EFFORTS)
def test_pages_of_floats_and_wide_integers(effort: str) -> None:
    pages = deep_pages()
    pages[0][2, 3:5] = np.float32("nan"), np.float32("-0")
    data = pixcodec.encode(pages, effort=effort, verify=True)
    for number, page in enumerate(pages):
        found = pixcodec.decode(data, frame=number)
        assert (found.dtype, found.shape) == (page.dtype, page.shape)
        assert found.tobytes() == page.tobytes()
    assert not any(entry.setting.carried for entry in parse_series(data).frames[:6])
    assert pixcodec.decode_image(data, frame=len(pages) - 1).mode == "F"
    part = pixcodec.decode(data, frame=8, region=(3, 2, 5, 4))
    np.testing.assert_array_equal(part, pages[8][2:6, 3:8])
    with pytest.raises(LimitExceededError, match="10920 bytes of samples, the limit is 4368"):
        pixcodec.decode(data, frame=8, max_pixels=21 * 26)


def test_frames_of_cmyk_are_no_animation() -> None:
    with pytest.raises(
        UnsupportedImageError, match="a frame of an animation is CMYK: leave out the durations"
    ):
        pixcodec.encode([Image.new("CMYK", (5, 4))] * 2, info={"duration": 40})


def test_deep_pages_are_no_animation() -> None:
    pages = [np.zeros((4, 5), np.float32)] * 2
    with pytest.raises(
        UnsupportedImageError, match=r"frame of an animation has floats, .* leave out the dur"
    ):
        pixcodec.encode(pages, info={"duration": 40})


@pytest.mark.parametrize("durations", [None, 40])
@pytest.mark.parametrize("deep_first", [True, False])
def test_frames_of_few_values_and_several_depths(deep_first: bool, durations: int | None) -> None:
    few = samples.noise(20, 24, 1, seed=3)[:, :, 0]
    pages: list[Any] = [
        few % 2,
        np.sort(few % 60, 0).astype(np.uint16),
        few % 3,
        few.astype(np.uint16) % 9 * 4000,
    ]
    pages = pages[:: -1 if deep_first else 1]
    info = None if durations is None else {"duration": durations}
    data = pixcodec.encode(pages, effort="fast", verify=True, info=info)
    for number, page in enumerate(pages):
        found = pixcodec.decode(data, frame=number)
        scale = 1 if durations is None or page.dtype == np.uint16 else 257
        np.testing.assert_array_equal(found, page.astype(np.int64) * scale)


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({"duration": -5}, "duration is -5, expected milliseconds"),
        ({"duration": [10, None]}, "duration is None"),
        ({"duration": float("nan")}, "duration is nan"),
        ({"duration": 2**31}, "duration is 2147483648"),
        ({"duration": 4, "loop": -1}, "loop is -1, expected an integer"),
        ({"duration": 4, "loop": 2**40}, "loop is 1099511627776, expected"),
        ({"duration": 4, "loop": 1.5}, r"loop is 1\.5"),
    ],
)
def test_wrong_durations_and_loops(info: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsupportedImageError, match=words):
        pixcodec.encode([samples.noise(4, 4, 1)] * 2, effort="fast", info=info)
    assert (
        pixcodec.read_info(
            pixcodec.encode([samples.noise(4, 4, 1)] * 2, info={"duration": np.float32(7)})
        ).durations
        == (0.007,) * 2
    )


def test_what_is_refused() -> None:
    with pytest.raises(UnsupportedImageError, match="the list has no images"):
        pixcodec.encode([])
    two = [samples.noise(4, 4, 1), samples.noise(5, 4, 1)]
    with pytest.raises(UnsupportedImageError, match="2 frames, 2 durations and 2 sizes"):
        pixcodec.encode(two, info={"duration": 5})
    with pytest.raises(UnsupportedImageError, match="effort research codes single images"):
        pixcodec.encode(two, effort="research")


def test_an_opened_image_is_encoded_with_all_frames() -> None:
    source = animations.apng(animations.coloured(3), duration=[10, 20, 30])
    with Image.open(io.BytesIO(source)) as image:
        same_as_source(pixcodec.encode(image, effort="fast"), source)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(
            *(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 2, 3, 4, 6]), st.integers(0, 9)),
            st.sampled_from(["uint8", "uint16", "int16", "float16", "bool"]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(["fast", "normal"]),
)
def test_any_pages_come_back(shapes: list[tuple[int, int, int, int, str]], effort: str) -> None:
    pages = []
    for height, width, channels, seed, dtype in shapes:
        page = samples.noise(height, width, channels, seed) // (1 + 60 * (seed % 3))
        many = page.astype(np.uint16) * (1, 9, 250)[seed % 3] if dtype == "uint16" else page.astype(dtype)
        pages.append(many[:, :, 0] if dtype == "bool" else many)
    data = pixcodec.encode(pages, effort=effort, verify=True)
    for number, page in enumerate(pages):
        found = pixcodec.decode(data, frame=number)
        assert found.dtype == page.dtype
        np.testing.assert_array_equal(found.reshape(page.shape), page)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_hostile_bodies_are_refused(data: Any) -> None:
    encoded = bytearray(SMALL)
    start = parse_series(SMALL)
    first, end = start.frames[0].parts[0].start, start.end
    at = data.draw(st.integers(first, end - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    checked = with_crc(bytes(encoded))
    with suppress(PixcodecError):
        list(pixcodec.decode_frames(checked))


def with_crc(data: bytes) -> bytes:
    return data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")


SMALL = pixcodec.encode(animations.gif(3), effort="normal")


def test_pillow_shows_all_frames() -> None:
    pixcodec.register_pillow()
    source = animations.gif()
    data = pixcodec.encode(source, effort="fast")
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.n_frames, image.is_animated) == ("PXC", 4, True)
        expected = animations.shown(source)
        for frame, (pixels, duration) in zip(ImageSequence.Iterator(image), expected, strict=True):
            found = np.array(frame.convert("RGBA"))
            found[found[..., 3] == 0] = 0
            np.testing.assert_array_equal(found, pixels)
            assert frame.info["duration"] == duration
        image.seek(1)
        assert image.tell() == 1
        np.testing.assert_array_equal(np.asarray(image), np.asarray(pixcodec.decode(data, frame=1)))
        with pytest.raises(EOFError):
            image.seek(4)
    with Image.open(io.BytesIO(data)) as image:
        image.verify()
    with pytest.raises(OSError, match="CRC"), Image.open(io.BytesIO(data[:-1] + b"\0")) as image:
        image.verify()


def test_the_command_line(run: Runner, tmp_path: Path) -> None:
    source = tmp_path / "film.gif"
    source.write_bytes(animations.gif())
    assert run("encode", source, "--effort", "fast").status == 0
    pxc = tmp_path / "film.pxc"
    assert run("verify", pxc).status == 0
    info = run("info", pxc)
    assert "4, 0.18 seconds, shown for ever" in info.out
    assert json.loads(run("info", "--json", pxc).out)["frames"] == 4
    assert run("decode", pxc, "-f").status == 0  # film.gif, as that is what it was
    assert animations.shown(source.read_bytes())[3][1] == 60
    for suffix in ("png", "apng", "webp", "tif"):
        assert run("decode", pxc, tmp_path / f"out.{suffix}").status == 0
    assert run("decode", pxc, tmp_path / "one.png", "--frame", "2").status == 0
    one: npt.NDArray[Any] = np.asarray(Image.open(tmp_path / "one.png"))
    np.testing.assert_array_equal(one, pixcodec.decode(pxc.read_bytes(), frame=2))
    assert run("decode", pxc, tmp_path / "part.png", "--frame", "2", "--region", "1,2,3,4").status == 0
    refused = run("decode", pxc, tmp_path / "out.bmp")
    assert refused.status == 1
    assert "holds several frames" in refused.err
    refused = run("decode", pxc, tmp_path / "part.png", "-f", "--region", "1,2,3,4")
    assert "choose one with --frame" in refused.err
    assert run("decode", pxc, tmp_path / "x.png", "--frame", "9").status == 1


def test_files_are_removed_only_if_all_frames_came_back(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "film.gif"
    source.write_bytes(animations.gif())
    assert run("encode", source, "--effort", "fast", "--rm").status == 0
    assert not source.exists()
    source.write_bytes(animations.gif())
    other = pixcodec.encode(animations.gif(3), effort="fast")
    monkeypatch.setattr("pixcodec.codec.encode", lambda *_, **__: other)
    failed = run("encode", source, "--effort", "fast", "--rm", "-f")
    assert failed.status == 1
    assert "frame 3 of the decoded file differs from the original" in failed.err
    assert source.exists()


def test_recovering_is_refused(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "film.pxc"
    path.write_bytes(SMALL)
    refused = run("decode", "--recover", path, tmp_path / "x.png")
    assert refused.status == 1
    assert "several frames" in refused.err


def test_a_damaged_file_is_not_decoded() -> None:
    with pytest.raises(CorruptFileError):
        list(pixcodec.decode_frames(SMALL[:-1] + b"\0"))
