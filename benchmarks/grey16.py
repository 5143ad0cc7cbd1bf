"""Sizes of grey images of 16 bits, beside JPEG XL, JPEG-LS and PNG: a table of each image.

    python benchmarks/grey16.py FOLDER --sizes sizes.json > table.md

FOLDER has a folder for each part of the set (here those that were looked at while the codec was made, and
those held out), and PNG files in these, named by kind: ``depth_livingroom.png``. Every file is decoded and
compared. What ``sizes.json`` holds already is not measured again, so an interrupted run continues.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from pathlib import Path

from modes import measure  # type: ignore[import-not-found]  # the script beside this one

COLUMNS = ("jxl9", "jpegls", "oxipng", "pixcodec-fast", "pixcodec-normal", "pixcodec-max")
Sizes = dict[str, dict[str, int | None]]


def main() -> None:
    """Measure what is missing, and print the tables."""
    parser = argparse.ArgumentParser(description="Sizes of grey images of 16 bits.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sizes", type=Path, required=True, help="file of sizes in bytes, kept up to date")
    parser.add_argument("--columns", default=",".join(COLUMNS), help="what is measured, of the columns")
    options = parser.parse_args()
    sizes: Sizes = json.loads(options.sizes.read_text("utf-8")) if options.sizes.exists() else {}
    paths = sorted(options.folder.glob("*/*.png"), key=lambda path: path.stat().st_size)
    for column in options.columns.split(","):
        for path in paths:
            found = sizes.setdefault(path.relative_to(options.folder).as_posix(), {})
            if column not in found:
                found[column] = measure(column, path)
                options.sizes.write_text(json.dumps(sizes, indent=1, sort_keys=True) + "\n", "utf-8")
    print("\n".join(tables(sizes)))


def tables(sizes: Sizes) -> list[str]:
    """Return the lines of a table of each part, and of one of the kinds of images."""
    parts = sorted({name.split("/")[0] for name in sizes})
    lines = []
    for part in parts:
        names = sorted(name for name in sizes if name.startswith(f"{part}/"))
        lines += [f"## {part}", "", *_head("image")]
        lines += [_row(Path(name).stem, [sizes[name]]) for name in names]
        lines += [_row("total", [sizes[name] for name in names]), ""]
    lines += ["## By kind", "", *_head("kind")]
    kinds = sorted({Path(name).stem.split("_")[0] for name in sizes})
    for kind in kinds:
        lines.append(_row(kind, [sizes[name] for name in sizes if Path(name).stem.startswith(f"{kind}_")]))
    return [*lines, _row("all", list(sizes.values()))]


def _head(what: str) -> list[str]:
    ratios = [f"{column.removeprefix('pixcodec-')} / JPEG XL" for column in COLUMNS[3:]]
    names = [what, "files", "JPEG XL e9", "JPEG-LS", "oxipng", "fast", "normal", "max", *ratios]
    return [f"| {' | '.join(names)} |", "|---|" + "---:|" * (len(names) - 1)]


def _row(name: str, found: list[dict[str, int | None]]) -> str:
    totals = [_total(row.get(column) for row in found) for column in COLUMNS]
    ratios = [f"{total / totals[0]:.3f}" if total else "-" for total in totals[3:]]
    cells = [name, str(len(found)), *(f"{total:.0f}" if total else "-" for total in totals), *ratios]
    return f"| {' | '.join(cells)} |"


def _total(found: Iterable[int | None]) -> float:
    """Return the sum of sizes; not a number, which counts as nothing, if one is missing."""
    values = list(found)
    return math.fsum(value for value in values if value) if all(values) else 0.0


if __name__ == "__main__":
    main()
