"""Options that several commands share, and the checks of their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pixcodec.container.header import DEFAULT_MAX_PIXELS, MAX_PIXELS
from pixcodec.errors import ModelMismatchError

Command = TypeVar("Command", bound=Callable[..., Any])

# A file that cannot be read is a failure of that file, not wrong usage.
FILE_NAME = click.Path(readable=False, allow_dash=True)

quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Model file to use instead of a shipped one.",
)
max_pixels_option = click.option(
    "--max-pixels",
    type=click.IntRange(1, MAX_PIXELS),
    metavar="N",
    default=DEFAULT_MAX_PIXELS,
    show_default=True,
    help="Refuse images of more pixels.",
)
force_option = click.option("-f", "--force", is_flag=True, help="Overwrite the output if it exists.")


def coding_options(command: Command) -> Command:
    """Add the options of all commands that encode or decode."""
    return _with(
        command,
        quiet_option,
        click.option(
            "--threads",
            type=click.IntRange(min=1),
            metavar="N",
            help="Threads for one image.",
        ),
        model_option,
        max_pixels_option,
    )


def encoder_options(command: Command) -> Command:
    """Add the options of all commands that encode."""
    return _with(
        command,
        click.option(
            "--order",
            type=click.Choice(["wavefront", "raster"]),
            default="wavefront",
            show_default=True,
            help="Order in which pixels are coded; raster is slow.",
        ),
        click.option(
            "--effort",
            type=click.Choice(["fast", "normal", "max", "research"]),
            default="normal",
            show_default=True,
            help="Time to spend; more time makes smaller files. For studies: research, a Row LSTM.",
        ),
    )


def generating_options(command: Command) -> Command:
    """Add the options of all commands that draw from a model."""
    return _with(
        command,
        quiet_option,
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads to use."),
        model_option,
        click.option(
            "--top-p",
            type=click.FloatRange(0, 1, min_open=True),
            metavar="X",
            default=1.0,
            show_default=True,
            help="Draw the most probable values that have this share together.",
        ),
        click.option(
            "--temperature",
            type=click.FloatRange(0.01, 100),
            metavar="X",
            default=1.0,
            show_default=True,
            help="Below 1: probable values more often; above 1: less often.",
        ),
        click.option(
            "--seed",
            type=click.IntRange(0, 2**64 - 1),
            metavar="N",
            default=0,
            show_default=True,
            help="Another seed draws others; the same one the same.",
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
            help="Files to work on at the same time.  [default: one for each processor]",
        ),
        click.option("-r", "--recursive", is_flag=True, help="Take the files below the folders given."),
    )


def output_options(command: Command) -> Command:
    """Add the options of all commands that take several files and write a file for each."""
    return _with(
        command,
        click.option("-n", "--dry-run", is_flag=True, help="Print what would be done, and do nothing."),
        click.option("--skip-existing", is_flag=True, help="Skip inputs whose output exists."),
        force_option,
        click.option(
            "-o",
            "--output-dir",
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Write to DIR, and repeat there the folders below each folder given.",
        ),
    )


def check_model(model: Path | None) -> None:
    """Raise an error if a model file is given that does not exist.

    Raises
    ------
    ModelMismatchError
    """
    if model is not None and not model.is_file():
        raise ModelMismatchError(f"{model}: no such model file")


def check_overwriting(*, force: bool, skip_existing: bool) -> None:
    """Raise an error if existing outputs are to be both overwritten and skipped.

    Raises
    ------
    click.UsageError
    """
    if force and skip_existing:
        raise click.UsageError("--force and --skip-existing contradict each other")


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add options to a command; its help shows them in reverse order."""
    for option in options:
        command = option(command)
    return command
