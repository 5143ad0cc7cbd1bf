"""The PixelCNN as a torch module, which is trained and then exported to integers.

Everything here mirrors :mod:`pixcodec.network.integer_net`. Activations are multiples of
``1 / ACTIVATION_STEPS``, bounded by ``ACTIVATION_MAX`` steps. Weights are rounded per output channel, with a
power of two as the scale. Outputs are rounded to the steps of the distribution tables. If ``quantised`` is
set, the forward pass rounds as the integer network does, with straight-through gradients, so that the trained
network is the one that codes.

Shapes: B batch, C channels (1 or 3), H W height and width, F features, K mixture components.
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
    MAX_VALUE,
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

# The same bounds and scales in real units.
_TOP = ACTIVATION_MAX / ACTIVATION_STEPS
_COARSE = COARSE_SCALE / ACTIVATION_STEPS
_FINE = FINE_SCALE / ACTIVATION_STEPS
_FINE_TOP = FINE_MAX / ACTIVATION_STEPS
_LOGIT_TOP = LOGIT_MAX / 2**LOGIT_BITS
_COUPLING_TOP = COUPLING_MAX / 2**COUPLING_BITS

_BIAS_ROOM = 2.0**18  # of ACCUMULATOR_LIMIT: for the rounding of a bias and the half that is added to it
_TINY = 1e-6  # against division by zero


def _round(x: Tensor) -> Tensor:
    """Round to integers; the gradient passes unchanged."""
    return x + (torch.round(x) - x).detach()


def _rounded(x: Tensor, bits: int) -> Tensor:
    """Round to multiples of 2**-bits; the gradient passes unchanged."""
    steps = 1 << bits
    return _round(x * steps) / steps


def weight_shift(weight: Tensor, bias: Tensor, input_max: Tensor) -> Tensor:
    """Return the largest power-of-two exponent of each output with which its sums stay exact in float32.

    Parameters
    ----------
    weight : Tensor, shape (outputs, inputs)
        In real units.
    bias : Tensor, shape (outputs,)
        In real units.
    input_max : Tensor, shape (inputs,)
        The largest absolute value of each integer input, in steps.

    Returns
    -------
    Tensor of float, shape (outputs,)
        Integers, at most ``MAX_WEIGHT_SHIFT``.
    """
    reach = (weight.abs() * input_max).sum(1) + bias.abs() * ACTIVATION_STEPS
    room = ACCUMULATOR_LIMIT - 0.5 * float(input_max.sum()) - _BIAS_ROOM  # rounding moves a weight by 1/2
    largest = weight.abs().amax(1).clamp_min(_TINY)
    exponent = torch.minimum(room / reach.clamp_min(_TINY), MAX_STORED_WEIGHT / largest)
    return torch.floor(torch.log2(exponent)).clamp(max=MAX_WEIGHT_SHIFT)


class Layer(nn.Module):
    """A linear map of the values of a pixel, or of its taps, rounded as the integer network rounds it.

    Parameters
    ----------
    input_max : list of int
        The largest absolute value of each input of one pixel, in steps.
    outputs : int
    taps : bool
        Whether the inputs are those of the pixels at TAPS instead of the pixel alone.
    """

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

    def parameters_used(self, quantised: bool) -> tuple[Tensor, Tensor]:
        """Return weight and bias of a forward pass: as they are, or the weight rounded."""
        weight: Tensor = self.weight
        if quantised:
            with torch.no_grad():
                scale = torch.exp2(weight_shift(weight, self.bias, self.input_max))
            weight = _round(weight * scale[:, None]) / scale[:, None]
        return weight, self.bias

    def forward(self, x: Tensor, quantised: bool) -> Tensor:
        """Map (B, inputs, H, W) to (B, outputs, H, W); the weights are rounded, the result is not."""
        weight, bias = self.parameters_used(quantised)
        if not self.taps:
            return F.conv2d(x, weight[:, :, None, None], bias)
        # TAPS are a window of 2 rows and 3 columns in raster order, of which the last place is masked.
        o, c = weight.shape[0], x.shape[1]
        kernel = F.pad(weight.view(o, len(TAPS), c), (0, 0, 0, 1)).permute(0, 2, 1).reshape(o, c, 2, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 0)), kernel, bias)


class PixelCNN(nn.Module):
    """A masked convolutional network that gives a mixture of logistic distributions for each subpixel.

    The mean of each component is relative to the base of its channel (the MED predictor of LOCO-I), so that
    the network depends little on brightness. Channel c is conditioned on the earlier channels of the same
    pixel.
    """

    layer_type = Layer

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        layer = self.layer_type
        self.architecture = a = architecture
        self.quantised = False
        self.input = layer(a.input_bounds(), a.features)
        self._build_trunk()
        hidden = [ACTIVATION_MAX] * a.hidden
        self.heads = nn.ModuleList(
            nn.ModuleList(
                [
                    layer(a.head_bounds(c), a.hidden),
                    layer(hidden, a.hidden),
                    layer(hidden, a.head_output_size(c)),
                ]
            )
            for c in range(a.channels)
        )

    def _build_trunk(self) -> None:
        """Make the layers between the first one and the heads."""
        a, layer = self.architecture, self.layer_type
        act = [ACTIVATION_MAX] * a.features
        self.conv = nn.ModuleList([layer(act, a.features, taps=True) for _ in range(a.blocks)])
        self.mix = nn.ModuleList([layer(act, a.features) for _ in range(a.blocks)])
        for mix in self.mix:
            for parameter in mix.parameters():
                nn.init.zeros_(parameter)

    def _relu(self, x: Tensor) -> Tensor:
        if self.quantised:
            x = _round(x * ACTIVATION_STEPS) / ACTIVATION_STEPS
        return F.hardtanh(x, 0.0, _TOP)

    def _signed(self, x: Tensor) -> Tensor:
        if not self.quantised:
            return x
        return (_round(x * ACTIVATION_STEPS) / ACTIVATION_STEPS).clamp(-_TOP, _TOP)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> list[dict[str, Tensor]]:
        """Return the mixture parameters of each channel.

        Parameters
        ----------
        x : Tensor of float, shape (B, C, H, W)
            Values 0..255.
        condition : Tensor, optional
            What a conditional network knows besides; a PixelCNN takes none.

        Returns
        -------
        list of dict
            For each channel ``logit``, ``mean`` (in levels) and ``log_scale``, each of shape (B, K, H, W).

        Raises
        ------
        ValueError
            If there is a condition, and the network takes none.
        """
        features, base = self.features(x, condition)
        return [self.mixture(channel, features, base, x) for channel in range(len(self.heads))]

    def features(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the features that all heads share (B, F, H, W) and the base of each subpixel (B, C, H, W).

        Parameters and errors are those of :meth:`forward`.
        """
        if condition is not None:
            raise ValueError("this network takes no condition")
        inputs, base = network_inputs(x)
        return self._trunk(inputs), base

    def mixture(self, channel: int, features: Tensor, base: Tensor, x: Tensor) -> dict[str, Tensor]:
        """Return the mixture parameters of a channel.

        Parameters
        ----------
        channel : int
        features, base : Tensor
            As :meth:`features` returns them, of all pixels or of some.
        x : Tensor, shape (B, C, H, W)
            Values of the same pixels; only those of the channels before ``channel`` matter.
        """
        residual = x - base
        outputs = self._head(channel, features, residual)
        return self._mixture(outputs, base[:, channel : channel + 1], residual)

    def _trunk(self, inputs: Tensor) -> Tensor:
        """Map the inputs (B, inputs, H, W) to the features that all heads share (B, F, H, W)."""
        h = self._signed(self.input(inputs, self.quantised))
        for conv, mix in zip(self.conv, self.mix, strict=True):
            u = self._relu(conv(self._relu(h), self.quantised))
            h = self._signed(h + self._signed(mix(u, self.quantised)))
        return self._relu(h)

    def _head(self, channel: int, features: Tensor, residual: Tensor) -> Tensor:
        """Return the outputs of a head (B, K * (3 + channel), H, W) given the residuals (B, C, H, W)."""
        parts = [features]
        for earlier in range(channel):
            r = residual[:, earlier : earlier + 1]
            parts += [r * _COARSE, (r * _FINE).clamp(-_FINE_TOP, _FINE_TOP)]
        head = self.heads[channel]
        assert isinstance(head, nn.ModuleList)
        first, second, last = head
        h = self._relu(first(torch.cat(parts, 1), self.quantised))
        h = self._relu(second(h, self.quantised))
        outputs: Tensor = last(h, self.quantised)
        return outputs

    def _mixture(self, outputs: Tensor, base: Tensor, residual: Tensor) -> dict[str, Tensor]:
        """Turn the outputs of a head into mixture parameters; ``base`` is (B, 1, H, W)."""
        logit, mean, log_scale, *couplings = torch.split(outputs, self.architecture.components, 1)
        if self.quantised:
            logit, mean, log_scale = (
                _rounded(logit, LOGIT_BITS),
                _rounded(mean, MEAN_BITS),
                _rounded(log_scale, SCALE_BITS),
            )
            couplings = [_rounded(coupling, COUPLING_BITS) for coupling in couplings]
        mean = base + mean * MEAN_UNIT
        for earlier, coupling in enumerate(couplings):
            slope = coupling.clamp(-_COUPLING_TOP, _COUPLING_TOP)
            mean = mean + slope * residual[:, earlier : earlier + 1]
        return {
            "logit": logit.clamp(-_LOGIT_TOP, _LOGIT_TOP),
            "mean": mean,
            "log_scale": log_scale.clamp(LOG_SCALE_MIN, LOG_SCALE_MAX),
        }


