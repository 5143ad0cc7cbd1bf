"""``pixcodec decode``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from pixcodec.batch.plan import STREAM, find_files, plan_outputs
from pixcodec.batch.suffixes import PIXCODEC, WRITABLE, suffix_of
from pixcodec.batch.transcode import DecodeSettings, Region, decode_file
from pixcodec.cli.options import (
    FILE_NAME,
    batch_options,
    check_model,
    check_overwriting,
    coding_options,
    output_options,
)
from pixcodec.cli.running import Manner, check_streams, is_several, processes_for, run_tasks, threads_for

DEFAULT_FORMAT = "png"

EPILOG = """
\b
Examples:
  pixcodec decode photo.pxc                   write photo.png
  pixcodec decode photo.pxc photo.webp
  pixcodec decode --region 0,0,640,480 photo.pxc corner.png
  pixcodec decode -r coded -o pictures        all .pxc files below coded

Exit status as of pixcodec encode.
"""


def _parse_region(context: click.Context, parameter: click.Parameter, value: str | None) -> Region | None:
    """Return the region that the option names, or None without it."""
    if value is None:
        return None
    try:
        x, y, width, height = map(int, value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not x,y,w,h: four whole numbers, in pixels") from None
    if min(x, y) < 0 or min(width, height) < 1:
        raise click.BadParameter(f"{value!r}: expected x and y of at least 0, w and h of at least 1")
    return x, y, width, height


@click.command(epilog=EPILOG)
@click.argument("names", metavar="IN... | IN OUT", nargs=-1, required=True, type=FILE_NAME)
@click.option(
    "--format",
    "suffix",
    type=click.Choice(WRITABLE),
    help=f"Format of the images.  [default: the suffix of OUT, or {DEFAULT_FORMAT}]",
)
@click.option(
    "--region",
    callback=_parse_region,
    metavar="X,Y,W,H",
    help="Decode W by H pixels from column X and row Y on.",
)
@output_options
@batch_options
@coding_options
def decode(
    names: tuple[str, ...],
    suffix: str | None,
    region: Region | None,
    output_dir: str | None,
    force: bool,
    skip_existing: bool,
    dry_run: bool,
    recursive: bool,
    jobs: int | None,
    as_json: bool,
    max_pixels: int,
    model: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Decode .pxc files, each to an image file beside it.

    Given two names of which the second is neither a folder nor ends in .pxc, the first is decoded to the
    second. The name - is stdin or stdout.
    """
    check_overwriting(force=force, skip_existing=skip_existing)
    target = None
    if len(names) == 2 and output_dir is None and _is_output(names[1]):
        target = names[1]
        names = names[:1]
        suffix = suffix or _format_of(target)
    suffix = suffix or DEFAULT_FORMAT
    found = find_files(names, {PIXCODEC}, recursive=recursive)
    tasks = plan_outputs(found, partial(_image_name, suffix=suffix), target=target, output_folder=output_dir)
    if not dry_run:
        check_streams(tasks, as_json=as_json)
    check_model(model)
    jobs = processes_for(tasks, jobs)
    settings = DecodeSettings(
        *(max_pixels, model, threads_for(threads, jobs), force, skip_existing), suffix=suffix, region=region
    )
    manner = Manner("decode", is_several(names), jobs, dry_run, as_json, quiet)
    run_tasks(partial(decode_file, settings), settings, tasks, manner)


def _is_output(name: str) -> bool:
    return suffix_of(name) != PIXCODEC and not os.path.isdir(name)


def _format_of(target: str) -> str:
    """Return the format that the suffix of an output names."""
    if target == STREAM:
        return DEFAULT_FORMAT
    suffix = suffix_of(target)
    if suffix not in WRITABLE:
        raise click.UsageError(
            f"{target}: suffix is {suffix or 'missing'}, expected one of {', '.join(WRITABLE)}; "
            "or use --format"
        )
    return suffix


def _image_name(name: str, *, suffix: str) -> str:
    """Return a.png for a.pxc, and also for a.png.pxc."""
    stem = os.path.splitext(name)[0] if suffix_of(name) == PIXCODEC else name
    return stem if stem != name and suffix_of(stem) == suffix else f"{stem}.{suffix}"
