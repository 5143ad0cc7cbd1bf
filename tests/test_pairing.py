"""The orders of activations: those of the shipped models are in a file, and are those that would be found."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest

from pixcodec.network import pairing
from pixcodec.network.model_files import MODELS, load_model
from samples import GOLDEN


def test_the_file_holds_the_orders_of_the_shipped_models() -> None:
    """PIXCODEC_REGENERATE_GOLDENS=1 writes it, as it does golden files."""
    models = [load_model(path) for path in sorted(MODELS.glob("*.safetensors"))]
    found = {model.model_id.hex(): pairing.orders(model) for model in models}
    if os.environ.get("PIXCODEC_REGENERATE_GOLDENS"):
        pairing.ORDERS.write_text(json.dumps(found, separators=(",", ":")) + "\n", "ascii")
    assert json.loads(pairing.ORDERS.read_text("ascii")) == found


@pytest.mark.parametrize("name", ["grey", "rgb"])
def test_other_models_are_ordered_when_they_are_used(name: str) -> None:
    model = load_model(GOLDEN / f"{name}.safetensors")
    assert model.model_id.hex() not in pairing._known_orders()
    order = pairing.orders(model)["features"]
    features = model.architecture.features
    assert sorted(order) == list(range(features))
    weight = pairing.paired_layers(model)["mix.0"].weight
    np.testing.assert_array_equal(np.sort(weight, None), np.sort(model.layers["mix.0"].weight, None))
