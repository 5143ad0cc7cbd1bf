"""The command ``pixcodec``: its signals, errors and exit status; each command has a module.

Data and JSON go to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 3 nothing
to do, 4 damaged or foreign input, 5 model missing, 6 limit exceeded, 130 interrupted. Modules that take long
to import are imported inside the commands.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

import pixcodec
from pixcodec.batch.outcome import EXIT_FAILED, EXIT_USAGE, TRACEBACK_VARIABLE, exit_code, is_expected
from pixcodec.cli.bench import bench
from pixcodec.cli.decode import decode
from pixcodec.cli.encode import encode
from pixcodec.cli.explain import explain
from pixcodec.cli.info import info, models
from pixcodec.cli.inpaint import inpaint
from pixcodec.cli.likelihood import likelihood
from pixcodec.cli.sample import sample
from pixcodec.cli.show import show
from pixcodec.cli.terminal import message, say
from pixcodec.cli.train import train
from pixcodec.cli.verify import verify

EXIT_INTERRUPTED = 130
EXIT_SIGNAL = 128  # plus the number of the signal

EPILOG = """
\b
Examples:
  pixcodec encode photo.png        write photo.pxc
  pixcodec decode photo.pxc        write photo.png
  pixcodec info photo.pxc          show what the file holds
  pixcodec encode --help           show the options of a command
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Default: those of the process.
    """
    _handle_signals()
    if not logging.getLogger().handlers:  # or what libraries log would go to stderr
        logging.getLogger().addHandler(logging.NullHandler())
    try:
        status = cli.main(arguments, prog_name="pixcodec", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout at its end: it must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
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


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True, epilog=EPILOG
)
@click.version_option(pixcodec.__version__, prog_name="pixcodec")
@click.pass_context
def cli(context: click.Context) -> None:
    """Lossless image compression with a PixelCNN."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(EXIT_USAGE)


for command in (
    bench,
    decode,
    encode,
    explain,
    info,
    inpaint,
    likelihood,
    models,
    sample,
    show,
    train,
    verify,
):
    cli.add_command(command)


def _handle_signals() -> None:
    """Exit with an exception on SIGTERM and SIGHUP, so that temporary files are removed."""
    for name in ("SIGTERM", "SIGHUP"):
        with suppress(ValueError, AttributeError):  # not the main thread; Windows has no SIGHUP
            number = getattr(signal, name)
            if signal.getsignal(number) != signal.SIG_IGN:  # ignored, as under nohup
                signal.signal(number, _terminate)


def _terminate(number: int, frame: object) -> None:
    sys.exit(EXIT_SIGNAL + number)
