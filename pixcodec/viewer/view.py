"""An image of any kind -> the pixels that a browser shows, and the samples that it tells.

Shapes: H W height and width of the image, C its channels.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixcodec.explain.views import Pixels, shown

Samples = npt.NDArray[Any]

_NAMES: dict[str, tuple[str, ...]] = {
    "1": ("white",),
    "L": ("grey",),
    "LA": ("grey", "alpha"),
    "RGB": ("red", "green", "blue"),
    "RGBA": ("red", "green", "blue", "alpha"),
    "CMYK": ("cyan", "magenta", "yellow", "black"),
    "F": ("grey",),
    "I": ("grey",),
}
_NAMES_OF_CHANNELS = {names_of: _NAMES[mode] for names_of, mode in enumerate(("L", "LA", "RGB", "RGBA"), 1)}
_OPAQUE = ("L", "RGB")  # modes whose pixels are their samples
_WITH_ALPHA = (2, 4)  # channels of arrays


class View(NamedTuple):
    """What is seen of an image.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W, 3) or (H, W, 4)
        Red, green, blue and alpha, to look at.
    names : tuple of str
        Of the channels.
    samples : ndarray or None
        The samples themselves, shape (H, W, C), if they are not what ``pixels`` has: of more than 8 bits,
        with alpha, of another colour space. Of one channel ``pixels`` has it three times.
    """

    pixels: Pixels
    names: tuple[str, ...]
    samples: Samples | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]


def view_of(image: Any, bit_depth: int = 16) -> View:
    """Return what is seen of a PIL image or of an array.

    Parameters
    ----------
    image : PIL.Image.Image or ndarray
        As :func:`pixcodec.decode_image` returns it.
    bit_depth : int
        Of the samples of uint16: the brightest sample is ``2**bit_depth - 1``.
    """
    if not isinstance(image, Image.Image):
        return _of_array(np.asarray(image), bit_depth)
    if image.mode.startswith("I;16"):
        return _of_array(np.asarray(image, np.uint16), bit_depth)
    if image.mode in ("P", "PA", "L", "RGB", "1") and image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode == "P":
        image = image.convert("RGB")
    if image.mode in ("LA", "RGBA"):
        samples = np.asarray(image)
        return View(np.asarray(image.convert("RGBA")), _NAMES[image.mode], samples)
    if image.mode in _OPAQUE:
        return View(shown(image), _NAMES[image.mode])
    bands = np.asarray(image)
    bands = bands.astype(np.uint8) if bands.dtype == np.bool_ else bands
    names = _NAMES.get(image.mode, tuple(map(str.lower, image.getbands())))
    return View(shown(image), names, bands.reshape(*bands.shape[:2], -1))


def _of_array(array: Samples, bit_depth: int) -> View:
    samples = array.reshape(*array.shape[:2], -1)
    if samples.dtype == np.bool_:
        samples = samples.astype(np.uint8)
        return View(shown(samples * np.uint8(255)), _NAMES["1"], samples)
    channels = samples.shape[2]
    names = _NAMES_OF_CHANNELS.get(channels, tuple(f"band {band}" for band in range(1, channels + 1)))
    if samples.dtype == np.uint16:
        top = max(2**bit_depth - 1, int(samples.max(initial=0)))
        shades: Pixels = (np.arange(top + 1) * 255 // top).astype(np.uint8)
        pixels = shades[samples]
    elif samples.dtype == np.uint8:
        pixels = samples
    else:
        return View(shown(samples), names, _plain(samples))
    looked = shown(pixels)
    if channels in _WITH_ALPHA:
        looked = np.dstack([looked, pixels[:, :, -1]])
    exact = samples.dtype == np.uint8 and channels in (1, 3)
    return View(looked, names, None if exact else samples)


def _plain(samples: Samples) -> Samples:
    """Return samples of a type that scripts of browsers know."""
    return samples.astype(np.float32) if samples.dtype == np.float16 else samples
