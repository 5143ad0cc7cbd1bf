"""Sizes of graphics, transparency and 16 bits: all modes, beside PNG, WebP and JPEG XL.

    python benchmarks/modes.py FOLDER --sizes sizes.json > table.md

Every PNG file below FOLDER is encoded by each codec in the file's own mode, decoded and compared; a row of
the table is a folder. Palettes and bilevel images go to WebP and JPEG XL as RGB(A) or grey, as these have no
such modes. What ``sizes.json`` holds already is not measured again, so an interrupted run continues.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import pixcodec
from pixcodec.images.files import read_image

Array = npt.NDArray[Any]
COLUMNS = ("pixcodec-normal", "webp", "jxl9", "oxipng")


class NotHeldError(Exception):
    """The codec has no mode for the image."""


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description="Sizes of images of all modes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=Path, required=True, help="file of sizes in bytes, kept up to date")
    options = parser.parse_args()
    sizes: dict[str, dict[str, int | None]] = {}
    if options.sizes.exists():
        sizes = json.loads(options.sizes.read_text("utf-8"))
    paths = sorted(options.folder.rglob("*.png"))
    for path in paths:
        found = sizes.setdefault(path.relative_to(options.folder).as_posix(), {})
        for column in COLUMNS:
            if column not in found:
                found[column] = measure(column, path)
                options.sizes.write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n", "utf-8")
    names = [path.relative_to(options.folder).as_posix() for path in paths]
    print("\n".join(table({name: sizes[name] for name in names})))


def measure(column: str, path: Path) -> int | None:
    """Return the size of an image in bytes, None if the codec cannot hold it.

    Raises
    ------
    ValueError
        If another image comes back.
    """
    data = path.read_bytes()
    image = read_image(data)[0]
    try:
        encoded, decoded, expected = ROUND_TRIPS[column](data, image)
    except NotHeldError:
        return None
    if decoded.dtype != expected.dtype or not np.array_equal(decoded, expected):
        raise ValueError(f"{path}: {column} gives another image back")
    return len(encoded)


def _pixcodec(data: bytes, image: Any, effort: str = "normal") -> tuple[bytes, Array, Array]:
    encoded = pixcodec.encode(image, strip=True, effort=effort)
    return encoded, pixcodec.decode(encoded), np.asarray(image)


def _webp(data: bytes, image: Any) -> tuple[bytes, Array, Array]:
    if isinstance(image, np.ndarray) or image.mode.startswith("I;16"):
        raise NotHeldError
    expanded = _expanded(image, ("RGB", "RGBA"))
    buffer = io.BytesIO()
    expanded.save(buffer, "WEBP", lossless=True, quality=100, method=6, exact=True)
    with Image.open(buffer) as decoded:
        return buffer.getvalue(), np.asarray(decoded.convert(expanded.mode)), np.asarray(expanded)


def _jxl(data: bytes, image: Any) -> tuple[bytes, Array, Array]:
    import imagecodecs

    if not isinstance(image, np.ndarray) and not image.mode.startswith("I;16"):
        image = _expanded(image, ("L", "LA", "RGB", "RGBA"))
    array = np.asarray(image)
    encoded = imagecodecs.jpegxl_encode(array, lossless=True, effort=9)
    return bytes(encoded), imagecodecs.jpegxl_decode(encoded), array


def _jpegls(data: bytes, image: Any) -> tuple[bytes, Array, Array]:
    import imagecodecs

    array = np.asarray(image)
    encoded = imagecodecs.jpegls_encode(array)
    return bytes(encoded), imagecodecs.jpegls_decode(encoded), array


def _oxipng(data: bytes, image: Any) -> tuple[bytes, Array, Array]:
    import oxipng

    level = 6 if len(data) < 100_000 else 4
    encoded = oxipng.optimize_from_memory(data, level=level, strip=oxipng.StripChunks.all())
    again = read_image(encoded)[0]
    if isinstance(image, np.ndarray) or image.mode.startswith("I;16"):
        return encoded, np.asarray(again), np.asarray(image)
    assert isinstance(again, Image.Image)
    return encoded, np.asarray(again.convert("RGBA")), np.asarray(image.convert("RGBA"))


def _expanded(image: Image.Image, modes: tuple[str, ...]) -> Image.Image:
    """Return an image in one of these modes, without loss."""
    if image.mode in modes and "transparency" not in image.info:
        return image
    if image.mode == "1" and "L" in modes:
        return image.convert("L")
    has_alpha = image.mode in ("LA", "RGBA", "PA") or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")


ROUND_TRIPS: dict[str, Callable[[bytes, Any], tuple[bytes, Array, Array]]] = {
    "pixcodec-fast": partial(_pixcodec, effort="fast"),
    "pixcodec-normal": _pixcodec,
    "pixcodec-max": partial(_pixcodec, effort="max"),
    "jpegls": _jpegls,
    "webp": _webp,
    "jxl9": _jxl,
    "oxipng": _oxipng,
}


def table(sizes: dict[str, dict[str, int | None]]) -> list[str]:
    """Return the lines of a table: total bytes of every folder, and how pixcodec compares."""
    folders: dict[str, list[str]] = {}
    for name in sizes:
        folders.setdefault(str(Path(name).parent), []).append(name)
    lines = [
        "| images | files | pixcodec normal | WebP | JPEG XL e9 | oxipng | to the best of WebP and JPEG XL | "
        "to JPEG XL | largest, to oxipng |",
        "|" + "---|" * 9,
    ]
    for folder, names in folders.items():
        totals = {column: [sizes[name].get(column) for name in names] for column in COLUMNS}
        ours = sum(totals["pixcodec-normal"][k] or 0 for k in range(len(names)))
        best = sum(
            min(other for other in (sizes[name].get("webp"), sizes[name].get("jxl9")) if other)
            for name in names
        )
        worst = max((sizes[name]["pixcodec-normal"] or 0) / (sizes[name]["oxipng"] or 1) for name in names)
        held = [totals[column] for column in COLUMNS]
        cells = [str(sum(size or 0 for size in found)) if all(found) else "-" for found in held]
        jxl = sum(size or 0 for size in totals["jxl9"])
        ratios = f"{ours / best:.3f} | {ours / jxl:.3f} | {worst:.3f}"
        lines.append(f"| {folder} | {len(names)} | {' | '.join(cells)} | {ratios} |")
    return lines


if __name__ == "__main__":
    main()
