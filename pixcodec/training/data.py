"""Training crops: a folder of images in memory, sampled with augmentation.

Every batch is a function of (seed, step) alone, so a resumed run sees what an uninterrupted one saw.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

IMAGE_SUFFIXES = frozenset(
    {".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jpg", ".jpeg", ".gif"}
)
RESCALE_PROBABILITY = 0.25
CHROMA_PROBABILITY = 0.12
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
    """

    def __init__(self, folder: Path, channels: int, crop: int, batch: int, seed: int) -> None:
        self.channels, self.crop, self.batch, self.seed = channels, crop, batch, seed
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
        height, width = pixels.shape[:2]
        y, x = rng.integers(height - self.crop + 1), rng.integers(width - self.crop + 1)
        pixels = pixels[y : y + self.crop, x : x + self.crop]
        if self.channels == 3 and rng.random() < CHROMA_PROBABILITY:
            pixels = _chroma_history(pixels, rng)
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


def _chroma_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` after an 8-bit luma/chroma round trip with chroma interpolated from half size."""
    ycc = _image(pixels).convert("YCbCr")
    planes = list(ycc.split())
    width, height = ycc.size
    half = (max(1, width // 2), max(1, height // 2) if rng.random() < 0.7 else height)
    up = FILTERS[rng.integers(1, len(FILTERS))]
    for i in (1, 2):
        planes[i] = planes[i].resize(half, Image.Resampling.BOX).resize((width, height), up)
    return np.asarray(Image.merge("YCbCr", planes).convert("RGB"))
