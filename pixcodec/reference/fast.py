"""Files of efforts fast and research without side layers: grey and RGB, in versions 1, 3 to 6, 8 and 9."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.reference import core
from pixcodec.reference.calibration import CalibratedTile
from pixcodec.reference.row_lstm import RowTile
from pixcodec.reference.runs import decode_with_runs


def decode_tile(
    network: core.Network, bitstream: bytes, height: int, width: int, slope: int, *, calibrated: bool = False
) -> core.Ints:
    """Section Wavefronts; ``calibrated``: in version 9."""
    assert slope >= 3
    kind = RowTile if "state" in network.sizes else CalibratedTile if calibrated else core.Tile
    tile, coder = kind(network, height, width), core.RangeDecoder(bitstream)
    for t in range(width + slope * (height - 1)):
        lanes = [(y, t - slope * y) for y in range(height) if 0 <= t - slope * y < width]
        for y, x in lanes:
            tile.trunk(y, x)
        for c in range(network.channels):
            found: list[tuple[Any, ...]] = []
            for y, x in lanes:
                found.append((*tile.distribution(y, x, c), network.logistic))
            high = [coder.symbol(core.high_frequencies(*lane)) for lane in found]
            low = [coder.symbol(core.low_frequencies(h, *lane)) for h, lane in zip(high, found, strict=True)]
            for (y, x), h, rest in zip(lanes, high, low, strict=True):
                tile.values[y, x, c] = 16 * h + rest
            tile.learn(c, [(place, lane[:3], False) for place, lane in zip(lanes, found, strict=True)])
    coder.finish()
    return tile.values


def decode(data: bytes, models: Sequence[Path]) -> npt.NDArray[np.uint8]:
    """Return the pixels (H, W, C) of a .pxc file that was coded with one of ``models``."""
    parts = [part for part in core.chunks(data) if part[0][:1].isupper()]
    assert parts[0][0] == b"HEAD"
    version = int.from_bytes(parts[0][1][:2], "little")
    assert version in (1, 3, 4, 5, 6, 8, 9)
    return (decode_1 if version == 1 else decode_3)(parts, models)


def decode_1(parts: list[tuple[bytes, bytes]], models: Sequence[Path]) -> npt.NDArray[np.uint8]:
    """Section Version 1."""
    assert [kind for kind, _ in parts[-2:]] == [b"HASH", b"DONE"]
    head, digest, done = parts[0][1], parts[-2][1], parts[-1][1]
    assert done == b""
    _, flags, width, height, mode, depth, effort, reserved, tile_w, tile_h, model_id = struct.unpack(
        "<HHIIBBBBII16s", head
    )
    assert (flags, depth, effort, reserved) == (0, 8, 0, 0)
    tiles = []
    for kind, payload in parts[1:-2]:
        how, reserved, slope = struct.unpack_from("<BBI", payload)
        assert (kind, reserved) == (b"TILE", 0)
        tiles.append((how, slope, payload[6:]))
    shape = height, width, {0: 1, 1: 3}[mode]
    image = decode_tiles(tiles, models, model_id, shape, (tile_h, tile_w), effort)
    hashed = struct.pack("<IIB", width, height, mode) + image.tobytes()
    core.check_hash(hashlib.blake2b(hashed, digest_size=16).digest(), digest)
    return image


def decode_3(parts: list[tuple[bytes, bytes]], models: Sequence[Path]) -> npt.NDArray[np.uint8]:
    """Sections HEAD, TILE and DONE."""
    head, (last, digest) = parts[0][1], parts[-1]
    assert last == b"DONE"
    calibrated = parts[0][1][:2] == b"\x09\0"
    mode, depth, effort, layout, index_bits = struct.unpack_from("<BBBBB", head, 2)
    assert (depth, index_bits) == (8, 0)
    assert layout in (0, 2)
    sizes, at = [], 7
    for _ in range(4):
        size, at = core.varint(head, at)
        sizes.append(size)
    width, height, tile_w, tile_h = sizes
    model_id = head[at + 1 :]
    assert len(model_id) == head[at] == 8
    tiles = []
    for kind, payload in parts[1:-1]:
        assert kind == b"TILE"
        how, slope, at = payload[0], 0, 1
        if how > 0:
            slope, at = core.varint(payload, 1)
            assert effort in (0, 3), f"effort {effort}: not here"
        tiles.append((how, slope, payload[at:]))
    shape = height, width, {0: 1, 1: 3}[mode]
    image = decode_tiles(tiles, models, model_id, shape, (tile_h, tile_w), effort, calibrated=calibrated)
    hashed = struct.pack("<IIBB", width, height, mode, depth) + image.tobytes()
    core.check_hash(hashlib.blake2b(hashed, digest_size=8).digest(), digest)
    return image


def decode_tiles(
    tiles: list[tuple[int, int, bytes]],
    models: Sequence[Path],
    model_id: bytes,
    shape: tuple[int, int, int],
    tile_shape: tuple[int, int],
    effort: int,
    *,
    calibrated: bool = False,
) -> npt.NDArray[np.uint8]:
    """Section Tiles; a tile is kind, slope and bitstream."""
    image = np.zeros(shape, np.uint8)
    height, width = tile_shape
    corners = [(y, x) for y in range(0, shape[0], height) for x in range(0, shape[1], width)]
    for (y, x), (how, slope, bitstream) in zip(corners, tiles, strict=True):
        box = image[y : y + height, x : x + width]
        if how == 0:
            assert slope == 0
            box[:] = np.frombuffer(bitstream, np.uint8).reshape(box.shape)
            continue
        assert how in (1, 2)
        network = next(n for n in map(core.network_of, models) if n.model_id().startswith(model_id))
        assert network.channels == shape[2]
        assert ("state" in network.sizes) == (effort == 3)
        if how == 2:
            box[:] = decode_with_runs(
                network, bitstream, len(box), box.shape[1], slope, calibrated=calibrated
            )
            continue
        box[:] = decode_tile(network, bitstream, len(box), box.shape[1], slope, calibrated=calibrated)
    return image
