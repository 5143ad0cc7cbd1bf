"""``pixcodec bench``: size and speed on one's own images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import pixcodec
from pixcodec.batch.compare import check_same
from pixcodec.batch.plan import find_files
from pixcodec.batch.suffixes import READABLE
from pixcodec.batch.transcode import about, read_bytes
from pixcodec.cli.options import check_model, coding_options, encoder_options
from pixcodec.cli.terminal import message, printable, say
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedImageError


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
    from PIL import Image

    from pixcodec.images.files import read_image

    check_model(model)
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: not a folder")
    files = find_files([str(folder)], READABLE, recursive=True)[:limit]
    if not files:
        raise click.ClickException(f"{folder}: no image found")

    def round_trip(image: Any) -> tuple[bytes, float, float]:
        """Return the file, seconds to encode, seconds to decode."""
        start = time.perf_counter()
        data = pixcodec.encode(image, effort=effort, order=order, strip=True, model=model, threads=threads)
        middle = time.perf_counter()
        decoded = pixcodec.decode_image(data, model=model, threads=threads, max_pixels=None)
        end = time.perf_counter()
        check_same(decoded, image)
        return data, middle - start, end - middle

    warm: set[object] = set()
    total = [0.0, 0.0, 0.0, 0.0, 0.0]  # subpixels, pixels, bytes, seconds to encode, seconds to decode
    click.echo("bpsp_file  encode MP/s  decode MP/s  size         image")
    for file in files:
        try:
            with about(file.path):
                image = read_image(read_bytes(file.path), max_pixels=max_pixels).image
                kind = image.mode if isinstance(image, Image.Image) else image.shape[2]
                if kind not in warm:  # the first use compiles and loads
                    round_trip(_corner(image))
                    warm.add(kind)
                data, encode_seconds, decode_seconds = round_trip(image)
        except (UnsupportedImageError, CorruptFileError, LimitExceededError, OSError) as error:
            if not quiet:
                say(f"skipped: {message(error)}")
            continue
        info = pixcodec.read_info(data)
        subpixels = round(8 * len(data) / info.bpsp_file)
        row = (subpixels, info.width * info.height, len(data), encode_seconds, decode_seconds)
        total = [a + b for a, b in zip(total, row, strict=True)]
        click.echo(_line(row, f"{info.width}x{info.height}", printable(file.below)))
    if total[0]:
        click.echo(_line(total, "", "all"))


def _corner(image: Any) -> Any:
    return image.crop((0, 0, 8, 8)) if hasattr(image, "crop") else image[:8, :8]


def _line(row: Sequence[float], size: str, name: str) -> str:
    subpixels, pixels, size_bytes, encode_seconds, decode_seconds = row
    return (
        f"{8 * size_bytes / subpixels:9.3f}  {pixels / encode_seconds / 1e6:11.3f}  "
        f"{pixels / decode_seconds / 1e6:11.3f}  {size:11}  {name}"
    )
