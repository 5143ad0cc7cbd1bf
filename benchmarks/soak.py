"""Encode, decode and compare generated images of all modes, sizes and statistics, and files of a folder.

    python benchmarks/soak.py WORK --count 2000 [--folder FOLDER --crop 96]

WORK is a folder for the state, from which an interrupted run goes on. Each image is coded at every effort:
max up to --max-pixels, and research, where it can be. Of each image in FOLDER a crop of at
most CROP pixels on a side is taken, 0 for all of it. One image that does not come back the same ends in the
list of failures.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pixcodec  # noqa: E402
from benchmarks.run import SUFFIXES  # noqa: E402

EFFORTS = ("fast", "normal", "max", "research")
MOST_SIDE = 200
SLOW_PIXELS = 1000  # larger images are not coded with research, nor with max unless asked for
MODES = (
    *("grey", "rgb", "grey_alpha", "rgba", "cmyk", "palette", "bilevel", "grey16", "rgb16", "rgba12"),
    *("float32", "float16", "uint32", "int16", "bands"),
)
STATISTICS = ("smooth", "noise", "flat", "steps", "drawn", "sparse", "photo", "text")
Array = npt.NDArray[Any]


def field(rng: np.random.Generator, kind: str, height: int, width: int, channels: int) -> Array:
    """Return values of 0 to 1, shape (H, W, C), with the statistics of a kind."""
    shape = height, width, channels
    y, x = np.mgrid[:height, :width] / max(height, width)
    if kind == "smooth":
        waves = [
            np.sin(7 * rng.random() * x + 9 * rng.random() * y + 6 * rng.random()) for _ in range(channels)
        ]
        smooth: Array = np.stack(waves, 2) / 2 + 0.5
        return smooth
    if kind == "noise":
        return rng.random(shape)
    if kind == "flat":
        return np.broadcast_to(rng.random(channels), shape)
    if kind == "steps":
        steps: Array = np.floor(8 * field(rng, "smooth", *shape)) / 8
        return steps
    if kind == "drawn":
        colours = rng.random((int(rng.integers(2, 9)), channels))
        cell = int(rng.integers(2, 9))
        cells = rng.integers(0, len(colours), (-(-height // cell), -(-width // cell)))
        drawn: Array = colours[np.kron(cells, np.ones((cell, cell), int))[:height, :width]]
        return drawn
    if kind == "sparse":
        return np.where(rng.random(shape) < 0.02, rng.random(shape), 0.25)
    if kind == "text":
        rows = np.repeat(rng.random((-(-height // 3), width)) < 0.3, 3, 0)[:height]
        return np.repeat(np.where(rows, 0.0, 1.0)[:, :, None], channels, 2)
    walk = np.cumsum(np.cumsum(rng.normal(size=shape), 0), 1) / (3 + np.arange(1, width + 1)[None, :, None])
    walk += rng.normal(size=shape)  # grain
    values: Array = np.clip((walk - walk.mean()) / (6 * walk.std() + 1e-9) + 0.5, 0, 1)
    return values


def generated(number: int) -> tuple[str, Any]:
    """Return mode and statistics of an image, and the image."""
    pick, rng = random.Random(number), np.random.default_rng(number)
    mode, kind = MODES[number % len(MODES)], STATISTICS[number // len(MODES) % len(STATISTICS)]
    height, width = (round(math.exp(pick.uniform(0, math.log(MOST_SIDE)))) for _ in range(2))
    channels = {"grey_alpha": 2, "rgb": 3, "rgba": 4, "cmyk": 4, "rgb16": 3, "rgba12": 4, "bands": 6}.get(
        mode, 1
    )
    values = field(rng, kind, height, width, channels)
    image: Any
    if mode == "palette":
        image = Image.fromarray((values[..., 0] * (2 ** pick.randint(1, 8) - 1)).astype(np.uint8), "P")
        image.putpalette(rng.integers(0, 256, 768, np.uint8).tobytes())
    elif mode == "cmyk":
        image = Image.fromarray((values * 255).astype(np.uint8), "CMYK")
    elif mode == "bilevel":
        image = values[..., 0] > 0.5
    else:
        scale, kind_of = {
            "grey16": (65535, np.uint16),
            "rgb16": (65535, np.uint16),
            "rgba12": (4095, np.uint16),
            "float32": (1000 / 7, np.float32),
            "float16": (9, np.float16),
            "uint32": (2**32 - 1, np.uint32),
            "int16": (30000, np.int16),
            "bands": (10**6, np.int32),
        }.get(mode, (255, np.uint8))
        image = (values * scale).astype(kind_of)
        image = image[..., 0] if channels == 1 else image
    return f"{mode}, {kind}, {width}x{height}", image


def same(image: Any, data: bytes) -> bool:
    """Return whether a file decodes to an image."""
    if isinstance(image, Image.Image):
        found = pixcodec.decode_image(data, threads=1)
        if not isinstance(found, Image.Image) or image.getpalette() != found.getpalette():
            return False
        return (found.mode, found.tobytes()) == (image.mode, image.tobytes())
    found = pixcodec.decode(data, threads=1)
    return (found.dtype, found.shape) == (image.dtype, image.shape) and found.tobytes() == image.tobytes()


def efforts_of(image: Any, max_pixels: int) -> Iterator[str]:
    """Yield the efforts that an image can be coded with."""
    width, height = image.size if isinstance(image, Image.Image) else image.shape[1::-1]
    yield from ("fast", "normal")
    if width * height <= max_pixels:
        yield "max"
    if isinstance(image, Image.Image):
        rgb = image.mode == "RGB"
    else:
        rgb = image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    if rgb and width * height <= max_pixels:
        yield "research"


def code(
    name: str, image: Any, number: int, state: dict[str, Any], group: str, efforts: Iterable[str]
) -> None:
    """Encode an image at some efforts, decode and compare; add to the state."""
    for effort in efforts:
        try:
            data = pixcodec.encode(image, effort=effort, threads=1, verify=number % 4 == 0)
            right = same(image, data)
        except Exception as error:  # none is right, whichever it is
            right, name = False, f"{name}: {type(error).__name__}: {error}"
        key = f"{group}|{effort}"
        state["counts"][key] = state["counts"].get(key, 0) + 1
        if not right:
            state["failures"].append(f"{number}: {effort}: {name}")
            print(state["failures"][-1], file=sys.stderr, flush=True)


def crop(path: Path, side: int, number: int) -> Any:
    """Return an image file, or a part of it as large as that on each side, as it is or as an array."""
    with Image.open(path) as opened:
        opened.load()
        image: Image.Image = opened
        if side and max(image.size) > side:
            width, height = (min(side, length) for length in image.size)
            rng = random.Random(number)
            x, y = (rng.randint(0, a - b) for a, b in zip(image.size, (width, height), strict=True))
            image = image.crop((x, y, x + width, y + height))
        return np.asarray(image) if image.mode in ("L", "RGB", "RGBA") else image.copy()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Encode, decode and compare many images.")
    parser.add_argument("work", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--crop", type=int, default=48)
    parser.add_argument("--max-pixels", type=int, default=SLOW_PIXELS, help="of files coded with max")
    parser.add_argument("--efforts", nargs="+", choices=EFFORTS, default=EFFORTS, help="for files")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    path = options.work / "soak.json"
    state: dict[str, Any] = {"generated": 0, "files": 0, "counts": {}, "failures": []}
    if path.exists():
        state = json.loads(path.read_text("utf-8"))
    start = time.process_time()
    while state["generated"] < options.count:
        number = state["generated"]
        name, image = generated(number)
        group = f"generated: {MODES[number % len(MODES)]}"
        code(name, image, number, state, group, efforts_of(image, SLOW_PIXELS))
        state["generated"] = number + 1
        if number % 20 == 19:
            path.write_text(json.dumps(state), "utf-8")
    paths: list[Path] = []
    if options.folder:
        paths = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    for number, file in enumerate(paths[state["files"] :], state["files"]):
        image = crop(file, options.crop, number)
        efforts = [effort for effort in efforts_of(image, options.max_pixels) if effort in options.efforts]
        code(str(file), image, number, state, "files", efforts)
        state["files"] = number + 1
        path.write_text(json.dumps(state), "utf-8")
    path.write_text(json.dumps(state), "utf-8")
    table: dict[str, int] = state["counts"]
    groups = sorted({key.split("|")[0] for key in table})
    print("| images | fast | normal | max | research |\n|---|---:|---:|---:|---:|")
    total: Counter[str] = Counter()
    for group in groups:
        cells = [table.get(f"{group}|{effort}", 0) for effort in EFFORTS]
        total.update(dict(zip(EFFORTS, cells, strict=True)))
        print(f"| {group} | {' | '.join(map(str, cells))} |")
    print(f"| **all** | {' | '.join(str(total[effort]) for effort in EFFORTS)} |")
    print(f"\n{state['generated']} generated, {state['files']} files, {len(state['failures'])} failures.")
    print(f"{time.process_time() - start:.0f} s of the processor", file=sys.stderr)
    return 1 if state["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
