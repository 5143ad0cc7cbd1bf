"""``pixcodec decode``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from pixcodec.batch.plan import STREAM, Found, Task, check_tasks, find_files, plan_outputs
from pixcodec.batch.settings import DecodeSettings, Region
from pixcodec.batch.suffixes import DEFAULT_SUFFIX, FORMATS, PIXCODEC, RESTORED, suffix_of
from pixcodec.batch.transcode import decode_file
from pixcodec.cli.options import (
    FILE_NAME,
    batch_options,
    check_model,
    check_overwriting,
    coding_options,
    output_options,
)
from pixcodec.cli.running import Manner, check_streams, is_several, processes_for, run_tasks, threads_for
from pixcodec.container.beginning import read_beginning
from pixcodec.container.info import read_info
from pixcodec.container.shown import series_suffix
from pixcodec.errors import PixcodecError

EPILOG = """
\b
Examples:
  pixcodec decode photo.pxc                   write photo.png, or photo.jpg if it was a JPEG file
  pixcodec decode photo.pxc photo.webp
  pixcodec decode --region 0,0,640,480 photo.pxc corner.png
  pixcodec decode --frame 3 film.pxc          write film.png, the fourth frame
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
    type=click.Choice(FORMATS),
    metavar="FORMAT",
    help=f"Format of the images: {', '.join(FORMATS)}; of several frames gif, png, apng, webp or tif.  "
    "[default: the suffix of OUT; "
    f"or jpg if a JPEG file was kept, gif, png or tif for several frames, else {DEFAULT_SUFFIX}]",
)
@click.option(
    "--region",
    callback=_parse_region,
    metavar="X,Y,W,H",
    help="Decode W by H pixels from column X and row Y on.",
)
@click.option(
    "--frame",
    type=click.IntRange(min=0),
    metavar="N",
    help="Decode one frame of a file of several, from 0 on.  [default: all]",
)
@click.option(
    "--recover",
    is_flag=True,
    help="Write what is intact of a damaged file, paint the rest, and say where; exit status 1 then.",
)
@output_options
@batch_options
@coding_options
def decode(
    names: tuple[str, ...],
    suffix: str | None,
    region: Region | None,
    frame: int | None,
    recover: bool,
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
    if recover and (region is not None or frame is not None):
        raise click.UsageError("--recover is of whole images: leave out --region and --frame")
    check_overwriting(force=force, skip_existing=skip_existing)
    target = None
    if len(names) == 2 and output_dir is None and _is_output(names[1]):
        target = names[1]
        names = names[:1]
        if suffix is None:
            _check_format(target)
    found = find_files(names, {PIXCODEC}, recursive=recursive)
    whole = region is None and frame is None and not recover
    tasks = _plan(found, suffix, target, output_dir, whole=whole)
    if not dry_run:
        check_streams(tasks, as_json=as_json)
    check_model(model)
    jobs = processes_for(tasks, jobs)
    settings = DecodeSettings(
        *(max_pixels, model, threads_for(threads, jobs), force, skip_existing),
        suffix=suffix,
        region=region,
        frame=frame,
        recover=recover,
    )
    manner = Manner("decode", is_several(names), jobs, dry_run, as_json, quiet)
    run_tasks(partial(decode_file, settings), settings, tasks, manner)


def _is_output(name: str) -> bool:
    return suffix_of(name) != PIXCODEC and not os.path.isdir(name)


def _check_format(target: str) -> None:
    """Raise an error unless the suffix of an output names a format."""
    suffix = suffix_of(target)
    if target != STREAM and suffix not in FORMATS:
        expected = ", ".join(FORMATS)
        raise click.UsageError(
            f"{target}: suffix is {suffix or 'missing'}, expected one of {expected}; or use --format"
        )


def _plan(
    found: list[Found], suffix: str | None, target: str | None, folder: str | None, *, whole: bool
) -> list[Task]:
    """Return the tasks: where nothing else was asked for, outputs have the format that suits the file."""
    if suffix is not None or target is not None or any(file.path == STREAM for file in found):
        name = partial(_image_name, suffix=suffix or DEFAULT_SUFFIX)
        return plan_outputs(found, name, target=target, output_folder=folder)
    kinds = {file.path: _natural_suffix(file.path) if whole else DEFAULT_SUFFIX for file in found}
    tasks: list[Task] = []
    for kind in sorted(set(kinds.values())):
        files = [file for file in found if kinds[file.path] == kind]
        tasks += plan_outputs(files, partial(_image_name, suffix=kind), output_folder=folder)
    check_tasks(tasks, {file.path for file in found if file.given})
    order = {file.path: number for number, file in enumerate(found)}
    return sorted(tasks, key=lambda task: order[task.source])


def _natural_suffix(path: str) -> str:
    """Return the suffix of the format that suits a .pxc file; the default if its start cannot be read."""
    if not os.path.isfile(path):
        return DEFAULT_SUFFIX
    try:
        with open(path, "rb") as file:
            beginning = read_beginning(file)
        if read_info(beginning).frames > 1:
            return series_suffix(beginning)
        return RESTORED[0] if read_info(beginning).kept else DEFAULT_SUFFIX
    except (PixcodecError, OSError):
        return DEFAULT_SUFFIX


def _image_name(name: str, *, suffix: str) -> str:
    """Return a.png for a.pxc, and also for a.png.pxc."""
    stem = os.path.splitext(name)[0] if suffix_of(name) == PIXCODEC else name
    return stem if stem != name and suffix_of(stem) == suffix else f"{stem}.{suffix}"
