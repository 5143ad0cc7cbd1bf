"""What small tiles cost: the mixing stage starts anew in every tile.

    python benchmarks/tile_sizes.py IMAGE ... [--efforts fast,normal]

Cuts each image into pieces of several sizes, encodes every piece as one tile, and prints a Markdown table of
the sum of the bitstreams, relative to the largest piece.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
import numpy as np
from PIL import Image

from pixcodec import codec
from pixcodec.container.container import parse

PARTS = ((1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (8, 8))  # columns and rows of pieces


def size_in_pieces(image: np.ndarray, columns: int, rows: int, effort: str) -> int:
    """Return the size in bytes of the bitstreams of an image (H, W, 3) cut into pieces of one tile each."""
    total = 0
    for row in np.array_split(image, rows, 0):
        for piece in np.array_split(row, columns, 1):
            (tile,) = parse(codec.encode(np.ascontiguousarray(piece), effort=effort)).tiles
            total += len(tile.bitstream)
    return total


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="tile_sizes.py", description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--efforts", default="fast,normal")
    options = parser.parse_args()
    # One tile a piece, whatever its size.
    codec.MIN_SHARED_PIXELS = codec.FAST_TILE_HEIGHT = codec.MAX_TILE_SIDE = 2**20
    images = {path: np.asarray(Image.open(path).convert("RGB")) for path in options.images}
    height, width = next(iter(images.values())).shape[:2]
    print("| effort | images | " + " | ".join(f"{width // c}x{height // r}" for c, r in PARTS) + " |")
    print("|---" * (2 + len(PARTS)) + "|")
    for effort in options.efforts.split(","):
        sizes = np.array([[size_in_pieces(i, c, r, effort) for c, r in PARTS] for i in images.values()])
        cells = [f"{ratio:.3f}" for ratio in sizes.sum(0) / sizes[:, 0].sum()]
        print(f"| {effort} | {len(images)} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
