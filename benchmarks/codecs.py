"""The codecs that are compared, one small class each, at their best lossless settings.

Every library but Pillow, which reads the images, is imported when a codec is used, so that a codec's
process holds that library only and a machine without it can still measure the others.
"""

# ruff: noqa: D102 -- the methods that every codec has are documented once, in `Codec`

from __future__ import annotations

import importlib
import importlib.metadata
import io
import struct
from abc import ABC, abstractmethod
from importlib.util import find_spec
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import PIL
from PIL import Image, features

from benchmarks import colour

ImageArray: TypeAlias = npt.NDArray[np.uint8]  # (H, W) or (H, W, 3)

EFFORTS = ("fast", "normal", "max")


class Codec(ABC):
    """A lossless codec under test.

    Parameters
    ----------
    threads : int
        Threads that encode and decode may use; a codec with ``threaded = False`` uses one.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    settings: ClassVar[str]
    threaded: ClassVar[bool] = False
    keeps_mode: ClassVar[bool] = True  # False: grey may come back as three equal channels, or they as grey

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads if self.threaded else 1

    @abstractmethod
    def available(self) -> bool:
        """Import the codec's library; say whether it is there and has this codec."""

    @abstractmethod
    def version(self) -> str:
        """Name the library that codes, with its version."""

    @abstractmethod
    def encode(self, image: ImageArray) -> bytes:
        """Encode a uint8 image, (H, W) or (H, W, 3), without loss."""

    @abstractmethod
    def decode(self, data: bytes) -> ImageArray:
        """Decode what `encode` gave, to a uint8 image."""

    def is_exact(self, image: ImageArray, decoded: ImageArray) -> bool:
        """Say whether a decoded image is the original: same type, same shape, every subpixel equal."""
        if not self.keeps_mode:
            image, decoded = _as_rgb(image), _as_rgb(decoded)
        return decoded.dtype == image.dtype and np.array_equal(image, decoded)


def _as_rgb(image: ImageArray) -> ImageArray:
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


class Png(Codec):
    """PNG by Pillow, with its own optimisation: what most Python programs write."""

    name = "png"
    label = "PNG (Pillow, optimize)"
    settings = "optimize=True (zlib level 9)"

    def available(self) -> bool:
        return True

    def version(self) -> str:
        return f"Pillow {PIL.__version__}, zlib {features.version('zlib')}"

    def encode(self, image: ImageArray) -> bytes:
        return _pillow_save(image, "PNG", optimize=True)

    def decode(self, data: bytes) -> ImageArray:
        return _pillow_open(data, "PNG")


class OxiPng(Png):
    """PNG by oxipng: all filters and libdeflate's strongest search."""

    name = "oxipng"
    label = "PNG (oxipng 6)"
    settings = "level=6 (libdeflate)"
    threaded = True  # by RAYON_NUM_THREADS, which run.py sets for the codec's process
    keeps_mode = False  # an RGB image whose channels are equal becomes a grey file

    def available(self) -> bool:
        return find_spec("oxipng") is not None

    def version(self) -> str:
        return f"pyoxipng {importlib.metadata.version('pyoxipng')}"

    def encode(self, image: ImageArray) -> bytes:
        oxipng = importlib.import_module("oxipng")
        kind = oxipng.ColorType.grayscale() if image.ndim == 2 else oxipng.ColorType.rgb()
        raw = oxipng.RawImage(image.tobytes(), image.shape[1], image.shape[0], color_type=kind)
        return bytes(raw.create_optimized_png(level=6))


class WebP(Codec):
    """WebP lossless at its slowest and strongest setting."""

    name = "webp"
    label = "WebP lossless (m6)"
    settings = "lossless=True, method=6, quality=100"
    keeps_mode = False

    def available(self) -> bool:
        return bool(features.check("webp"))

    def version(self) -> str:
        return f"libwebp {features.version('webp')} (Pillow {PIL.__version__})"

    def encode(self, image: ImageArray) -> bytes:
        return _pillow_save(image, "WEBP", lossless=True, method=6, quality=100)

    def decode(self, data: bytes) -> ImageArray:
        return _pillow_open(data, "WEBP")


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

    name = "jxl-e7"
    label = "JPEG XL e7"
    settings = "lossless=True (modular), effort=7, bare codestream"
    threaded = True
    library = "jpegxl"
    effort: ClassVar[int] = 7

    def encode(self, image: ImageArray) -> bytes:
        encode = self._imagecodecs.jpegxl_encode
        return bytes(encode(image, lossless=True, effort=self.effort, numthreads=self.threads))

    def decode(self, data: bytes) -> ImageArray:
        return np.asarray(self._imagecodecs.jpegxl_decode(data, numthreads=self.threads))


