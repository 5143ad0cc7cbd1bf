"""How the layers of an image are coded: its effort, and the model that the header names or a caller chose."""

from __future__ import annotations

from collections.abc import Sequence

from pixcodec.coding.layer import Manner
from pixcodec.container.container import Tile, TileKind
from pixcodec.container.header import CALIBRATED_VERSION, FITTED_VERSION, Effort, Header
from pixcodec.container.layers import LayerKind, layers_of, network_channels
from pixcodec.errors import CorruptFileError, DeviceError, ModelMismatchError
from pixcodec.network.model import Model
from pixcodec.network.model_files import check_channels, find_model, shipped_model


def _check_model(model: Model | None, channels: int, effort: Effort) -> None:
    """Check that a model that the caller chose suits an image.

    Raises
    ------
    ModelMismatchError
    """
    check_channels(model, channels)
    if model and model.recurrent != (effort is Effort.RESEARCH):
        kinds = ("a PixelCNN", "a Row LSTM")
        raise ModelMismatchError(
            f"model {model.name} is {kinds[model.recurrent]}, effort {effort.name.lower()} needs "
            f"{kinds[not model.recurrent]}"
        )


def _manner(header: Header, model: Model | None) -> Manner:
    version, fast = header.version, header.effort is Effort.FAST
    fitted = version in (FITTED_VERSION, CALIBRATED_VERSION)
    calibrated = version == (FITTED_VERSION if fast else CALIBRATED_VERSION)
    return Manner(header.effort, header.graphics, model, fitted=fitted, calibrated=calibrated)


def manner_to_encode(header: Header, chosen: Model | None, device: str | None) -> Manner:
    """Return how to encode: with the model given, a shipped one, or none if no layer needs one."""
    channels = network_channels(header)
    model = mixtures = None
    if channels:
        _check_model(chosen, channels, header.effort)
        model = chosen or shipped_model(channels, recurrent=header.effort is Effort.RESEARCH)
    if device is not None and header.effort is Effort.RESEARCH:
        raise DeviceError(f"device {device!r}: effort research runs on the processor alone")
    if model is not None and device is not None:
        from pixcodec.network.torch_net import network_on

        mixtures = network_on(model, device).mixtures
    return _manner(header, model)._replace(mixtures=mixtures)


def manner_to_decode(header: Header, tiles: Sequence[Tile | None], chosen: Model | None) -> Manner:
    """Return how a file was encoded.

    Raises
    ------
    CorruptFileError, ModelMismatchError
    """
    channels = network_channels(header)
    layers = layers_of(header)
    recurrent, model = header.effort is Effort.RESEARCH, None
    for index, tile in enumerate(tiles):
        if tile is None:
            continue
        if recurrent and tile.kind is TileKind.RUNS:
            raise CorruptFileError(f"tile {index}: has runs, but effort research has none")
        if tile.kind is TileKind.RUNS and not layers[index % len(layers)].may_have_runs:
            raise CorruptFileError(
                f"tile {index}: has runs, but a layer of residuals or after a known band has none"
            )
    for index, tile in enumerate(tiles):
        if tile is None:
            continue
        if layers[index % len(layers)].kind is LayerKind.NETWORK and tile.kind is not TileKind.RAW:
            _check_model(chosen, channels, header.effort)
            model = find_model(header.model_id, channels, chosen, recurrent=recurrent)
            break
    return _manner(header, model)
