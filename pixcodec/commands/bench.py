"""``pixcodec bench``: size and speed on one's own images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixcodec import pending
from pixcodec.commands.options import check_model, coding_options, encoder_options
from pixcodec.commands.terminal import message, printable, say
from pixcodec.errors import PixcodecError
from pixcodec.plan import find_files
from pixcodec.suffixes import READABLE
from pixcodec.transcode import about, check_same, read_bytes

if TYPE_CHECKING:
    from PIL import Image


@click.command()
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
    """Measure size and speed of pixcodec on the images below FOLDER, every round trip checked."""
    check_model(model)
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: not a folder")
    files = find_files([str(folder)], READABLE, recursive=True)[:limit]
    if not files:
        raise click.ClickException(f"{folder}: no image found")

    def round_trip(image: Image.Image) -> tuple[int, float, float]:
        """Return size in bytes, seconds to encode, seconds to decode."""
        start = time.perf_counter()
        data = pending.encode(image, effort=effort, order=order, strip=True, model=model, threads=threads)
        middle = time.perf_counter()
        decoded = pending.decode_image(data, model=model, threads=threads, max_pixels=None)
        end = time.perf_counter()
        check_same(decoded, image)
        return len(data), middle - start, end - middle

    warm: set[str] = set()
    total = [0.0, 0.0, 0.0, 0.0, 0.0]  # subpixels, pixels, bytes, seconds to encode, seconds to decode
    click.echo("bpsp_file  encode MP/s  decode MP/s  size         image")
    for file in files:
        try:
            with about(file.path):
                image = pending.read_image(read_bytes(file.path), max_pixels=max_pixels)
        except (PixcodecError, OSError) as error:
            if not quiet:
                say(f"skipped: {message(error)}")
            continue
        pixels = image.width * image.height
        with about(file.path):
            if image.mode not in warm:  # the first use compiles and loads
                round_trip(image.crop((0, 0, min(8, image.width), min(8, image.height))))
                warm.add(image.mode)
            row = (pixels * len(image.getbands()), pixels, *round_trip(image))
        total = [a + b for a, b in zip(total, row, strict=True)]
        click.echo(_line(row, f"{image.width}x{image.height}", printable(file.below)))
    if total[0]:
        click.echo(_line(total, "", "all"))


def _line(row: Sequence[float], size: str, name: str) -> str:
    subpixels, pixels, size_bytes, encode_seconds, decode_seconds = row
    return (
        f"{8 * size_bytes / subpixels:9.3f}  {pixels / encode_seconds / 1e6:11.3f}  "
        f"{pixels / decode_seconds / 1e6:11.3f}  {size:11}  {name}"
    )
