"""An explanation as a page: one file of HTML that holds its pictures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixcodec.explain.explanation import Explanation
from pixcodec.explain.tables import Table, tables_of

_STYLE = """
:root { color-scheme: light dark; --ink: #1d1d1f; --paper: #fff; --faint: #6e6e73; --line: #d2d2d7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #f2f2f4; --paper: #161618; --faint: #a0a0a6; --line: #3a3a3e; }
}
body { margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; font-weight: 600; } h2 { font-size: 1.05rem; font-weight: 600; margin: 2rem 0 .5rem; }
p { color: var(--faint); margin: .25rem 0; }
figure { margin: 1.5rem 0; overflow-x: auto; } figure img { max-width: 100%; height: auto; }
figcaption { color: var(--faint); font-size: .9rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem 1.5rem .2rem 0; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
th { font-weight: 500; color: var(--faint); }
"""


class Figure(NamedTuple):
    """A picture of the page."""

    caption: str
    pixels: npt.NDArray[np.uint8]


def page(name: str, found: Explanation, figures: Sequence[Figure]) -> str:
    """Return the page about a file."""
    title = escape(f"{name}: where the bits are")
    share = found.explained_bytes / found.size_bytes
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>{title}</h1>",
        f"<p>{found.width} x {found.height} pixels, {escape(found.mode)}, effort {escape(found.effort)}: "
        f"{found.size_bytes} bytes, of which this page explains {share:.2%}.</p>",
    ]
    for figure in figures:
        caption = escape(figure.caption)
        parts.append(
            f'<figure><img alt="{caption}" src="{_uri(figure.pixels)}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    parts += [_table(table) for table in tables_of(found)]
    return "\n".join([*parts, "</body></html>", ""])


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in table.heads)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return (
        f"<h2>{escape(table.title)}</h2>\n<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _uri(pixels: npt.NDArray[np.uint8]) -> str:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
