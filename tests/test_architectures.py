"""Architectures for torch: causal, equally large, trained by the command, told of conditions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor

import samples
from pixcodec.cli import main
from pixcodec.network.architecture import Architecture
from pixcodec.network.pixelcnn import PixelCNN, bits_per_subpixel
from pixcodec.training.architectures.diagonal_bilstm import skew, unskew
from pixcodec.training.architectures.files import load_network
from pixcodec.training.architectures.gated import condition_of, mean_of_the_rest
from pixcodec.training.architectures.measure import network_bits
from pixcodec.training.architectures.multiscale import LEAST_SIDE
from pixcodec.training.architectures.registry import (
    coding_order,
    kind_of,
    network_of,
    parameter_count,
    sized,
)
from pixcodec.training.architectures.sampling import gradient_map, receptive_field, sample
from pixcodec.training.architectures.sizes import CONDITIONS, KINDS, TorchArchitecture
from pixcodec.training.trainer import Settings, Trainer

SMALL = Architecture(features=6, blocks=2, hidden=6, components=2)
CLASSES = ("bricks", "clouds")


def network(kind: str, condition: str = "", channels: int = 3, units: int | None = 5) -> PixelCNN:
    """Return an untrained network whose every layer matters, in double precision."""
    torch.manual_seed(3)
    reference = replace(SMALL, channels=channels)
    classes = CLASSES if condition == "class" else ()
    made = network_of(
        sized(
            kind,
            reference,
            units=None if kind == "pixelcnn" else units,
            condition=condition,
            classes=classes,
        )
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.uniform_(-0.4, 0.5)
        for head in made.heads:
            assert isinstance(head, torch.nn.ModuleList)
            for layer in head:
                layer.weight.mul_(0.3)
    return made.double()


def smooth_images(count: int, height: int, width: int, channels: int = 3) -> Tensor:
    """Return images whose values differ a little, so that nothing is cut off at a bound."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(count, channels, height, width, generator=generator, dtype=torch.float64)
    return torch.round(100 + 30 * noise)


def gradients(made: PixelCNN, x: Tensor, channel: int, y: int, x0: int, condition: Tensor | None) -> Tensor:
    """Return the absolute gradients (C, H, W) of all that the network says of a subpixel."""
    x = x.clone().requires_grad_()
    outputs = made(x, condition)[channel]
    total = torch.stack([(value[:, :, y, x0] * (1 + i)).sum() for i, value in enumerate(outputs.values())])
    (gradient,) = torch.autograd.grad(total.sum(), x)
    return gradient.abs().sum(0)


def condition_for(made: PixelCNN, x: Tensor) -> Tensor | None:
    if not isinstance(made.architecture, TorchArchitecture):
        return None
    condition = condition_of(made.architecture, x, torch.arange(len(x)) % 2)
    return condition.detach() if condition is not None else None


CASES = [(kind, "") for kind in KINDS] + [("gated", condition) for condition in CONDITIONS]


@pytest.mark.parametrize(("kind", "condition"), CASES)
@pytest.mark.parametrize("channels", [1, 3])
def test_no_output_depends_on_a_later_subpixel(kind: str, condition: str, channels: int) -> None:
    if condition == "grey" and channels == 1:
        return
    made, height, width = network(kind, condition, channels), 9, 13
    x = smooth_images(2, height, width, channels)
    order = coding_order(made.architecture, height, width)
    for y, x0 in ((0, 0), (0, 12), (1, 12), (3, 3), (4, 4), (4, 6), (5, 7), (6, 4), (8, 0), (8, 12)):
        for channel in range(channels):
            gradient = gradients(made, x, channel, y, x0, condition_for(made, x))
            later = order >= order[y, x0]
            later[y, x0] = False
            assert not gradient[:, later].any(), (y, x0, channel)
            assert not gradient[channel:, y, x0].any()
            assert bool(gradient[:channel, y, x0].all())  # earlier channels of the pixel do matter


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "multiscale"])
def test_what_comes_later_in_raster_order_does_not_matter(kind: str) -> None:
    made, x = network(kind), smooth_images(1, 10, 14)
    gradient = gradient_map(made, x, 6, 5)
    assert not gradient[6, 5:].any()
    assert not gradient[7:].any()
    assert bool((gradient[6, 2:5] > 0).all())


