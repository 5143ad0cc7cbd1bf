"""A new run that starts with the averaged weights of an earlier one; its network may be larger.

The larger network computes the same function at first, as in Net2Net (Chen et al., 2016): the weights from
new features and hidden units to old ones are zero, and so is what a new block adds. The weights to new ones
are random, so that training can use them. (The rounding of weights depends on all inputs of a layer, so the
rounded networks may differ slightly.)

A Row LSTM may start with the weights of a PixelCNN, or of a Row LSTM whose state and features are as large.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pixcodec.network.architecture import TAPS, Architecture, RowArchitecture
from pixcodec.network.pixelcnn import Layer, PixelCNN
from pixcodec.training.architectures.sizes import TorchArchitecture
from pixcodec.training.trainer import Settings, Trainer


def restart(checkpoint: Path, settings: Settings, device: str = "cpu") -> Trainer:
    """Return a trainer at step 0 with the averaged weights of a checkpoint.

    Parameters
    ----------
    checkpoint : Path
        Of the earlier run, which stays as it is.
    settings : Settings
        Of the new run. All of them may differ from those of the earlier one, but no size of the architecture
        may be smaller.
    device : str
        A torch device.

    Raises
    ------
    ValueError
        If the file is no checkpoint, or if the architecture cannot hold its weights.
    """
    old = Trainer.load(checkpoint)
    for architecture in (old.settings.architecture, settings.architecture):
        if isinstance(architecture, TorchArchitecture):
            raise ValueError(
                f"architecture {architecture.kind} cannot start from a checkpoint of another run"
            )
    check_growth(old.settings.architecture, settings.architecture)
    trainer = Trainer(settings, device)
    copy_grown(old.average, old.settings.architecture, trainer.network)
    trainer.average = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    return trainer


def check_growth(old: Architecture, new: Architecture) -> None:
    """Raise an error unless ``new`` is as large as ``old`` or larger, with the same inputs and outputs.

    Raises
    ------
    ValueError
    """
    fixed = ["channels", "components"]
    if isinstance(old, RowArchitecture):  # its gates would have to be laid out anew
        fixed += ["features", "lstms", "state"]
    for name in fixed:
        found, expected = getattr(new, name, 0), getattr(old, name)
        if found != expected:
            raise ValueError(f"{name} is {found}, expected {expected} as in the checkpoint")
    for name in ("features", "blocks", "hidden"):
        found, least = getattr(new, name), getattr(old, name)
        if found < least:
            raise ValueError(f"{name} is {found}, expected at least {least} as in the checkpoint")


@torch.no_grad()
def copy_grown(weights: Mapping[str, Tensor], old: Architecture, network: PixelCNN) -> None:
    """Copy the weights of a network into a larger one, which then computes the same function.

    Parameters
    ----------
    weights : mapping of str to Tensor
        All parameters of a network of architecture ``old``.
    old : Architecture
    network : PixelCNN
        The larger network, as initialised: random, with mixing layers that are zero.
    """
    modules = dict(network.named_modules())
    for name in old.layers():
        layer = modules[name]
        assert isinstance(layer, Layer)
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        outputs = len(bias)
        columns = _columns(name, weight.shape[1], old.features, network.architecture.features)
        layer.weight[:outputs] = 0
        layer.weight[:outputs, columns.to(layer.weight.device)] = weight.to(layer.weight.device)
        layer.bias[:outputs] = bias


def _columns(name: str, inputs: int, old_features: int, new_features: int) -> Tensor:
    """Return the positions of a layer's inputs among those of the same layer of the larger network."""
    index = torch.arange(inputs)
    parts = name.split(".")
    if parts[0] == "conv":  # all features of the first tap, then those of the next
        assert inputs == len(TAPS) * old_features
        return index // old_features * new_features + index % old_features
    if parts[0] == "heads" and parts[2] == "0":  # all features, then the earlier channels of the pixel
        return torch.where(index < old_features, index, index + new_features - old_features)
    return index
