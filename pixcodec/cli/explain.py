"""``pixcodec explain``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixcodec.batch.outputs import check_target
from pixcodec.batch.suffixes import PIXCODEC, suffix_of
from pixcodec.batch.transcode import about, read_bytes
from pixcodec.cli.options import FILE_NAME, force_option, max_pixels_option, quiet_option
from pixcodec.cli.pictures import PNG, write_png
from pixcodec.cli.terminal import printable, progress_bar

if TYPE_CHECKING:
    from pixcodec.explain.explanation import Explanation
    from pixcodec.explain.page import Figure

HTML, NPY = "html", "npy"
EFFORTS = ("fast", "normal", "max")
EPILOG = """
\b
Examples:
  pixcodec explain photo.png                            tables
  pixcodec explain photo.pxc heat.png                   the image and the bits of its pixels
  pixcodec explain photo.png page.html --against fast   a page, with what normal gains
  pixcodec explain photo.png bits.npy                   of each subpixel, float32
"""


@click.command(epilog=EPILOG)
@click.argument("source", metavar="IN", type=FILE_NAME)
@click.argument("target", metavar="[OUT]", type=FILE_NAME, required=False)
@click.option(
    "--effort",
    type=click.Choice(EFFORTS),
    default="normal",
    show_default=True,
    help="Of images that are not .pxc files.",
)
@click.option("--against", type=click.Choice(EFFORTS), help="Show where another effort takes more or less.")
@click.option("--scale", type=click.FloatRange(0, min_open=True), metavar="BITS", help="At its upper end.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@max_pixels_option
@quiet_option
@force_option
def explain(
    source: str,
    target: str | None,
    effort: str,
    against: str | None,
    scale: float | None,
    as_json: bool,
    max_pixels: int,
    quiet: bool,
    force: bool,
) -> None:
    """Show where the bits of an image go: a .pxc file, or an image that is encoded for it.

    Tables go to stdout: bits by channel, layer and tile, side information, JPEG coefficients. OUT is a
    picture (.png), a page (.html) or numbers (.npy).
    """
    if target is not None:
        if suffix_of(target) not in (PNG, HTML, NPY):
            raise click.UsageError(f"{target}: the output ends in .png, .html or .npy")
        check_target(target, force=force)
    if against is not None and target is not None and suffix_of(target) == NPY:
        raise click.UsageError("--against is for .png and .html")

    from pixcodec.explain.explanation import explain as explained
    from pixcodec.explain.tables import numbers_of, tables_of, text_of

    with about(source), progress_bar("explain", quiet) as progress:
        file = read_bytes(source)
        data = file if suffix_of(source) == PIXCODEC else _encoded(file, effort, max_pixels)
        found = explained(data, max_pixels=max_pixels, progress=progress)
        image = _image(data, max_pixels)
        other = None
        if against is not None:
            again = _encoded(file if suffix_of(source) != PIXCODEC else image, against, max_pixels)
            other = explained(again, max_pixels=max_pixels)
    numbers = numbers_of(found)
    if other is not None:
        numbers["against"] = numbers_of(other)
    if as_json:
        click.echo(json.dumps(numbers))
    elif not quiet:
        click.echo(f"{printable(source)}: {_line(found)}")
        if other is not None:
            click.echo(f"{printable(source)}: {_line(other)}")
        click.echo(text_of(tables_of(found)))
    if target is not None:
        _write(target, source, found, other, image, scale)


def _encoded(image: Any, effort: str, max_pixels: int) -> bytes:
    from pixcodec import encode

    return encode(image, effort=effort, max_pixels=max_pixels)


def _image(data: bytes, max_pixels: int) -> Any:
    from pixcodec import decode_image

    return decode_image(data, max_pixels=max_pixels)


def _line(found: Explanation) -> str:
    share = found.explained_bytes / found.size_bytes
    return f"effort {found.effort}, {found.size_bytes} bytes, {share:.2%} of them explained"


def _write(
    target: str,
    source: str,
    found: Explanation,
    other: Explanation | None,
    image: Any,
    scale: float | None,
) -> None:
    from pixcodec.batch.atomic import write_whole
    from pixcodec.explain.page import write_page

    if suffix_of(target) == NPY:
        from io import BytesIO

        import numpy as np

        file = BytesIO()
        np.save(file, found.bits.astype(np.float32))
        write_whole(Path(target), file.getvalue())
        return
    figures = _figures(found, other, image, scale)
    if suffix_of(target) == PNG:
        write_png(target, figures[-1].pixels)
    else:
        write_whole(Path(target), write_page(Path(source).name, found, figures).encode())


def _figures(found: Explanation, other: Explanation | None, image: Any, scale: float | None) -> list[Figure]:
    """Return the pictures: bits of each pixel, and how many more the other effort takes."""
    from pixcodec.explain.page import Figure
    from pixcodec.explain.views import beside, shown

    pixels = shown(image)
    figures = [Figure(f"Bits of each pixel, effort {found.effort}", beside(pixels, found.pixels, top=scale))]
    if other is not None:
        more = other.pixels - found.pixels
        sheet = beside(pixels, more, top=scale, difference=True)
        caption = f"Bits that effort {other.effort} takes more (red) or less (blue) than {found.effort}"
        figures.append(Figure(caption, sheet))
    return figures
