"""Pillow plugin: after ``import pixcodec.pillow_plugin``, Image.open and Image.save take .pxc files.

>>> import io
>>> from PIL import Image
>>> file = io.BytesIO()
>>> Image.new("RGB", (5, 3), "teal").save(file, "PXC", effort="fast")
>>> Image.open(file).size
(5, 3)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from PIL import Image, ImageFile, ImageSequence

from pixcodec.container.beginning import parse_start, read_beginning
from pixcodec.container.chunks import MAGIC_NAME
from pixcodec.container.container import parse
from pixcodec.container.frames import SeriesStart
from pixcodec.container.series import parse_series, start_chunks
from pixcodec.container.series_start import holds_series, read_series_start
from pixcodec.errors import ModelMismatchError, NotPixcodecError, PixcodecError
from pixcodec.images.pillow_info import collect

FORMAT = "PXC"
EXTENSION = ".pxc"
MIME_TYPE = "image/x-pixcodec"

# Parameters of Image.save: OPTIONS go to pixcodec.encode, METADATA replace the values of image.info.
OPTIONS = ("effort", "order", "model", "threads", "verify", "progress", "strip")
METADATA = ("comment", "dpi", "exif", "gamma", "icc_profile", "text", "transparency", "xmp")


class PxcImageFile(ImageFile.ImageFile):
    """An opened .pxc file, whose pixels are decoded on first use.

    Raises
    ------
    SyntaxError
        If the file is not a .pxc file; Pillow then tries its other plugins.
    OSError
        If the header is damaged or needs another version of pixcodec, or if Pillow has no mode for the image.
    """

    format = FORMAT
    format_description = "pixcodec lossless image"

    _encoded = False  # whether the pixels are still to be decoded; an unpickled image has no file
    _frame = 0
    _start_of_series: SeriesStart | None = None

    def _open(self) -> None:
        from pixcodec.codec import header_image  # it imports numpy, which takes a while
        from pixcodec.images.picture import to_palette

        assert self.fp is not None
        self._start = self.fp.tell()
        with _oserrors():
            try:
                beginning = read_beginning(self.fp)
                mode, size, info = header_image(beginning)
                if holds_series(beginning):
                    self._start_of_series, chunks = read_series_start(beginning), start_chunks(beginning)
                    self._close_exclusive_fp_after_loading = len(self._start_of_series.frames) == 1
                else:
                    chunks = parse_start(beginning)[1]
                if mode == "P":  # Pillow uses the palette of an image before it is loaded
                    for chunk in chunks:
                        if chunk.type == "PLTE":
                            self.palette = to_palette(chunk.payload)
            except NotPixcodecError as error:
                raise SyntaxError(str(error)) from error
        self._take(mode, size, info)
        self.tile = []  # nothing for Pillow's own decoders
        self._loading = threading.Lock()
        self._encoded = True
        self._shown: Iterator[Any] | None = None  # the frames from _next on
        self._next = 0

    @property
    def n_frames(self) -> int:
        """Return how many frames the file holds."""
        return 1 if self._start_of_series is None else len(self._start_of_series.frames)

    @property
    def is_animated(self) -> bool:
        """Return whether it holds several."""
        return self.n_frames > 1

    def tell(self) -> int:
        """Return the number of the current frame."""
        return self._frame

    def seek(self, frame: int) -> None:
        """Go to a frame, which is decoded on first use.

        Raises
        ------
        EOFError
            If there is no such frame.
        OSError
            If the file is damaged.
        """
        from pixcodec.frames.api import series_image

        if not self._seek_check(frame):
            return
        with self._loading, _oserrors():
            mode, size, info = series_image(self._read(), frame)
            Image._decompression_bomb_check(size)
            self._take(mode, size, info)
            self._frame, self._encoded = frame, True

    def _take(self, mode: str | None, size: tuple[int, int], info: dict[str, Any]) -> None:
        """Become an image of a mode and size that is not decoded."""
        if mode is None:
            raise OSError("Pillow has no mode for bands or samples of the image: use pixcodec.decode")
        self._mode = mode
        self._size = size
        for key in getattr(self, "_found", {}):
            self.info.pop(key, None)  # of the frame before
        self.info.update(info)
        self._found: dict[Any, Any] = info

    def load(self) -> Any:
        """Decode the pixels, unless they have been decoded before.

        Raises
        ------
        OSError
            If the file is damaged, cannot be read or needs a model that is not installed.
        ValueError
            If the image has been closed.
        """
        if self._encoded:
            with self._loading:
                if self._encoded:
                    self._decode()
        return super().load()

    def verify(self) -> None:
        """Check the CRCs of the file and the order of its chunks, and close it.

        Raises
        ------
        OSError
            If the file is damaged or cannot be read.
        """
        try:
            if self._encoded:
                with _oserrors():
                    parse_series(self._read()) if self._start_of_series else parse(self._read())
        finally:
            super().verify()

    def _read(self) -> bytes:
        if self.fp is None:
            raise ValueError("Operation on closed image")
        self.fp.seek(self._start)
        return self.fp.read()

    def _decode(self) -> None:
        from pixcodec.codec import decode_image

        data = self._read()
        with _oserrors():
            try:
                # Image.open has checked this size; the file may have changed since.
                image = (
                    self._decoded_frame(data)
                    if self._start_of_series
                    else decode_image(data, max_pixels=self.width * self.height)
                )
            except ModelMismatchError as error:
                raise OSError(f"{error}; Image.open takes no model, pixcodec.decode_image does") from error
        if not isinstance(image, Image.Image) or (image.mode, image.size) != (self.mode, self.size):
            raise OSError("the file has another mode or size than when it was opened")
        image.load()
        self.im, self.palette = image.im, image.palette
        for key in self.info.keys() & image.info:  # a thumbnail in the EXIF of a JPEG file is known only now
            if self.info[key] == self._found.get(key):
                self.info[key] = image.info[key]
        self.readonly = 0
        self._encoded = False
        if self.is_animated:
            return
        if self._exclusive_fp and self.fp is not None:
            self.fp.close()
        self.fp = None

    def _decoded_frame(self, data: bytes) -> Any:
        """Return the current frame; those after the last one that was decoded take no time again."""
        from pixcodec.frames.api import shown_images

        if self._shown is None or self._next != self._frame:
            assert self._start_of_series is not None  # whose pages may be larger before this one
            most = max(self.width * self.height, self._start_of_series.most_pixels)
            self._shown = shown_images(data, None, most, self._frame)
        image = next(self._shown)
        self._next = self._frame + 1
        return image


def register() -> None:
    """Register the format with Pillow; importing this module does it."""
    Image.register_open(FORMAT, PxcImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_save_all(FORMAT, _save_all)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME_TYPE)


@contextmanager
def _oserrors() -> Iterator[None]:
    """Raise pixcodec's errors as OSError, which callers of Pillow expect."""
    try:
        yield
    except PixcodecError as error:
        raise OSError(str(error)) from error


