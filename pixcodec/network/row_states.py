"""The recurrence of a Row LSTM in integers (FORMAT.md, section Row LSTM).

Cell and state of a pixel follow from the cell and the states of three pixels of the row above, and from the
features of the pixel and its left neighbour. All are integers; inputs of a product are held as float32.

Shapes: H W height and width, N pixels, F features, S numbers of a state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import (
    ACTIVATION_MAX,
    GATE_BITS,
    GATE_MAX,
    GATE_ONE_BITS,
    STATE_TAPS,
    RowArchitecture,
)
from pixcodec.network.model import Floats, IntegerLayer, Model

Int32 = npt.NDArray[np.int32]
Product = Callable[[IntegerLayer, Any, int, int], Any]

_PRODUCT_SHIFT = 2 * GATE_ONE_BITS - GATE_BITS  # of a product of two values of tables
_HALF_KEPT = 1 << (GATE_ONE_BITS - 1)
_HALF = 1 << (_PRODUCT_SHIFT - 1)


class RowState(NamedTuple):
    """What an LSTM hands from a row to the next."""

    state: Floats  # W, S: -STATE_MAX..STATE_MAX
    cell: Int32  # W, S: -GATE_MAX..GATE_MAX


def first_states(model: Model, width: int) -> list[RowState]:
    """Return what the LSTMs of a model hand to the first row of a tile: zeros."""
    a = model.architecture
    assert isinstance(a, RowArchitecture)
    shape = (width, a.state)
    return [RowState(np.zeros(shape, np.float32), np.zeros(shape, np.int32)) for _ in range(a.lstms)]


def next_states(model: Model, k: int, product: Product, inputs: Floats, cell: Int32) -> tuple[Floats, Int32]:
    """Return states and cells (N, S) of pixels, of LSTM ``k``.

    Parameters
    ----------
    model : Model
    k : int
    product : Product
        Runs the layer.
    inputs : ndarray of float32, shape (N, 2 * F + 3 * S)
        Features of the left neighbour and the pixel, then the states of the row above at STATE_TAPS.
    cell : ndarray of int32, shape (N, S)
        Of the pixels above.
    """
    size = cell.shape[1]
    sigmoid, tanh = model.tensors["table.sigmoid"], model.tensors["table.tanh"]
    at = product(model.layers[f"gates.{k}"], inputs, -GATE_MAX, GATE_MAX).astype(np.int32) + GATE_MAX
    enter, keep, show = (sigmoid[at[:, j * size : (j + 1) * size]].astype(np.int32) for j in range(3))
    new = tanh[at[:, 3 * size :]].astype(np.int32)
    cell = ((keep * cell + _HALF_KEPT) >> GATE_ONE_BITS) + ((enter * new + _HALF) >> _PRODUCT_SHIFT)
    cell = np.clip(cell, -GATE_MAX, GATE_MAX)
    state = (show * tanh[cell + GATE_MAX].astype(np.int32) + _HALF) >> _PRODUCT_SHIFT
    return state.astype(np.float32), cell


def add_states(
    model: Model, product: Product, h: Floats, size: tuple[int, int], above: list[RowState]
) -> Floats:
    """Return the features (N, F) of whole rows with what all LSTMs add to them.

    Parameters
    ----------
    model : Model
    product : Product
    h : ndarray of float32, shape (N, F)
        Features, -ACTIVATION_MAX..ACTIVATION_MAX.
    size : tuple of int
        Number of the rows, and W.
    above : list of RowState
        What the row above handed on, of each LSTM; replaced by what the last of these rows does.
    """
    rows, width = size
    for k in range(len(above)):
        states = np.empty((rows, width, above[k].state.shape[1]), np.float32)
        features = h.reshape(rows, width, -1)
        for y in range(rows):
            inputs = _row_inputs(features[y], above[k].state)
            above[k] = RowState(*next_states(model, k, product, inputs, above[k].cell))
            states[y] = above[k].state
        h = add_output(model, k, product, h, states.reshape(rows * width, -1))
    return h


def add_output(model: Model, k: int, product: Product, h: Floats, state: Floats) -> Floats:
    """Return the features (N, F) with what LSTM ``k`` makes of its states (N, S) added."""
    added = product(model.layers[f"out.{k}"], state, -ACTIVATION_MAX, ACTIVATION_MAX)
    total: Floats = np.clip(h + added, -ACTIVATION_MAX, ACTIVATION_MAX)
    return total


def _row_inputs(features: Floats, above: Floats) -> Floats:
    """Return the inputs of the gates of a row (W, 2 * F + 3 * S); zeros outside."""
    width = len(features)
    left = np.zeros_like(features)
    left[1:] = features[:-1]
    padded = np.pad(above, ((1, 1), (0, 0)))
    return np.concatenate([left, features, *(padded[1 + dx : 1 + dx + width] for _, dx in STATE_TAPS)], 1)
