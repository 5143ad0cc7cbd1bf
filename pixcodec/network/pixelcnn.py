"""The PixelCNN as a torch module: what is trained, and later exported to integers.

Shapes: B batch, C channels (1 or 3), H W height and width, F features, K mixture components.

Everything here mirrors :mod:`pixcodec.network.integer_net`: activations live in steps of
``1 / ACTIVATION_STEPS`` and are bounded by ``ACTIVATION_MAX`` steps, weights are rounded per output
channel with a power-of-two scale, and outputs are rounded to the steps that the distribution tables
use. With ``quantised=True`` the forward pass rounds as the integer network does (straight-through
gradients), so the network that is trained is the one that codes.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pixcodec.network.architecture import (
    ACCUMULATOR_LIMIT,
    ACTIVATION_MAX,
    ACTIVATION_STEPS,
    COARSE_SCALE,
    COUPLING_BITS,
    COUPLING_MAX,
    FINE_MAX,
    FINE_NEIGHBOURS,
    FINE_SCALE,
    LOG_SCALE_MAX,
    LOG_SCALE_MIN,
    LOGIT_BITS,
    LOGIT_MAX,
    MAX_STORED_WEIGHT,
    MAX_WEIGHT_SHIFT,
    MEAN_BITS,
    MEAN_UNIT,
    NEIGHBOURS,
    PAD_VALUE,
    PMF_FLOOR,
    REACH,
    SCALE_BITS,
    TAPS,
    Architecture,
)


def _round(x: Tensor) -> Tensor:
    return x + (torch.round(x) - x).detach()


def weight_shift(weight: Tensor, bias: Tensor, input_max: Tensor) -> Tensor:
    """Return the largest power-of-two exponent per output whose sums stay exact in float32.

    Parameters
    ----------
    weight : Tensor
        Shape (outputs, inputs), real units.
    bias : Tensor
        Shape (outputs,), real units.
    input_max : Tensor
        Shape (inputs,), the bound of each integer input, in steps.

    Returns
    -------
    Tensor
        Shape (outputs,), float: integer exponents, at most ``MAX_WEIGHT_SHIFT``.
    """
    reach = (weight.abs() * input_max).sum(1) + bias.abs() * ACTIVATION_STEPS
    room = ACCUMULATOR_LIMIT - 0.5 * float(input_max.sum()) - 2.0**18
    largest = weight.abs().amax(1).clamp_min(1e-6)
    exponent = torch.minimum(room / reach.clamp_min(1e-6), MAX_STORED_WEIGHT / largest)
    return torch.floor(torch.log2(exponent)).clamp(max=MAX_WEIGHT_SHIFT)


class Layer(nn.Module):
    """A linear map over ``inputs`` values per pixel, rounded as the integer network rounds it."""

    input_max: Tensor

    def __init__(self, input_max: list[int], outputs: int, *, taps: bool = False) -> None:
        super().__init__()
        self.taps = taps
        inputs = len(input_max) * (len(TAPS) if taps else 1)
        bound = 1 / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        full = input_max * len(TAPS) if taps else input_max
        self.register_buffer("input_max", torch.tensor(full, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor, quantised: bool) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W); the result is not rounded."""
        weight: Tensor = self.weight
        bias = self.bias
        if quantised:
            with torch.no_grad():
                scale = torch.exp2(weight_shift(weight, bias, self.input_max))
            weight = _round(weight * scale[:, None]) / scale[:, None]
        if not self.taps:
            return F.conv2d(x, weight[:, :, None, None], bias)
        # Tap order is TAPS; the sixth position of the 2x3 window, to the right, is masked.
        o, c = weight.shape[0], x.shape[1]
        kernel = F.pad(weight.view(o, len(TAPS), c), (0, 0, 0, 1)).permute(0, 2, 1).reshape(o, c, 2, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 0)), kernel, bias)


