"""Kill pixcodec at random times, and check that nothing is lost.

    python benchmarks/kills.py --count 200 [--first 0]

Each run works on a few small images in a folder of its own and is killed with SIGKILL, with all its
processes, after a random part of the time that it needs. Then for every image the source or a whole, right
output must be there; every output must be whole and right; and what is partial must have a name that says so.
The counts are in benchmarks/results/mutations.md.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pixcodec  # noqa: E402
from pixcodec.batch.atomic import PARTIAL_SUFFIX  # noqa: E402

IMAGES, SIDE = 12, 24
RUN = [sys.executable, "-m", "pixcodec"]


class Case(NamedTuple):
    """A command, and the suffixes of its inputs and outputs."""

    name: str
    command: tuple[str, ...]
    source: str
    output: str
    jpeg: bool = False


CASES = (
    Case("encode", ("encode", "--effort", "fast", "in0.png"), ".png", ".pxc"),
    Case("encode, batch", ("encode", "--effort", "fast", "-r", ".", "--jobs", "2"), ".png", ".pxc"),
    Case("encode --rm", ("encode", "--effort", "fast", "--rm", "-r", ".", "--jobs", "2"), ".png", ".pxc"),
    Case("encode --rm, JPEG", ("encode", "--effort", "fast", "--rm", "-r", "."), ".jpg", ".pxc", True),
    Case("encode -f", ("encode", "--effort", "fast", "-f", "-r", "."), ".png", ".pxc"),
    Case("decode, batch", ("decode", "-r", ".", "--jobs", "2"), ".pxc", ".png"),
    Case("decode -f", ("decode", "-f", "-r", "."), ".pxc", ".png"),
    Case("decode, JPEG", ("decode", "-r", "."), ".pxc", ".jpg", True),
)


def original(number: int) -> Image.Image:
    """Return one of the images."""
    values = np.random.default_rng(number).integers(0, 30, (SIDE, SIDE, 3), np.uint8)
    return Image.fromarray(np.cumsum(values, 1, dtype=np.uint8))


def prepare(folder: Path, case: Case) -> None:
    """Write the inputs of a case."""
    for number in range(IMAGES):
        file = io.BytesIO()
        original(number).save(file, "JPEG" if case.jpeg else "PNG")
        if case.source == ".pxc":
            data = pixcodec.encode(file.getvalue(), effort="fast", threads=1)
        else:
            data = file.getvalue()
        (folder / f"in{number}{case.source}").write_bytes(data)
        if "-f" in case.command:  # an earlier output
            earlier = io.BytesIO()
            original(number).save(earlier, "PNG", compress_level=1)
            written = earlier.getvalue()
            if case.output == ".pxc":
                written = pixcodec.encode(original(number), effort="normal")
            (folder / f"in{number}{case.output}").write_bytes(written)


def is_right(path: Path, number: int, case: Case) -> bool:
    """Return whether a file holds its image, whole."""
    try:
        data = path.read_bytes()
        if path.suffix == ".pxc" and case.jpeg:
            data = pixcodec.restore(data, threads=1)
        elif path.suffix == ".pxc":
            return np.array_equal(pixcodec.decode(data, threads=1), np.asarray(original(number)))
        if case.jpeg:
            file = io.BytesIO()
            original(number).save(file, "JPEG")
            return data == file.getvalue()
        with Image.open(io.BytesIO(data)) as image:
            return np.array_equal(np.asarray(image), np.asarray(original(number)))
    except (pixcodec.PixcodecError, OSError):
        return False


def check(folder: Path, case: Case) -> list[str]:
    """Return what is wrong in a folder after a kill."""
    wrong = []
    for number in range(IMAGES):
        source, output = (folder / f"in{number}{suffix}" for suffix in (case.source, case.output))
        if not source.exists() and not output.exists():
            wrong.append(f"{source.name} is lost")
        wrong += [
            f"{p.name} is not whole" for p in (source, output) if p.exists() and not is_right(p, number, case)
        ]
    names = {f"in{n}{suffix}" for n in range(IMAGES) for suffix in (case.source, case.output)}
    for path in folder.iterdir():
        if path.name not in names and not (path.name.startswith(".") and path.suffix == PARTIAL_SUFFIX):
            wrong.append(f"{path.name} is in the way")
    return wrong


def run(case: Case, seconds: float | None) -> tuple[float, bool, list[str], int]:
    """Run a case, and kill it after so many seconds.

    Returns its time, whether it was killed, what is wrong, and how many outputs there are.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, case)
        start = time.monotonic()
        command = [*RUN, *case.command]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            killed = False
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                killed = True
        took = time.monotonic() - start
        wrong = check(folder, case)
        if not killed and process.returncode:
            wrong.append(f"status {process.returncode}")
        done = sum((folder / f"in{n}{case.output}").exists() for n in range(IMAGES))
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return took, killed, wrong, done


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Kill pixcodec at random times.")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    options = parser.parse_args()
    usual: dict[str, float] = {}
    kills, ended, partly, failed = Counter[str](), Counter[str](), Counter[str](), 0
    seed = options.first
    while sum(kills.values()) < options.count:
        case = CASES[seed % len(CASES)]
        if case.name not in usual:
            usual[case.name], _, wrong, _ = run(case, None)
        else:
            part = random.Random(seed).uniform(0.25, 1.1)  # the start takes about the first quarter
            took, killed, wrong, done = run(case, part * usual[case.name])
            kills[case.name] += killed
            ended[case.name] += not killed
            partly[case.name] += killed and 0 < done < IMAGES
            if not killed:
                usual[case.name] = took
        for line in wrong:
            print(f"seed {seed}: {case.name}: {line}", file=sys.stderr, flush=True)
        failed += bool(wrong)
        seed += 1
    print("| command | killed | of these with some of the outputs | ended before | lost or wrong |")
    print("|---|---:|---:|---:|---:|")
    for case in CASES:
        print(f"| {case.name} | {kills[case.name]} | {partly[case.name]} | {ended[case.name]} | |")
    print(f"| **all** | {kills.total()} | {partly.total()} | {ended.total()} | {failed} |")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
