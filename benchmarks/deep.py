"""Sizes of rasters of floats, wide integers and many bands, beside general and TIFF compressors.

    python benchmarks/deep.py FOLDER > benchmarks/results/deep.md

FOLDER has a folder for each kind of raster, with arrays (H, W) or (H, W, C) as .npy files. Each result is
decoded and compared, bit for bit. Needs tifffile and imagecodecs.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile

import pixcodec

Array = npt.NDArray[Any]


def zstd(array: Array) -> int:
    """Return the size of the bytes with zstd -19."""
    return len(imagecodecs.zstd_encode(array.tobytes(), level=19))


def blosc(array: Array) -> int:
    """Return the size of the shuffled bytes with blosc's zstd, level 9."""
    coded = imagecodecs.blosc_encode(
        array.tobytes(), level=9, compressor="zstd", typesize=array.itemsize, shuffle="shuffle"
    )
    return len(coded)


def tiff(array: Array) -> int:
    """Return the size of a TIFF file with deflate, level 9, and predictor 3 for floats or 2 for integers."""
    file = io.BytesIO()
    predictor = 3 if array.dtype.kind == "f" else 2
    tifffile.imwrite(
        file,
        array,
        compression="deflate",
        compressionargs={"level": 9},
        predictor=predictor,
        photometric="minisblack",
        planarconfig="contig" if array.ndim == 3 else None,
        metadata=None,
    )
    return len(file.getvalue())


def pxc(array: Array) -> int:
    """Return the size of a .pxc file, which decodes to the same bits."""
    data = pixcodec.encode(array, threads=1)
    decoded = pixcodec.decode(data, threads=1)
    same = decoded.dtype == array.dtype and decoded.shape == array.shape
    if not same or decoded.tobytes() != array.tobytes():
        raise SystemExit("a raster decodes to another one")
    return len(data)


CODECS: dict[str, Callable[[Array], int]] = {
    "zstd -19": zstd,
    "blosc shuffle + zstd": blosc,
    "TIFF predictor + deflate": tiff,
    "pixcodec": pxc,
}


def main(folder: Path) -> None:
    """Print a table of sizes, with a total for each kind and for all."""
    print("# Floats, wide integers, many bands: sizes in bytes\n")
    print(f"`python benchmarks/deep.py`, pixcodec effort normal. {len(CODECS) - 1} other compressors.\n")
    print("| raster | type | shape | raw | " + " | ".join(CODECS) + " |")
    print("|---|---|---|---|" + "---|" * len(CODECS))
    totals: dict[str, list[int]] = {}
    for path in sorted(folder.glob("*/*.npy")):
        array = np.load(path, allow_pickle=False)
        sizes = [array.nbytes, *(size(array) for size in CODECS.values())]
        for kind in (path.parent.name, "all"):
            before = totals.setdefault(kind, [0] * len(sizes))
            totals[kind] = [a + b for a, b in zip(before, sizes, strict=True)]
        shape = "x".join(str(side) for side in array.shape)
        cells = " | ".join(str(size) for size in sizes)
        print(f"| {path.parent.name}/{path.stem} | {array.dtype} | {shape} | {cells} |", flush=True)
    print("\n| total | raw | " + " | ".join(CODECS) + " | to the best other |")
    print("|---|---|" + "---|" * (len(CODECS) + 1))
    totals["all"] = totals.pop("all")
    for kind, sizes in totals.items():
        gain = 100 * (sizes[-1] / min(sizes[1:-1]) - 1)
        print(f"| {kind} | " + " | ".join(str(size) for size in sizes) + f" | {gain:+.1f} % |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
