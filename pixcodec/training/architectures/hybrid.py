"""A PixelCNN with a recurrent state of the rows above: local convolutions, global context.

The features of the first layer are averaged over segments of SEGMENT pixels. A GRU whose states are
convolved along the row carries them from each row to the next. The state of the row above is added to the
features of every pixel before the convolutions.

Shapes: B batch, H W height and width, F features, U numbers of a state, N segments of a row.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcodec.network.pixelcnn import PixelCNN
from pixcodec.training.architectures.gated import down_a_row, start_at_zero
from pixcodec.training.architectures.sizes import TorchArchitecture

SEGMENT = 8  # pixels
_TAPS = 3  # segments of the row above whose states a segment sees


class RowState(nn.Module):
    """The recurrent state of the rows above.

    Parameters
    ----------
    features, units : int
        F and U.
    """

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.units = units
        self.enter = nn.Conv2d(features, 3 * units, 1)
        self.recurrent = nn.Conv1d(units, 3 * units, _TAPS, padding=_TAPS // 2)
        self.out = nn.Conv2d(units, features, 1)
        start_at_zero(self.out)

    def forward(self, h: Tensor) -> Tensor:
        """Map features (B, F, H, W) to what is added to them, which knows only of rows above."""
        width = h.shape[3]
        pooled = F.avg_pool2d(F.pad(h, (0, -width % SEGMENT)), (1, SEGMENT))
        entering = self.enter(pooled)  # B, 3 * U, H, N
        state = h.new_zeros(h.shape[0], self.units, pooled.shape[3])
        states = []
        for row in entering.unbind(2):
            keep_in, forget_in, new_in = row.chunk(3, 1)
            keep, forget, new = self.recurrent(state).chunk(3, 1)
            keep, forget = torch.sigmoid(keep + keep_in), torch.sigmoid(forget + forget_in)
            state = keep * state + (1 - keep) * torch.tanh(new_in + forget * new)
            states.append(state)
        added = down_a_row(self.out(torch.stack(states, 2)))
        return added.repeat_interleave(SEGMENT, 3)[..., :width]


class HybridPixelCNN(PixelCNN):
    """A PixelCNN of which one block gives way to a state of the rows above."""

    architecture: TorchArchitecture

    def _build_trunk(self) -> None:
        a = self.architecture
        super()._build_trunk()
        self.conv, self.mix = self.conv[: a.blocks - 1], self.mix[: a.blocks - 1]
        self.rows = RowState(a.features, a.units)

    def _trunk(self, inputs: Tensor) -> Tensor:
        h = self.input(inputs, self.quantised)
        h = h + self.rows(h)
        for conv, mix in zip(self.conv, self.mix, strict=True):
            h = h + mix(self._relu(conv(self._relu(h), self.quantised)), self.quantised)
        return self._relu(h)
