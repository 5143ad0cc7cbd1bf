"""How the layers of a file are coded: with the network that the header names, or one of the caller."""

from __future__ import annotations

from pixcodec.coding.layer import Manner
from pixcodec.container.container import Container, TileKind
from pixcodec.container.header import Header
from pixcodec.container.layers import LayerKind, layers_of, network_channels
from pixcodec.network.model import Model
from pixcodec.network.model_files import check_channels, find_model, shipped_model


def manner_to_encode(header: Header, chosen: Model | None, device: str | None) -> Manner:
    """Return how to encode: with the model chosen, a shipped one, or none if no layer needs one.

    Raises
    ------
    ModelMismatchError
        If the model chosen is for images of other channels.
    """
    channels = network_channels(header)
    model = mixtures = None
    if channels:
        check_channels(chosen, channels)
        model = chosen or shipped_model(channels)
    if model is not None and device is not None:
        from pixcodec.network.torch_net import network_on

        mixtures = network_on(model, device).mixtures
    return Manner(header.effort, header.graphics, model, mixtures)


def manner_to_decode(container: Container, chosen: Model | None) -> Manner:
    """Return how a file was encoded.

    Raises
    ------
    ModelMismatchError
        If neither the model chosen nor a shipped one is the one that the file needs.
    """
    header = container.header
    channels = network_channels(header)
    layers = layers_of(header)
    model = None
    for index, tile in enumerate(container.tiles):
        if layers[index % len(layers)].kind is LayerKind.NETWORK and tile.kind is not TileKind.RAW:
            check_channels(chosen, channels)
            model = find_model(header.model_id, channels, chosen)
            break
    return Manner(header.effort, header.graphics, model)
