"""Measure codecs over images: each encodes in one process and decodes in another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pixcodec
from pixcodec.bench import record
from pixcodec.bench.codec import Codec
from pixcodec.bench.machine import thread_environment
from pixcodec.bench.registry import find_codec
from pixcodec.bench.worker import Answer, Job
from pixcodec.errors import PixcodecError

ROOT = Path(pixcodec.__file__).resolve().parent.parent
Report = Callable[[str, int], None]  # of a stage, "encode" or "decode", and of how many images are done

NO_LIMIT = 1e9  # seconds

_POLL_SECONDS = 0.1


class CodecFailedError(PixcodecError):
    """A codec under test failed, or did not give an image back exactly."""


@dataclass(frozen=True)
class Settings:
    """How codecs are measured.

    Parameters
    ----------
    threads : int
        That a codec may use.
    repeat : int
        Times are the median of so many.
    most_seconds : float
        An image is not coded again once it took so long.
    model : path, optional
        For pixcodec.
    """

    threads: int
    repeat: int
    most_seconds: float = NO_LIMIT
    model: Path | None = None


def measure(
    spec: str,
    paths: Sequence[Path],
    images: Sequence[record.ImageInfo],
    settings: Settings,
    report: Report | None = None,
) -> record.CodecRow:
    """Encode and decode images by one codec, each in a fresh process.

    Parameters
    ----------
    spec : str
        For `find_codec`.
    paths, images : sequences
        The files, and what `describe` said of each. Those that the codec has no mode for are left out.
    settings : Settings
    report : callable, optional

    Raises
    ------
    CodecFailedError
    """
    codec = find_codec(spec)
    held = [at for at, image in enumerate(images) if holds(codec, image)]
    if not held:
        raise CodecFailedError(f"{codec.name} has no mode for any of the images")
    encoded, decoded = _code(spec, [paths[at] for at in held], settings, report)
    rows: list[record.ImageRow | None] = [None] * len(images)
    for at, size_bytes, encode_seconds, decode_seconds in zip(
        held, encoded["size_bytes"], encoded["seconds"], decoded["seconds"], strict=True
    ):
        rows[at] = record.image_row(images[at], size_bytes, encode_seconds, decode_seconds)
    return {
        "label": codec.label,
        "version": encoded["version"],
        "settings": codec.settings,
        "threads": codec(settings.threads).threads,
        "run": 0,
        "totals": record.total(
            list(images),
            rows,
            (encoded["baseline_bytes"], encoded["peak_bytes"]),
            (decoded["baseline_bytes"], decoded["peak_bytes"]),
        ),
        "images": rows,
    }


def _code(
    spec: str, paths: Sequence[Path], settings: Settings, report: Report | None
) -> tuple[Answer, Answer]:
    """Encode images and decode them again; return what both workers answer."""
    with tempfile.TemporaryDirectory() as scratch:
        job: Job = {
            "stage": "encode",
            "codec": spec,
            "threads": settings.threads,
            "repeat": settings.repeat,
            "most_seconds": settings.most_seconds,
            "model": None if settings.model is None else str(settings.model.resolve()),
            "images": [str(path.resolve()) for path in paths],
            "streams": [str(Path(scratch) / f"{at}.stream") for at in range(len(paths))],
            "answer": str(Path(scratch) / "answer.json"),
            "progress": str(Path(scratch) / "encoded"),
        }
        encoded = start_worker(job, report=report)
        decoded = start_worker(
            {**job, "stage": "decode", "progress": str(Path(scratch) / "decoded")}, report=report
        )
    return encoded, decoded


def holds(codec: type[Codec], image: record.ImageInfo) -> bool:
    """Say whether a codec has a mode for an image."""
    channels = codec.channels_8 if image.get("bit_depth", 8) == 8 else codec.channels_16
    return image["channels"] in channels


def start_worker(job: Job, root: Path | None = None, report: Report | None = None) -> Answer:
    """Run one stage in a fresh Python, and wait for its answer.

    Parameters
    ----------
    job : Job
    root : path, optional
        Another copy of the repository, whose pixcodec is to be measured.
    report : callable, optional

    Raises
    ------
    CodecFailedError
        The codec failed, or did not give an image back exactly.
    """
    home = root or ROOT
    search = os.pathsep.join([str(home), *filter(None, [os.environ.get("PYTHONPATH")])])
    here = (home / "pixcodec" / "bench" / "worker.py").exists()
    command = [sys.executable, "-m", "pixcodec.bench.worker" if here else "benchmarks.worker"]
    environment = {**os.environ, **thread_environment(job["threads"]), "PYTHONPATH": search}
    errors = Path(f"{job['answer']}.errors")
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=environment,
            cwd=root,
        )
        try:
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # it ended already: its errors say why
                process.stdin.write(json.dumps(job).encode())
                process.stdin.close()
            _wait(process, job, report)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    if process.returncode:
        raise CodecFailedError(f"{job['codec']}: {_last_line(errors, process.returncode)}")
    answer: Answer = json.loads(Path(job["answer"]).read_text())
    return answer


def _wait(process: subprocess.Popen[bytes], job: Job, report: Report | None) -> None:
    """Wait for a worker, and report on its progress."""
    progress = Path(job["progress"])
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(None if report is None else _POLL_SECONDS)
            return
        if report is not None:
            report(job["stage"], progress.stat().st_size if progress.exists() else 0)


def _last_line(errors: Path, status: int) -> str:
    """Return what a worker's traceback ends with, or its exit status if it has none."""
    lines = errors.read_text("utf-8", errors="replace").strip().splitlines()
    return lines[-1].rpartition("Error: ")[2] if lines else f"its process ended with status {status}"
