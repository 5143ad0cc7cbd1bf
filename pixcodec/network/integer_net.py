"""The network in integers on a whole image at once: for validation, tests, reports and encoders with a GPU.

Coding runs the same layers wavefront by wavefront (:mod:`pixcodec.network.wavefront`) and gives the same
integers. All of it runs on numpy or, also on GPUs, on torch. FORMAT.md, "Network", is the norm.

Shapes: H W height and width, C channels, N pixels in raster order, F features, K mixture components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

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
    RowArchitecture,
)
from pixcodec.network.model import SCALE_ENTRIES, Floats, IntegerLayer, Model
from pixcodec.network.row_states import RowState, add_states, first_states

Planes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int32]

Array = Any  # of numpy, or a tensor of torch

# Runs an integer layer on inputs (N, inputs) and clamps its outputs to low..high.
Product = Callable[[IntegerLayer, Any, int, int], Any]


class Backend(NamedTuple):
    """What the network runs on. Functions of numpy that are used here have the same names in torch."""

    product: Product
    library: Any  # numpy or torch
    take: Callable[[npt.NDArray[Any]], Array]  # puts an array of numpy where the products are run


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


NUMPY = Backend(_numpy_product, np, lambda array: array)


def torch_backend(device: str) -> Backend:
    """Return a backend that runs on torch and gives the same integers as numpy.

    Parameters
    ----------
    device : str
        A torch device. TF32, whose sums are not exact, is switched off for all CUDA devices.
    """
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    known: dict[int, tuple[IntegerLayer, list[Array]]] = {}

    def take(array: npt.NDArray[Any]) -> Array:
        return torch.from_numpy(array).to(device)

    def product(layer: IntegerLayer, a: Array, low: int, high: int) -> Array:
        if id(layer) not in known:  # the layer is kept, or another might get its number
            known[id(layer)] = layer, [take(part) for part in (layer.weight, layer.bias, layer.shift)]
        weight, bias, shift = known[id(layer)][1]
        return (((a @ weight).int() + bias) >> shift).clamp_(low, high).float()

    return Backend(product, torch, take)


def torch_product(device: str = "cpu") -> Product:
    """Return a product of numpy's arrays that runs on torch; see :func:`torch_backend`."""
    backend = torch_backend(device)

    def product(layer: IntegerLayer, a: Floats, low: int, high: int) -> Floats:
        result: Floats = backend.product(layer, backend.take(a), low, high).cpu().numpy()
        return result

    return product


def run_image(model: Model, planes: Planes, product: Product = _numpy_product) -> list[MixtureParameters]:
    """Return the mixture of every subpixel of an image.

    Parameters
    ----------
    model : Model
    planes : ndarray of uint8, shape (H, W, C)
    product : Product
        Runs the layers, on arrays of numpy.

    Returns
    -------
    list of MixtureParameters
        One for each channel, with N = H * W.

    Raises
    ------
    ValueError
        If the image has another number of channels than the model.
    """
    return run_on(NUMPY._replace(product=product), model, planes)


def run_on(
    backend: Backend, model: Model, planes: Planes, skipped: int = 0, above: list[RowState] | None = None
) -> list[MixtureParameters]:
    """Return the mixture of every subpixel of an image but for its first rows, as arrays of the backend.

    Parameters and errors as of :func:`run_image`; ``skipped`` is the number of rows. A Row LSTM runs on
    numpy. ``above`` is what the last of the skipped rows handed on; replaced by what the last row does.
    """
    channels = planes.shape[2]
    if channels != model.architecture.channels:
        raise ValueError(f"planes have {channels} channels, the model has {model.architecture.channels}")
    inputs, base = _image_inputs(backend, planes)
    first = skipped * planes.shape[1]
    features = _trunk(backend, model, inputs, planes.shape[:2])[first:]
    if isinstance(model.architecture, RowArchitecture):
        above = first_states(model, planes.shape[1]) if above is None else above
        size = planes.shape[0] - skipped, planes.shape[1]
        features = add_states(model, backend.product, features, size, above)
    features = backend.library.clip(features, 0, ACTIVATION_MAX)
    base = base[first:]
    residual = backend.take(planes.reshape(-1, channels).astype(np.int32))[first:] - base
    results = []
    for c in range(channels):
        outputs = head(backend, model, c, features, residual[:, :c])
        results.append(
            mixture_of(backend, outputs, base[:, c], residual[:, :c], model.architecture.components)
        )
    return results


