"""How likely a model finds an image: bits of every subpixel.

Shapes: H W height and width, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pixcodec.coding.threads import Progress
from pixcodec.generation.painter import Floats, Painter
from pixcodec.generation.planes import AnyImage, GivenModel, chosen_model, planes_of
from pixcodec.generation.sampling import WAVES_PER_CALL


@dataclass(frozen=True)
class Likelihood:
    """What a model says of an image.

    Parameters
    ----------
    bits : ndarray of float64, shape (H, W, C)
        -log2 of the probability of each subpixel, given those before it.
    entropy : ndarray of float64, shape (H, W, C), optional
        What the model expected ``bits`` to be there.
    """

    bits: Floats
    entropy: Floats | None = None

    @property
    def bpsp(self) -> float:
        """The mean, bits per subpixel (also called bits per dimension)."""
        return float(self.bits.mean())

    @property
    def by_channel(self) -> list[float]:
        """The mean of each channel, bits."""
        return [float(mean) for mean in self.bits.mean((0, 1))]

    @property
    def surplus(self) -> float | None:
        """Bits per subpixel beyond what the model expected; about 0 of a typical image."""
        return None if self.entropy is None else float((self.bits - self.entropy).mean())


def likelihood(
    image: AnyImage,
    *,
    model: GivenModel = None,
    entropy: bool = False,
    progress: Progress | None = None,
) -> Likelihood:
    """Return how likely a model finds an image, by the distributions that effort fast begins with.

    Parameters
    ----------
    image : ndarray of uint8 or PIL image
        Grey or RGB.
    model : Model or path, optional
        Default: the one that ships with the package.
    entropy : bool
        Compute the entropies of the distributions, too.
    progress : callable, optional
        Called with the fraction done.

    Raises
    ------
    UnsupportedImageError
        If the image is neither grey nor RGB with 8 bits.
    CorruptFileError, ModelMismatchError
        Of the model.
    """
    pixels = planes_of(image)
    chosen = chosen_model(model, pixels.shape[2])
    known, numbers = np.ones(pixels.shape[:2], bool), np.zeros(pixels.shape, np.int32)
    painter = Painter(chosen, pixels, known, numbers, entropy=entropy)
    for end in range(0, painter.end + WAVES_PER_CALL, WAVES_PER_CALL):
        painter.advance(end)
        if progress is not None:
            progress(min(1.0, end / painter.end))
    return Likelihood(painter.bits, painter.entropy if entropy else None)
