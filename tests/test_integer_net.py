"""The integer network gives the same integers in any order, on any backend and number of threads."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from threadpoolctl import threadpool_limits

import samples
from networks import Ints, mixtures_of_image, mixtures_of_wavefronts, random_network
from pixcodec.network.distribution import frequencies
from pixcodec.network.integer_net import run_image, torch_product
from pixcodec.network.model import Model
from pixcodec.network.model_files import shipped_model
from pixcodec.network.pixelcnn import bits_per_subpixel
from pixcodec.training.export import to_model, to_tensors


@pytest.mark.parametrize("slope", [3, 4, 7, "width", "more than width"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (2, 3), (13, 22), (23, 8)])
def test_wavefronts_give_the_integers_of_the_whole_image(
    height: int, width: int, channels: int, slope: int | str
) -> None:
    steepness = {"width": max(width, 3), "more than width": width + 5}.get(str(slope), slope)
    assert isinstance(steepness, int)
    image = samples.photo(channels, height, width, number=5)
    for model in (shipped_model(channels), to_model(random_network(channels))):
        expected = mixtures_of_image(model, image)
        np.testing.assert_equal(mixtures_of_wavefronts(model, image, steepness), expected)


@pytest.mark.parametrize("kind", samples.KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_wavefronts_give_the_integers_of_the_whole_image_on_drawn_ones(kind: str, channels: int) -> None:
    image = samples.KINDS[kind](12, 19, channels)
    model = to_model(random_network(channels, gain=8))
    np.testing.assert_equal(mixtures_of_wavefronts(model, image, 3), mixtures_of_image(model, image))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_network_without_blocks_runs_both_ways(channels: int) -> None:
    image = samples.photo(channels, 7, 11)
    model = to_model(random_network(channels, blocks=0))
    np.testing.assert_equal(mixtures_of_wavefronts(model, image, 3), mixtures_of_image(model, image))


@pytest.mark.parametrize("channels", [1, 3])
def test_every_layer_of_the_random_network_matters(channels: int) -> None:
    image = samples.photo(channels, 9, 11)
    network = random_network(channels)
    tensors = to_tensors(network)
    before = mixtures_of_image(to_model(network), image)
    for name in network.architecture.layers():
        changed = {**tensors, f"{name}.bias": tensors[f"{name}.bias"] // 2}
        after = mixtures_of_image(Model.from_tensors(network.architecture, changed), image)
        same = all(np.array_equal(a, b) for a, b in zip(sum(before, ()), sum(after, ()), strict=True))
        assert not same, name


def as_arrays(mixtures: list[Any]) -> list[npt.NDArray[np.int32]]:
    return [part for m in mixtures for part in (m.logit, m.mean, m.log_scale)]


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_torch_and_numpy_give_the_same_integers_on_any_threads(channels: int, threads: int) -> None:
    image = samples.photo(channels, 47, 61)
    model = shipped_model(channels)
    with threadpool_limits(1):
        expected = as_arrays(run_image(model, image))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            np.testing.assert_equal(as_arrays(run_image(model, image)), expected)
            np.testing.assert_equal(as_arrays(run_image(model, image, torch_product())), expected)
    finally:
        torch.set_num_threads(before)


def exact(model: Model, name: str, a: npt.NDArray[np.float32], low: int, high: int) -> Ints:
    """Return what a layer gives, in 64-bit integers from the tensors as stored."""
    weight, bias, shift = (
        model.tensors[f"{name}.{part}"].astype(np.int64) for part in ("weight", "bias", "shift")
    )
    return np.clip((a.astype(np.int64) @ weight.T + bias) >> shift, low, high)


@pytest.mark.parametrize("rows", [1, 2, 3, 17, 64, 171, 1000])
def test_a_layer_is_exact_for_every_number_of_rows(rows: int) -> None:
    rng = np.random.default_rng(rows)
    model = shipped_model(3)
    run_on_torch = torch_product()
    for name, (_, bounds, _) in model.architecture.layers().items():
        largest = np.array(bounds)
        a = rng.integers(-largest, largest + 1, (rows, len(bounds))).astype(np.float32)
        # The worst case: every input at its bound, with the sign of a weight.
        layer = model.layers[name]
        a[0] = np.sign(layer.weight[:, rows % layer.weight.shape[1]]) * largest
        expected = exact(model, name, a, -16384, 16384)
        np.testing.assert_array_equal(layer(a, -16384, 16384), expected, name)
        np.testing.assert_array_equal(run_on_torch(layer, a, -16384, 16384), expected, name)
        alone = np.concatenate([layer(a[i : i + 1], -16384, 16384) for i in range(min(rows, 20))])
        np.testing.assert_array_equal(alone, expected[:20], name)


@pytest.mark.parametrize("number", [5, 23])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_exported_network_costs_the_bits_of_the_trained_one(channels: int, number: int) -> None:
    image = samples.photo(channels, number=number)
    network = random_network(channels, gain=1.0)
    with torch.no_grad():  # scales of about 8 levels: neither every nor no symbol is a surprise
        for head in network.heads:
            head[2].bias[6:9] += 2.0
    model = to_model(network)
    network.quantised = True
    batch = torch.from_numpy(image.transpose(2, 0, 1)[None].astype(np.float32))
    with torch.no_grad():
        trained_bits = float(bits_per_subpixel(network(batch), batch).sum())
    coded_bits = 0.0
    for channel, mixture in enumerate(run_image(model, image)):
        values = image[:, :, channel].reshape(-1).astype(np.int32)
        coded_bits -= float(np.log2(frequencies(model, mixture, values) / 2**24).sum())
    assert coded_bits == pytest.approx(trained_bits, rel=0.005)


def test_planes_and_model_must_agree() -> None:
    with pytest.raises(ValueError, match="planes have 1 channels, the model has 3"):
        run_image(shipped_model(3), samples.flat(3, 3, 1))
