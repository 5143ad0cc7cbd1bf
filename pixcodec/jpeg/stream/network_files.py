"""The weights of the networks that foresee the bits of blocks, which ship with the package."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from pixcodec.errors import CorruptFileError, ModelMismatchError
from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.jpeg.stream.network import (
    FEATURE_SHIFT,
    FEATURES,
    LOG16,
    MOST_ACTIVE,
    NODES,
    OUTPUTS,
    ROLES,
    UNITS,
    WIDE,
    Int16,
    Int32,
    Int64,
    Network,
)
from pixcodec.network.model_files import MODELS

PATH = MODELS / "jpeg" / "1.safetensors"
_MOST_LOG = int(LOG16.max())
_MOST_SUM = 2**31 - 1


class Weights(NamedTuple):
    """Of a network; the names and shapes are those of Network."""

    around: Int16
    joined: Int16
    own: Int16
    edges: Int16
    lengths: Int32
    places: Int32
    outputs: Int16
    output_biases: Int64
    nodes: Int16
    node_biases: Int64
    biases: Int32  # WIDE
    steps: Int16  # 64, WIDE: times the logarithm of a step of quantisation
    red: Int32  # WIDE: added for red chroma
    sides: Int32


_SHAPES: dict[str, tuple[tuple[int, ...], Any]] = {
    "around": ((ROLES, FREQUENCIES, WIDE, 2), np.int16),
    "joined": ((UNITS // 2, UNITS, 2), np.int16),
    "own": ((FREQUENCIES, UNITS, 2), np.int16),
    "edges": ((3, UNITS, 2), np.int16),
    "lengths": ((FREQUENCIES, UNITS), np.int32),
    "places": ((FREQUENCIES, UNITS), np.int32),
    "outputs": ((FREQUENCIES, OUTPUTS, UNITS + FEATURES), np.int16),
    "output_biases": ((FREQUENCIES, OUTPUTS), np.int64),
    "nodes": ((NODES, UNITS), np.int16),
    "node_biases": ((NODES,), np.int64),
    "biases": ((WIDE,), np.int32),
    "steps": ((FREQUENCIES, WIDE), np.int16),
    "red": ((WIDE,), np.int32),
    "sides": ((2, WIDE), np.int32),
}


@cache
def shipped_weights() -> tuple[Weights, Weights]:
    """Return the networks of luma and of chroma.

    Raises
    ------
    ModelMismatchError
        If their file is missing.
    CorruptFileError
        If it holds something else.
    """
    if not PATH.is_file():
        raise ModelMismatchError(f"{PATH}: no such file: install pixcodec again")
    try:
        tensors = load_file(PATH)
    except SafetensorError as error:
        raise CorruptFileError(f"{PATH}: not a readable model: {error}") from error
    return _weights(tensors, "luma"), _weights(tensors, "chroma")


def _weights(tensors: dict[str, Any], name: str) -> Weights:
    found = {}
    for field, (shape, kind) in _SHAPES.items():
        tensor = tensors.get(f"{name}.{field}")
        if tensor is None or tensor.shape != shape or tensor.dtype != kind:
            raise CorruptFileError(f"{PATH}: {name}.{field} is none of {kind.__name__}, shape {shape}")
        found[field] = tensor
    weights = Weights(**found)
    check_sums(weights)
    return weights


def check_sums(w: Weights) -> None:
    """Raise CorruptFileError unless no sum leaves 32 bits, whatever the coefficients are."""

    def most(weights: Any, factor: int, axes: tuple[int, ...]) -> Any:
        return np.abs(weights.astype(np.int64)).sum(axes) * factor

    first = np.abs(w.biases.astype(np.int64)) + np.abs(w.red.astype(np.int64)) + most(w.sides, 1, (0,))
    first += most(w.around, _MOST_LOG, (0, 1, 3)) + most(w.steps, _MOST_LOG, (0,))
    hidden = first[UNITS:] + most(w.joined, MOST_ACTIVE, (0, 2)) + most(w.own, _MOST_LOG, (0, 2))
    hidden += most(w.edges, _MOST_LOG, (0, 2))
    hidden += np.abs(w.lengths).max(0).astype(np.int64) + np.abs(w.places).max(0)
    logits = most(w.outputs[..., :UNITS], MOST_ACTIVE, (2,))
    logits += most(w.outputs[..., UNITS:], _MOST_LOG << FEATURE_SHIFT, (2,))
    nodes = most(w.nodes, MOST_ACTIVE, (1,))
    if max(int(sums.max()) for sums in (first, hidden, logits, nodes)) > _MOST_SUM:
        raise CorruptFileError(f"{PATH}: sums could leave 32 bits")


def new_network(component: int, steps: Int64, rows: int, columns: int) -> Network:
    """Return the network of a component with so many blocks; ``steps`` (64,) are those of quantisation."""
    chroma = component in (1, 2)
    w = shipped_weights()[chroma]
    logs = LOG16[np.minimum(steps[ZIGZAG], 32767)].astype(np.int64)
    start = w.biases + logs @ w.steps.astype(np.int64) + (w.red if component == 2 else 0)
    return _new(1 + chroma, w, start.astype(np.int32), rows, columns)


@cache
def no_network() -> Network:
    """Return a network that is not used."""
    nothing: Any = {name: np.zeros((0,) * len(shape), kind) for name, (shape, kind) in _SHAPES.items()}
    return _new(0, Weights(**nothing), np.zeros(0, np.int32), 0, 0)


def _new(used: int, w: Weights, start: Int32, rows: int, columns: int) -> Network:
    return Network(
        used=used,
        **{name: getattr(w, name) for name in Weights._fields if name in Network._fields},
        start=start,
        residuals=np.zeros((rows, columns), np.int64),
        sums=np.zeros((rows, UNITS), np.int32),
        known=np.zeros((rows, UNITS + FEATURES), np.int16),
        wide=np.zeros(WIDE, np.int32),
        rows=np.zeros((ROLES * FREQUENCIES, 2), np.int64),
    )
