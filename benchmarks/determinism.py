"""The same bytes everywhere: encode small images with other versions of Python and packages, and compare.

    python benchmarks/determinism.py FOLDER [--only NAME ...] [--settings NAME ...]

Builds a virtual environment for each of ENVIRONMENTS in FOLDER, unless it is there, and encodes and decodes
the same images in each of its settings: with the machine code of the package for each processor, with kernels
that numba compiles for this processor, or for any. All must give the bytes of the first. It takes minutes for
each setting in which numba compiles. The Pythons are those that are called python3.10 and so on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
TESTS = ROOT / "tests"


class Environment(NamedTuple):
    """A Python, the versions of packages, and the settings of numba that are tried with them."""

    python: str
    packages: tuple[str, ...]
    settings: tuple[str, ...] = ("machine code",)


_USUAL = ("click", "rich", "safetensors")
_LOWEST = ("click==8.4.0", "numpy==1.26.0", "pillow==10.1.0", "rich==13.5.0", "safetensors==0.4.3")
ENVIRONMENTS = {
    "newest, 3.11": Environment(
        "python3.11",
        ("constriction==0.5.*", "numba", "numpy", "pillow", *_USUAL),
        ("machine code", "sse4", "avx2", "avx512", "numba", "numba, any processor"),
    ),
    "lowest, 3.10": Environment(
        "python3.10", ("constriction==0.5.0", "numba==0.59.0", *_LOWEST), ("machine code", "sse4", "numba")
    ),
    "lowest, 3.12": Environment("python3.12", ("constriction==0.5.0", "numba==0.59.0", *_LOWEST)),
    "newest, 3.10": Environment("python3.10", ("constriction==0.5.*", "numpy", "pillow", *_USUAL)),
    "newest, 3.12": Environment("python3.12", ("constriction==0.5.*", "numpy", "pillow", *_USUAL)),
    "newest, 3.13": Environment(
        "python3.13", ("constriction==0.5.*", "numba", "numpy", "pillow", *_USUAL), ("machine code", "numba")
    ),
    "newest, 3.14": Environment(
        "python3.14", ("constriction==0.5.*", "numba", "numpy", "pillow", *_USUAL), ("machine code", "numba")
    ),
}
SETTINGS = {
    "machine code": {},
    "sse4": {"PIXCODEC_NATIVE": "sse4"},
    "avx2": {"PIXCODEC_NATIVE": "avx2"},
    "avx512": {"PIXCODEC_NATIVE": "avx512"},
    "numba": {"PIXCODEC_NATIVE": "0"},
    "numba, any processor": {
        "PIXCODEC_NATIVE": "0",
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
    },
}
EFFORTS = ("fast", "normal", "max")
# Of every effort; of kinds that numba takes minutes to compile kernels for in one effort alone.
MODES = ("grey", "rgb", "rgba", "cmyk", "grey_16", "rgb_16", "palette_4", "bilevel")


def cases() -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Yield name, image and options of all that is encoded; made without Pillow's encoders, which differ."""
    import numpy as np

    from pixcodec import restore

    samples = import_module("samples")  # of tests
    for effort in EFFORTS:
        for mode in MODES:
            kind = "pixel_art" if mode.startswith(("palette", "bilevel")) else "photo"
            yield f"{effort} {mode}", samples.MODES[mode](kind, 21, 26), {"effort": effort}
        first = samples.photo(3, 20, 30)
        frames = [np.roll(first, 3 * number, 1) for number in range(3)]
        yield f"{effort} frames", frames, {"effort": effort, "info": {"duration": 40}}
        deep = (samples.photo(1, 17, 19)[:, :, 0].astype(np.float32) / np.float32(7)) ** 2
        yield f"{effort} deep", deep, {"effort": effort}
        file = restore((samples.GOLDEN / "forever" / "fast-jpeg-420.pxc").read_bytes())
        yield f"{effort} JPEG file", file, {"effort": effort}
    yield "research rgb", samples.photo(3, 21, 26), {"effort": "research"}
    graphics = np.repeat(np.repeat(samples.noise(8, 9, 3) & 192, 5, 0), 5, 1)
    yield "normal graphics", graphics, {"effort": "normal"}


