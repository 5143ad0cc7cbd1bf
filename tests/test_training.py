"""Training: it learns, stops and continues exactly, leaves a log, and its result codes images."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open

import pixcodec
import samples
from pixcodec.cli import main
from pixcodec.container.container import TileKind, parse
from pixcodec.mixing.lattices import LATTICE_FIELDS, invert_lattices
from pixcodec.network.architecture import Architecture
from pixcodec.network.model_files import load_model
from pixcodec.network.pixelcnn import bits_per_subpixel
from pixcodec.training.data import CropSampler
from pixcodec.training.export import export
from pixcodec.training.histories import GREY_HISTORIES, RGB_HISTORIES, History, add_history, photo_cd_history
from pixcodec.training.restart import restart
from pixcodec.training.train import train
from pixcodec.training.trainer import Settings, Trainer

TINY = Settings(
    architecture=Architecture(3, 6, 1, 6, 2), steps=40, batch=2, crop=16, warmup=5, quantise_from=0.5, seed=3
)


def tiny(channels: int) -> Settings:
    return replace(TINY, architecture=replace(TINY.architecture, channels=channels))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for name in ("gradient", "pixel_art"):
        Image.fromarray(samples.KINDS[name](24, 30, 3)).save(folder / f"{name}.png")
    Image.fromarray(samples.photo(3)).save(folder / "photo.png")
    return folder


def weights_of(trainer: Trainer) -> dict[str, torch.Tensor]:
    found = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    return found | {f"average.{n}": v.clone() for n, v in trainer.average.items()}


def assert_same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def steps(trainer: Trainer, sampler: CropSampler, until: int) -> list[float]:
    """Train up to step ``until`` and return the losses."""
    losses = []
    while trainer.step < until:
        losses.append(trainer.train_step(torch.from_numpy(sampler(trainer.step))))
    return losses


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_the_loss_falls(channels: int, data: Path) -> None:
    sampler = CropSampler(data, channels, 16, 2, 0)
    trainer = Trainer(replace(tiny(channels), steps=400))
    unseen = [torch.from_numpy(sampler(step)) for step in range(1000, 1010)]

    def loss() -> float:
        trainer.network.quantised = True
        with torch.no_grad():
            return float(np.mean([float(bits_per_subpixel(trainer.network(b), b).mean()) for b in unseen]))

    before = loss()
    steps(trainer, sampler, 120)
    assert loss() < 0.9 * before


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 13, 25])
def test_a_run_that_stopped_continues_bit_for_bit(stop: int, data: Path, tmp_path: Path) -> None:
    sampler = CropSampler(data, 3, 16, 2, TINY.seed)
    whole = Trainer(TINY)
    whole_losses = steps(whole, sampler, 32)
    halted = Trainer(TINY)
    first = steps(halted, sampler, stop)
    halted.save(tmp_path / "checkpoint.safetensors")
    resumed = Trainer.load(tmp_path / "checkpoint.safetensors")
    assert resumed.settings == TINY
    assert resumed.step == stop
    assert_same(weights_of(resumed), weights_of(halted))
    assert first + steps(resumed, sampler, 32) == whole_losses
    assert_same(weights_of(resumed), weights_of(whole))


class StoppedError(Exception):
    pass


@pytest.mark.slow
def test_a_stopped_run_in_a_folder_continues_bit_for_bit(data: Path, tmp_path: Path) -> None:
    whole = train(data, tmp_path / "whole", TINY)
    assert np.float64(sys.float_info.min) / 2 > 0  # the rest of the process keeps its subnormal numbers
    calls = 0

    def stop(entry: dict[str, object]) -> None:
        nonlocal calls
        calls += 1
        if calls == 7:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(data, tmp_path / "run", TINY, every_seconds=0, report=stop)
    assert Trainer.load(tmp_path / "run" / "checkpoint.safetensors").step == 7
    resumed = train(data, tmp_path / "run", TINY)
    assert resumed.step == whole.step == TINY.steps
    assert_same(weights_of(resumed), weights_of(whole))


def test_batches_depend_on_seed_and_step_alone(data: Path) -> None:
    sampler, other = CropSampler(data, 3, 16, 4, 5), CropSampler(data, 3, 16, 4, 6)
    late = sampler(9)
    np.testing.assert_array_equal(CropSampler(data, 3, 16, 4, 5)(9), late)
    assert late.shape == (4, 3, 16, 16)
    assert late.dtype == np.float32
    assert late.min() >= 0
    assert late.max() <= 255
    assert not np.array_equal(sampler(8), late)
    assert not np.array_equal(other(9), late)


def test_a_folder_without_large_images_is_refused(data: Path) -> None:
    with pytest.raises(ValueError, match="no image of at least 99x99 pixels"):
        CropSampler(data, 3, 99, 1, 0)


@pytest.fixture(scope="module")
def run_folder(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(data, folder, TINY, validation=[data], every_seconds=0.2)
    return folder


def test_the_log_is_json_lines_that_rise_to_the_last_step(run_folder: Path) -> None:
    entries = [json.loads(line) for line in (run_folder / "log.jsonl").read_text().splitlines()]
    counts = [entry["step"] for entry in entries]
    assert counts == sorted(set(counts))
    assert counts[-1] == TINY.steps
    for entry in entries:
        assert entry["pixels_seen"] == entry["step"] * 2 * 16 * 16
        assert entry["quantised"] == (entry["step"] >= 20)
        assert 0 < entry["train_bpsp"] < 12
        (validated,) = (value for key, value in entry.items() if key not in FIELDS)
        assert 0 < validated < 12


FIELDS = {"step", "pixels_seen", "seconds", "pixels_per_second", "train_bpsp", "quantised"}


def test_the_checkpoint_is_safetensors_alone(run_folder: Path) -> None:
    assert {path.name for path in run_folder.iterdir()} == {"checkpoint.safetensors", "log.jsonl"}
    with safe_open(run_folder / "checkpoint.safetensors", framework="np") as f:
        assert int(f.metadata()["step"]) == TINY.steps
        assert json.loads(f.metadata()["settings"])["seed"] == TINY.seed
        kinds = {name.split(".")[0] for name in f.keys()}  # noqa: SIM118 - not a dict
    assert kinds == {"weights", "average", "optimiser"}


def test_a_finished_run_is_left_as_it_is(run_folder: Path, data: Path) -> None:
    before = (run_folder / "log.jsonl").read_bytes()
    assert train(data, run_folder, TINY).step == TINY.steps
    lines = (run_folder / "log.jsonl").read_bytes()[len(before) :].splitlines()
    assert all(json.loads(line)["step"] == TINY.steps for line in lines)


@pytest.mark.usefixtures("no_packed_layers")
@pytest.mark.parametrize("channels", [1, 3])
def test_a_trained_model_codes_images(channels: int, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    trainer = Trainer(tiny(channels))
    steps(trainer, CropSampler(data, channels, 16, 2, 0), 40)
    export(trainer.averaged(), path, {"description": "tiny"})
    image = np.squeeze(samples.photo(channels, 24, 30))
    encoded = pixcodec.encode(image, effort="fast", model=path)
    assert parse(encoded).header.model_id == load_model(path).model_id[:8]
    assert parse(encoded).tiles[0].kind is TileKind.CODED
    np.testing.assert_array_equal(pixcodec.decode(encoded, model=path), image)


@pytest.fixture(scope="module")
def earlier(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of a run whose averaged weights differ from its weights."""
    path = tmp_path_factory.mktemp("earlier") / "checkpoint.safetensors"
    trainer = Trainer(TINY)
    steps(trainer, CropSampler(data, 3, 16, 2, 0), 30)
    trainer.save(path)
    return path


