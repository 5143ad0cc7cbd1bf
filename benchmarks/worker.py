"""Measure one codec's encoder or decoder over a list of images, in a process of its own.

``run.py`` starts this twice a codec, first to encode and then, in another process, to decode what the
first one wrote and compare it with the images. The job is one JSON object on standard input; the
answer is written to the file that the job names, so a codec may print what it likes.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict, TypeVar

import numpy as np
from PIL import Image

from benchmarks import memory
from benchmarks.codecs import Codec, ImageArray, find_codec

T = TypeVar("T")


class Job(TypedDict):
    """A job for a worker."""

    stage: str  # "encode" or "decode"
    codec: str  # for `find_codec`
    threads: int
    repeat: int
    images: list[str]  # paths
    streams: list[str]  # paths: written when encoding, read when decoding
    answer: str  # path


class Answer(TypedDict):
    """A worker's measurements; the lists have one entry an image."""

    version: str
    seconds: list[float]  # median of the repeats
    size_bytes: list[int]
    baseline_bytes: int  # resident with the library and the first image in memory, nothing coded yet
    peak_bytes: int  # the largest resident set while coding any of the images


class RoundTripError(Exception):
    """A decoded image is not the image that was encoded."""


def load_image(path: str) -> ImageArray:
    """Read an image file as uint8, (H, W) for grey files and (H, W, 3) for others."""
    with Image.open(path) as image:
        return np.array(image if image.mode == "L" else image.convert("RGB"))


def main() -> None:
    """Do the job on standard input."""
    job: Job = json.load(sys.stdin)
    codec = find_codec(job["codec"])(job["threads"])
    if not codec.available():
        raise RuntimeError(f"codec {job['codec']!r} is not available here")
    answer = measure_encode(codec, job) if job["stage"] == "encode" else measure_decode(codec, job)
    Path(job["answer"]).write_text(json.dumps(answer))


def measure_encode(codec: Codec, job: Job) -> Answer:
    """Encode every image, write the streams; the first image is encoded once more, as warm-up."""
    image = load_image(job["images"][0])
    baseline_bytes = memory.resident_bytes()
    memory.reset_peak()
    codec.encode(image)
    peak_bytes = memory.peak_bytes()
    seconds, sizes = [], []
    for image_path, stream_path in zip(job["images"], job["streams"], strict=True):
        image = load_image(image_path)
        memory.reset_peak()
        data, median = _timed(lambda image=image: codec.encode(image), job["repeat"])  # type: ignore[misc]
        peak_bytes = max(peak_bytes, memory.peak_bytes())
        Path(stream_path).write_bytes(data)
        seconds.append(median)
        sizes.append(len(data))
    return _answer(codec, seconds, sizes, baseline_bytes, peak_bytes)


def measure_decode(codec: Codec, job: Job) -> Answer:
    """Decode every stream and compare it with its image; the first one once more, as warm-up.

    Raises
    ------
    RoundTripError
        A decoded image is not the image that was encoded.
    """
    data = Path(job["streams"][0]).read_bytes()
    baseline_bytes = memory.resident_bytes()
    memory.reset_peak()
    codec.decode(data)
    peak_bytes = memory.peak_bytes()
    seconds, sizes = [], []
    for image_path, stream_path in zip(job["images"], job["streams"], strict=True):
        data = Path(stream_path).read_bytes()
        memory.reset_peak()
        decoded, median = _timed(lambda data=data: codec.decode(data), job["repeat"])  # type: ignore[misc]
        peak_bytes = max(peak_bytes, memory.peak_bytes())
        check_round_trip(codec, load_image(image_path), decoded, Path(image_path).name)
        seconds.append(median)
        sizes.append(len(data))
    return _answer(codec, seconds, sizes, baseline_bytes, peak_bytes)


def check_round_trip(codec: Codec, image: ImageArray, decoded: ImageArray, name: str) -> None:
    """Raise `RoundTripError` unless the decoded image is the original."""
    if codec.is_exact(image, decoded):
        return
    found = f"{decoded.dtype} {decoded.shape}"
    if decoded.shape == image.shape:
        found += f", {np.count_nonzero(decoded != image)} subpixels differ"
    raise RoundTripError(
        f"{codec.name} does not round-trip {name}: expected {image.dtype} {image.shape}, found {found}"
    )


def _timed(call: Callable[[], T], repeat: int) -> tuple[T, float]:
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return result, statistics.median(seconds)


def _answer(
    codec: Codec, seconds: list[float], sizes: list[int], baseline_bytes: int, peak_bytes: int
) -> Answer:
    return {
        "version": codec.version(),
        "seconds": seconds,
        "size_bytes": sizes,
        "baseline_bytes": baseline_bytes,
        "peak_bytes": peak_bytes,
    }


if __name__ == "__main__":
    main()
