"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pixcodec.container.header import DEFAULT_MAX_PIXELS, MAX_PIXELS
from pixcodec.errors import ModelMismatchError

Command = TypeVar("Command", bound=Callable[..., Any])

FILE_NAME = click.Path(readable=False, allow_dash=True)  # unreadable is that file's failure, not wrong usage

quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
force_option = click.option("-f", "--force", is_flag=True, help="Overwrite the output if it exists.")


def coding_options(command: Command) -> Command:
    """Add the options of all commands that encode or decode."""
    return _with(
        command,
        quiet_option,
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Processor cores to use."),
        click.option("--model", type=click.Path(path_type=Path), help="Model file instead of a shipped one."),
        click.option(
            "--max-pixels",
            type=click.IntRange(1, MAX_PIXELS),
            metavar="N",
            default=DEFAULT_MAX_PIXELS,
            show_default=True,
            help="Refuse larger images.",
        ),
    )


def encoder_options(command: Command) -> Command:
    """Add the options of all commands that encode."""
    return _with(
        command,
        click.option(
            "--order",
            type=click.Choice(["wavefront", "raster"]),
            default="wavefront",
            help="Order of the pixels; raster is slow to decode.",
        ),
        click.option(
            "--effort",
            type=click.Choice(["fast", "normal", "max"]),
            default="normal",
            show_default=True,
            help="More effort, smaller files.",
        ),
    )


def batch_options(command: Command) -> Command:
    """Add the options of all commands that take several files."""
    return _with(
        command,
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each file."),
        click.option(
            "--jobs",
            type=click.IntRange(min=1),
            metavar="N",
            help="Files to work on at a time.  [default: one for each processor]",
        ),
        click.option("-r", "--recursive", is_flag=True, help="Take the files below folders."),
    )


def output_options(command: Command) -> Command:
    """Add the options of all commands that take several files and write a file for each."""
    return _with(
        command,
        click.option("-n", "--dry-run", is_flag=True, help="Print what would be done and do nothing."),
        click.option("--skip-existing", is_flag=True, help="Skip inputs whose output exists."),
        force_option,
        click.option(
            "-o",
            "--output-dir",
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Write into DIR, with the folders below each folder given.",
        ),
    )


def check_model(model: Path | None) -> None:
    """Raise if a model file was named that is not there.

    Raises
    ------
    ModelMismatchError
    """
    if model is not None and not model.is_file():
        raise ModelMismatchError(f"{model}: no such model file")


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in options:
        command = option(command)
    return command
