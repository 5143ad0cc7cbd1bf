"""How much faster a Dask cluster of two workers encodes than one of one worker, on this machine.

    python benchmarks/cluster_scaling.py FOLDER --effort fast --copies 4 --rounds 3

Each round encodes the images of FOLDER, in order of names and --copies times, with one worker and with two,
one thread each, from local files to local files. The start of workers and the first four images of each
are left out, as they are the same for any number of images. Medians and their ratio are printed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from distributed import Client, LocalCluster

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pixcodec.cluster import ClusterSettings, encode_all  # noqa: E402
from pixcodec.cluster.manifest import Item  # noqa: E402

WORKERS = (1, 2)


def seconds(folder: Path, copies: int, effort: str, workers: int) -> float:
    """Return how long a cluster of so many workers takes for all images."""
    paths = sorted(folder.glob("*.png"))
    with (
        tempfile.TemporaryDirectory() as out,
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        settings = ClusterSettings(effort)
        warm = [Item(str(paths[0]), f"{out}/warm{k}.pxc") for k in range(4 * workers)]
        encode_all(client, warm, f"{out}/warm", settings, batch=1)
        items = [Item(str(path), f"{out}/{path.stem}-{k}.pxc") for k in range(copies) for path in paths]
        start = time.perf_counter()
        summary = encode_all(client, items, f"{out}/log", settings, batch=2)
        taken = time.perf_counter() - start
        if summary.counts["done"] != len(items):
            raise SystemExit(f"{summary.counts} of {len(items)} images")
        return taken


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Encode images with one worker of a cluster and with two.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--effort", default="fast")
    parser.add_argument("--copies", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    taken: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    for _ in range(options.rounds):
        for workers in WORKERS:
            taken[workers].append(seconds(options.folder, options.copies, options.effort, workers))
            print(f"{workers} workers: {taken[workers][-1]:.1f} s", file=sys.stderr, flush=True)
    one, two = (statistics.median(taken[workers]) for workers in WORKERS)
    print(f"{options.effort}: one worker {one:.1f} s, two {two:.1f} s, {one / two:.2f} times as fast")


if __name__ == "__main__":
    main()