def network_inputs(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the inputs of the first layer (B, inputs, H, W) and the base of each subpixel (B, C, H, W)."""
    height, width = x.shape[2:]
    padded = F.pad(x, (REACH, REACH, REACH, 0), value=float(PAD_VALUE))

    def at(dy: int, dx: int) -> Tensor:
        return padded[:, :, REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]

    west, north, northwest = at(0, -1), at(-1, 0), at(-1, -1)
    low, high = torch.minimum(west, north), torch.maximum(west, north)
    base = torch.maximum(low, torch.minimum(high, west + north - northwest))
    return relative_inputs([at(*o) for o in NEIGHBOURS], [at(*o) for o in FINE_NEIGHBOURS], base), base


def relative_inputs(neighbours: list[Tensor], nearest: list[Tensor], base: Tensor) -> Tensor:
    """Return the inputs of a first layer (B, inputs, H, W): differences to the base, and the base.

    Parameters
    ----------
    neighbours, nearest : list of Tensor, shape (B, C, H, W)
        Values that each pixel sees; those that it also sees at a finer scale.
    base : Tensor, shape (B, C, H, W)
        A prediction of each subpixel from these.
    """
    coarse = [(values - base) * _COARSE for values in neighbours]
    fine = [((values - base) * _FINE).clamp(-_FINE_TOP, _FINE_TOP) for values in nearest]
    parts = [*coarse, *fine, (base - PAD_VALUE) / ACTIVATION_STEPS]
    if base.shape[1] == 3:
        red, green, blue = torch.split(base, 1, 1)
        parts += [(red - green) * _COARSE, (blue - green) * _COARSE]
    return torch.cat(parts, 1)


def bits_per_subpixel(outputs: list[dict[str, Tensor]], x: Tensor) -> Tensor:
    """Return -log2 of the probability of every subpixel.

    Parameters
    ----------
    outputs : list of dict
        As :meth:`PixelCNN.forward` returns them.
    x : Tensor of float, shape (B, C, H, W)
        Values 0..255.

    Returns
    -------
    Tensor of float, shape (B, C, H, W)
    """
    floor = PMF_FLOOR / ACCUMULATOR_LIMIT
    per_channel = []
    for channel, o in enumerate(outputs):
        v = x[:, channel : channel + 1]
        inverse = torch.exp(-o["log_scale"])
        centred = v - o["mean"]
        upper = torch.sigmoid((centred + 0.5) * inverse)
        lower = torch.sigmoid((centred - 0.5) * inverse)
        # Values 0 and 255 also get the mass below 0 and above 255.
        mass = torch.where(v > MAX_VALUE - 0.5, 1.0, upper) - torch.where(v < 0.5, 0.0, lower)
        p = (F.softmax(o["logit"], 1) * mass).sum(1)
        per_channel.append(-torch.log2(p * (1 - (MAX_VALUE + 1) * floor) + floor))
    return torch.stack(per_channel, 1)
