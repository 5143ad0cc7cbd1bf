"""Messages, tables and a progress bar for people; the bar and the tables are rich's, imported late."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from pixcodec.batch import outcome

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PROGRESS_AFTER_SECONDS = 1.0
PROGRESS_SCALE = 1000  # steps of a fraction
WIDE = 200  # columns that a table may have: it is not squeezed into a narrow terminal


def say(text: str) -> None:
    """Print a text as one line on stderr."""
    click.echo(f"pixcodec: {printable(text)}", err=True)


def printable(text: str) -> str:
    """Return a text, such as a file name, with escapes for line ends and control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def message(error: BaseException) -> str:
    """Return the message of an error."""
    return error.format_message() if isinstance(error, click.ClickException) else outcome.message(error)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout, the first column to the left and the others to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for at, name in enumerate(header):
        table.add_column(name, justify="right" if at else "left")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    Console(file=sys.stdout, width=WIDE).print(table)


class Bar:
    """A progress bar that appears after a second, with the rate, the time left and a text of totals.

    Parameters
    ----------
    verb : str
    total : float
        What is to be done, in the unit of the rate.
    unit : str
        Of the rate, for each second; empty: no rate.
    """

    def __init__(self, verb: str, total: float, unit: str = "") -> None:
        self._verb, self._total, self._unit = verb, total, unit
        self._start = time.monotonic()
        self._shown: tuple[Progress, TaskID] | None = None

    def update(self, done: float, text: str = "") -> None:
        """Show how much is done, and totals."""
        seconds = time.monotonic() - self._start
        if self._shown is None:
            if seconds < PROGRESS_AFTER_SECONDS:
                return
            self._shown = self._show()
        rate = f"{done / seconds:.2f} {self._unit}" if self._unit and seconds > 0 else ""
        progress, task = self._shown
        progress.update(task, completed=done, text="  ".join(filter(None, (text, rate))))

    def close(self) -> None:
        """Remove the bar."""
        if self._shown is not None:
            self._shown[0].stop()
            self._shown = None

    def _show(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(30),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}", markup=False),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # else the lines of stdout would go to stderr
        )
        progress.start()
        return progress, progress.add_task(self._verb, total=self._total, text="")


def has_bar(quiet: bool) -> bool:
    """Return whether there is a terminal to draw a progress bar on, and one is wanted."""
    return not quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress_bar(verb: str, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """Give a callable that draws a progress bar for a fraction; None if stderr is no terminal.

    The bar appears after PROGRESS_AFTER_SECONDS, and is removed at the end.
    """
    if not has_bar(quiet):
        yield None
        return
    bar = Bar(verb, 1.0)
    try:
        yield bar.update
    finally:
        bar.close()
