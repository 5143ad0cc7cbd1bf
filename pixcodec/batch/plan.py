"""The names given on a command line -> the tasks: which input becomes which output."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pixcodec.batch.suffixes import suffix_of

STREAM = "-"  # the name of stdin and stdout


class PlanError(Exception):
    """The names given contradict each other; nothing was done."""


@dataclass(frozen=True)
class Found:
    """An input of a command.

    Parameters
    ----------
    path : str
    below : str
        Its path relative to the folder that was given, or its name if the file itself was given.
    given : bool
        Whether the file itself was given.
    """

    path: str
    below: str
    given: bool


@dataclass(frozen=True)
class Task:
    """One input and its output.

    Parameters
    ----------
    source : str
    target : str or None
        None if the task writes nothing.
    mirrored : bool
        Whether the folders of the output are made if they do not exist.
    """

    source: str
    target: str | None
    mirrored: bool = False


def find_files(names: Iterable[str], suffixes: Collection[str], *, recursive: bool) -> list[Found]:
    """Return the files given and those below the folders given.

    Parameters
    ----------
    names : iterable of str
        Files, folders, or STREAM.
    suffixes : collection of str
        Below a folder, only files with one of these suffixes are taken.
    recursive : bool
        Whether folders are allowed. Links to folders below them are not followed.

    Returns
    -------
    list of Found
        In the order of ``names``; those below a folder sorted.

    Raises
    ------
    PlanError
        If a folder is given without ``recursive``.
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
    """Return a task for each input.

    Parameters
    ----------
    inputs : sequence of Found
    rename : callable
        Returns the name of an output for the name of its input.
    target : str, optional
        The output, if there is one input.
    output_folder : str, optional
        The folder of all outputs, in which the folders below each folder given are repeated. Default: the
        folder of each input.

    Raises
    ------
    PlanError
        If there is one ``target`` for a folder, if stdin is one of several inputs, or as :func:`check_tasks`.
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
    """Raise an error if an input is read twice, an output is written twice, or an input is overwritten.

    Parameters
    ----------
    tasks : sequence of Task
    given : collection of str
        The inputs that were given themselves. Names of the same file (hard or symbolic links) are one input
        if one of them was given, and separate inputs if all were found below folders.

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
    """Return device and inode of a regular file, which all its names share; None if there is no such file."""
    if path == STREAM or not os.path.isfile(path):
        return None
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _place(path: str) -> str:
    """Return a path with all links to folders resolved, but not a link to the file itself."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder or "."), name)
