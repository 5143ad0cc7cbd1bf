"""Measure one codec's encoder or decoder over a list of images, in a process of its own.

`measuring` starts this twice a codec, first to encode and then, in another process, to decode what the
first one wrote and compare it with the images. The job is one JSON object on standard input; the
answer is written to the file that the job names, so a codec may print what it likes.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypedDict, TypeVar

import numpy as np

from pixcodec.bench import memory
from pixcodec.bench.codec import Codec, ImageArray
from pixcodec.bench.images import load_image
from pixcodec.bench.ours import PixcodecFast
from pixcodec.bench.registry import find_codec

T = TypeVar("T")
WARM_UP_SIDE = 512  # pixels; of the part that is coded before an image of each kind


class Job(TypedDict):
    """A job for a worker."""

    stage: str  # "encode" or "decode"
    codec: str  # for `find_codec`
    threads: int
    repeat: int
    most_seconds: float  # an image is not coded again once it took so long
    images: list[str]  # paths
    streams: list[str]  # paths: written when encoding, read when decoding
    answer: str  # path
    progress: str  # path of a file that grows by a byte with each image
    model: str | None  # path of pixcodec's model, None: a shipped one


class Answer(TypedDict):
    """A worker's measurements; the lists have one entry an image."""

    version: str
    seconds: list[float]  # median of the repeats
    size_bytes: list[int]
    baseline_bytes: int  # resident with the library and the first image in memory, nothing coded yet
    peak_bytes: int  # the largest resident set while coding any of the images


class RoundTripError(Exception):
    """A decoded image is not the image that was encoded."""


def main() -> None:
    """Do the job on standard input."""
    job: Job = json.load(sys.stdin)
    codec = find_codec(job["codec"])(job["threads"])
    if not codec.available():
        raise RuntimeError(f"codec {job['codec']!r} is not available here")
    if job["model"] is not None and isinstance(codec, PixcodecFast):
        codec.model = Path(job["model"])
    answer = measure_encode(codec, job) if job["stage"] == "encode" else measure_decode(codec, job)
    Path(job["answer"]).write_text(json.dumps(answer))


def measure_encode(codec: Codec, job: Job) -> Answer:
    """Encode every image, write the streams; a part of the first of each kind is coded before, as warm-up."""
    measured = _Measured(codec)
    for image_path, stream_path in zip(job["images"], job["streams"], strict=True):
        image = load_image(image_path)
        if measured.is_first(image):
            part = np.ascontiguousarray(image[:WARM_UP_SIDE, :WARM_UP_SIDE])
            warm = measured.untimed(partial(codec.encode, part))
            _warm_path(stream_path).write_bytes(warm)
        data = measured.timed(partial(codec.encode, image), job)
        Path(stream_path).write_bytes(data)
        measured.sizes.append(len(data))
        _report_image(job)
    return measured.answer()


def measure_decode(codec: Codec, job: Job) -> Answer:
    """Decode every stream and compare it with its image; what the encoder's warm-up wrote is decoded before.

    Raises
    ------
    RoundTripError
        A decoded image is not the image that was encoded.
    """
    measured = _Measured(codec)
    for image_path, stream_path in zip(job["images"], job["streams"], strict=True):
        data = Path(stream_path).read_bytes()
        if _warm_path(stream_path).exists():
            warm = _warm_path(stream_path).read_bytes()
            measured.untimed(partial(codec.decode, warm))
        decoded = measured.timed(partial(codec.decode, data), job)
        check_round_trip(codec, load_image(image_path), decoded, Path(image_path).name)
        measured.sizes.append(len(data))
        _report_image(job)
    return measured.answer()


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


class _Measured:
    """Times, sizes and memory of a codec so far."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.seconds: list[float] = []
        self.sizes: list[int] = []
        self.baseline_bytes: int | None = None
        self.peak_bytes = 0
        self._kinds: set[object] = set()

    def is_first(self, image: ImageArray) -> bool:
        """Say whether no image of this type and number of channels came before."""
        kind = image.dtype, image.shape[2:]
        known = kind in self._kinds
        self._kinds.add(kind)
        return not known

    def untimed(self, call: Callable[[], T]) -> T:
        """Call once, for the memory and to load what is loaded once."""
        if self.baseline_bytes is None:
            self.baseline_bytes = memory.resident_bytes()
        memory.reset_peak()
        result = call()
        self.peak_bytes = max(self.peak_bytes, memory.peak_bytes())
        return result

    def timed(self, call: Callable[[], T], job: Job) -> T:
        """Call several times, note the median; return the last result."""
        memory.reset_peak()
        seconds: list[float] = []
        while len(seconds) < job["repeat"] and sum(seconds) <= job["most_seconds"]:
            start = time.perf_counter()
            result = call()
            seconds.append(time.perf_counter() - start)
        self.peak_bytes = max(self.peak_bytes, memory.peak_bytes())
        self.seconds.append(statistics.median(seconds))
        return result

    def answer(self) -> Answer:
        """Return what was measured."""
        return {
            "version": self.codec.version(),
            "seconds": self.seconds,
            "size_bytes": self.sizes,
            "baseline_bytes": self.baseline_bytes or 0,
            "peak_bytes": self.peak_bytes,
        }


def _warm_path(stream_path: str) -> Path:
    return Path(f"{stream_path}.warm")


def _report_image(job: Job) -> None:
    with open(job["progress"], "ab") as file:
        file.write(b".")


if __name__ == "__main__":
    main()
