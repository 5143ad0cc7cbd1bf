"""The PixelCNN as integers: load a model, prove that its sums are exact, run it on whole images.

Every number is an integer. A layer is ``clamp(floor((W a + b) * 2**-s))``, computed as a float32
matrix product: while every partial sum stays below 2**24 it is exact, whatever the order of the
summation, the BLAS, the number of threads or the device. :class:`Model` refuses weights for which
that cannot be proved. FORMAT.md, section Network, is the norm.

Coding runs the same layers wavefront by wavefront (:mod:`pixcodec.network.wavefront`); the whole-image pass
here serves validation, tests and reports, on numpy or, for GPUs, on torch.

Shapes: H W height and width, C channels, N pixels, F features, K mixture components.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pixcodec.errors import CorruptFileError, ModelMismatchError, UnsupportedVersionError
from pixcodec.network.architecture import (
    ACCUMULATOR_LIMIT,
    ACTIVATION_MAX,
    COARSE_SCALE,
    COUPLING_MAX,
    FINE_MAX,
    FINE_NEIGHBOURS,
    FINE_SCALE,
    LOG_SCALE_MAX,
    LOG_SCALE_MIN,
    LOGIT_MAX,
    MEAN_MAX,
    NEIGHBOURS,
    PAD_VALUE,
    REACH,
    SCALE_BITS,
    TAPS,
    Architecture,
)

MODEL_VERSION = 1
MODELS = Path(__file__).parent.parent / "models"
MODEL_ID_BYTES = 16
MAX_SHIFT = 24
LOGISTIC_ENTRIES = 1025  # sigmoid(-16 .. 16) in steps of 1/32, times 2**22
SCALE_ENTRIES = ((LOG_SCALE_MAX - LOG_SCALE_MIN) << SCALE_BITS) + 1  # exp(-log scale) * 2**18
WEIGHT_ENTRIES = 512  # exp(-d / 32) * 2**24

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class IntegerLayer:
    """``(weight @ a + bias) >> shift``, all integers.

    ``weight`` is (inputs, outputs), float32 for the matrix product; ``bias`` and ``shift`` are (outputs,).
    """

    weight: Floats
    bias: npt.NDArray[np.int32]
    shift: npt.NDArray[np.int32]

    def __call__(self, a: Floats, low: int, high: int) -> Floats:
        """Map (N, inputs) to (N, outputs), clamped to low..high."""
        sums = (a @ self.weight).astype(np.int32)
        sums += self.bias
        sums >>= self.shift
        return np.clip(sums, low, high).astype(np.float32)


@dataclass(frozen=True)
class Model:
    """A loaded model: integer layers by name, the distribution tables and the content hash.

    Raises
    ------
    CorruptFileError
        If a tensor is missing, has another shape or type, or a sum could reach 2**24.
    """

    name: str
    architecture: Architecture
    tensors: Mapping[str, Array]
    layers: Mapping[str, IntegerLayer]
    model_id: bytes

    @classmethod
    def from_tensors(cls, architecture: Architecture, tensors: Mapping[str, Array], name: str = "") -> Model:
        """Build a model from its integer tensors, proving that every layer is exact."""
        layers = {}
        expected = {"table.logistic", "table.scale", "table.weight"}
        for layer, (outputs, bounds, _) in architecture.layers().items():
            shapes = {"weight": (outputs, len(bounds)), "bias": (outputs,), "shift": (outputs,)}
            types = {"weight": np.int16, "bias": np.int32, "shift": np.uint8}
            parts = {}
            for part, shape in shapes.items():
                key = f"{layer}.{part}"
                expected.add(key)
                parts[part] = _checked(name, tensors, key, types[part], shape)
            layers[layer] = _exact_layer(f"{name}: layer '{layer}'", bounds, **parts)
        for table, entries in (
            ("logistic", LOGISTIC_ENTRIES),
            ("scale", SCALE_ENTRIES),
            ("weight", WEIGHT_ENTRIES),
        ):
            _check_table(name, table, _checked(name, tensors, f"table.{table}", np.int32, (entries,)))
        if unknown := set(tensors) - expected:
            raise CorruptFileError(f"{name}: unknown tensors {sorted(unknown)} in the model")
        return cls(name, architecture, tensors, layers, content_hash(architecture, tensors))

    @property
    def parameters(self) -> int:
        """Return the number of weights and biases."""
        return sum(layer.weight.size + layer.bias.size for layer in self.layers.values())


def _checked(name: str, tensors: Mapping[str, Array], key: str, dtype: Any, shape: tuple[int, ...]) -> Array:
    tensor = tensors.get(key)
    if tensor is None:
        raise CorruptFileError(f"{name}: tensor '{key}' is missing")
    if tensor.dtype != dtype or tensor.shape != shape:
        raise CorruptFileError(
            f"{name}: tensor '{key}' is {tensor.dtype}{list(tensor.shape)}, "
            f"expected {np.dtype(dtype)}{list(shape)}"
        )
    return tensor


def _exact_layer(where: str, bounds: list[int], weight: Array, bias: Array, shift: Array) -> IntegerLayer:
    """Return the layer as float32 if none of its partial sums can reach 2**24."""
    largest = np.abs(weight.astype(np.int64)) @ np.array(bounds, np.int64) + np.abs(bias.astype(np.int64))
    worst = int(largest.max())
    if worst >= ACCUMULATOR_LIMIT:
        raise CorruptFileError(f"{where}: a sum can reach {worst}, expected less than {ACCUMULATOR_LIMIT}")
    if int(shift.max()) > MAX_SHIFT:
        raise CorruptFileError(f"{where}: shift is {int(shift.max())}, expected at most {MAX_SHIFT}")
    return IntegerLayer(np.ascontiguousarray(weight.T, np.float32), bias, shift.astype(np.int32))


def _check_table(name: str, table: str, values: Array) -> None:
    steps = np.diff(values.astype(np.int64))
    if table == "logistic":
        good = bool((steps >= 0).all()) and values[0] >= 0 and values[-1] <= 1 << 22
    else:
        good = bool((steps <= 0).all()) and values[-1] >= (1 if table == "scale" else 0)
        good = good and values[0] <= 1 << 24 and values[0] > 0
    if not good:
        raise CorruptFileError(f"{name}: table '{table}' is not monotone within its range")


def content_hash(architecture: Architecture, tensors: Mapping[str, Array]) -> bytes:
    """Return the model id: a hash of all that determines the distributions, 16 bytes."""
    digest = hashlib.blake2b(digest_size=MODEL_ID_BYTES)
    digest.update(json.dumps([MODEL_VERSION, architecture.to_dict()], sort_keys=True).encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        little = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{key}{tensor.dtype}{list(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(little).tobytes())
    return digest.digest()


def save_model(
    path: Path, architecture: Architecture, tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> None:
    """Write integer tensors as a safetensors file that :func:`load_model` reads."""
    meta = {
        **metadata,
        "pixcodec_model_version": str(MODEL_VERSION),
        "architecture": json.dumps(architecture.to_dict()),
    }
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, metadata=meta)
    path.chmod(0o644)  # safetensors leaves it readable to its owner alone


def load_model(path: Path) -> Model:
    """Load and prove a model.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnsupportedVersionError
        If it was written for another version of the network.
    CorruptFileError
        If it is not a model, or its sums could be inexact.
    """
    name = str(path)
    if not path.is_file():
        raise FileNotFoundError(f"{name}: no such model file")
    try:
        with safe_open(path, framework="np") as f:
            meta = f.metadata() or {}
            version = meta.get("pixcodec_model_version")
            if version is not None and version != str(MODEL_VERSION):
                raise UnsupportedVersionError(
                    f"{name}: model version is {version}, this pixcodec reads version {MODEL_VERSION}"
                )
            if version is None or "architecture" not in meta:
                raise CorruptFileError(f"{name}: not a pixcodec model (no version in its metadata)")
            tensors = {key: f.get_tensor(key) for key in f.keys()}  # noqa: SIM118 - not a dict
            architecture = _parse_architecture(name, meta["architecture"])
    except (SafetensorError, json.JSONDecodeError, RecursionError) as error:
        raise CorruptFileError(f"{name}: not a readable model: {error}") from error
    return Model.from_tensors(architecture, tensors, path.name)


def _parse_architecture(name: str, text: str) -> Architecture:
    values = json.loads(text)
    limits = {
        "channels": (1, 3),
        "features": (1, 512),
        "blocks": (0, 32),
        "hidden": (1, 512),
        "components": (1, 16),
    }
    if not isinstance(values, dict) or set(values) != set(limits):
        raise CorruptFileError(f"{name}: architecture is {text!r}, expected the keys {sorted(limits)}")
    for key, (low, high) in limits.items():
        if type(values[key]) is not int or not low <= values[key] <= high:
            raise CorruptFileError(f"{name}: {key} is {values[key]!r}, expected {low}..{high}")
    if values["channels"] == 2:
        raise CorruptFileError(f"{name}: channels is 2, expected 1 or 3")
    return Architecture(**values)


_loaded: dict[str, Model] = {}


def shipped_model(channels: int) -> Model:
    """Return the default model for images of 1 or 3 channels; loaded once per process.

    Raises
    ------
    ModelMismatchError
        If this installation has lost it.
    """
    name = {1: "grey", 3: "rgb"}[channels]
    if name not in _loaded:
        try:
            _loaded[name] = load_model(MODELS / f"{name}.safetensors")
        except FileNotFoundError as error:
            raise ModelMismatchError(f"{error}: install pixcodec again") from error
    return _loaded[name]


def find_model(model_id: bytes, channels: int, extra: Model | None = None) -> Model:
    """Return the model whose content hash begins with these bytes: ``extra`` or a shipped one.

    Raises
    ------
    ModelMismatchError
        If neither is it.
    """
    shipped = shipped_model(channels)
    for model in (extra, shipped):
        if model is not None and model_id and model.model_id.startswith(model_id):
            return model
    given = f"the model given is {extra.model_id.hex()}" if extra else "no other model was given"
    raise ModelMismatchError(
        f"the file was encoded with model {model_id.hex()}; this pixcodec ships {shipped.model_id.hex()} "
        f"and {given}. Pass the model file that it was encoded with (--model PATH, or model=PATH)"
    )


@dataclass(frozen=True)
class ModelInfo:
    """What ``pixcodec models`` shows of a model."""

    name: str
    model_id: str
    channels: int
    parameters: int
    macs_per_pixel: int
    size_bytes: int
    path: str


def list_models() -> list[ModelInfo]:
    """Return the models that ship with the package."""
    infos = []
    for path in sorted(MODELS.glob("*.safetensors")):
        model = load_model(path)
        a = model.architecture
        infos.append(
            ModelInfo(
                path.stem,
                model.model_id.hex(),
                a.channels,
                model.parameters,
                a.macs_per_pixel,
                path.stat().st_size,
                str(path),
            )
        )
    return infos


@dataclass(frozen=True)
class MixtureParameters:
    """Integer mixture of logistics for N subpixels; see FORMAT.md, section Distribution.

    All arrays are int32 of shape (N, K): ``logit`` in steps of 1/32, ``mean`` in 1/16 level,
    ``log_scale`` in steps of 1/32, counted from ``LOG_SCALE_MIN``.
    """

    logit: npt.NDArray[np.int32]
    mean: npt.NDArray[np.int32]
    log_scale: npt.NDArray[np.int32]


Product = Callable[[IntegerLayer, Floats, int, int], Floats]


def _numpy_product(layer: IntegerLayer, a: Floats, low: int, high: int) -> Floats:
    return layer(a, low, high)


def torch_product(device: str = "cpu") -> Product:
    """Return a backend that runs the matrix products on torch; identical integers to numpy's.

    ``device`` may be a GPU; TF32 is switched off, as its sums are not exact.
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


