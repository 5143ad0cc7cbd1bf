"""The outcome of a task: its status and numbers, or its error with a message and an exit status."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from pixcodec import errors
from pixcodec.batch.plan import PlanError, Task

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOTHING_TO_DO = 3
EXIT_BAD_INPUT = 4
EXIT_NO_MODEL = 5
EXIT_LIMIT_EXCEEDED = 6
EXIT_CODES: dict[type[BaseException], int] = {
    errors.CorruptFileError: EXIT_BAD_INPUT,
    errors.NotPixcodecError: EXIT_BAD_INPUT,
    errors.UnsupportedVersionError: EXIT_BAD_INPUT,
    errors.ModelMismatchError: EXIT_NO_MODEL,
    errors.LimitExceededError: EXIT_LIMIT_EXCEEDED,
    PlanError: EXIT_USAGE,
}
TRACEBACK_VARIABLE = "PIXCODEC_TRACEBACK"  # if it is set, unexpected errors show their traceback

Status = Literal["done", "failed", "skipped", "planned"]


@dataclass(frozen=True)
class Outcome:
    """The outcome of one task; its fields are those of the JSON objects that the commands print.

    Parameters
    ----------
    input : str
        Name of the input.
    output : str or None
        Name of the output, if the task has one.
    status : {"done", "failed", "skipped", "planned"}
        Planned: a dry run found nothing against it. Skipped: its output exists.
    error : str or None
        Message, if it failed.
    exit_code : int
        Exit status for the error, 0 if it did not fail.
    input_size_bytes, output_size_bytes : int or None
    width, height : int or None
        Size of the image in pixels.
    bpsp_file : float or None
        Bits of the .pxc file per subpixel of the image.
    seconds : float
        Wall-clock time.
    """

    input: str
    output: str | None
    status: Status
    error: str | None = None
    exit_code: int = 0
    input_size_bytes: int | None = None
    output_size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    bpsp_file: float | None = None
    seconds: float = 0.0


def failure(task: Task, error: BaseException) -> Outcome:
    """Return the outcome of a task that ended with an exception."""
    return Outcome(task.source, task.target, "failed", message(error), exit_code(error))


def exit_code(error: BaseException) -> int:
    """Return the exit status for an exception."""
    return EXIT_CODES.get(type(error), EXIT_FAILED)


def is_expected(error: BaseException) -> bool:
    """Return whether the message of an error makes sense to someone who does not know the program."""
    return isinstance(error, (errors.PixcodecError, PlanError, OSError, MemoryError))


def message(error: BaseException) -> str:
    """Return the message of an error."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else error.strerror
    if is_expected(error):
        return str(error)
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words} (unexpected; {TRACEBACK_VARIABLE}=1 shows where)"


def exit_status(outcomes: list[Outcome], *, several: bool) -> int:
    """Return the exit status of a command.

    Parameters
    ----------
    outcomes : list of Outcome
        Of its tasks.
    several : bool
        Whether the command was given several files or a folder.

    Returns
    -------
    int
        EXIT_FAILED if any of several files failed; that of the error if a single file failed;
        EXIT_NOTHING_TO_DO if all were skipped; else 0.
    """
    failed = [outcome.exit_code for outcome in outcomes if outcome.status == "failed"]
    if failed:
        return EXIT_FAILED if several else failed[0]
    if all(outcome.status == "skipped" for outcome in outcomes):
        return EXIT_NOTHING_TO_DO
    return 0
