"""What comes of a mutated file: an error of ours, the right pixels, or a failure."""

from __future__ import annotations

import io
import re
import time
import traceback
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

import pixcodec
from benchmarks.hostile.kinds import Mutation
from benchmarks.hostile.seeds import Seed
from benchmarks.hostile.structure import repaired
from pixcodec.codec import header_image
from pixcodec.container.series_start import holds_series
from pixcodec.errors import PixcodecError
from pixcodec.frames.decoder import SeriesReader
from pixcodec.tiling import Given

MAX_PIXELS = 4096  # that are decoded
SECONDS = 0.5  # of the processor, whatever a file claims
SECONDS_PER_BYTE = 60e-6  # of the pixels that it claims
_HASH = re.compile(r"is ([0-9a-f]{16,64}), expected ([0-9a-f]{16,64})")
_MANY = 8  # of so many mutations, one goes through all that reads files

Known = frozenset[bytes]


class Outcome(NamedTuple):
    """What came of a file."""

    result: str  # the name of an error, "same", "other, hash repaired"; or "FAILURE: ..."
    seconds: float

    @property
    def failed(self) -> bool:
        """Return whether this must not be."""
        return self.result.startswith("FAILURE")


class Trial:
    """Decodes mutated files.

    Parameters
    ----------
    seeds : sequence of Seed
        The files before they are mutated.
    models : dict
        By name.
    """

    def __init__(self, seeds: Sequence[Seed], models: dict[str, Any]) -> None:
        self._models = models
        self._known: Known = frozenset(part for seed in seeds for part in self._decode(seed.data, seed.model))

    def run(self, index: int, mutated: Mutation) -> Outcome:
        """Decode a file, with all warnings as errors, and say what came of it."""
        start = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                result = self._result(index, mutated)
            except Exception as error:  # none is right, whichever it is
                result = f"FAILURE: {type(error).__name__}: {error} ({_place(error)})"
        seconds = time.process_time() - start
        if seconds > 2 * (SECONDS + SECONDS_PER_BYTE * _claimed_bytes(mutated.data)):
            result = f"FAILURE: takes {seconds:.2f} s, {result}"
        return Outcome(result, seconds)

    def _result(self, index: int, mutated: Mutation) -> str:
        data, model = mutated.data, mutated.seed.model
        if index % _MANY == 0:
            self._all_readers(data, model)
        try:
            return self._compared(self._decode(data, model))
        except PixcodecError as error:
            name, match = type(error).__name__, _HASH.search(str(error))
        if match is None:
            return name
        found, expected = map(bytes.fromhex, match.groups())
        forged = repaired(data.replace(expected, found))
        try:
            self._decode(forged, model)
        except PixcodecError as error:
            return f"{type(error).__name__}, hash repaired"
        return "other pixels, hash repaired"

    def _compared(self, parts: list[bytes]) -> str:
        return "same" if all(part in self._known for part in parts) else "FAILURE: other pixels, no error"

    def _decode(self, data: bytes, name: str) -> list[bytes]:
        """Return what a file holds: the bytes of its pixels, of each frame, or of a JPEG file."""
        model = self._models[name]
        if holds_series(data):
            list(pixcodec.decode_frames(data, model=model, threads=1, max_pixels=MAX_PIXELS))
            reader = SeriesReader(data, Given(model, 1, None), MAX_PIXELS)
            return [_bytes_of(frame.picture.pixels) for _, frame in reader.stored()]
        if data[8:9] == b"\x87":
            return [pixcodec.restore(data, threads=1, max_pixels=MAX_PIXELS)]
        pixels = pixcodec.decode(data, model=model, threads=1, max_pixels=MAX_PIXELS)
        return [_bytes_of(pixels)]

    def _all_readers(self, data: bytes, name: str) -> None:
        """Let all that reads files read one; errors of ours are what they should give."""
        model = self._models[name]
        options: dict[str, Any] = {"model": model, "threads": 1, "max_pixels": MAX_PIXELS}
        for read in (
            lambda: pixcodec.read_info(data),
            lambda: header_image(data),
            lambda: pixcodec.decode_image(data, **options),
            lambda: pixcodec.decode(data, region=(0, 0, 3, 2), **options),
            lambda: pixcodec.recover(data, paint=False, **options),
        ):
            try:
                read()
            except (PixcodecError, ValueError) as error:
                if not isinstance(error, PixcodecError) and "region" not in str(error):
                    raise
        try:
            with Image.open(io.BytesIO(data)) as image:
                image.load()
        except (OSError, Image.DecompressionBombError, Image.DecompressionBombWarning):
            pass


def _place(error: Exception) -> str:
    """Return where an error was raised, in the package if it was."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/pixcodec/" in frame.filename]
    last = (ours or frames)[-1]
    return f"{last.filename.rpartition('/pixcodec/')[2]}:{last.lineno}"


def _bytes_of(pixels: Any) -> bytes:
    """Return the shape and the bytes of an array."""
    return repr(pixels.reshape(*pixels.shape[:2], -1).shape).encode() + np.ascontiguousarray(pixels).tobytes()


def _claimed_bytes(data: bytes) -> int:
    try:
        info = pixcodec.read_info(data)
    except PixcodecError:
        return 0
    return info.width * info.height * 4 * max(1, info.frames)
