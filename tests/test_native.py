"""Machine code: that it does without numba, is taken where it suits, and computes what kernels say."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from machine_code import TABLE, made, made_products, products
from pixcodec.network import native
from pixcodec.network.structs import struct_of

TESTS = Path(__file__).parent
SHIPPED = pytest.mark.skipif(native._library() is None, reason="python native/build.py was not run")

WITHOUT_NUMBA = """
import sys
sys.modules.update(dict.fromkeys(("numba", "llvmlite", "scipy", "torch")))
sys.path.insert(0, {tests!r})
import io
import numpy as np
from PIL import Image
import pixcodec, samples

def jpeg():
    file = io.BytesIO()
    Image.fromarray(samples.large_photo()[:40, :48]).save(file, "JPEG", quality=70)
    return np.asarray(Image.open(file))

file = io.BytesIO()
Image.fromarray(samples.large_photo()[:9, :11]).save(file, "JPEG", progressive=True)
assert pixcodec.restore(pixcodec.encode(file.getvalue())) == file.getvalue()
images = [jpeg(), *(make("photo", 9, 13) for make in samples.MODES.values())]
images += [samples.MODES[name]("pixel_art", 24, 24) for name in ("rgb", "palette_4", "rgba")]
for image in images:
    for effort in ("fast", "normal", "max"):
        decoded = pixcodec.decode(pixcodec.encode(image, effort=effort))
        assert np.array_equal(decoded, np.asarray(image)), effort
print(len(images))
"""

KERNELS = """
import sys
sys.path[:0] = {root!r}, {tests!r}
import pathlib
from machine_code import divided, hashes, made, made_products, products, taken
from native.machine_code import object_files
from native.link import link
from pixcodec.network.structs import struct_of

entries = [(point, (struct_of(made()).layout,)) for point in (hashes, divided, taken)]
entries.append((products, (struct_of(made_products(1, (1, 8), 1)[0]).layout,)))
for processor, file in object_files(entries).items():
    path = pathlib.Path({folder!r}, processor + ".so")
    path.write_bytes(link([file]))
    print(path, *(point.symbol(layouts) for point, layouts in entries))
"""


def run(script: str, settings: dict[str, str] | None = None, **names: str) -> str:
    """Return what the script prints in a fresh interpreter."""
    command = [sys.executable, "-c", script.format(**names) if names else script]
    done = subprocess.run(command, env={**os.environ, **(settings or {})}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@SHIPPED
@pytest.mark.slow
def test_no_image_needs_numba() -> None:
    assert int(run(WITHOUT_NUMBA, tests=str(TESTS))) > 10


def test_without_either_the_message_says_what_to_install() -> None:
    script = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None
import numpy as np, pixcodec
try:
    pixcodec.encode(np.zeros((9, 9, 3), np.uint8), effort="fast")
except pixcodec.PixcodecError as error:
    print(type(error).__name__, error)
"""
    said = run(script, {"PIXCODEC_NATIVE": "0"})
    assert said.startswith("MissingCompilerError PIXCODEC_NATIVE=0")
    assert "pip install 'pixcodec[compile]'" in said


@SHIPPED
def test_machine_code_of_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "sources_digest", lambda: 1)
    assert native._library.__wrapped__() is None


@SHIPPED
@pytest.mark.parametrize("features", [set(), {"sse2"}])
def test_a_processor_that_it_does_not_suit_goes_without(
    features: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native, "features", lambda: features)
    assert native._library.__wrapped__() is None


@SHIPPED
def test_the_processor_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for wanted, found in (("sse4", True), ("0", False), ("z80", False)):
        monkeypatch.setenv(native.VARIABLE, wanted)
        assert (native._library.__wrapped__() is not None) == found


def test_features_are_those_of_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "linux":
        assert native.features.__wrapped__()
    monkeypatch.setattr("builtins.open", lambda *_, **__: (_ for _ in ()).throw(OSError))
    assert native.features.__wrapped__() == set()


def check_products(run: Callable[[Any, int], Any]) -> None:
    """Lanes alone, in blocks, and a last block that begins earlier; tiles of one, two and three vectors."""
    for lanes in (1, 3, 4, 5, 11):
        for segments, each, count in (
            *((1, 32, 3), (2, 32, 16), (1, 56, 17), (5, 48, 48), (3, 32, 64), (2, 24, 144)),
        ):
            data, (wide, activations) = made_products(lanes, (segments, each), count)
            run(data, lanes)
            assert np.array_equal(data.wide[:, :count], wide)
            assert np.array_equal(data.out[:, :count], activations)


def test_products_are_those_of_numpy() -> None:
    pytest.importorskip("numba")
    check_products(lambda data, lanes: products.bind(struct_of(data))(lanes))


@pytest.mark.slow
def test_kernels_compute_what_they_say(tmp_path: Path) -> None:
    """Integers wrap around, constants and nested structs are where they should be, and memset is found."""
    pytest.importorskip("numba")
    if native.platform.machine() != "x86_64" or sys.platform != "linux":
        pytest.skip("there is no machine code for this platform")
    expected = 5
    for i in range(100):
        moved = (expected - (1 << 64) if expected >> 63 else expected) >> 29
        expected = ((expected * -7046029254386353131 + int(TABLE[i & 7]) * 11) % 2**64) ^ (moved & 0xFFFFFFFF)
    for line in run(KERNELS, root=str(TESTS.parent), tests=str(TESTS), folder=str(tmp_path)).splitlines():
        path, hashes, divided, _, matrices = line.split()
        if not native.PROCESSORS["x86_64"][Path(path).stem] <= native.features():
            continue
        data = made()
        library, struct = ctypes.CDLL(path), struct_of(data)
        found = {}
        for symbol in (hashes, divided, matrices):
            function = found[symbol] = library[symbol]
            function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_int64] * 2
        assert found[hashes](struct.address, 11) % 2**64 == expected
        assert not data.zeros.any()
        assert data.inside.numbers.tolist() == [int(3.5 * i) for i in range(100)]
        assert found[divided](struct.address, -2) == -3
        assert found[divided](struct.address, 0) == native.FAILED
        check_products(lambda data, lanes, run=found[matrices]: run(struct_of(data).address, lanes))


TAKEN = """
import ctypes, sys
sys.path[:0] = {root!r}, {tests!r}
from machine_code import made
from pixcodec.network.structs import struct_of
struct = struct_of(made())
function = ctypes.CDLL({path!r})[{symbol!r}]
function.restype, function.argtypes = ctypes.c_int64, [ctypes.c_int64] * 2
print(function(struct.address, 3), flush=True)
function(struct.address, -1)
"""


@pytest.mark.slow
def test_a_negative_index_ends_the_process_where_that_is_checked(tmp_path: Path) -> None:
    pytest.importorskip("numba")
    if native.platform.machine() != "x86_64" or sys.platform != "linux":
        pytest.skip("there is no machine code for this platform")
    names = {"root": str(TESTS.parent), "tests": str(TESTS)}
    lines = run(KERNELS, {"PIXCODEC_CHECK_INDICES": "1"}, folder=str(tmp_path), **names).splitlines()
    (path, symbol), *_ = (line.split()[::3] for line in lines if "sse4" in line)
    command = [sys.executable, "-c", TAKEN.format(path=path, symbol=symbol, **names)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("1\n", -signal.SIGILL)
