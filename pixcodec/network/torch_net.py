"""The network on a device of torch, of whole tiles at once, for an encoder, which knows all pixels.

It gives the integers of the kernels (:mod:`pixcodec.network.inference`): all sums are integers below 2**24,
which float32 holds exactly in whatever order they are added (:mod:`pixcodec.network.model`).

Shapes: H W height and width, C channels, N pixels in raster order, F features, K mixture components.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.errors import DeviceError
from pixcodec.network.architecture import (
    ACTIVATION_MAX,
    COARSE_SCALE,
    COUPLING_MAX,
    COUPLING_SHIFT,
    FINE_MAX,
    FINE_NEIGHBOURS,
    FINE_SCALE,
    LOG_SCALE_MIN,
    LOGIT_MAX,
    MEAN_MAX,
    MEAN_STEPS,
    NEIGHBOURS,
    PAD_VALUE,
    REACH,
    SCALE_BITS,
    TAPS,
)
from pixcodec.network.inference import Known
from pixcodec.network.model import SCALE_ENTRIES, Model

Planes = npt.NDArray[np.uint8]
Tensor = Any  # of torch, which is imported only here, and only when it is asked for

_BAND_PIXELS = 1 << 18  # run at a time: 0.6 GB


def check_device(device: str) -> None:
    """Check that torch is installed and has this device.

    Raises
    ------
    DeviceError
    """
    try:
        import torch
    except ImportError as error:
        raise DeviceError(f"device {device!r} needs torch: pip install 'pixcodec[train]'") from error
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DeviceError(f"device {device!r}: {str(error).splitlines()[0]}") from error


class TorchNetwork:
    """A model on a device.

    Parameters
    ----------
    model : Model
    device : str
        As torch names it: "cpu", "cuda", "cuda:1".

    Raises
    ------
    DeviceError
        If torch is not installed, or has no such device.
    """

    def __init__(self, model: Model, device: str) -> None:
        check_device(device)
        import torch

        torch.backends.cuda.matmul.allow_tf32 = False  # whose sums are not exact
        self._torch, self._model, self._device = torch, model, torch.device(device)
        self._layers = {
            name: tuple(torch.from_numpy(a).to(self._device) for a in (layer.weight, layer.bias, layer.shift))
            for name, layer in model.layers.items()
        }

    def mixtures(self, planes: Planes) -> Known:
        """Return the mixtures of all subpixels of a tile (H, W, C).

        Raises
        ------
        DeviceError
            If the device has not enough memory.
        """
        height, width, channels = planes.shape
        halo = REACH + self._model.architecture.blocks  # rows above that a pixel depends on
        rows = max(_BAND_PIXELS // width, 1)
        parts = []
        try:
            with self._torch.inference_mode():
                for start in range(0, height, rows):
                    top = max(start - halo, 0)
                    band = self._band(planes[top : start + rows], start - top)
                    parts.append([[part.cpu().numpy() for part in channel] for channel in band])
        except RuntimeError as error:
            raise DeviceError(f"device {str(self._device)!r}: {str(error).splitlines()[0]}") from error

        def joined(k: int, dtype: Any) -> Any:
            channel_parts = [np.concatenate([band[c][k] for band in parts]) for c in range(channels)]
            return np.stack(channel_parts).astype(dtype)

        return Known(joined(0, np.int16), joined(1, np.int32), joined(2, np.int16))

    def _apply(self, name: str, x: Tensor, low: int, high: int) -> Tensor:
        weight, bias, shift = self._layers[name]
        return (((x @ weight).int() + bias) >> shift).clamp_(low, high)

    def _band(self, planes: Planes, skipped: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return logits, means and log scales of each channel, but for the first rows of a band."""
        torch, (height, width, channels) = self._torch, planes.shape
        values = torch.from_numpy(planes.astype(np.int32)).to(self._device)
        inputs, base = self._inputs(values)
        top = ACTIVATION_MAX
        h = self._apply("input", inputs.float(), -top, top)
        for block in range(self._model.architecture.blocks):
            u = self._apply(f"conv.{block}", self._taps(h.clamp(min=0).float(), height, width), 0, top)
            h = (h + self._apply(f"mix.{block}", u.float(), -top, top)).clamp_(-top, top)
        first = skipped * width
        features = h[first:].clamp(min=0).float()
        base = base[first:]
        residual = values.reshape(-1, channels)[first:] - base
        return [self._head(c, features, base[:, c], residual[:, :c]) for c in range(channels)]

    def _inputs(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return the inputs (N, inputs) of the first layer and the base (N, C), both int32."""
        torch, (height, width, channels) = self._torch, values.shape
        size = (height + REACH, width + 2 * REACH, channels)
        canvas = torch.full(size, PAD_VALUE, dtype=torch.int32, device=self._device)
        canvas[REACH:, REACH:-REACH] = values

        def at(dy: int, dx: int) -> Tensor:
            rows = canvas[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
            return rows.reshape(-1, channels)

        west, north, northwest = at(0, -1), at(-1, 0), at(-1, -1)
        low, high = torch.minimum(west, north), torch.maximum(west, north)
        base = torch.maximum(low, torch.minimum(high, west + north - northwest))
        parts = [(at(*o) - base) * COARSE_SCALE for o in NEIGHBOURS]
        parts += [((at(*o) - base) * FINE_SCALE).clamp(-FINE_MAX, FINE_MAX) for o in FINE_NEIGHBOURS]
        parts.append(base - PAD_VALUE)
        if channels == 3:
            red, green, blue = base[:, :1], base[:, 1:2], base[:, 2:]
            parts += [(red - green) * COARSE_SCALE, (blue - green) * COARSE_SCALE]
        return torch.cat(parts, 1), base

    def _taps(self, h: Tensor, height: int, width: int) -> Tensor:
        """Return the features of every pixel's TAPS side by side, (N, F) to (N, taps * F); zeros outside."""
        torch, f = self._torch, h.shape[1]
        padded = torch.zeros((height + 1, width + 2, f), device=self._device)
        padded[1:, 1:-1] = h.reshape(height, width, f)
        views = [padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in TAPS]
        return torch.cat(views, 2).reshape(height * width, -1)

    def _head(
        self, channel: int, features: Tensor, base: Tensor, residual: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, means and log scales (N, K), from value minus base of the earlier channels."""
        parts = [features]
        for e in range(channel):
            r = residual[:, e : e + 1]
            parts += [(r * COARSE_SCALE).float(), (r * FINE_SCALE).clamp(-FINE_MAX, FINE_MAX).float()]
        x = self._torch.cat(parts, 1)
        for depth in (0, 1):
            x = self._apply(f"heads.{channel}.{depth}", x, 0, ACTIVATION_MAX).float()
        outputs = self._apply(f"heads.{channel}.2", x, -MEAN_MAX, MEAN_MAX)
        logit, mean, log_scale, *couplings = outputs.split(self._model.architecture.components, 1)
        mean = mean + MEAN_STEPS * base[:, None]
        half = 1 << (COUPLING_SHIFT - 1)
        for e, coupling in enumerate(couplings):
            slope = coupling.clamp(-COUPLING_MAX, COUPLING_MAX)
            mean = mean + ((slope * residual[:, e : e + 1] + half) >> COUPLING_SHIFT)
        index = (log_scale - (LOG_SCALE_MIN << SCALE_BITS)).clamp(0, SCALE_ENTRIES - 1)
        return logit.clamp(-LOGIT_MAX, LOGIT_MAX), mean, index
