"""Damage small .pxc files in every way, decode them, and check that nothing wrong comes of it.

    python benchmarks/mutations.py WORK --count 1000000 > benchmarks/results/mutations.md

WORK is a folder for the state, from which an interrupted run goes on, and for the files that fail. A worker
decodes in a process of its own with limits of memory and time; one that dies counts as a failure, and the
next one goes on behind the file that killed it.
"""

from __future__ import annotations

import argparse
import json
import mmap
import resource
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.hostile.kinds import exhaustive_count, mutation  # noqa: E402
from benchmarks.hostile.seeds import models, seeds  # noqa: E402
from benchmarks.hostile.trial import Trial  # noqa: E402

MEMORY_BYTES = 5 << 28  # 1.25 GiB of address space beyond what a process has at its start
CPU_SECONDS = 20  # of one file, then the worker is killed; 5 and more fail
BATCH, PER_WORKER = 1000, 20_000
_AT = struct.Struct("<q")


def work(folder: Path, first: int, count: int) -> None:
    """Decode so many mutations; write a line of JSON for each batch, and beside it where we are."""
    files = seeds()
    trial = Trial(files, models())
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with (folder / "at").open("r+b") as file, mmap.mmap(file.fileno(), _AT.size) as at:
        for start in range(first, first + count, BATCH):
            counts: Counter[str] = Counter()
            failures, slowest = [], 0.0
            for index in range(start, min(start + BATCH, first + count)):
                _AT.pack_into(at, 0, index)
                mutated = mutation(index, files)
                signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
                outcome = trial.run(index, mutated)
                signal.setitimer(signal.ITIMER_PROF, 0)
                slowest = max(slowest, outcome.seconds)
                counts[f"{mutated.kind}|{outcome.result if not outcome.failed else 'FAILURE'}"] += 1
                if outcome.failed:
                    (folder / f"{index}.pxc").write_bytes(mutated.data)
                    failures.append(f"{index}: {mutated.kind} of {mutated.seed.name}: {outcome.result}")
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            line = {
                "next": min(start + BATCH, first + count),
                "counts": counts,
                "failures": failures,
                "slowest": slowest,
                "memory": grown * 1024,
            }
            print(json.dumps(line), flush=True)


def run(folder: Path, end: int) -> dict[str, Any]:
    """Decode all mutations up to a number, but for those done before; return the state."""
    folder.mkdir(parents=True, exist_ok=True)
    state_path = folder / "state.json"
    state: dict[str, Any] = {"next": 0, "counts": {}, "failures": [], "slowest": 0.0, "memory": 0}
    if state_path.exists():
        state = json.loads(state_path.read_text("utf-8"))
    while state["next"] < end:
        first = state["next"]
        (folder / "at").write_bytes(_AT.pack(first))
        count = min(PER_WORKER, end - first)
        command = [sys.executable, __file__, str(folder), "--worker", str(first), str(count)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                _add(state, json.loads(line))
                state_path.write_text(json.dumps(state), "utf-8")
        if process.returncode > 0:
            raise RuntimeError(f"a worker failed at {first}: what is wrong is not in a file")
        if process.returncode < 0:
            index = _AT.unpack((folder / "at").read_bytes())[0]
            files = seeds()
            mutated = mutation(index, files)
            (folder / f"{index}.pxc").write_bytes(mutated.data)
            counts = Counter({f"{mutated.kind}|FAILURE": 1})
            text = (
                f"{index}: {mutated.kind} of {mutated.seed.name}: the process ended with {process.returncode}"
            )
            _add(state, {"next": index + 1, "counts": counts, "failures": [text], "slowest": 0, "memory": 0})
            state_path.write_text(json.dumps(state), "utf-8")
            print(text, file=sys.stderr, flush=True)
    return state


def _add(state: dict[str, Any], found: dict[str, Any]) -> None:
    state["next"] = found["next"]
    state["counts"] = dict(Counter(state["counts"]) + Counter(found["counts"]))
    state["failures"] += found["failures"]
    state["slowest"] = max(state["slowest"], found["slowest"])
    state["memory"] = max(state["memory"], found["memory"])
    for line in found["failures"]:
        print(line, file=sys.stderr, flush=True)


def report(state: dict[str, Any]) -> str:
    """Return the tables of a state."""
    table: dict[str, Counter[str]] = {}
    for key, count in state["counts"].items():
        kind, result = key.split("|")
        table.setdefault(kind, Counter())[result] += count
    total: Counter[str] = sum(table.values(), Counter())
    results = [name for name, _ in total.most_common()]
    lines = [f"| mutation | all | {' | '.join(results)} |", f"|---{'|---:' * (len(results) + 1)}|"]
    for kind, counts in [*sorted(table.items()), ("**all**", total)]:
        cells = [f"{counts[result]:,}" for result in results]
        lines.append(f"| {kind} | {sum(counts.values()):,} | {' | '.join(cells)} |")
    lines.append(
        f"\nSlowest file: {state['slowest']:.2f} s of the processor. Resident memory of a worker grew by "
        f"{state['memory'] >> 20} MiB beyond the peak of making the files, which includes encoding them."
    )
    return "\n".join(lines)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Damage .pxc files and check what comes of it.")
    parser.add_argument("work", type=Path, help="folder for the state and the files that fail")
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--worker", type=int, nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--one", type=int, help="decode one mutation, and say what comes of it")
    options = parser.parse_args()
    if options.worker:
        work(options.work, *options.worker)
        return 0
    if options.one is not None:
        files = seeds()
        mutated = mutation(options.one, files)
        print(mutated.kind, mutated.seed.name, mutated.data.hex(" "))
        print(Trial(files, models()).run(options.one, mutated))
        return 0
    start = time.monotonic()
    state = run(options.work, options.count)
    print(report(state))
    print(f"\n{exhaustive_count(seeds()):,} of these are not random.")
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    return 1 if state["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
