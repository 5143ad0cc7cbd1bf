"""What became of a file: a status, numbers, and for an error its words and exit status."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from pixcodec import errors
from pixcodec.batch.plan import PlanError, Task

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NOTHING_TO_DO = 3
EXIT_CODES: dict[type[BaseException], int] = {
    errors.CorruptFileError: 4,
    errors.NotPixcodecError: 4,
    errors.UnsupportedVersionError: 4,
    errors.ModelMismatchError: 5,
    errors.LimitExceededError: 6,
    PlanError: EXIT_USAGE,
}
TRACEBACK_VARIABLE = "PIXCODEC_TRACEBACK"  # set it to see where an unexpected error comes from

Status = Literal["done", "failed", "skipped", "planned"]


@dataclass(frozen=True)
class Outcome:
    """The end of a task; the fields are those of the JSON objects that the commands print."""

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
    """Return the exit status that an exception stands for."""
    return EXIT_CODES.get(type(error), EXIT_FAILED)


def is_expected(error: BaseException) -> bool:
    """Return whether an error says what went wrong to someone who does not know the program."""
    return isinstance(error, (errors.PixcodecError, PlanError, OSError, MemoryError))


def message(error: BaseException) -> str:
    """Return what an error says."""
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{os.fsdecode(error.filename)}: {error.strerror}" if error.filename else error.strerror
    if is_expected(error):
        return str(error)
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words} (unexpected; {TRACEBACK_VARIABLE}=1 shows where)"


def exit_status(outcomes: list[Outcome], *, several: bool) -> int:
    """Return the exit status of a command from the outcomes of its tasks."""
    failed = [outcome.exit_code for outcome in outcomes if outcome.status == "failed"]
    if failed:
        return EXIT_FAILED if several else failed[0]
    if all(outcome.status == "skipped" for outcome in outcomes):
        return EXIT_NOTHING_TO_DO
    return 0
