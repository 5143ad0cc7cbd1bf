"""Measure lossless codecs over a folder of images, verifying every round trip.

    python benchmarks/run.py FOLDER [--codecs a,b] [--threads N] [--merge results.json]
    python benchmarks/run.py FOLDER --check results.json

``pixcodec bench`` measures the same for people; this keeps results files. See README.md beside this file for
what each figure means.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
from benchmarks import report
from pixcodec.bench import record
from pixcodec.bench.images import describe, load_image
from pixcodec.bench.machine import available_cores, describe_run
from pixcodec.bench.measuring import CodecFailedError, Settings, measure
from pixcodec.bench.registry import CODECS, OURS, find_codec

RESULTS = ROOT / "benchmarks" / "results"
SUFFIXES = {".png", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"}
EFFORTS = ("fast", "normal", "max")
LEFT_OUT = ("zopfli", "avif", "pixcodec-research")  # unless they are named: they take very long


class CheckError(Exception):
    """Sizes are not those of a results file."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = parse(arguments)
    try:
        run(options)
    except (OSError, KeyError, record.MergeError, CheckError, CodecFailedError) as error:
        print(f"run.py: {error}", file=sys.stderr)
        return 1
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="run.py", description="Measure lossless codecs over a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--codecs", help=f"comma-separated, of {', '.join(CODECS)}, or module:Class")
    parser.add_argument("--pixcodec-effort", help="measure pixcodec at these efforts only (comma-separated)")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--limit", type=int, help="the first images only")
    parser.add_argument("--repeat", type=int, default=3, help="times are the median of so many")
    parser.add_argument("--name", help="the set's name in the results (default: the folder's)")
    parser.add_argument(
        "--out", type=Path, help="results file (default: results/NAME.json, or that of --merge)"
    )
    parser.add_argument("--merge", type=Path, help="keep this results file's rows of codecs not measured now")
    parser.add_argument("--only-missing", action="store_true", help="only codecs that --merge's file lacks")
    parser.add_argument("--note", default="", help="a remark on this run, for the report")
    parser.add_argument(
        "--check", type=Path, metavar="RESULTS", help="compare sizes with these results; write nothing"
    )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure each codec; write the results file after each, or compare the sizes with it."""
    paths = image_paths(options.folder, options.limit)
    images = [describe(path.name, load_image(path)) for path in paths]
    if options.check:
        check(options, paths, images)
        return
    name = options.name or options.folder.resolve().name
    out: Path = options.out or options.merge or RESULTS / f"{name.replace('/', '-')}.json"
    if out.exists() and options.merge is None:
        raise FileExistsError(f"{out.name} exists: give --merge to add to it, or another --out")
    earlier = record.load(options.merge) if options.merge else None
    this_run = describe_run(options.threads, options.repeat, options.note)
    results = record.begin(name, images, this_run, earlier)
    specs = choose(options.codecs, options.pixcodec_effort)
    if options.only_missing:
        specs = [spec for spec in specs if find_codec(spec).name not in results["codecs"]]
    for spec in specs:
        row = measure(spec, paths, images, Settings(options.threads, options.repeat))
        row["run"] = results["runs"][-1]["id"]
        results["codecs"][find_codec(spec).name] = row
        out.parent.mkdir(parents=True, exist_ok=True)
        record.save(results, out)
        show(spec, row)


def check(options: argparse.Namespace, paths: list[Path], images: list[record.ImageInfo]) -> None:
    """Measure codecs and compare the sizes of their files with those of a results file.

    Images are recognised by their pixels, whatever their files are called.

    Raises
    ------
    CheckError
        A size is another one.
    record.MergeError
        An image is none of the results.
    """
    expected = record.load(options.check)
    known = {info["pixels_sha256"]: at for at, info in enumerate(expected["images"])}
    for info in images:
        if info["pixels_sha256"] not in known:
            raise record.MergeError(f"{info['name']} is none of the images of set {expected['set']!r}")
    codecs = options.codecs or ",".join(available(list(expected["codecs"])))
    results = record.begin(expected["set"], images, describe_run(options.threads, 1, options.note), None)
    different = []
    for spec in choose(codecs, options.pixcodec_effort):
        row = measure(spec, paths, images, Settings(options.threads, repeat=1))
        row["run"] = results["runs"][0]["id"]
        results["codecs"][spec] = row
        show(spec, row)
        then = expected["codecs"][spec]
        for info, mine in zip(images, row["images"], strict=True):
            other = then["images"][known[info["pixels_sha256"]]]
            if mine is not None and other is not None and mine["size_bytes"] != other["size_bytes"]:
                different.append(
                    f"{spec} of {mine['name']}: {mine['size_bytes']} bytes, expected {other['size_bytes']} "
                    f"({row['version']}; then {then['version']})"
                )
    print(f"\n{report.total_table(dict(record.finish(results)))}\n")
    if different:
        raise CheckError("\n".join(different))
    print(f"all sizes are those of {options.check.name}")


def available(names: list[str]) -> list[str]:
    """Return the codecs that are here, and say of the others why not."""
    here = [name for name in names if CODECS[name]().available()]
    for name in names:
        if name not in here:
            print(f"{name} is not measured: {CODECS[name]().missing()}", file=sys.stderr)
    return here


def choose(codecs: str | None, efforts: str | None) -> list[str]:
    """List the codecs to measure: those asked for, or all that are here and do not take very long."""
    if codecs is None:
        specs = available([name for name in CODECS if name not in LEFT_OUT])
    else:
        specs = codecs.split(",")
    if efforts is not None:
        named = {f"pixcodec-{effort}" for effort in efforts.split(",")}
        if named - OURS.keys():
            raise KeyError(f"expected efforts of {', '.join(EFFORTS)}, found {efforts!r}")
        specs = [spec for spec in specs if spec not in OURS or spec in named]
    return specs


def show(spec: str, row: record.CodecRow) -> None:
    """Print a line of one codec."""
    totals = row["totals"]
    size = f"{totals['size_bytes']:10} bytes, {totals['bpsp_file']:.4f} bpsp_file"
    speeds = totals["encode_mp_per_second"], totals["decode_mp_per_second"]
    speed = "encode {:.3f} MP/s, decode {:.3f} MP/s".format(*speeds)
    print(f"{find_codec(spec).name:16} {size}, {speed}", flush=True)


def image_paths(folder: Path, limit: int | None) -> list[Path]:
    """List the folder's images by name."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"expected images in folder {folder.name!r}, found none")
    return paths[:limit]


if __name__ == "__main__":
    sys.exit(main())
