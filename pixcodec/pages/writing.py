"""HTML pages from templates: parts that are files of the package, data for scripts, pictures."""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from string import Template
from typing import Any

BASE_STYLE = "base.css"  # colours for light and dark, text, tables, focus
LICENCES = "LICENSES.txt"


def part(package: str, name: str) -> str:
    """Return the text of a file in the folder ``parts`` of a package."""
    return (files(package) / "parts" / name).read_text("utf-8")


def style(package: str, name: str) -> str:
    """Return the style of a page: what all pages share, and its own."""
    return part(__package__, BASE_STYLE) + part(package, name)


def libraries(package: str, *names: str) -> str:
    """Return scripts of others, with their licences in front (``LICENSES.txt``)."""
    return "\n".join([f"/*\n{part(package, LICENCES)}*/", *(part(package, name) for name in names)])


def page(package: str, name: str, **values: str) -> str:
    """Return a template of a package with its values, which are HTML.

    Raises
    ------
    KeyError
        If the template has a place for which there is no value.
    """
    return Template(part(package, name)).substitute(values)


def json_text(data: Any) -> str:
    """Return data as JSON that cannot end the element that it stands in."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def data_uri(kind: str, data: bytes) -> str:
    """Return bytes of a media type, such as image/png, as a data: URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
