"""The trained network: strictly causal in raster order and in the order R, G, B; it rounds when told to."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import samples
from networks import random_network
from pixcodec.network.pixelcnn import PixelCNN, bits_per_subpixel, network_inputs

HEIGHT, WIDTH = 6, 8


def batch_of(pixels: samples.Pixels) -> Tensor:
    """Return an image as (1, C, H, W) floats."""
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))


def outputs(network: PixelCNN, batch: Tensor) -> list[Tensor]:
    """Return all mixture parameters of each channel, (3 * K, H, W)."""
    return [torch.cat([o["logit"], o["mean"], o["log_scale"]], 1)[0] for o in network(batch)]


def place(c: int, y: int, x: int, channels: int, width: int = WIDTH) -> int:
    """Return the position of a subpixel in raster order, the channels of a pixel side by side."""
    return (y * width + x) * channels + c


@pytest.mark.slow
@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_output_changes_with_a_later_subpixel(channels: int, quantised: bool) -> None:
    network = random_network(channels)
    network.quantised = quantised
    batch = batch_of(samples.photo(channels, HEIGHT, WIDTH, number=5))
    # MKL-DNN may add up in another order for another batch size: all are of one image.
    with torch.no_grad():
        before = outputs(network, batch)
        influenced = 0
        for c in range(channels):
            for y in range(HEIGHT):
                for x in range(WIDTH):
                    changed = batch.clone()
                    changed[0, c, y, x] = (changed[0, c, y, x] + 97) % 256
                    after = outputs(network, changed)
                    for e in range(channels):
                        moved = (after[e] != before[e]).any(0).nonzero().tolist()
                        influenced += len(moved)
                        for v, u in moved:
                            assert place(c, y, x, channels) < place(e, v, u, channels)
    assert influenced > HEIGHT * WIDTH * channels


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_gradient_reaches_a_later_subpixel(channels: int, quantised: bool) -> None:
    network = random_network(channels)
    network.quantised = quantised
    batch = batch_of(samples.photo(channels, HEIGHT, WIDTH)).requires_grad_()
    found = outputs(network, batch)
    for e in range(channels):
        for y, x in [(0, 0), (0, WIDTH - 1), (2, 3), (3, 0), (HEIGHT - 1, WIDTH - 1)]:
            (gradient,) = torch.autograd.grad(found[e][:, y, x].sum(), batch, retain_graph=True)
            in_order = gradient[0].permute(1, 2, 0).reshape(-1)
            here = place(e, y, x, channels)
            assert (in_order[here:] == 0).all()
            assert here == 0 or (in_order[:here] != 0).any()


@pytest.mark.parametrize("quantised", [False, True])
def test_each_channel_sees_the_earlier_ones_of_its_pixel(quantised: bool) -> None:
    network = random_network(3)
    network.quantised = quantised
    batch = batch_of(samples.photo(3, HEIGHT, WIDTH)).requires_grad_()
    found = outputs(network, batch)
    y, x = 3, 4
    for e in range(3):
        (gradient,) = torch.autograd.grad(found[e][:, y, x].sum(), batch, retain_graph=True)
        assert [bool(gradient[0, c, y, x] != 0) for c in range(3)] == [c < e for c in range(3)]


@pytest.mark.parametrize("channels", [1, 3])
def test_inputs_know_nothing_of_their_own_pixel(channels: int) -> None:
    batch = batch_of(samples.photo(channels, HEIGHT, WIDTH))
    changed = batch.clone()
    changed[:, :, 3, 4] = 255 - changed[:, :, 3, 4]
    for before, after in zip(network_inputs(batch), network_inputs(changed), strict=True):
        moved = (before != after).any(1)[0].nonzero().tolist()
        assert moved
        assert all(y * WIDTH + x > 3 * WIDTH + 4 for y, x in moved)


@pytest.mark.parametrize("channels", [1, 3])
def test_the_flag_rounds_the_outputs_to_steps(channels: int) -> None:
    network = random_network(channels)
    batch = batch_of(samples.photo(channels))
    with torch.no_grad():
        network.quantised = False
        smooth = network(batch)
        network.quantised = True
        rounded = network(batch)
    for before, after in zip(smooth, rounded, strict=True):
        for name in ("logit", "log_scale"):
            steps = after[name] * 32
            assert torch.equal(steps, steps.round())
            assert not torch.equal(before[name] * 32, (before[name] * 32).round())
    steps = rounded[0]["mean"] * 16  # the first channel has no coupling
    assert torch.equal(steps, steps.round())


@pytest.mark.parametrize("quantised", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_gradients_reach_every_parameter(channels: int, quantised: bool) -> None:
    network = random_network(channels, gain=1.0)
    network.quantised = quantised
    batch = batch_of(samples.photo(channels))
    bits_per_subpixel(network(batch), batch).mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize("channels", [1, 3])
def test_probabilities_of_all_values_sum_to_one(channels: int) -> None:
    network = random_network(channels, gain=1.0)
    batch = batch_of(samples.photo(channels, HEIGHT, WIDTH))
    with torch.no_grad():
        found = network(batch)
        for c in range(channels):
            total = torch.zeros(HEIGHT, WIDTH, dtype=torch.float64)
            for value in range(256):
                # The outputs stay as they are: only the value that is asked for changes.
                asked = torch.full_like(batch, float(value))
                total += torch.exp2(-bits_per_subpixel(found, asked)[0, c].double())
            assert total.flatten().tolist() == pytest.approx([1.0] * (HEIGHT * WIDTH), abs=1e-3)


def test_the_network_starts_with_blocks_that_change_nothing() -> None:
    torch.manual_seed(0)
    network = PixelCNN(random_network(3).architecture)
    for layer in network.mix:
        assert not any(bool(p.any()) for p in layer.parameters())
