"""The Gated PixelCNN (van den Oord et al., 2016, "Conditional Image Generation with PixelCNN Decoders").

Two stacks: the vertical one sees all rows above in a cone that widens on both sides, the horizontal one the
row to the left. A pixel's features come from the horizontal stack, which takes those of the vertical one a
row above. So there is no blind spot on the upper right. A condition is added to what goes into the gates.

Shapes: B batch, C channels, H W height and width, F features, U units, E numbers of a condition.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcodec.network.architecture import ACTIVATION_STEPS, COARSE_SCALE, MAX_VALUE, PAD_VALUE
from pixcodec.network.pixelcnn import PixelCNN, network_inputs
from pixcodec.training.architectures.sizes import REDUCTION, TorchArchitecture

_COARSE = COARSE_SCALE / ACTIVATION_STEPS
_LUMA_ONE = 2**16
_LUMA = (19595, 38470, 7471)  # of _LUMA_ONE: ITU-R BT.601 as Pillow rounds it
_GREY_WINDOW = 5


def gate(x: Tensor) -> Tensor:
    """Map (B, 2 * U, H, W) to (B, U, H, W): tanh of one half times sigmoid of the other."""
    value, opening = x.chunk(2, 1)
    return torch.tanh(value) * torch.sigmoid(opening)


def start_at_zero(layer: nn.Conv2d) -> None:
    """Set weights and biases to zero: what the layer adds to the features begins with nothing."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def down_a_row(x: Tensor) -> Tensor:
    """Move (B, n, H, W) down by a row; zeros enter at the top."""
    return F.pad(x, (0, 0, 1, 0))[:, :, :-1]


