"""A trained PixelCNN to the integer tensors that the codec runs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from pixcodec.network.architecture import ACTIVATION_BITS, LOG_SCALE_MIN, SCALE_BITS
from pixcodec.network.model import LOGISTIC_ENTRIES, SCALE_ENTRIES, WEIGHT_ENTRIES, Model
from pixcodec.network.model_files import save_model
from pixcodec.network.pixelcnn import Layer, PixelCNN, weight_shift

Tensors = dict[str, npt.NDArray[Any]]


def distribution_tables() -> Tensors:
    """Return the integer tables that turn outputs into distributions (FORMAT.md, Distribution)."""
    z = (np.arange(LOGISTIC_ENTRIES) - LOGISTIC_ENTRIES // 2) / 32
    log_scale = np.arange(SCALE_ENTRIES) / 2**SCALE_BITS + LOG_SCALE_MIN
    return {
        "table.logistic": np.rint(2**22 / (1 + np.exp(-z))).astype(np.int32),
        "table.scale": np.rint(2**18 * np.exp(-log_scale)).astype(np.int32),
        "table.weight": np.rint(2**24 * np.exp(-np.arange(WEIGHT_ENTRIES) / 32)).astype(np.int32),
    }


def to_tensors(network: PixelCNN) -> Tensors:
    """Return the integer tensors of a network: weights, biases, shifts and tables."""
    tensors = distribution_tables()
    modules = dict(network.named_modules())
    for name, (_, _, output_bits) in network.architecture.layers().items():
        layer = modules[name]
        assert isinstance(layer, Layer)
        with torch.no_grad():
            weight, bias = layer.weight.double().cpu(), layer.bias.double().cpu()
            exponent = weight_shift(layer.weight, layer.bias, layer.input_max).double().cpu()
        # A sum counts in steps of 2**-(exponent + ACTIVATION_BITS); the output in 2**-output_bits.
        shift = exponent + ACTIVATION_BITS - torch.tensor(output_bits, dtype=torch.float64)
        if float(shift.min()) < 0:
            raise ValueError(f"layer '{name}': weights are too large for exact sums")
        rounding = torch.where(shift > 0, torch.exp2(shift - 1), 0.0)
        scaled_weight = torch.round(weight * torch.exp2(exponent)[:, None])
        tensors[f"{name}.weight"] = scaled_weight.to(torch.int16).numpy()
        scaled_bias = torch.round(bias * torch.exp2(exponent + ACTIVATION_BITS)) + rounding
        tensors[f"{name}.bias"] = scaled_bias.to(torch.int32).numpy()
        tensors[f"{name}.shift"] = shift.to(torch.uint8).numpy()
    return tensors


def to_model(network: PixelCNN, name: str = "") -> Model:
    """Return the network as a model that is ready to run, every bound proved."""
    return Model.from_tensors(network.architecture, to_tensors(network), name)


def export(network: PixelCNN, path: Path, metadata: Mapping[str, str]) -> None:
    """Write the network as a model file (safetensors, integers)."""
    tensors = to_tensors(network)
    Model.from_tensors(network.architecture, tensors, path.name)
    save_model(path, network.architecture, tensors, metadata)
