"""Architectures by name: sizes -> network, and sizes with which all have equally many parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from pixcodec.network.architecture import MIN_SLOPE, Architecture, RowArchitecture, architecture_of
from pixcodec.network.pixelcnn import PixelCNN
from pixcodec.training.architectures import row_lstm
from pixcodec.training.architectures.diagonal_bilstm import DiagonalBiLSTM
from pixcodec.training.architectures.gated import GatedPixelCNN
from pixcodec.training.architectures.hybrid import HybridPixelCNN
from pixcodec.training.architectures.multiscale import MultiscalePixelCNN, scale_order
from pixcodec.training.architectures.sizes import REDUCTION, TorchArchitecture

TORCH_NETWORKS: dict[str, type[PixelCNN]] = {
    "gated": GatedPixelCNN,
    "diagonal-bilstm": DiagonalBiLSTM,
    "hybrid": HybridPixelCNN,
    "multiscale": MultiscalePixelCNN,
}
_LSTMS = 2  # layers of either PixelRNN
_MOST_UNITS = 2048


def kind_of(architecture: Architecture) -> str:
    """Return the name of an architecture, one of KINDS."""
    if isinstance(architecture, TorchArchitecture):
        return architecture.kind
    return "row-lstm" if isinstance(architecture, RowArchitecture) else "pixelcnn"


def network_of(architecture: Architecture) -> PixelCNN:
    """Return a new network."""
    if isinstance(architecture, TorchArchitecture):
        return TORCH_NETWORKS[architecture.kind](architecture)
    return row_lstm.network_of(architecture)


def architecture_from(values: Mapping[str, Any]) -> Architecture:
    """Return the architecture of which ``to_dict`` gave these values."""
    if "kind" in values:
        return TorchArchitecture(**{**values, "classes": tuple(values["classes"])})
    return architecture_of(values)


def parameter_count(architecture: Architecture) -> int:
    """Return the number of weights and biases."""
    with torch.device("meta"):
        return sum(p.numel() for p in network_of(architecture).parameters())


def sized(
    kind: str,
    reference: Architecture,
    *,
    units: int | None = None,
    condition: str = "",
    classes: tuple[str, ...] = (),
) -> Architecture:
    """Return an architecture with the features and heads of a PixelCNN.

    Parameters
    ----------
    kind : str
        One of KINDS.
    reference : Architecture
        Of the PixelCNN.
    units : int, optional
        Width inside the trunk. Without it, that with which the network has as many parameters as the
        PixelCNN, apart from those that read a condition.
    condition : str
    classes : tuple of str
        As of TorchArchitecture.

    Raises
    ------
    ValueError
        As of TorchArchitecture; or if a PixelCNN is given units.
    """
    if kind == "pixelcnn":
        if condition or units is not None:
            raise ValueError("a pixelcnn has neither units nor a condition")
        return reference
    if kind == "row-lstm" and condition:
        raise ValueError(f"condition {condition!r} needs architecture gated, not {kind}")
    plain = _of_width(kind, reference, units or _matched(kind, reference))
    if isinstance(plain, TorchArchitecture):
        return replace(plain, condition=condition, classes=classes)
    return plain


def continued(kind: str, reference: Architecture, *, units: int | None = None) -> Architecture:
    """Return the architecture of a run that starts with the weights of another one.

    Parameters
    ----------
    kind : str
        One of KINDS.
    reference : Architecture
        Of the other run, or larger: that of a PixelCNN or a Row LSTM.
    units : int, optional
        Numbers in the state of a Row LSTM.

    Raises
    ------
    ValueError
        If no network of this kind can start with such weights.
    """
    old = kind_of(reference)
    if kind != "row-lstm":
        if kind != "pixelcnn" or old != kind or units is not None:
            raise ValueError(f"a {kind} cannot start with the weights of a {old} (--from)")
        return reference
    if old == "pixelcnn":
        reference = RowArchitecture(**reference.to_dict())
    if not isinstance(reference, RowArchitecture):
        raise ValueError(f"a {kind} cannot start with the weights of a {old} (--from)")
    return reference if units is None else replace(reference, state=units)


def _of_width(kind: str, reference: Architecture, width: int) -> Architecture:
    """Return an architecture without a condition, whose trunk has this width."""
    a = reference
    common = (
        a.channels,
        a.features,
        _LSTMS if kind == "diagonal-bilstm" else a.blocks,
        a.hidden,
        a.components,
    )
    if kind == "row-lstm":
        return RowArchitecture(a.channels, a.features, 0, a.hidden, a.components, lstms=_LSTMS, state=width)
    return TorchArchitecture(*common, kind=kind, units=width)


def _matched(kind: str, reference: Architecture) -> int:
    """Return the width with which a network has the number of parameters nearest to a PixelCNN's."""
    target = parameter_count(reference)
    low, high = 1, _MOST_UNITS
    while low < high:
        middle = (low + high) // 2
        if parameter_count(_of_width(kind, reference, middle)) < target:
            low = middle + 1
        else:
            high = middle
    return min(
        (max(1, low - 1), low),
        key=lambda width: abs(parameter_count(_of_width(kind, reference, width)) - target),
    )


def coding_order(architecture: Architecture, height: int, width: int) -> torch.Tensor:
    """Return at which step each pixel can be known (H, W): those of a step depend on earlier steps alone.

    A pixel (y, x) is on wavefront x + slope * y. The diagonal LSTMs and the row state of the hybrid know of
    the whole row above, so that their pixels come one by one.
    """
    kind = kind_of(architecture)
    if kind == "multiscale":
        return scale_order(height, width)
    slope = width
    if kind in ("pixelcnn", "row-lstm"):
        slope = MIN_SLOPE
    elif kind == "gated":  # each layer of the vertical stack reaches a pixel further to the right
        slope = max(MIN_SLOPE, architecture.blocks)
        if isinstance(architecture, TorchArchitecture) and architecture.condition == "low-resolution":
            slope = max(slope, REDUCTION)  # the row above is known to the end of a reduced pixel
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return x + min(slope, width) * y
