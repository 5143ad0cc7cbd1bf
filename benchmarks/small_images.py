"""Sizes of small and computed images: pixcodec beside optimised PNG files.

    python benchmarks/small_images.py FOLDER... --out benchmarks/results/computed

Each PNG file is encoded and decoded by pixcodec without its metadata, and optimised by oxipng. OUT.json has
the sizes, OUT.md a table by folder and the images that are larger.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

import pixcodec
from pixcodec.images.files import read_image

EFFORTS = ("fast", "normal", "max")
MAX_PIXELS_OF_MAX = 64 * 64
LENIENT_RATIO, LENIENT_BYTES = 1.02, 40
OXIPNG_LEVEL = 6


def oxipng_size(data: bytes, *, keep_palette: bool = False) -> int:
    """Return the size of a PNG file that oxipng optimised; its palette may be kept as it is."""
    import oxipng

    return len(
        oxipng.optimize_from_memory(
            data,
            level=OXIPNG_LEVEL,
            strip=oxipng.StripChunks.all(),
            interlace=oxipng.Interlacing.Off,
            force=True,
            color_type_reduction=not keep_palette,
            palette_reduction=not keep_palette,
        )
    )


def measure(path: Path) -> dict[str, Any]:
    """Return the sizes of an image in bytes."""
    data = path.read_bytes()
    image, _ = read_image(data)
    array = np.asarray(image)
    row: dict[str, Any] = {"folder": path.parent.name, "name": path.stem, "shape": list(array.shape)}
    row["oxipng"] = oxipng_size(data)
    if getattr(image, "mode", "") == "P":
        row["oxipng_palette_kept"] = oxipng_size(data, keep_palette=True)
    for effort in EFFORTS:
        if effort == "max" and array.shape[0] * array.shape[1] > MAX_PIXELS_OF_MAX:
            continue
        encoded = pixcodec.encode(path, effort=effort, strip=True, threads=1)
        if not np.array_equal(pixcodec.decode(encoded), array):
            raise AssertionError(f"{path}: decodes to another image")
        row[effort] = len(encoded)
    return row


def too_large(size: int, peer: int) -> bool:
    """Return whether a size is more than 2 % and 40 bytes above another one."""
    return size > max(peer * LENIENT_RATIO, peer + LENIENT_BYTES)


def table(rows: list[dict[str, Any]]) -> Iterable[str]:
    """Give the lines of the table by folder and effort."""
    yield "| images | effort | number | bytes | oxipng | ratio | over 2 % and 40 bytes | over 2 % |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for folder in sorted({row["folder"] for row in rows}):
        for effort in EFFORTS:
            some = [row for row in rows if row["folder"] == folder and effort in row]
            if not some:
                continue
            own, peer = (sum(row[key] for row in some) for key in (effort, "oxipng"))
            over = sum(too_large(row[effort], row["oxipng"]) for row in some)
            beyond = sum(row[effort] > LENIENT_RATIO * row["oxipng"] for row in some)
            sizes = f"{own:,} | {peer:,} | {own / peer:.3f}"
            yield f"| {folder} | `{effort}` | {len(some)} | {sizes} | {over} | {beyond} |"


def larger(rows: list[dict[str, Any]]) -> Iterable[str]:
    """Give the lines of the table of images that are larger than they should be."""
    found = [row for row in rows if any(too_large(row[e], row["oxipng"]) for e in EFFORTS if e in row)]
    if not found:
        yield "No image is more than 2 % and 40 bytes larger than its PNG file."
        return
    yield (
        "| image | oxipng | the same with the palette kept | " + " | ".join(f"`{e}`" for e in EFFORTS) + " |"
    )
    yield "|---|---:|---:|---:|---:|---:|"
    for row in found:
        cells = [str(row.get(key, "")) for key in ("oxipng", "oxipng_palette_kept", *EFFORTS)]
        yield f"| {row['folder']}/{row['name']} | " + " | ".join(cells) + " |"


def report(rows: list[dict[str, Any]]) -> str:
    """Return the page."""
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("pyoxipng", "pillow", "numpy")
    )
    parts: list[Callable[[list[dict[str, Any]]], Iterable[str]]] = [table, larger]
    tables = ["\n".join(part(rows)) for part in parts]
    return (
        "# Small and computed images\n\n"
        f"Bytes of whole files, by `small_images.py`; {versions}. oxipng: level {OXIPNG_LEVEL}, libdeflate,\n"
        "without interlacing and metadata. pixcodec without metadata, too; each file was decoded.\n"
        f"`max` codes those of up to {MAX_PIXELS_OF_MAX:,} pixels.\n\n" + "\n\n".join(tables) + "\n"
    )


def main() -> None:
    """Measure all PNG files of some folders."""
    parser = argparse.ArgumentParser(description="compare the sizes of small images")
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for path in sorted(path for folder in given.folders for path in folder.glob("*.png")):
        try:
            rows.append(measure(path))
        except (pixcodec.PixcodecError, SyntaxError) as error:
            print(f"{path}: left out: {error}")
    given.out.with_suffix(".json").write_text(
        "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n", "utf-8"
    )
    given.out.with_suffix(".md").write_text(report(rows), "utf-8")


if __name__ == "__main__":
    main()
