"""Measure lossless codecs over a folder of images, verifying every round trip.

    python benchmarks/run.py FOLDER [--codecs a,b] [--threads N] [--merge results.json]

See README.md beside this file for what each figure means.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
from benchmarks import record
from benchmarks.codecs import CODECS, EFFORTS, find_codec
from benchmarks.worker import Answer, Job, load_image

RESULTS = ROOT / "benchmarks" / "results"
SUFFIXES = {".png", ".webp", ".bmp", ".ppm", ".pgm", ".tif", ".tiff"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS")


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = parse(arguments)
    try:
        run(options)
    except (OSError, KeyError, record.MergeError, subprocess.CalledProcessError) as error:
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
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> None:
    """Measure each codec and write the results file after each."""
    name = options.name or options.folder.resolve().name
    out: Path = options.out or options.merge or RESULTS / f"{name.replace('/', '-')}.json"
    if out.exists() and options.merge is None:
        raise FileExistsError(f"{out.name} exists: give --merge to add to it, or another --out")
    paths = image_paths(options.folder, options.limit)
    earlier = record.load(options.merge) if options.merge else None
    results = record.begin(name, [describe(path) for path in paths], describe_run(options), earlier)
    specs = choose(options.codecs, options.pixcodec_effort)
    if options.only_missing:
        specs = [spec for spec in specs if find_codec(spec).name not in results["codecs"]]
    for spec in specs:
        row = measure(spec, paths, results["images"], options.threads, options.repeat)
        row["run"] = results["runs"][-1]["id"]
        codec_name = find_codec(spec).name
        results["codecs"][codec_name] = row
        out.parent.mkdir(parents=True, exist_ok=True)
        record.save(results, out)
        totals = row["totals"]
        speeds = totals["encode_mp_per_second"], totals["decode_mp_per_second"]
        speed = "encode {:.3f} MP/s, decode {:.3f} MP/s".format(*speeds)
        print(f"{codec_name:16} {totals['bpsp_file']:.4f} bpsp_file, {speed}", flush=True)


def choose(codecs: str | None, efforts: str | None) -> list[str]:
    """List the codecs to measure: those asked for, or all that are available here."""
    if codecs is None:
        specs = [name for name, codec in CODECS.items() if codec().available()]
    else:
        specs = codecs.split(",")
    if efforts is not None:
        wanted = {f"pixcodec-{effort}" for effort in efforts.split(",")}
        unknown = wanted - {f"pixcodec-{effort}" for effort in EFFORTS}
        if unknown:
            raise KeyError(f"expected efforts of {', '.join(EFFORTS)}, found {efforts!r}")
        specs = [spec for spec in specs if not spec.startswith("pixcodec-") or spec in wanted]
    return specs


def measure(
    spec: str, paths: list[Path], images: list[record.ImageInfo], threads: int, repeat: int
) -> record.CodecRow:
    """Encode and decode a set by one codec, each in a fresh process."""
    with tempfile.TemporaryDirectory() as scratch:
        job: Job = {
            "stage": "encode",
            "codec": spec,
            "threads": threads,
            "repeat": repeat,
            "images": [str(path.resolve()) for path in paths],
            "streams": [str(Path(scratch) / f"{index}.stream") for index in range(len(paths))],
            "answer": str(Path(scratch) / "answer.json"),
        }
        encoded = start_worker(job)
        decoded = start_worker({**job, "stage": "decode"})
    rows = [
        record.image_row(info, size_bytes, encode_seconds, decode_seconds)
        for info, size_bytes, encode_seconds, decode_seconds in zip(
            images, encoded["size_bytes"], encoded["seconds"], decoded["seconds"], strict=True
        )
    ]
    codec = find_codec(spec)
    return {
        "label": codec.label,
        "version": encoded["version"],
        "settings": codec.settings,
        "threads": codec(threads).threads,
        "run": 0,
        "totals": record.total(
            images,
            rows,
            (encoded["baseline_bytes"], encoded["peak_bytes"]),
            (decoded["baseline_bytes"], decoded["peak_bytes"]),
        ),
        "images": rows,
    }


def start_worker(job: Job, root: Path | None = None) -> Answer:
    """Run one stage in a fresh Python; its traceback, if any, goes to standard error.

    ``root`` is another copy of the repository, whose pixcodec is to be measured.

    Raises
    ------
    subprocess.CalledProcessError
        The codec failed, or did not give an image back exactly.
    """
    search = os.pathsep.join([str(root or ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    subprocess.run(
        [sys.executable, "-m", "benchmarks.worker"],
        input=json.dumps(job),
        text=True,
        check=True,
        env={**os.environ, **thread_environment(job["threads"]), "PYTHONPATH": search},
        stdout=subprocess.DEVNULL,
        cwd=root,
    )
    answer: Answer = json.loads(Path(job["answer"]).read_text())
    return answer


def thread_environment(threads: int) -> dict[str, str]:
    """Limit the libraries' thread pools, except where the caller's environment already does."""
    return {name: os.environ.get(name, str(threads)) for name in THREAD_VARIABLES}


def image_paths(folder: Path, limit: int | None) -> list[Path]:
    """List the folder's images by name."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise FileNotFoundError(f"expected images in folder {folder.name!r}, found none")
    return paths[:limit]


def describe(path: Path) -> record.ImageInfo:
    """Return an image's size and a hash of its pixels, by which a merge recognises it."""
    image = load_image(str(path))
    return {
        "name": path.name,
        "height": image.shape[0],
        "width": image.shape[1],
        "channels": 1 if image.ndim == 2 else image.shape[2],
        "pixels_sha256": hashlib.sha256(image.tobytes()).hexdigest(),
    }


def describe_run(options: argparse.Namespace) -> record.Run:
    """Return date, machine and settings of this run."""
    return {
        "id": 1,
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": {"cpu": cpu_model(), "cores": available_cores(), "system": platform.system()},
        "python": platform.python_version(),
        "threads": options.threads,
        "repeat": options.repeat,
        "environment": thread_environment(options.threads),
        "note": options.note,
    }


def available_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """Name the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
