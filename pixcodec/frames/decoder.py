"""A file of several frames -> its frames, as stored and as shown (FORMAT.md, "Series").

A frame is decoded after those before it, from the last one on that needs none, the *key frame*.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pixcodec.coding.past import Learnt
from pixcodec.container.container import Container
from pixcodec.container.frames import SeriesKind, Setting
from pixcodec.container.header import PLANE_BITS, Header, Mode
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.container.regions import checked_region
from pixcodec.container.series import frame_container, parse_series
from pixcodec.container.shown import key_frame, shown_mode
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, LimitExceededError
from pixcodec.images.canvas import Canvas, Colours
from pixcodec.images.picture import Picture
from pixcodec.images.planes import little_endian
from pixcodec.images.references import Background, references_of
from pixcodec.images.sample_maps import palette_in
from pixcodec.images.series import Frame
from pixcodec.images.ways import Way
from pixcodec.tiling import Given, SeriesPast, decode_tiles


def keeps_learnt(header: Header) -> bool:
    """Return whether layers of a frame take up, and keep, what is learnt."""
    return len(header.grid) == 1 and not header.deep


class FrameDecoder:
    """Decodes the frames of a series one after another, from a key frame on."""

    def __init__(self, kind: SeriesKind, width: int, height: int, area: int, given: Given) -> None:
        self._background, self._area, self._given = Background(kind, width, height), area, given
        self._learnt = Learnt()

    def decode(self, setting: Setting, container: Container, foreseen: Way | None = None) -> Picture:
        """Return the next frame; ``foreseen``: how it was encoded, when it is checked.

        Raises
        ------
        CorruptFileError, ModelMismatchError, LimitExceededError
        """
        header = container.header
        if not setting.carried:
            self._learnt = Learnt()
        below = self._background.before(setting, header.width, header.height)
        references = references_of(header, below, container.palette, container.transparency)
        past = SeriesPast(references, self._learnt if keeps_learnt(header) else None, self._area)
        whole = TileBox(0, 0, header.width, header.height)
        known = None if foreseen is None else foreseen.pixels
        pixels = decode_tiles(
            *(header, container.tiles, container.palette, whole, self._given), foreseen=known, past=past
        )
        if (digest := pixel_hash(header, little_endian(pixels))) != container.pixel_hash:
            raise CorruptFileError(
                f"hash of the decoded pixels is {digest.hex()}, expected {container.pixel_hash.hex()}"
            )
        parts = palette_in(header, container.palette), container.transparency, container.ancillary
        picture = Picture(header.mode, header.bit_depth, pixels, *parts, header.deep)
        self._background.take(picture, setting)
        return picture


class SeriesReader:
    """Reads the frames of a file.

    Parameters
    ----------
    data : bytes
    given : Given
    max_pixels : int or None
        Of the canvas, or of each page that is decoded.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """

    def __init__(self, data: bytes, given: Given, max_pixels: int | None) -> None:
        self._data, self._given, self._max_pixels = data, given, max_pixels
        self.start = parse_series(data)
        if self.start.kind is SeriesKind.ANIMATION:
            self._check_size(self.start.width, self.start.height)

    def _check_size(self, width: int, height: int) -> None:
        most = self._max_pixels
        if most is not None and width * height > most:
            raise LimitExceededError(
                f"image is {width}x{height}, {width * height} pixels, the limit is {most} pixels"
            )

    def check_number(self, number: int) -> None:
        """Raise ValueError unless there is a frame of this number, which counts from 0."""
        if not 0 <= number < len(self.start.frames):
            raise ValueError(f"frame is {number}, the file has {len(self.start.frames)}: 0 is the first one")

    def stored(self, first: int = 0) -> Iterator[tuple[int, Frame]]:
        """Yield number and frame as stored, from the key frame before ``first`` on."""
        start = self.start
        area = start.most_pixels if start.kind is SeriesKind.ANIMATION else 0
        decoder = FrameDecoder(start.kind, start.width, start.height, area, self._given)
        for number in range(key_frame(start, first), len(start.frames)):
            setting, header = start.frames[number][:2]
            checked_region(header, None, self._max_pixels)
            yield number, Frame(decoder.decode(setting, frame_container(self._data, start, number)), setting)

    def shown(self, first: int = 0) -> Iterator[Frame]:
        """Yield the frames from number ``first`` on as they are shown.

        Of an animation they have the size of the canvas and the mode that :func:`shown_mode` says.
        """
        start = self.start
        if start.kind is SeriesKind.PAGES:
            for number, (picture, setting) in self.stored(first):
                if number >= first:
                    yield Frame(picture, setting)
            return
        mode, deep = shown_mode(start)
        canvas = Canvas(start.width, start.height, deep=deep)
        for number, (picture, setting) in self.stored(first):
            shown = canvas.draw(picture, setting)
            if number >= first:
                yield Frame(_picture_of(shown, mode, picture), setting)


def _picture_of(shown: Colours, mode: Mode, picture: Picture) -> Picture:
    """Return what the canvas shows in a mode, with the metadata of the frame drawn last."""
    wanted = {Mode.GREY: [0], Mode.GREY_ALPHA: [0, 3], Mode.RGB: [0, 1, 2], Mode.RGBA: [0, 1, 2, 3]}[mode]
    depth = 16 if shown.dtype == np.uint16 else PLANE_BITS
    return Picture(mode, depth, np.ascontiguousarray(shown[..., wanted]), chunks=picture.chunks)
