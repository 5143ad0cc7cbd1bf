"""Writes the weights of both networks as the integers that ship.

python -m benchmarks.training.jpeg.export RUN OUT.safetensors
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from benchmarks.training.jpeg.blocks import AROUND, SIGNED
from benchmarks.training.jpeg.network import MAGNITUDES, SIGNS
from pixcodec.jpeg.stream.network import FEATURES, NEGATIVE, OUTPUTS, ROLES, UNITS, WIDE

_SUM_BITS, _WEIGHT_BITS, _JOINED_BITS, _OUTPUT_BITS, _LOGIT_BITS = 15, 11, 9, 10, 16


def _rounded(numbers: Any, bits: int, kind: type[np.signedinteger[Any]]) -> Any:
    limits = np.iinfo(kind)
    return np.round(numbers.astype(np.float64) * 2.0**bits).clip(limits.min, limits.max).astype(kind)


def integers(w: dict[str, Any], *, chroma: bool) -> dict[str, Any]:
    """Return the tensors of a network (pixcodec/format/jpeg-networks.md) from its weights."""
    rows = np.concatenate([w["first.weight"], w["direct.weight"]], 0).T
    around, at = np.zeros((ROLES, 64, WIDE, 2)), 64 * len(AROUND)
    for role in range(len(AROUND)):
        around[role, :, :, 0] = rows[64 * role : 64 * role + 64]
    sides, at = rows[at : at + 2], at + 2
    red = np.zeros(WIDE)
    if chroma:
        around[-2, :, :, 0], around[-1, :, :, 0] = rows[at : at + 64], rows[at + 64 : at + 128]
        red, at = rows[at + 128], at + 129
    steps, signed = rows[at : at + 64], rows[at + 64 :]
    for role in range(len(SIGNED)):
        around[role, :, :, 1] = signed[64 * role : 64 * role + 64]
    if chroma:
        around[-1, :, :, 1] = signed[64 * len(SIGNED) :]
    edges, signed_edges = w["edges"], w["signed_edges"]
    pairs = [(edges[0], edges[1]), (edges[2], signed_edges[0]), (signed_edges[1], 0 * edges[0])]
    outputs = np.zeros((64, OUTPUTS, UNITS + FEATURES))
    outputs[:, :, :UNITS] = w["outputs"].transpose(0, 2, 1)
    outputs[:, :, UNITS : UNITS + MAGNITUDES] = w["features"].transpose(0, 2, 1)
    outputs[:, NEGATIVE, UNITS + MAGNITUDES : UNITS + MAGNITUDES + SIGNS] = w["signs"]
    biases = np.concatenate([w["first.bias"], w["direct.bias"] + w["second.bias"]])
    joined = w["second.weight"].T.reshape(UNITS // 2, 2, UNITS).transpose(0, 2, 1)
    return {
        "around": _rounded(around, _WEIGHT_BITS, np.int16),
        "joined": _rounded(joined, _JOINED_BITS, np.int16),
        "own": _rounded(np.stack([w["own"], w["signed_own"]], -1), _WEIGHT_BITS, np.int16),
        "edges": _rounded(np.stack([np.stack(pair, -1) for pair in pairs]), _WEIGHT_BITS, np.int16),
        "lengths": _rounded(w["lengths"], _SUM_BITS, np.int32),
        "places": _rounded(w["places"], _SUM_BITS, np.int32),
        "outputs": _rounded(outputs, _OUTPUT_BITS, np.int16),
        "output_biases": _rounded(w["biases"], _LOGIT_BITS, np.int64),
        "nodes": _rounded(w["nodes.weight"], _OUTPUT_BITS, np.int16),
        "node_biases": _rounded(w["nodes.bias"], _LOGIT_BITS, np.int64),
        "biases": _rounded(biases, _SUM_BITS, np.int32),
        "steps": _rounded(steps, _WEIGHT_BITS, np.int16),
        "red": _rounded(red, _SUM_BITS, np.int32),
        "sides": _rounded(sides, _SUM_BITS, np.int32),
    }


def main(run: Path, out: Path) -> None:
    """Write both networks of a run to one file."""
    found = {}
    for name in ("luma", "chroma"):
        state = load_file(run / f"{name}.safetensors")
        for key, tensor in integers(state, chroma=name == "chroma").items():
            found[f"{name}.{key}"] = np.ascontiguousarray(tensor)
    save_file(found, out)
    out.chmod(0o644)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
