"""Model files (safetensors) <-> models; finds those that ship with the package (FORMAT.md, "Network")."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pixcodec.errors import CorruptFileError, ModelMismatchError, UnsupportedVersionError
from pixcodec.network.architecture import Architecture, architecture_of
from pixcodec.network.model import MODEL_VERSION, Array, Model

MODELS = Path(__file__).parent.parent / "models"

TORCH_KEY = "pixcodec_torch_network"  # in the metadata of networks that only torch runs
_VERSION_KEY = "pixcodec_model_version"
_ARCHITECTURE_KEY = "architecture"
_READABLE_BY_ALL = 0o644
_LIMITS = {  # of the sizes of an architecture
    "channels": (1, 3),
    "features": (1, 512),
    "blocks": (0, 32),
    "hidden": (1, 512),
    "components": (1, 16),
}
_ROW_LIMITS = {"lstms": (1, 8), "state": (1, 512)}  # of those that only a Row LSTM has
# By the number of channels, those that an encoder chooses from; the first is the default.
_SHIPPED = {1: ("grey",), 3: ("rgb", "rgb-processed")}
_EARLIER = {1: ("grey-1",), 3: ("rgb-1",)}  # of files of earlier versions
_SHIPPED_ROWS = {3: ("rgb-row-lstm",)}  # Row LSTMs

_loaded: dict[str, Model] = {}


@dataclass(frozen=True)
class ModelInfo:
    """What :func:`list_models` returns of a model.

    Parameters
    ----------
    name : str
    model_id : str
        Content hash, hexadecimal.
    channels : int
        1 for grey, 3 for RGB.
    parameters : int
        Number of weights and biases.
    macs_per_pixel : int
        Multiplications for one pixel.
    size_bytes : int
        Size of the model file.
    path : str
        Of the model file.
    """

    name: str
    model_id: str
    channels: int
    parameters: int
    macs_per_pixel: int
    size_bytes: int
    path: str


def save_model(
    path: Path, architecture: Architecture, tensors: Mapping[str, Array], metadata: Mapping[str, str]
) -> None:
    """Write the tensors of a model as a file that :func:`load_model` reads.

    Parameters
    ----------
    path : Path
    architecture : Architecture
    tensors : mapping of str to ndarray
        As :meth:`Model.from_tensors` takes them.
    metadata : mapping of str to str
        Anything else to store, such as a description. It does not change the model id.
    """
    meta = {
        **metadata,
        _VERSION_KEY: str(MODEL_VERSION),
        _ARCHITECTURE_KEY: json.dumps(architecture.to_dict()),
    }
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, metadata=meta)
    path.chmod(_READABLE_BY_ALL)  # safetensors makes files that only their owner may read


def load_model(path: Path) -> Model:
    """Load a model and prove that its sums are exact.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnsupportedVersionError
        If it was written for another version of the network.
    ModelMismatchError
        If it is a network of another architecture, which only torch runs.
    CorruptFileError
        If it is not a model, or its sums could be inexact.
    """
    name = str(path)
    if not path.is_file():
        raise FileNotFoundError(f"{name}: no such model file")
    try:
        with safe_open(path, framework="np") as f:
            meta = f.metadata() or {}
            if TORCH_KEY in meta:
                raise ModelMismatchError(
                    f"{name}: a network that only torch runs; expected a model of the codec "
                    "(pixcodec train --architecture pixelcnn)"
                )
            version = meta.get(_VERSION_KEY)
            if version is not None and version != str(MODEL_VERSION):
                raise UnsupportedVersionError(
                    f"{name}: model version is {version}, this pixcodec reads version {MODEL_VERSION}"
                )
            if version is None or _ARCHITECTURE_KEY not in meta:
                raise CorruptFileError(f"{name}: not a pixcodec model (no version in its metadata)")
            tensors = {key: f.get_tensor(key) for key in f.keys()}  # noqa: SIM118 - not a dict
            architecture = _parse_architecture(name, meta[_ARCHITECTURE_KEY])
    except (SafetensorError, json.JSONDecodeError, RecursionError) as error:
        raise CorruptFileError(f"{name}: not a readable model: {error}") from error
    return Model.from_tensors(architecture, tensors, path.name)


def load_model_or_none(model: Model | str | os.PathLike[str] | None) -> Model | None:
    """Return the model that a caller gave, who may have given its path, or none.

    Errors as of :func:`load_model`.
    """
    return model if model is None or isinstance(model, Model) else load_model(Path(model))


def _parse_architecture(name: str, text: str) -> Architecture:
    """Return the architecture in a JSON text; raise CorruptFileError if its values are out of range."""
    values = json.loads(text)
    limits = _LIMITS
    if isinstance(values, dict) and set(values) & set(_ROW_LIMITS):
        limits = _LIMITS | _ROW_LIMITS
    if not isinstance(values, dict) or set(values) != set(limits):
        raise CorruptFileError(f"{name}: architecture is {text!r}, expected the keys {sorted(limits)}")
    for key, (low, high) in limits.items():
        if type(values[key]) is not int or not low <= values[key] <= high:
            raise CorruptFileError(f"{name}: {key} is {values[key]!r}, expected {low}..{high}")
    if values["channels"] not in _SHIPPED:
        raise CorruptFileError(f"{name}: channels is {values['channels']}, expected 1 or 3")
    return architecture_of(values)


def shipped_model(channels: int, *, recurrent: bool = False) -> Model:
    """Return the default model for images of 1 or 3 channels; a process loads it once.

    ``recurrent``: the Row LSTM, of which there is one for 3 channels.

    Raises
    ------
    ModelMismatchError
        If its file is missing.
    """
    return _shipped((_SHIPPED_ROWS if recurrent else _SHIPPED)[channels][0])


def candidate_models(channels: int) -> list[Model]:
    """Return the shipped models that an encoder chooses from, the default first.

    Raises
    ------
    ModelMismatchError
        If a file is missing.
    """
    return [_shipped(name) for name in _SHIPPED[channels]]


def _shipped(name: str) -> Model:
    if name not in _loaded:
        try:
            _loaded[name] = load_model(MODELS / f"{name}.safetensors")
        except FileNotFoundError as error:
            raise ModelMismatchError(f"{error}: install pixcodec again") from error
    return _loaded[name]


def find_model(
    model_id: bytes, channels: int, extra: Model | None = None, *, recurrent: bool = False
) -> Model:
    """Return the model whose content hash starts with ``model_id``: ``extra`` or a shipped one.

    ``recurrent``: whether the shipped one is the Row LSTM.

    Raises
    ------
    ModelMismatchError
        If it is none of them.
    """
    if extra is not None and model_id and extra.model_id.startswith(model_id):
        return extra
    names = _SHIPPED_ROWS[channels] if recurrent else _SHIPPED[channels] + _EARLIER[channels]
    for name in names:
        if model_id and _shipped(name).model_id.startswith(model_id):
            return _shipped(name)
    given = f"the model given is {extra.model_id.hex()}" if extra else "no other model was given"
    shipped = ", ".join(_shipped(name).model_id.hex() for name in names)
    raise ModelMismatchError(
        f"the file was encoded with model {model_id.hex()}; this pixcodec ships {shipped} "
        f"and {given}. Pass the model file that it was encoded with (--model PATH, or model=PATH)"
    )


def list_models() -> list[ModelInfo]:
    """Return the models that ship with the package, sorted by name."""
    infos = []
    for path in sorted(MODELS.glob("*.safetensors")):
        model = load_model(path)
        infos.append(
            ModelInfo(
                name=path.stem,
                model_id=model.model_id.hex(),
                channels=model.architecture.channels,
                parameters=model.parameters,
                macs_per_pixel=model.architecture.macs_per_pixel,
                size_bytes=path.stat().st_size,
                path=str(path),
            )
        )
    return infos


def check_channels(model: Model | None, channels: int) -> None:
    """Raise :class:`ModelMismatchError` if there is a model, and it is for images of other channels."""
    if model and model.architecture.channels != channels:
        raise ModelMismatchError(
            f"model {model.name} is for images of {model.architecture.channels} channels, "
            f"the image has {channels}"
        )
