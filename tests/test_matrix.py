"""The same bytes whatever the processor offers: each setting runs in an interpreter of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core.config import CACHE_DIR

import samples

pytestmark = pytest.mark.slow

TESTS = Path(__file__).parent

RGB, GREY = (3, "rgb"), (1, "grey")
COLOURS = """
import hashlib, pathlib, sys
sys.path.insert(0, {tests!r})
import pixcodec, samples
digest = hashlib.blake2b()
for channels, name in {encoded}:
    model = samples.GOLDEN / (name + ".safetensors")
    image = samples.photo(channels, 24, 32)
    image = image[:, :, 0] if channels == 1 else image
    for effort in ("fast", "normal"):
        data = pixcodec.encode(image, effort=effort, model=model, threads={threads})
        digest.update(data)
        digest.update(pixcodec.decode(data, model=model, threads={threads}).tobytes())
    tall = samples.gradient(600, 3, channels)
    digest.update(pixcodec.encode(tall, effort="fast", model=model, threads={threads}))
# A file that another process wrote.
for path in sorted(pathlib.Path({files!r}).glob("*.pxc")):
    digest.update(pixcodec.open(path, model=samples.GOLDEN / (path.stem + ".safetensors")).tobytes())
print(digest.hexdigest())
"""

# Photographs: small drawings are packed without a layer. Low bits by least squares and alpha, values that are
# coded as residuals, indices with repeats.
SIDE_LAYERS = ("grey_alpha_12", 17, 21), ("grey_16", 17, 21), ("palette_4", 47, 61)
SIDE = """
import hashlib, sys
sys.path.insert(0, {tests!r})
import pixcodec, samples
model = samples.GOLDEN / "grey.safetensors"
for mode, height, width in {side_layers}:
    image = samples.MODES[mode]("photo", height, width)
    data = pixcodec.encode(image, effort="normal", model=model, threads={threads})
    decoded = pixcodec.decode(data, model=model, threads={threads})
    print(hashlib.blake2b(data + decoded.tobytes()).hexdigest())
"""
CODEC = COLOURS + SIDE

# A decoder compiles the layers that are in a file, an encoder all that it tries.
DECODE = """
import hashlib, pathlib, sys
sys.path.insert(0, {tests!r})
import pixcodec, samples
for path in sorted(pathlib.Path({files!r}).glob("*.pxc")):
    decoded = pixcodec.decode(path.read_bytes(), model=samples.GOLDEN / "grey.safetensors", threads={threads})
    print(path.stem, hashlib.blake2b(decoded.tobytes()).hexdigest())
"""

BACKENDS = """
import hashlib, sys
sys.path.insert(0, {tests!r})
import torch, samples
from pixcodec.network.integer_net import run_image, torch_product
from pixcodec.network.model_files import load_model, shipped_model
torch.set_num_threads({threads})
hashes = set()
for run in ({{}}, {{"product": torch_product()}}):
    digest = hashlib.blake2b()
    for model, image in (
        (shipped_model(3), samples.photo(3, 24, 32)),
        (shipped_model(1), samples.photo(1, 24, 32)),
        (load_model(samples.GOLDEN / "rgb.safetensors"), samples.photo(3, 23, 31)),
    ):
        for mixture in run_image(model, image, **run):
            for part in (mixture.logit, mixture.mean, mixture.log_scale):
                digest.update(part.astype("<i4").tobytes())
    hashes.add(digest.hexdigest())
