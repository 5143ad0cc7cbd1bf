"""Runs the tasks of a command and reports on each."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from functools import partial

import click

from pixcodec.batch.amounts import count, duration, megabytes, smaller
from pixcodec.batch.outcome import Outcome, exit_status, failure
from pixcodec.batch.plan import STREAM, Task
from pixcodec.batch.settings import Settings
from pixcodec.batch.transcode import dry_run
from pixcodec.cli.terminal import Bar, has_bar, printable, say
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
        say(_summary(outcomes, time.perf_counter() - start, manner.verb))
    if status := exit_status(outcomes, several=manner.several):
        raise click.exceptions.Exit(status)


class TaskBar:
    """A progress bar of tasks: bytes of inputs that are done, files, and the sizes before and after.

    Parameters
    ----------
    verb : str
    tasks : sequence of Task
    """

    def __init__(self, verb: str, tasks: Sequence[Task]) -> None:
        self._sizes = {task.source: _size_of(task.source) for task in tasks}
        self._tasks = len(tasks)
        self._bar = Bar(verb, sum(self._sizes[task.source] for task in tasks) / 1e6 or 1, "MB/s")
        self._done = self._ended = self._before = self._after = 0

    def go_on(self, task: Task, fraction: float) -> None:
        """Show that a part of a task is done."""
        self._bar.update((self._done + fraction * self._sizes[task.source]) / 1e6, self._totals())

    def end(self, task: Task, outcome: Outcome) -> None:
        """Show that a task ended."""
        self._done += self._sizes[task.source]
        self._ended += 1
        if outcome.status == "done":
            self._before += outcome.input_size_bytes or 0
            self._after += outcome.output_size_bytes or 0
        self._bar.update(self._done / 1e6, self._totals())

    def close(self) -> None:
        """Remove the bar."""
        self._bar.close()

    def _totals(self) -> str:
        sizes = f"  {megabytes(self._before)} -> {megabytes(self._after)}" if self._after else ""
        return f"{self._ended}/{count(self._tasks, 'file')}{sizes}" if self._tasks > 1 else ""


@contextmanager
def task_bar(manner: Manner, tasks: Sequence[Task]) -> Iterator[TaskBar | None]:
    """Give a progress bar of tasks, or None if none is wanted."""
    if not has_bar(manner.quiet):
        yield None
        return
    bar = TaskBar(manner.verb, tasks)
    try:
        yield bar
    finally:
        bar.close()


def _size_of(name: str) -> int:
    """Return the size of a file in bytes, 0 if there is none."""
    try:
        return os.path.getsize(name)
    except OSError:
        return 0


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
        return
    with task_bar(manner, tasks) as bar:
        if manner.jobs > 1:
            from pixcodec.batch.pool import ProcessDiedError, run_all

            with closing(run_all(work, tasks, manner.jobs)) as results:
                for task, result in results:
                    if isinstance(result, ProcessDiedError):
                        result = failure(task, PixcodecError(f"{task.source}: {result}"))
                    if bar is not None:
                        bar.end(task, result)
                    yield result
        else:
            for task in tasks:
                progress = None if bar is None else partial(bar.go_on, task)
                outcome = work(task, progress=progress, stdout=sys.stdout.buffer)
                if bar is not None:
                    bar.end(task, outcome)
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


def _summary(outcomes: Sequence[Outcome], seconds: float, verb: str) -> str:
    """Return one line about all outcomes; sizes are those of the files that were done."""
    if not outcomes:
        return "nothing to do: the folders hold no such files"
    counts = Counter(outcome.status for outcome in outcomes if outcome.status != "done")
    words = [count(len(outcomes), "file")]
    words += [f"{number} {status}" for status, number in sorted(counts.items())]
    done = [outcome for outcome in outcomes if outcome.status == "done"]
    before = sum(outcome.input_size_bytes or 0 for outcome in done)
    after = sum(outcome.output_size_bytes or 0 for outcome in done)
    if before and after:
        words.append(f"{megabytes(before)} -> {megabytes(after)}")
        if verb == "encode":
            words.append(smaller(after / before))
    elif before:
        words.append(megabytes(before))
    return ", ".join([*words, duration(seconds)])
