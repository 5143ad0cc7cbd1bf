"""Write the man pages of the command line, one for each command, from what ``--help`` says.

    python docs/man_pages.py FOLDER

hatch_build.py does this when a wheel is built; pip installs the pages below ``share/man``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from click_man.core import generate_man_page, get_short_help_str

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: found from the root alone
    sys.path[0] = str(ROOT)

import pixcodec  # noqa: E402 -- found only from the root
from pixcodec.cli import cli  # noqa: E402

MACROS = (".TH", ".SH", ".PP", ".TP", ".B", ".nf", ".fi")
UNWRAPPED = "\b"  # how click is told to leave the lines of a paragraph as they are


def pages() -> Iterator[tuple[str, str]]:
    """Give the name of each file and what it holds."""
    context = click.Context(cli, info_name="pixcodec")
    yield "pixcodec.1", page(context)
    for name, command in sorted(cli.commands.items()):
        if not command.hidden:
            yield f"pixcodec-{name}.1", page(click.Context(command, info_name=name, parent=context))


def page(context: click.Context) -> str:
    """Return the page of a command, with the examples and other ends of its help."""
    # An empty date: a page is the same whenever it is built.
    text: str = generate_man_page(context, version=f"pixcodec {pixcodec.__version__}", date=" ")
    for command in (context.command, *getattr(context.command, "commands", {}).values()):
        text = text.replace(get_short_help_str(command), command.get_short_help_str(limit=1000).rstrip("."))
    lines = [plain(line) for line in text.replace(f"{UNWRAPPED}\n", "").rstrip("\n").split("\n")]
    for section in (context.command.epilog or "").strip().split("\n\n"):
        first, *rest = section.replace(f"{UNWRAPPED}\n", "").split("\n")
        if rest and first.endswith(":"):
            lines += [f".SH {first[:-1].upper()}", ".nf", *map(escaped, rest), ".fi"]
        else:
            lines += [".PP", *map(escaped, [first, *rest])]
    return "\n".join(lines) + "\n"


def plain(line: str) -> str:
    """Return a line of a page; one that begins with a point, and is no macro, so that it is shown."""
    is_text = line.startswith((".", "'")) and line.split()[0] not in MACROS
    return f"\\&{line}" if is_text else line


def escaped(line: str) -> str:
    """Return a line that troff shows as it is."""
    return line.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")


def main() -> None:
    """Write the pages to the folder on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages():
        (folder / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