class JpegXlEffort9(JpegXlEffort7):
    """JPEG XL, lossless modular mode, at its strongest ordinary effort."""

    name = "jxl-e9"
    label = "JPEG XL e9"
    settings = "lossless=True (modular), effort=9, bare codestream"
    effort = 9


class JpegLs(ImagecodecsCodec):
    """JPEG-LS with the best of four colour transforms, each plane a stream of its own.

    One stream a plane is 2.5-3 % smaller than one interleaved stream. An RGB image is one byte (the
    transform's index), the lengths of the first two streams as little-endian u32, and the streams;
    a grey image is its JPEG-LS stream, which begins with 0xFF.
    """

    name = "jpeg-ls"
    label = "JPEG-LS + HP1/2/3"
    settings = "near=0, one stream a plane, best of no transform, HP1, HP2, HP3"
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

    name = "jpeg-2000"
    label = "JPEG 2000 + RCT"
    settings = "reversible 5/3 wavelet, RCT, 64x64 code blocks, one tile, bare codestream"
    threaded = True
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
    library = "qoi"

    def encode(self, image: ImageArray) -> bytes:
        return bytes(self._imagecodecs.qoi_encode(_as_rgb(image)))


class PixcodecFast(Codec):
    """pixcodec, effort "fast": the network alone."""

    name = "pixcodec-fast"
    label = "pixcodec fast"
    settings = 'effort="fast"'
    threaded = True
    effort: ClassVar[str] = "fast"

    def available(self) -> bool:
        return find_spec("pixcodec") is not None and hasattr(self._pixcodec, "encode")

    def version(self) -> str:
        models = (f"{model.name} {model.model_id[:8]}" for model in self._pixcodec.list_models())
        return f"pixcodec {self._pixcodec.__version__} (models {', '.join(models)})"

    def encode(self, image: ImageArray) -> bytes:
        return bytes(self._pixcodec.encode(image, effort=self.effort, threads=self.threads))

    def decode(self, data: bytes) -> ImageArray:
        return np.asarray(self._pixcodec.decode(data, threads=self.threads))

    @property
    def _pixcodec(self) -> Any:
        return importlib.import_module("pixcodec")


class PixcodecNormal(PixcodecFast):
    """pixcodec, effort "normal", the default."""

    name = "pixcodec-normal"
    label = "pixcodec normal"
    settings = 'effort="normal"'
    effort = "normal"


class PixcodecMax(PixcodecFast):
    """pixcodec, effort "max"."""

    name = "pixcodec-max"
    label = "pixcodec max"
    settings = 'effort="max"'
    effort = "max"


CODECS: dict[str, type[Codec]] = {
    codec.name: codec
    for codec in (
        Png,
        OxiPng,
        WebP,
        JpegLs,
        Jpeg2000,
        Qoi,
        JpegXlEffort7,
        JpegXlEffort9,
        PixcodecFast,
        PixcodecNormal,
        PixcodecMax,
    )
}


def find_codec(spec: str) -> type[Codec]:
    """Find a codec class by its name in `CODECS`, or import it as ``module:Class``.

    Raises
    ------
    KeyError
        No codec has that name.
    """
    if ":" in spec:
        module, _, name = spec.partition(":")
        found: type[Codec] = getattr(importlib.import_module(module), name)
        return found
    if spec not in CODECS:
        raise KeyError(f"expected one of {', '.join(CODECS)} or module:Class, found {spec!r}")
    return CODECS[spec]


def _pillow_save(image: ImageArray, file_format: str, **settings: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, file_format, **settings)
    return stream.getvalue()


def _pillow_open(data: bytes, file_format: str) -> ImageArray:
    with Image.open(io.BytesIO(data), formats=[file_format]) as image:
        # oxipng writes a palette or a bilevel file where that is smaller.
        mode = {"L": "L", "1": "L"}.get(image.mode, "RGB")
        return np.asarray(image.convert(mode))
