"""Files of networks that only torch runs: safetensors with the architecture as metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pixcodec.network.model_files import TORCH_KEY
from pixcodec.network.pixelcnn import PixelCNN
from pixcodec.training.architectures.registry import architecture_from, network_of

_ARCHITECTURE_KEY = "architecture"
_VERSION = "1"


def save_network(network: PixelCNN, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a network of any architecture, which :func:`load_network` reads.

    Parameters
    ----------
    network : PixelCNN
    path : Path
    metadata : mapping of str to str
        Anything to store besides, such as a description.
    """
    meta = {
        **metadata,
        TORCH_KEY: _VERSION,
        _ARCHITECTURE_KEY: json.dumps(network.architecture.to_dict()),
    }
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.named_parameters()}
    save_file(tensors, path, metadata=meta)
    path.chmod(0o644)  # safetensors makes files that only their owner may read


def load_network(path: Path) -> PixelCNN:
    """Read a file that :func:`save_network` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with safe_open(path, framework="pt") as f:
            meta = f.metadata() or {}
            if meta.get(TORCH_KEY) != _VERSION:
                raise ValueError(f"{path}: not a network that pixcodec train wrote for torch")
            network = network_of(architecture_from(json.loads(meta[_ARCHITECTURE_KEY])))
            network.load_state_dict({k: f.get_tensor(k) for k in f.keys()})  # noqa: SIM118 - not a dict
    except (SafetensorError, KeyError, TypeError, RuntimeError, RecursionError) as error:
        raise ValueError(f"{path}: not a readable network: {error}") from error
    return network.eval()