def test_the_gated_network_has_no_blind_spot() -> None:
    made, x = network("gated"), smooth_images(2, 12, 20)
    gradient = gradient_map(made, x, 9, 9)
    blocks, reach = SMALL.blocks, 3
    # In each row above, everything in the cone of the vertical stack counts; PixelCNN misses part of it.
    for up in range(1, blocks + reach):
        right = min(9 + blocks, 19) if up > 1 else 9 + blocks - 1
        assert bool((gradient[9 - up, 9 - blocks : right + 1] > 0).all()), up
    assert bool((gradient[9, 9 - blocks - 2 : 9] > 0).all())


def test_the_diagonal_lstm_sees_every_earlier_pixel() -> None:
    made, x = network("diagonal-bilstm"), smooth_images(3, 7, 9)
    seen = gradient_map(made, x, 5, 4)
    earlier = torch.arange(63).view(7, 9) < 5 * 9 + 4
    assert bool((seen[earlier] > 0).all())
    field = receptive_field(made, x, 5, 4)
    assert field.pixels == int(earlier.sum())
    assert (field.up, field.left, field.right, field.down) == (5, 4, 4, 0)
    assert 1 <= field.effective_rows <= 6


def test_the_hybrid_sees_the_first_row() -> None:
    x = smooth_images(2, 20, 10)
    assert receptive_field(network("hybrid"), x, 18, 5).up == 18
    assert receptive_field(network("pixelcnn"), x, 18, 5).up < 10


def test_skewed_rows_come_back() -> None:
    x = torch.arange(2 * 3 * 5.0).view(2, 3, 5)
    skewed = skew(x)
    assert skewed.shape == (2, 3, 7)
    assert skewed[0, 2].tolist() == [0, 0, 10, 11, 12, 13, 14]
    assert torch.equal(unskew(skewed, 5), x)


def test_all_have_equally_many_parameters() -> None:
    found = {kind: sized(kind, Architecture()) for kind in KINDS}
    counts = {kind: parameter_count(architecture) for kind, architecture in found.items()}
    assert max(counts.values()) < 1.05 * min(counts.values()), counts
    assert {kind: kind_of(architecture) for kind, architecture in found.items()} == {k: k for k in KINDS}


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_changes_the_outputs(condition: str) -> None:
    made, x = network("gated", condition), smooth_images(2, 9, 13)
    told = condition_for(made, x)
    assert told is not None
    other = told.flip(0) if condition == "class" else 255 - told
    a, b = made(x, told), made(x, other)
    for channel in range(3):
        assert not torch.allclose(a[channel]["mean"], b[channel]["mean"])
    with pytest.raises(ValueError, match=f"takes {condition} condition, found none"):
        made(x)
    for kind in ("gated", "pixelcnn", "row-lstm", "multiscale"):
        with pytest.raises(ValueError, match="takes no condition"):
            network(kind)(x, told)


def test_conditions_are_what_pillow_computes() -> None:
    image = samples.photo(3, 10, 15)
    x = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))[None]
    grey = condition_of(TorchArchitecture(condition="grey"), x, None)
    assert grey is not None
    np.testing.assert_array_equal(grey[0, 0].numpy(), np.asarray(Image.fromarray(image).convert("L")))
    small = condition_of(TorchArchitecture(condition="low-resolution"), x, None)
    assert small is not None
    assert small.shape == (1, 3, 3, 4)
    np.testing.assert_array_equal(small[0, :, 0, 0].numpy(), np.round(image[:4, :4].mean((0, 1))))


