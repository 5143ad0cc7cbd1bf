"""Write results files as Markdown tables.

    python benchmarks/report.py [RESULTS ...] [--per-image] [--versions]

Without RESULTS, all files of ``benchmarks/results``; that is what ``tables.md`` there holds.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"

# The fields are those of record.Results; this script imports nothing of benchmarks, so that it runs anywhere.
Results = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Print a table for each results file."""
    parser = argparse.ArgumentParser(prog="report.py", description="Write results files as Markdown.")
    parser.add_argument("results", type=Path, nargs="*", help="files of run.py (default: all in results/)")
    parser.add_argument("--per-image", action="store_true", help="add a table of each image's bpsp_file")
    parser.add_argument("--versions", action="store_true", help="add a table of versions and settings")
    options = parser.parse_args(arguments)
    sections = []
    for results in load(options.results or sorted(RESULTS.glob("*.json"))):
        sections += [heading(results), total_table(results)]
        if options.versions:
            sections.append(version_table(results))
        if options.per_image:
            sections.append(image_table(results))
        sections.append(run_lines(results))
    print("\n\n".join(sections))
    return 0


def load(paths: list[Path]) -> list[Results]:
    """Read the results files of run.py among these JSON files; other benchmarks' files have no schema."""
    found: list[Results] = [json.loads(path.read_text("utf-8")) for path in paths]
    return [results for results in found if "schema" in results]


def heading(results: Results) -> str:
    """Name the set, its number of images and its size."""
    megapixels = sum(image["height"] * image["width"] for image in results["images"]) / 1e6
    return f"## {results['set']} ({count(len(results['images']), 'image')}, {megapixels:.2f} MP)"


def total_table(results: Results) -> str:
    """Give one row a codec, the smallest total first."""
    header = ["codec", "bpsp_file", "ratio to JPEG XL e9", "encode MP/s", "decode MP/s", "peak MB", "threads"]
    rows = []
    for row in by_size(results):
        totals = row["totals"]
        ratio = totals["ratio_to_jxl9"]
        peak_bytes = max(totals["encode_peak_bytes"], totals["decode_peak_bytes"])
        rows.append(
            [
                row["label"],
                f"{totals['bpsp_file']:.3f}",
                "" if ratio is None else f"{ratio:.4f}",
                speed(totals["encode_mp_per_second"]),
                speed(totals["decode_mp_per_second"]),
                f"{peak_bytes / 1e6:.0f}",
                str(row["threads"]),
            ]
        )
    if len(results["runs"]) > 1:
        header.append("run")
        for cells, row in zip(rows, by_size(results), strict=True):
            cells.append(str(row["run"]))
    return table(header, rows)


def version_table(results: Results) -> str:
    """Give each codec's library and settings."""
    rows = [[row["label"], row["version"], row["settings"]] for row in by_size(results)]
    return table(["codec", "version", "settings"], rows)


def image_table(results: Results) -> str:
    """Give each image's bpsp_file, one column a codec, the smallest total first."""
    rows = by_size(results)
    header = ["image", *(row["label"] for row in rows)]
    body = [
        [image["name"], *(f"{row['images'][index]['bpsp_file']:.3f}" for row in rows)]
        for index, image in enumerate(results["images"])
    ]
    return table(header, body)


def run_lines(results: Results) -> str:
    """Give the date, machine and settings of each run."""
    lines = []
    for run in results["runs"]:
        machine = run["machine"]
        line = (
            f"Run {run['id']}: {run['date'][:10]}, {count(machine['cores'], 'core')} of {machine['cpu']}, "
            f"{count(run['threads'], 'thread')}, Python {run['python']}, median of {run['repeat']}."
        )
        lines.append(f"{line} {run['note']}".rstrip())
    return "  \n".join(lines)


def count(number: int, what: str) -> str:
    """Write a number of things, in the plural where it is not one."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def by_size(results: Results) -> list[dict[str, Any]]:
    """List the codecs' rows, the smallest total first."""
    return sorted(results["codecs"].values(), key=lambda row: row["totals"]["size_bytes"])


def speed(mp_per_second: float) -> str:
    """Write a speed with three significant figures or whole."""
    return f"{mp_per_second:.0f}" if mp_per_second >= 100 else f"{mp_per_second:#.3g}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table, the first column to the left and figures to the right."""
    figures = all(cell[:1].isdigit() or not cell for row in rows for cell in row[1:])
    lines = [header, ["---", *(["---:" if figures else "---"] * (len(header) - 1))], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
