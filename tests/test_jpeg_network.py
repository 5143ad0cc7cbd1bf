"""The network of JPEG blocks: the integers that ship compute what torch trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import samples
from benchmarks.training.jpeg import blocks as training
from benchmarks.training.jpeg import export
from jpeg_file import jpeg_of
from pixcodec.coding.driver import run_by_steps
from pixcodec.container.header import KEPT_VERSIONS, Effort, Header, Mode
from pixcodec.errors import CorruptFileError
from pixcodec.jpeg.files.kept import taken_apart
from pixcodec.jpeg.stream import coder, network_files
from pixcodec.jpeg.stream.network import LOG16, NEGATIVE
from pixcodec.jpeg.stream.stage import EXPONENT, SIGN, ZERO
from pixcodec.jpeg.stream.state import StreamKind

torch = pytest.importorskip("torch")
RUN = Path(training.__file__).parent


def image_of(data: bytes) -> coder.Image:
    header = Header(1, 1, Mode.GREY, Effort.FAST, 1, 1, b"", kept=True, version=KEPT_VERSIONS[-1])
    return taken_apart(data, header)[1][0]


def logits_of(stage: Any) -> list[tuple[int, int, int, int]]:
    """Return block, k (64: the length), output and logit of the bits that a stage codes."""
    found: list[tuple[int, int, int, int]] = []
    lanes: list[np.ndarray] = []

    def begin() -> None:
        lanes[:] = [stage.active[: int(stage.wave[0]["active"])].copy(), stage.lane.copy()]

    def end(symbols: Any, rows: Any) -> None:
        for r in lanes[0]:
            own = lanes[1][r]
            block, logit = int(r * stage.blocks.shape[1] + own["column"]), int(stage.mixers.inputs[0, r, 0])
            if own["phase"] == ZERO:
                found.append((block, int(own["k"]), 0, logit))
            elif own["phase"] == SIGN:
                found.append((block, int(own["k"]), NEGATIVE, logit))
            elif own["phase"] == EXPONENT and own["power"] < 5:
                output = NEGATIVE * int(own["negative"]) + 1 + int(own["power"])
                found.append((block, int(own["k"]), output, logit))
            elif own["phase"] < ZERO:
                low = own["phase"] == ZERO - 1
                node = (own["node"] - 8) * 7 + 7 + own["entry"] if low else own["entry"] % 8
                found.append((block, 64, int(node), logit))

    run_by_steps(stage, begin, end)
    return found


@pytest.mark.parametrize("data", [jpeg_of(samples.photo(3), 90, 2), jpeg_of(samples.photo(1), 60, 0)])
def test_integers_compute_what_torch_computes(data: bytes) -> None:
    from benchmarks.training.jpeg.network import BlockNetwork, batch_of

    image = image_of(data)
    components = dict(training.components(image))
    for _, number, stage in coder.component_stages([image], StreamKind(1)):
        network = BlockNetwork(number > 0)
        name = "chroma" if number else "luma"
        weights = load_file(RUN / f"{name}.safetensors")
        network.load_state_dict({key: torch.from_numpy(tensor) for key, tensor in weights.items()})
        known = training.Component(number, components[number])
        with torch.no_grad():
            bits = network(batch_of(known, np.arange(known.rows * known.columns)))
        rows = {(int(b), int(k)): at for at, (b, k) in enumerate(zip(bits.block, bits.k, strict=True))}
        expected, found = [], []
        for block, k, output, logit in logits_of(stage):
            of = bits.lengths[block] if k == 64 else bits.coefficients[rows[block, k]]
            expected.append(min(max(float(of[output]), -2047 / 256), 2047 / 256))
            found.append(logit / 256)
        errors = np.abs(np.array(found) - np.array(expected))
        assert len(errors) > 100
        assert np.mean(errors) < 0.02
        assert np.max(errors) < 0.3


def test_the_integers_that_ship_are_those_of_the_run(tmp_path: Path) -> None:
    export.main(RUN, tmp_path / "out.safetensors")
    ours, shipped = load_file(tmp_path / "out.safetensors"), load_file(network_files.PATH)
    assert ours.keys() == shipped.keys()
    for key, tensor in ours.items():
        np.testing.assert_array_equal(tensor, shipped[key])


def test_logarithms_are_exact() -> None:
    y = np.arange(1, len(LOG16))
    np.testing.assert_array_equal(LOG16[1:], np.floor(16 * np.log2(y) + 1e-9))


def test_weights_whose_sums_could_leave_32_bits_are_refused() -> None:
    weights = network_files.shipped_weights()[0]
    network_files.check_sums(weights)
    for name in ("around", "joined", "outputs", "nodes"):
        full = np.full_like(getattr(weights, name), 32767)
        with pytest.raises(CorruptFileError, match="32 bits"):
            network_files.check_sums(weights._replace(**{name: full}))
