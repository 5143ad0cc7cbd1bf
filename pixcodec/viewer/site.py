"""All that the page of the viewer is made of, by the keys that the page asks for.

======================== ==========================================================================
``frame/N``              JSON: size, levels, channels and tiles of frame N
``image/N/L/X_Y``        a tile of its level L, to look at
``samples/N/X_Y``        a tile of its samples, if they are not those of the image (:mod:`.pyramid`)
``bits``                 JSON: scale, colours and tables of the map of bits; status 202 until it is there
``bits/L/X_Y``           a tile of that map
======================== ==========================================================================
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pixcodec.errors import PixcodecError
from pixcodec.viewer.bits import Bits
from pixcodec.viewer.pyramid import Encoded, Pyramid, samples_tile
from pixcodec.viewer.source import Progress, Source
from pixcodec.viewer.view import View

OK, ACCEPTED, NOT_FOUND, UNPROCESSABLE = 200, 202, 404, 422
JSON = "application/json"
_KEPT_FRAMES = 2  # in memory

_NUMBER = r"(\d{1,9})"
_KEYS = [
    (re.compile(pattern.replace("#", _NUMBER)), name)
    for pattern, name in (
        ("frame/#", "frame"),
        ("image/#/#/#_#", "image"),
        ("samples/#/#_#", "samples"),
        ("bits", "bits"),
        ("bits/#/#_#", "bits_tile"),
    )
]


class Answer(NamedTuple):
    """What a key stands for: a status of HTTP, a media type and the bytes."""

    status: int
    kind: str
    data: bytes


class _Loaded(NamedTuple):
    view: View
    pyramid: Pyramid


class Site:
    """The parts of the page about a file; they are made when they are asked for, from any thread.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._frames: OrderedDict[int, _Loaded] = OrderedDict()
        self._loading = threading.Lock()
        self._bits = _Later(lambda progress: Bits(source.explained(progress)))

    def load(self, frame: int, progress: Progress | None = None) -> None:
        """Decode a frame, unless it is in memory.

        Raises
        ------
        PixcodecError
        """
        self._frame(frame, progress)

    def explain(self, progress: Progress | None = None) -> None:
        """Find out where the bits are, and wait for it.

        Raises
        ------
        PixcodecError
        """
        self._bits.run(progress)
        self._bits.value()

    def keys(self, *, bits: bool) -> Iterator[str]:
        """Yield the keys of all parts, frame by frame; those of bits once they are there."""
        for frame in range(self.source.frames):
            loaded = self._frame(frame)
            yield f"frame/{frame}"
            for level, column, row in loaded.pyramid.places():
                yield f"image/{frame}/{level}/{column}_{row}"
                if not level and loaded.view.samples is not None:
                    yield f"samples/{frame}/{column}_{row}"
        if bits:
            yield "bits"
            for level, column, row in self._bits.value().map.places():
                yield f"bits/{level}/{column}_{row}"

    def get(self, key: str) -> Answer:
        """Return what a key stands for; an error of the file is JSON with ``error``."""
        for pattern, name in _KEYS:
            found = pattern.fullmatch(key)
            if found is not None:
                try:
                    answer: Answer = getattr(self, f"_{name}_of")(*map(int, found.groups()))
                except PixcodecError as error:
                    return _json({"error": str(error)}, UNPROCESSABLE)
                return answer
        return _answer(None)

    def _frame(self, frame: int, progress: Progress | None = None) -> _Loaded:
        with self._loading:
            if frame not in self._frames:
                view = self.source.view(frame, progress)
                self._frames[frame] = _Loaded(view, Pyramid(view.pixels))
                while len(self._frames) > _KEPT_FRAMES:
                    self._frames.popitem(last=False)
            self._frames.move_to_end(frame)
            return self._frames[frame]

    def _frame_of(self, frame: int) -> Answer:
        if frame >= self.source.frames:
            return _answer(None)
        view, pyramid = self._frame(frame)
        durations = self.source.durations
        return _json(
            {
                "width": view.size[0],
                "height": view.size[1],
                "levels": pyramid.levels,
                "names": view.names,
                "samples": None if view.samples is None else view.samples.dtype.name,
                "alpha": view.pixels.shape[2] > 3,
                "seconds": durations[frame] if durations else None,
                "tiles": [(*tile.box, tile.size_bytes) for tile in self.source.tiles()],
            }
        )

    def _image_of(self, frame: int, level: int, column: int, row: int) -> Answer:
        if frame >= self.source.frames:
            return _answer(None)
        return _answer(self._frame(frame).pyramid.tile(level, column, row))

    def _samples_of(self, frame: int, column: int, row: int) -> Answer:
        if frame >= self.source.frames:
            return _answer(None)
        samples = self._frame(frame).view.samples
        return _answer(None if samples is None else samples_tile(samples, column, row))

    def _bits_of(self) -> Answer:
        if self.source.frames > 1:
            return _answer(None)
        self._bits.start()
        if not self._bits.is_there:
            return _json({"fraction": self._bits.fraction}, ACCEPTED)
        return _json(self._bits.value().description())

    def _bits_tile_of(self, level: int, column: int, row: int) -> Answer:
        return _answer(self._bits.value().map.tile(level, column, row) if self._bits.is_there else None)


class _Later:
    """What another thread finds out, once.

    Parameters
    ----------
    work : callable
        Takes a function of the fraction done, and returns the value.
    """

    def __init__(self, work: Callable[[Progress], Bits]) -> None:
        self._work, self._lock, self._started = work, threading.Lock(), False
        self._done = threading.Event()
        self._found: Bits | BaseException = RuntimeError("never started")
        self.fraction = 0.0

    def start(self) -> None:
        """Begin, in a thread of its own, unless that has been done."""
        with self._lock:
            if not self._started:
                self._started = True
                threading.Thread(target=self._run, args=(None,), daemon=True).start()

    def run(self, progress: Progress | None) -> None:
        """Do it in this thread, unless it has been begun."""
        with self._lock:
            first, self._started = not self._started, True
        if first:
            self._run(progress)

    def _run(self, progress: Progress | None) -> None:
        def report(fraction: float) -> None:
            self.fraction = fraction
            if progress is not None:
                progress(fraction)

        try:
            self._found = self._work(report)
        except BaseException as error:  # for whoever asks for the value
            self._found = error
        self._done.set()

    @property
    def is_there(self) -> bool:
        """Whether it has ended, also in an error."""
        return self._done.is_set()

    def value(self) -> Bits:
        """Wait for the value and return it, or raise the error that it ended in."""
        self._done.wait()
        if isinstance(self._found, BaseException):
            raise self._found
        return self._found


def _answer(file: Encoded | None) -> Answer:
    return Answer(NOT_FOUND, "text/plain", b"nothing here\n") if file is None else Answer(OK, *file)


def _json(data: dict[str, Any], status: int = OK) -> Answer:
    return Answer(status, JSON, json.dumps(data).encode())
