"""Compare the sizes of animations: pixcodec with gifsicle, oxipng and animated lossless WebP.

    python benchmarks/animations.py FOLDER > benchmarks/results/animations.md

FOLDER holds GIF and APNG files. gifsicle (1.93 or later) is taken from PATH; without it the column is empty.
Every .pxc file is decoded, and what it shows compared with the source frame by frame.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

import pixcodec
from pixcodec.container.header import MAX_PIXELS
from pixcodec.frames.checking import check_frames

SUFFIXES = (".gif", ".png", ".apng")
WEBP = {"lossless": True, "exact": True, "method": 6, "minimize_size": True}


class Row(NamedTuple):
    """The sizes of one animation in bytes; 0 where a format does not apply."""

    name: str
    kind: str
    frames: int
    width: int
    height: int
    source: int
    optimised: int
    webp: int
    pxc: int
    seconds: float

    @property
    def best(self) -> int:
        """Return the smaller one of the others, the source not included."""
        return min(size for size in (self.optimised, self.webp) if size)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--effort", default="normal")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    paths = [path for path in sorted(arguments.folder.iterdir()) if path.suffix.lower() in SUFFIXES]
    print("| file | kind | frames | size | source | gifsicle or oxipng | WebP | pixcodec | ratio | seconds |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    rows = []
    with ProcessPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(partial(measure, effort=arguments.effort), paths):
            rows.append(row)
            print(line(row), flush=True)
    print(total(rows))


def measure(path: Path, effort: str) -> Row:
    """Return the sizes of an animation."""
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        kind, frames, size = image.format or "", int(getattr(image, "n_frames", 1)), image.size
    start = time.process_time()
    pxc = pixcodec.encode(data, effort=effort, max_pixels=None, threads=1)
    seconds = time.process_time() - start
    check_frames(pxc, data, MAX_PIXELS, None, 1, strip=False)
    optimised = gifsicle(path) if kind == "GIF" else oxipng(data)
    return Row(path.stem, kind, frames, *size, len(data), optimised, webp(data), len(pxc), seconds)


def gifsicle(path: Path) -> int:
    """Return the size by gifsicle -O3, 0 if it is not installed."""
    if shutil.which("gifsicle") is None:
        return 0
    done = subprocess.run(["gifsicle", "-O3", str(path)], capture_output=True, check=False)
    return len(done.stdout)


def oxipng(data: bytes) -> int:
    """Return the size by oxipng."""
    import oxipng as optimiser

    return len(optimiser.optimize_from_memory(data, level=6))


def webp(data: bytes) -> int:
    """Return the size of the same frames as an animated lossless WebP file."""
    frames, durations = [], []
    for frame, duration in shown(data):
        frames.append(frame)
        durations.append(duration)
    buffer = io.BytesIO()
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:], duration=durations, **WEBP)
    return buffer.tell()


def shown(data: bytes) -> Iterator[tuple[Image.Image, int]]:
    """Yield the frames as Pillow shows them; colours under alpha 0 are those of nothing."""
    with Image.open(io.BytesIO(data)) as image:
        for number in range(int(getattr(image, "n_frames", 1))):
            image.seek(number)
            pixels = np.array(image.convert("RGBA"))
            pixels[pixels[..., 3] == 0] = 0
            yield Image.fromarray(pixels), max(int(image.info.get("duration", 100)), 1)


def line(row: Row) -> str:
    """Return a row of the table."""
    return (
        f"| {row.name} | {row.kind} | {row.frames} | {row.width}x{row.height} | {row.source:,} | "
        f"{row.optimised:,} | {row.webp:,} | {row.pxc:,} | {row.pxc / row.best:.2f} | {row.seconds:.0f} |"
    )


def total(rows: list[Row]) -> str:
    """Return the last row: totals, and the ratio to the sum of the smaller one of each file."""
    source, optimised, webp_size, pxc = (
        sum(getattr(row, name) for row in rows) for name in ("source", "optimised", "webp", "pxc")
    )
    best = sum(row.best for row in rows)
    return (
        f"| total of {len(rows)} | | | | {source:,} | {optimised:,} | {webp_size:,} | {pxc:,} | "
        f"{pxc / best:.3f} | {sum(row.seconds for row in rows):.0f} |"
    )


if __name__ == "__main__":
    main()
