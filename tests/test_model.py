"""Models: only those whose sums are proved exact load; the model id depends on every tensor."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from safetensors.numpy import load_file, save_file

import samples
from networks import random_network
from pixcodec.errors import CorruptFileError, ModelMismatchError, PixcodecError, UnsupportedVersionError
from pixcodec.network.architecture import Architecture
from pixcodec.network.model import Model, content_hash
from pixcodec.network.model_files import find_model, load_model, save_model, shipped_model
from pixcodec.training.export import export, to_model

GOLDEN_RGB, GOLDEN_GREY = samples.GOLDEN / "rgb.safetensors", samples.GOLDEN / "grey.safetensors"


@pytest.mark.parametrize("channels", [1, 3])
def test_an_exported_network_loads_as_it_was(channels: int, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    network = random_network(channels)
    export(network, path, {"description": "random"})
    loaded, direct = load_model(path), to_model(network)
    assert loaded.architecture == network.architecture
    assert loaded.model_id == direct.model_id
    assert loaded.tensors.keys() == direct.tensors.keys()
    for name, tensor in direct.tensors.items():
        np.testing.assert_array_equal(loaded.tensors[name], tensor, name)


def test_metadata_does_not_change_the_model_id(tmp_path: Path) -> None:
    model = load_model(GOLDEN_RGB)
    path = tmp_path / "other.safetensors"
    save_model(path, model.architecture, model.tensors, {"note": "anything"})
    assert load_model(path).model_id == model.model_id


@pytest.mark.parametrize("path", [GOLDEN_RGB, GOLDEN_GREY], ids=["rgb", "grey"])
def test_the_model_id_changes_with_any_tensor(path: Path) -> None:
    model = load_model(path)
    seen = {model.model_id}
    for name, tensor in model.tensors.items():
        changed = tensor.copy()
        changed.flat[-1] += 1
        seen.add(content_hash(model.architecture, {**model.tensors, name: changed}))
    assert len(seen) == 1 + len(model.tensors)


def test_the_model_id_changes_with_the_architecture() -> None:
    tensors = load_model(GOLDEN_RGB).tensors
    sizes = [Architecture(3, 16, 2, 16, 2), Architecture(3, 16, 2, 16, 3), Architecture(3, 16, 1, 16, 2)]
    assert len({content_hash(a, tensors) for a in sizes}) == len(sizes)


def test_an_unknown_model_id_is_reported_with_what_there_is() -> None:
    given = load_model(GOLDEN_RGB)
    assert find_model(given.model_id, 3, given) is given
    assert find_model(shipped_model(3).model_id, 3, given) is shipped_model(3)
    with pytest.raises(ModelMismatchError) as caught:
        find_model(bytes(16), 3, given)
    for model_id in (bytes(16), given.model_id, shipped_model(3).model_id):
        assert model_id.hex() in str(caught.value)


def changed(name: str, **values: Any) -> dict[str, npt.NDArray[Any]]:
    """Return the golden tensors with one tensor cast, reshaped or with one value set."""
    tensors = {key: tensor.copy() for key, tensor in load_file(GOLDEN_RGB).items()}
    if "dtype" in values:
        tensors[name] = tensors[name].astype(values["dtype"])
    if "rows" in values:
        tensors[name] = tensors[name][: values["rows"]].copy()
    if "value" in values:
        tensors[name].flat[values.get("at", 0)] = values["value"]
    return tensors


def from_golden(tensors: dict[str, npt.NDArray[Any]]) -> Model:
    return Model.from_tensors(load_model(GOLDEN_RGB).architecture, tensors, "broken")


def test_the_unchanged_tensors_are_accepted() -> None:
    assert from_golden(changed("input.bias")).model_id == load_model(GOLDEN_RGB).model_id


@pytest.mark.parametrize("layer", ["input", "conv.1", "mix.0", "heads.0.0", "heads.1.1", "heads.2.2"])
def test_the_bound_of_exact_sums_is_sharp(layer: str) -> None:
    architecture = load_model(GOLDEN_RGB).architecture
    tensors = changed(f"{layer}.bias")
    bounds = np.array(architecture.layers()[layer][1], np.int64)
    reach = int(np.abs(tensors[f"{layer}.weight"][0].astype(np.int64)) @ bounds)
    for sign in (1, -1):
        tensors[f"{layer}.bias"][0] = sign * (2**24 - 1 - reach)
        from_golden(tensors)
        tensors[f"{layer}.bias"][0] = sign * (2**24 - reach)
        with pytest.raises(CorruptFileError, match=f"layer '{layer}': a sum can reach 16777216"):
            from_golden(tensors)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("input.bias", {"value": -(2**31)}, "a sum can reach"),
        ("conv.0.weight", {"value": -(2**15)}, "a sum can reach"),
        ("heads.2.0.weight", {"value": 2**15 - 1, "at": 20}, "a sum can reach"),
        ("mix.1.shift", {"value": 25}, "shift is 25, expected at most 24"),
        ("mix.1.weight", {"dtype": np.float32}, "is float32"),
        ("mix.1.weight", {"dtype": np.int8}, "is int8"),
        ("mix.1.bias", {"dtype": np.int64}, "is int64"),
        ("heads.0.2.bias", {"rows": 5}, r"int32\[5\], expected int32\[6\]"),
        ("table.logistic", {"rows": 1024}, r"expected int32\[1025\]"),
        ("table.logistic", {"value": 2**22 + 1, "at": -1}, "'logistic' is not monotone"),
        ("table.logistic", {"value": -1}, "'logistic' is not monotone"),
        ("table.logistic", {"value": 0, "at": 600}, "'logistic' is not monotone"),
        ("table.scale", {"value": 0, "at": 100}, "'scale' is not monotone"),
        ("table.scale", {"value": 0, "at": -1}, "'scale' is not monotone"),
        ("table.scale", {"value": 2**24 + 1}, "'scale' is not monotone"),
        ("table.weight", {"value": 2**24 + 1}, "'weight' is not monotone"),
        ("table.weight", {"value": -1, "at": -1}, "'weight' is not monotone"),
        ("table.weight", {"value": 2**20, "at": 511}, "'weight' is not monotone"),
    ],
)
def test_a_bad_tensor_is_refused(name: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(CorruptFileError, match=message):
        from_golden(changed(name, **values))


def test_a_missing_tensor_is_refused() -> None:
    for name in load_file(GOLDEN_RGB):
        tensors = changed(name)
        del tensors[name]
        with pytest.raises(CorruptFileError, match=f"tensor '{name}' is missing"):
            from_golden(tensors)


def test_an_extra_tensor_is_refused() -> None:
    with pytest.raises(CorruptFileError, match="surplus"):
        from_golden({**changed("input.bias"), "surplus": np.zeros(1, np.int32)})


GOOD_SIZES = {"channels": 3, "features": 16, "blocks": 2, "hidden": 16, "components": 2}


def saved(path: Path, metadata: dict[str, str] | None) -> Path:
    save_file(load_file(GOLDEN_RGB), path, metadata=metadata)
    return path


def test_good_metadata_are_accepted(tmp_path: Path) -> None:
    meta = {"pixcodec_model_version": "1", "architecture": json.dumps(GOOD_SIZES)}
    assert load_model(saved(tmp_path / "good", meta)).model_id == load_model(GOLDEN_RGB).model_id


def test_another_version_of_the_network_is_refused(tmp_path: Path) -> None:
    meta = {"pixcodec_model_version": "2", "architecture": "something new"}
    with pytest.raises(UnsupportedVersionError, match="version is 2"):
        load_model(saved(tmp_path / "new", meta))


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"architecture": json.dumps(GOOD_SIZES)},
        {"pixcodec_model_version": "1"},
        *(
            {"pixcodec_model_version": "1", "architecture": text}
            for text in [
                "{",
                "[]",
                "3",
                "null",
                "[" * 100_000,
                json.dumps({**GOOD_SIZES, "width": 1}),
                json.dumps({k: v for k, v in GOOD_SIZES.items() if k != "blocks"}),
                *(
                    json.dumps({**GOOD_SIZES, **change})
                    for change in [
                        {"channels": 2},
                        {"channels": 1},
                        {"features": 0},
                        {"features": 10**9},
                        {"features": 16.0},
                        {"features": "16"},
                        {"blocks": True},
                        {"blocks": 3},
                        {"hidden": -1},
                        {"components": None},
                    ]
                ),
            ]
        ),
    ],
    ids=lambda metadata: str((metadata or {}).get("architecture"))[:40],
)
def test_bad_metadata_are_refused(metadata: dict[str, str] | None, tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError):
        load_model(saved(tmp_path / "bad", metadata))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 8,
        b"\xff" * 64,
        b"not a model at all",
        GOLDEN_RGB.read_bytes()[:1000],
        GOLDEN_RGB.read_bytes()[:-1],
        GOLDEN_RGB.read_bytes() + b"\0",
        pickle.dumps({"weights": [1, 2, 3]}),
        b"cos\nsystem\n(S'exit 1'\ntR.",
    ],
    ids=["empty", "zeros", "ones", "text", "head", "cut", "longer", "pickle", "evil pickle"],
)
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "garbage.safetensors"
    path.write_bytes(content)
    with pytest.raises(CorruptFileError, match=r"garbage\.safetensors"):
        load_model(path)


def test_a_damaged_model_is_refused_or_another_model(tmp_path: Path) -> None:
    original = GOLDEN_GREY.read_bytes()
    model_id = load_model(GOLDEN_GREY).model_id
    header_size_bytes = int.from_bytes(original[:8], "little") + 8
    path = tmp_path / "damaged.safetensors"
    for at in [*range(0, header_size_bytes, 29), *range(header_size_bytes, len(original), 997)]:
        damaged = bytearray(original)
        damaged[at] ^= 1
        path.write_bytes(damaged)
        try:
            loaded = load_model(path)
        except PixcodecError:
            continue
        # A letter of the description may change; a number of the network may not.
        assert loaded.model_id != model_id or at < header_size_bytes


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such model file"):
        load_model(tmp_path / "none.safetensors")
