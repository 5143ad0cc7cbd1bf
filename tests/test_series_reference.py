"""Files of several frames against the plain decoder, which is written from the text alone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import animations
import pixcodec
import samples
from pixcodec.container.series import frame_container, parse_series
from pixcodec.images.series_files import read_series
from pixcodec.reference import series

MODELS = (samples.GOLDEN / "grey.safetensors", samples.GOLDEN / "rgb.safetensors")


def stored_alike(data: bytes) -> set[int]:
    """Check what the plain decoder makes of a file; return the kinds of its tiles."""
    found = series.decode(data, MODELS)
    shown = list(pixcodec.decode_frames(data, model=None))
    start = parse_series(data)
    assert len(found) == len(shown)
    kinds = set()
    for number, (frame, entry) in enumerate(zip(found, start.frames, strict=True)):
        assert frame.shape[:2] == (entry.header.height, entry.header.width)
        kinds |= {int(tile.kind) for tile in frame_container(data, start, number).tiles}
    return kinds


@pytest.mark.slow
@pytest.mark.parametrize("effort", ["fast", "normal"])
def test_indices_with_a_transparent_one(effort: str) -> None:
    source = animations.gif(4)
    data = pixcodec.encode(source, effort=effort)
    expected = read_series(source)
    assert expected is not None
    for frame, found in zip(expected.frames, series.decode(data, MODELS), strict=True):
        np.testing.assert_array_equal(frame.picture.pixels, found)


@pytest.mark.slow
def test_indices_of_a_table_with_still_runs() -> None:
    frames = [Image.fromarray(animations.COLOURS[frame]) for frame in animations.moving(3, 17, 24)]
    data = pixcodec.encode(animations.apng(frames, duration=20))
    assert 3 in stored_alike(pixcodec.encode(frames)) | stored_alike(data)


@pytest.mark.slow
@pytest.mark.parametrize("effort", ["fast", "normal", "max"])
@pytest.mark.parametrize("channels", [1, 3])
def test_layers_of_the_network(effort: str, channels: int) -> None:
    model = MODELS[channels == 3]
    frames = [samples.photo(channels, 9, 14).copy() for _ in range(3)]
    frames[1][2:6, 3:9] = frames[1][4:8, 5:11]
    frames[2][5:, 8:] //= 2
    pages = [frame[..., 0] if channels == 1 else frame for frame in frames]
    data = pixcodec.encode(pages, effort=effort, model=model)
    for frame, found in zip(frames, series.decode(data, MODELS), strict=True):
        np.testing.assert_array_equal(found, frame)
    for number, page in enumerate(pages):
        np.testing.assert_array_equal(pixcodec.decode(data, frame=number, model=model), page)


@pytest.mark.slow
def test_alpha_and_pages_of_several_sizes() -> None:
    first = samples.any_photo(12, 17, 2)
    second = first.copy()
    second[3:5, 2:9, 1] = 7
    pages = [first, second, samples.photo(1, 9, 8)[..., 0], second, samples.photo(1, 9, 8)[..., 0] > 90]
    data = pixcodec.encode(pages, model=MODELS[0])
    for page, found in zip(pages, series.decode(data, MODELS), strict=True):
        np.testing.assert_array_equal(found.reshape(page.shape), page)


@pytest.mark.slow
@pytest.mark.parametrize("effort", ["fast", "normal"])
def test_deep_pages_among_others(effort: str) -> None:
    grey = samples.photo(1, 9, 12)[:, :, 0]
    first = grey.astype(np.float32) / np.float32(7)
    bands = np.stack([grey.astype(np.int32) * 1000 - 7] * 4, 2)
    pages = [first, grey, bands, grey, first.astype(np.float16), grey.astype(np.int8)]
    data = pixcodec.encode(pages, effort=effort, model=MODELS[0])
    for page, found in zip(pages, series.decode(data, MODELS), strict=True):
        np.testing.assert_array_equal(found.reshape(page.shape), page.view(f"u{page.itemsize}"))
