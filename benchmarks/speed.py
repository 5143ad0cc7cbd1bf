"""Measure how fast codecs are on images of several sizes, with one thread and with more.

    python benchmarks/speed.py FOLDER [--megapixels 0.05,0.4,3] [--codecs a,b] [--threads 1,2]
        [--previous COMMIT] [--repeat 3] [--most-seconds 60] [--json FILE]

The images of a size are the folder's side by side and below each other, cut to a rectangle of 3:2. Codecs
take turns, each in a process of its own, so that a machine that becomes slow is slow to all of them; times
are medians of the repeats, and every round trip is checked. ``--previous`` measures pixcodec of another
commit in the same turns. What would take longer than ``--most-seconds``, by the speed at the size before, is
left out and shown as such.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
import numpy as np
from PIL import Image

from benchmarks.run import EFFORTS, image_paths
from pixcodec.bench.images import load_image
from pixcodec.bench.machine import available_cores, cpu_model
from pixcodec.bench.measuring import NO_LIMIT, start_worker
from pixcodec.bench.registry import CODECS, find_codec
from pixcodec.bench.worker import Answer, Job

OURS = tuple(f"pixcodec-{effort}" for effort in EFFORTS)
DEFAULT_CODECS = (*OURS, "jxl7", "jxl9", "webp", "png")
PREVIOUS = "previous "  # before the name of a codec of another commit


def main() -> None:
    """Measure what the command line asks for; print a table."""
    parser = argparse.ArgumentParser(description="Measure the speed of codecs by size and threads.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megapixels", default="0.05,0.2,0.393,1.5,6,12,50")
    parser.add_argument("--codecs", default=",".join(DEFAULT_CODECS))
    parser.add_argument("--threads", default=f"1,{available_cores()}")
    parser.add_argument("--previous", metavar="COMMIT", help="a commit to compare with")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--most-seconds", type=float, default=60)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    names = options.codecs.split(",")
    missing = [name for name in names if not find_codec(name)().available()]
    for name in missing:
        print(f"{name}: not available here", file=sys.stderr)
    names = [name for name in names if name not in missing]
    with tempfile.TemporaryDirectory() as scratch:
        roots = dict.fromkeys(names, ROOT)
        if options.previous:
            root = _checked_out(options.previous, Path(scratch))
            roots |= {PREVIOUS + name: root for name in names if name in OURS}
        rows = _measure(options, roots, Path(scratch))
    if options.json:
        about = {
            "date": datetime.date.today().isoformat(),
            "processor": cpu_model(),
            "threads": options.threads,
            "previous": options.previous,
            "missing": missing,
        }
        options.json.write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n")
    print("\n".join(table(rows)))


def table(rows: list[dict[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table of rows as they are in the JSON file."""
    lines = [
        "| image | codec | threads | encode MP/s | of JPEG XL e9 | decode MP/s | of JPEG XL e9's encoder |"
        " bytes | memory, MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row.get("left_out"):
            lines.append(
                f"| {row['size']} | {row['codec']} | {row['threads']} | left out: {row['left_out']} |"
            )
            continue
        peers = (
            other["encode"]
            for other in rows
            if other["codec"] == "jxl9"
            and (other["size"], other["threads"]) == (row["size"], row["threads"])
            and not other.get("left_out")
        )
        peer = next(peers, None)
        ratios = [f"{row[way] / peer:.2f}" if peer else "" for way in ("encode", "decode")]
        lines.append(
            f"| {row['size']} | {row['codec']} | {row['threads']} | {row['encode']:.3g} | {ratios[0]} |"
            f" {row['decode']:.3g} | {ratios[1]} | {row['bytes']} | {row['peak_bytes'] >> 20} |"
        )
    return lines


def _measure(options: argparse.Namespace, roots: dict[str, Path], scratch: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    speeds: dict[tuple[str, int], float] = {}  # megapixels a second of the slower way, at the size before
    for megapixels in map(float, options.megapixels.split(",")):
        path = scratch / f"{megapixels}.png"
        image = mosaic(options.folder, megapixels)
        Image.fromarray(image).save(path, compress_level=1)
        pixels = image.shape[0] * image.shape[1]
        size = f"{image.shape[1]}x{image.shape[0]}"
        for name, root in roots.items():
            own = name.removeprefix(PREVIOUS)
            for threads in map(int, options.threads.split(",")):
                if threads > 1 and not CODECS[own].threaded:
                    continue
                row: dict[str, Any] = {"size": size, "codec": name, "threads": threads}
                rows.append(row)
                expected = pixels / 1e6 / speeds.get((name, threads), np.inf)
                if expected > options.most_seconds:
                    row["left_out"] = f"about {expected:.0f} s"
                    continue
                repeat = options.repeat if expected < options.most_seconds / options.repeat else 1
                encoded, decoded = (
                    _answer(root, own, threads, repeat, way, path) for way in ("encode", "decode")
                )
                row |= {
                    "encode": pixels / 1e6 / encoded["seconds"][0],
                    "decode": pixels / 1e6 / decoded["seconds"][0],
                    "bytes": encoded["size_bytes"][0],
                    "peak_bytes": max(encoded["peak_bytes"], decoded["peak_bytes"]),
                    "repeat": repeat,
                }
                speeds[name, threads] = min(row["encode"], row["decode"])
                print(*row.values(), file=sys.stderr, flush=True)
    return rows


def mosaic(folder: Path, megapixels: float) -> np.ndarray:
    """Return an image (H, W, 3) of about so many megapixels, of the images of a folder."""
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(height * 1.5)
    tiles = [load_image(path) for path in image_paths(folder, None)]
    tiles = [tile for tile in tiles if tile.ndim == 3]
    if not tiles:
        raise SystemExit(f"speed.py: {folder} has no RGB images")
    rows, below, k = [], 0, 0
    while below < height:
        row, right = [], 0
        while right < width:
            tile = tiles[k % len(tiles)]
            tile = tile if tile.shape[1] >= tile.shape[0] else tile.swapaxes(0, 1)
            row.append(tile)
            right, k = right + tile.shape[1], k + 1
        lowest = min(tile.shape[0] for tile in row)
        rows.append(np.concatenate([tile[:lowest] for tile in row], 1)[:, :width])
        below += lowest
    return np.ascontiguousarray(np.concatenate(rows)[:height])


def _answer(root: Path, codec: str, threads: int, repeat: int, stage: str, image: Path) -> Answer:
    """Let a worker of a repository encode or decode an image; return what it measured."""
    job = Job(
        stage=stage,
        codec=codec,
        threads=threads,
        repeat=repeat,
        most_seconds=NO_LIMIT,
        model=None,
        progress=str(image.with_suffix(".progress")),
        images=[str(image)],
        streams=[str(image.with_suffix(".stream"))],
        answer=str(image.with_suffix(".json")),
    )
    return start_worker(job, root)


def _checked_out(commit: str, scratch: Path) -> Path:
    """Return a folder with the files of a commit, and its machine code if it has any."""
    root = scratch / "previous"
    root.mkdir()
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
    subprocess.run(["tar", "-x", "-C", str(root)], input=archive, check=True)
    if (root / "native" / "build.py").exists():
        command = [sys.executable, "native/build.py"]
        subprocess.run(command, cwd=root, check=True, env={**os.environ, "PYTHONPATH": str(root)})
    return root


if __name__ == "__main__":
    main()
