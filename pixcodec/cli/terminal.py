"""Messages for people and a progress bar, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from pixcodec.batch import outcome

PROGRESS_AFTER_SECONDS = 1.0
PROGRESS_EVERY_SECONDS = 0.1
PROGRESS_WIDTH = 30
PROGRESS_MARGIN = 9  # characters of the bar besides the verb and the marks


def say(text: str) -> None:
    """Print a text as one line on stderr."""
    click.echo(f"pixcodec: {printable(text)}", err=True)


def printable(text: str) -> str:
    """Return a text, such as a file name, with escapes for line ends and control characters."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def message(error: BaseException) -> str:
    """Return the message of an error."""
    return error.format_message() if isinstance(error, click.ClickException) else outcome.message(error)


@contextmanager
def progress_bar(verb: str, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """Give a callable that draws a progress bar for a fraction; None if stderr is no terminal.

    The bar appears after PROGRESS_AFTER_SECONDS, and is removed at the end.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    next_seconds = time.monotonic() + PROGRESS_AFTER_SECONDS
    drawn = False

    def draw(fraction: float) -> None:
        nonlocal next_seconds, drawn
        now = time.monotonic()
        if now < next_seconds:
            return
        next_seconds, drawn = now + PROGRESS_EVERY_SECONDS, True
        done = round(fraction * PROGRESS_WIDTH)
        bar = "#" * done + "." * (PROGRESS_WIDTH - done)
        click.echo(f"\r{verb} [{bar}] {100 * fraction:3.0f} %", nl=False, err=True)

    try:
        yield draw
    finally:
        if drawn:
            click.echo("\r" + " " * (len(verb) + PROGRESS_WIDTH + PROGRESS_MARGIN) + "\r", nl=False, err=True)
