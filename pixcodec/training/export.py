"""A trained PixelCNN -> the integer tensors of a model file (FORMAT.md, "Network")."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pixcodec.network.architecture import (
    ACTIVATION_BITS,
    LOG_SCALE_MIN,
    LOGIT_BITS,
    SCALE_BITS,
    RowArchitecture,
)
from pixcodec.network.distribution import PIECES
from pixcodec.network.model import (
    LOGISTIC_ENTRIES,
    LOGISTIC_ONE,
    LOGISTIC_STEPS,
    SCALE_ENTRIES,
    SCALE_ONE,
    WEIGHT_ENTRIES,
    WEIGHT_ONE,
    Model,
    gate_tables,
)
from pixcodec.network.model_files import save_model
from pixcodec.network.pixelcnn import Layer, PixelCNN, weight_shift

Tensors = dict[str, npt.NDArray[Any]]


def distribution_tables() -> Tensors:
    """Return the tables that turn outputs into distributions (FORMAT.md, "Distribution")."""
    log_scale = np.arange(SCALE_ENTRIES) / 2**SCALE_BITS + LOG_SCALE_MIN
    below_best = np.arange(WEIGHT_ENTRIES) / 2**LOGIT_BITS
    return {
        "table.logistic": _logistic_table(),
        "table.scale": np.rint(SCALE_ONE * np.exp(-log_scale)).astype(np.int32),
        "table.weight": np.rint(WEIGHT_ONE * np.exp(-below_best)).astype(np.int32),
    }


def _logistic_table() -> npt.NDArray[np.int32]:
    """Return the logistic function of -16 .. 16, straight between multiples of 1/2.

    Vectors look up straight pieces fast (:func:`pixcodec.network.distribution.straight_pieces`). Instead of
    a table that bends at every 1/32, they cost 0.003 to 0.007 % of the size.
    """
    steps = LOGISTIC_ENTRIES // 2 // PIECES
    exact = LOGISTIC_ONE / (1 + np.exp(-np.arange(PIECES) * steps / LOGISTIC_STEPS))
    rises = np.zeros(PIECES, np.int64)
    value = LOGISTIC_ONE
    for k in range(PIECES - 1, -1, -1):  # each 1/32 of a piece rises by the same integer
        rises[k] = np.rint((value - exact[k]) / steps)
        value -= steps * rises[k]
    assert 2 * value == LOGISTIC_ONE
    upper = np.concatenate([[value], value + np.cumsum(np.repeat(rises, steps))])
    return np.concatenate([LOGISTIC_ONE - upper[:0:-1], upper]).astype(np.int32)


def to_tensors(network: PixelCNN) -> Tensors:
    """Return the integer tensors of a network: weights, biases, shifts and tables.

    Raises
    ------
    ValueError
        If the weights of a layer are so large that its sums would not be exact.
    """
    tensors = distribution_tables()
    if isinstance(network.architecture, RowArchitecture):
        tensors |= {f"table.{name}": table for name, table in gate_tables().items()}
    modules = dict(network.named_modules())
    for name, (_, _, output_bits) in network.architecture.layers().items():
        layer = modules[name]
        assert isinstance(layer, Layer)
        with torch.no_grad():
            weight, bias = layer.weight.double().cpu(), layer.bias.double().cpu()
            exponent = weight_shift(layer.weight, layer.bias, layer.input_max).double().cpu()
        # The step of a sum is 2**-(exponent + ACTIVATION_BITS), that of an output 2**-output_bits.
        shift = exponent + ACTIVATION_BITS - torch.tensor(output_bits, dtype=torch.float64)
        if float(shift.min()) < 0:
            raise ValueError(f"layer '{name}': weights are too large for exact sums")
        rounding = torch.where(shift > 0, torch.exp2(shift - 1), 0.0)  # a shift alone rounds down
        scaled_weight = torch.round(weight * torch.exp2(exponent)[:, None])
        tensors[f"{name}.weight"] = scaled_weight.to(torch.int16).numpy()
        scaled_bias = torch.round(bias * torch.exp2(exponent + ACTIVATION_BITS)) + rounding
        tensors[f"{name}.bias"] = scaled_bias.to(torch.int32).numpy()
        tensors[f"{name}.shift"] = shift.to(torch.uint8).numpy()
    return tensors


def to_model(network: PixelCNN, name: str = "") -> Model:
    """Return the network as a model that is ready to run.

    Raises
    ------
    ValueError
        As :func:`to_tensors`.
    """
    return Model.from_tensors(network.architecture, to_tensors(network), name)


def export(network: PixelCNN, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the network as a model file.

    Parameters
    ----------
    network : PixelCNN
    path : Path
    metadata : mapping of str to str
        Anything to store besides the model, such as a description.

    Raises
    ------
    ValueError
        As :func:`to_tensors`.
    """
    tensors = to_tensors(network)
    Model.from_tensors(network.architecture, tensors, path.name)
    save_model(path, network.architecture, tensors, metadata)
