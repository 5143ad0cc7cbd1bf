"""An image file as the viewer takes it: what there is to say of it, its images, its tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from PIL import Image

from pixcodec.batch.amounts import count
from pixcodec.codec import decode_image, encode
from pixcodec.container.container import parse
from pixcodec.container.info import Info
from pixcodec.container.layers import layers_of
from pixcodec.container.tiles import TileBox
from pixcodec.explain.explanation import Explanation, explain
from pixcodec.images.files import AnyImage, ReadImage, read_image
from pixcodec.images.summary import lines_of, summarize
from pixcodec.viewer.view import View, view_of

Progress = Callable[[float], None]

_LONGEST = 300  # characters of a text of the metadata
_DEEP_BITS = 16  # of files that do not say how many of uint16 they use
_LEAST_DEEP_BITS = 9


class SizedTile(NamedTuple):
    """A tile and the bytes of its bitstreams."""

    box: TileBox
    size_bytes: int


class Source:
    """A .pxc file, or a file of one image that Pillow or pixcodec reads.

    Parameters
    ----------
    data : bytes
    is_pixcodec : bool
        Whether it is a .pxc file.
    effort : str
        Of other files, which are encoded to say where the bits are.
    max_pixels : int
        Refuse larger images.

    Raises
    ------
    PixcodecError
        If the beginning of the file cannot be read; of other files, if any part cannot.
    """

    def __init__(self, data: bytes, *, is_pixcodec: bool, effort: str, max_pixels: int) -> None:
        self._data, self._effort, self._max_pixels = data, effort, max_pixels
        self._info: Info | None = None
        self._read: ReadImage | None = None
        if is_pixcodec:
            self._info, metadata = summarize(data, len(data))
            self.lines = {**lines_of(self._info, metadata), **_metadata_lines(metadata)}
            self.frames = self._info.frames
        else:
            self._read = read_image(data, max_pixels=max_pixels)
            image = _description(self._read.image)
            self.lines = {"image": image, "file": f"{len(data)} bytes", **_metadata_lines(self._read.info)}
            self.frames = 1

    @property
    def pixel_count(self) -> int:
        """Pixels of all frames, as far as the beginning of the file says it."""
        if self._info is not None:
            return self._info.width * self._info.height * self.frames
        width, height = self.view(0).size
        return width * height

    @property
    def durations(self) -> tuple[float, ...]:
        """How long each frame of an animation is shown, in seconds; empty for pages and one image."""
        return self._info.durations if self._info is not None else ()

    def view(self, frame: int, progress: Progress | None = None) -> View:
        """Return what is seen of a frame.

        Raises
        ------
        PixcodecError
        """
        if self._read is not None:
            return view_of(self._read.image, _DEEP_BITS)
        assert self._info is not None
        image = decode_image(self._data, max_pixels=self._max_pixels, frame=frame, progress=progress)
        depth = self._info.bit_depth
        return view_of(image, depth if depth >= _LEAST_DEEP_BITS else _DEEP_BITS)

    def tiles(self) -> list[SizedTile]:
        """Return the tiles of a .pxc file of one image; none of other files."""
        if self._info is None or self.frames > 1 or not self._info.tile_count:
            return []
        container = parse(self._data)
        layers = len(layers_of(container.header))
        if not layers:
            return []
        sizes = [len(tile.bitstream) for tile in container.tiles]
        return [
            SizedTile(box, sum(sizes[number * layers : (number + 1) * layers]))
            for number, box in enumerate(container.header.grid)
        ]

    def explained(self, progress: Progress | None = None) -> Explanation:
        """Return where the bits are; files that are not .pxc files are encoded for it.

        Raises
        ------
        PixcodecError
        """
        data = self._data
        if self._info is None:
            data = encode(data, effort=self._effort, max_pixels=self._max_pixels)
        return explain(data, max_pixels=self._max_pixels, progress=progress)


def _description(image: AnyImage) -> str:
    if isinstance(image, Image.Image):
        return f"{image.width}x{image.height} pixels, mode {image.mode}"
    channels = image.shape[2] if image.ndim > 2 else 1
    return f"{image.shape[1]}x{image.shape[0]} pixels, {count(channels, 'channel')} of {image.dtype.name}"


def _metadata_lines(metadata: Mapping[str, Any]) -> dict[str, str]:
    return {name.replace("_", " "): _text(value) for name, value in metadata.items()}


def _text(value: Any) -> str:
    """Return a value of the metadata as a text of a line."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, Mapping):
        text = ", ".join(f"{key.replace('_', ' ')} {_text(part)}" for key, part in value.items())
    elif isinstance(value, list | tuple):
        text = ", ".join(map(_text, value))
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "\N{HORIZONTAL ELLIPSIS}"
