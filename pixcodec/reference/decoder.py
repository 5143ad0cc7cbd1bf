"""Whole files."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from pixcodec.reference import core, fast, jpeg, jpeg_pixels, packed
from pixcodec.reference.container import (
    Head,
    check_order,
    compact_chunks,
    entries,
    layers_of,
    unpacked,
    varint,
)
from pixcodec.reference.deep import deep_sees, samples_of
from pixcodec.reference.network_layer import NetworkLayer
from pixcodec.reference.residual_layer import ResidualLayer
from pixcodec.reference.runs import decode_with_runs
from pixcodec.reference.side_layer import SideLayer


def pixels_of_coefficients(payload, head):
    """Section JPEG: the pixels (H, W, C) of a chunk COEF."""
    image = jpeg.decode(payload, head.height, head.width, head.channels, head.version)
    return jpeg_pixels.pixels(image, head.height, head.width)


def decode(data, models):
    """Return the pixels (H, W, C) of a file that was coded with one of the model files ``models``."""
    parts = compact_chunks(data) if data[8:10] == b"\x88\1" else core.chunks(data)
    head = Head(parts[0][1])
    check_order(head, [kind for kind, _ in parts])
    tiles = [payload for kind, payload in parts if kind == b"TILE"]
    pixels = decode_pixels(head, tiles, dict(parts).get(b"PLTE"), models)
    if head.jpeg:
        pixels = (pixels_of_coefficients(dict(parts)[b"COEF"], head) + pixels) % 256
    return checked(head, pixels, parts[-1][1])


def checked(head, pixels, hashed):
    """Return pixels as they are stored, once their hash is what the file says."""
    stored = pixels.astype("<u4" if head.depth > 16 else "<u2" if head.depth > 8 else "u1")
    whole = struct.pack("<IIBB", head.width, head.height, head.mode, head.depth) + stored.tobytes()
    core.check_hash(hashlib.blake2b(whole, digest_size=8).digest(), hashed)
    return stored


def decode_pixels(head, tiles, table, models):
    """Return what tiles and the payload of PLTE give: pixels (H, W, C), or what coefficients lack."""
    layers = layers_of(head)
    coded = 1 if head.indexed else head.channels
    pixels = np.zeros((head.height, head.width, coded), np.int64)
    above, left = head.corner & 1, head.corner >> 1
    s = max(head.coded_depth - 8, 0)
    corners = [
        (y, x) for y in range(0, head.height, head.tile_height) for x in range(0, head.width, head.tile_width)
    ]
    assert len(tiles) == len(corners) * len(layers)
    for number, (y, x) in enumerate(corners):
        box = tile_box = pixels[y : y + head.tile_height, x : x + head.tile_width]
        if head.h_transform:
            box = np.zeros((box.shape[0] + above, box.shape[1] + left, 1), np.int64)
        found = []
        for layer, tile in zip(layers, tiles[number * len(layers) :][: len(layers)], strict=True):
            sees = None if layer.sees is None else found[layer.sees]
            if head.mode == 7:
                sees = deep_sees(layer, sees, box)
            part = box[:, :, layer.first : layer.first + layer.channels]
            if layer.place:
                part = part[layer.place[0] :: 2, layer.place[1] :: 2]
            values = decode_layer(head, layer, tile, *part.shape[:2], sees, models)
            found.append(values)
            if head.mode == 7:
                whole = values
                if layer.kind == "WIDE":
                    whole = (values[:, :, ::2] << layer.low_bits) + values[:, :, 1::2]
                part += whole << layer.below
            elif layer.kind in ("WIDE", "RESIDUAL"):
                part += (values[:, :, ::2] << s) + values[:, :, 1::2]
            else:
                part += values << (s if layer.kind in ("NETWORK", "ALPHA") else 0)
        if head.h_transform:
            tile_box[:, :, 0] = blocks(box[:, :, 0], table, head.depth)[above:, left:]
    if head.mode == 7:
        pixels = samples_of(pixels, table, head)
    elif head.mapped:
        pixels = entries(table, 1, head.depth, mapped=True)[:, 0][pixels]
    elif head.indexed:
        pixels = entries(table, head.channels, head.depth)[pixels[:, :, 0]]
    elif head.mode == 5:
        assert table[0] in (3, 4)
        assert len(entries(table[1:], table[0], 8)) <= 256
    return pixels


def blocks(numbers, table, depth):
    """Section H-transform: the pixels (H, W) of a tile from what its layers hold."""
    at, fields = 0, []
    while at < len(table):
        field, at = varint(table, at)
        fields.append(field)
    step, *lowest = fields
    assert len(lowest) == 3
    lowest = [-(k + 1) // 2 if k % 2 else k // 2 for k in lowest]
    assert 0 < step <= 2**17
    assert max(map(abs, lowest)) <= 2**17
    pixels = np.zeros_like(numbers)
    height, width = pixels.shape
    for y in range(0, height, 2):
        for x in range(0, width, 2):
            differences = []
            for (dy, dx), low in zip(((1, 0), (0, 1), (1, 1)), lowest, strict=True):
                there = y + dy < height and x + dx < width
                differences.append(step * (low + numbers[y + dy, x + dx]) if there else 0)
            h_y, h_x, h_d = differences
            total = 4 * numbers[y, x] + (h_y + h_x - h_d) % 4
            first = (total - h_y - h_x + h_d) // 4
            steps = {(0, 0): 0, (0, 1): (h_x - h_d) // 2, (1, 0): (h_y - h_d) // 2, (1, 1): (h_y + h_x) // 2}
            for (dy, dx), more in steps.items():
                if y + dy < height and x + dx < width:
                    pixels[y + dy, x + dx] = (first + more) % 2**depth
    return pixels


def decode_layer(head, layer, tile, height, width, sees, models):
    """Return the values (H, W, planes) of a layer of a tile."""
    if tile[0] == 0:
        assert layer.kind != "PACKED"
        return unpacked(tile[1:], layer.planes, layer.bits, height, width)
    if tile[0] == 4 and head.h_transform:
        assert layer.kind == "RESIDUAL"
        values = packed.decode(tile[1:], height, width, 1, head.depth)
        return np.concatenate([values >> head.depth - 8, values % 2 ** (head.depth - 8)], 2)
    if layer.kind == "PACKED":
        assert tile[0] == 4
        return packed.decode(tile[1:], height, width, layer.planes, layer.bits)
    assert tile[0] in (1, 2)
    assert height * width
    runs = tile[0] == 2
    slope, at = varint(tile, 1)
    assert slope >= (5 if layer.kind == "NETWORK" and head.effort == 2 else 3)
    if layer.kind == "NETWORK":
        network = next(n for n in map(core.network_of, models) if n.model_id()[:8] == head.model_id)
        assert network.channels == layer.channels
        if head.effort == 0 and runs:
            return decode_with_runs(network, tile[at:], height, width, slope, calibrated=head.version == 9)
        if head.effort == 0:
            return fast.decode_tile(network, tile[at:], height, width, slope, calibrated=head.version == 9)
        ways = {"near": head.version in (9, 10), "calibrated": head.version == 10}
        coder = NetworkLayer(network, head.effort, head.graphics, height, width, slope, sees, runs, **ways)
    elif layer.kind == "RESIDUAL":
        assert not runs
        shape, low_bits = (height, width, 2), head.coded_depth - 8
        coder = ResidualLayer(low_bits, shape, slope, relative=head.graphics, steady=head.version == 9)
    else:
        shape = height, width, layer.planes
        options = {"fast": head.effort == 0, "graphics": head.graphics, "runs": runs}
        low_bits = layer.low_bits if head.mode == 7 else head.coded_depth - 8
        if head.mode == 7 and layer.kind == "LOW":
            options["high_bits"] = 16
        if head.mode == 7 and layer.kind == "WIDE" and sees is not None:
            assert not runs
        coder = SideLayer(layer.kind, layer.bits, low_bits, shape, slope, sees, **options)
    words = core.RangeDecoder(tile[at:])
    values = coder.decode(words)
    words.finish()
    return values
