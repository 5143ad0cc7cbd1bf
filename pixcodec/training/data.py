"""Training crops: a folder of images in memory, sampled with augmentation.

Every batch is a function of (seed, step) alone, so a resumed run sees what an uninterrupted one saw.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

IMAGE_SUFFIXES = frozenset(
    {".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jpg", ".jpeg", ".gif"}
)
RESCALE_PROBABILITY = 0.25
HISTORIES = 0.5  # share of the crops that are given one: the sum of the probabilities of RGB_HISTORIES
FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)

Pixels = npt.NDArray[np.uint8]


def list_images(folder: Path) -> list[Path]:
    """Return the image files below ``folder``, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)


def load_pixels(path: Path, channels: int) -> Pixels:
    """Return the pixels of ``path``, shape (H, W, channels)."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)


class CropSampler:
    """Random crops of a folder of images, busier images more often.

    Parameters
    ----------
    folder : Path
        Searched recursively.
    channels : int
        3 for RGB, 1 for grey.
    crop, batch : int
        Side of a crop in pixels, crops per batch.
    seed : int
        All randomness derives from it and the step.
    histories : float
        Share of the crops that are given a history (:func:`add_history`), 0..1.
    """

    def __init__(
        self,
        folder: Path,
        channels: int,
        crop: int,
        batch: int,
        seed: int,
        histories: float = HISTORIES,
    ) -> None:
        self.channels, self.crop, self.batch, self.seed = channels, crop, batch, seed
        self.histories = histories
        self.images = [
            pixels
            for pixels in (load_pixels(p, channels) for p in list_images(folder))
            if min(pixels.shape[:2]) >= crop
        ]
        if not self.images:
            raise ValueError(f"{folder}: no image of at least {crop}x{crop} pixels found")
        activity = np.array([np.abs(np.diff(p.astype(np.int16), axis=1)).mean() for p in self.images])
        weights = np.clip(activity, 1, 8)
        self.probabilities = weights / weights.sum()

    def __call__(self, step: int) -> npt.NDArray[np.float32]:
        """Return the batch of ``step``, shape (B, C, crop, crop), values 0..255."""
        rng = np.random.default_rng((self.seed, step))
        chosen = rng.choice(len(self.images), self.batch, p=self.probabilities)
        crops = [self._augment(self.images[i], rng) for i in chosen]
        return np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32)

    def _augment(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() < RESCALE_PROBABILITY:
            pixels = _rescaled(pixels, self.crop, rng)
        # A history has a grid of its own: it is given to a larger part, from which the crop is cut.
        part = _random_part(pixels, self.crop + 16, rng)
        pixels = _random_part(add_history(part, rng, self.histories), self.crop, rng)
        if rng.random() < 0.5:
            pixels = pixels[:, ::-1]
        if rng.random() < 0.15:
            pixels = pixels[::-1]
        if rng.random() < 0.3:
            pixels = pixels.transpose(1, 0, 2)
        return pixels


def _image(pixels: Pixels) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))


def _rescaled(pixels: Pixels, least: int, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` reduced by a random factor and filter, no side below ``least``."""
    height, width = pixels.shape[:2]
    factor = max(rng.uniform(0.35, 1.0), least / min(height, width))
    size = max(least, round(width * factor)), max(least, round(height * factor))
    resized = np.asarray(_image(pixels).resize(size, FILTERS[rng.integers(len(FILTERS))]))
    return resized.reshape(size[1], size[0], pixels.shape[2])


