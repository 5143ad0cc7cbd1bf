"""Markdown tables of the results of ``jpeg_files.py``."""

from __future__ import annotations

from collections import Counter
from typing import Any

OURS = "pixcodec"  # how the names of pixcodec's rows begin


def table(results: dict[str, Any]) -> list[str]:
    """Return the lines of two tables: the codecs over all files, and ratios by kind of file."""
    files, rows = results["files"], results["codecs"]
    size_bytes = sum(file["size_bytes"] for file in files)
    lines = [f"{len(files)} JPEG files, {size_bytes} bytes. One thread; MB are 10⁶ bytes of JPEG file."]
    lines += [f"Run {run['id']}: {run['date']}. {run['note']}".rstrip() for run in results["runs"]]
    lines += [
        "",
        "| codec | bytes | to the JPEG files | to the best other codec | refused | different | "
        "encode MB/s | decode MB/s | run |",
        "|---" + "|---:" * 8 + "|",
    ]
    totals = {name: _total(row["files"]) for name, row in rows.items()}
    for name, row in rows.items():
        others = [total for other, total in totals.items() if other != name and not other.startswith(OURS)]
        outcomes = Counter(file["outcome"] for file in row["files"])
        cells = [
            str(totals[name]),
            f"{totals[name] / size_bytes:.4f}",
            f"{totals[name] / min(others):.4f}" if others else "-",
            str(outcomes["refused"]),
            str(outcomes["different"]),
            _speed(files, row["files"], "encode_seconds"),
            _speed(files, row["files"], "decode_seconds"),
            str(row["run"]),
        ]
        lines.append(f"| {row['label']} | {' | '.join(cells)} |")
    return [*lines, "", *_by_kind(files, rows)]


def _by_kind(files: list[dict[str, Any]], rows: dict[str, Any]) -> list[str]:
    """Return the lines of a table: what each codec makes of each kind of file, to the JPEG files."""
    labels = [row["label"] for row in rows.values()]
    lines = [
        f"| kind | files | bytes | {' | '.join(labels)} |",
        "|---" + "|---:" * (2 + len(labels)) + "|",
    ]
    kinds = Counter(file["kind"] for file in files)
    for kind, count in kinds.most_common():
        of_kind = [number for number, file in enumerate(files) if file["kind"] == kind]
        size_bytes = sum(files[number]["size_bytes"] for number in of_kind)
        ratios = [
            f"{_total([row['files'][number] for number in of_kind]) / size_bytes:.4f}"
            for row in rows.values()
        ]
        lines.append(f"| {kind} | {count} | {size_bytes} | {' | '.join(ratios)} |")
    return lines


def _total(found: list[dict[str, Any]]) -> int:
    return sum(file["size_bytes"] for file in found)


def _speed(files: list[dict[str, Any]], found: list[dict[str, Any]], field: str) -> str:
    """Return MB of JPEG file per second, of the files that were given back."""
    pairs = [(file, row) for file, row in zip(files, found, strict=True) if row["outcome"] == "same"]
    seconds = sum(row[field] for _, row in pairs)
    return f"{sum(file['size_bytes'] for file, _ in pairs) / seconds / 1e6:.3g}" if seconds else "-"
