"""What the commands say to people: messages and a progress bar, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from pixcodec.batch import outcome

PROGRESS_AFTER_SECONDS = 1.0
PROGRESS_WIDTH = 30


def say(text: str) -> None:
    """Print one line."""
    click.echo(f"pixcodec: {printable(text)}", err=True)


def printable(text: str) -> str:
    """Return a text, such as a file name, without what would end the line or move the cursor."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def message(error: BaseException) -> str:
    """Return what an error says."""
    return error.format_message() if isinstance(error, click.ClickException) else outcome.message(error)


@contextmanager
def progress_bar(verb: str, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """Give a callable that draws a bar on a terminal once the work has taken a while."""
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
        next_seconds, drawn = now + 0.1, True
        done = round(fraction * PROGRESS_WIDTH)
        bar = "#" * done + "." * (PROGRESS_WIDTH - done)
        click.echo(f"\r{verb} [{bar}] {100 * fraction:3.0f} %", nl=False, err=True)

    try:
        yield draw
    finally:
        if drawn:
            click.echo("\r" + " " * (len(verb) + PROGRESS_WIDTH + 9) + "\r", nl=False, err=True)
