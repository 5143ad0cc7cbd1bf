"""Sizes and speed of codecs that keep a JPEG file byte for byte, each file compared.

    python benchmarks/jpeg_files.py FOLDER [--codecs a,b] [--merge results.json]
    python benchmarks/jpeg_files.py FOLDER --check [--effort fast] [--jobs 2]

Codecs take turns at each file, each with a process that encodes and one that decodes, of one thread. A file
that a codec refuses, or does not give back, counts with its own size. ``--check`` measures nothing: it keeps
and restores every file with pixcodec, and counts what came of them by kind of file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
from benchmarks.jpeg_check import check
from benchmarks.jpeg_codecs import JPEG_CODECS, Coded, decode_file, encode_file, find_jpeg_codec
from benchmarks.jpeg_kinds import JpegFile, jpeg_files, kind_of
from benchmarks.jpeg_table import table
from benchmarks.run import EFFORTS
from pixcodec.bench.machine import describe_run, thread_environment
from pixcodec.bench.record import MergeError

RESULTS = ROOT / "benchmarks" / "results" / "jpeg-files.json"
BENCHMARK = "jpeg-files 1"  # what the results file is of, and the version of its fields
Results = dict[str, Any]  # what the JSON file holds


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line asks for; return the exit status."""
    options = parse(arguments)
    os.environ.update(thread_environment(options.threads))  # for the processes that are started
    try:
        files = jpeg_files(options.sources, options.limit)
        if options.check:
            return 0 if check(files, options.effort, options.jobs) else 1
        measure(files, options)
    except (OSError, KeyError, MergeError) as error:
        print(f"jpeg_files.py: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="jpeg_files.py", description="Compare codecs on JPEG files.")
    parser.add_argument("sources", nargs="+", type=Path, help="folders, JPEG files, .txt files of paths")
    parser.add_argument("--codecs", help=f"comma-separated, of {', '.join(JPEG_CODECS)}, or module:Class")
    parser.add_argument("--limit", type=int, help="the first files only")
    parser.add_argument("--repeat", type=int, default=1, help="times are the median of so many")
    parser.add_argument("--name", default="jpeg-files", help="the set's name in the results")
    parser.add_argument("--out", type=Path, help="results file (default: that of --merge, or results/)")
    parser.add_argument("--merge", type=Path, help="keep this file's rows of codecs not measured now")
    parser.add_argument("--note", default="", help="a remark on this run, for the table")
    parser.add_argument("--check", action="store_true", help="keep and restore with pixcodec, and count")
    parser.add_argument("--effort", choices=EFFORTS, default="normal", help="of --check")
    parser.add_argument("--jobs", type=int, default=1, help="processes of --check")
    return argparse.Namespace(**vars(parser.parse_args(arguments)), threads=1)


def measure(files: list[JpegFile], options: argparse.Namespace) -> None:
    """Measure the codecs; write the results and their table.

    Raises
    ------
    MergeError, KeyError, OSError
    """
    out: Path = options.out or options.merge or RESULTS
    if out.exists() and options.merge is None:
        raise FileExistsError(f"{out.name} exists: give --merge to add to it, or another --out")
    earlier = json.loads(options.merge.read_text("utf-8")) if options.merge else None
    results = begin(
        options.name,
        [describe(file) for file in files],
        describe_run(options.threads, options.repeat, options.note),
        earlier,
    )
    specs = options.codecs.split(",") if options.codecs else available()
    rows: dict[str, list[dict[str, Any]]] = {spec: [] for spec in specs}
    workers = {spec: Workers(spec, options.repeat) for spec in specs}
    warm_up = files[0].path.read_bytes()
    for spec in specs:
        workers[spec].code(warm_up)
    for number, file in enumerate(files, 1):
        data = file.path.read_bytes()
        for spec in specs:
            rows[spec].append({"name": file.name, **workers[spec].code(data)})
        print(f"{number}/{len(files)} {file.name}", file=sys.stderr, flush=True)
    for spec in specs:
        workers[spec].close()
        codec = find_jpeg_codec(spec)
        results["codecs"][codec.name] = {
            "label": codec.label,
            "version": codec.version(),
            "settings": codec.settings,
            "run": results["runs"][-1]["id"],
            "files": rows[spec],
        }
    save(results, out)
    print("\n".join(table(results)))


def available() -> list[str]:
    """List the codecs that are there."""
    return [name for name in JPEG_CODECS if find_jpeg_codec(name).available()]


def describe(file: JpegFile) -> dict[str, Any]:
    """Return size, kind and a hash of a file, by which a merge recognises it."""
    data = file.path.read_bytes()
    return {
        "name": file.name,
        "size_bytes": len(data),
        "kind": kind_of(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }


def begin(name: str, files: list[dict[str, Any]], run: Any, earlier: Results | None) -> Results:
    """Return the results to fill: empty ones, or an earlier file's with this run added.

    Raises
    ------
    MergeError
        The earlier results are of other files.
    """
    if earlier is None:
        return {"benchmark": BENCHMARK, "set": name, "files": files, "runs": [run], "codecs": {}}
    if earlier.get("benchmark") != BENCHMARK:
        raise MergeError(f"expected results of {BENCHMARK!r}, found {earlier.get('benchmark')!r}")
    if [file["sha256"] for file in earlier["files"]] != [file["sha256"] for file in files]:
        raise MergeError(
            f"expected the {len(earlier['files'])} files of set {earlier['set']!r}, "
            f"found {len(files)} files that are not the same"
        )
    run["id"] = 1 + max(known["id"] for known in earlier["runs"])
    return {**earlier, "runs": [*earlier["runs"], run]}


def save(results: Results, path: Path) -> None:
    """Write the results and their table, without runs that no row refers to."""
    used = {row["run"] for row in results["codecs"].values()}
    results["runs"] = [run for run in results["runs"] if run["id"] in used]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    os.replace(partial, path)
    path.with_suffix(".md").write_text("\n".join(table(results)) + "\n", "utf-8")


class Workers:
    """The two processes of a codec."""

    def __init__(self, spec: str, repeat: int) -> None:
        self.spec, self.repeat = spec, repeat
        self._pools: list[ProcessPoolExecutor] = []
        self._start()

    def code(self, data: bytes) -> dict[str, Any]:
        """Encode and decode a JPEG file, and say what came of it."""
        try:
            encoded = self._pools[0].submit(encode_file, self.spec, data, self.repeat).result()
            if encoded.data is None:
                return _outcome("refused", len(data), encoded, encoded)
            decoded = self._pools[1].submit(decode_file, self.spec, encoded.data, self.repeat).result()
        except BrokenProcessPool:
            self.close()
            self._start()
            ended = Coded(None, 0.0, "it ended the process")
            return _outcome("refused", len(data), ended, ended)
        if decoded.data != data:
            return _outcome("different", len(data), encoded, decoded)
        return _outcome("same", len(encoded.data), encoded, decoded)

    def close(self) -> None:
        """End the processes."""
        for pool in self._pools:
            pool.shutdown()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pools = [ProcessPoolExecutor(1, context) for _ in range(2)]


def _outcome(outcome: str, size_bytes: int, encoded: Coded, decoded: Coded) -> dict[str, Any]:
    found = {
        "outcome": outcome,
        "size_bytes": size_bytes,
        "encode_seconds": round(encoded.seconds, 6),
        "decode_seconds": round(decoded.seconds, 6),
    }
    return {**found, "reason": decoded.reason} if decoded.reason else found


if __name__ == "__main__":
    sys.exit(main())