class GatedBlock(nn.Module):
    """One layer of both stacks.

    Parameters
    ----------
    above : int
        Inputs of the vertical stack: F for the first layer, then U.
    features, units : int
        F and U.
    condition : int
        E; 0 if there is none.
    """

    def __init__(self, above: int, features: int, units: int, condition: int) -> None:
        super().__init__()
        self.vertical = nn.Conv2d(above, 2 * units, (2, 3))
        self.horizontal = nn.Conv2d(features, 2 * units, (1, 2))
        self.down = nn.Conv2d(2 * units, 2 * units, 1, bias=False)
        self.out = nn.Conv2d(units, features, 1)
        start_at_zero(self.out)
        self.condition = None
        if condition:
            with torch.random.fork_rng(devices=[]):  # the other weights begin as without a condition
                self.condition = nn.Conv2d(condition, 4 * units, 1, bias=False)
            start_at_zero(self.condition)

    def forward(self, v: Tensor, h: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return both stacks (B, U, H, W) and (B, F, H, W) after this layer."""
        v = self.vertical(F.pad(v, (1, 1, 1, 0)))
        u = self.horizontal(F.pad(h, (1, 0))) + self.down(down_a_row(v))
        if self.condition is not None and condition is not None:
            to_vertical, to_horizontal = self.condition(condition).chunk(2, 1)
            v, u = v + to_vertical, u + to_horizontal
        return gate(v), h + self.out(gate(u))


class GatedPixelCNN(PixelCNN):
    """A network with the inputs and heads of the PixelCNN, and two stacks of gated layers between them."""

    architecture: TorchArchitecture

    def _build_trunk(self) -> None:
        a = self.architecture
        with torch.random.fork_rng(devices=[]):
            self.condition = CONDITION_MAPS[a.condition](a) if a.condition else None
        width = a.units if a.condition else 0
        self.blocks = nn.ModuleList(
            GatedBlock(a.units if block else a.features, a.features, a.units, width)
            for block in range(a.blocks)
        )

    def features(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the features (B, F, H, W) and the base (B, C, H, W).

        Parameters
        ----------
        x : Tensor, shape (B, C, H, W)
        condition : Tensor, optional
            As :func:`condition_of` returns it, which a conditional network needs.

        Raises
        ------
        ValueError
            If a condition is missing, or the network takes none.
        """
        if (condition is None) != (self.condition is None):
            expected = self.architecture.condition or "no"
            raise ValueError(f"this network takes {expected} condition, found {_shape(condition)}")
        inputs, base = network_inputs(x)
        h = v = self._signed(self.input(inputs, self.quantised))
        added = None if self.condition is None else self.condition(condition, base, x)
        for block in self.blocks:
            v, h = block(v, h, added)
        if condition is not None and self.architecture.condition == "grey":
            base = base + (condition - _luma(base))  # the grey value of a base is then what it has to be
        return self._relu(h), base


def _luma(x: Tensor) -> Tensor:
    """Return the grey values (B, 1, H, W) of RGB images (B, 3, H, W), not rounded."""
    parts = zip(torch.split(x, 1, 1), _LUMA, strict=True)
    return torch.stack([part * (weight / _LUMA_ONE) for part, weight in parts]).sum(0)


def _shape(condition: Tensor | None) -> str:
    return "none" if condition is None else f"one of shape {tuple(condition.shape)}"


class ClassMap(nn.Module):
    """The class of an image -> a vector for all its pixels."""

    def __init__(self, a: TorchArchitecture) -> None:
        super().__init__()
        self.vectors = nn.Embedding(len(a.classes), a.units)

    def forward(self, condition: Tensor, base: Tensor, x: Tensor) -> Tensor:
        """Map classes (B,) to (B, E, 1, 1)."""
        vectors: Tensor = self.vectors(condition)
        return vectors[:, :, None, None]


class LowResolutionMap(nn.Module):
    """The image reduced by REDUCTION -> a vector for each pixel, which knows its place in a reduced pixel."""

    def __init__(self, a: TorchArchitecture) -> None:
        super().__init__()
        self.around = nn.Conv2d(a.channels, a.units, 3, padding=1)
        self.places = nn.Conv2d(a.units, a.units * REDUCTION**2, 1)
        self.here = nn.Conv2d(3 * a.channels, a.units, 1)

    def forward(self, condition: Tensor, base: Tensor, x: Tensor) -> Tensor:
        """Map the reduced images (B, C, H / 4, W / 4) to (B, E, H, W)."""
        height, width = base.shape[2:]
        around = torch.relu(self.around((condition - PAD_VALUE) / ACTIVATION_STEPS))
        places = F.pixel_shuffle(self.places(around), REDUCTION)[:, :, :height, :width]
        smooth = F.interpolate(condition, scale_factor=REDUCTION, mode="bilinear", align_corners=False)
        blocky = F.interpolate(condition, scale_factor=REDUCTION, mode="nearest")
        images = (smooth, blocky, mean_of_the_rest(condition, x))
        differences = [(image[:, :, :height, :width] - base) * _COARSE for image in images]
        here: Tensor = self.here(torch.cat(differences, 1))
        return places + here


def mean_of_the_rest(reduced: Tensor, x: Tensor) -> Tensor:
    """Return what the pixels of a reduced pixel that are not known yet have to be on average.

    Parameters
    ----------
    reduced : Tensor, shape (B, C, H / 4, W / 4)
    x : Tensor, shape (B, C, H, W)
        The image: at each pixel, the earlier ones of the same reduced pixel count, in raster order.

    Returns
    -------
    Tensor, shape (B, C, H, W)
        Of the pixel itself and the later ones, cut to 0..255.
    """
    height, width = x.shape[2:]
    padding = (0, -width % REDUCTION, 0, -height % REDUCTION)
    values, inside = F.pad(x, padding), F.pad(torch.ones_like(x), padding)

    def earlier(plane: Tensor) -> Tensor:
        """Return the sum of the earlier pixels of the same reduced pixel."""
        cells = F.pixel_unshuffle(plane, REDUCTION).unflatten(1, (plane.shape[1], -1))  # type: ignore[no-untyped-call]
        return F.pixel_shuffle((cells.cumsum(2) - cells).flatten(1, 2), REDUCTION)

    counts = F.avg_pool2d(inside, REDUCTION) * REDUCTION**2
    total = F.interpolate(reduced * counts, scale_factor=REDUCTION, mode="nearest")
    left = F.interpolate(counts, scale_factor=REDUCTION, mode="nearest") - earlier(inside)
    mean = (total - earlier(values)) / left.clamp_min(1)
    return mean.clamp(0, MAX_VALUE)[:, :, :height, :width]


class GreyMap(nn.Module):
    """The grey image -> a vector for each pixel, from the grey values around it."""

    def __init__(self, a: TorchArchitecture) -> None:
        super().__init__()
        self.around = nn.Conv2d(1, a.units, _GREY_WINDOW, padding=_GREY_WINDOW // 2)
        self.mix = nn.Conv2d(a.units + a.channels, a.units, 1)

    def forward(self, condition: Tensor, base: Tensor, x: Tensor) -> Tensor:
        """Map the grey images (B, 1, H, W) to (B, E, H, W)."""
        around = torch.relu(self.around((condition - PAD_VALUE) / ACTIVATION_STEPS))
        mixed: Tensor = self.mix(torch.cat([around, (condition - base) * _COARSE], 1))
        return mixed


CONDITION_MAPS = {"class": ClassMap, "low-resolution": LowResolutionMap, "grey": GreyMap}


def condition_of(architecture: TorchArchitecture, x: Tensor, classes: Tensor | None) -> Tensor | None:
    """Return what a network of this architecture is told of images.

    Parameters
    ----------
    architecture : TorchArchitecture
    x : Tensor, shape (B, C, H, W)
        The images, values 0..255.
    classes : Tensor of int64, shape (B,), or None
        Their classes, where the condition is the class.

    Returns
    -------
    Tensor or None
        The classes; or whole numbers 0..255: means of 4x4 pixels of the images (B, C, H / 4, W / 4),
        or grey (B, 1, H, W).

    Raises
    ------
    ValueError
        If the condition is the class, and there are no classes.
    """
    if architecture.condition == "class":
        if classes is None:
            raise ValueError("the condition is the class, but the images have none")
        return classes
    if architecture.condition == "low-resolution":
        return torch.round(F.avg_pool2d(x, REDUCTION, ceil_mode=True))
    if architecture.condition == "grey":
        red, green, blue = (part * weight for part, weight in zip(torch.split(x, 1, 1), _LUMA, strict=True))
        return torch.floor((red + green + blue + _LUMA_ONE // 2) / _LUMA_ONE)
    return None