class PixelCNN(nn.Module):
    """Masked convolutional network giving, for each subpixel, a mixture of logistics.

    The mean of each component is relative to the MED base of its channel (LOCO-I), so the network
    is almost brightness-invariant. Channel c conditions on the channels before it of the same pixel.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = a = architecture
        self.quantised = False
        self.input = Layer(a.input_bounds(), a.features)
        act = [ACTIVATION_MAX] * a.features
        self.conv = nn.ModuleList([Layer(act, a.features, taps=True) for _ in range(a.blocks)])
        self.mix = nn.ModuleList([Layer(act, a.features) for _ in range(a.blocks)])
        for layer in self.mix:
            for parameter in layer.parameters():
                nn.init.zeros_(parameter)
        hidden = [ACTIVATION_MAX] * a.hidden
        self.heads = nn.ModuleList(
            nn.ModuleList(
                [
                    Layer(a.head_bounds(c), a.hidden),
                    Layer(hidden, a.hidden),
                    Layer(hidden, a.head_output_size(c)),
                ]
            )
            for c in range(a.channels)
        )

    def _relu(self, x: Tensor) -> Tensor:
        if self.quantised:
            x = _round(x * ACTIVATION_STEPS) / ACTIVATION_STEPS
        return F.hardtanh(x, 0.0, ACTIVATION_MAX / ACTIVATION_STEPS)

    def _signed(self, x: Tensor) -> Tensor:
        if not self.quantised:
            return x
        top = ACTIVATION_MAX / ACTIVATION_STEPS
        return (_round(x * ACTIVATION_STEPS) / ACTIVATION_STEPS).clamp(-top, top)

    def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
        """Return the mixture parameters of each channel.

        Parameters
        ----------
        x : Tensor
            Shape (B, C, H, W), values 0..255 as floats.

        Returns
        -------
        list of dict
            For each channel ``logit``, ``mean`` (levels) and ``log_scale``, each (B, K, H, W).
        """
        inputs, base = network_inputs(x)
        q = self.quantised
        h = self._signed(self.input(inputs, q))
        for conv, mix in zip(self.conv, self.mix, strict=True):
            u = self._relu(conv(self._relu(h), q))
            h = self._signed(h + self._signed(mix(u, q)))
        h = self._relu(h)
        residual = x - base
        k = self.architecture.components
        outputs = []
        for channel, head in enumerate(self.heads):
            parts = [h]
            top = FINE_MAX / ACTIVATION_STEPS
            for earlier in range(channel):
                r = residual[:, earlier : earlier + 1]
                parts.append(r * (COARSE_SCALE / ACTIVATION_STEPS))
                parts.append((r * (FINE_SCALE / ACTIVATION_STEPS)).clamp(-top, top))
            assert isinstance(head, nn.ModuleList)
            first, second, last = head
            o = last(self._relu(second(self._relu(first(torch.cat(parts, 1), q)), q)), q)
            logit, mean, log_scale = o[:, :k], o[:, k : 2 * k], o[:, 2 * k : 3 * k]
            coupling = o[:, 3 * k :]
            if q:
                logit = _round(logit * 2**LOGIT_BITS) / 2**LOGIT_BITS
                mean = _round(mean * 2**MEAN_BITS) / 2**MEAN_BITS
                log_scale = _round(log_scale * 2**SCALE_BITS) / 2**SCALE_BITS
                coupling = _round(coupling * 2**COUPLING_BITS) / 2**COUPLING_BITS
            mean = base[:, channel : channel + 1] + mean * MEAN_UNIT
            for earlier in range(channel):
                steepest = COUPLING_MAX / 2**COUPLING_BITS
                slope = coupling[:, earlier * k : (earlier + 1) * k].clamp(-steepest, steepest)
                mean = mean + slope * residual[:, earlier : earlier + 1]
            outputs.append(
                {
                    "logit": logit.clamp(-LOGIT_MAX / 2**LOGIT_BITS, LOGIT_MAX / 2**LOGIT_BITS),
                    "mean": mean,
                    "log_scale": log_scale.clamp(LOG_SCALE_MIN, LOG_SCALE_MAX),
                }
            )
        return outputs


def network_inputs(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the inputs of the first layer (B, inputs, H, W) and the MED base (B, C, H, W)."""
    height, width = x.shape[2:]
    padded = F.pad(x, (REACH, REACH, REACH, 0), value=float(PAD_VALUE))

    def at(dy: int, dx: int) -> Tensor:
        return padded[:, :, REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]

    west, north, northwest = at(0, -1), at(-1, 0), at(-1, -1)
    low, high = torch.minimum(west, north), torch.maximum(west, north)
    base = torch.maximum(low, torch.minimum(high, west + north - northwest))
    coarse = [(at(*o) - base) * (COARSE_SCALE / ACTIVATION_STEPS) for o in NEIGHBOURS]
    top = FINE_MAX / ACTIVATION_STEPS
    fine = [((at(*o) - base) * (FINE_SCALE / ACTIVATION_STEPS)).clamp(-top, top) for o in FINE_NEIGHBOURS]
    parts = [*coarse, *fine, (base - PAD_VALUE) / ACTIVATION_STEPS]
    if x.shape[1] == 3:
        green = base[:, 1:2]
        unit = COARSE_SCALE / ACTIVATION_STEPS
        parts += [(base[:, 0:1] - green) * unit, (base[:, 2:3] - green) * unit]
    return torch.cat(parts, 1), base


def bits_per_subpixel(outputs: list[dict[str, Tensor]], x: Tensor) -> Tensor:
    """Return -log2 p of every subpixel, shape (B, C, H, W)."""
    floor = PMF_FLOOR / ACCUMULATOR_LIMIT
    per_channel = []
    for channel, o in enumerate(outputs):
        v = x[:, channel : channel + 1]
        inverse = torch.exp(-o["log_scale"])
        centred = v - o["mean"]
        upper = torch.sigmoid((centred + 0.5) * inverse)
        lower = torch.sigmoid((centred - 0.5) * inverse)
        mass = torch.where(v > 254.5, 1.0, upper) - torch.where(v < 0.5, 0.0, lower)
        p = (F.softmax(o["logit"], 1) * mass).sum(1)
        per_channel.append(-torch.log2(p * (1 - 256 * floor) + floor))
    return torch.stack(per_channel, 1)
