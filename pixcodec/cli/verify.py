"""``pixcodec verify``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from pixcodec.batch.plan import Task, find_files
from pixcodec.batch.settings import Settings
from pixcodec.batch.suffixes import PIXCODEC
from pixcodec.batch.transcode import verify_file
from pixcodec.cli.options import FILE_NAME, batch_options, check_model, coding_options
from pixcodec.cli.running import Manner, is_several, processes_for, run_tasks, threads_for

EPILOG = """
\b
Examples:
  pixcodec verify photo.pxc
  pixcodec verify -r archive                  all .pxc files below archive

Exit status as of pixcodec encode.
"""


@click.command(epilog=EPILOG)
@click.argument("names", metavar="FILE...", nargs=-1, required=True, type=FILE_NAME)
@batch_options
@coding_options
def verify(
    names: tuple[str, ...],
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
    settings = Settings(max_pixels, model, threads_for(threads, jobs))
    manner = Manner("verify", is_several(names), jobs, as_json=as_json, quiet=quiet)
    run_tasks(partial(verify_file, settings), settings, tasks, manner)
