"""The other codecs, one small class each, at the lossless settings that make the smallest files.

Every library but Pillow, which reads the images, is imported when a codec is used, so that a codec's
process holds that library only and a machine without it can still measure the others.
"""

# ruff: noqa: D102 -- the methods that every codec has are documented once, in `Codec`

from __future__ import annotations

import importlib
import importlib.metadata
import io
import struct
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np
import PIL
from PIL import Image, features

from pixcodec.bench import colour
from pixcodec.bench.codec import ANY, GREY, RGB, RGBA, Codec, ImageArray
from pixcodec.bench.images import pixels_of

_MAX_COLOURS = 256  # of a PNG palette
_MAX_GREYS = 16  # of a grey palette that saves bits
_ROWS_APART = 8  # of those that are looked at first, for the number of colours


class Png(Codec):
    """PNG by Pillow, with its own optimisation: what most Python programs write.

    Images of few colours or greys become a palette, as they often were in their own file.
    """

    name = "png"
    label = "PNG (Pillow, optimize)"
    settings = "optimize=True (zlib level 9), a palette for few colours"
    keeps_mode = False
    channels_16 = frozenset((GREY,))

    def available(self) -> bool:
        return True

    def version(self) -> str:
        return f"Pillow {PIL.__version__}, zlib {features.version('zlib')}"

    def encode(self, image: ImageArray) -> bytes:
        return _pillow_save(with_palette(image) or Image.fromarray(image), "PNG", optimize=True)

    def decode(self, data: bytes) -> ImageArray:
        return pixels_of(data)


class OxiPng(Png):
    """PNG by oxipng: all filters, libdeflate's strongest search, and the smallest mode."""

    name = "oxipng"
    label = "PNG (oxipng 6)"
    settings = "level=6 (libdeflate)"
    threaded = True  # by RAYON_NUM_THREADS, which the codec's process gets
    channels_16 = ANY

    def available(self) -> bool:
        return find_spec("oxipng") is not None

    def version(self) -> str:
        return f"pyoxipng {importlib.metadata.version('pyoxipng')}"

    def encode(self, image: ImageArray) -> bytes:
        channels = 1 if image.ndim == 2 else image.shape[2]
        kind = ("grayscale", "grayscale_alpha", "rgb", "rgba")[channels - 1]
        raw = self._oxipng.RawImage(
            image.astype(image.dtype.newbyteorder(">")).tobytes(),
            image.shape[1],
            image.shape[0],
            color_type=getattr(self._oxipng.ColorType, kind)(),
            bit_depth=8 * image.dtype.itemsize,
        )
        return bytes(raw.create_optimized_png(**self._options()))

    def _options(self) -> dict[str, Any]:
        return {"level": 6}

    @property
    def _oxipng(self) -> Any:
        return importlib.import_module("oxipng")


class Zopfli(OxiPng):
    """PNG by oxipng with Zopfli, which searches far longer than libdeflate."""

    name = "zopfli"
    label = "PNG (oxipng, Zopfli)"
    settings = "level=6, Zopfli with 15 iterations"

    def _options(self) -> dict[str, Any]:
        return {"level": 6, "deflate": self._oxipng.Deflaters.zopfli(15)}


class WebP(Codec):
    """WebP lossless at its slowest and strongest setting."""

    name = "webp"
    label = "WebP lossless (m6)"
    settings = "lossless=True, method=6, quality=100, exact=True"
    keeps_mode = False
    package = "a Pillow that has WebP"

    def available(self) -> bool:
        return bool(features.check("webp"))

    def version(self) -> str:
        return f"libwebp {features.version('webp')} (Pillow {PIL.__version__})"

    def encode(self, image: ImageArray) -> bytes:
        options = {"lossless": True, "method": 6, "quality": 100, "exact": True}
        return _pillow_save(Image.fromarray(image), "WEBP", **options)

    def decode(self, data: bytes) -> ImageArray:
        return pixels_of(data)


