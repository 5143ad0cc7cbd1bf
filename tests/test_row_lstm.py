"""The Row LSTM: causal, exact in integers, by rows as by wavefronts; effort research codes with it."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

import pixcodec
import samples
from command_line import Runner, assert_failed
from pixcodec.batch.outcome import EXIT_NO_MODEL
from pixcodec.container.container import Container, TileKind, pack, parse
from pixcodec.container.header import Effort, Mode, pack_header, unpack_header
from pixcodec.errors import (
    CorruptFileError,
    DeviceError,
    LimitExceededError,
    ModelMismatchError,
    UnsupportedImageError,
    UnsupportedVersionError,
)
from pixcodec.network import row_lstm
from pixcodec.network.architecture import LOG_SCALE_MIN, Architecture, RowArchitecture
from pixcodec.network.distribution import TOTAL_BITS, frequencies
from pixcodec.network.integer_net import MixtureParameters, run_image
from pixcodec.network.model import Model
from pixcodec.network.model_files import load_model, save_model
from pixcodec.network.row_lstm import RowWavefronts, known_mixtures
from pixcodec.network.wavefront import inner, lane_range, new_canvas, wavefront_count
from pixcodec.reference import core, fast
from pixcodec.training.architectures.row_lstm import RowLSTM
from pixcodec.training.export import export, to_model
from pixcodec.training.restart import restart
from pixcodec.training.trainer import Settings, Trainer

GOLDEN = samples.GOLDEN / "rgb-row-lstm.safetensors"
GOLDEN_PIXELCNN = samples.GOLDEN / "rgb.safetensors"
HEIGHT, WIDTH = 8, 7
SIZES = RowArchitecture(features=7, blocks=1, hidden=9, components=3, lstms=2, state=5)


def random_row_lstm(sizes: RowArchitecture = SIZES, *, quantised: bool = True) -> RowLSTM:
    """Return an untrained network whose every layer matters."""
    torch.manual_seed(0)
    network = RowLSTM(sizes)
    network.quantised = quantised
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(-0.3, 0.3)
    return network


def batch_of(pixels: samples.Pixels) -> torch.Tensor:
    return torch.from_numpy(pixels.transpose(2, 0, 1)[None].astype(np.float32))


@pytest.mark.parametrize("quantised", [False, True])
def test_no_gradient_reaches_a_later_subpixel_but_some_reach_the_first_row(quantised: bool) -> None:
    network = random_row_lstm(RowArchitecture(3, 7, 0, 9, 3, 1, 5), quantised=quantised)
    batch = batch_of(samples.photo(3, HEIGHT, WIDTH)).requires_grad_()
    found = [torch.cat([o["logit"], o["mean"], o["log_scale"]], 1)[0] for o in network(batch)]
    for c in range(3):
        for y, x in [(0, 0), (0, WIDTH - 1), (3, 0), (HEIGHT - 1, 3), (HEIGHT - 1, WIDTH - 1)]:
            (gradient,) = torch.autograd.grad(found[c][:, y, x].sum(), batch, retain_graph=True)
            in_order = gradient[0].permute(1, 2, 0).reshape(-1)
            here = (y * WIDTH + x) * 3 + c
            assert (in_order[here:] == 0).all()
            assert here == 0 or (in_order[:here] != 0).any()
            if y == HEIGHT - 1:  # no neighbour lies more than 3 rows above: the state knows of this one
                assert (gradient[0, :, 0] != 0).any()


def steps_of(network: RowLSTM, image: samples.Pixels) -> list[npt.NDArray[np.float32]]:
    """Return logits, means and log scales (N, K) of each channel, as the integer network counts them."""
    with torch.no_grad():
        found = network(batch_of(image))
    steps = []
    for o in found:
        for name, offset, scale in (("logit", 0, 32), ("mean", 0, 16), ("log_scale", LOG_SCALE_MIN, 32)):
            steps.append(((o[name][0] - offset) * scale).flatten(1).T.numpy())
    return steps


def integers_of(model: Model, image: samples.Pixels) -> list[npt.NDArray[np.int32]]:
    return [part for m in run_image(model, image) for part in (m.logit, m.mean, m.log_scale)]


@pytest.mark.parametrize("sizes", [SIZES, RowArchitecture(3, 6, 0, 5, 2, 1, 9)], ids=["blocks", "no_blocks"])
@pytest.mark.parametrize("number", [5, 23])
def test_the_rounded_network_gives_the_integers(number: int, sizes: RowArchitecture) -> None:
    network, image = random_row_lstm(sizes), samples.photo(3, 23, 31, number=number)
    expected = integers_of(to_model(network), image)
    assert all(part.std() > 0 for part in expected)
    np.testing.assert_equal(steps_of(network, image), expected)


def test_the_integer_network_carries_its_state_over_all_rows() -> None:
    image = samples.photo(3, 23, 9)
    changed = image.copy()
    changed[0] ^= 64
    model = to_model(random_row_lstm())
    before, after = integers_of(model, image), integers_of(model, changed)
    last = slice(22 * 9, None)
    assert any((a[last] != b[last]).any() for a, b in zip(before, after, strict=True))


def mixtures_of_waves(model: Model, image: samples.Pixels, slope: int) -> list[MixtureParameters]:
    """Return the mixtures of all subpixels as a decoder computes them: nothing later is in the canvas."""
    height, width, _ = image.shape
    canvas = new_canvas(height, width, 3)
    network, shape = RowWavefronts(model, height, width, slope, canvas), (height, width, 3)
    found = [MixtureParameters(*(np.full(shape, -9999, np.int32) for _ in range(3))) for _ in range(3)]
    for t in range(wavefront_count(slope, height, width)):
        first, lanes = lane_range(t, slope, height, width)
        if lanes == 0:
            continue
        y = np.arange(first, first + lanes)
        x = t - slope * y
        network.features(t, first, lanes)
        for c in range(3):
            mixture = network.mixture(c)
            for part in ("logit", "mean", "log_scale"):
                getattr(found[c], part)[y, x] = getattr(mixture, part)
            inner(canvas)[y, x, c] = image[y, x, c]
    return found


@pytest.mark.parametrize(
    ("height", "width", "slope"), [(13, 17, 3), (13, 5, 3), (5, 9, 4), (7, 4, 9), (1, 9, 3), (9, 1, 3)]
)
def test_wavefronts_give_what_rows_give(height: int, width: int, slope: int) -> None:
    model, image = to_model(random_row_lstm()), samples.photo(3, height, width, number=5)
    waves = mixtures_of_waves(model, image, slope)
    found = [part.reshape(-1, 3) for m in waves for part in (m.logit, m.mean, m.log_scale)]
    np.testing.assert_equal(found, integers_of(model, image))


def test_bands_of_rows_give_what_all_rows_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_lstm, "_BAND_PIXELS", 40)
    model, image = to_model(random_row_lstm()), samples.photo(3, 23, 17)
    known = known_mixtures(model, image)
    found = [part[c] for c in range(3) for part in (known.logit, known.mean, known.log_scale)]
    np.testing.assert_equal(found, integers_of(model, image))


@pytest.mark.parametrize("order", ["wavefront", "raster"])
@pytest.mark.parametrize(("height", "width"), [(13, 17), (19, 8), (1, 40), (40, 1), (2, 2)])
def test_an_image_comes_back_and_another_decoder_agrees(height: int, width: int, order: str) -> None:
    image = samples.photo(3, height, width, number=5)
    data = pixcodec.encode(image, effort="research", order=order, model=GOLDEN)
    np.testing.assert_array_equal(pixcodec.decode(data, model=GOLDEN), image)
    np.testing.assert_array_equal(fast.decode(data, [GOLDEN]), image)
    assert parse(data).header.effort is Effort.RESEARCH


@pytest.mark.parametrize("kind", samples.KINDS)
def test_generated_images_come_back(kind: str) -> None:
    image = samples.KINDS[kind](21, 18, 3)  # pixel_art has runs in other efforts
    data = pixcodec.encode(image, effort="research", model=GOLDEN, verify=True)
    assert {tile.kind for tile in parse(data).tiles} == {TileKind.RAW if kind == "noise" else TileKind.CODED}


def test_the_shipped_model_decodes_its_files_in_a_fresh_process(tmp_path: Path) -> None:
    image = samples.photo(3)
    path, out = tmp_path / "photo.pxc", tmp_path / "photo.png"
    path.write_bytes(pixcodec.encode(image, effort="research"))
    assert path.stat().st_size < 1.01 * len(pixcodec.encode(image, effort="fast"))
    command = [sys.executable, "-m", "pixcodec", "decode", str(path), str(out)]
    subprocess.run(command, check=True, capture_output=True)
    np.testing.assert_array_equal(np.asarray(Image.open(out)), image)


def test_the_bitstream_is_as_long_as_the_distributions_say() -> None:
    model, image = load_model(GOLDEN), samples.photo(3)
    bits = 0.0
    for c, mixture in enumerate(run_image(model, image)):
        symbols = image[..., c].ravel().astype(np.int32)
        bits += float((TOTAL_BITS - np.log2(frequencies(model, mixture, symbols))).sum())
    (tile,) = parse(pixcodec.encode(image, effort="research", model=model)).tiles
    assert abs(8 * len(tile.bitstream) - bits) <= 0.001 * bits + 64


def container(height: int = 9, width: int = 13) -> Container:
    return parse(pixcodec.encode(samples.photo(3, height, width), effort="research", model=GOLDEN))


def with_tile(c: Container, **fields: Any) -> bytes:
    (tile,) = c.tiles
    return pack(replace(c, tiles=(replace(tile, **fields),)))


def test_damage_is_reported() -> None:
    whole = container()
    stream = whole.tiles[0].bitstream
    for at in range(0, len(stream) - 4, 7):  # the last word has spare bits
        damaged = bytearray(stream)
        damaged[at] ^= 0x55
        with pytest.raises(CorruptFileError):
            pixcodec.decode(with_tile(whole, bitstream=bytes(damaged)), model=GOLDEN)
    for bitstream in (stream[:-4], stream + b"\1" * 8, stream[:-1]):
        with pytest.raises(CorruptFileError):
            pixcodec.decode(with_tile(whole, bitstream=bitstream), model=GOLDEN)
    with pytest.raises(CorruptFileError, match="tile 0: has runs, but effort research has none"):
        pixcodec.decode(with_tile(whole, kind=TileKind.RUNS), model=GOLDEN)
    with pytest.raises(CorruptFileError, match="slope is 2"):
        pixcodec.decode(with_tile(whole, slope=2), model=GOLDEN)


def test_a_tile_that_needs_too_much_memory_is_refused() -> None:
    whole = container()
    header = replace(whole.header, width=2**14, height=2**11, tile_width=2**14, tile_height=2**11)
    with pytest.raises(LimitExceededError, match="bytes of memory"):
        pixcodec.decode(pack(replace(whole, header=header)), model=GOLDEN)
    with pytest.raises(LimitExceededError, match="bytes of memory"):
        pixcodec.decode(with_tile(container(40, 5), slope=2**20), model=GOLDEN)


@pytest.mark.parametrize("mode", sorted(samples.MODES))
def test_images_of_other_kinds_are_refused(mode: str) -> None:
    if mode == "rgb":
        return
    with pytest.raises(UnsupportedImageError, match="effort research codes RGB images of 8 bits alone"):
        pixcodec.encode(samples.MODES[mode]("photo", 5, 6), effort="research")


def test_the_command_says_why_it_refuses_in_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, out, run = tmp_path / "grey.png", tmp_path / "grey.pxc", Runner(capfd)
    Image.fromarray(samples.photo(1, 9, 13)[:, :, 0]).save(path)
    assert_failed(run("encode", "--effort", "research", path, out), 1, "image is GREY, 8 bits", "research")
    Image.fromarray(samples.photo(3, 9, 13)).save(path)
    for effort, model in (("fast", GOLDEN), ("research", GOLDEN_PIXELCNN)):
        done = run("encode", "--effort", effort, "--model", model, path, out)
        assert_failed(done, EXIT_NO_MODEL, "PixelCNN", f"effort {effort}")
    assert list(tmp_path.iterdir()) == [path]


def test_headers_of_other_kinds_are_refused() -> None:
    header = container().header
    assert unpack_header(pack_header(header), "HEAD") == header
    changes: list[dict[str, Any]] = [{"mode": Mode.GREY}, {"bit_depth": 9}, {"graphics": True}]
    for change in changes:
        with pytest.raises(UnsupportedVersionError, match="an image of effort research is"):
            unpack_header(pack_header(replace(header, **change)), "HEAD")
    with pytest.raises(UnsupportedVersionError, match="effort of format version 5 is 3"):
        unpack_header(pack_header(replace(header, version=5)), "HEAD")


def test_models_of_another_kind_are_refused() -> None:
    image = samples.photo(3, 9, 13)
    with pytest.raises(ModelMismatchError, match="is a PixelCNN, effort research needs a Row LSTM"):
        pixcodec.encode(image, effort="research", model=GOLDEN_PIXELCNN)
    for effort in ("fast", "normal", "max"):
        with pytest.raises(ModelMismatchError, match=f"is a Row LSTM, effort {effort} needs a PixelCNN"):
            pixcodec.encode(image, effort=effort, model=GOLDEN)
    with pytest.raises(ModelMismatchError, match="is a PixelCNN, effort research"):
        pixcodec.decode(pack(container()), model=GOLDEN_PIXELCNN)
    with pytest.raises(ModelMismatchError, match=load_model(GOLDEN).model_id[:8].hex()):
        pixcodec.decode(pack(container()))
    with pytest.raises(DeviceError, match="effort research"):
        pixcodec.encode(image, effort="research", device="cpu")


def test_another_effort_with_the_id_of_a_row_lstm_is_refused() -> None:
    whole = container()
    data = pack(replace(whole, header=replace(whole.header, effort=Effort.FAST)))
    with pytest.raises(ModelMismatchError, match="is a Row LSTM, effort fast"):
        pixcodec.decode(data, model=GOLDEN)


def with_value(at: int, value: int) -> Any:
    def change(tensor: npt.NDArray[Any]) -> npt.NDArray[Any]:
        tensor.flat[at] = value
        return tensor

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("gates.0.weight", lambda t: t[:, 1:].copy(), "gates.0.weight' is int16"),
        ("out.0.bias", lambda t: t.astype(np.int64), "out.0.bias' is int64"),
        ("gates.0.weight", lambda t: np.full_like(t, 2**15 - 1), "layer 'gates.0': a sum can reach"),
        ("gates.1.weight", lambda _: np.zeros((4, 4), np.int16), "unknown tensors"),
        ("table.sigmoid", lambda t: t[1:].copy(), "table.sigmoid' is int16"),
        ("table.tanh", lambda t: t.astype(np.int32), "table.tanh' is int32"),
        ("table.sigmoid", with_value(-1, 2049), "table 'sigmoid' is not monotone within its range"),
        ("table.sigmoid", with_value(0, -1), "table 'sigmoid' is not monotone within its range"),
        ("table.tanh", with_value(0, -2049), "table 'tanh' is not monotone within its range"),
        ("table.tanh", with_value(2000, 2048), "table 'tanh' is not monotone within its range"),
    ],
)
def test_model_files_that_are_not_exact_are_refused(
    name: str, change: Any, message: str, tmp_path: Path
) -> None:
    tensors = load_file(GOLDEN)
    tensors[name] = change(tensors[name].copy() if name in tensors else None)
    path = tmp_path / "model.safetensors"
    save_model(path, load_model(GOLDEN).architecture, tensors, {})
    with pytest.raises(CorruptFileError, match=message):
        load_model(path)


@pytest.mark.parametrize("sizes", [{"lstms": 0}, {"lstms": 9}, {"state": 513}, {"state": -1}])
def test_sizes_out_of_range_are_refused(sizes: dict[str, int], tmp_path: Path) -> None:
    path, model = tmp_path / "model.safetensors", load_model(GOLDEN)
    save_model(path, replace(model.architecture, **sizes), model.tensors, {})
    with pytest.raises(CorruptFileError, match=f"{next(iter(sizes))} is "):
        load_model(path)


def test_a_model_file_holds_what_was_exported(tmp_path: Path) -> None:
    path, network = tmp_path / "model.safetensors", random_row_lstm()
    export(network, path, {})
    loaded = load_model(path)
    assert loaded.architecture == SIZES
    assert loaded.model_id == to_model(network).model_id == core.Network(path).model_id()
    assert len({loaded.model_id, to_model(random_row_lstm(replace(SIZES, blocks=0))).model_id}) == 2


def test_a_row_lstm_begins_as_the_pixelcnn_whose_weights_it_is_given(tmp_path: Path) -> None:
    pixelcnn, batch = Trainer(Settings(Architecture(3, 7, 1, 9, 3))), batch_of(samples.photo(3, 8, 8))
    pixelcnn.save(tmp_path / "checkpoint")
    row_lstm = restart(tmp_path / "checkpoint", Settings(SIZES)).network
    assert isinstance(row_lstm, RowLSTM)
    for found, expected in zip(row_lstm(batch), pixelcnn.network(batch), strict=True):
        for name in expected:
            torch.testing.assert_close(found[name], expected[name])


def test_training_goes_on_where_it_stopped_and_learns(tmp_path: Path) -> None:
    settings = Settings(SIZES, steps=24, warmup=4, quantise_from=0.8)
    batch = batch_of(samples.photo(3, 8, 8))
    whole = Trainer(settings)
    losses = []
    for _ in range(settings.steps):
        if whole.step == 12:
            whole.save(tmp_path / "checkpoint")
        losses.append(whole.train_step(batch))
    assert losses[-1] < losses[0] - 0.2
    resumed = Trainer.load(tmp_path / "checkpoint")
    assert resumed.settings == settings
    again = [resumed.train_step(batch) for _ in range(12)]
    assert again == losses[12:]
    assert isinstance(whole.averaged(), RowLSTM)
    with pytest.raises(ValueError, match="lstms is 0, expected 2 as in the checkpoint"):
        restart(tmp_path / "checkpoint", replace(settings, architecture=Architecture(3, 7, 1, 9, 3)))
    with pytest.raises(ValueError, match="takes no condition"):
        whole.network(batch, torch.zeros(1))
