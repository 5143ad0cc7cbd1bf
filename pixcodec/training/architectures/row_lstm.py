"""The Row LSTM of PixelRNN (van den Oord et al., 2016) as a torch module, exact to the last step if rounded.

The trunk is that of a PixelCNN, which may have no blocks, and then one or more LSTMs over the rows. Each adds
what it makes of its state to the features of a pixel. A state depends on the states of three pixels of the
row above, and on the features of the pixel and its left neighbour: on everything in a triangle that reaches
to the first row.

:mod:`pixcodec.network.row_lstm` computes the same in integers. FORMAT.md, "Row LSTM", is the norm.

Shapes: B batch, C channels, H W height and width, F features, S numbers of a state, K mixture components.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcodec.network.architecture import (
    ACTIVATION_BITS,
    ACTIVATION_MAX,
    ACTIVATION_STEPS,
    COUPLING_BITS,
    COUPLING_MAX,
    FEATURE_TAPS,
    GATE_BITS,
    GATE_MAX,
    GATE_ONE_BITS,
    GATE_STEPS,
    LOG_SCALE_MAX,
    LOG_SCALE_MIN,
    LOGIT_BITS,
    LOGIT_MAX,
    MEAN_BITS,
    MEAN_MAX,
    MEAN_STEPS,
    MEAN_UNIT,
    SCALE_BITS,
    STATE_MAX,
    STATE_TAPS,
    Architecture,
    RowArchitecture,
)
from pixcodec.network.model import gate_tables
from pixcodec.network.pixelcnn import Layer, PixelCNN, weight_shift

_TOP = ACTIVATION_MAX / ACTIVATION_STEPS
_GATE_TOP = GATE_MAX / GATE_STEPS
_STATE_SCALE = STATE_MAX / ACTIVATION_STEPS  # a state is this many times a number between -1 and 1


def _rounded(x: Tensor, bits: int, most: float | None = None) -> Tensor:
    """Round to multiples of 2**-bits, a half up, at most ``most`` such steps; the gradient passes.

    Beyond ``most`` there is no gradient.
    """
    steps = torch.floor(x.detach() * (1 << bits) + 0.5) / (1 << bits)
    x = x + (steps - x.detach())
    return x if most is None else x.clamp(-most / (1 << bits), most / (1 << bits))


class ExactLayer(Layer):
    """A layer that also rounds its bias, as a model file holds it."""

    def parameters_used(self, quantised: bool) -> tuple[Tensor, Tensor]:
        """Return weight and bias of a forward pass: as they are, or rounded."""
        weight, bias = super().parameters_used(quantised)
        if quantised:
            with torch.no_grad():
                scale = torch.exp2(weight_shift(self.weight, self.bias, self.input_max) + ACTIVATION_BITS)
                steps = torch.round(self.bias * scale) / scale
            bias = bias + (steps - bias).detach()
        return weight, bias


class RowLSTM(PixelCNN):
    """A PixelCNN, which may have no blocks, whose features know of all rows above by a recurrent state.

    Parameters
    ----------
    architecture : RowArchitecture
    """

    architecture: RowArchitecture
    layer_type = ExactLayer
    sigmoid_table: Tensor
    tanh_table: Tensor

    def __init__(self, architecture: RowArchitecture) -> None:
        super().__init__(architecture)
        a = architecture
        gates = [ExactLayer(a.gate_bounds(), 4 * a.state) for _ in range(a.lstms)]
        outs = [ExactLayer([STATE_MAX] * a.state, a.features) for _ in range(a.lstms)]
        self.gates, self.out = nn.ModuleList(gates), nn.ModuleList(outs)
        seen = a.features * len(FEATURE_TAPS)
        with torch.no_grad():
            for gate, out in zip(gates, outs, strict=True):
                gate.weight[:, seen:] /= _STATE_SCALE
                gate.bias[a.state : 2 * a.state] += 1.0  # a new cell forgets slowly
                out.weight.zero_()
                out.bias.zero_()
        for name, table in gate_tables().items():
            values = torch.from_numpy(table).float() / (1 << GATE_ONE_BITS)
            self.register_buffer(f"{name}_table", values, persistent=False)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> list[dict[str, Tensor]]:
        """Return the mixture parameters of each channel, as :meth:`PixelCNN.forward` does.

        Raises
        ------
        ValueError
            If there is a condition.
        """
        if condition is not None:
            raise ValueError("a Row LSTM takes no condition")
        return super().forward(x)

    def _relu(self, x: Tensor) -> Tensor:
        return F.hardtanh(_rounded(x, ACTIVATION_BITS) if self.quantised else x, 0.0, _TOP)

    def _signed(self, x: Tensor) -> Tensor:
        return _rounded(x, ACTIVATION_BITS, ACTIVATION_MAX) if self.quantised else x

    def _trunk(self, inputs: Tensor) -> Tensor:
        """Map the inputs (B, inputs, H, W) to the features that all heads share (B, F, H, W)."""
        h = self._signed(self.input(inputs, self.quantised))
        for conv, mix in zip(self.conv, self.mix, strict=True):
            u = self._relu(conv(self._relu(h), self.quantised))
            h = self._signed(h + self._signed(mix(u, self.quantised)))
        for gates, out in zip(self.gates, self.out, strict=True):
            assert isinstance(gates, Layer)
            added = out(self._states(gates, h.clamp(-_TOP, _TOP)), self.quantised)
            h = self._signed(h + self._signed(added))
        return self._relu(h)

    def _states(self, gates: Layer, h: Tensor) -> Tensor:
        """Return the states (B, S, H, W) of an LSTM, row by row, from the features (B, F, H, W)."""
        batch, _, _, width = h.shape
        s, seen = self.architecture.state, self.architecture.features * len(FEATURE_TAPS)
        weight, bias = gates.parameters_used(self.quantised)
        features = torch.cat([F.pad(h, (1, 0))[..., :-1], h], 1)  # at FEATURE_TAPS
        rows = F.linear(features.permute(2, 0, 3, 1), weight[:, :seen], bias).flatten(1, 2).unbind()
        recurrent = weight[:, seen:].t()
        state, cell, states = h.new_zeros(batch, width, s), h.new_zeros(batch * width, s), []
        for row in rows:  # B * W, 4 * S
            padded = F.pad(state, (0, 0, 1, 1))
            taps = [padded[:, 1 + dx : 1 + dx + width] for _, dx in STATE_TAPS]
            sums = torch.addmm(row, torch.cat(taps, 2).flatten(0, 1), recurrent)
            cell, flat = self._step(sums, cell)
            state = flat.view(batch, width, s)
            states.append(state)
        return torch.stack(states, 1).permute(0, 3, 1, 2)

    def _step(self, sums: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Return cells and states (N, S) of pixels from the gates' inputs (N, 4 * S) and the cells above."""
        s = cell.shape[1]
        if not self.quantised:
            enter, keep, show = torch.split(torch.sigmoid(sums[:, : 3 * s]), s, 1)
            cell = (keep * cell + enter * torch.tanh(sums[:, 3 * s :])).clamp(-_GATE_TOP, _GATE_TOP)
            return cell, show * torch.tanh(cell) * _STATE_SCALE
        sums = _rounded(sums, GATE_BITS, GATE_MAX)
        opened = self._looked_up(self.sigmoid_table, torch.sigmoid, sums[:, : 3 * s])
        enter, keep, show = torch.split(opened, s, 1)
        new = self._looked_up(self.tanh_table, torch.tanh, sums[:, 3 * s :])
        cell = _rounded(keep * cell, GATE_BITS) + _rounded(enter * new, GATE_BITS)
        cell = cell.clamp(-_GATE_TOP, _GATE_TOP)
        shown = show * self._looked_up(self.tanh_table, torch.tanh, cell)
        return cell, _rounded(shown, GATE_BITS) * _STATE_SCALE

    @staticmethod
    def _looked_up(table: Tensor, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Return the values of a table at multiples of 1 / GATE_STEPS, with the gradient of the function."""
        smooth = function(x)
        values = table[(x.detach() * GATE_STEPS).long() + GATE_MAX]
        return smooth + (values - smooth).detach()

    def _mixture(self, outputs: Tensor, base: Tensor, residual: Tensor) -> dict[str, Tensor]:
        """Turn the outputs of a head into mixture parameters, exactly if rounded."""
        if not self.quantised:
            return super()._mixture(outputs, base, residual)
        logit, mean, log_scale, *couplings = torch.split(outputs, self.architecture.components, 1)
        mean = base + _rounded(mean, MEAN_BITS, MEAN_MAX) * MEAN_UNIT
        for earlier, coupling in enumerate(couplings):
            slope = _rounded(coupling, COUPLING_BITS, COUPLING_MAX)
            moved = slope * residual[:, earlier : earlier + 1]
            mean = mean + _rounded(moved, MEAN_STEPS.bit_length() - 1)
        return {
            "logit": _rounded(logit, LOGIT_BITS, LOGIT_MAX),
            "mean": mean,
            "log_scale": _rounded(log_scale, SCALE_BITS).clamp(LOG_SCALE_MIN, LOG_SCALE_MAX),
        }


def network_of(architecture: Architecture) -> PixelCNN:
    """Return a new network of an architecture: a Row LSTM or a PixelCNN."""
    if isinstance(architecture, RowArchitecture):
        return RowLSTM(architecture)
    return PixelCNN(architecture)
