"""Drawing images, filling holes, likelihoods: from the integers that files are coded with."""

from __future__ import annotations

import hashlib
import io
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from pixcodec.generation.holes import find_holes, reach_of
from pixcodec.generation.inpainting import _parents, _turned, _turned_back
from pixcodec.generation.painter import Painter, Style, random_numbers
from pixcodec.generation.views import GAP, grid, heat_map
from pixcodec.network.distribution import TOTAL, TOTAL_BITS, frequencies
from pixcodec.network.integer_net import run_image
from pixcodec.network.model_files import shipped_model

SIZE = (64, 48)  # width, height


@cache
def drawn() -> np.ndarray:
    return pixcodec.sample(24, SIZE, seed=3)


def known_everywhere(image: samples.Pixels, *, entropy: bool = False) -> Painter:
    model = shipped_model(image.shape[2])
    numbers = np.zeros(image.shape, np.int32)
    painter = Painter(model, image, np.ones(image.shape[:2], bool), numbers, entropy=entropy)
    painter.advance(painter.end)
    return painter


@pytest.mark.parametrize("channels", [1, 3])
def test_likelihoods_are_those_of_the_whole_image_pass(channels: int) -> None:
    image = samples.photo(channels)
    model = shipped_model(channels)
    found = pixcodec.likelihood(image if channels == 3 else image[..., 0])
    for c, mixture in enumerate(run_image(model, image)):
        expected = frequencies(model, mixture, image[..., c].reshape(-1).astype(np.int32))
        np.testing.assert_array_equal(found.bits[..., c].ravel(), TOTAL_BITS - np.log2(expected))
    assert found.bpsp == found.bits.mean()
    assert found.by_channel == pytest.approx([found.bits[..., c].mean() for c in range(channels)])
    assert found.entropy is None
    assert found.surplus is None


def test_likelihoods_are_the_bits_of_a_file() -> None:
    image = samples.photo(3)
    coded = 8 * len(pixcodec.encode(image, effort="fast", strip=True))
    expected = pixcodec.likelihood(image).bits.sum()
    assert expected < coded < 1.001 * expected + 8 * 120  # the header and one chunk besides


def test_entropies_are_those_of_the_distributions() -> None:
    image = samples.photo(1, 5, 4)
    found = pixcodec.likelihood(image[..., 0], entropy=True)
    assert found.entropy is not None
    model = shipped_model(1)
    (mixture,) = run_image(model, image)
    every = [frequencies(model, mixture, np.full(20, v, np.int32)) for v in range(256)]
    p = np.array(every, float) / TOTAL
    np.testing.assert_allclose(p.sum(0), 1)
    np.testing.assert_allclose(found.entropy.ravel(), -(p * np.log2(p)).sum(0), atol=2e-3)


def test_samples_follow_the_distributions_of_the_coder() -> None:
    """Of samples, the cross-entropy under the model is its entropy, within 1 %."""
    bits, entropy = 0.0, 0.0
    for image in drawn():
        found = pixcodec.likelihood(image, entropy=True)
        assert found.entropy is not None
        bits, entropy = bits + found.bits.sum(), entropy + found.entropy.sum()
    assert abs(bits / entropy - 1) < 0.01
    assert entropy / drawn().size > 1  # not flat


def test_a_sample_costs_what_the_model_says() -> None:
    image = drawn()[0]
    coded = 8 * len(pixcodec.encode(image, effort="fast"))
    expected = pixcodec.likelihood(image).bits.sum()
    assert expected < coded < 1.001 * expected + 8 * 120


def test_a_random_number_draws_the_value_whose_interval_it_lies_in() -> None:
    """Of the first pixel, whose distribution is the same for all images."""
    model = shipped_model(1)
    (mixture,) = run_image(model, np.zeros((1, 1, 1), np.uint8))
    edges = np.cumsum([frequencies(model, mixture, np.array([v], np.int32))[0] for v in range(256)])
    assert edges[-1] == TOTAL
    for value in (0, 1, 100, 128, 255):
        first = int(edges[value - 1]) if value else 0
        for u, expected in ((first, value), (int(edges[value]) - 1, value)):
            assert first_pixel(u, Style()) == expected