def _random_part(pixels: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """Return a random square of ``pixels`` of this size, or as much of it as there is."""
    height, width = pixels.shape[:2]
    y, x = rng.integers(max(1, height - size + 1)), rng.integers(max(1, width - size + 1))
    return pixels[y : y + size, x : x + size]


def add_history(pixels: Pixels, rng: np.random.Generator, share: float = HISTORIES) -> Pixels:
    """Return ``pixels`` (H, W, C) as one of the processings that real images have behind them leaves them.

    Of a ``share``, of grey images 4/5 of it; the others stay as they are.
    """
    histories = RGB_HISTORIES if pixels.shape[2] == 3 else GREY_HISTORIES
    at = rng.random()
    for probability, history in histories:
        at -= probability * share / HISTORIES
        if at < 0:
            return history(pixels, rng)
    return pixels


def jpeg_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` decoded from a JPEG file of quality 75-100 and any chroma subsampling."""
    quality = int(rng.integers(75, 101))
    file = io.BytesIO()
    _image(pixels).save(file, "jpeg", quality=quality, subsampling=int(rng.choice(3, p=(0.35, 0.15, 0.5))))
    return np.asarray(Image.open(file)).reshape(pixels.shape)


def noise_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` with noise that grows with brightness, as a sensor's, in part grey."""
    sigma = np.exp(rng.uniform(np.log(0.4), np.log(4.0)))
    shape = pixels.shape
    noise = rng.normal(0, 1, shape) + rng.uniform(0, 1.5) * rng.normal(0, 1, (*shape[:2], 1))
    noise *= sigma * np.sqrt(0.25 + pixels.mean(2, keepdims=True) / 170)
    return _to_bytes(pixels + noise)


def sharpening_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` after an unsharp mask."""
    mask = ImageFilter.UnsharpMask(rng.uniform(0.5, 2.0), int(rng.integers(20, 80)), 0)
    return np.asarray(_image(pixels).filter(mask)).reshape(pixels.shape)


def tone_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` after an 8-bit tone curve, which leaves gaps in the histogram."""
    gamma, gain, offset = np.exp(rng.normal(0, 0.25)), rng.uniform(0.75, 1.3), rng.uniform(-12, 12)
    curve = _to_bytes(255 * (np.arange(256) / 255) ** gamma * gain + offset)
    toned: Pixels = curve[pixels]
    return toned


def photo_cd_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` after a round trip by Kodak's Photo CD: integer luma, chroma of half the size.

    Every second row and column of chroma is the mean of its neighbours; RGB is rounded down.
    """
    rgb = pixels.astype(np.float64)
    luma = rgb @ np.array([0.299, 0.587, 0.114])
    level = np.round(luma / 1.3584)
    height, width = luma.shape
    wide = []
    for difference in ((rgb[..., 2] - luma) / 2.2179, (rgb[..., 0] - luma) / 1.8215):
        padded = np.pad(difference, ((0, height % 2 + 2), (0, width % 2 + 2)), mode="edge")
        small = padded.reshape(padded.shape[0] // 2, 2, -1, 2).mean((1, 3)).round()
        rows = np.empty((2 * len(small) - 2, small.shape[1]))
        rows[::2], rows[1::2] = small[:-1], (small[:-1] + small[1:]) // 2
        both = np.empty((len(rows), 2 * small.shape[1] - 2))
        both[:, ::2], both[:, 1::2] = rows[:, :-1], (rows[:, :-1] + rows[:, 1:]) // 2
        wide.append(both[:height, :width])
    c1, c2 = wide
    green = 1.3584 * level - 0.194 * 2.2179 * c1 - 0.509 * 1.8215 * c2
    stacked = np.stack([1.3584 * level + 1.8215 * c2, green, 1.3584 * level + 2.2179 * c1], 2)
    rounded: Pixels = np.clip(np.floor(stacked), 0, 255).astype(np.uint8)
    return rounded


def _to_bytes(values: npt.NDArray[np.float64]) -> Pixels:
    rounded: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


def chroma_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` after an 8-bit luma/chroma round trip with chroma interpolated from half size."""
    ycc = _image(pixels).convert("YCbCr")
    planes = list(ycc.split())
    width, height = ycc.size
    half = (max(1, width // 2), max(1, height // 2) if rng.random() < 0.7 else height)
    up = FILTERS[rng.integers(1, len(FILTERS))]
    for i in (1, 2):
        planes[i] = planes[i].resize(half, Image.Resampling.BOX).resize((width, height), up)
    return np.asarray(Image.merge("YCbCr", planes).convert("RGB"))


History = Callable[[Pixels, np.random.Generator], Pixels]
RGB_HISTORIES: tuple[tuple[float, History], ...] = (
    (0.18, jpeg_history),
    (0.10, chroma_history),
    (0.08, photo_cd_history),
    (0.05, noise_history),
    (0.04, sharpening_history),
    (0.05, tone_history),
)
GREY_HISTORIES: tuple[tuple[float, History], ...] = (
    (0.22, jpeg_history),
    (0.07, noise_history),
    (0.05, sharpening_history),
    (0.06, tone_history),
)