def _accept(prefix: bytes) -> bool:
    """Return whether a file starts as a .pxc file; if the rest of the magic is damaged, _open says so."""
    return prefix.startswith(MAGIC_NAME)


def _save(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    from pixcodec.codec import encode

    with _oserrors():
        data = encode(_current(im, im.encoderinfo), **_options(im))
    fp.write(data)


def _options(im: Image.Image) -> dict[str, Any]:
    given = im.encoderinfo
    return {name: given[name] for name in OPTIONS if name in given}


def _current(im: Image.Image, given: Mapping[str, Any]) -> Image.Image:
    """Return the current frame of an image alone, with the metadata that is to be saved."""
    image = im.copy()
    info: dict[Any, Any] = {"transparency": im.info.get("transparency"), **collect(im)}
    info.update((name, _plain(given[name])) for name in METADATA if name in given)
    image.info = info
    return image


def _plain(value: Any) -> Any:
    """Return EXIF, XMP or a comment as bytes; other values as they are."""
    if isinstance(value, Image.Exif):
        return value.tobytes()
    return value.encode("utf-8") if isinstance(value, str) else value


def _save_all(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    """Save all frames of an image and of ``append_images``; with durations they are an animation."""
    from pixcodec.codec import encode

    given = im.encoderinfo
    images, durations = [], []
    for source in [im, *(given.get("append_images") or ())]:
        for frame in ImageSequence.Iterator(source):
            images.append(_current(frame, given))
            durations.append(frame.info.get("duration"))
    if len(images) == 1:
        return _save(im, fp, filename)
    info: dict[str, Any] | None = None
    if "duration" in given or any(duration is not None for duration in durations):
        each = [0 if duration is None else duration for duration in durations]
        info = {"duration": given.get("duration", each), "loop": given.get("loop", im.info.get("loop"))}
    with _oserrors():
        data = encode(images, info=info, **_options(im))
    fp.write(data)


register()