def first_pixel(u: int, style: Style) -> int:
    image = np.zeros((1, 1, 1), np.uint8)
    numbers = np.full((1, 1, 1), u, np.int32)
    painter = Painter(shipped_model(1), image, np.zeros((1, 1), bool), numbers, style)
    painter.advance(painter.end)
    return int(painter.pixels[0, 0, 0])


@pytest.mark.parametrize("style", [Style(0.5), Style(2.0), Style(1.0, 0.5), Style(0.7, 0.8)])
def test_temperature_and_top_p(style: Style) -> None:
    model = shipped_model(1)
    (mixture,) = run_image(model, np.zeros((1, 1, 1), np.uint8))
    p = np.array([frequencies(model, mixture, np.array([v], np.int32))[0] for v in range(256)]) / TOTAL
    q = p ** (1 / style.temperature)
    q /= q.sum()
    order = np.argsort(-q, kind="stable")
    kept = order[: int(np.searchsorted(np.cumsum(q[order]), style.top_p)) + 1]
    numbers = np.linspace(0, TOTAL - 1, 400 if style.top_p == 1 else 1600).astype(int)
    values = np.array([first_pixel(int(u), style) for u in numbers])
    if style.top_p < 1:  # which of values that are as likely are kept is a matter of rounding
        drawn_values = np.unique(values)
        assert len(drawn_values) == len(kept)
        exchanged = q[np.setxor1d(drawn_values, kept)]
        np.testing.assert_allclose(exchanged, q[kept[-1]], rtol=2e-4)
        kept = drawn_values
    q = np.where(np.isin(np.arange(256), kept), q, 0)
    expected = np.cumsum(q / q.sum())
    assert (np.diff(values) >= 0).all()
    shares = np.searchsorted(values, np.arange(256), side="right") / len(values)
    np.testing.assert_allclose(shares, expected, atol=0.01)


def test_the_same_seed_draws_the_same_everywhere() -> None:
    digest = hashlib.sha256(drawn()[:2].tobytes()).hexdigest()
    assert digest == DIGEST, "the samples of a seed have changed: see CHANGELOG.md"
    np.testing.assert_array_equal(pixcodec.sample(2, SIZE, seed=3, threads=1), drawn()[:2])
    np.testing.assert_array_equal(pixcodec.sample(2, SIZE, seed=3, threads=2), drawn()[:2])
    assert (pixcodec.sample(1, SIZE, seed=4)[0] != drawn()[0]).any()


DIGEST = "e106e97a2b8db8bb24982b144906f5b2bc5c5c1519f1572f8b4082f40f293bcc"


def test_sampling_does_not_depend_on_the_steps() -> None:
    pixels, known = np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64), bool)
    painter = Painter(shipped_model(3), pixels, known, random_numbers(3, 0, pixels.shape))
    for end in (1, 2, 50, 51, 51, 10**6):
        painter.advance(end)
    np.testing.assert_array_equal(painter.pixels, drawn()[0])


def test_continuing_an_image() -> None:
    image = samples.photo(3)
    (found,) = pixcodec.sample(1, start=image, rows=20, seed=1)
    np.testing.assert_array_equal(found[:20], image[:20])
    assert (found[20:] != image[20:]).any()
    (grey,) = pixcodec.sample(1, start=image[..., 0])
    assert grey.shape == image.shape[:2]
    np.testing.assert_array_equal(grey[:23], image[:23, :, 0])
    (whole,) = pixcodec.sample(1, start=image, rows=47)
    np.testing.assert_array_equal(whole, image)