class ImagecodecsCodec(Codec):
    """What the codecs from the imagecodecs package have in common."""

    library: ClassVar[str]  # the attribute of imagecodecs that knows whether the codec was built in

    def available(self) -> bool:
        if find_spec("imagecodecs") is None:
            return False
        return bool(getattr(self._imagecodecs, self.library.upper()).available)

    def version(self) -> str:
        library = getattr(self._imagecodecs, f"{self.library}_version")()
        return f"{library} (imagecodecs {self._imagecodecs.__version__})"

    def decode(self, data: bytes) -> ImageArray:
        return np.asarray(getattr(self._imagecodecs, f"{self.library}_decode")(data))

    @property
    def _imagecodecs(self) -> Any:
        return importlib.import_module("imagecodecs")


class JpegXlEffort7(ImagecodecsCodec):
    """JPEG XL, lossless modular mode, at the default effort of its tools."""

    name = "jxl7"
    label = "JPEG XL e7"
    settings = "lossless=True (modular), effort=7, bare codestream"
    threaded = True
    channels_16 = ANY
    library = "jpegxl"
    effort: ClassVar[int] = 7

    def encode(self, image: ImageArray) -> bytes:
        encode = self._imagecodecs.jpegxl_encode
        return bytes(encode(image, lossless=True, effort=self.effort, numthreads=self.threads))

    def decode(self, data: bytes) -> ImageArray:
        return np.asarray(self._imagecodecs.jpegxl_decode(data, numthreads=self.threads))


class JpegXlEffort9(JpegXlEffort7):
    """JPEG XL, lossless modular mode, at its strongest ordinary effort."""

    name = "jxl9"
    label = "JPEG XL e9"
    settings = "lossless=True (modular), effort=9, bare codestream"
    effort = 9


class JpegLs(ImagecodecsCodec):
    """JPEG-LS with the best of four colour transforms, each plane a stream of its own.

    One stream a plane is 2.5-3 % smaller than one interleaved stream. An RGB image is one byte (the
    transform's index), the lengths of the first two streams as little-endian u32, and the streams;
    a grey image is its JPEG-LS stream, which begins with 0xFF.
    """

    name = "jpegls"
    label = "JPEG-LS + HP1/2/3"
    settings = "near=0, one stream a plane, best of no transform, HP1, HP2, HP3"
    channels_8 = frozenset((GREY, RGB))
    channels_16 = frozenset((GREY,))
    library = "jpegls"
    lengths = struct.Struct("<BII")

    def encode(self, image: ImageArray) -> bytes:
        if image.ndim == 2:
            return self._encode_plane(image)
        red, green, blue = (np.ascontiguousarray(image[..., c]) for c in range(3))
        candidates = []
        for index, transform in enumerate(colour.TRANSFORMS):
            planes = colour.forward(transform, red, green, blue)
            streams = [self._encode_plane(plane) for plane in planes]
            header = self.lengths.pack(index, len(streams[0]), len(streams[1]))
            candidates.append(header + b"".join(streams))
        return min(candidates, key=len)

    def decode(self, data: bytes) -> ImageArray:
        if data[0] == 0xFF:
            return self._decode_plane(data)
        index, first_bytes, second_bytes = self.lengths.unpack_from(data)
        first_end = self.lengths.size + first_bytes
        second_end = first_end + second_bytes
        streams = data[self.lengths.size : first_end], data[first_end:second_end], data[second_end:]
        first, second, third = (self._decode_plane(stream) for stream in streams)
        return np.stack(colour.inverse(colour.TRANSFORMS[index], first, second, third), axis=-1)

    def _encode_plane(self, plane: ImageArray) -> bytes:
        return bytes(self._imagecodecs.jpegls_encode(plane))

    def _decode_plane(self, data: bytes) -> ImageArray:
        return np.asarray(self._imagecodecs.jpegls_decode(data))


class Jpeg2000(ImagecodecsCodec):
    """JPEG 2000 with the reversible wavelet and the reversible colour transform."""

    name = "jp2k"
    label = "JPEG 2000 + RCT"
    settings = "reversible 5/3 wavelet, RCT, 64x64 code blocks, one tile, bare codestream"
    threaded = True
    channels_8 = channels_16 = frozenset((GREY, RGB))
    library = "jpeg2k"

    def encode(self, image: ImageArray) -> bytes:
        encode = self._imagecodecs.jpeg2k_encode
        return bytes(encode(image, reversible=True, mct=True, codecformat="j2k", numthreads=self.threads))

    def decode(self, data: bytes) -> ImageArray:
        return np.asarray(self._imagecodecs.jpeg2k_decode(data, numthreads=self.threads))


