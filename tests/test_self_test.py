"""The self-test: it passes here, and fails as soon as one number differs in its last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from command_line import Runner, assert_failed
from pixcodec.coding import self_test
from pixcodec.coding.rangecoder import Encoder
from pixcodec.container.header import Effort
from pixcodec.container.layers import Layer, LayerKind
from pixcodec.jpeg import coder
from pixcodec.jpeg.self_test import EXPECTED_STREAMS, made_image
from pixcodec.jpeg.stream import coder as stream_coder
from pixcodec.jpeg.stream.state import StreamKind

WAYS = list(self_test.EXPECTED)


@pytest.fixture(autouse=True)
def _not_tested_yet() -> Iterator[None]:
    caches = (self_test._check, coder._check_arithmetic, stream_coder._check_arithmetic)
    for cached in caches:
        cached.cache_clear()
    yield
    for cached in caches:
        cached.cache_clear()


@pytest.fixture
def another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which all self-tests give other hashes."""
    monkeypatch.setattr(self_test, "fingerprint", lambda stages: "0123456789abcdef")


@pytest.mark.parametrize("way", WAYS)
def test_this_machine_passes(way: str) -> None:
    self_test._check(way)


def test_coefficients_pass() -> None:
    coder._check_arithmetic()
    for effort in range(len(EXPECTED_STREAMS)):
        for networked in (True, False):
            stream_coder._check_arithmetic(StreamKind(effort, networked))


@pytest.mark.parametrize(
    ("effort", "kind", "low_bits", "way"),
    [
        (Effort.FAST, LayerKind.NETWORK, 0, "fast"),
        (Effort.MAX, LayerKind.NETWORK, 0, "max"),
        (Effort.RESEARCH, LayerKind.NETWORK, 0, "research"),
        (Effort.FAST, LayerKind.WIDE, 8, "side"),
        (Effort.NORMAL, LayerKind.WIDE, 8, "fitted side"),
        (Effort.MAX, LayerKind.INDEX, 0, "side"),
    ],
)
def test_each_layer_has_the_test_of_its_kernels(
    effort: Effort, kind: LayerKind, low_bits: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(self_test, "_check", asked.append)
    self_test.check_layer(effort, Layer(kind, 0, 1, 8, low_bits=low_bits))
    assert asked == [way]


def failing(way: str, monkeypatch: pytest.MonkeyPatch, change: Callable[[Any], None]) -> bool:
    """Return whether the self-test fails if something changes the stage once it has run."""
    run = self_test.run

    def other_run(stage: Any, *arguments: Any, **options: Any) -> None:
        run(stage, *arguments, **options)
        change(stage)

    monkeypatch.setattr(self_test, "run", other_run)
    with pytest.raises(pixcodec.SelfTestError, match=f"self-test of {way}: the hash is"):
        self_test._check(way)
    return True


@pytest.mark.parametrize("way", ["max", "fitted side"])
def test_the_last_bit_of_a_float_is_seen(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def change(stage: Any) -> None:
        numbers = stage.fit.along.reshape(-1)
        at = np.flatnonzero(numbers)[0]
        numbers[at] = np.nextafter(numbers[at], np.inf)

    assert failing(way, monkeypatch, change)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("late", [False, True])
def test_the_last_bit_of_a_probability_is_seen(way: str, late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    code = Encoder.code

    def other_code(coder: Encoder, symbols: Any, rows: Any) -> Any:
        rows, at = rows.copy(), len(rows) * 3 // 4 if late else 0
        one = int(rows[at, 0] > 0)
        rows[at, 0] += 1 - 2 * one
        rows[at, 1] -= 1 - 2 * one
        return code(coder, symbols, rows)

    monkeypatch.setattr(Encoder, "code", other_code)
    with pytest.raises(pixcodec.SelfTestError, match=f"self-test of {way}: the hash is"):
        self_test._check(way)


def test_floats_are_numbers() -> None:
    """What a processor makes of 0 / 0 has no sign that all agree on."""
    stages = [self_test._stage(way) for way in WAYS]
    stages += coder.component_stages(coder.Image(*made_image()))
    for stage in stages:
        self_test.fingerprint(iter([stage]))
        assert not any(np.isnan(numbers).any() for numbers in self_test._floats(stage))


@pytest.mark.usefixtures("another_machine")
@pytest.mark.parametrize("effort", ["fast", "normal", "max"])
def test_nothing_is_coded_where_arithmetic_differs(effort: str) -> None:
    with pytest.raises(pixcodec.SelfTestError, match="the arithmetic differs"):
        pixcodec.encode(samples.photo(3, 20, 30), effort=effort)
    name = f"{'normal' if effort == 'max' else effort}-jpeg-grey.pxc"
    file = (samples.GOLDEN / "forever" / name).read_bytes()
    with pytest.raises(pixcodec.SelfTestError, match="JPEG files"):
        pixcodec.restore(file)


@pytest.mark.usefixtures("another_machine")
def test_the_command_writes_nothing_then(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    Image.fromarray(samples.photo(3, 20, 30)).save(tmp_path / "a.png")
    result = Runner(capfd)("encode", tmp_path / "a.png")
    assert_failed(result, 1, "a.png: self-test of", "PIXCODEC_NATIVE=0")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
