"""Another order of the pixels: subsampled grids, each conditioned on those before (Reed et al., 2017).

A PixelCNN gives every fourth pixel of every fourth row. Twice, the grid is then made twice as fine in two
stages: the pixels in the middle of four known ones, then those between two known columns or rows. All pixels
of a stage are independent of each other given the earlier stages, so that a stage is one step, whatever the
size of the image.

Shapes: B batch, C channels, H W height and width, F features, U units.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcodec.network.architecture import MIN_SLOPE
from pixcodec.network.pixelcnn import PixelCNN, network_inputs, relative_inputs
from pixcodec.training.architectures.gated import start_at_zero
from pixcodec.training.architectures.sizes import TorchArchitecture

SPACING = 4  # of the first grid, in pixels
_SPACINGS = (2, 1)  # of the finer grids
_MARGIN = 3  # largest distance of a neighbour, in places of the finer grid
LEAST_SIDE = 2 * SPACING  # of an image: the finer grids are mirrored by _MARGIN places at their borders
_ODD = (-3, -1, 1, 3)
# Places (dy, dx) on the finer grid that are known, around a pixel in the middle and around one between.
_AROUND_MIDDLE = [(dy, dx) for dy in _ODD for dx in _ODD]
_AROUND_BETWEEN = [
    (dy, dx) for dy in range(-3, 4) for dx in range(-3, 4) if (dy + dx) % 2 and abs(dy) + abs(dx) <= 3
]
# Stages of a finer grid: the step at which each is known, the first pixel (y, x), its neighbours.
_STAGES = ((0, (1, 1), _AROUND_MIDDLE), (1, (0, 1), _AROUND_BETWEEN), (1, (1, 0), _AROUND_BETWEEN))
_NEAREST = 2  # largest sum of squares of (dy, dx) of the four nearest ones


class Filler(nn.Module):
    """The trunk of all stages after the first grid: convolutions without a mask over the pixels of a stage.

    Parameters
    ----------
    inputs, features, units, blocks : int
    """

    def __init__(self, inputs: int, features: int, units: int, blocks: int) -> None:
        super().__init__()
        self.first = nn.ModuleList(nn.Conv2d(inputs, features, 1) for _ in range(2))
        self.stage = nn.Embedding(len(_SPACINGS) * len(_STAGES), features)
        self.conv = nn.ModuleList(nn.Conv2d(features, units, 3, padding=1) for _ in range(blocks))
        self.mix = nn.ModuleList(nn.Conv2d(units, features, 1) for _ in range(blocks))
        for layer in self.mix:
            assert isinstance(layer, nn.Conv2d)
            start_at_zero(layer)
        nn.init.zeros_(self.stage.weight)

    def forward(self, inputs: Tensor, between: int, stage: int) -> Tensor:
        """Map the inputs (B, inputs, h, w) of a stage to features (B, F, h, w)."""
        h = self.first[between](inputs) + self.stage.weight[stage, :, None, None]
        for conv, mix in zip(self.conv, self.mix, strict=True):
            h = h + mix(torch.relu(conv(torch.relu(h))))
        return torch.as_tensor(h)


class MultiscalePixelCNN(PixelCNN):
    """A network with the heads of the PixelCNN, whose pixels come in the order of subsampled grids."""

    architecture: TorchArchitecture

    def _build_trunk(self) -> None:
        a = self.architecture
        super()._build_trunk()
        self.conv, self.mix = self.conv[:1], self.mix[:1]  # of the first grid, which has few pixels
        known = len(_AROUND_MIDDLE) + 4  # the nearest four at two scales
        inputs = (known + 1) * a.channels + (2 if a.channels == 3 else 0)
        self.fill = Filler(inputs, a.features, a.units, a.blocks)

    def features(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the features (B, F, H, W) and the base (B, C, H, W) of all pixels.

        Raises
        ------
        ValueError
            If there is a condition, or the images are smaller than LEAST_SIDE.
        """
        if condition is not None:
            raise ValueError("this network takes no condition")
        if min(x.shape[2:]) < LEAST_SIDE:
            raise ValueError(
                f"image is {x.shape[3]}x{x.shape[2]}, expected {LEAST_SIDE}x{LEAST_SIDE} or more"
            )
        features = x.new_zeros(x.shape[0], self.architecture.features, *x.shape[2:])
        base = x.new_zeros(x.shape)
        inputs, first_base = network_inputs(x[:, :, ::SPACING, ::SPACING])
        features[:, :, ::SPACING, ::SPACING] = self._trunk(inputs)
        base[:, :, ::SPACING, ::SPACING] = first_base
        stage = 0
        for spacing in _SPACINGS:
            grid = x[:, :, ::spacing, ::spacing]
            for between, (top, left), places in _STAGES:
                inputs, own_base = _stage_inputs(grid, top, left, places)
                here = (
                    ...,
                    slice(top * spacing, None, 2 * spacing),
                    slice(left * spacing, None, 2 * spacing),
                )
                features[here] = self._relu(self.fill(inputs, between, stage))
                base[here] = own_base
                stage += 1
        return features, base


def _stage_inputs(grid: Tensor, top: int, left: int, places: list[tuple[int, int]]) -> tuple[Tensor, Tensor]:
    """Return inputs (B, inputs, h, w) and base (B, C, h, w) of the pixels of a stage.

    Parameters
    ----------
    grid : Tensor, shape (B, C, H, W)
        The finer grid, of which only the known pixels are read.
    top, left : int
        The first pixel of the stage; the others are two places apart.
    places : list of (int, int)
        Offsets of its known neighbours.
    """
    height, width = grid.shape[2:]
    padded = F.pad(grid, (_MARGIN,) * 4, mode="reflect")  # a mirrored pixel is known where this one is

    def at(dy: int, dx: int) -> Tensor:
        rows = slice(_MARGIN + top + dy, _MARGIN + dy + height, 2)
        return padded[:, :, rows, slice(_MARGIN + left + dx, _MARGIN + dx + width, 2)]

    nearest = [at(dy, dx) for dy, dx in places if dy * dy + dx * dx <= _NEAREST]
    base = torch.stack(nearest).mean(0)
    return relative_inputs([at(*place) for place in places], nearest, base), base


def scale_order(height: int, width: int) -> Tensor:
    """Return at which step each pixel is known (H, W): wavefronts of the first grid, then the stages."""
    order = torch.empty(height, width, dtype=torch.int64)
    y, x = torch.meshgrid(torch.arange(0, height, SPACING), torch.arange(0, width, SPACING), indexing="ij")
    order[::SPACING, ::SPACING] = x // SPACING + MIN_SLOPE * (y // SPACING)
    step = int(order[::SPACING, ::SPACING].max()) + 1
    for spacing in _SPACINGS:
        for between, (top, left), _ in _STAGES:
            order[top * spacing :: 2 * spacing, left * spacing :: 2 * spacing] = step + between
        step += 2
    return order
