"""The frames of a series -> the bytes of a file (FORMAT.md, "Series").

A frame may be predicted from what the canvas shows before it, and begin with what the frames before taught.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pixcodec.coding.past import Learnt
from pixcodec.container.container import Container
from pixcodec.container.deep import MOST_CODED_DEPTH
from pixcodec.container.frames import Reference, SeriesKind
from pixcodec.container.header import PLANE_BITS, WIDER_VERSION, Effort, Header, Mode
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.container.series import parse_series
from pixcodec.container.series_writer import SeriesWriter
from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedImageError
from pixcodec.frames.decoder import FrameDecoder, keeps_learnt
from pixcodec.images.canvas import palette_colours, to_rgba
from pixcodec.images.colours import pack_colours
from pixcodec.images.picture import Picture
from pixcodec.images.planes import little_endian
from pixcodec.images.references import Background, is_seen, references_of
from pixcodec.images.series import Frame, Series
from pixcodec.images.series_ways import SeriesWays, index_bits
from pixcodec.images.transparency import pack_transparency
from pixcodec.images.ways import Way, coded_size_bytes
from pixcodec.network.wavefront import raster_slope
from pixcodec.tiling import SLOPE, Given, SeriesPast, encode_way

MAX_TILE_PIXELS = 1 << 21  # of a frame that is one tile
MAX_BILEVEL_TILE_PIXELS = 1 << 23  # the same of a bilevel one, which takes less memory
MAX_TILE_SIDE = 1024  # of the tiles of larger ones
KEY_PAGES = 8  # every so many pages, one is decoded without those before
LEAST_STILL = 0.02  # share of pixels that are as before from which on a frame is predicted from others


def encode_series(
    make: Callable[[], Series], effort: Effort, given: Given, *, raster: bool, verify: bool
) -> bytes:
    """Return the frames of a series as the bytes of a file.

    Parameters
    ----------
    make : callable
        Returns the series.
    effort : Effort
    raster : bool
        Whether pixels are coded in raster order.
    given : Given
        Its progress is told of the frames done.
    verify : bool
        Decode each frame and compare.

    Raises
    ------
    UnsupportedImageError, LimitExceededError, CorruptFileError
    """
    if effort is Effort.RESEARCH:
        raise UnsupportedImageError("effort research codes single images: choose another effort")
    series, progress = make(), given.progress
    given = given._replace(progress=None)
    writer = SeriesWriter(series.kind, series.width, series.height, series.loop, effort)
    encoder = _Encoder(series, effort, given, raster=raster)
    checker = FrameDecoder(series.kind, series.width, series.height, encoder.area, given) if verify else None
    for number, frame in enumerate(series.frames):
        frame, container, way = encoder.encode(frame)
        if checker is not None:
            _check(checker, frame, container, way)
        writer.add(frame.setting, container)
        if progress is not None:
            progress(min((number + 1) / series.number, 1.0))
    data = writer.finish()
    if verify:
        parse_series(data)
    return data


def _check(checker: FrameDecoder, frame: Frame, container: Container, way: Way) -> None:
    """Raise an error unless a frame decodes to what it was."""
    wrong = PixcodecError("the encoded frame decodes to another one: nothing was written; please report it")
    try:
        decoded = checker.decode(frame.setting, container, way)
    except CorruptFileError as error:
        raise wrong from error
    same = np.array_equal(decoded.pixels, frame.picture.pixels)
    if not same or decoded._replace(pixels=frame.picture.pixels) != frame.picture:
        raise wrong


class _Encoder:
    """Encodes the frames of a series one after another."""

    def __init__(self, series: Series, effort: Effort, given: Given, *, raster: bool) -> None:
        self.area = series.width * series.height
        self._raster = raster
        self._series, self._effort, self._given = series, effort, given
        self._background = Background(series.kind, series.width, series.height)
        self._learnt, self._ways = Learnt(), SeriesWays()
        self._last: Frame | None = None
        self._done = 0

    def encode(self, frame: Frame) -> tuple[Frame, Container, Way]:
        """Return a frame as it is stored, the image that it is, and how this was coded."""
        frame = self._cropped(frame) if self._series.whole and self._last else frame
        frame = self._with_past(_with_steady_palette(frame, self._series.kind))
        picture, setting = frame
        if self._series.kind is SeriesKind.ANIMATION and (picture.deep or picture.mode is Mode.CMYK):
            what = "is CMYK" if picture.mode is Mode.CMYK else "has floats, wide integers or many bands"
            raise UnsupportedImageError(f"a frame of an animation {what}: leave out the durations")
        header = _header_of(picture, self._effort)
        ways = self._ways.ways(header, picture)
        way = ways[0] if len(ways) == 1 else min(ways, key=lambda way: self._size_bytes(way, frame))
        self._ways.choose(way, picture)
        if not setting.carried:
            self._learnt = Learnt()
        past = self._past(way, frame, self._learnt)
        way, tiles = encode_way(way, self._slope(way), self._given, past)
        digest = pixel_hash(way.header, little_endian(picture.pixels))
        container = Container(way.header, tiles, digest, picture.chunks, way.table, picture.transparency)
        self._background.take(picture, setting)
        self._last, self._done = frame, self._done + 1
        return frame, container, way

    def _size_bytes(self, way: Way, frame: Frame) -> int:
        """Return about how many bytes a frame takes that nothing was learnt for."""
        past = self._past(way, frame, None)
        return coded_size_bytes(*encode_way(way, self._slope(way), self._given, past))

    def _slope(self, way: Way) -> int:
        return raster_slope(way.header.tile_width) if self._raster else SLOPE

    def _past(self, way: Way, frame: Frame, learnt: Learnt | None) -> SeriesPast:
        header = way.header
        below = self._background.before(frame.setting, header.width, header.height)
        references = references_of(header, below, way.table, frame.picture.transparency)
        return SeriesPast(references, learnt if keeps_learnt(header) else None, self.area)

    def _cropped(self, frame: Frame) -> Frame:
        """Return the part of a frame of a whole canvas that differs from the canvas."""
        picture, setting = frame
        height, width = picture.pixels.shape[:2]
        below = self._background.before(setting._replace(reference=Reference.CANVAS), width, height)
        if below is None or not is_seen(picture):
            return frame
        differs = np.any(to_rgba(picture) != below, axis=2)
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        if not len(rows):
            rows = columns = np.zeros(1, np.int64)
        y, x = int(rows[0]), int(columns[0])
        part = picture.pixels[y : int(rows[-1]) + 1, x : int(columns[-1]) + 1]
        picture = picture._replace(pixels=part.copy())
        return Frame(picture, setting._replace(x=x, y=y))

    def _with_past(self, frame: Frame) -> Frame:
        """Return a frame that says what it is predicted from."""
        picture, setting = frame
        is_page = self._series.kind is SeriesKind.PAGES
        if self._last is None or (is_page and self._done % KEY_PAGES == 0) or picture.deep:
            return frame
        height, width = picture.pixels.shape[:2]
        shares = {Reference.NONE: 0.0}
        drawn = to_rgba(picture) if picture.bit_depth <= PLANE_BITS else None
        for reference in (Reference.CANVAS, Reference.SHOWN):
            below = self._background.before(setting._replace(reference=reference), width, height)
            if below is not None and drawn is not None:
                same = np.all(drawn == below, axis=2)
                if setting.over:
                    same |= drawn[..., 3] == 0
                shares[reference] = float(same.mean())
        best = max(shares, key=lambda reference: shares[reference])
        reference = best if shares[best] >= LEAST_STILL else Reference.NONE
        return frame._replace(setting=setting._replace(reference=reference, carried=self._carries(picture)))

    def _carries(self, picture: Picture) -> bool:
        """Return whether what was learnt so far suits a picture: not if its palette is another one."""
        if self._last is None or picture.mode is not Mode.PALETTE:
            return self._last is not None
        last = self._last.picture
        return (last.palette, last.transparency) == (picture.palette, picture.transparency)


def _with_steady_palette(frame: Frame, kind: SeriesKind) -> Frame:
    """Return a frame whose indices have as many bits as its palette, not as its largest index, needs.

    In an animation, alpha of a palette becomes a table, so that the start of the file shows if there is any.
    """
    picture = frame.picture
    if picture.mode is not Mode.PALETTE:
        return frame
    colours, count = palette_colours(picture.palette, picture.transparency)
    if picture.palette[0] == 4 and kind is SeriesKind.ANIMATION:
        alpha = pack_transparency(colours[:count, 3].tobytes())
        picture = picture._replace(palette=bytes([3]) + pack_colours(colours[:count, :3]), transparency=alpha)
    depth = index_bits(max(count, int(picture.pixels.max()) + 1))
    return frame._replace(picture=picture._replace(bit_depth=depth))


def _header_of(picture: Picture, effort: Effort) -> Header:
    """Return the header of a frame that is coded as it is: of one tile, or of equal ones if it is large."""
    height, width = picture.pixels.shape[:2]
    columns, rows = (-(-side // MAX_TILE_SIDE) for side in (width, height))
    if width * height <= (MAX_BILEVEL_TILE_PIXELS if picture.mode is Mode.BILEVEL else MAX_TILE_PIXELS):
        columns = rows = 1
    sides = width, height, picture.mode, effort, -(-width // columns), -(-height // rows), b""
    if picture.deep:
        return Header(
            *(*sides, picture.bit_depth, MOST_CODED_DEPTH),
            mapped=True,
            version=WIDER_VERSION,
            deep=picture.deep,
        )
    return Header(*sides, picture.bit_depth, version=WIDER_VERSION)
