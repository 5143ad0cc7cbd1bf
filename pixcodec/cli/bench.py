"""``pixcodec bench``: size and speed on the user's own images."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

import pixcodec
from pixcodec.batch.compare import check_same
from pixcodec.batch.plan import Found, find_files
from pixcodec.batch.suffixes import READABLE
from pixcodec.batch.transcode import about, read_bytes
from pixcodec.cli.options import check_model, coding_options, encoder_options
from pixcodec.cli.terminal import message, printable, say
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedImageError

WARM_UP_SIDE = 8  # pixels

EPILOG = """
\b
Example:
  pixcodec bench --effort fast --limit 10 pictures
"""


class Measured(NamedTuple):
    """Sizes and times of one image, or of several together."""

    subpixels: int = 0
    pixels: int = 0
    size_bytes: int = 0
    encode_seconds: float = 0.0
    decode_seconds: float = 0.0

    def plus(self, other: Measured) -> Measured:
        """Return the sums."""
        return Measured(
            self.subpixels + other.subpixels,
            self.pixels + other.pixels,
            self.size_bytes + other.size_bytes,
            self.encode_seconds + other.encode_seconds,
            self.decode_seconds + other.decode_seconds,
        )

    def line(self, size: str, name: str) -> str:
        """Return a row of the table."""
        return (
            f"{8 * self.size_bytes / self.subpixels:9.3f}  {self.pixels / self.encode_seconds / 1e6:11.3f}  "
            f"{self.pixels / self.decode_seconds / 1e6:11.3f}  {size:11}  {name}"
        )


RoundTrip = Callable[[Any], tuple[bytes, float, float]]


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path))
@encoder_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take the first N images only.")
@coding_options
def bench(
    folder: Path,
    effort: str,
    order: str,
    limit: int | None,
    max_pixels: int,
    model: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Measure size and speed of pixcodec on the images below FOLDER.

    Every image is decoded again and compared.
    """
    check_model(model)
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: not a folder")
    files = find_files([str(folder)], READABLE, recursive=True)[:limit]
    if not files:
        raise click.ClickException(f"{folder}: no image found")
    round_trip = partial(_round_trip, effort=effort, order=order, model=model, threads=threads)
    warm: set[object] = set()
    total = Measured()
    click.echo("bpsp_file  encode MP/s  decode MP/s  size         image")
    for file in files:
        try:
            measured, size = _measure(file, max_pixels, round_trip, warm)
        except (UnsupportedImageError, CorruptFileError, LimitExceededError, OSError) as error:
            if not quiet:
                say(f"skipped: {message(error)}")
            continue
        total = total.plus(measured)
        click.echo(measured.line(size, printable(file.below)))
    if total.subpixels:
        click.echo(total.line("", "all"))


def _measure(file: Found, max_pixels: int, round_trip: RoundTrip, warm: set[object]) -> tuple[Measured, str]:
    """Measure one file; return its numbers and the size of its image as a text.

    ``warm`` are the modes that were coded before: the first use of each compiles kernels and loads a model.
    """
    from PIL import Image

    from pixcodec.images.files import read_image

    with about(file.path):
        image = read_image(read_bytes(file.path), max_pixels=max_pixels).image
        mode = image.mode if isinstance(image, Image.Image) else image.shape[2]
        if mode not in warm:
            round_trip(_corner(image))
            warm.add(mode)
        data, encode_seconds, decode_seconds = round_trip(image)
    info = pixcodec.read_info(data)
    subpixels = round(8 * len(data) / info.bpsp_file)
    measured = Measured(subpixels, info.width * info.height, len(data), encode_seconds, decode_seconds)
    return measured, f"{info.width}x{info.height}"


def _round_trip(
    image: Any, *, effort: str, order: str, model: Path | None, threads: int | None
) -> tuple[bytes, float, float]:
    """Encode and decode an image; return the file, seconds to encode, seconds to decode."""
    start = time.perf_counter()
    data = pixcodec.encode(image, effort=effort, order=order, strip=True, model=model, threads=threads)
    middle = time.perf_counter()
    decoded = pixcodec.decode_image(data, model=model, threads=threads, max_pixels=None)
    end = time.perf_counter()
    check_same(decoded, image)
    return data, middle - start, end - middle


def _corner(image: Any) -> Any:
    side = WARM_UP_SIDE
    return image.crop((0, 0, side, side)) if hasattr(image, "crop") else image[:side, :side]
