"""From the names given on a command line to the list of files to work on, checked as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pixcodec.batch.suffixes import suffix_of

STREAM = "-"


class PlanError(Exception):
    """The names given do not make sense together; nothing was done."""


@dataclass(frozen=True)
class Found:
    """An input of a command.

    Parameters
    ----------
    path : str
    below : str
        The path below the folder that was named; the name of a file that was named itself.
    given : bool
        Whether the file was named itself.
    """

    path: str
    below: str
    given: bool


@dataclass(frozen=True)
class Task:
    """One input and its output, if there is one; folders that the output needs are made if ``mirrored``."""

    source: str
    target: str | None
    mirrored: bool = False


def find_files(names: Iterable[str], suffixes: Collection[str], *, recursive: bool) -> list[Found]:
    """Return the files named and, with ``recursive``, those below the folders named, sorted in each.

    Below a folder, only files with one of ``suffixes`` are taken, and links to folders are not followed.

    Raises
    ------
    PlanError
        If a folder is named without ``recursive``.
    OSError
        If a folder cannot be read.
    """
    found = []
    for name in names:
        if name == STREAM or not os.path.isdir(name):
            found.append(Found(name, os.path.basename(name), True))
        elif recursive:
            found += (
                Found(path, os.path.relpath(path, name), False)
                for path in _files_below(name)
                if suffix_of(path) in suffixes
            )
        else:
            raise PlanError(f"{name}: is a folder; use -r to take the files below it")
    return found


def plan_outputs(
    inputs: Sequence[Found],
    rename: Callable[[str], str],
    *,
    target: str | None = None,
    output_folder: str | None = None,
) -> list[Task]:
    """Give each input an output: beside it, or in ``output_folder`` as it stood in the folder named.

    Parameters
    ----------
    inputs : sequence of Found
    rename : callable
        From the name of an input to that of its output.
    target : str, optional
        The output of the only input.
    output_folder : str, optional

    Raises
    ------
    PlanError
        As :func:`check_tasks`; if there is one ``target`` for a folder; if stdin is one of several inputs.
    """
    tasks = []
    for file in inputs:
        if file.path == STREAM and (len(inputs) > 1 or output_folder is not None):
            raise PlanError("- stands for stdin and must be the only input, without --output-dir")
        if target is not None:
            tasks.append(Task(file.path, target))
        elif file.path == STREAM:
            tasks.append(Task(STREAM, STREAM))
        elif output_folder is None:
            tasks.append(Task(file.path, rename(file.path)))
        else:
            tasks.append(Task(file.path, os.path.join(output_folder, rename(file.below)), mirrored=True))
    if target is not None and not all(file.given for file in inputs):
        raise PlanError(f"{target}: is one output for a folder of files; use --output-dir")
    check_tasks(tasks, {file.path for file in inputs if file.given})
    return tasks


def check_tasks(tasks: Sequence[Task], given: Collection[str]) -> None:
    """Raise unless every input is read once, every output written once, and no input overwritten.

    A file with several names (hard or symbolic links) counts as one if any of them is in ``given``; found
    below folders, each of its names is a file of its own.

    Raises
    ------
    PlanError
    """
    inputs: dict[tuple[int, int], list[str]] = {}
    for task in tasks:
        identity = _identity(task.source)
        if identity is None:
            continue
        for other in inputs.setdefault(identity, []):
            if task.source in given or other in given or _place(task.source) == _place(other):
                raise PlanError(f"{other} and {task.source} are the same file: give it once")
        inputs[identity].append(task.source)
    outputs: dict[str, str] = {}
    for task in tasks:
        if task.target is None or task.target == STREAM:
            continue
        if _identity(task.target) in inputs:
            raise PlanError(f"{task.target}, the output of {task.source}, is the same file as an input")
        first = outputs.setdefault(os.path.realpath(task.target), task.source)
        if first != task.source:
            raise PlanError(
                f"{first} and {task.source} would both become {task.target}: use --keep-suffix, "
                "or different folders with --output-dir"
            )


def _files_below(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path)
        elif entry.is_file():
            yield entry.path


def _identity(path: str) -> tuple[int, int] | None:
    """Return what tells a regular file from all others, whatever its name; None if there is none."""
    if path == STREAM or not os.path.isfile(path):
        return None
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _place(path: str) -> str:
    """Return the one path of a name, links of folders resolved."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder or "."), name)
