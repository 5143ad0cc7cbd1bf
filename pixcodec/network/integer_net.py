"""The network in integers on a whole image at once, for validation, tests and reports.

Coding runs the same layers wavefront by wavefront (:mod:`pixcodec.network.wavefront`) and gives the same
integers. The matrix products run on numpy or, also on GPUs, on torch. FORMAT.md, "Network", is the norm.

Shapes: H W height and width, C channels, N pixels in raster order, F features, K mixture components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
from pixcodec.network.model import SCALE_ENTRIES, Floats, IntegerLayer, Model

Planes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]

# A backend: runs an integer layer on inputs (N, inputs) and clamps its outputs to low..high.
Product = Callable[[IntegerLayer, Floats, int, int], Floats]


@dataclass(frozen=True)
class MixtureParameters:
    """Mixtures of K logistic distributions for N subpixels (FORMAT.md, "Heads").

    Parameters
    ----------
    logit : ndarray of int32, shape (N, K)
        In steps of 1/32.
    mean : ndarray of int32, shape (N, K)
        In steps of 1/16 level.
    log_scale : ndarray of int32, shape (N, K)
        In steps of 1/32 above LOG_SCALE_MIN: the index into the table of scales.
    """

    logit: Ints
    mean: Ints
    log_scale: Ints


def _numpy_product(layer: IntegerLayer, a: Floats, low: int, high: int) -> Floats:
    return layer(a, low, high)


def torch_product(device: str = "cpu") -> Product:
    """Return a backend that runs the layers on torch and gives the same integers as numpy.

    Parameters
    ----------
    device : str
        A torch device. TF32, whose sums are not exact, is switched off for all CUDA devices.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False

    def product(layer: IntegerLayer, a: Floats, low: int, high: int) -> Floats:
        tensors = (torch.from_numpy(v).to(device) for v in (a, layer.weight, layer.bias, layer.shift))
        x, weight, bias, shift = tensors
        sums = (((x @ weight).int() + bias) >> shift).clamp(low, high)
        result: Floats = sums.float().cpu().numpy()
        return result

    return product


def run_image(model: Model, planes: Planes, product: Product = _numpy_product) -> list[MixtureParameters]:
    """Return the mixture of every subpixel of an image.

    Parameters
    ----------
    model : Model
    planes : ndarray of uint8, shape (H, W, C)
    product : Product
        Backend of the layers.

    Returns
    -------
    list of MixtureParameters
        One for each channel, with N = H * W.

    Raises
    ------
    ValueError
        If the image has another number of channels than the model.
    """
    channels = planes.shape[2]
    if channels != model.architecture.channels:
        raise ValueError(f"planes have {channels} channels, the model has {model.architecture.channels}")
    inputs, base = _image_inputs(planes)
    features = _trunk(model, inputs, planes.shape[:2], product)
    residual = planes.reshape(-1, channels).astype(np.int32) - base
    results = []
    for c in range(channels):
        outputs = _head(model, c, features, residual[:, :c], product)
        results.append(_mixture(outputs, base[:, c], residual[:, :c], model.architecture.components))
    return results


def _trunk(model: Model, inputs: Floats, size: tuple[int, int], product: Product) -> Floats:
    """Return the features that all heads share, after ReLU (N, F), from the inputs (N, inputs)."""
    top = ACTIVATION_MAX
    h = product(model.layers["input"], inputs, -top, top)
    for block in range(model.architecture.blocks):
        taps = _image_taps(np.maximum(h, 0), *size)
        u = product(model.layers[f"conv.{block}"], taps, 0, top)
        v = product(model.layers[f"mix.{block}"], u, -top, top)
        h = np.clip(h + v, -top, top)
    return np.maximum(h, 0)


def _head(model: Model, channel: int, features: Floats, residual: Ints, product: Product) -> Ints:
    """Return the outputs of a head (N, K * (3 + channel)).

    ``residual`` (N, channel) is value minus base of the earlier channels of each pixel.
    """
    parts = [features]
    for earlier in range(channel):
        r = residual[:, earlier : earlier + 1].astype(np.float32)
        parts += [r * COARSE_SCALE, np.clip(r * FINE_SCALE, -FINE_MAX, FINE_MAX)]
    x = np.ascontiguousarray(np.concatenate(parts, 1))
    for depth in (0, 1):
        x = product(model.layers[f"heads.{channel}.{depth}"], x, 0, ACTIVATION_MAX)
    return product(model.layers[f"heads.{channel}.2"], x, -MEAN_MAX, MEAN_MAX).astype(np.int32)


def _mixture(outputs: Ints, base: Ints, residual: Ints, components: int) -> MixtureParameters:
    """Turn the outputs of a head (N, K * (3 + c)) into mixture parameters.

    They are K logits, K means relative to ``base`` (N,), K log scales, and K couplings to each earlier
    channel, by which its ``residual`` (N, c) is multiplied.
    """
    logit, mean, log_scale, *couplings = np.split(outputs, outputs.shape[1] // components, axis=1)
    mean = mean + MEAN_STEPS * base[:, None]
    half = 1 << (COUPLING_SHIFT - 1)
    for earlier, coupling in enumerate(couplings):
        slope = np.clip(coupling, -COUPLING_MAX, COUPLING_MAX)
        mean += (slope * residual[:, earlier : earlier + 1] + half) >> COUPLING_SHIFT
    return MixtureParameters(
        np.clip(logit, -LOGIT_MAX, LOGIT_MAX),
        mean,
        np.clip(log_scale - (LOG_SCALE_MIN << SCALE_BITS), 0, SCALE_ENTRIES - 1),
    )


def _image_inputs(planes: Planes) -> tuple[Floats, Ints]:
    """Return the inputs (N, inputs) of the first layer and the base (N, C) of every subpixel."""
    height, width, channels = planes.shape
    padded = np.full((height + REACH, width + 2 * REACH, channels), PAD_VALUE, np.int32)
    padded[REACH:, REACH:-REACH] = planes

    def at(dy: int, dx: int) -> Ints:
        rows = padded[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
        return rows.reshape(-1, channels)

    west, north, northwest = at(0, -1), at(-1, 0), at(-1, -1)
    low, high = np.minimum(west, north), np.maximum(west, north)
    base = np.maximum(low, np.minimum(high, west + north - northwest))
    parts = [(at(*o) - base) * COARSE_SCALE for o in NEIGHBOURS]
    parts += [np.clip((at(*o) - base) * FINE_SCALE, -FINE_MAX, FINE_MAX) for o in FINE_NEIGHBOURS]
    parts.append(base - PAD_VALUE)
    if channels == 3:
        red, green, blue = np.split(base, 3, axis=1)
        parts += [(red - green) * COARSE_SCALE, (blue - green) * COARSE_SCALE]
    return np.concatenate(parts, 1).astype(np.float32), base


def _image_taps(h: Floats, height: int, width: int) -> Floats:
    """Return the features of every pixel's TAPS side by side, (N, F) to (N, taps * F); zeros outside."""
    f = h.shape[1]
    padded = np.zeros((height + 1, width + 2, f), np.float32)
    padded[1:, 1:-1] = h.reshape(height, width, f)
    views = [padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in TAPS]
    return np.concatenate(views, 2).reshape(height * width, -1)
