"""Run the tasks of a command, report on each."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass

import click

from pixcodec.batch.outcome import Outcome, exit_status, failure
from pixcodec.batch.plan import STREAM, Task
from pixcodec.batch.transcode import Settings, dry_run
from pixcodec.cli.terminal import printable, progress_bar, say
from pixcodec.errors import PixcodecError

Work = Callable[..., Outcome]  # encode_file, decode_file or verify_file, with settings


@dataclass(frozen=True)
class Manner:
    """How the tasks of a command are run and reported on.

    Parameters
    ----------
    verb : str
        What is done to a file.
    several : bool
        Whether the command is about several files, even if a folder holds but one.
    jobs : int
        Processes.
    dry_run, as_json, quiet : bool
    """

    verb: str
    several: bool
    jobs: int
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False


def run_tasks(work: Work, settings: Settings, tasks: Sequence[Task], manner: Manner) -> None:
    """Do the tasks, report on each, and leave with the exit status that they amount to.

    Raises
    ------
    click.exceptions.Exit
    """
    start = time.perf_counter()
    outcomes = []
    with closing(_results(work, settings, tasks, manner)) as results:
        for outcome in results:
            outcomes.append(outcome)
            _report(outcome, manner)
    if manner.several and not manner.quiet:
        say(_summary(outcomes, time.perf_counter() - start))
    if status := exit_status(outcomes, several=manner.several):
        raise click.exceptions.Exit(status)


def check_streams(tasks: Sequence[Task], *, as_json: bool) -> None:
    """Raise if data is to go where it cannot.

    Raises
    ------
    click.UsageError
    """
    if all(task.target != STREAM for task in tasks):
        return
    if as_json:
        raise click.UsageError("--json needs stdout for itself: name an output file")
    if sys.stdout.isatty():
        raise click.UsageError("output is a terminal: name a file or redirect stdout")


def is_several(names: Sequence[str]) -> bool:
    """Return whether the names given stand for several files, or for as many as a folder holds."""
    return len(names) > 1 or os.path.isdir(names[0])


def processes_for(tasks: Sequence[Task], jobs: int | None) -> int:
    """Return how many processes to use; this one does all tasks if that is 1."""
    if any(task.source == STREAM for task in tasks):
        return 1
    if jobs is None:
        jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(jobs, len(tasks)))


def _results(
    work: Work, settings: Settings, tasks: Sequence[Task], manner: Manner
) -> Generator[Outcome, None, None]:
    if manner.dry_run:
        yield from (dry_run(settings, task) for task in tasks)
    elif manner.jobs > 1:
        from pixcodec.batch.pool import ProcessDiedError, run_all

        with closing(run_all(work, tasks, manner.jobs)) as results:
            for task, result in results:
                if isinstance(result, ProcessDiedError):
                    result = failure(task, PixcodecError(f"{task.source}: {result}"))
                yield result
    else:
        for task in tasks:
            with progress_bar(manner.verb, manner.quiet) as progress:
                outcome = work(task, progress=progress, stdout=sys.stdout.buffer)
            yield outcome


def _report(outcome: Outcome, manner: Manner) -> None:
    if manner.as_json:
        click.echo(json.dumps(asdict(outcome)))
    if outcome.error is not None:
        say(f"error: {outcome.error}")
    elif manner.quiet and not manner.dry_run:
        return
    elif outcome.status == "skipped":
        if not manner.several:
            say(f"{outcome.output}: exists already, skipped")
    elif manner.as_json:
        return
    elif outcome.status == "planned":
        click.echo(f"{printable(outcome.input)} -> {printable(str(outcome.output))}")
    elif outcome.output is None:
        click.echo(f"{printable(outcome.input)}: ok")
    elif manner.several or manner.verb == "encode":
        say(_line(outcome))


def _line(outcome: Outcome) -> str:
    return (
        f"{outcome.output}: {outcome.width}x{outcome.height} pixels, "
        f"{outcome.input_size_bytes} -> {outcome.output_size_bytes} bytes, "
        f"{outcome.bpsp_file:.3f} bpsp_file, {outcome.seconds:.1f} s"
    )


def _summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    if not outcomes:
        return "nothing to do: the folders hold no such files"
    counts = Counter(outcome.status for outcome in outcomes)
    words = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    before = sum(outcome.input_size_bytes or 0 for outcome in outcomes)
    after = sum(outcome.output_size_bytes or 0 for outcome in outcomes)
    sizes = f", {before} -> {after} bytes" if after else ""
    return f"{len(outcomes)} file{'s'[: len(outcomes) > 1]}: {words}{sizes}, {seconds:.1f} s"
