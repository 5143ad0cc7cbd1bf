"""Which of the shipped networks codes a picture: the one that does best on a sample of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from pixcodec import tiling
from pixcodec.codec import header_of
from pixcodec.container.container import parse
from pixcodec.container.header import MODEL_ID_SIZE_BYTES, Effort, Mode
from pixcodec.images.ways import SAMPLES, Way, busy_sample
from pixcodec.network.model_files import MODELS, candidate_models, load_model, shipped_model
from pixcodec.tiling import Given, with_network

with Image.open(Path(__file__).parent / "images" / "kodak23_257x130_rgb.png") as opened:
    SCANNED = np.asarray(opened)
NOBODYS = Given(None, None, None)


def id_in(data: bytes) -> bytes:
    return parse(data).header.model_id


def chosen(pixels: samples.Pixels, effort: Effort = Effort.NORMAL, given: Given = NOBODYS) -> str | None:
    mode = {1: Mode.GREY, 3: Mode.RGB, 4: Mode.RGBA}[pixels.shape[2]]
    header = header_of(mode, 8, pixels.shape[:2], effort)
    model = with_network(Way(header, pixels, b""), given).model
    return Path(model.name).stem if model else None


def test_a_scanned_photograph_is_coded_by_the_network_that_learnt_such() -> None:
    data = pixcodec.encode(SCANNED)
    processed = load_model(MODELS / "rgb-processed.safetensors")
    assert id_in(data) == processed.model_id[:MODEL_ID_SIZE_BYTES]
    np.testing.assert_array_equal(pixcodec.decode(data), SCANNED)
    assert len(data) < len(pixcodec.encode(SCANNED, model=MODELS / "rgb.safetensors"))
    assert data == pixcodec.encode(SCANNED, threads=1)


def test_the_choice_is_the_smallest_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"rgb": 700, "rgb-processed": 600}
    monkeypatch.setattr(tiling, "encode_way", lambda part, slope, given: (part, given.model))
    monkeypatch.setattr(tiling, "coded_size_bytes", lambda part, model: sizes[Path(model.name).stem])
    assert chosen(SCANNED) == "rgb-processed"
    with_alpha = np.dstack([SCANNED, SCANNED[:, :, 0]])
    assert chosen(with_alpha) == "rgb-processed"
    sizes["rgb"] = 599
    assert chosen(SCANNED) == "rgb"
    sizes["rgb-processed"] = 599  # the default, if it is as good
    assert chosen(SCANNED) == "rgb"


def test_nothing_is_chosen_for_small_and_grey_pictures() -> None:
    assert chosen(SCANNED[:100]) is None
    assert chosen(SCANNED, Effort.FAST) is None
    assert chosen(np.tile(SCANNED, (2, 2, 1)), Effort.FAST) is not None
    assert chosen(SCANNED[:, :, :1]) is None
    assert chosen(SCANNED, Effort.RESEARCH) is None
    assert chosen(SCANNED.reshape(-1, 10, 3)[:3341]) is None  # as many pixels, but narrow
    assert id_in(pixcodec.encode(SCANNED[:100])) == shipped_model(3).model_id[:MODEL_ID_SIZE_BYTES]


def test_a_model_of_the_callers_own_stays() -> None:
    own = load_model(samples.GOLDEN / "rgb.safetensors")
    assert (
        with_network(
            Way(header_of(Mode.RGB, 8, (130, 257), Effort.NORMAL), SCANNED, b""), Given(own, 1, None)
        ).model
        is own
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in MODELS.glob("*.safetensors")))
def test_files_of_every_shipped_model_are_decoded_without_naming_it(name: str) -> None:
    model = load_model(MODELS / f"{name}.safetensors")
    image = SCANNED[:40, :50] if model.architecture.channels == 3 else SCANNED[:40, :50, 1]
    effort = "research" if model.recurrent else "fast"
    data = pixcodec.encode(image, effort=effort, model=model)
    assert id_in(data) == model.model_id[:MODEL_ID_SIZE_BYTES]
    np.testing.assert_array_equal(pixcodec.decode(data), image)


def test_a_sample_is_of_busy_parts() -> None:
    flat = np.zeros((300, 400, 3), np.uint8)
    flat[200:, 100:] = np.random.default_rng(1).integers(0, 256, (100, 300, 3), np.uint8)
    sample = busy_sample(flat, 16)
    assert sample is not None
    assert sample.shape == (16 * SAMPLES, 16, 3)
    assert (sample[:16] != 0).any()
    assert busy_sample(flat[:15], 16) is None
    assert busy_sample(flat[:40, :40], 16) is None


def test_candidates_are_for_colours_and_differ() -> None:
    models = candidate_models(3)
    assert models[0] is shipped_model(3)
    assert len({model.model_id for model in models}) == 2
