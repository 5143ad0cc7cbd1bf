"""Histories: the processing that real images have behind them, applied to training crops.

Shapes: H height, W width, C channels (1 or 3).
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
History = Callable[[Pixels, np.random.Generator], Pixels]

HISTORIES = 0.5  # share of the crops that are given one: the sum of the probabilities of RGB_HISTORIES
FILTERS = (
    Image.Resampling.BOX,
    Image.Resampling.BILINEAR,
    Image.Resampling.HAMMING,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
)

JPEG_QUALITIES = (75, 101)  # from .. to before
SUBSAMPLING_PROBABILITIES = (0.35, 0.15, 0.5)  # 4:4:4, 4:2:2, 4:2:0

# Photo CD: luma and the differences blue - luma, red - luma are divided by these (Kodak's PhotoYCC).
LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])
PHOTO_CD_LUMA, PHOTO_CD_BLUE, PHOTO_CD_RED = 1.3584, 2.2179, 1.8215
GREEN_OF_BLUE, GREEN_OF_RED = 0.194, 0.509

HALF_HEIGHT_PROBABILITY = 0.7  # of chroma that has half the width


def add_history(pixels: Pixels, rng: np.random.Generator, share: float = HISTORIES) -> Pixels:
    """Return ``pixels`` (H, W, C) after a random history, or as they are.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (H, W, C)
    rng : numpy.random.Generator
    share : float
        Probability of a history for RGB, 0..1; for grey 4/5 of it.
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
    quality = int(rng.integers(*JPEG_QUALITIES))
    subsampling = int(rng.choice(3, p=SUBSAMPLING_PROBABILITIES))
    file = io.BytesIO()
    to_image(pixels).save(file, "jpeg", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file)).reshape(pixels.shape)


def noise_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` with noise like that of a sensor: partly grey, and stronger where it is brighter."""
    sigma = np.exp(rng.uniform(np.log(0.4), np.log(4.0)))
    shape = pixels.shape
    noise = rng.normal(0, 1, shape) + rng.uniform(0, 1.5) * rng.normal(0, 1, (*shape[:2], 1))
    noise *= sigma * np.sqrt(0.25 + pixels.mean(2, keepdims=True) / 170)
    return _to_bytes(pixels + noise)


def sharpening_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` after an unsharp mask of random radius and strength."""
    mask = ImageFilter.UnsharpMask(rng.uniform(0.5, 2.0), int(rng.integers(20, 80)), 0)
    return np.asarray(to_image(pixels).filter(mask)).reshape(pixels.shape)


def tone_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return ``pixels`` after a random tone curve of 8 bits, which leaves gaps in the histogram."""
    gamma, gain, offset = np.exp(rng.normal(0, 0.25)), rng.uniform(0.75, 1.3), rng.uniform(-12, 12)
    curve = _to_bytes(255 * (np.arange(256) / 255) ** gamma * gain + offset)
    toned: Pixels = curve[pixels]
    return toned


def photo_cd_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return RGB ``pixels`` as Kodak's Photo CD stores them: integer luma, integer chroma of half the size.

    Every second row and column of chroma is the mean of its neighbours. RGB is rounded down.
    """
    rgb = pixels.astype(np.float64)
    luma = rgb @ LUMA_WEIGHTS
    level = np.round(luma / PHOTO_CD_LUMA)
    c1 = _interpolated(_halved((rgb[..., 2] - luma) / PHOTO_CD_BLUE), luma.shape)
    c2 = _interpolated(_halved((rgb[..., 0] - luma) / PHOTO_CD_RED), luma.shape)
    luma = PHOTO_CD_LUMA * level
    green = luma - GREEN_OF_BLUE * PHOTO_CD_BLUE * c1 - GREEN_OF_RED * PHOTO_CD_RED * c2
    stacked = np.stack([luma + PHOTO_CD_RED * c2, green, luma + PHOTO_CD_BLUE * c1], 2)
    rounded: Pixels = np.clip(np.floor(stacked), 0, 255).astype(np.uint8)
    return rounded


def _halved(plane: Floats) -> Floats:
    """Return the rounded means of 2x2 values of a plane, extended by one mean to the right and below."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, height % 2 + 2), (0, width % 2 + 2)), mode="edge")
    halved: Floats = padded.reshape(padded.shape[0] // 2, 2, -1, 2).mean((1, 3)).round()
    return halved


def _interpolated(small: Floats, shape: tuple[int, ...]) -> Floats:
    """Return a plane of this shape, of which every second row and column is the mean of its neighbours."""
    rows = np.empty((2 * len(small) - 2, small.shape[1]))
    rows[::2], rows[1::2] = small[:-1], (small[:-1] + small[1:]) // 2
    both = np.empty((len(rows), 2 * small.shape[1] - 2))
    both[:, ::2], both[:, 1::2] = rows[:, :-1], (rows[:, :-1] + rows[:, 1:]) // 2
    return both[: shape[0], : shape[1]]


def chroma_history(pixels: Pixels, rng: np.random.Generator) -> Pixels:
    """Return RGB ``pixels`` after a round trip to 8-bit luma and chroma of half the size."""
    ycc = to_image(pixels).convert("YCbCr")
    planes = list(ycc.split())
    width, height = ycc.size
    half = (max(1, width // 2), max(1, height // 2) if rng.random() < HALF_HEIGHT_PROBABILITY else height)
    up = FILTERS[rng.integers(1, len(FILTERS))]
    for i in (1, 2):
        planes[i] = planes[i].resize(half, Image.Resampling.BOX).resize((width, height), up)
    return np.asarray(Image.merge("YCbCr", planes).convert("RGB"))


def to_image(pixels: Pixels) -> Image.Image:
    """Return ``pixels`` (H, W, C) as a PIL image."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else np.ascontiguousarray(pixels))


def _to_bytes(values: Floats) -> Pixels:
    """Return values rounded to 0..255."""
    rounded: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return rounded


# Probabilities of the histories.
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