LARGER = (
    {"features": 9},
    {"blocks": 3},
    {"hidden": 11},
    {"features": 9, "blocks": 3, "hidden": 11},
)


@pytest.mark.parametrize("larger", LARGER, ids=lambda larger: "+".join(larger))
def test_a_grown_network_begins_with_the_same_function(
    larger: dict[str, int], earlier: Path, data: Path
) -> None:
    old = Trainer.load(earlier).averaged()
    old.quantised = False
    settings = replace(TINY, architecture=replace(TINY.architecture, **larger), seed=8)
    trainer = restart(earlier, settings)
    batch = torch.from_numpy(CropSampler(data, 3, 16, 4, 9)(0))
    with torch.no_grad():
        expected = bits_per_subpixel(old(batch), batch)
        torch.testing.assert_close(
            bits_per_subpixel(trainer.network(batch), batch), expected, atol=1e-5, rtol=1e-5
        )
    assert_same(trainer.average, dict(trainer.network.named_parameters()))
    # What was added takes part in training within two steps.
    before = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    steps(trainer, CropSampler(data, 3, 16, 2, 0), 3)
    for name, parameter in trainer.network.named_parameters():
        if name.startswith(("conv", "mix", "heads")) and name.endswith("weight"):
            assert bool((parameter != before[name])[-1].any()), name


