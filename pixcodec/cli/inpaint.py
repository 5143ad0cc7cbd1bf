"""``pixcodec inpaint``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pixcodec.batch.plan import STREAM
from pixcodec.cli.options import FILE_NAME, check_model, force_option, generating_options
from pixcodec.cli.pictures import check_png, load_picture, numbered, usage_errors, write_png
from pixcodec.cli.terminal import progress_bar, say
from pixcodec.container.header import DEFAULT_MAX_PIXELS
from pixcodec.errors import UnsupportedImageError

EPILOG = """
\b
Examples:
  pixcodec inpaint photo.png filled.png --mask mask.png
  pixcodec inpaint photo.png filled.png --mask mask.png --draws 4 --best-of 64
  pixcodec inpaint photo.png smooth.png --mask mask.png --mean
"""
_MASKED = 128  # a value of a mask from which on its pixel is to be filled


@click.command(epilog=EPILOG)
@click.argument("source", metavar="IMAGE", type=FILE_NAME)
@click.argument("target", metavar="OUT.png", type=FILE_NAME)
@click.option(
    "--mask",
    required=True,
    type=FILE_NAME,
    metavar="IMAGE",
    help="Image of the same size, bilevel or grey: white where pixels are to be filled.",
)
@click.option(
    "--draws",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    show_default=True,
    help="Fills to write; several are OUT-0.png, OUT-1.png, ...",
)
@click.option(
    "--best-of",
    type=click.IntRange(1),
    metavar="N",
    default=16,
    show_default=True,
    help="Particles of each draw: the one that the pixels after the hole suit best is written.",
)
@click.option("--mean", is_flag=True, help="Write the mean of many fills: closer to the truth, and smooth.")
@generating_options
@force_option
def inpaint(
    source: str,
    target: str,
    mask: str,
    draws: int,
    best_of: int,
    mean: bool,
    seed: int,
    temperature: float,
    top_p: float,
    model: Path | None,
    threads: int | None,
    quiet: bool,
    force: bool,
) -> None:
    """Fill the holes of an image by draws from a model.

    A raster model sees only what is above and left of a pixel. So several fills are drawn side by side, and
    weighted by how likely they make the pixels after the hole (a particle filter).
    """
    if mean and draws > 1:
        raise click.UsageError("--mean writes one image: leave out --draws")
    if draws > 1 and target == STREAM:
        raise click.UsageError("several draws are several files: name one")
    targets = [target] if draws == 1 else [numbered(target, k) for k in range(draws)]
    for name in targets:
        check_png(name, force=force)
    check_model(model)

    from pixcodec.generation.inpainting import inpaint as fill

    image, hole = load_picture(source, DEFAULT_MAX_PIXELS), _mask_of(mask)
    with usage_errors(), progress_bar("inpaint", quiet) as progress:
        fills = fill(
            image,
            hole,
            draws=draws,
            best_of=best_of,
            mean=mean,
            seed=seed,
            temperature=temperature,
            top_p=top_p,
            model=model,
            threads=threads,
            progress=progress,
        )
    for name, done in zip(targets, fills, strict=True):
        write_png(name, done.image)
        if not quiet:
            say(f"{name}: fill {done.bits:.0f} bits, pixels after it {done.bits_after:.0f} bits")


def _mask_of(name: str) -> Any:
    """Return where a mask is white, (H, W) of bool."""
    import numpy as np

    mask = np.asarray(load_picture(name, DEFAULT_MAX_PIXELS))
    if mask.ndim != 2 or mask.dtype not in (np.bool_, np.uint8):
        raise UnsupportedImageError(f"{name}: a mask is a bilevel or grey image with 8 bits")
    return mask if mask.dtype == np.bool_ else mask >= _MASKED
