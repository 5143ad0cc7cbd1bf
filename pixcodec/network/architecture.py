"""Sizes and number formats shared by the trained network and the integer network.

Standard library only. A change here changes what a model file means: see FORMAT.md, section Network.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

# Causal neighbours (dy, dx) whose values, relative to the base, are the inputs (mask type A).
NEIGHBOURS: tuple[tuple[int, int], ...] = (
    *((0, -1), (0, -2), (0, -3)),
    *((-1, dx) for dx in range(-3, 3)),
    *((-2, dx) for dx in range(-3, 4)),
    *((-3, dx) for dx in (-1, 0, 1)),
)
# The nearest ones are given a second time at a finer scale: small differences decide in smooth areas.
FINE_NEIGHBOURS: tuple[tuple[int, int], ...] = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
# Feature taps of a masked convolution of type B; the last one is the pixel itself.
TAPS: tuple[tuple[int, int], ...] = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0))
REACH = 3  # how far a neighbour is away in either direction
MIN_SLOPE = 3  # smallest slope at which every neighbour lies on an earlier wavefront
PAD_VALUE = 128  # value of every subpixel outside the tile

ACTIVATION_BITS = 5  # an activation of 1.0 is the integer 2**5
ACTIVATION_STEPS = 1 << ACTIVATION_BITS
ACTIVATION_MAX = 1023  # in steps
COARSE_SCALE = 2  # steps per level of a difference of two subpixels
FINE_SCALE = 16
FINE_MAX = 512  # in steps
ACCUMULATOR_LIMIT = 2**24  # float32 holds every integer below it exactly
MAX_WEIGHT_SHIFT = 12
MAX_STORED_WEIGHT = 2**15 - 2  # weights are stored as int16

# Outputs of a head for one component, in this order, with log2(steps per unit) of each.
LOGIT_BITS = 5  # natural logarithm of the component weight
MEAN_UNIT = 8  # levels per unit of the output
MEAN_BITS = 7  # hence 1/16 level per step
SCALE_BITS = 5  # natural logarithm of the logistic scale, in levels
COUPLING_BITS = 7  # slope of the mean in the residual of an earlier channel
LOG_SCALE_MIN, LOG_SCALE_MAX = -4, 6
COUPLING_MAX = 255  # in steps
LOGIT_MAX = 1023  # in steps
MEAN_MAX = 1 << 14  # in steps
PMF_FLOOR = 8  # least probability of a symbol, in units of 2**-24


@dataclass(frozen=True)
class Architecture:
    """Sizes of a PixelCNN; ``channels`` is 3 for RGB and 1 for grey."""

    channels: int = 3
    features: int = 48
    blocks: int = 4
    hidden: int = 48
    components: int = 4

    @property
    def input_size(self) -> int:
        """Return the number of inputs of the first layer."""
        neighbours = (len(NEIGHBOURS) + len(FINE_NEIGHBOURS)) * self.channels
        return neighbours + (5 if self.channels == 3 else 1)

    def head_input_size(self, channel: int) -> int:
        """Return the number of inputs of the head of ``channel``."""
        return self.features + 2 * channel

    def head_output_size(self, channel: int) -> int:
        """Return the number of outputs of the head of ``channel``."""
        return self.components * (3 + channel)

    def input_bounds(self) -> list[int]:
        """Return the largest absolute value of every input of the first layer, in steps."""
        coarse = [255 * COARSE_SCALE] * (len(NEIGHBOURS) * self.channels)
        fine = [FINE_MAX] * (len(FINE_NEIGHBOURS) * self.channels)
        chroma = [255 * COARSE_SCALE] * (2 if self.channels == 3 else 0)
        return coarse + fine + [PAD_VALUE] * self.channels + chroma

    def head_bounds(self, channel: int) -> list[int]:
        """Return the largest absolute value of every input of a head, in steps."""
        return [ACTIVATION_MAX] * self.features + [255 * COARSE_SCALE, FINE_MAX] * channel

    def output_bits(self, channel: int) -> list[int]:
        """Return log2(steps per unit) of every output of a head."""
        per_parameter = [LOGIT_BITS, MEAN_BITS, SCALE_BITS] + [COUPLING_BITS] * channel
        return [bits for bits in per_parameter for _ in range(self.components)]

    @property
    def macs_per_pixel(self) -> int:
        """Return the multiplications needed to code one pixel."""
        f, h = self.features, self.hidden
        total = self.input_size * f + self.blocks * (len(TAPS) + 1) * f * f
        for channel in range(self.channels):
            total += (self.head_input_size(channel) + h + self.head_output_size(channel)) * h
        return total

    def layers(self) -> dict[str, tuple[int, list[int], list[int]]]:
        """Return, for every layer by name: its outputs, its input bounds and the bits of its outputs."""
        act, out = [ACTIVATION_MAX], [ACTIVATION_BITS]
        f, h = self.features, self.hidden
        layers = {"input": (f, self.input_bounds(), out * f)}
        for block in range(self.blocks):
            layers[f"conv.{block}"] = (f, act * (f * len(TAPS)), out * f)
            layers[f"mix.{block}"] = (f, act * f, out * f)
        for c in range(self.channels):
            layers[f"heads.{c}.0"] = (h, self.head_bounds(c), out * h)
            layers[f"heads.{c}.1"] = (h, act * h, out * h)
            layers[f"heads.{c}.2"] = (self.head_output_size(c), act * h, self.output_bits(c))
        return layers

    def to_dict(self) -> dict[str, int]:
        """Return the sizes as a plain dictionary."""
        return asdict(self)
