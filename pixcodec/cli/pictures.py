"""Images that commands read, and those that they write, beside files to encode and decode."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pixcodec.batch.outputs import check_target
from pixcodec.batch.plan import STREAM
from pixcodec.batch.suffixes import PIXCODEC, suffix_of
from pixcodec.batch.transcode import about, read_bytes

PNG = "png"


def load_picture(name: str, max_pixels: int) -> Any:
    """Return the image in a .pxc file or in any file that Pillow reads, without its metadata."""
    from pixcodec import decode_image
    from pixcodec.images.files import read_image

    with about(name):
        data = read_bytes(name)
        if suffix_of(name) == PIXCODEC:
            return decode_image(data, max_pixels=max_pixels)
        return read_image(data, max_pixels=max_pixels).image


def check_png(target: str, *, force: bool) -> None:
    """Raise an error unless a PNG file can be written there; - is stdout.

    Raises
    ------
    click.UsageError
        If its name does not end in .png.
    OSError
    """
    if target == STREAM:
        return
    if suffix_of(target) != PNG:
        raise click.UsageError(f"{target}: the output is a PNG file, so its name has to end in .png")
    check_target(target, force=force)


def write_png(target: str, image: Any) -> None:
    """Write an image as a PNG file, as a whole or not at all; - is stdout."""
    from pixcodec.batch.atomic import write_whole
    from pixcodec.images.files import write_image

    data = write_image(image, PNG, {})
    if target == STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        write_whole(Path(target), data)


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn the ValueError of a number or a mask that does not fit into wrong usage."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def numbered(target: str, number: int) -> str:
    """Return the name of the output of this number, from 0 on: ``a.png`` becomes ``a-0.png``."""
    path = Path(target)
    return str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
