"""The Diagonal BiLSTM of PixelRNN (van den Oord et al., 2016): its state knows of every earlier pixel.

Each layer has an LSTM that goes from the left to the right and one that goes from the right to the left. Both
step from diagonal to diagonal: rows are shifted against each other, row y by y columns, so that the
diagonals are columns, and all pixels of one are computed together. A state depends on the states of the
pixel beside and the pixel above. What came from the right is moved down by a row, as that pixel comes later.

Shapes: B batch, H W height and width, F features, S numbers of a state, T = H + W - 1 diagonals.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcodec.network.architecture import PAD_VALUE
from pixcodec.network.pixelcnn import PixelCNN
from pixcodec.training.architectures.gated import down_a_row, start_at_zero
from pixcodec.training.architectures.sizes import TorchArchitecture


def skew(x: Tensor) -> Tensor:
    """Shift row y of (..., H, W) by y columns to the right: (..., H, T), zeros elsewhere."""
    height, width = x.shape[-2:]
    flat = F.pad(x, (0, height)).flatten(-2)
    return flat[..., : height * (width + height - 1)].view(*x.shape[:-1], width + height - 1)


def unskew(x: Tensor, width: int) -> Tensor:
    """Undo :func:`skew`: (..., H, T) to (..., H, W)."""
    height = x.shape[-2]
    rows: Tensor = F.pad(x.flatten(-2), (0, height)).view(*x.shape[:-1], width + height)
    return rows[..., :width]


class DiagonalLayer(nn.Module):
    """Both LSTMs of a layer, and what they add to the features.

    Parameters
    ----------
    features, state : int
        F and S.
    """

    def __init__(self, features: int, state: int) -> None:
        super().__init__()
        self.state = state
        self.enter = nn.Conv2d(features, 8 * state, 1)  # four gates in two directions
        bound = (2 * state) ** -0.5
        self.recurrent_weight = nn.Parameter(torch.empty(2, 2 * state, 4 * state).uniform_(-bound, bound))
        self.out = nn.Conv2d(2 * state, features, 1)
        start_at_zero(self.out)

    def forward(self, h: Tensor) -> Tensor:
        """Map features (B, F, H, W) to what is added to them."""
        width = h.shape[3]
        from_left, from_right = self.enter(h).chunk(2, 1)
        both = torch.stack([from_left, from_right.flip(3)])
        states = unskew(self._states(skew(both)), width)
        from_left, from_right = states.unbind()
        added: Tensor = self.out(torch.cat([from_left, down_a_row(from_right.flip(3))], 1))
        return added

    def _states(self, gates: Tensor) -> Tensor:
        """Return the states (2, B, S, H, T) from the features' part in the gates (2, B, 4 * S, H, T)."""
        _, batch, _, height, _ = gates.shape
        s = self.state
        state = gates.new_zeros(2, batch, height, s)
        cell = gates.new_zeros(2, batch * height, s)
        states = []
        for column in gates.permute(4, 0, 1, 3, 2).flatten(2, 3).unbind():  # 2, B * H, 4 * S
            above = F.pad(state, (0, 0, 1, 0))[:, :, :-1]
            seen = torch.cat([state, above], 3).flatten(1, 2)
            sums = torch.baddbmm(column, seen, self.recurrent_weight)
            enter, keep, show = torch.sigmoid(sums[..., : 3 * s]).chunk(3, 2)
            cell = keep * cell + enter * torch.tanh(sums[..., 3 * s :])
            state = (show * torch.tanh(cell)).view(2, batch, height, s)
            states.append(state)
        return torch.stack(states).permute(1, 2, 4, 3, 0)


class DiagonalBiLSTM(PixelCNN):
    """A network with the inputs and heads of the PixelCNN, and diagonal LSTMs between them."""

    architecture: TorchArchitecture

    def _build_trunk(self) -> None:
        a = self.architecture
        self.layers = nn.ModuleList(DiagonalLayer(a.features, a.units) for _ in range(a.blocks))

    def features(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return features and base, as :meth:`PixelCNN.features` does.

        A column is added on the right: its inputs hold the last pixel of a row, of which the next row would
        else learn only at its end.
        """
        features, base = super().features(F.pad(x, (0, 1), value=float(PAD_VALUE)), condition)
        return features[..., :-1], base[..., :-1]

    def _trunk(self, inputs: Tensor) -> Tensor:
        h = self._signed(self.input(inputs, self.quantised))
        for layer in self.layers:
            h = h + layer(h)
        return self._relu(h)
