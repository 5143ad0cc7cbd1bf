"""Sizes and number formats that the trained network and the integer network share (FORMAT.md, "Network").

Standard library only. A change here changes the meaning of model files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

# Neighbours (dy, dx), all earlier in raster order, whose values minus the base are inputs (mask type A).
NEIGHBOURS: tuple[tuple[int, int], ...] = (
    *((0, -1), (0, -2), (0, -3)),
    *((-1, dx) for dx in range(-3, 3)),
    *((-2, dx) for dx in range(-3, 4)),
    *((-3, dx) for dx in (-1, 0, 1)),
)
# The nearest ones are inputs a second time, at a finer scale, as small differences count in smooth areas.
FINE_NEIGHBOURS: tuple[tuple[int, int], ...] = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
# Taps (dy, dx) of a masked convolution of features (mask type B); the last one is the pixel itself.
TAPS: tuple[tuple[int, int], ...] = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0))
REACH = 3  # largest distance of a neighbour in either direction
MIN_SLOPE = 3  # smallest slope of wavefronts at which every neighbour lies on an earlier one
PAD_VALUE = 128  # of every subpixel outside the tile
MAX_VALUE = 255  # of a subpixel

ACTIVATION_BITS = 5  # an activation of 1.0 is the integer 2**5
ACTIVATION_STEPS = 1 << ACTIVATION_BITS
ACTIVATION_MAX = 1023  # in steps
COARSE_SCALE = 2  # steps per level of a difference of two subpixels
COARSE_MAX = MAX_VALUE * COARSE_SCALE  # in steps
FINE_SCALE = 16
FINE_MAX = 512  # in steps
ACCUMULATOR_LIMIT = 2**24  # float32 holds every integer below it exactly
MAX_WEIGHT_SHIFT = 12
MAX_STORED_WEIGHT = 2**15 - 2  # weights are stored as int16

# Outputs of a head for one component, in this order, with log2(steps per unit) of each.
LOGIT_BITS = 5  # natural logarithm of the weight of the component
MEAN_UNIT = 8  # levels per unit of the output
MEAN_BITS = 7
SCALE_BITS = 5  # natural logarithm of the logistic scale, in levels
COUPLING_BITS = 7  # factor of the residual of an earlier channel in the mean
MEAN_STEPS = (1 << MEAN_BITS) // MEAN_UNIT  # per level: 16
COUPLING_SHIFT = 3  # log2 of the steps of (coupling * level) per step of a mean: 2**7 / 16
LOG_SCALE_MIN, LOG_SCALE_MAX = -4, 6
COUPLING_MAX = 255  # in steps
LOGIT_MAX = 1023  # in steps
MEAN_MAX = 1 << 14  # in steps
PMF_FLOOR = 8  # least probability of a symbol, in units of 2**-24

# Of a Row LSTM (FORMAT.md, "Row LSTM").
GATE_BITS = 8  # log2(steps per unit) of what goes into a gate, and of a cell
GATE_STEPS = 1 << GATE_BITS
GATE_MAX = 8 * GATE_STEPS  # in steps
GATE_ONE_BITS = 11  # the tables of the gates hold 1.0 as the integer 2**11
STATE_MAX = 256  # of a state, in steps of an activation: 256 times a number between -1 and 1
STATE_TAPS: tuple[tuple[int, int], ...] = ((-1, -1), (-1, 0), (-1, 1))  # whose states a pixel sees
FEATURE_TAPS: tuple[tuple[int, int], ...] = ((0, -1), (0, 0))  # whose features it sees

_OWN_PARAMETERS = 3  # of a component: logit, mean, log scale; then a coupling for each earlier channel
_INPUTS_PER_RESIDUAL = 2  # a residual is an input of a head at the coarse and at the fine scale
_CHROMA_INPUTS = 2  # red minus green, blue minus green


@dataclass(frozen=True)
class Architecture:
    """Sizes of a PixelCNN.

    Parameters
    ----------
    channels : int
        3 for RGB, 1 for grey.
    features : int
        Of a pixel in the trunk.
    blocks : int
        Of the trunk, each a masked convolution and a mixing layer.
    hidden : int
        Units of each of the two hidden layers of a head.
    components : int
        Logistic distributions of a mixture.
    """

    channels: int = 3
    features: int = 48
    blocks: int = 4
    hidden: int = 48
    components: int = 4

    @property
    def input_size(self) -> int:
        """Return the number of inputs of the first layer."""
        return len(self.input_bounds())

    def head_input_size(self, channel: int) -> int:
        """Return the number of inputs of the head of ``channel``."""
        return self.features + _INPUTS_PER_RESIDUAL * channel

    def head_output_size(self, channel: int) -> int:
        """Return the number of outputs of the head of ``channel``."""
        return self.components * (_OWN_PARAMETERS + channel)

    def input_bounds(self) -> list[int]:
        """Return the largest absolute value of every input of the first layer, in steps."""
        coarse = [COARSE_MAX] * (len(NEIGHBOURS) * self.channels)
        fine = [FINE_MAX] * (len(FINE_NEIGHBOURS) * self.channels)
        chroma = [COARSE_MAX] * (_CHROMA_INPUTS if self.channels == 3 else 0)
        return coarse + fine + [PAD_VALUE] * self.channels + chroma

    def head_bounds(self, channel: int) -> list[int]:
        """Return the largest absolute value of every input of a head, in steps."""
        return [ACTIVATION_MAX] * self.features + [COARSE_MAX, FINE_MAX] * channel

    def output_bits(self, channel: int) -> list[int]:
        """Return log2(steps per unit) of every output of a head."""
        per_parameter = [LOGIT_BITS, MEAN_BITS, SCALE_BITS] + [COUPLING_BITS] * channel
        return [bits for bits in per_parameter for _ in range(self.components)]

    @property
    def macs_per_pixel(self) -> int:
        """Return the number of multiplications for one pixel."""
        return sum(outputs * len(bounds) for outputs, bounds, _ in self.layers().values())

    def layers(self) -> dict[str, tuple[int, list[int], list[int]]]:
        """Return the layers by name.

        Returns
        -------
        dict of str to (int, list of int, list of int)
            The number of outputs; the largest absolute value of each input, in steps; log2(steps per unit) of
            each output.
        """
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
        """Return the sizes by name."""
        return asdict(self)


@dataclass(frozen=True)
class RowArchitecture(Architecture):
    """Sizes of a Row LSTM: the trunk of a PixelCNN, which may have no blocks, then LSTMs over the rows.

    Parameters
    ----------
    channels, features, blocks, hidden, components : int
        As of a PixelCNN.
    lstms : int
        Layers that carry a state from each row to the next.
    state : int
        Numbers in the state of a pixel, of each such layer.
    """

    lstms: int = 1
    state: int = 32

    def gate_bounds(self) -> list[int]:
        """Return the largest absolute value of every input of the gates, in steps."""
        features = [ACTIVATION_MAX] * (self.features * len(FEATURE_TAPS))
        return features + [STATE_MAX] * (self.state * len(STATE_TAPS))

    def layers(self) -> dict[str, tuple[int, list[int], list[int]]]:
        """Return the layers by name, as :meth:`Architecture.layers` does."""
        layers, s, f = super().layers(), self.state, self.features
        for k in range(self.lstms):
            layers[f"gates.{k}"] = (4 * s, self.gate_bounds(), [GATE_BITS] * (4 * s))
            layers[f"out.{k}"] = (f, [STATE_MAX] * s, [ACTIVATION_BITS] * f)
        return layers


def architecture_of(sizes: Mapping[str, int]) -> Architecture:
    """Return the architecture of these sizes: a Row LSTM if a state is among them, else a PixelCNN."""
    return RowArchitecture(**sizes) if "state" in sizes else Architecture(**sizes)
