"""Keep every JPEG file of a set with pixcodec, restore it, and count what came of it by kind of file."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple

import pixcodec
from benchmarks.jpeg_kinds import JpegFile, kind_of
from pixcodec.container.container import parse
from pixcodec.container.header import DEFAULT_MAX_PIXELS
from pixcodec.jpeg.files.parts import take_apart
from pixcodec.jpeg.files.recipe import unpack_recipe
from pixcodec.jpeg.scans.markers import UnusualFileError

OUTCOMES = ("equal", "different", "refused", "larger", "stored")
_FAILURES = ("different", "refused", "larger")
_CHUNK = 64  # files that a process codes before a new one takes its place, so that memory does not grow


class Checked(NamedTuple):
    """What came of a file."""

    kind: str
    size_bytes: int  # of the JPEG file
    kept_bytes: int  # of the .pxc file
    outcomes: tuple[str, ...]  # of OUTCOMES
    reason: str  # of a refusal, or why the file is stored


def check(files: list[JpegFile], effort: str, jobs: int) -> bool:
    """Check every file, print the counts, and say whether all files came back, none of them larger.

    A file counts as larger beyond 1 % and 100 bytes more than the JPEG file, and as stored if it was not
    taken apart.
    """
    checked: dict[str, Checked] = {}
    pending = dict(enumerate(files))
    while pending:
        context = multiprocessing.get_context("spawn")
        part = [pending.pop(key) for key in list(pending)[: _CHUNK * jobs]]
        with ProcessPoolExecutor(jobs, context) as pool:
            futures = {pool.submit(check_file, file, effort): file for file in part}
            for future in as_completed(futures):
                file = futures[future]
                try:
                    checked[file.name] = found = future.result()
                except BrokenProcessPool as error:  # the other files of this part count as refused, too
                    checked[file.name] = found = Checked("ended the process", 0, 0, ("refused",), str(error))
                if set(found.outcomes) & set(_FAILURES):
                    outcome = " ".join(found.outcomes)
                    print(f"{outcome}: {file.path} {found.kept_bytes} {found.reason}", flush=True)
    print("\n".join(["", *summary([checked[file.name] for file in files])]))
    return not any(set(found.outcomes) & set(_FAILURES) for found in checked.values())


def check_file(file: JpegFile, effort: str) -> Checked:
    """Keep a JPEG file and restore it."""
    data = file.path.read_bytes()
    kind = kind_of(data)
    try:
        kept = pixcodec.encode(data, effort=effort)
        restored = pixcodec.restore(kept, max_pixels=None)
    except Exception as error:  # whatever it is, the other files are to be checked
        return Checked(kind, len(data), len(data), ("refused",), f"{type(error).__name__}: {error}")
    outcomes = ["equal" if restored == data else "different"]
    reason = ""
    if len(kept) > 1.01 * len(data) + 100:
        outcomes.append("larger")
    container = parse(kept)
    if unpack_recipe(container.recipe, container.header).stored is not None:
        outcomes.append("stored")
        reason = why_stored(data)
    return Checked(kind, len(data), len(kept), tuple(outcomes), reason)


def why_stored(data: bytes) -> str:
    """Return why a JPEG file cannot be taken apart, as far as that is known before it is coded."""
    try:
        take_apart(data, DEFAULT_MAX_PIXELS)
    except UnusualFileError as error:
        return str(error)
    return "its parts are not smaller, or do not give it back"


def summary(found: list[Checked]) -> list[str]:
    """Return the lines of two tables: outcomes by kind of file, and why files are stored."""
    kinds = Counter(each.kind for each in found)
    lines = [
        f"| kind | files | {' | '.join(OUTCOMES)} | bytes | kept | ratio |",
        "|---" + "|---:" * (len(OUTCOMES) + 4) + "|",
    ]
    for kind in [*(kind for kind, _ in kinds.most_common()), "all"]:
        rows = [each for each in found if kind in (each.kind, "all")]
        counts = Counter(outcome for each in rows for outcome in each.outcomes)
        size, kept = sum(each.size_bytes for each in rows), sum(each.kept_bytes for each in rows)
        cells = [str(counts[outcome]) for outcome in OUTCOMES]
        ratio = f"{kept / size:.4f}" if size else "-"
        lines.append(f"| {kind} | {len(rows)} | {' | '.join(cells)} | {size} | {kept} | {ratio} |")
    reasons = Counter(each.reason for each in found if "stored" in each.outcomes)
    if reasons:
        lines += ["", "| stored because | files |", "|---|---:|"]
        lines += [f"| {reason} | {count} |" for reason, count in reasons.most_common()]
    return lines
