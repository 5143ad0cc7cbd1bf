"""Small animations for tests: a letter that moves over a still background, in several forms."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

import samples
from pixcodec.container.frames import Disposal, SeriesKind, Setting
from pixcodec.container.header import Mode
from pixcodec.images.colours import pack_colours
from pixcodec.images.gif import write_gif
from pixcodec.images.picture import Picture, to_picture
from pixcodec.images.series import Frame, Series
from pixcodec.images.transparency import pack_transparency

Pixels = npt.NDArray[np.uint8]
COLOURS = np.array([[0, 0, 0], [255, 255, 255], [200, 30, 30], [30, 30, 200], [1, 2, 3]], np.uint8)
CLEAR = 4  # the transparent index


def moving(count: int, height: int = 21, width: int = 33) -> list[Pixels]:
    """Return frames of indices (H, W): a block that moves over stripes."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for number in range(count):
        frame = ((x // 5 + y // 7) % 2).astype(np.uint8)
        frame[3 + number : 9 + number, 2 + 3 * number : 7 + 3 * number] = 2 + number % 2
        frames.append(frame)
    return frames


def indexed(pixels: Pixels, *, clear: int | None = CLEAR, colours: Pixels = COLOURS) -> Picture:
    """Return indices (H, W) of COLOURS, one of them transparent, as a picture."""
    palette = bytes([3]) + pack_colours(colours)
    depth = max(1, int(pixels.max()).bit_length())
    return Picture(Mode.PALETTE, depth, pixels[:, :, None], palette, pack_transparency(clear))


def gif(count: int = 4, *, loop: int | None = 0) -> bytes:
    """Return a GIF file with offsets, all disposals, a frame with other colours, and durations."""
    return write_gif(Series(SeriesKind.ANIMATION, 33, 21, loop, gif_frames(count), count))


def gif_frames(count: int) -> list[Frame]:
    frames, whole = [], moving(count)
    for number, pixels in enumerate(whole):
        part, x, y = pixels, 0, 0
        if number:
            x, y = 2 * number, number
            part = pixels[y : y + 15, x : x + 14].copy()
            part[part == whole[number - 1][y : y + 15, x : x + 14]] = CLEAR
        colours = COLOURS[::-1].copy() if number == 2 else COLOURS
        setting = Setting(x, y, 3 + number, 100, Disposal((1, 2, 3, 0)[number % 4]), over=True)
        frames.append(Frame(indexed(part, colours=colours), setting))
    return frames


def apng(images: Sequence[Image.Image], **options: Any) -> bytes:
    """Return images as an APNG file by Pillow."""
    return saved(images, "PNG", **options)


def saved(images: Sequence[Image.Image], name: str, **options: Any) -> bytes:
    """Return images as one file by Pillow."""
    buffer = io.BytesIO()
    images[0].save(buffer, name, save_all=True, append_images=list(images[1:]), **options)
    return buffer.getvalue()


def coloured(count: int = 3, channels: int = 3) -> list[Image.Image]:
    """Return RGB or RGBA images: a photograph with a block that moves."""
    frames = []
    for number in range(count):
        pixels = samples.any_photo(21, 33, channels).copy()
        pixels[4 : 9 + number, 5 + number : 12 + number] = 40 * number
        frames.append(Image.fromarray(pixels))
    return frames


def shown(data: bytes) -> list[tuple[Pixels, float]]:
    """Return the frames that Pillow shows of a file, RGBA with nothing under alpha 0, and their durations."""
    found = []
    with Image.open(io.BytesIO(data)) as image:
        for number in range(int(getattr(image, "n_frames", 1))):
            image.seek(number)
            pixels = np.array(image.convert("RGBA"))
            pixels[pixels[..., 3] == 0] = 0
            found.append((pixels, image.info.get("duration", 0)))
    return found


def pictures(images: Sequence[Any]) -> list[Frame]:
    """Return images as pages."""
    return [Frame(to_picture(image)) for image in images]
