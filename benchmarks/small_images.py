"""Sizes of small and computed images: pixcodec beside optimised PNG files.

    python benchmarks/small_images.py FOLDER... --out benchmarks/results/computed

Each PNG file is encoded and decoded by pixcodec without its metadata, and optimised by oxipng. pixcodec keeps
palettes as they are, oxipng changes their order, drops colours or the palette. So an image with a palette is
compared twice: as it is, with oxipng keeping the palette, too; and its colours alone (RGB or RGBA), with
oxipng's choice. OUT.json has the sizes, OUT.md a table by folder and the images that are larger.
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
from PIL import Image

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
    colours = None
    if isinstance(image, Image.Image) and image.mode == "P":
        row["oxipng_palette_kept"] = oxipng_size(data, keep_palette=True)
        colours = np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB"))
    for effort in EFFORTS:
        if effort == "max" and array.shape[0] * array.shape[1] > MAX_PIXELS_OF_MAX:
            continue
        row[effort] = own_size(path, path, array, effort)
        if colours is not None:
            row[f"{effort}_colours"] = own_size(path, colours, colours, effort)
    return row


def own_size(path: Path, image: Any, array: Any, effort: str) -> int:
    """Return the size of an image of a file, checked by decoding it to an array."""
    encoded = pixcodec.encode(image, effort=effort, strip=True, threads=1)
    if not np.array_equal(pixcodec.decode(encoded), array):
        raise AssertionError(f"{path}: decodes to another image")
    return len(encoded)


def too_large(size: int, peer: int) -> bool:
    """Return whether a size is more than 2 % and 40 bytes above another one."""
    return size > max(peer * LENIENT_RATIO, peer + LENIENT_BYTES)


def pairs(row: dict[str, Any], effort: str) -> list[tuple[int, int]]:
    """Return the sizes of an image and of its PNG file that are compared."""
    if "oxipng_palette_kept" not in row:
        return [(row[effort], row["oxipng"])]
    return [(row[effort], row["oxipng_palette_kept"]), (row[f"{effort}_colours"], row["oxipng"])]


def table(rows: list[dict[str, Any]]) -> Iterable[str]:
    """Give the lines of the table by folder and effort."""
    over = "over 2 % and 40 B"
    heads = f"bytes | oxipng | ratio | {over} | over 2 % | {over}, palettes unlike"
    yield f"| images | effort | number | {heads} |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    for folder in sorted({row["folder"] for row in rows}):
        for effort in EFFORTS:
            some = [row for row in rows if row["folder"] == folder and effort in row]
            if not some:
                continue
            own, peer = (sum(row[key] for row in some) for key in (effort, "oxipng"))
            alike = sum(any(too_large(*pair) for pair in pairs(row, effort)) for row in some)
            beyond = sum(any(a > LENIENT_RATIO * b for a, b in pairs(row, effort)) for row in some)
            unlike = sum(too_large(row[effort], row["oxipng"]) for row in some)
            sizes = f"{own:,} | {peer:,} | {own / peer:.3f}"
            yield f"| {folder} | `{effort}` | {len(some)} | {sizes} | {alike} | {beyond} | {unlike} |"


def larger(rows: list[dict[str, Any]]) -> Iterable[str]:
    """Give the lines of the table of images that are larger than they should be."""
    found = [
        row
        for row in rows
        if any(too_large(row[e], row["oxipng"]) or too_large(*pairs(row, e)[-1]) for e in EFFORTS if e in row)
    ]
    if not found:
        yield "No image is more than 2 % and 40 bytes larger than its PNG file."
        return
    of_colours = [f"{effort}_colours" for effort in EFFORTS]
    heads = [*(f"`{e}`" for e in EFFORTS), *(f"`{e}`, colours" for e in EFFORTS)]
    yield "| image | oxipng | the same with the palette kept | " + " | ".join(heads) + " |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for row in found:
        keys = ("oxipng", "oxipng_palette_kept", *EFFORTS, *of_colours)
        cells = [str(row.get(key, "")) for key in keys]
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
