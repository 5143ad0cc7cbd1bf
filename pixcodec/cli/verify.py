"""``pixcodec verify``."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from pixcodec.batch.amounts import count, duration
from pixcodec.batch.plan import STREAM, Task, find_files
from pixcodec.batch.settings import VerifySettings
from pixcodec.batch.suffixes import PIXCODEC
from pixcodec.batch.transcode import verify_file
from pixcodec.cli.options import FILE_NAME, batch_options, check_model, coding_options
from pixcodec.cli.running import Manner, is_several, processes_for, run_tasks, threads_for
from pixcodec.cli.terminal import say
from pixcodec.container.beginning import read_beginning
from pixcodec.container.info import read_info
from pixcodec.errors import PixcodecError

EPILOG = """
\b
Examples:
  pixcodec verify photo.pxc
  pixcodec verify -r archive                  all .pxc files below archive
  pixcodec verify --deep photo.pxc            with a second, plain decoder, too

Exit status as of pixcodec encode.
"""


@click.command(epilog=EPILOG)
@click.argument("names", metavar="FILE...", nargs=-1, required=True, type=FILE_NAME)
@click.option(
    "--deep",
    is_flag=True,
    help="Decode with the plain decoder of the format's text, too, and compare: minutes for an image.",
)
@batch_options
@coding_options
def verify(
    names: tuple[str, ...],
    deep: bool,
    recursive: bool,
    jobs: int | None,
    as_json: bool,
    max_pixels: int,
    model: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Decode .pxc files and check the hashes of their pixels, or of the JPEG files that they keep."""
    check_model(model)
    tasks = [Task(file.path, None) for file in find_files(names, {PIXCODEC}, recursive=recursive)]
    jobs = processes_for(tasks, jobs)
    settings = VerifySettings(max_pixels, model, threads_for(threads, jobs), deep=deep)
    if deep and not quiet:
        _foretell(tasks, jobs)
    manner = Manner("verify", is_several(names), jobs, as_json=as_json, quiet=quiet)
    run_tasks(partial(verify_file, settings), settings, tasks, manner)


def _foretell(tasks: list[Task], jobs: int) -> None:
    """Print about how long the plain decoder takes; files that have no header are told of later."""
    from pixcodec.batch.verify import plain_seconds

    seconds, known = 0.0, 0
    for task in tasks:
        if task.source != STREAM:
            with suppress(PixcodecError, OSError), Path(task.source).open("rb") as file:
                beginning = read_beginning(file)
                size_bytes = file.seek(0, os.SEEK_END)
                seconds += plain_seconds(read_info(beginning, size_bytes=size_bytes))
                known += 1
    if known:
        say(f"the plain decoder takes about {duration(seconds / jobs)} for {count(known, 'file')}")
