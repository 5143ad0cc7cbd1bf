"""``pixcodec sample``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from pixcodec.batch.plan import STREAM
from pixcodec.cli.options import FILE_NAME, check_model, force_option, generating_options
from pixcodec.cli.pictures import check_png, load_picture, numbered, usage_errors, write_png
from pixcodec.cli.terminal import progress_bar
from pixcodec.container.header import DEFAULT_MAX_PIXELS

EPILOG = """
\b
Examples:
  pixcodec sample samples.png                        16 images of 64x64 as a grid
  pixcodec sample one.png --count 1 --size 256x128 --seed 7
  pixcodec sample more.png --from photo.png --rows 100 --count 1
"""


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in new versions of click only
    """A width and a height, such as 64x48."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> object:
        """Return the width and the height."""
        if isinstance(value, tuple):
            return value
        found = re.fullmatch(r"([1-9]\d{0,6})x([1-9]\d{0,6})", str(value))
        if found is None:
            self.fail(f"{value!r} is not a width and a height, such as 64x48", param, ctx)
        return int(found[1]), int(found[2])


@click.command(epilog=EPILOG)
@click.argument("target", metavar="OUT.png", type=FILE_NAME)
@click.option(
    "--count", type=click.IntRange(1), metavar="N", default=16, show_default=True, help="Images to draw."
)
@click.option("--size", type=Size(), metavar="WxH", default="64x64", show_default=True, help="Of an image.")
@click.option("--grey", is_flag=True, help="Draw from the model for grey images.")
@click.option(
    "--from",
    "start",
    type=FILE_NAME,
    metavar="IMAGE",
    help="Keep the upper rows of this image, and draw the rest.",
)
@click.option("--rows", type=click.IntRange(0), metavar="N", help="How many rows to keep.  [default: half]")
@click.option("--columns", type=click.IntRange(1), metavar="N", help="Of the grid.  [default: a square]")
@click.option("--separate", is_flag=True, help="Write OUT-0.png, OUT-1.png, ... instead of a grid.")
@generating_options
@force_option
def sample(
    target: str,
    count: int,
    size: tuple[int, int],
    grey: bool,
    start: str | None,
    rows: int | None,
    columns: int | None,
    separate: bool,
    seed: int,
    temperature: float,
    top_p: float,
    model: Path | None,
    threads: int | None,
    quiet: bool,
    force: bool,
) -> None:
    """Draw images from a model, pixel by pixel, and write them as a PNG file.

    The distributions are those that effort fast codes with. The same seed draws the same images on every
    machine.
    """
    if rows is not None and start is None:
        raise click.UsageError("--rows needs an image: add --from IMAGE")
    if start is not None and grey:
        raise click.UsageError("--grey and --from contradict each other: the image says whether it is grey")
    if separate and (columns is not None or target == STREAM):
        raise click.UsageError("--separate writes files: leave out --columns, and name a file")
    targets = [numbered(target, k) for k in range(count)] if separate else [target]
    for name in targets:
        check_png(name, force=force)
    check_model(model)

    from pixcodec.generation.sampling import sample as draw
    from pixcodec.generation.views import grid

    with usage_errors(), progress_bar("sample", quiet) as progress:
        images = draw(
            count,
            size,
            seed=seed,
            grey=grey,
            temperature=temperature,
            top_p=top_p,
            start=None if start is None else load_picture(start, DEFAULT_MAX_PIXELS),
            rows=rows,
            model=model,
            threads=threads,
            progress=progress,
        )
    for name, image in zip(targets, images if separate else [grid(images, columns)], strict=True):
        write_png(name, image)
