"""``pixcodec likelihood``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixcodec.batch.outcome import EXIT_FAILED, is_expected
from pixcodec.batch.outputs import check_target
from pixcodec.batch.plan import find_files
from pixcodec.batch.suffixes import PIXCODEC, READABLE, suffix_of
from pixcodec.cli.options import (
    FILE_NAME,
    check_model,
    force_option,
    max_pixels_option,
    model_option,
    quiet_option,
)
from pixcodec.cli.pictures import PNG, load_picture, write_png
from pixcodec.cli.terminal import message, printable, progress_bar, say

if TYPE_CHECKING:
    from pixcodec.generation.scoring import Likelihood

NPY = "npy"
EPILOG = """
\b
Examples:
  pixcodec likelihood photo.png
  pixcodec likelihood photo.png --map heat.png       where the bits are
  pixcodec likelihood photo.png --map bits.npy       of each subpixel, float32
  pixcodec likelihood -r photos --json --entropy     which images are unusual
"""


@click.command(epilog=EPILOG)
@click.argument("names", metavar="IMAGE...", nargs=-1, required=True, type=FILE_NAME)
@click.option("-r", "--recursive", is_flag=True, help="Take the files below the folders given.")
@click.option(
    "--map",
    "target",
    type=FILE_NAME,
    metavar="FILE",
    help="Of one image: write the bits of each pixel (.png) or of each subpixel (.npy).",
)
@click.option(
    "--scale",
    type=click.FloatRange(0, min_open=True),
    metavar="BITS",
    default=8.0,
    show_default=True,
    help="Bits per subpixel that are the lightest colour of the map.",
)
@click.option("--entropy", is_flag=True, help="Say how many bits the model expected, too; takes longer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each image.")
@model_option
@max_pixels_option
@quiet_option
@force_option
def likelihood(
    names: tuple[str, ...],
    recursive: bool,
    target: str | None,
    scale: float,
    entropy: bool,
    as_json: bool,
    model: Path | None,
    max_pixels: int,
    quiet: bool,
    force: bool,
) -> None:
    """Print how likely a model finds images: bits per subpixel, in all and of each channel.

    Few bits: the model has seen the like. Far more than it expected (--entropy): it has not.
    """
    sources = [file.path for file in find_files(names, {*READABLE, PIXCODEC}, recursive=recursive)]
    if target is not None:
        if len(sources) != 1:
            raise click.UsageError(f"--map is of one image, {len(sources)} are given")
        if suffix_of(target) not in (PNG, NPY):
            raise click.UsageError(f"{target}: a map ends in .png or .npy")
        check_target(target, force=force)
    check_model(model)

    from pixcodec.generation.scoring import likelihood as score
    from pixcodec.network.model_files import load_model

    loaded = None if model is None else load_model(model)
    failed = False
    for source in sources:
        try:
            with progress_bar("likelihood", quiet) as progress:
                image = load_picture(source, max_pixels)
                found = score(image, model=loaded, entropy=entropy, progress=progress)
        except Exception as error:
            if len(sources) == 1 or not is_expected(error):
                raise
            say(f"error: {source}: {message(error)}")
            failed = True
            continue
        if target is not None:
            _write_map(target, found, scale)
        click.echo(json.dumps(_numbers(source, found)) if as_json else _line(source, found))
    if failed:
        raise click.exceptions.Exit(EXIT_FAILED)


def _numbers(source: str, found: Likelihood) -> dict[str, Any]:
    numbers: dict[str, Any] = {
        "source": source,
        "height": found.bits.shape[0],
        "width": found.bits.shape[1],
        "bpsp_model": found.bpsp,
        "by_channel": found.by_channel,
    }
    if found.entropy is not None:
        numbers |= {"expected": float(found.entropy.mean()), "surplus": found.surplus}
    return numbers


def _line(source: str, found: Likelihood) -> str:
    names = "RGB" if len(found.by_channel) == 3 else ("grey",)
    channels = ", ".join(f"{n} {bits:.3f}" for n, bits in zip(names, found.by_channel, strict=True))
    line = f"{printable(source)}: {found.bpsp:.3f} bpsp_model ({channels})"
    if found.entropy is not None:
        line += f", expected {found.entropy.mean():.3f}, surplus {found.surplus:+.3f}"
    return line


def _write_map(target: str, found: Likelihood, scale: float) -> None:
    """Write the bits of an image as colours or numbers."""
    import numpy as np

    from pixcodec.batch.atomic import replacing
    from pixcodec.generation.views import heat_map

    if suffix_of(target) == PNG:
        write_png(target, heat_map(found.bits.mean(2), scale))
    else:
        with replacing(Path(target)) as path, open(os.fspath(path), "wb") as file:
            np.save(file, found.bits.astype(np.float32))
