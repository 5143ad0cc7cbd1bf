"""The command ``pixcodec``: its exit status, signals and errors; the commands are in pixcodec/commands.

Data and JSON go to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 3 nothing
to do, 4 damaged or foreign input, 5 model missing, 6 limit exceeded, 130 interrupted. Heavy imports happen
inside the commands.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

import pixcodec
from pixcodec.batch.outcome import EXIT_FAILED, TRACEBACK_VARIABLE, exit_code, is_expected
from pixcodec.cli.bench import bench
from pixcodec.cli.decode import decode
from pixcodec.cli.encode import encode
from pixcodec.cli.show import info, models
from pixcodec.cli.terminal import message, say
from pixcodec.cli.train import train
from pixcodec.cli.verify import verify

EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: that of the process) and return its exit status."""
    for name in ("SIGTERM", "SIGHUP"):
        with suppress(ValueError, AttributeError):  # only the main thread may; Windows has no SIGHUP
            number = getattr(signal, name)
            if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
                signal.signal(number, _terminate)
    try:
        status = cli.main(arguments, prog_name="pixcodec", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush fails as well
        return EXIT_FAILED
    except click.ClickException as error:
        say(f"error: {error.format_message()}")
        return error.exit_code
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE) and not is_expected(error):
            raise
        say(f"error: {message(error)}")
        return exit_code(error)
    return status if isinstance(status, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(pixcodec.__version__, prog_name="pixcodec")
@click.pass_context
def cli(context: click.Context) -> None:
    """Lossless image compression with a PixelCNN."""
    if context.invoked_subcommand is None:
        raise click.UsageError("a command is missing, see pixcodec --help")


for command in (bench, decode, encode, info, models, train, verify):
    cli.add_command(command)


def _terminate(number: int, frame: object) -> None:
    sys.exit(128 + number)  # unlike the default, this unwinds, so partial files go
