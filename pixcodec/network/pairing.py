"""In which order the activations of a network are kept, so that pairs of them are often zero together.

Products skip pairs of zeros (:mod:`pixcodec.network.products`). An order changes no result, only how many
pairs there are to skip. It is chosen by what a small made image activates.

Shapes: N pixels, F activations of a layer.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.network.architecture import TAPS
from pixcodec.network.integer_net import run_image
from pixcodec.network.model import IntegerLayer, Model

Active = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]

ORDERS = Path(__file__).parent.parent / "models" / "orders.json"
LEAST_MACS = 20_000  # of a pixel: for smaller networks, finding an order takes longer than it ever saves
_CELLS, _CELL = (4, 6), 8  # of the made image: random colours at the corners of cells of 8x8 pixels
_NOISE = 3.0  # levels


def paired_layers(model: Model) -> dict[str, IntegerLayer]:
    """Return the layers of a model, inputs and outputs ordered so that pairs of zeros are frequent."""
    a = model.architecture
    order = _known_orders().get(model.model_id.hex())
    if order is None:
        order = orders(model) if a.macs_per_pixel >= LEAST_MACS else _as_they_are(model)
    f, features = a.features, np.array(order["features"])
    taps = np.concatenate([f * k + features for k in range(len(TAPS))])
    layers = {"input": _reordered(model.layers["input"], outputs=features)}
    for b in range(a.blocks):
        inner = order[f"mix.{b}"]
        layers[f"conv.{b}"] = _reordered(model.layers[f"conv.{b}"], taps, inner)
        layers[f"mix.{b}"] = _reordered(model.layers[f"mix.{b}"], inner, features)
    for c in range(a.channels):
        first, second = (order[f"heads.{c}.{depth}"] for depth in (1, 2))
        earlier = np.arange(f, a.head_input_size(c))
        layers[f"heads.{c}.0"] = _reordered(
            model.layers[f"heads.{c}.0"], np.concatenate([features, earlier]), first
        )
        layers[f"heads.{c}.1"] = _reordered(model.layers[f"heads.{c}.1"], first, second)
        layers[f"heads.{c}.2"] = _reordered(model.layers[f"heads.{c}.2"], second)
    return layers


def _as_they_are(model: Model) -> dict[str, list[int]]:
    """Return orders that change nothing."""
    sizes = {name: layer.weight.shape[0] for name, layer in model.layers.items()}
    return {
        "features": list(range(model.architecture.features)),
        **{n: list(range(s)) for n, s in sizes.items()},
    }


def orders(model: Model) -> dict[str, list[int]]:
    """Return the orders of the features, and of the inputs of the layers ``mix`` and of the heads by name."""
    a, active = model.architecture, _active_inputs(model)
    of_features = [active[f"conv.{b}"][:, -a.features :] for b in range(a.blocks)]
    inputs = {"features": np.concatenate([*of_features, active["heads.0.0"]])}
    names = [f"mix.{b}" for b in range(a.blocks)]
    names += [f"heads.{c}.{depth}" for c in range(a.channels) for depth in (1, 2)]
    inputs |= {name: active[name] for name in names}
    return {name: pairing(which).tolist() for name, which in inputs.items()}


@cache
def _known_orders() -> dict[str, dict[str, list[int]]]:
    """Return the orders of the shipped models by model id; finding one takes 0.1 s."""
    if not ORDERS.exists():
        return {}
    known: dict[str, dict[str, list[int]]] = json.loads(ORDERS.read_text("ascii"))
    return known


def _reordered(layer: IntegerLayer, inputs: Any = slice(None), outputs: Any = slice(None)) -> IntegerLayer:
    weight = layer.weight[inputs][:, outputs]
    return replace(layer, weight=weight, bias=layer.bias[outputs], shift=layer.shift[outputs])


def _active_inputs(model: Model) -> dict[str, Active]:
    """Return of every layer which of its inputs (N, inputs) are not zero in a made image."""
    names = {id(layer): name for name, layer in model.layers.items()}
    found: dict[str, Active] = {}

    def product(layer: IntegerLayer, inputs: Any, low: int, high: int) -> Any:
        found[names[id(layer)]] = inputs[:, : layer.weight.shape[0]] != 0
        return layer(inputs, low, high)

    run_image(model, _made_image(model.architecture.channels), product)
    found["heads.0.0"] = found["heads.0.0"][:, : model.architecture.features]
    return found


def _made_image(channels: int) -> npt.NDArray[np.uint8]:
    """Return gradients between random colours, with noise, (H, W, C)."""
    random = np.random.default_rng(1)
    rows, columns = _CELLS
    corners = random.integers(40, 216, (rows + 1, columns + 1, 1)) + random.integers(
        -30, 31, (rows + 1, columns + 1, channels)
    )
    y, x = np.arange(rows * _CELL) / _CELL, np.arange(columns * _CELL) / _CELL
    i, j = y.astype(int), x.astype(int)
    dy, dx = (y - i)[:, None, None], (x - j)[None, :, None]
    upper = corners[i][:, j] * (1 - dx) + corners[i][:, j + 1] * dx
    lower = corners[i + 1][:, j] * (1 - dx) + corners[i + 1][:, j + 1] * dx
    smooth = upper * (1 - dy) + lower * dy
    noise = random.normal(0, _NOISE, (*smooth.shape[:2], 1)) + random.normal(0, _NOISE / 2, smooth.shape)
    image: npt.NDArray[np.uint8] = np.clip(smooth + noise, 0, 255).astype(np.uint8)
    return image


def pairing(active: npt.NDArray[np.bool_]) -> Int64:
    """Return an order of activations in which a pair of neighbours is rarely active.

    ``active`` (N, F) says which are not zero. An odd number of them keeps its order. Pairs are swapped as
    long as that lowers the number of pairs of which one or both are active.
    """
    if active.shape[1] % 2:
        return np.arange(active.shape[1])
    some = active.astype(np.float32)
    both = some.T @ some
    count = np.diag(both)
    either = (count[:, None] + count[None, :] - both).tolist()
    order = np.argsort(count, kind="stable")
    pairs = [(int(a), int(b)) for a, b in order.reshape(-1, 2)]
    better = True
    while better:
        better = False
        for x in range(len(pairs)):
            for y in range(x):
                (a, b), (c, d) = pairs[x], pairs[y]
                now = either[a][b] + either[c][d]
                for first, second in (((a, c), (b, d)), ((a, d), (b, c))):
                    if either[first[0]][first[1]] + either[second[0]][second[1]] < now:
                        pairs[x], pairs[y], better = first, second, True
                        break
    return np.array(pairs, np.int64).ravel()
