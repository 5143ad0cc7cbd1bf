"""What the header of a .pxc file says, for :func:`pixcodec.read_info`; standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from pixcodec.container.beginning import parse_header
from pixcodec.container.chunks import Data


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


def read_info(data: Data, *, size_bytes: int | None = None) -> Info:
    """Return what the header of a .pxc file says, without decoding or checking the rest.

    Parameters
    ----------
    data : bytes-like
        The file, or its first HEADER_SIZE_BYTES bytes or more.
    size_bytes : int, optional
        Size of the whole file, if ``data`` is only a part of it.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, LimitExceededError, CorruptFileError
        As :func:`pixcodec.container.beginning.parse_header`.
    """
    header = parse_header(data)
    size = len(data) if size_bytes is None else size_bytes
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