def hashes() -> dict[str, str]:
    """Return the hash of each case's file, or what was wrong with it."""
    import hashlib

    import numpy as np

    import pixcodec

    found = {}
    for name, image, options in cases():
        try:
            data = pixcodec.encode(image, **options)
            if isinstance(image, bytes):
                same = pixcodec.restore(data) == image
            else:
                first = image[0] if isinstance(image, list) else image
                same = np.array_equal(pixcodec.decode(data), np.asarray(first))
            found[name] = hashlib.blake2b(data, digest_size=8).hexdigest() if same else "other pixels"
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
    return found


def environment(folder: Path, name: str) -> Path | str:
    """Return the Python of an environment, which is built unless it is there, or why there is none."""
    wanted = ENVIRONMENTS[name]
    place = folder / "".join(letter if letter.isalnum() else "-" for letter in name)
    python = place / "bin" / "python"
    if not python.exists():
        if shutil.which(wanted.python) is None:
            return f"no {wanted.python}"
        done = subprocess.run([wanted.python, "-m", "venv", place], capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(place, ignore_errors=True)
            return f"no {wanted.python}"
        install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted.packages]
        done = subprocess.run(install, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(place)
            return f"cannot install: {done.stderr.strip().splitlines()[-1]}"
    return python


def versions(python: Path) -> str:
    """Return the versions of an environment's packages that may matter."""
    script = (
        "import sys, importlib.metadata as m; print('Python', sys.version.split()[0] + ',', ', '.join("
        "f'{n} {m.version(n)}' for n in ('numpy', 'numba', 'constriction', 'pillow') "
        "if any(d.name.lower() == n for d in m.distributions())))"
    )
    return subprocess.run([python, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def run(python: Path, setting: str, cache: Path) -> tuple[dict[str, str], float]:
    """Return the hashes of a setting in an environment, and how many seconds they took."""
    start = time.perf_counter()
    settings = {**SETTINGS[setting], "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": f"{ROOT}:{TESTS}"}
    command = [str(python), __file__, "--hashes", "."]
    done = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, text=True)
    if done.returncode:
        return {"all": done.stderr.strip().splitlines()[-1]}, time.perf_counter() - start
    return json.loads(done.stdout), time.perf_counter() - start


def compare(folder: Path, names: list[str], settings: list[str]) -> None:
    """Run everything, and print a table; compare with the hashes in the folder, or with the first ones."""
    print(
        "| environment | kernels | files | differ | seconds |", "|---|---|---|---|---|", sep="\n", flush=True
    )
    kept = folder / "hashes.json"
    usual: dict[str, str] = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    for name in names:
        python = environment(folder, name)
        if isinstance(python, str):
            print(f"| {name} | | | {python} | |", flush=True)
            continue
        for setting in ENVIRONMENTS[name].settings:
            if setting not in settings:
                continue
            found, seconds = run(python, setting, folder / f"{python.parent.parent.name}-cache")
            if not usual:
                usual = found
                kept.write_text(json.dumps(usual, indent=1), "utf-8")
            other = sorted(case for case in usual.keys() | found.keys() if usual.get(case) != found.get(case))
            what = "; ".join(f"{case} ({found.get(case)})" for case in other) or "none"
            print(f"| {versions(python)} | {setting} | {len(found)} | {what} | {seconds:.0f} |", flush=True)


def main() -> None:
    """Do what the docstring of this file says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=ENVIRONMENTS, default=list(ENVIRONMENTS), metavar="NAME")
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    parser.add_argument("--hashes", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.hashes:
        json.dump(hashes(), sys.stdout)
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    compare(arguments.folder.resolve(), arguments.only, arguments.settings)


if __name__ == "__main__":
    main()
