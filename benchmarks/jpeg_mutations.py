"""Damage JPEG files in every way, keep each with pixcodec, and check that it comes back byte for byte.

python benchmarks/jpeg_mutations.py FOLDER --count 100000 --jobs 2
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pixcodec  # noqa: E402
from benchmarks.hostile.damage import (  # noqa: E402
    INTERESTING,
    delete,
    flip,
    insert,
    move,
    overwrite,
    splice,
    truncate,
)
from pixcodec.container.container import parse  # noqa: E402

MAX_SIZE_BYTES = 12_000  # of a file that is damaged, so that many can be
MAX_SECONDS = 2.0
MEMORY_BYTES = 3 << 30  # address space of a process beyond what the libraries take
BATCH = 500


class Tally(NamedTuple):
    """What came of mutated files: how many by kind and outcome, failures, the slowest, the most memory."""

    counts: Counter[tuple[str, str]]
    failures: list[str]
    slowest_seconds: float
    memory_bytes: int


def change_head(data: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """Change a byte before the first scan: a marker, a length, a table, a sampling factor."""
    end = max(4, data.find(b"\xff\xda") + 14)
    data[rng.randrange(2, min(end, len(data)))] = rng.choice((rng.randrange(256), *INTERESTING))


KINDS = (flip, overwrite, change_head, truncate, delete, insert, splice, move)  # the order of earlier runs


def work(job: tuple[int, int, list[bytes]]) -> Tally:
    """Damage and keep so many files; the seed of the first is given."""
    first, count, files = job
    counts: Counter[tuple[str, str]] = Counter()
    failures, slowest = [], 0.0
    for seed in range(first, first + count):
        rng = random.Random(seed)
        data = bytearray(rng.choice(files))
        kind = rng.choice(KINDS)
        kind(data, rng, files)
        start = time.process_time()
        outcome = keep(bytes(data))
        seconds = time.process_time() - start  # of the processor: others may share it
        slowest = max(slowest, seconds)
        counts[kind.__name__, outcome.partition(":")[0]] += 1
        if outcome not in ("coefficients", "stored", "no JPEG file") or seconds > MAX_SECONDS:
            failures.append(f"seed {seed}: {kind.__name__}, {outcome}, {seconds:.1f} s")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Tally(counts, failures, slowest, peak)


def keep(data: bytes) -> str:
    """Keep a file and restore it, and say how that went."""
    if data[:3] != b"\xff\xd8\xff":
        return "no JPEG file"
    try:
        kept = pixcodec.encode(data, effort="fast", threads=1, max_pixels=None)
        if pixcodec.restore(kept, threads=1, max_pixels=None) != data:
            return "different"
    except Exception as error:  # none is right, whichever it is
        return f"error: {type(error).__name__}: {error}"
    if len(kept) > 1.01 * len(data) + 100:
        return "larger"
    return "coefficients" if parse(kept).header.exact else "stored"


def limit() -> None:
    """Let a process claim no more memory than MEMORY_BYTES beyond what it has."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Damage JPEG files and check that they come back.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file())
    files = [data for path in paths if 100 < len(data := path.read_bytes()) <= MAX_SIZE_BYTES]
    jobs = [
        (first, min(BATCH, options.first + options.count - first), files)
        for first in range(options.first, options.first + options.count, BATCH)
    ]
    total = Tally(Counter(), [], 0.0, 0)
    context = multiprocessing.get_context("spawn")
    with context.Pool(options.jobs, limit) as pool:
        for number, found in enumerate(pool.imap_unordered(work, jobs)):
            total = Tally(
                total.counts + found.counts,
                total.failures + found.failures,
                max(total.slowest_seconds, found.slowest_seconds),
                max(total.memory_bytes, found.memory_bytes),
            )
            for line in found.failures:
                print(line, flush=True)
            if number % 20 == 19:
                print(f"{sum(total.counts.values())} files", file=sys.stderr, flush=True)
    outcomes = sorted({outcome for _, outcome in total.counts})
    print(f"\n| damage | {' | '.join(outcomes)} |\n|---{'|---:' * len(outcomes)}|")
    for kind in KINDS:
        cells = [str(total.counts[kind.__name__, outcome]) for outcome in outcomes]
        print(f"| {kind.__name__} | {' | '.join(cells)} |")
    cells = [str(sum(total.counts[kind.__name__, outcome] for kind in KINDS)) for outcome in outcomes]
    print(f"| all | {' | '.join(cells)} |")
    print(
        f"\n{len(files)} files; slowest {total.slowest_seconds:.2f} s; {total.memory_bytes >> 20} MB at most"
    )
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
