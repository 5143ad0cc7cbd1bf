"""Measure how well holes of photographs are filled, beside two simple ways.

    python benchmarks/inpainting.py FOLDER [--holes 20] [--side 16] [--best-of 64] [--json FILE]
        [--picture FILE]

Each hole is a square at a place that the number of its image decides. Ways: draws of the model (best of so
many particles, temperatures 1 and 0.5), the mean of fills in eight orientations; for comparison the nearest
known pixel above or below, and the mean of the pixels around the hole.

Scores: PSNR to what was there, of the hole's pixels; bits of what was there, by the network, or by a Laplace
distribution around the fill with the scale that suits the hole best, which nobody could know; bits of the
known pixels that follow; bits of the fill itself.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
import numpy as np
import numpy.typing as npt
from PIL import Image

import pixcodec
from benchmarks.run import image_paths
from pixcodec.bench.images import load_image
from pixcodec.generation.holes import find_holes, reach_of
from pixcodec.generation.views import grid
from pixcodec.network.model_files import shipped_model

Planes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
AROUND = 2  # pixels around a hole whose mean is taken
SHOWN = 4  # holes in the picture
VIEW = 64  # side of a view of a hole


def main() -> None:
    """Measure what the command line asks for; print a table."""
    parser = argparse.ArgumentParser(description="Measure inpainting.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--holes", type=int, default=20)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--best-of", type=int, default=64)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    paths = [path for path in image_paths(options.folder, None) if load_image(path).ndim == 3]
    count = min(options.holes, len(paths))
    rows: list[dict[str, Any]] = []
    views: list[list[Planes]] = []
    for k in range(count):
        image = load_image(paths[k * len(paths) // count])
        mask = hole_of(image, options.side, k)
        fills = {}
        for name, fill in ways(options.best_of).items():
            start = time.process_time()
            fills[name] = fill(image, mask)
            seconds = time.process_time() - start
            rows.append({"hole": k, "way": name, "seconds": seconds, **scores(fills[name], image, mask)})
        if len(views) < SHOWN:
            views.append([view(filled, mask) for filled in (blanked(image, mask), *fills.values())])
        print(f"{k + 1} of {count}", file=sys.stderr, flush=True)
    if options.json:
        about = {"side": options.side, "best_of": options.best_of, "holes": count}
        options.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
    if options.picture:
        pictures = np.concatenate([np.stack(row) for row in views])
        Image.fromarray(grid(pictures, len(views[0]))).save(options.picture)
    print("\n".join(table(rows)))


def ways(best_of: int) -> dict[str, Callable[[Planes, Mask], Planes]]:
    """Return functions that fill a hole, by name."""
    return {
        "what was there": lambda image, mask: image,
        "draw": lambda image, mask: pixcodec.inpaint(image, mask, best_of=best_of)[0].image,
        "draw, temperature 0.5": lambda image, mask: (
            pixcodec.inpaint(image, mask, best_of=best_of, temperature=0.5)[0].image
        ),
        "mean of fills": lambda image, mask: (
            pixcodec.inpaint(image, mask, best_of=best_of, mean=True)[0].image
        ),
        "nearest rows": nearest_rows,
        "mean of the surroundings": mean_around,
    }


def hole_of(image: Planes, side: int, number: int) -> Mask:
    """Return a mask with a square hole, whose place a generator with this seed decides."""
    height, width = image.shape[:2]
    random = np.random.default_rng(number)
    y, x = (int(random.integers(VIEW // 2, length - VIEW // 2 - side)) for length in (height, width))
    mask = np.zeros((height, width), bool)
    mask[y : y + side, x : x + side] = True
    return mask


def nearest_rows(image: Planes, mask: Mask) -> Planes:
    """Fill with the nearest known pixel above or below."""
    filled = image.copy()
    for y, x in np.argwhere(mask):
        known = np.flatnonzero(~mask[:, x])
        filled[y, x] = image[known[np.argmin(np.abs(known - y))], x]
    return filled


def mean_around(image: Planes, mask: Mask) -> Planes:
    """Fill with the mean of the known pixels around."""
    y, x = np.nonzero(mask)
    rows = slice(max(0, y.min() - AROUND), y.max() + 1 + AROUND)
    columns = slice(max(0, x.min() - AROUND), x.max() + 1 + AROUND)
    filled = image.copy()
    filled[mask] = np.rint(image[rows, columns][~mask[rows, columns]].mean(0)).astype(np.uint8)
    return filled


def scores(filled: Planes, image: Planes, mask: Mask) -> dict[str, float]:
    """Return PSNR in dB; bits of what was there, of the fill and of the pixels that follow in reach."""
    errors = filled[mask].astype(np.float64) - image[mask].astype(np.float64)
    error = float((errors**2).mean())
    (hole,) = find_holes(mask, reach_of(shipped_model(3).architecture))
    bits = pixcodec.likelihood(np.ascontiguousarray(filled[hole.slices])).bits
    y, x = np.mgrid[: hole.mask.shape[0], : hole.mask.shape[1]]
    wave = x + 3 * y
    after = ~hole.mask & (wave >= wave[hole.mask].min())
    psnr = 10 * np.log10(255**2 / error) if error else np.inf
    return {
        "psnr": float(psnr),
        "bits_truth": laplace_bits(errors) if error else float(bits[hole.mask].sum()),
        "bits": float(bits[hole.mask].sum()),
        "bits_after": float(bits[after].sum()),
    }


def laplace_bits(errors: npt.NDArray[np.float64]) -> float:
    """Return the bits of errors by a discrete Laplace distribution, of the best of many scales."""
    found = []
    for decay in 1 - np.geomspace(1e-3, 0.999, 200):
        share = (1 - decay) / (1 + decay)  # of an error of 0
        found.append(float((-np.log2(share) - np.abs(errors) * np.log2(max(decay, 1e-9))).sum()))
    return min(found)


def view(image: Planes, mask: Mask) -> Planes:
    """Return the part of an image around a hole."""
    y, x = np.argwhere(mask).mean(0).astype(int)
    return image[y - VIEW // 2 : y + VIEW // 2, x - VIEW // 2 : x + VIEW // 2]


def blanked(image: Planes, mask: Mask) -> Planes:
    """Return an image with white holes."""
    blank = image.copy()
    blank[mask] = 255
    return blank


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table: the means over all holes."""
    lines = [
        "| way | PSNR, dB | bits of what was there | of the pixels after | of the fill | seconds |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for way in dict.fromkeys(row["way"] for row in rows):
        own = [row for row in rows if row["way"] == way]
        keys = ("psnr", "bits_truth", "bits_after", "bits", "seconds")
        psnr, truth, after, bits, seconds = (float(np.mean([row[key] for row in own])) for key in keys)
        lines.append(f"| {way} | {psnr:.2f} | {truth:.0f} | {after:.0f} | {bits:.0f} | {seconds:.2f} |")
    return lines


if __name__ == "__main__":
    main()
