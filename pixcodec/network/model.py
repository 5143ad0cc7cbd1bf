"""A network as integers: its layers, its distribution tables and its model id (FORMAT.md, "Network").

A layer is ``clamp(floor((W a + b) * 2**-s))``, computed as a float32 matrix product. While every partial
sum stays below 2**24, float32 holds it exactly, whatever the order of summation, the BLAS, the number of
threads or the device. :class:`Model` refuses weights for which this cannot be proved.

Shapes: N pixels.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.errors import CorruptFileError
from pixcodec.network.architecture import (
    ACCUMULATOR_LIMIT,
    GATE_MAX,
    GATE_ONE_BITS,
    GATE_STEPS,
    LOG_SCALE_MAX,
    LOG_SCALE_MIN,
    SCALE_BITS,
    Architecture,
    RowArchitecture,
)

MODEL_VERSION = 1
MODEL_ID_BYTES = 16
MAX_SHIFT = 24

# The three tables of a model, all int32.
LOGISTIC_ENTRIES = 1025  # logistic function of -16..16
LOGISTIC_STEPS = 32  # per unit
LOGISTIC_ONE = 1 << 22  # the integer for 1.0
SCALE_ENTRIES = ((LOG_SCALE_MAX - LOG_SCALE_MIN) << SCALE_BITS) + 1  # exp(-log scale), steps of 1/32
SCALE_ONE = 1 << 18
WEIGHT_ENTRIES = 512  # exp(-d), d = 0..16 in steps of 1/32
WEIGHT_ONE = 1 << 24
_TABLES = {"logistic": LOGISTIC_ENTRIES, "scale": SCALE_ENTRIES, "weight": WEIGHT_ENTRIES}
_MAX_TABLE_VALUE = 1 << 24  # of the tables of scales and weights


# The two more tables of a Row LSTM, both int16: the functions of -8..8 in steps of 1/256.
GATE_TABLES = ("sigmoid", "tanh")
GATE_ENTRIES = 2 * GATE_MAX + 1

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class IntegerLayer:
    """The function ``(a @ weight + bias) >> shift`` of integers.

    Parameters
    ----------
    weight : ndarray of float32, shape (inputs, outputs)
        Integers, held as float32 for the matrix product.
    bias, shift : ndarray of int32, shape (outputs,)
    """

    weight: Floats
    bias: npt.NDArray[np.int32]
    shift: npt.NDArray[np.int32]

    def __call__(self, a: Floats, low: int, high: int) -> Floats:
        """Map integers of shape (N, inputs) to integers of shape (N, outputs), clamped to low..high."""
        sums = (a @ self.weight).astype(np.int32)
        sums += self.bias
        sums >>= self.shift
        return np.clip(sums, low, high).astype(np.float32)


@dataclass(frozen=True)
class Model:
    """A network that is ready to run.

    Parameters
    ----------
    name : str
        For messages.
    architecture : Architecture
    tensors : mapping of str to ndarray
        All tensors of the model file: int16 weights, int32 biases, uint8 shifts and int32 tables.
    layers : mapping of str to IntegerLayer
        The same weights, biases and shifts as the layers that they make.
    model_id : bytes
        16 bytes, see :func:`content_hash`.
    """

    name: str
    architecture: Architecture
    tensors: Mapping[str, Array]
    layers: Mapping[str, IntegerLayer]
    model_id: bytes

    @classmethod
    def from_tensors(cls, architecture: Architecture, tensors: Mapping[str, Array], name: str = "") -> Model:
        """Build a model from its tensors and prove that every layer is exact.

        Raises
        ------
        CorruptFileError
            If a tensor is missing, surplus, or has another shape, type or range; if a sum could reach 2**24.
        """
        layers = {}
        expected = {f"table.{table}" for table in _TABLES}
        for layer, (outputs, bounds, _) in architecture.layers().items():
            shapes = {"weight": (outputs, len(bounds)), "bias": (outputs,), "shift": (outputs,)}
            types = {"weight": np.int16, "bias": np.int32, "shift": np.uint8}
            parts = {}
            for part, shape in shapes.items():
                key = f"{layer}.{part}"
                expected.add(key)
                parts[part] = _checked(name, tensors, key, types[part], shape)
            layers[layer] = _exact_layer(f"{name}: layer '{layer}'", bounds, **parts)
        if isinstance(architecture, RowArchitecture):
            for table in GATE_TABLES:
                key = f"table.{table}"
                expected.add(key)
                _check_gate_table(name, table, _checked(name, tensors, key, np.int16, (GATE_ENTRIES,)))
        for table, entries in _TABLES.items():
            _check_table(name, table, _checked(name, tensors, f"table.{table}", np.int32, (entries,)))
        if unknown := set(tensors) - expected:
            raise CorruptFileError(f"{name}: unknown tensors {sorted(unknown)} in the model")
        return cls(name, architecture, tensors, layers, content_hash(architecture, tensors))

    @property
    def recurrent(self) -> bool:
        """Return whether it is a Row LSTM."""
        return isinstance(self.architecture, RowArchitecture)

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
    """Return the layer as float32, if none of its partial sums can reach 2**24."""
    largest = np.abs(weight.astype(np.int64)) @ np.array(bounds, np.int64) + np.abs(bias.astype(np.int64))
    worst = int(largest.max())
    if worst >= ACCUMULATOR_LIMIT:
        raise CorruptFileError(f"{where}: a sum can reach {worst}, expected less than {ACCUMULATOR_LIMIT}")
    if int(shift.max()) > MAX_SHIFT:
        raise CorruptFileError(f"{where}: shift is {int(shift.max())}, expected at most {MAX_SHIFT}")
    return IntegerLayer(np.ascontiguousarray(weight.T, np.float32), bias, shift.astype(np.int32))


def _check_table(name: str, table: str, values: Array) -> None:
    """Raise an error unless the logistic function rises, and the other tables fall, within their ranges."""
    steps = np.diff(values.astype(np.int64))
    if table == "logistic":
        good = bool((steps >= 0).all()) and values[0] >= 0 and values[-1] <= LOGISTIC_ONE
    else:
        least = 1 if table == "scale" else 0
        good = bool((steps <= 0).all()) and values[-1] >= least and 0 < values[0] <= _MAX_TABLE_VALUE
    if not good:
        raise CorruptFileError(f"{name}: table '{table}' is not monotone within its range")


def _check_gate_table(name: str, table: str, values: Array) -> None:
    """Raise an error unless the function rises within its range: no product of a Row LSTM is too large."""
    one = 1 << GATE_ONE_BITS
    least = 0 if table == "sigmoid" else -one
    if (np.diff(values.astype(np.int64)) < 0).any() or values[0] < least or values[-1] > one:
        raise CorruptFileError(f"{name}: table '{table}' is not monotone within its range")


def gate_tables() -> dict[str, npt.NDArray[np.int16]]:
    """Return the tables of a Row LSTM's gates by name, as they are written to a model file."""
    x = np.arange(-GATE_MAX, GATE_MAX + 1) / GATE_STEPS
    functions = {"sigmoid": 1 / (1 + np.exp(-x)), "tanh": np.tanh(x)}
    return {name: np.rint(f * (1 << GATE_ONE_BITS)).astype(np.int16) for name, f in functions.items()}


def content_hash(architecture: Architecture, tensors: Mapping[str, Array]) -> bytes:
    """Return the model id, 16 bytes: the BLAKE2b hash of everything that the distributions depend on."""
    digest = hashlib.blake2b(digest_size=MODEL_ID_BYTES)
    digest.update(json.dumps([MODEL_VERSION, architecture.to_dict()], sort_keys=True).encode())
    for key in sorted(tensors):
        tensor = tensors[key]
        little = tensor.astype(tensor.dtype.newbyteorder("<"), copy=False)
        digest.update(f"{key}{tensor.dtype}{list(tensor.shape)}".encode())
        digest.update(np.ascontiguousarray(little).tobytes())
    return digest.digest()
