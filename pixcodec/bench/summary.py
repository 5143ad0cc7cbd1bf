"""What results say of each codec over all images: the rows of every table, and of the plot."""

from __future__ import annotations

import csv
import io
from typing import NamedTuple

from pixcodec.batch.amounts import count, megabytes, smaller
from pixcodec.bench.record import CodecRow, Results, Run, ratio_of

OURS = "pixcodec-"  # how the names of our codecs begin
PNG = "png"

CSV_FIELDS = (
    *("image", "width", "height", "channels", "bit_depth", "codec", "size_bytes", "bpsp_file"),
    *("encode_seconds", "decode_seconds", "encode_mp_per_second", "decode_mp_per_second"),
)


class Row(NamedTuple):
    """One codec over all images that it has a mode for."""

    name: str
    label: str
    ours: bool
    images: int
    size_bytes: int
    bpsp_file: float
    ratio_to_png: float | None  # of bytes, over the images that both hold
    ratio_to_best: float | None  # to the best other codec, see `best_other`
    encode_speed: float  # megapixels per second
    decode_speed: float
    memory_bytes: int  # that coding takes, the larger of both ways
    threads: int
    version: str
    settings: str


def summarize(results: Results) -> list[Row]:
    """Return a row for each codec, the smallest files first."""
    codecs = results["codecs"]
    png, best = codecs.get(PNG), codecs.get(best_other(results) or "")
    rows = [_row(name, codec, png, best) for name, codec in codecs.items()]
    return sorted(rows, key=lambda row: (row.ratio_to_best or row.ratio_to_png or 1, row.bpsp_file))


def best_other(results: Results) -> str | None:
    """Return the name of the codec with the smallest files that is not ours.

    Only codecs that hold as many images as any other do count, so that none wins by leaving some out.
    """
    others = {name: codec for name, codec in results["codecs"].items() if not name.startswith(OURS)}
    if not others:
        return None
    most = max(map(_count, others.values()))
    sizes = {name: codec["totals"]["size_bytes"] for name, codec in others.items() if _count(codec) == most}
    return min(sizes, key=lambda name: sizes[name])


def strongest(rows: list[Row]) -> Row | None:
    """Return the row of our effort with the smallest files, None if none was measured."""
    return next((row for row in rows if row.ours), None)


def as_csv(results: Results) -> str:
    """Return a line for each image and codec, below the names of the fields."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_FIELDS)
    for name, codec in results["codecs"].items():
        for info, row in zip(results["images"], codec["images"], strict=True):
            if row is not None:
                fields = {
                    **info,
                    "bit_depth": info.get("bit_depth", 8),
                    **row,
                    "image": info["name"],
                    "codec": name,
                }
                writer.writerow(fields[field] for field in CSV_FIELDS)
    return text.getvalue()


def _row(name: str, codec: CodecRow, png: CodecRow | None, best: CodecRow | None) -> Row:
    totals = codec["totals"]
    return Row(
        name,
        codec["label"],
        name.startswith(OURS),
        _count(codec),
        totals["size_bytes"],
        totals["bpsp_file"],
        ratio_of(codec, png) if png else None,
        ratio_of(codec, best) if best else None,
        totals["encode_mp_per_second"],
        totals["decode_mp_per_second"],
        max(totals["encode_peak_bytes"], totals["decode_peak_bytes"]),
        codec["threads"],
        codec["version"],
        codec["settings"],
    )


def _count(codec: CodecRow) -> int:
    return sum(row is not None for row in codec["images"])


def headline(results: Results) -> str:
    """Return what came out in one line that can be quoted."""
    rows = summarize(results)
    ours, best, png = strongest(rows), _find(rows, best_other(results)), _find(rows, PNG)
    line = count(len(results["images"]), "image")
    if ours is None:
        return line
    as_png = png is not None and png.images == ours.images
    if png is not None and as_png:
        line += f", {megabytes(png.size_bytes)} as PNG"
    line += f" -> {megabytes(ours.size_bytes)} with {ours.label}"
    if ours.ratio_to_png is not None:
        line += f", {smaller(ours.ratio_to_png)}{'' if as_png else ' than PNG'}"
    if best is not None and best.name != PNG and ours.ratio_to_best is not None:
        line += f" ({smaller(ours.ratio_to_best)} than {best.label})"
    return line


def run_line(run: Run) -> str:
    """Return the date, machine and settings of a run."""
    machine, repeat = run["machine"], run["repeat"]
    timed = f"medians of up to {repeat}" if repeat > 1 else "timed once"
    line = (
        f"{run['date'][:10]}, {count(machine['cores'], 'core')} of {machine['cpu']}, {machine['system']}, "
        f"{count(run['threads'], 'thread')}, Python {run['python']}, {timed}."
    )
    return f"{line} {run['note']}".rstrip()


def speed(mp_per_second: float) -> str:
    """Write a speed with three significant figures or whole."""
    return f"{mp_per_second:.0f}" if mp_per_second >= 100 else f"{mp_per_second:#.3g}"


def ratio(value: float | None) -> str:
    """Write a ratio, empty where there is none."""
    return "" if value is None else f"{value:.3f}"


def _find(rows: list[Row], name: str | None) -> Row | None:
    return next((row for row in rows if row.name == name), None)
