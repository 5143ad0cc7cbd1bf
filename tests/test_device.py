"""The network on a device of torch: the bytes are those of the kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pixcodec
import samples
from command_line import Runner, assert_failed
from pixcodec.network.model_files import load_model, shipped_model

torch = pytest.importorskip("torch")

from pixcodec.network import torch_net  # noqa: E402

DEVICES = ["cpu"] + ["cuda"] * torch.cuda.is_available()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("effort", ["fast", "normal", "max"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_bytes_are_the_same(device: str, effort: str, channels: int) -> None:
    image = samples.photo(channels, 47, 61)
    image = image[:, :, 0] if channels == 1 else image
    data = pixcodec.encode(image, effort=effort)
    assert pixcodec.encode(image, effort=effort, device=device) == data


@pytest.mark.parametrize("device", DEVICES)
def test_bands_and_tiles_do_not_show(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_net, "_BAND_PIXELS", 1000)  # three rows
    tall = np.tile(samples.photo(3, 47, 61), (8, 1, 1))[:300]
    tall = np.ascontiguousarray(tall + samples.noise(300, 61, 3) % 3)
    data = pixcodec.encode(tall, effort="fast")
    assert pixcodec.encode(tall, effort="fast", device=device, threads=2) == data


def test_any_model_runs() -> None:
    model = load_model(samples.GOLDEN / "rgb.safetensors")
    image = samples.noise(9, 7, 3)
    assert pixcodec.encode(image, model=model, device="cpu") == pixcodec.encode(image, model=model)


def test_tiles_with_runs_and_images_without_network_do_without() -> None:
    for image in (samples.flat(40, 40, 3), samples.MODES["palette_4"]("pixel_art", 40, 40)):
        assert pixcodec.encode(image, device="cpu") == pixcodec.encode(image)


def test_a_missing_device_is_an_error() -> None:
    with pytest.raises(pixcodec.DeviceError, match="nonsense"):
        pixcodec.encode(samples.photo(3, 9, 9), device="nonsense")
    if not torch.cuda.is_available():
        with pytest.raises(pixcodec.DeviceError, match="cuda"):
            torch_net.TorchNetwork(shipped_model(3), "cuda")


def test_on_the_command_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run, photo = Runner(capfd), samples.IMAGES / "kodak23_61x47_rgb.png"
    assert run("encode", "--device", "cpu", photo, tmp_path / "a.pxc").status == 0
    assert run("encode", photo, tmp_path / "b.pxc").status == 0
    assert (tmp_path / "a.pxc").read_bytes() == (tmp_path / "b.pxc").read_bytes()
    assert_failed(run("encode", "--device", "nonsense", photo, tmp_path / "c.pxc"), 1, "nonsense")
    assert not (tmp_path / "c.pxc").exists()
