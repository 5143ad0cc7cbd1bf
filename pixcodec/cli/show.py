"""``pixcodec show``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixcodec.batch.outputs import check_target
from pixcodec.batch.suffixes import PIXCODEC, suffix_of
from pixcodec.batch.transcode import about, read_bytes
from pixcodec.cli.options import FILE_NAME, force_option, max_pixels_option, quiet_option
from pixcodec.cli.terminal import printable, progress_bar, say

if TYPE_CHECKING:
    from pixcodec.viewer.site import Site

EFFORTS = ("fast", "normal", "max")
EPILOG = """
\b
Examples:
  pixcodec show photo.pxc                 in the browser, until it leaves the page
  pixcodec show photo.pxc -o page.html    a page that needs no other file
  pixcodec show scan.png --effort max     an image that is no .pxc file, as max would encode it

The page zooms and moves by mouse, touch and keys; it shows pixel values, tiles, metadata, and where the bits
are. It is served on this machine alone, and holds nothing but the file.
"""


@click.command(epilog=EPILOG)
@click.argument("source", metavar="FILE", type=FILE_NAME)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    metavar="PAGE",
    help="Write a page (.html) that holds everything, and open nothing.",
)
@click.option("--no-bits", is_flag=True, help="With -o: leave out where the bits are, which takes long.")
@click.option("--no-browser", is_flag=True, help="Print the address only; open no browser.")
@click.option(
    "--effort",
    type=click.Choice(EFFORTS),
    default="normal",
    show_default=True,
    help="Where the bits are of images that are not .pxc files.",
)
@max_pixels_option
@quiet_option
@force_option
def show(
    source: str,
    output: str | None,
    no_bits: bool,
    no_browser: bool,
    effort: str,
    max_pixels: int,
    quiet: bool,
    force: bool,
) -> None:
    """Show an image file in the browser: a .pxc file, or any other image.

    The page is served on 127.0.0.1 until the browser leaves it, or until Ctrl-C. It is found below an address
    that cannot be guessed.
    """
    if output is not None:
        if suffix_of(output) != "html":
            raise click.UsageError(f"{output}: the page ends in .html")
        check_target(output, force=force)
    elif no_bits:
        raise click.UsageError("--no-bits is for pages that are written: give -o PAGE")

    from pixcodec.viewer.site import Site
    from pixcodec.viewer.source import Source

    with about(source), progress_bar("show", quiet) as progress:
        is_pixcodec = suffix_of(source) == PIXCODEC
        data = read_bytes(source)
        site = Site(Source(data, is_pixcodec=is_pixcodec, effort=effort, max_pixels=max_pixels))
        site.load(0, progress)
    name = Path(source).name
    if output is not None:
        _write(source, output, site, bits=not no_bits, quiet=quiet)
    else:
        _serve(name, site, open_browser=not no_browser, quiet=quiet)


def _write(source: str, output: str, site: Site, *, bits: bool, quiet: bool) -> None:
    from pixcodec.batch.atomic import write_whole
    from pixcodec.viewer.page import whole_page

    with about(source), progress_bar("bits", quiet) as progress:
        text = whole_page(Path(source).name, site, bits=bits, progress=progress)
    write_whole(Path(output), text.encode())
    if not quiet:
        say(f"{output}: written")


def _serve(name: str, site: Site, *, open_browser: bool, quiet: bool) -> None:
    import webbrowser

    from pixcodec.viewer.server import Server

    with suppress(KeyboardInterrupt), Server(name, site) as server:  # Ctrl-C is how it is meant to end
        if open_browser and webbrowser.open(server.url):
            if not quiet:
                say(f"{printable(name)}: {server.url} is in the browser; Ctrl-C ends it")
        else:
            click.echo(server.url)
            if not quiet:
                say("open this address in a browser of this machine; Ctrl-C ends it")
        server.wait()