def test_a_restarted_run_begins_at_step_0_with_the_averaged_weights(earlier: Path) -> None:
    old = Trainer.load(earlier)
    settings = replace(TINY, steps=7, learning_rate=1e-3, seed=8)
    trainer = restart(earlier, settings)
    assert trainer.step == 0
    assert trainer.settings == settings
    assert not trainer.optimiser.state
    assert_same(dict(trainer.network.named_parameters()), old.average)
    assert_same(trainer.average, old.average)
    assert not torch.equal(old.average["input.weight"], old.network.input.weight)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"channels": 1}, "channels is 1, expected 3 as in the checkpoint"),
        ({"components": 3}, "components is 3, expected 2 as in the checkpoint"),
        ({"features": 5}, "features is 5, expected at least 6 as in the checkpoint"),
        ({"blocks": 0}, "blocks is 0, expected at least 1 as in the checkpoint"),
        ({"hidden": 5}, "hidden is 5, expected at least 6 as in the checkpoint"),
    ],
)
def test_a_network_that_cannot_hold_the_weights_is_refused(
    sizes: dict[str, int], message: str, earlier: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        restart(earlier, replace(TINY, architecture=replace(TINY.architecture, **sizes)))


def test_a_file_that_is_no_checkpoint_is_refused(data: Path, earlier: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    export(Trainer.load(earlier).averaged(), model, {})
    for path in (model, data / "photo.png"):
        with pytest.raises(ValueError, match="not a checkpoint of a training run"):
            restart(path, TINY)


def test_the_command_restarts_and_then_resumes(
    data: Path, earlier: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "model.safetensors"
    command = ["train", str(data), "--out", str(out), "--from", str(earlier), "--hidden", "8"]
    command += ["--steps", "3", "--batch", "1", "--crop", "16"]
    assert main(command) == 0
    assert load_model(out).architecture == replace(TINY.architecture, hidden=8)
    assert Trainer.load(tmp_path / "model.run" / "checkpoint.safetensors").step == 3
    assert main([*command, "-f", "--from", "nothing"]) == 0
    assert main([*command, "-f", "--run", str(tmp_path / "other"), "--features", "5"]) == 1
    assert "features is 5, expected at least 6" in capsys.readouterr().err


HISTORIES = [
    *((history, 3) for _, history in RGB_HISTORIES),
    *((history, 1) for _, history in GREY_HISTORIES),
    *((add_history, channels) for channels in (1, 3)),
]


@pytest.mark.parametrize(("history", "channels"), HISTORIES)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1), (2, 2), (23, 30), (24, 31)])
def test_a_history_keeps_the_shape_and_depends_on_the_generator_alone(
    history: History, channels: int, size: tuple[int, int]
) -> None:
    whole = samples.photo(channels)
    pixels = whole[3 : 3 + size[0], 5 : 5 + size[1]]
    before = pixels.copy()
    for seed in range(4):
        result = history(pixels, np.random.default_rng(seed))
        assert result.shape == pixels.shape
        assert result.dtype == np.uint8
        np.testing.assert_array_equal(history(pixels, np.random.default_rng(seed)), result)
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize(("history", "channels"), HISTORIES[:-2])
def test_a_history_changes_a_photograph_a_little(history: History, channels: int) -> None:
    pixels = samples.photo(channels)
    for seed in range(4):
        result = history(pixels, np.random.default_rng(seed))
        assert 0 < np.abs(result.astype(int) - pixels).mean() < 60


@pytest.mark.parametrize("histories", [RGB_HISTORIES, GREY_HISTORIES])
def test_about_half_of_the_images_have_no_history(histories: tuple[tuple[float, History], ...]) -> None:
    assert all(probability > 0 for probability, _ in histories)
    assert 0.3 < sum(probability for probability, _ in histories) < 0.7


@pytest.mark.parametrize("size", [(47, 61), (46, 60), (1, 40)])
def test_photo_cd_history_lies_on_the_lattice_of_the_codec(size: tuple[int, int]) -> None:
    pixels = samples.photo(3, *size)
    result = photo_cd_history(pixels, np.random.default_rng(0))
    lattice = np.zeros((1, 1, LATTICE_FIELDS), np.int32)
    unclipped = result[(result > 0).all(2) & (result < 255).all(2)].tolist()
    fits = [invert_lattices(lattice, 0, 0, r, g, b) >= 2 for r, g, b in unclipped]
    assert len(fits) > 0.8 * result.shape[0] * result.shape[1]
    assert np.mean(fits) > 0.99
    untouched = [invert_lattices(lattice, 0, 0, r, g, b) >= 2 for r, g, b in noise_rgb()]
    assert np.mean(untouched) < 0.5


def noise_rgb() -> list[list[int]]:
    """Return pixels that lie on a lattice by chance only."""
    found: list[list[int]] = samples.noise(40, 40, 3).reshape(-1, 3).tolist()
    return found
