"""Runs the tasks of a command and reports on each."""

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
        Name of the command, for the progress bar.
    several : bool
        Whether several files or a folder were given, so that there is a summary.
    jobs : int
        Number of processes.
    dry_run : bool
        Print what would be done, and do nothing.
    as_json : bool
        Print each outcome as a JSON object.
    quiet : bool
        Print errors only.
    """

    verb: str
    several: bool
    jobs: int
    dry_run: bool = False
    as_json: bool = False
    quiet: bool = False


def run_tasks(work: Work, settings: Settings, tasks: Sequence[Task], manner: Manner) -> None:
    """Run the tasks and report on each.

    Parameters
    ----------
    work : callable
        Runs one task and returns its outcome.
    settings : Settings
        Of the command, for a dry run.
    tasks : sequence of Task
    manner : Manner

    Raises
    ------
    click.exceptions.Exit
        With the exit status of the command, unless that is 0.
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
    """Raise an error if stdout cannot take the data of the tasks that write to it.

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
    """Return whether several names or a folder are given."""
    return len(names) > 1 or os.path.isdir(names[0])


def processes_for(tasks: Sequence[Task], jobs: int | None) -> int:
    """Return the number of processes to use; if it is 1, this process runs all tasks."""
    if any(task.source == STREAM for task in tasks):
        return 1
    if jobs is None:
        jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(jobs, len(tasks)))


def threads_for(threads: int | None, jobs: int) -> int | None:
    """Return the threads for one file: one if several processes share the processors, unless given."""
    return threads or (1 if jobs > 1 else None)


def _results(
    work: Work, settings: Settings, tasks: Sequence[Task], manner: Manner
) -> Generator[Outcome, None, None]:
    """Run the tasks and yield their outcomes in the order in which they end."""
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
    """Print an outcome: JSON, plans and verified files to stdout, all else to stderr."""
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
