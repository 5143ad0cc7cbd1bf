"""Write what README.md and the results show of committed results: tables and the picture.

    python benchmarks/readme.py

Writes the table of README.md, ``results/tables.md`` and the pictures of ``docs/``. Tests compare all three
with the results.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
from benchmarks import plot, report

BEGIN = "<!-- The table is written by benchmarks/readme.py -->"
END = "<!-- end of the table -->"
ROWS = {
    "pixcodec-max": "pixcodec `max`",
    "pixcodec-normal": "pixcodec `normal`",
    "pixcodec-fast": "pixcodec `fast`",
    "jxl9": "JPEG XL effort 9",
    "webp": "WebP method 6",
}
SETS = {
    "kodak": "Kodak",
    "val-clean": "clean photos",
    "val-native": "photos once JPEG",
    "val-graphics": "graphics",
}
TIMED = "kodak"  # the set whose speed and memory are shown
HEADER = ("", *SETS.values(), "encode MP/s", "decode MP/s", "memory, MB")


class Range(NamedTuple):
    """By how many percent the files of photographs are smaller than JPEG XL's."""

    least: int
    most: int


def main() -> int:
    """Write the table, the tables and the pictures."""
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text("utf-8")), "utf-8")
    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        report.main([])
    (report.RESULTS / "tables.md").write_text(text.getvalue(), "utf-8")
    return plot.main([])


def with_table(text: str) -> str:
    """Return the text of README.md with its table written anew.

    Raises
    ------
    ValueError
        The text has no place for the table.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the lines {BEGIN!r} and {END!r} in README.md")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def table() -> str:
    """Return the table of README.md."""
    results = load()
    rows = []
    for name, label in ROWS.items():
        totals = results[TIMED]["codecs"][name]["totals"]
        rows.append(
            [
                label,
                *(f"{ratio(results[key], name):.3f}" for key in SETS),
                f"{totals['encode_mp_per_second']:.2g}",
                f"{totals['decode_mp_per_second']:.2g}",
                f"{totals['encode_process_peak_bytes'] / 1e6:.0f}",
            ]
        )
    return report.table(list(HEADER), rows)


def photographs() -> Range:
    """Return by how much `normal` is smaller than JPEG XL on photographs that were no JPEG files, by sets."""
    results = load()
    public = json.loads((report.RESULTS / "public-sets.json").read_text("utf-8"))["sets"]["McMaster"][
        "codecs"
    ]
    ratios = [ratio(results[key], "pixcodec-normal") for key in ("kodak", "val-clean")]
    ratios.append(public["pixcodec-normal"]["size_bytes"] / public["jxl9"]["size_bytes"])
    gains = [100 * (1 - value) for value in ratios]
    return Range(round(min(gains)), round(max(gains)))


def ratio(results: dict[str, Any], name: str) -> float:
    """Return the total bytes of a codec relative to JPEG XL effort 9."""
    return float(results["codecs"][name]["totals"]["ratio_to_jxl9"])


def load() -> dict[str, dict[str, Any]]:
    """Read the results of each set."""
    return {key: report.load([report.RESULTS / f"{key}.json"])[0] for key in SETS}


if __name__ == "__main__":
    sys.exit(main())