assert len(hashes) == 1, "torch and numpy differ"
print(*hashes)
"""


def run(
    script: str,
    settings: dict[str, str],
    threads: int = 1,
    files: Path | str = "",
    encoded: tuple[tuple[int, str], ...] = (RGB, GREY),
) -> str:
    """Return what the script prints in a fresh interpreter with more environment variables."""
    values = {"tests": str(TESTS), "threads": threads, "files": str(files)}
    code = script.format(**values, encoded=encoded, side_layers=SIDE_LAYERS)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **settings}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files that this process wrote."""
    import pixcodec

    folder = tmp_path_factory.mktemp("files")
    for channels, name in ((3, "rgb"), (1, "grey")):
        image = np.squeeze(samples.photo(channels, 20, 30))
        pixcodec.save(folder / f"{name}.pxc", image, model=samples.GOLDEN / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def side_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of files with side layers: by least squares, of residuals, and with repeats."""
    import pixcodec

    folder = tmp_path_factory.mktemp("side")
    for mode, height, width in SIDE_LAYERS:
        image = samples.MODES[mode]("photo", height, width)
        pixcodec.save(folder / f"{mode}.pxc", image, model=samples.GOLDEN / "grey.safetensors")
    return folder


@pytest.fixture(scope="module")
def usual(files: Path) -> str:
    return run(CODEC, {}, files=files)


def test_there_is_something_to_compare(usual: str) -> None:
    assert [len(digest) for digest in usual.split()] == [128] * 4
    assert len(set(usual.split())) == 4


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_change_nothing(threads: int, usual: str, files: Path) -> None:
    assert run(CODEC, {}, threads, files) == usual


@pytest.mark.parametrize("threads", ["1", "2", "4"])
def test_blas_threads_change_nothing(threads: str, usual: str, files: Path) -> None:
    settings = {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    assert run(CODEC, settings, int(threads), files) == usual


def cpu_supports(*wanted: str) -> bool:
    """Return whether the processor has these features, by the names of Linux."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    flags = next((line.split(":")[1].split() for line in text.splitlines() if line.startswith("flags")), [])
    return set(wanted) <= set(flags)


AVX2 = pytest.mark.skipif(not cpu_supports("avx2", "fma"), reason="needs AVX2")
AVX512 = pytest.mark.skipif(
    not cpu_supports("avx512f", "avx512bw", "avx512vl", "avx512dq"), reason="needs AVX-512"
)
VNNI = pytest.mark.skipif(
    not cpu_supports("avx512bw", "avx512vl", "avx512dq", "avx512_vnni"), reason="needs AVX-512 VNNI"
)
KERNELS = [
    pytest.param("Prescott"),
    pytest.param("Haswell", marks=AVX2),
    pytest.param("SkylakeX", marks=AVX512),
]


@pytest.mark.parametrize("core", KERNELS)
def test_the_kernel_of_openblas_is_the_one_that_is_asked_for(core: str) -> None:
    script = (
        "import numpy; from threadpoolctl import threadpool_info as infos\n"
        "print(*{{i['architecture'] for i in infos() if i['internal_api'] == 'openblas'}})"
    )
    used = run(script, {"OPENBLAS_CORETYPE": core}).split()
    if not used:
        pytest.skip("numpy uses another BLAS")
    # Where OpenBLAS has no kernels for Katmai of its own, those for Prescott answer to that name.
    assert used in ([core], ["Katmai"] if core == "Prescott" else [core])


@pytest.mark.parametrize("core", KERNELS)
def test_the_kernel_of_openblas_changes_nothing(core: str, usual: str, files: Path) -> None:
    assert run(CODEC, {"OPENBLAS_CORETYPE": core}, files=files) == usual


# numba compiles for minutes: photographs for this processor as users have it, side layers for any processor
# and without optimisation. benchmarks/determinism.py does all.


def test_numba_compiles_what_the_machine_code_does(files: Path) -> None:
    # The encoder of grey tries a layer more than the decoder needs: half a minute.
    usual = run(COLOURS, {}, files=files, encoded=(RGB,))
    assert len(usual.split()) == 1
    assert run(COLOURS, {"PIXCODEC_NATIVE": "0"}, files=files, encoded=(RGB,)) == usual


def test_neither_the_processor_nor_the_optimisation_of_numba_changes_anything(
    side_files: Path, tmp_path: Path
) -> None:
    # Kernels of the cache were compiled for this processor: another one needs a cache of its own.
    assert str(tmp_path) != CACHE_DIR
    settings = {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_OPT": "0",
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PIXCODEC_NATIVE": "0",
    }
    usual = run(DECODE, {}, files=side_files)
    assert len(usual.split()) == 2 * len(SIDE_LAYERS)
    assert run(DECODE, settings, files=side_files) == usual
    assert any(tmp_path.iterdir()), "numba compiled nothing"


@pytest.mark.parametrize(
    "processor", ["sse4", pytest.param("avx2", marks=AVX2), pytest.param("avx512", marks=VNNI)]
)
def test_machine_code_changes_nothing(processor: str, usual: str, files: Path) -> None:
    assert run(CODEC, {"PIXCODEC_NATIVE": processor}, files=files) == usual


@pytest.fixture(scope="module")
def usual_integers() -> str:
    return run(BACKENDS, {})


def test_there_are_integers_to_compare(usual_integers: str) -> None:
    assert len(usual_integers.strip()) == 128


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"ONEDNN_MAX_CPU_ISA": "SSE41", "ATEN_CPU_CAPABILITY": "default"}),
        pytest.param({"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}, marks=AVX2),
        pytest.param({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "ATEN_CPU_CAPABILITY": "avx512"}, marks=AVX512),
        pytest.param({"ONEDNN_MAX_CPU_ISA": "SSE41", "OPENBLAS_CORETYPE": "Prescott"}),
        pytest.param({"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ATEN_CPU_CAPABILITY": "default"}),
    ],
    ids=lambda settings: " ".join(settings.values()),
)
def test_instruction_sets_change_no_integer(settings: dict[str, str], usual_integers: str) -> None:
    assert run(BACKENDS, settings) == usual_integers


@pytest.mark.parametrize(
    "capability",
    ["default", pytest.param("avx2", marks=AVX2), pytest.param("avx512", marks=AVX512)],
)
def test_the_capability_of_torch_is_the_one_that_is_asked_for(capability: str) -> None:
    script = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    assert run(script, {"ATEN_CPU_CAPABILITY": capability}).strip().lower() == capability


@pytest.mark.parametrize("threads", [2, 4])
def test_threads_of_torch_change_no_integer(threads: int, usual_integers: str) -> None:
    settings = {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
    assert run(BACKENDS, settings, threads) == usual_integers
