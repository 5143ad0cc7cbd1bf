"""``verify``, and ``verify(deep=True)``, which decodes with the plain decoder, too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pixcodec
import samples
from command_line import Runner, assert_failed
from pixcodec.batch.verify import plain_seconds
from pixcodec.reference import core
from pixcodec.reference import whole as plain

pytestmark = pytest.mark.usefixtures("no_packed_layers")

FOREVER = samples.GOLDEN / "forever"
FILES = {
    "fast-wavefront-pixel_art-grey": "grey",
    "fast-jpeg-grey": None,
    "packed-palette": None,
    "packed-bilevel": None,
    "fast-deep-index": None,
}


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


def small() -> bytes:
    return pixcodec.encode(samples.photo(3, 9, 11), effort="fast")


@pytest.mark.parametrize("name", FILES)
def test_files_of_all_kinds_are_verified(name: str) -> None:
    model = FILES[name] and samples.GOLDEN / f"{FILES[name]}.safetensors"
    path = FOREVER / f"{name}.pxc"
    told: list[float] = []
    info = pixcodec.verify(path, deep=True, model=model, progress=told.append)
    assert info == pixcodec.read_info(path.read_bytes())
    assert all(0 <= fraction <= 1 for fraction in told)
    assert told or name.startswith("packed")
    assert plain_seconds(info) > 0


def test_a_series_is_verified() -> None:
    data = pixcodec.encode([samples.photo(1, 5, 6)[:, :, 0], samples.photo(1, 6, 5)[:, :, 0]], effort="fast")
    assert pixcodec.verify(data, deep=True).frames == 2
    assert pixcodec.verify(data).frames == 2


@pytest.mark.parametrize("name", ["rgb", "grey_16", "rgba", "bilevel"])
def test_a_model_that_ships_is_found(name: str) -> None:
    data = pixcodec.encode(samples.MODES[name]("photo", 6, 7), effort="normal")
    assert pixcodec.verify(data, deep=True).mode == name.removesuffix("_16")


def test_damage_is_found_before_the_plain_decoder_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "decode_file", lambda *_: pytest.fail("it ran"))
    data = bytearray(small())
    data[-20] ^= 1
    with pytest.raises(pixcodec.CorruptFileError):
        pixcodec.verify(data, deep=True)


def test_other_pixels_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    decode_file = plain.decode_file

    def other(*arguments: Any) -> Any:
        (pixels,) = decode_file(*arguments)
        assert not isinstance(pixels, int)
        pixels = pixels.copy()
        pixels[3, 4, 1] ^= 1
        return [pixels]

    monkeypatch.setattr(plain, "decode_file", other)
    with pytest.raises(pixcodec.SelfTestError, match=r"finds something else .*: keep what was encoded"):
        pixcodec.verify(small(), deep=True)


def test_a_decoder_with_an_error_is_found_by_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where Python leaves assertions out: the last bits of every mixture are wrong."""
    cumulative = core.cumulative
    monkeypatch.setattr(core, "cumulative", lambda v, w, mean, *rest: cumulative(v, w, mean[::-1], *rest))
    with pytest.raises(pixcodec.SelfTestError, match="the plain decoder refuses what this one decodes"):
        pixcodec.verify(small(), deep=True)


def test_wrong_hashes_are_seen_without_assertions(tmp_path: Path) -> None:
    path = tmp_path / "a.pxc"
    path.write_bytes(small())
    script = (
        "import sys; from pixcodec.reference import core, whole; from pathlib import Path\n"
        "core.clamp = lambda v, lo, hi: max(lo, min(v, hi - 1))\n"
        "whole.decode_file(Path(sys.argv[1]).read_bytes())"
    )
    done = subprocess.run([sys.executable, "-O", "-c", script, path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "Error" in done.stderr.splitlines()[-1]


def test_the_command_says_how_long_it_takes(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "a.pxc"
    path.write_bytes(small())
    result = run("verify", "--deep", path)
    assert (result.status, result.out) == (0, f"{path}: ok\n")
    assert "the plain decoder takes about 0.1 s for 1 file" in result.err
    assert run("verify", "--deep", "-q", path).err == ""


def test_the_command_fails_where_decoders_disagree(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pxc"
    path.write_bytes(small())
    monkeypatch.setattr(plain, "decode_file", lambda *_: [np.zeros((9, 11, 3), np.uint8)])
    assert_failed(run("verify", "--deep", "-q", path), 1, "a.pxc: the plain decoder finds something else")