def test_the_last_pixel_of_a_reduced_pixel_is_known_from_the_others() -> None:
    x = smooth_images(2, 10, 15)
    means = torch.nn.functional.avg_pool2d(x, 4, ceil_mode=True)
    rest = mean_of_the_rest(means, x)
    last = (..., [3, 7, 9], slice(3, None, 4))
    torch.testing.assert_close(rest[last], x[last])
    torch.testing.assert_close(rest[..., 4, 8], means[..., 1, 2])
    torch.testing.assert_close(
        rest[..., 5, 9], (16 * means[..., 1, 2] - x[..., 4, 8:12].sum(-1) - x[..., 5, 8]) / 11
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_images(kind: str) -> None:
    made = network(kind).float()
    images = sample(made, 2, 8, 9, seed=4)
    assert images.shape == (2, 8, 9, 3)
    assert images.dtype == np.uint8
    assert not np.array_equal(images[0], images[1])
    np.testing.assert_array_equal(sample(made, 2, 8, 9, seed=4), images)


@pytest.mark.parametrize("kind", ["pixelcnn", "gated", "multiscale"])
def test_the_cross_entropy_of_samples_is_the_entropy(kind: str) -> None:
    made = network(kind, channels=1).float()
    x = torch.from_numpy(sample(made, 48, 8, 8, seed=2).transpose(0, 3, 1, 2).astype(np.float32))
    with torch.no_grad():
        outputs = made(x)
        bits = bits_per_subpixel(outputs, x)
        every = torch.stack(
            [bits_per_subpixel(outputs, torch.full_like(x, value))[:, 0] for value in range(256)]
        )
        entropy = (torch.exp2(-every) * every).sum(0)
    spread = float((bits[:, 0] - entropy).std()) / entropy.numel() ** 0.5
    assert abs(float(bits.mean() - entropy.mean())) < 4 * spread


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    for name, kind in zip(CLASSES, ("gradient", "pixel_art"), strict=True):
        (folder / name).mkdir()
        Image.fromarray(samples.KINDS[kind](17, 19, 3)).save(folder / name / "image.png")
    return folder


def arguments(folders: Path, out: Path, *more: str) -> list[str]:
    sizes = ["--features", "6", "--blocks", "2", "--hidden", "6", "--components", "2"]
    run = ["--steps", "2", "--batch", "2", "--crop", "9", "--quiet"]
    return ["train", str(folders), "--out", str(out), *sizes, *run, *more]


@pytest.mark.parametrize(("kind", "condition"), CASES)
def test_the_command_trains_it(kind: str, condition: str, folders: Path, tmp_path: Path) -> None:
    out = tmp_path / "net.safetensors"
    more = ["--architecture", kind, "--validation", str(folders)]
    more += ["--condition", condition] if condition else []
    assert main(arguments(folders, out, *more)) == 0
    log = json.loads((tmp_path / "net.run" / "log.jsonl").read_text().splitlines()[-1])
    assert log["step"] == 2
    assert 0 < log[f"{folders.name}_bpsp"] < 12
    trainer = Trainer.load(tmp_path / "net.run" / "checkpoint.safetensors")
    assert kind_of(trainer.settings.architecture) == kind
    if kind in ("pixelcnn", "row-lstm"):
        return
    loaded = load_network(out)
    assert loaded.architecture == trainer.settings.architecture
    pixels = samples.photo(3, 9, 10)
    expected = network_bits(trainer.averaged(), pixels, CLASSES[0])
    np.testing.assert_array_equal(network_bits(loaded, pixels, CLASSES[0]), expected)


def test_a_run_of_a_conditional_network_continues_bit_for_bit(folders: Path, tmp_path: Path) -> None:
    architecture = sized("gated", SMALL, units=5, condition="class", classes=CLASSES)
    settings = Settings(architecture=architecture, steps=6, batch=2, crop=9)
    x, classes = smooth_images(2, 9, 9).float(), torch.tensor([0, 1])
    whole = Trainer(settings)
    losses = [whole.train_step(x, classes) for _ in range(4)]
    halted = Trainer(settings)
    first = [halted.train_step(x, classes) for _ in range(2)]
    halted.save(tmp_path / "checkpoint.safetensors")
    resumed = Trainer.load(tmp_path / "checkpoint.safetensors")
    assert resumed.settings == settings
    assert first + [resumed.train_step(x, classes) for _ in range(2)] == losses


FAILURES = {
    "needs architecture gated, not hybrid": ["--architecture", "hybrid", "--condition", "grey"],
    "needs architecture gated, not row-lstm": ["--architecture", "row-lstm", "--condition", "class"],
    "a pixelcnn has neither units nor a condition": ["--condition", "class"],
    "grey ones have no colours": ["--architecture", "gated", "--condition", "grey", "--grey"],
}


@pytest.mark.parametrize("message", FAILURES)
def test_options_that_do_not_go_together_are_refused(
    message: str, folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(folders, tmp_path / "net.safetensors", *FAILURES[message])) != 0
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_single_class_is_refused(folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more = ["--architecture", "gated", "--condition", "class"]
    assert main(arguments(folders / CLASSES[0], tmp_path / "net.safetensors", *more)) != 0
    assert "needs two classes or more, found 0" in capsys.readouterr().err


def test_images_of_an_unknown_class_are_refused(folders: Path) -> None:
    made = network("gated", "class").float()
    with pytest.raises(ValueError, match="in subfolder 'fog', expected one of the classes bricks, clouds"):
        network_bits(made, samples.photo(3, 9, 9), "fog")


def test_small_images_are_refused_by_the_scales() -> None:
    with pytest.raises(ValueError, match="image is 9x7, expected 8x8 or more"):
        network("multiscale")(smooth_images(1, LEAST_SIDE - 1, 9))


def test_the_codec_refuses_a_network_for_torch(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "net.safetensors"
    assert main(arguments(folders, out, "--architecture", "multiscale")) == 0
    with safe_open(out, framework="np") as f:
        assert json.loads(f.metadata()["architecture"])["kind"] == "multiscale"
    image, coded = folders / CLASSES[0] / "image.png", tmp_path / "image.pxc"
    assert main(["encode", str(image), str(coded), "--model", str(out)]) != 0
    error = capsys.readouterr().err
    assert "a network that only torch runs" in error
    assert "Traceback" not in error
    assert not coded.exists()
    for wrong in (image, coded.with_name("none")):
        with pytest.raises((ValueError, FileNotFoundError)):
            load_network(wrong)


def test_only_what_codes_files_starts_from_another_run(
    folders: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("pixelcnn", "gated"):
        assert main(arguments(folders, tmp_path / f"{kind}.safetensors", "--architecture", kind)) == 0
    sources = {
        kind: str(tmp_path / f"{kind}.run" / "checkpoint.safetensors") for kind in ("pixelcnn", "gated")
    }
    for kind, source in (
        ("gated", "pixelcnn"),
        ("pixelcnn", "gated"),
        ("gated", "gated"),
        ("row-lstm", "gated"),
    ):
        more = ["--architecture", kind, "--from", sources[source]]
        assert main(arguments(folders, tmp_path / "b.safetensors", *more)) != 0
        assert f"a {kind} cannot start with the weights of a {source}" in capsys.readouterr().err
    out = tmp_path / "row.safetensors"
    more = ["--architecture", "row-lstm", "--units", "7", "--from", sources["pixelcnn"]]
    assert main(arguments(folders, out, *more)) == 0
    row = Trainer.load(tmp_path / "row.run" / "checkpoint.safetensors").settings.architecture
    assert kind_of(row) == "row-lstm"
    assert row.blocks == SMALL.blocks
