"""What the header of a .pxc file says, for :func:`pixcodec.read_info`; standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from pixcodec.container.beginning import parse_header
from pixcodec.container.chunks import Data
from pixcodec.container.frames import SeriesKind, SeriesStart
from pixcodec.container.series_start import holds_series, read_series_start
from pixcodec.container.shown import shown_mode


@dataclass(frozen=True)
class Info:
    """What :func:`read_info` returns of a file.

    Parameters
    ----------
    format_version : int
    width, height : int
        Size of the image in pixels.
    mode : str
        ``"grey"``, ``"rgb"``, ``"grey_alpha"``, ``"rgba"``, ``"cmyk"``, ``"palette"`` or ``"bilevel"``.
    bit_depth : int
        Bits of a subpixel.
    jpeg : bool
        Whether the pixels come from JPEG coefficients.
    exact : bool
        Whether the pixels of the coefficients are those of the image, without a correction.
    effort : str
        ``"fast"``, ``"normal"`` or ``"max"``.
    tile_width, tile_height : int
        Size of an uncut tile in pixels.
    tile_count : int
        0 if ``exact`` or ``kept``.
    model_id : str
        Hexadecimal; empty if the file needs no network.
    size_bytes : int
        Size of the file.
    bpsp_file : float
        Bits of the file per subpixel of the image.
    kept : bool
        Whether the file keeps a JPEG file, which :func:`pixcodec.restore` gives back byte for byte.
    frames : int
        How many images the file holds. Of several, size and mode are those that are shown, of pages those of
        the first one; ``tile_width`` and ``tile_height`` are those of the first frame as it is stored.
    durations : tuple of float
        How long each frame of an animation is shown, in seconds; empty for pages and one image.
    loop : int or None
        How often an animation is shown, 0 for ever; None if nothing is said.
    """

    format_version: int
    width: int
    height: int
    mode: str
    bit_depth: int
    jpeg: bool
    exact: bool
    effort: str
    tile_width: int
    tile_height: int
    tile_count: int
    model_id: str
    size_bytes: int
    bpsp_file: float
    kept: bool
    frames: int = 1
    durations: tuple[float, ...] = ()
    loop: int | None = None


def read_info(data: Data, *, size_bytes: int | None = None) -> Info:
    """Return what the header of a .pxc file says, without decoding or checking the rest.

    Parameters
    ----------
    data : bytes-like
        The file, or its first HEADER_SIZE_BYTES bytes or more; of a file of several frames the start that
        :func:`pixcodec.container.beginning.read_beginning` returns.
    size_bytes : int, optional
        Size of the whole file, if ``data`` is only a part of it.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
        As :func:`pixcodec.container.beginning.parse_header`.
    """
    size = len(data) if size_bytes is None else size_bytes
    if holds_series(data):
        return _series_info(read_series_start(data), size)
    header = parse_header(data)
    return Info(
        format_version=header.version,
        width=header.width,
        height=header.height,
        mode=header.mode.name.lower(),
        bit_depth=header.bit_depth,
        jpeg=header.jpeg,
        exact=header.exact,
        effort=header.effort.name.lower(),
        tile_width=header.tile_width,
        tile_height=header.tile_height,
        tile_count=0 if header.exact or header.kept else len(header.grid),
        model_id=header.model_id.hex(),
        size_bytes=size,
        bpsp_file=8 * size / header.subpixel_count,
        kept=header.kept,
    )


def _series_info(start: SeriesStart, size_bytes: int) -> Info:
    headers, header = [entry.header for entry in start.frames], start.frames[0].header
    durations: tuple[float, ...] = ()
    mode, depth = header.mode, header.bit_depth
    subpixels = sum(each.subpixel_count for each in headers)
    if start.kind is SeriesKind.ANIMATION:
        mode, deep = shown_mode(start)
        depth = 16 if deep else 8
        durations = tuple(float(entry.setting.seconds) for entry in start.frames)
        subpixels = len(headers) * start.width * start.height * mode.channels
    return Info(
        format_version=header.version,
        width=start.width,
        height=start.height,
        mode=mode.name.lower(),
        bit_depth=depth,
        jpeg=False,
        exact=False,
        effort=header.effort.name.lower(),
        tile_width=header.tile_width,
        tile_height=header.tile_height,
        tile_count=sum(len(each.grid) for each in headers),
        model_id=next((each.model_id.hex() for each in headers if each.model_id), ""),
        size_bytes=size_bytes,
        bpsp_file=8 * size_bytes / subpixels,
        kept=False,
        frames=len(headers),
        durations=durations,
        loop=start.loop,
    )
