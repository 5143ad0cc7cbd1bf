"""An explanation as a page: one file of HTML that holds its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixcodec.explain.explanation import Explanation
from pixcodec.explain.tables import Table, tables_of
from pixcodec.pages.writing import data_uri, page, style


class Figure(NamedTuple):
    """A picture of the page."""

    caption: str
    pixels: npt.NDArray[np.uint8]


def write_page(name: str, found: Explanation, figures: Sequence[Figure]) -> str:
    """Return the page about a file."""
    share = found.explained_bytes / found.size_bytes
    return page(
        __package__,
        "page.html",
        title=escape(f"{name}: where the bits are"),
        style=style(__package__, "page.css"),
        lead=escape(
            f"{found.width} x {found.height} pixels, {found.mode}, effort {found.effort}: "
            f"{found.size_bytes} bytes, of which this page explains {share:.2%}."
        ),
        figures="\n".join(map(_figure, figures)),
        tables="\n".join(map(_table, tables_of(found))),
    )


def _figure(figure: Figure) -> str:
    caption = escape(figure.caption)
    return (
        f'<figure><img alt="{caption}" src="{_uri(figure.pixels)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(table: Table) -> str:
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in table.heads)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return (
        f'<h2>{escape(table.title)}</h2>\n<div class="table"><table>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _uri(pixels: npt.NDArray[np.uint8]) -> str:
    file = BytesIO()
    Image.fromarray(pixels).save(file, "WEBP", lossless=True)
    return data_uri("image/webp", file.getvalue())