def run_image(
    model: Model, planes: npt.NDArray[np.uint8], product: Product = _numpy_product
) -> list[MixtureParameters]:
    """Return the mixture of every subpixel of an image, whole layers at a time.

    Parameters
    ----------
    model : Model
    planes : ndarray of uint8, shape (H, W, C)
    product : Product
        Backend of the matrix products.

    Returns
    -------
    list of MixtureParameters
        One per channel, pixels in raster order (N = H * W).
    """
    a = model.architecture
    height, width, channels = planes.shape
    if channels != a.channels:
        raise ValueError(f"planes have {channels} channels, the model has {a.channels}")
    inputs, base = _image_inputs(planes)
    top = ACTIVATION_MAX
    h = product(model.layers["input"], inputs, -top, top)
    for block in range(a.blocks):
        taps = _image_taps(np.maximum(h, 0), height, width)
        u = product(model.layers[f"conv.{block}"], taps, 0, top)
        v = product(model.layers[f"mix.{block}"], u, -top, top)
        h = np.clip(h + v, -top, top)
    h = np.maximum(h, 0)
    residual = planes.reshape(-1, channels).astype(np.int32) - base
    results = []
    for c in range(channels):
        parts = [h]
        for earlier in range(c):
            r = residual[:, earlier : earlier + 1].astype(np.float32)
            parts += [r * COARSE_SCALE, np.clip(r * FINE_SCALE, -FINE_MAX, FINE_MAX)]
        x = np.ascontiguousarray(np.concatenate(parts, 1))
        for depth in (0, 1):
            x = product(model.layers[f"heads.{c}.{depth}"], x, 0, top)
        out = product(model.layers[f"heads.{c}.2"], x, -MEAN_MAX, MEAN_MAX).astype(np.int32)
        results.append(_mixture(out, base[:, c], residual[:, :c], a.components))
    return results


