"""The codecs that keep a JPEG file byte for byte, one small class each, at their best settings.

Their libraries are imported when a codec is used, in a process that only encodes or only decodes, with one
thread.
"""

# ruff: noqa: D102 -- the methods that every codec has are documented once, in `JpegCodec`

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, ClassVar, NamedTuple


class JpegCodec(ABC):
    """A codec under test, whose input is a JPEG file and whose decoder gives this file back."""

    name: ClassVar[str]
    label: ClassVar[str]
    settings: ClassVar[str]
    module: ClassVar[str]  # that codes
    package: ClassVar[str]  # that has the module

    def available(self) -> bool:
        """Say whether the codec's library is there."""
        return find_spec(self.module) is not None

    def version(self) -> str:
        """Name the library that codes, with its version."""
        return f"{self.package} {importlib.metadata.version(self.package)}"

    @abstractmethod
    def encode(self, file: bytes) -> bytes:
        """Encode a JPEG file; any exception is a refusal."""

    @abstractmethod
    def decode(self, data: bytes) -> bytes:
        """Give the JPEG file back."""

    @property
    def _library(self) -> Any:
        return importlib.import_module(self.module)


class JpegXlEffort7(JpegCodec):
    """JPEG XL: the coefficients, and how the JPEG file writes them, at the default effort of its tools."""

    name = "jxl7"
    label = "JPEG XL e7"
    settings = "transcoded, effort=7, container"
    module = "pillow_jxl"
    package = "pillow-jxl-plugin"
    effort: ClassVar[int] = 7

    def encode(self, file: bytes) -> bytes:
        # num_threads=0 is no thread beside this one. The mode and the shape are those of the JPEG file.
        encoder = self._library.Encoder(
            "RGB",
            lossless=True,
            effort=self.effort,
            use_container=True,
            use_original_profile=True,
            num_threads=0,
        )
        return bytes(encoder(file, 1, 1, jpeg_encode=True))

    def decode(self, data: bytes) -> bytes:
        is_jpeg, _, file, *_ = self._library.Decoder(num_threads=0)(data)
        if not is_jpeg:
            raise ValueError("the JPEG XL file does not hold a JPEG file")
        return bytes(file)


class JpegXlEffort9(JpegXlEffort7):
    """JPEG XL at its strongest ordinary effort."""

    name = "jxl9"
    label = "JPEG XL e9"
    settings = "transcoded, effort=9, container"
    effort = 9


class Lepton(JpegCodec):
    """Lepton, the port to Rust, in one partition: it is the smallest, and takes one thread."""

    name = "lepton"
    label = "Lepton"
    settings = "one partition, no limits of the shape"
    module = "lepton_jpeg_python"
    package = "lepton-jpeg-python"
    limits: ClassVar[dict[str, object]] = {
        "max_partitions": 1,
        "max_jpeg_width": 65535,
        "max_jpeg_height": 65535,
        "reject_dqts_with_zeros": False,
    }

    def encode(self, file: bytes) -> bytes:
        return bytes(self._library.compress_bytes(file, self.limits))

    def decode(self, data: bytes) -> bytes:
        return bytes(self._library.decompress_bytes(data, self.limits))


class PixcodecFast(JpegCodec):
    """pixcodec, effort "fast"."""

    name = "pixcodec-fast"
    label = "pixcodec fast"
    settings = 'the file is kept, effort="fast"'
    module = package = "pixcodec"
    effort: ClassVar[str] = "fast"

    def version(self) -> str:
        return f"pixcodec {self._library.__version__}"

    def encode(self, file: bytes) -> bytes:
        return bytes(self._library.encode(file, effort=self.effort))

    def decode(self, data: bytes) -> bytes:
        return bytes(self._library.restore(data))


class PixcodecNormal(PixcodecFast):
    """pixcodec, effort "normal", the default."""

    name = "pixcodec-normal"
    label = "pixcodec normal"
    settings = 'the file is kept, effort="normal"'
    effort = "normal"


class PixcodecMax(PixcodecFast):
    """pixcodec, effort "max"."""

    name = "pixcodec-max"
    label = "pixcodec max"
    settings = 'the file is kept, effort="max"'
    effort = "max"


JPEG_CODECS: dict[str, type[JpegCodec]] = {
    codec.name: codec
    for codec in (JpegXlEffort7, JpegXlEffort9, Lepton, PixcodecFast, PixcodecNormal, PixcodecMax)
}


class Coded(NamedTuple):
    """What came of a file."""

    data: bytes | None  # None if the codec refused it
    seconds: float  # median of the repeats
    reason: str  # of the refusal


@functools.cache
def find_jpeg_codec(spec: str) -> JpegCodec:
    """Find a codec by its name in `JPEG_CODECS`, or import it as ``module:Class``.

    Raises
    ------
    KeyError
        No codec has that name.
    """
    if ":" in spec:
        module, _, name = spec.partition(":")
        codec: JpegCodec = getattr(importlib.import_module(module), name)()
        return codec
    if spec not in JPEG_CODECS:
        raise KeyError(f"expected one of {', '.join(JPEG_CODECS)} or module:Class, found {spec!r}")
    return JPEG_CODECS[spec]()


def encode_file(spec: str, file: bytes, repeat: int) -> Coded:
    """Encode a JPEG file."""
    return _coded(find_jpeg_codec(spec).encode, file, repeat)


def decode_file(spec: str, data: bytes, repeat: int) -> Coded:
    """Decode what `encode_file` gave."""
    return _coded(find_jpeg_codec(spec).decode, data, repeat)


def _coded(code: Callable[[bytes], bytes], data: bytes, repeat: int) -> Coded:
    seconds = []
    try:
        for _ in range(repeat):
            start = time.perf_counter()
            coded = code(data)
            seconds.append(time.perf_counter() - start)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of Rust is not an Exception
        return Coded(None, 0.0, f"{type(error).__name__}: {error}"[:200])
    return Coded(coded, statistics.median(seconds), "")
