"""``pixcodec encode``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from pixcodec.batch.plan import STREAM, Task, find_files, plan_outputs
from pixcodec.batch.settings import EncodeSettings
from pixcodec.batch.suffixes import PIXCODEC, READABLE, suffix_of
from pixcodec.batch.transcode import encode_file
from pixcodec.cli.cluster import cluster_options, encode_on_cluster
from pixcodec.cli.options import (
    FILE_NAME,
    batch_options,
    check_model,
    check_overwriting,
    coding_options,
    encoder_options,
    output_options,
)
from pixcodec.cli.running import Manner, check_streams, is_several, processes_for, run_tasks, threads_for

EPILOG = """
\b
Examples:
  pixcodec encode photo.png                   write photo.pxc
  pixcodec encode --effort max photo.png a.pxc
  pixcodec encode -r pictures -o coded        all images below pictures
  pixcodec encode - - < photo.png > photo.pxc
  pixcodec encode --cluster dask://HOST:8786 -r s3://b/in -o s3://b/out --results s3://b/log

\b
Exit status:
  0    all done
  1    failed; of several files: any failed
  2    wrong usage
  3    nothing to do
  4    the file is damaged or foreign
  5    the model is missing
  6    a limit is exceeded
  130  interrupted
"""


@click.command(epilog=EPILOG)
@click.argument("names", metavar="IN... | IN OUT", nargs=-1, type=FILE_NAME)
@encoder_options
@click.option(
    "-s",
    "--strip",
    is_flag=True,
    help="Drop metadata, such as EXIF and colour profile; of JPEG files, keep the pixels.",
)
@click.option("--pixels", is_flag=True, help="Keep the pixels of JPEG files, not the files.")
@click.option("--no-verify", is_flag=True, help="Do not decode the result to check it.")
@click.option(
    "--rm", "remove", is_flag=True, help="Remove IN after OUT was read back and decoded to the same."
)
@click.option("--device", metavar="NAME", help="Run the network with torch on a device, such as cuda.")
@click.option("--keep-suffix", is_flag=True, help="Write a.png.pxc instead of a.pxc.")
@cluster_options
@output_options
@batch_options
@coding_options
def encode(
    names: tuple[str, ...],
    effort: str,
    order: str,
    strip: bool,
    pixels: bool,
    no_verify: bool,
    remove: bool,
    device: str | None,
    keep_suffix: bool,
    cluster: str | None,
    manifest: str | None,
    results: str | None,
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
    """Encode images, each to a .pxc file beside it.

    Given two names of which the second ends in .pxc, is - or is a device, the first is encoded to the second.
    The name - is stdin or stdout. An output is written as a whole or not at all, and gets the modification
    time of its image. JPEG files are kept byte for byte, unless --pixels says otherwise.
    """
    if remove and no_verify:
        raise click.UsageError("--rm removes what was verified: leave out --no-verify")
    check_overwriting(force=force, skip_existing=skip_existing)
    if cluster is not None or manifest is not None or results is not None:
        return encode_on_cluster(click.get_current_context())
    tasks, several = _tasks(names, output_dir, recursive=recursive, keep_suffix=keep_suffix)
    if remove:
        _check_removable(tasks)
    if not dry_run:
        check_streams(tasks, as_json=as_json)
    check_model(model)
    if device is not None:
        from pixcodec.network.torch_net import check_device  # which imports torch: seconds

        check_device(device)
    jobs = processes_for(tasks, jobs)
    settings = EncodeSettings(
        *(max_pixels, model, threads_for(threads, jobs), force, skip_existing),
        effort=effort,
        order=order,
        verify=not no_verify,
        strip=strip,
        remove=remove,
        pixels=pixels,
        device=device,
    )
    manner = Manner("encode", several, jobs, dry_run, as_json, quiet)
    run_tasks(partial(encode_file, settings), settings, tasks, manner)


def _tasks(
    names: tuple[str, ...], output_dir: str | None, *, recursive: bool, keep_suffix: bool
) -> tuple[list[Task], bool]:
    """Return the tasks for the names given, and whether these are several files or a folder."""
    if not names:
        raise click.UsageError("Missing argument 'IN... | IN OUT'.")
    names, target = _inputs_and_output(names, output_dir)
    found = find_files(names, READABLE, recursive=recursive)
    rename = partial(_pxc_name, keep_suffix=keep_suffix)
    return plan_outputs(found, rename, target=target, output_folder=output_dir), is_several(names)


def _inputs_and_output(names: tuple[str, ...], output_dir: str | None) -> tuple[tuple[str, ...], str | None]:
    """Return the inputs among the names given, and the output if one of them is."""
    if len(names) != 2 or output_dir is not None:
        return names, None
    if _is_output(names[1]):
        return names[:1], names[1]
    if not os.path.exists(names[1]):
        raise click.UsageError(f"{names[1]}: no such file, and as an output it would have to end in .pxc")
    return names, None


def _is_output(name: str) -> bool:
    if os.path.isdir(name):
        return False
    is_device = os.path.exists(name) and not os.path.isfile(name)
    return name == STREAM or suffix_of(name) == PIXCODEC or is_device


def _pxc_name(name: str, *, keep_suffix: bool) -> str:
    return f"{name if keep_suffix else os.path.splitext(name)[0]}.{PIXCODEC}"


def _check_removable(tasks: Sequence[Task]) -> None:
    if any(STREAM in (task.source, task.target) for task in tasks):
        raise click.UsageError("--rm needs files: stdin and stdout cannot be read again")
