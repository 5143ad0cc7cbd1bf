"""What every codec under test offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from pixcodec.bench.images import as_rgba

ImageArray: TypeAlias = npt.NDArray[Any]  # uint8 or uint16, (H, W), or (H, W, C) with C from 2 to 4

GREY, GREY_ALPHA, RGB, RGBA = 1, 2, 3, 4  # channels
ANY = frozenset((GREY, GREY_ALPHA, RGB, RGBA))


class Codec(ABC):
    """A lossless codec under test.

    Parameters
    ----------
    threads : int
        Threads that encode and decode may use; a codec with ``threaded = False`` uses one.

    Attributes
    ----------
    name, label : str
        For the command line and results; for people.
    settings : str
        Those that make the smallest files.
    threaded : bool
    keeps_mode : bool
        False: another mode with the same colours may come back, such as grey as three equal channels.
    package : str
        What to install where the codec is not available.
    channels_8, channels_16 : frozenset of int
        Of the images with 8 and with 16 bits that it holds.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    settings: ClassVar[str]
    threaded: ClassVar[bool] = False
    keeps_mode: ClassVar[bool] = True
    package: ClassVar[str] = "'pixcodec[bench]'"
    channels_8: ClassVar[frozenset[int]] = ANY
    channels_16: ClassVar[frozenset[int]] = frozenset()

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
        """Encode an image without loss."""

    @abstractmethod
    def decode(self, data: bytes) -> ImageArray:
        """Decode what `encode` gave."""

    def missing(self) -> str:
        """Say why a codec that is not available is not, and what to do about it."""
        return f"not installed: pip install {self.package}"

    def holds(self, image: ImageArray) -> bool:
        """Say whether the codec has a mode for this image."""
        channels = 1 if image.ndim == 2 else image.shape[2]
        return channels in (self.channels_8 if image.dtype == np.uint8 else self.channels_16)

    def is_exact(self, image: ImageArray, decoded: ImageArray) -> bool:
        """Say whether a decoded image is the original: same type, same shape, every subpixel equal."""
        if not self.keeps_mode:
            image, decoded = as_rgba(image), as_rgba(decoded)
        return decoded.dtype == image.dtype and np.array_equal(image, decoded)
