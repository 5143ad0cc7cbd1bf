"""The page of the viewer: alone with all its parts inside, or for a server that has them."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import pixcodec
from pixcodec.errors import LimitExceededError
from pixcodec.pages.writing import data_uri, json_text, libraries, page, part, style
from pixcodec.viewer.pyramid import TILE
from pixcodec.viewer.site import Site
from pixcodec.viewer.source import Progress

MAX_PAGE_PIXELS = 16_000_000  # of all frames of a page that holds them: about 5 bytes each


def whole_page(name: str, site: Site, *, bits: bool, progress: Progress | None = None) -> str:
    """Return a page that needs no other file.

    Parameters
    ----------
    name : str
        Of the file.
    site : Site
    bits : bool
        Whether it says where the bits are; of files of several frames it does not.
    progress : callable, optional
        Called with the fraction of that which is done.

    Raises
    ------
    LimitExceededError
        If the images have more than MAX_PAGE_PIXELS pixels together.
    PixcodecError
        If the file is damaged, or it cannot be said where the bits are.
    """
    pixels = site.source.pixel_count
    if pixels > MAX_PAGE_PIXELS:
        raise LimitExceededError(
            f"a page holds up to {MAX_PAGE_PIXELS} pixels, found {pixels}: let it be served instead"
        )
    bits = bits and site.source.frames == 1
    if bits:
        site.explain(progress)
    answers = ((key, site.get(key)) for key in site.keys(bits=bits))
    return _page(name, site, {key: data_uri(answer.kind, answer.data) for key, answer in answers}, bits=bits)


def served_page(name: str, site: Site) -> str:
    """Return a page that asks for its parts where it is."""
    return _page(name, site, None, bits=site.source.frames == 1)


def _page(name: str, site: Site, files: Mapping[str, str] | None, *, bits: bool) -> str:
    source = site.source
    data = {"frames": source.frames, "tile": TILE, "bits": bits, "files": files}
    lines = "".join(
        f"<div><dt>{escape(head)}</dt><dd>{escape(text)}</dd></div>" for head, text in source.lines.items()
    )
    return page(
        __package__,
        "page.html",
        title=escape(name),
        lead=escape(", ".join(source.lines[key] for key in ("image", "file") if key in source.lines)),
        lines=lines,
        footer=escape(f"Shown by pixcodec {pixcodec.__version__} with OpenSeadragon."),
        style=style(__package__, "page.css"),
        libraries=libraries(__package__, "openseadragon.min.js"),
        script=part(__package__, "page.js"),
        data=json_text(data),
    )
