"""A new run that begins with the averaged weights of an earlier one, in a larger network if wanted.

The larger network computes the same function at first, as in Net2Net (Chen et al., 2016): what reads a new
feature or hidden unit does so with weight zero, and a new block adds zero. What they compute themselves is
random, so training can make use of them. (The rounding of weights depends on all inputs of a layer, so the
rounded networks may differ slightly.)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from pixcodec.network.architecture import TAPS, Architecture
from pixcodec.network.pixelcnn import Layer, PixelCNN
from pixcodec.training.train import Settings, Trainer


def restart(checkpoint: Path, settings: Settings, device: str = "cpu") -> Trainer:
    """Return a trainer at step 0 whose weights are the averaged ones of ``checkpoint``.

    Parameters
    ----------
    checkpoint : Path
        Of the earlier run, which is left as it is.
    settings : Settings
        Of the new run; all may differ, but the architecture must not be smaller.
    device : str
        A torch device.

    Raises
    ------
    ValueError
        If the file is no checkpoint, or if a network of ``settings.architecture`` cannot hold its weights.
    """
    old = Trainer.load(checkpoint)
    check_growth(old.settings.architecture, settings.architecture)
    trainer = Trainer(settings, device)
    copy_grown(old.average, old.settings.architecture, trainer.network)
    trainer.average = {n: p.detach().clone() for n, p in trainer.network.named_parameters()}
    return trainer


def check_growth(old: Architecture, new: Architecture) -> None:
    """Raise ValueError unless ``new`` is at least as large as ``old``, with the same inputs and outputs."""
    for name in ("channels", "components"):
        found, expected = getattr(new, name), getattr(old, name)
        if found != expected:
            raise ValueError(f"{name} is {found}, expected {expected} as in the checkpoint")
    for name in ("features", "blocks", "hidden"):
        found, least = getattr(new, name), getattr(old, name)
        if found < least:
            raise ValueError(f"{name} is {found}, expected at least {least} as in the checkpoint")


@torch.no_grad()
def copy_grown(weights: Mapping[str, Tensor], old: Architecture, network: PixelCNN) -> None:
    """Overwrite a part of a new ``network`` so that it computes what ``weights`` do in one of size ``old``.

    Parameters
    ----------
    weights : mapping of str to Tensor
        All parameters of a network of architecture ``old``.
    network : PixelCNN
        As initialised: random, but for the mixing layers of its blocks, which are zero.
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
    """Return where the inputs of a layer are among those of the same layer of the larger network."""
    index = torch.arange(inputs)
    parts = name.split(".")
    if parts[0] == "conv":  # for every tap all features
        assert inputs == len(TAPS) * old_features
        return index // old_features * new_features + index % old_features
    if parts[0] == "heads" and parts[2] == "0":  # all features, then the earlier channels of the pixel
        return torch.where(index < old_features, index, index + new_features - old_features)
    return index