def _trunk(backend: Backend, model: Model, inputs: Array, size: tuple[int, int]) -> Array:
    """Return what the blocks make of the inputs (N, inputs): features (N, F), before ReLU."""
    product, clip, top = backend.product, backend.library.clip, ACTIVATION_MAX
    h = product(model.layers["input"], inputs, -top, top)
    for block in range(model.architecture.blocks):
        taps = _image_taps(backend, clip(h, 0, top), *size)
        u = product(model.layers[f"conv.{block}"], taps, 0, top)
        v = product(model.layers[f"mix.{block}"], u, -top, top)
        h = clip(h + v, -top, top)
    return h


def head(backend: Backend, model: Model, channel: int, features: Array, residual: Array) -> Array:
    """Return the outputs of a head (N, K * (3 + channel)), int32.

    ``residual`` (N, channel) is value minus base of the earlier channels of each pixel.
    """
    product, library = backend.product, backend.library
    parts = [features]
    for earlier in range(channel):
        r = _as(library.float32, residual[:, earlier : earlier + 1])
        parts += [r * COARSE_SCALE, library.clip(r * FINE_SCALE, -FINE_MAX, FINE_MAX)]
    x = library.concatenate(parts, 1)
    for depth in (0, 1):
        x = product(model.layers[f"heads.{channel}.{depth}"], x, 0, ACTIVATION_MAX)
    return _as(library.int32, product(model.layers[f"heads.{channel}.2"], x, -MEAN_MAX, MEAN_MAX))


def mixture_of(
    backend: Backend, outputs: Array, base: Array, residual: Array, components: int
) -> MixtureParameters:
    """Turn the outputs of a head (N, K * (3 + c)) into mixture parameters.

    They are K logits, K means relative to ``base`` (N,), K log scales, and K couplings to each earlier
    channel, by which its ``residual`` (N, c) is multiplied.
    """
    clip = backend.library.clip
    starts = range(0, outputs.shape[1], components)
    logit, mean, log_scale, *couplings = (outputs[:, k : k + components] for k in starts)
    mean = mean + MEAN_STEPS * base[:, None]
    half = 1 << (COUPLING_SHIFT - 1)
    for earlier, coupling in enumerate(couplings):
        slope = clip(coupling, -COUPLING_MAX, COUPLING_MAX)
        mean += (slope * residual[:, earlier : earlier + 1] + half) >> COUPLING_SHIFT
    return MixtureParameters(
        clip(logit, -LOGIT_MAX, LOGIT_MAX),
        mean,
        clip(log_scale - (LOG_SCALE_MIN << SCALE_BITS), 0, SCALE_ENTRIES - 1),
    )


def _image_inputs(backend: Backend, planes: Planes) -> tuple[Array, Array]:
    """Return the inputs (N, inputs) of the first layer and the base (N, C) of every subpixel."""
    height, width, channels = planes.shape
    framed = np.full((height + REACH, width + 2 * REACH, channels), PAD_VALUE, np.int32)
    framed[REACH:, REACH:-REACH] = planes
    library, padded = backend.library, backend.take(framed)

    def at(dy: int, dx: int) -> Array:
        rows = padded[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
        return rows.reshape(-1, channels)

    west, north, northwest = at(0, -1), at(-1, 0), at(-1, -1)
    low, high = library.minimum(west, north), library.maximum(west, north)
    base = library.maximum(low, library.minimum(high, west + north - northwest))
    parts = [(at(*o) - base) * COARSE_SCALE for o in NEIGHBOURS]
    parts += [library.clip((at(*o) - base) * FINE_SCALE, -FINE_MAX, FINE_MAX) for o in FINE_NEIGHBOURS]
    parts.append(base - PAD_VALUE)
    if channels == 3:
        red, green, blue = base[:, :1], base[:, 1:2], base[:, 2:]
        parts += [(red - green) * COARSE_SCALE, (blue - green) * COARSE_SCALE]
    return _as(library.float32, library.concatenate(parts, 1)), base


def _image_taps(backend: Backend, h: Array, height: int, width: int) -> Array:
    """Return the features of every pixel's TAPS side by side, (N, F) to (N, taps * F); zeros outside."""
    f = h.shape[1]
    padded = backend.take(np.zeros((height + 1, width + 2, f), np.float32))
    padded[1:, 1:-1] = h.reshape(height, width, f)
    views = [padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in TAPS]
    return backend.library.concatenate(views, 2).reshape(height * width, -1)


def _as(kind: Any, array: Array) -> Array:
    """Return an array of this type of numbers."""
    return array.astype(kind) if isinstance(array, np.ndarray) else array.to(kind)
