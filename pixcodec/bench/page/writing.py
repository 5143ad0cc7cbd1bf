"""Results -> the HTML report: totals, a plot of size against speed, a table of images."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import pixcodec
from pixcodec.batch.amounts import count, megabytes
from pixcodec.bench.record import ImageInfo, Results
from pixcodec.bench.summary import (
    Row,
    best_other,
    headline,
    ratio,
    run_line,
    speed,
    strongest,
    summarize,
)
from pixcodec.pages.writing import json_text, libraries, page, part, style

_LIBRARIES = ("d3.min.js", "plot.umd.min.js")
_MODES = {1: ", grey", 2: ", grey and alpha", 3: "", 4: ", alpha"}  # by the number of channels


def write_page(results: Results, thumbnails: Mapping[str, str]) -> str:
    """Return the report.

    Parameters
    ----------
    results : Results
    thumbnails : mapping
        data: URIs by the name of the image; of some or none of the images.
    """
    rows = summarize(results)
    best = best_other(results)
    against = f"; the best other codec is {results['codecs'][best]['label']}" if best else ""
    return page(
        __package__,
        "page.html",
        title=escape(f"Lossless codecs on {results['set']}"),
        lead=escape(headline(results).replace("->", "\N{RIGHTWARDS ARROW}")),
        conditions="<br>".join(escape(run_line(run)) for run in results["runs"]),
        notes=_notes(results),
        best=escape(against),
        totals="\n".join(_total(row, rows, len(results["images"])) for row in rows),
        versions="\n".join(_version(row) for row in rows),
        footer=escape(f"Written by pixcodec {pixcodec.__version__}. Every image was decoded and compared."),
        style=style(__package__, "page.css"),
        libraries=libraries(__package__, *_LIBRARIES),
        script=part(__package__, "page.js"),
        data=json_text(_data(results, rows, thumbnails)),
    )


def _data(results: Results, rows: list[Row], thumbnails: Mapping[str, str]) -> dict[str, Any]:
    """Return what the script of the page reads."""
    best, ours = best_other(results), strongest(rows)
    to_png = "png" in results["codecs"]
    names = [row.name for row in rows]
    return {
        "unit": "PNG" if to_png else results["codecs"][best]["label"] if best else "",
        "codecs": [
            {
                "name": row.name,
                "label": row.label,
                "ours": row.ours,
                "images": row.images,
                "ratio": row.ratio_to_png if to_png else row.ratio_to_best,
                "encode": row.encode_speed,
                "decode": row.decode_speed,
            }
            for row in rows
        ],
        "images": [
            {
                "at": at,
                "name": info["name"],
                "width": info["width"],
                "height": info["height"],
                "mode": _mode(info),
                "thumbnail": thumbnails.get(info["name"]),
                "sizes": _sizes(results, at),
            }
            for at, info in enumerate(results["images"])
        ],
        "mine": ours.name if ours else names[0],
        "theirs": best or names[-1],
    }


def _sizes(results: Results, at: int) -> dict[str, int]:
    found = {name: codec["images"][at] for name, codec in results["codecs"].items()}
    return {name: row["size_bytes"] for name, row in found.items() if row is not None}


def _mode(info: ImageInfo) -> str:
    depth = info.get("bit_depth", 8)
    return _MODES[info["channels"]] + (f", {depth} bits" if depth != 8 else "")


def _total(row: Row, rows: list[Row], images: int) -> str:
    """Return a row of the table of totals; the best of each column is underlined."""
    smallest = next(other for other in rows if other.images == max(found.images for found in rows))
    fastest_encoder = max(other.encode_speed for other in rows)
    fastest_decoder = max(other.decode_speed for other in rows)
    part = f", {row.images} of {images} images" if row.images < images else ""
    cells = [
        _cell(ratio(row.ratio_to_png), row is smallest),
        _cell(ratio(row.ratio_to_best), row is smallest),
        _cell(speed(row.encode_speed), row.encode_speed == fastest_encoder),
        _cell(speed(row.decode_speed), row.decode_speed == fastest_decoder),
        f'<td class="wide">{row.bpsp_file:.3f}</td>',
        f'<td class="wide">{row.memory_bytes / 1e6:.0f}</td>',
    ]
    name = f'<th scope="row">{escape(row.label)}<small>{megabytes(row.size_bytes)}{part}</small></th>'
    start = '<tr class="ours">' if row.ours else "<tr>"
    return f"{start}{name}{''.join(cells)}</tr>"


def _cell(text: str, is_best: bool) -> str:
    return f'<td class="best">{text}</td>' if is_best else f"<td>{text}</td>"


def _version(row: Row) -> str:
    used = f"{count(row.threads, 'thread')}, {row.memory_bytes / 1e6:.0f} MB of memory"
    return (
        f"<div><dt>{escape(row.label)}</dt>"
        f"<dd>{escape(row.version)}<br>{escape(row.settings)}<br>{used}</dd></div>"
    )


def _notes(results: Results) -> str:
    """Return what was not measured, and why."""
    lines = [
        f"{name}: {why}"
        for name, why in (*results.get("missing", {}).items(), *results.get("skipped", {}).items())
    ]
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return (
        f'<details class="muted"><summary>Not measured: {len(lines)}</summary><ul>{items}</ul></details>'
        if lines
        else ""
    )