def test_grey_samples_and_a_single_pixel() -> None:
    assert pixcodec.sample(3, (5, 7), grey=True).shape == (3, 7, 5)
    assert pixcodec.sample(1, (1, 1)).shape == (1, 1, 1, 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"count": 0}, "count is 0"),
        ({"size": (0, 4)}, "size is 0x4"),
        ({"temperature": 0.0}, "temperature is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"top_p": 1.5}, "top-p is 1.5"),
        ({"seed": -1}, "seed is -1"),
        ({"threads": 0}, "threads is 0"),
        ({"start": samples.photo(3), "rows": 48}, "rows is 48"),
    ],
)
def test_wrong_numbers(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pixcodec.sample(**options)  # type: ignore[arg-type]


def test_images_that_cannot_be_continued() -> None:
    with pytest.raises(pixcodec.UnsupportedImageError, match="RGBA with 8 bits"):
        pixcodec.sample(start=np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(pixcodec.UnsupportedImageError, match="expected grey or RGB"):
        pixcodec.likelihood(np.zeros((4, 4), np.uint16) + 300)
    with pytest.raises(pixcodec.ModelMismatchError, match="is for images of 1 channels"):
        pixcodec.sample(model=shipped_model(1))
    with pytest.raises(pixcodec.ModelMismatchError, match="is a Row LSTM, expected a PixelCNN"):
        pixcodec.sample(model=shipped_model(3, recurrent=True))
    with pytest.raises(pixcodec.LimitExceededError, match="the limit is"):
        pixcodec.sample(300, (1000, 1000))


def hole_of(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[18:25, 30:40] = True
    return mask


def test_inpainting_changes_the_hole_only_and_by_the_seed() -> None:
    image, mask = samples.photo(3), hole_of(47, 61)
    (fill,) = pixcodec.inpaint(image, mask, best_of=4, seed=5)
    np.testing.assert_array_equal(fill.image[~mask], image[~mask])
    assert (fill.image[mask] != image[mask]).any()
    several = pixcodec.inpaint(image, mask, draws=2, best_of=4, seed=5, threads=2)
    np.testing.assert_array_equal(several[0].image, fill.image)
    assert (several[1].image != fill.image).any()
    # What was in the hole does not matter.
    blind = np.where(mask[..., None], 255 - image, image)
    np.testing.assert_array_equal(pixcodec.inpaint(blind, mask, best_of=4, seed=5)[0].image, fill.image)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_bits_of_a_fill_are_its_likelihood(seed: int) -> None:
    """Also where particles were drawn anew, which happens with some seeds."""
    image, mask = samples.photo(3), hole_of(47, 61)
    (fill,) = pixcodec.inpaint(image, mask, best_of=4, seed=seed)
    (hole,) = find_holes(mask, reach_of(shipped_model(3).architecture))
    found = pixcodec.likelihood(np.ascontiguousarray(fill.image[hole.slices])).bits
    assert fill.bits == pytest.approx(found[hole.mask].sum())
    y, x = np.mgrid[: hole.mask.shape[0], : hole.mask.shape[1]]
    after = ~hole.mask & (x + 3 * y >= (x + 3 * y)[hole.mask].min())
    assert fill.bits_after == pytest.approx(found[after].sum())


def test_more_particles_suit_what_follows_better() -> None:
    image, mask = samples.photo(3), hole_of(47, 61)
    few = np.mean([fill.bits_after for fill in pixcodec.inpaint(image, mask, draws=4, best_of=1)])
    many = np.mean([fill.bits_after for fill in pixcodec.inpaint(image, mask, draws=4, best_of=24)])
    assert many < few


def test_the_mean_is_closer_to_the_truth_than_a_draw() -> None:
    image, mask = samples.photo(3), hole_of(47, 61)

    def error(fill: pixcodec.Fill) -> float:
        return float(((fill.image[mask].astype(float) - image[mask]) ** 2).mean())

    (mean,) = pixcodec.inpaint(image, mask, mean=True, best_of=8)
    (one,) = pixcodec.inpaint(image, mask, best_of=8)
    np.testing.assert_array_equal(mean.image[~mask], image[~mask])
    assert error(mean) < error(one)


def test_grey_holes_at_every_edge() -> None:
    image, mask = samples.photo(1)[..., 0], np.zeros((47, 61), bool)
    mask[0], mask[-1], mask[:, 0], mask[:, -1] = True, True, True, True
    (fill,) = pixcodec.inpaint(image, mask, best_of=2)
    np.testing.assert_array_equal(fill.image[~mask], image[~mask])
    (all_of_it,) = pixcodec.inpaint(image, np.ones_like(mask), best_of=1)
    assert all_of_it.image.shape == image.shape
    assert all_of_it.bits_after == 0


def test_holes_that_are_apart_are_filled_apart() -> None:
    mask = np.zeros((200, 300), bool)
    mask[3:9, 5:17], mask[150:160, 200:240], mask[199, 299], mask[170:172, 210] = True, True, True, True
    holes = find_holes(mask, 7)
    assert [hole.mask.sum() for hole in holes] == [72, 402, 1]
    together = np.zeros_like(mask)
    for hole in holes:
        together[hole.slices] |= hole.mask
        bounds = [(s.start, s.stop) for s in hole.slices]
        y, x = np.nonzero(hole.mask)
        for (start, stop), at, end in zip(bounds, (y, x), mask.shape, strict=True):
            assert start == 0 or at.min() >= 7
            assert stop == end or stop - start - 1 - at.max() >= 7
    np.testing.assert_array_equal(together, mask)


def test_a_part_is_as_good_as_the_whole_image() -> None:
    image = samples.large_photo()
    mask = np.zeros(image.shape[:2], bool)
    mask[60:70, 100:130] = True
    whole = pixcodec.likelihood(image).bits
    (hole,) = find_holes(mask, reach_of(shipped_model(3).architecture))
    part = known_everywhere(np.ascontiguousarray(image[hole.slices])).bits
    np.testing.assert_array_equal(part[hole.mask], whole[mask])


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.zeros((47, 61), bool), "no pixel to fill"),
        (np.ones((61, 47), bool), "mask is 61x47, the image is 47x61"),
        (np.ones((47, 61)), "not a numpy array of bool"),
    ],
)
def test_wrong_masks(mask: np.ndarray, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pixcodec.inpaint(samples.photo(3), mask)


def test_wrong_numbers_of_fills() -> None:
    for options in ({"draws": 0}, {"best_of": 0}):
        with pytest.raises(ValueError, match="is 0, expected at least 1"):
            pixcodec.inpaint(samples.photo(3), hole_of(47, 61), **options)  # type: ignore[arg-type]


def test_particles_are_drawn_by_their_shares() -> None:
    counts = np.zeros(4)
    for offset in np.linspace(0, 1, 1000, endpoint=False):
        counts += np.bincount(_parents(np.array([0.5, 0.0, 0.3, 0.2]), offset), minlength=4)
    np.testing.assert_allclose(counts / 4000, [0.5, 0, 0.3, 0.2], atol=0.002)


def test_turning_is_undone() -> None:
    array = np.arange(30).reshape(5, 3, 2)
    for k in range(8):
        np.testing.assert_array_equal(_turned_back(_turned(array, k), k), array)
    assert len({_turned(array[..., 0], k).tobytes() for k in range(8)}) == 8


def test_a_grid() -> None:
    images = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((5, 4, 6), np.uint8)
    found = grid(images)
    assert found.shape == (2 * 4 + GAP, 3 * 6 + 2 * GAP)
    assert (found[4 + GAP :, 6 + GAP : 2 * 6 + GAP] == 4).all()
    assert (found[4 + GAP :, 2 * 6 + 2 * GAP :] == 255).all()
    assert grid(images[..., None].repeat(3, 3), 9).shape == (4, 5 * 6 + 4 * GAP, 3)


def test_a_heat_map_grows_lighter() -> None:
    colours = heat_map(np.linspace(0, 10, 50).reshape(5, 10), 8.0).astype(int)
    lightness = colours.sum(2).ravel()
    assert (np.diff(lightness) >= 0).all()
    assert lightness[0] == 0
    np.testing.assert_array_equal(colours[-1, -1], (252, 253, 191))


def test_images_are_read_by_name_and_as_pil_images() -> None:
    image = samples.photo(3)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    with Image.open(buffer) as opened:
        assert pixcodec.likelihood(opened).bpsp == pixcodec.likelihood(image).bpsp
    path = Path(samples.__file__).parent.parent / "pixcodec" / "models" / "rgb.safetensors"
    assert pixcodec.likelihood(image, model=path).bpsp == pixcodec.likelihood(image).bpsp
