"""Pillow plugin: after ``import pixcodec.pillow_plugin``, Image.open and Image.save know .pxc files.

>>> import io
>>> from PIL import Image
>>> file = io.BytesIO()
>>> Image.new("RGB", (5, 3), "teal").save(file, "PXC", effort="fast")
>>> Image.open(file).size
(5, 3)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from PIL import Image, ImageFile

from pixcodec.container.beginning import parse_start, read_beginning
from pixcodec.container.chunks import MAGIC
from pixcodec.container.container import parse
from pixcodec.errors import ModelMismatchError, NotPixcodecError, PixcodecError
from pixcodec.images.pillow_info import collect

FORMAT = "PXC"
EXTENSION = ".pxc"
MIME_TYPE = "image/x-pixcodec"

# Parameters of Image.save: the first go to pixcodec.encode, the others stand in for what image.info has.
OPTIONS = ("effort", "order", "model", "threads", "verify", "progress", "strip")
METADATA = ("comment", "dpi", "exif", "gamma", "icc_profile", "text", "transparency", "xmp")


class PxcImageFile(ImageFile.ImageFile):
    """An opened .pxc file, whose pixels are decoded when they are first asked for.

    Raises
    ------
    SyntaxError
        If the file is not a .pxc file; Pillow then tries its other plugins.
    OSError
        If the header is damaged or needs another version of pixcodec.
    """

    format = FORMAT
    format_description = "pixcodec lossless image"

    _encoded = False  # an unpickled image has no file

    def _open(self) -> None:
        from pixcodec.codec import header_image  # numba takes a second to import
        from pixcodec.images.picture import to_palette

        assert self.fp is not None
        self._start = self.fp.tell()
        with _oserrors():
            try:
                beginning = read_beginning(self.fp)
                mode, size, info = header_image(beginning)
                if mode == "P":  # Pillow looks at the palette of an image that is not loaded yet
                    for chunk in parse_start(beginning)[1]:
                        if chunk.type == "PLTE":
                            self.palette = to_palette(chunk.payload)
            except NotPixcodecError as error:
                raise SyntaxError(str(error)) from error
        if mode is None:
            raise OSError(
                "Pillow has no mode for the image, whose subpixels have 16 bits: use pixcodec.decode"
            )
        self._mode = mode
        self._size = size
        self.info.update(info)
        self.tile = []  # none for Pillow's own decoders
        self._loading = threading.Lock()
        self._encoded = True

    def load(self) -> Any:
        """Decode the pixels, unless that has been done.

        Raises
        ------
        OSError
            If the file is damaged, cannot be read or needs a model that is not at hand.
        ValueError
            If the image has been closed.
        """
        if self._encoded:
            with self._loading:
                if self._encoded:
                    self._decode()
        return super().load()

    def verify(self) -> None:
        """Check that the file is whole, by its checksums, and close it.

        Raises
        ------
        OSError
            If the file is damaged or cannot be read.
        """
        try:
            if self._encoded:
                with _oserrors():
                    parse(self._read())
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
                # Pillow has judged the size: the image must not have grown since.
                image = decode_image(data, max_pixels=self.width * self.height)
            except ModelMismatchError as error:
                raise OSError(f"{error}; Image.open takes no model, pixcodec.decode_image does") from error
        if not isinstance(image, Image.Image) or (image.mode, image.size) != (self.mode, self.size):
            raise OSError("the file has another mode or size than when it was opened")
        image.load()
        self.im, self.palette = image.im, image.palette
        self.readonly = 0
        self._encoded = False
        if self._exclusive_fp and self.fp is not None:
            self.fp.close()
        self.fp = None


def register() -> None:
    """Teach Pillow the format; importing this module does it."""
    Image.register_open(FORMAT, PxcImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_save_all(FORMAT, _save_all)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME_TYPE)


@contextmanager
def _oserrors() -> Iterator[None]:
    """Turn pixcodec's errors into those that callers of Pillow expect."""
    try:
        yield
    except PixcodecError as error:
        raise OSError(str(error)) from error


def _accept(prefix: bytes) -> bool:
    # What a transfer as text damages is the rest of the magic: _open says so.
    return prefix.startswith(MAGIC[:4])


def _save(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    from pixcodec.codec import encode

    given = im.encoderinfo
    image = im.copy()  # the current frame only, as Pillow's other formats save it
    info: dict[Any, Any] = {"transparency": im.info.get("transparency"), **collect(im)}
    info.update((name, _plain(given[name])) for name in METADATA if name in given)
    image.info = info
    with _oserrors():
        data = encode(image, **{name: given[name] for name in OPTIONS if name in given})
    fp.write(data)


def _plain(value: Any) -> Any:
    """Return EXIF, XMP or a comment as bytes, in whichever form it was given."""
    if isinstance(value, Image.Exif):
        return value.tobytes()
    return value.encode("utf-8") if isinstance(value, str) else value


def _save_all(im: Image.Image, fp: IO[bytes], filename: str | bytes) -> None:
    images = [im, *(im.encoderinfo.get("append_images") or ())]
    frames = sum(getattr(image, "n_frames", 1) for image in images)
    if frames > 1:
        raise OSError(f"image has {frames} frames, a .pxc file holds one: save each frame by itself")
    _save(im, fp, filename)


register()
