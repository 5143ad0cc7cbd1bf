"""Training crops: images in memory, of which random crops are augmented.

Every batch is a function of the seed and the step alone, so that a resumed run sees the batches of an
uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from pixcodec.training.histories import FILTERS, HISTORIES, Pixels, add_history, to_image

IMAGE_SUFFIXES = frozenset(
    {".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".jpg", ".jpeg", ".gif"}
)
# Busier images are drawn more often: in proportion to the mean difference of neighbours, in levels, within
# these bounds.
MIN_ACTIVITY, MAX_ACTIVITY = 1, 8

# Probabilities of the augmentations.
RESCALE_PROBABILITY = 0.25
MIRROR_PROBABILITY = 0.5
FLIP_PROBABILITY = 0.15
TRANSPOSE_PROBABILITY = 0.3

MIN_SCALE = 0.35  # of a rescaled image
HISTORY_MARGIN = 16  # pixels by which the part is larger that is given a history


def list_images(folder: Path) -> list[Path]:
    """Return the image files below ``folder``, sorted."""
    return sorted(p for p in folder.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)


def class_of(path: Path, folder: Path) -> str:
    """Return the class of an image below ``folder``: the subfolder that it is in, or an empty name."""
    parts = path.relative_to(folder).parts
    return parts[0] if len(parts) > 1 else ""


def list_classes(folder: Path) -> tuple[str, ...]:
    """Return the classes of the images below ``folder``, sorted."""
    return tuple(sorted({class_of(path, folder) for path in list_images(folder)} - {""}))


def class_index(name: str, names: Sequence[str]) -> int:
    """Return the position of a class in ``names``.

    Raises
    ------
    ValueError
        If it is not there.
    """
    if name not in names:
        where = f"subfolder {name!r}" if name else "no subfolder"
        raise ValueError(f"an image is in {where}, expected one of the classes {', '.join(names)}")
    return list(names).index(name)


def load_pixels(path: Path, channels: int) -> Pixels:
    """Return the pixels of an image file, shape (H, W, channels), as RGB or grey."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)


class CropSampler:
    """Random crops of the images below a folder.

    Parameters
    ----------
    folder : Path
        Searched recursively.
    channels : int
        3 for RGB, 1 for grey.
    crop, batch : int
        Side of a crop in pixels, crops per batch.
    seed : int
        All randomness depends on it and the step.
    histories : float
        Share of the crops that are given a history, 0..1.

    Raises
    ------
    ValueError
        If no image is as large as a crop.
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
        loaded = [(path, load_pixels(path, channels)) for path in list_images(folder)]
        loaded = [(path, pixels) for path, pixels in loaded if min(pixels.shape[:2]) >= crop]
        self.images = [pixels for _, pixels in loaded]
        self.class_names = [class_of(path, folder) for path, _ in loaded]
        if not self.images:
            raise ValueError(f"{folder}: no image of at least {crop}x{crop} pixels found")
        activity = np.array([np.abs(np.diff(p.astype(np.int16), axis=1)).mean() for p in self.images])
        weights = np.clip(activity, MIN_ACTIVITY, MAX_ACTIVITY)
        self.probabilities = weights / weights.sum()

    def classes(self, step: int, names: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the class of each image of the batch of a step, shape (B,), as a position in ``names``.

        Raises
        ------
        ValueError
            If the class of an image is not among ``names``.
        """
        rng = np.random.default_rng((self.seed, step))
        chosen = rng.choice(len(self.images), self.batch, p=self.probabilities)
        return np.array([class_index(self.class_names[i], names) for i in chosen])

    def __call__(self, step: int) -> npt.NDArray[np.float32]:
        """Return the batch of a step, shape (B, C, crop, crop), values 0..255."""
        rng = np.random.default_rng((self.seed, step))
        chosen = rng.choice(len(self.images), self.batch, p=self.probabilities)
        crops = [self._augment(self.images[i], rng) for i in chosen]
        return np.stack(crops).transpose(0, 3, 1, 2).astype(np.float32)

    def _augment(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        if rng.random() < RESCALE_PROBABILITY:
            pixels = _rescaled(pixels, self.crop, rng)
        # The crop lies anywhere on the grid that a history may have, such as the blocks of JPEG.
        part = _random_part(pixels, self.crop + HISTORY_MARGIN, rng)
        pixels = _random_part(add_history(part, rng, self.histories), self.crop, rng)
        if rng.random() < MIRROR_PROBABILITY:
            pixels = pixels[:, ::-1]
        if rng.random() < FLIP_PROBABILITY:
            pixels = pixels[::-1]
        if rng.random() < TRANSPOSE_PROBABILITY:
            pixels = pixels.transpose(1, 0, 2)
        return pixels


def _rescaled(pixels: Pixels, least: int, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` reduced by a random factor with a random filter, no side below ``least``."""
    height, width = pixels.shape[:2]
    factor = max(rng.uniform(MIN_SCALE, 1.0), least / min(height, width))
    size = max(least, round(width * factor)), max(least, round(height * factor))
    resized = np.asarray(to_image(pixels).resize(size, FILTERS[rng.integers(len(FILTERS))]))
    return resized.reshape(size[1], size[0], pixels.shape[2])


def _random_part(pixels: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """Return a random square of this size, cut where the image is smaller."""
    height, width = pixels.shape[:2]
    y, x = rng.integers(max(1, height - size + 1)), rng.integers(max(1, width - size + 1))
    return pixels[y : y + size, x : x + size]
