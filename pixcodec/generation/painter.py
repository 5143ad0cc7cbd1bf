"""One image, of which some pixels are known and the others are drawn from a network's distributions.

Shapes: H W height and width, C channels (3 for RGB, 1 for grey).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import MIN_SLOPE
from pixcodec.network.distribution import TOTAL, TOTAL_BITS
from pixcodec.network.draws import LEAST_TEMPERATURE, MOST_TEMPERATURE, UNIT_BITS, draw_until, new_draws
from pixcodec.network.inference import new_network
from pixcodec.network.model import Model
from pixcodec.network.structs import struct_of
from pixcodec.network.wavefront import inner, wavefront_count

Planes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

_RANDOM_BITS = 64  # of a number of the generator


class Style(NamedTuple):
    """How values are drawn.

    Parameters
    ----------
    temperature : float
        Probabilities are raised to the power of 1 / temperature; 1: those of the model.
    top_p : float
        Above 0, at most 1: the most probable values are drawn that have this share together; 1: all.
    """

    temperature: float = 1.0
    top_p: float = 1.0

    def checked(self) -> Style:
        """Return the same style; raise ValueError if a number is out of range."""
        if not LEAST_TEMPERATURE <= self.temperature <= MOST_TEMPERATURE:
            raise ValueError(
                f"temperature is {self.temperature}, expected {LEAST_TEMPERATURE}..{MOST_TEMPERATURE:g}"
            )
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top-p is {self.top_p}, expected more than 0 and at most 1")
        return self


class Painter:
    """An image at work: its network, its random numbers, and how far it is.

    Parameters
    ----------
    model : Model
    pixels : ndarray of uint8, shape (H, W, C)
        Only known pixels matter.
    known : ndarray of bool, shape (H, W)
    numbers : ndarray of int32, shape (H, W, C)
        Random numbers, see :func:`random_numbers`.
    style : Style
    entropy : bool
        Whether the entropies of the distributions are computed, too; that takes time.
    """

    def __init__(
        self,
        model: Model,
        pixels: Planes,
        known: Mask,
        numbers: npt.NDArray[np.int32],
        style: Style = Style(),  # noqa: B008 -- a tuple
        *,
        entropy: bool = False,
    ) -> None:
        height, width, channels = pixels.shape
        self.end = wavefront_count(MIN_SLOPE, height, width)
        self._network = new_network(model, height, width, MIN_SLOPE, pixels)
        inner(self._network.canvas)[~known] = 0
        self._draws = new_draws(channels, height, width, MIN_SLOPE)
        self._draws.known[:] = known
        self._draws.random[:] = numbers
        inverse = round((1 << UNIT_BITS) / style.temperature)
        self._draws.settings[:] = inverse, max(1, round(style.top_p * TOTAL)), entropy
        self._draw = draw_until.bind(struct_of(self._network), struct_of(self._draws))

    def advance(self, end: int) -> None:
        """Go on to before wavefront ``end``: pixel (y, x) is on wavefront x + 3 y."""
        self._draw(end)

    @property
    def pixels(self) -> Planes:
        """The image (H, W, C) as far as it is drawn or known; other pixels are 0."""
        return inner(self._network.canvas).astype(np.uint8)

    @property
    def bits(self) -> Floats:
        """Of each subpixel (H, W, C), -log2 of its probability; of those that are not reached yet 0."""
        frequency = self._draws.frequency
        return np.where(frequency > 0, TOTAL_BITS - np.log2(np.maximum(frequency, 1)), 0.0)

    @property
    def entropy(self) -> Floats:
        """The entropies (H, W, C) of the distributions in bits, if they were asked for."""
        return self._draws.entropy / (1 << UNIT_BITS)

    def become(self, other: Painter) -> None:
        """Take the state of another painter of the same image, but for its random numbers."""
        ours, theirs = self._network, other._network
        ours.canvas[:] = theirs.canvas
        ours.activations.rings[:] = theirs.activations.rings
        self._draws.frequency[:] = other._draws.frequency
        self._draws.wave[:] = other._draws.wave


def random_numbers(seed: int, number: int, size: tuple[int, int, int]) -> npt.NDArray[np.int32]:
    """Return the random numbers of an image (H, W, C), 0 .. 2**24 - 1: the same on every machine.

    They are the upper bits of the stream of Philox-4x64-10 (Salmon et al. 2011), which numpy keeps for ever,
    with the key (seed, number).

    Raises
    ------
    ValueError
        If the seed is not 0 .. 2**64 - 1.
    """
    if not 0 <= seed < 1 << _RANDOM_BITS:
        raise ValueError(f"seed is {seed}, expected 0..{(1 << _RANDOM_BITS) - 1}")
    key = np.array([seed, number], np.uint64)
    raw = np.random.Philox(key=key).random_raw(size[0] * size[1] * size[2])
    return (raw >> np.uint64(_RANDOM_BITS - TOTAL_BITS)).astype(np.int32).reshape(size)
