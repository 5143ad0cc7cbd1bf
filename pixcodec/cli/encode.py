"""``pixcodec encode``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import click

from pixcodec.batch.plan import STREAM, find_files, plan_outputs
from pixcodec.batch.suffixes import PIXCODEC, READABLE, suffix_of
from pixcodec.batch.transcode import EncodeSettings, encode_file
from pixcodec.cli.options import (
    FILE_NAME,
    batch_options,
    check_model,
    coding_options,
    encoder_options,
    output_options,
)
from pixcodec.cli.running import Manner, check_streams, is_several, processes_for, run_tasks


@click.command()
@click.argument("names", metavar="IN... | IN OUT", nargs=-1, required=True, type=FILE_NAME)
@encoder_options
@click.option("-s", "--strip", is_flag=True, help="Drop metadata, such as EXIF and colour profile.")
@click.option("--no-verify", is_flag=True, help="Do not decode the result to check it.")
@click.option(
    "--rm", "remove", is_flag=True, help="Remove IN once the file written was read back and gave its pixels."
)
@click.option("--keep-suffix", is_flag=True, help="Write a.png.pxc instead of a.pxc.")
@output_options
@batch_options
@coding_options
def encode(
    names: tuple[str, ...],
    effort: str,
    order: str,
    strip: bool,
    no_verify: bool,
    remove: bool,
    keep_suffix: bool,
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
    """Encode images, each to a file beside it with the suffix .pxc.

    Given two names of which the second ends in .pxc, is - or a device, the first is encoded to the second.
    - is stdin or stdout. Files appear as a whole or not at all, and are as old as the image.

    Exit status: 0 all done; for one file 4 damaged, 5 model missing, 6 too large, 1 failed; for several
    files 1 if any failed; 2 wrong usage; 3 nothing to do.
    """
    if remove and no_verify:
        raise click.UsageError("--rm removes what was verified: leave out --no-verify")
    if force and skip_existing:
        raise click.UsageError("--force and --skip-existing contradict each other")
    target = None
    if len(names) == 2 and output_dir is None:
        if _is_output(names[1]):
            target = names[1]
            names = names[:1]
        elif not os.path.exists(names[1]):
            raise click.UsageError(f"{names[1]}: no such file, and as an output it would have to end in .pxc")
    tasks = plan_outputs(
        find_files(names, READABLE, recursive=recursive),
        lambda name: f"{name if keep_suffix else os.path.splitext(name)[0]}.{PIXCODEC}",
        target=target,
        output_folder=output_dir,
    )
    if remove and any(STREAM in (task.source, task.target) for task in tasks):
        raise click.UsageError("--rm needs files: stdin and stdout cannot be read again")
    if not dry_run:
        check_streams(tasks, as_json=as_json)
    check_model(model)
    jobs = processes_for(tasks, jobs)
    settings = EncodeSettings(
        max_pixels=max_pixels,
        model=model,
        threads=threads or (1 if jobs > 1 else None),
        force=force,
        skip_existing=skip_existing,
        effort=effort,
        order=order,
        verify=not no_verify,
        strip=strip,
        remove=remove,
    )
    manner = Manner("encode", is_several(names), jobs, dry_run, as_json, quiet)
    run_tasks(partial(encode_file, settings), settings, tasks, manner)


def _is_output(name: str) -> bool:
    if os.path.isdir(name):
        return False
    is_device = os.path.exists(name) and not os.path.isfile(name)
    return name == STREAM or suffix_of(name) == PIXCODEC or is_device