class Qoi(ImagecodecsCodec):
    """QOI, which has one setting; a grey image is coded as RGB, for it has no grey mode."""

    name = "qoi"
    label = "QOI"
    settings = "none to set"
    keeps_mode = False
    channels_8 = frozenset((GREY, RGB, RGBA))
    library = "qoi"

    def encode(self, image: ImageArray) -> bytes:
        colours = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
        return bytes(self._imagecodecs.qoi_encode(colours))


class Avif(ImagecodecsCodec):
    """AVIF with the coefficients of AV1 in its lossless mode, RGB as green, blue, red (identity matrix)."""

    name = "avif"
    label = "AVIF lossless"
    settings = "level=100 (lossless), speed=0, no subsampling, identity matrix"
    threaded = True
    library = "avif"

    def encode(self, image: ImageArray) -> bytes:
        pixelformat = "444" if image.ndim == 3 and image.shape[2] > 2 else "400"
        options = {"level": 100, "speed": 0, "pixelformat": pixelformat, "numthreads": self.threads}
        return bytes(self._imagecodecs.avif_encode(image, **options))

    def decode(self, data: bytes) -> ImageArray:
        return np.asarray(self._imagecodecs.avif_decode(data, numthreads=self.threads))


class Flif(Codec):
    """FLIF, which no maintained Python package offers."""

    name = "flif"
    label = "FLIF"
    settings = "none"

    def available(self) -> bool:
        return False

    def missing(self) -> str:
        return "no maintained Python package has it; its successor is JPEG XL's modular mode (jxl7, jxl9)"

    def version(self) -> str:
        raise NotImplementedError(self.missing())

    def encode(self, image: ImageArray) -> bytes:
        raise NotImplementedError(self.missing())

    def decode(self, data: bytes) -> ImageArray:
        raise NotImplementedError(self.missing())


def with_palette(image: ImageArray) -> Image.Image | None:
    """Return an image of few colours or greys as one that takes fewer bits a pixel, None if it has more.

    Parameters
    ----------
    image : ndarray of uint8, (H, W) or (H, W, C)

    Returns
    -------
    Image.Image or None
        Of mode 1 for black and white alone, P for up to 16 greys or 256 colours.
    """
    if image.dtype != np.uint8 or (image.ndim == 3 and image.shape[2] == 2):
        return None
    most = _MAX_GREYS if image.ndim == 2 else _MAX_COLOURS
    packed = image if image.ndim == 2 else _packed(image)
    if len(np.unique(packed[::_ROWS_APART])) > most:
        return None
    values, indexes = np.unique(packed, return_inverse=True)
    if len(values) > most:
        return None
    if image.ndim == 2 and set(values.tolist()) <= {0, 255}:
        return Image.fromarray(image).convert("1", dither=Image.Dither.NONE)
    paletted = Image.fromarray(indexes.reshape(packed.shape).astype(np.uint8), "L").convert("P")
    colours = values.astype("<u4").view(np.uint8).reshape(-1, 4)
    if image.ndim == 2:
        paletted.putpalette(np.repeat(values.astype(np.uint8), 3).tobytes(), "RGB")
    elif image.shape[2] == 3:
        paletted.putpalette(np.ascontiguousarray(colours[:, :3]).tobytes(), "RGB")
    else:
        paletted.putpalette(colours.tobytes(), "RGBA")
    return paletted


def _packed(image: ImageArray) -> ImageArray:
    """Return the colours (H, W, 3 or 4) of uint8 as numbers, (H, W) of uint32, the first channel lowest."""
    weights = np.array([1, 1 << 8, 1 << 16, 1 << 24], np.uint32)[: image.shape[2]]
    packed: ImageArray = (image * weights).sum(2, dtype=np.uint32)
    return packed


def _pillow_save(image: Image.Image, file_format: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, file_format, **settings)
    return stream.getvalue()