def _mixture(
    out: npt.NDArray[np.int32], base: npt.NDArray[np.int32], residual: npt.NDArray[np.int32], k: int
) -> MixtureParameters:
    """Turn the outputs of a head (N, K * (3 + c)) into mixture parameters."""
    mean = out[:, k : 2 * k] + 16 * base[:, None]
    for earlier in range(residual.shape[1]):
        coupling = np.clip(out[:, (3 + earlier) * k : (4 + earlier) * k], -COUPLING_MAX, COUPLING_MAX)
        mean += (coupling * residual[:, earlier : earlier + 1] + 4) >> 3
    return MixtureParameters(
        np.clip(out[:, :k], -LOGIT_MAX, LOGIT_MAX),
        mean,
        np.clip(out[:, 2 * k : 3 * k] - (LOG_SCALE_MIN << SCALE_BITS), 0, SCALE_ENTRIES - 1),
    )


def _image_inputs(planes: npt.NDArray[np.uint8]) -> tuple[Floats, npt.NDArray[np.int32]]:
    """Return the inputs (N, inputs) of the first layer and the MED base (N, C)."""
    height, width, channels = planes.shape
    padded = np.full((height + REACH, width + 2 * REACH, channels), PAD_VALUE, np.int32)
    padded[REACH:, REACH:-REACH] = planes

    def at(dy: int, dx: int) -> npt.NDArray[np.int32]:
        rows = padded[REACH + dy : REACH + dy + height, REACH + dx : REACH + dx + width]
        return rows.reshape(-1, channels)

    west, north, northwest = at(0, -1), at(-1, 0), at(-1, -1)
    low, high = np.minimum(west, north), np.maximum(west, north)
    base = np.maximum(low, np.minimum(high, west + north - northwest))
    parts = [(at(*o) - base) * COARSE_SCALE for o in NEIGHBOURS]
    parts += [np.clip((at(*o) - base) * FINE_SCALE, -FINE_MAX, FINE_MAX) for o in FINE_NEIGHBOURS]
    parts.append(base - PAD_VALUE)
    if channels == 3:
        parts += [(base[:, c : c + 1] - base[:, 1:2]) * COARSE_SCALE for c in (0, 2)]
    return np.concatenate(parts, 1).astype(np.float32), base


def _image_taps(h: Floats, height: int, width: int) -> Floats:
    """Return the TAPS of every pixel's features, (N, F) to (N, taps * F), zero outside."""
    f = h.shape[1]
    padded = np.zeros((height + 1, width + 2, f), np.float32)
    padded[1:, 1:-1] = h.reshape(height, width, f)
    views = [padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width] for dy, dx in TAPS]
    return np.concatenate(views, 2).reshape(height * width, -1)
