"""Part Networks of streams: logits of the bits of blocks."""

from __future__ import annotations

import functools

import numpy as np
from safetensors.numpy import load_file

from pixcodec.reference.arithmetic import clamp
from pixcodec.reference.jpeg_numbers import ORDER
from pixcodec.reference.text import FOLDER, Section, compiled

FILE = FOLDER.parent / "models" / "jpeg" / "1.safetensors"
NUMBER = 1


@functools.cache
def networks_text():
    """Return the formulas of the part by name, compiled."""
    (functions,) = Section("Weights of networks").blocks
    sums, of_length = Section("Before a block").blocks
    total, of_output = Section("Before a coefficient").blocks
    blocks = {"functions": functions, "sums": sums, "length": of_length, "total": total, "output": of_output}
    return {name: compiled(source) for name, source in blocks.items()}


@functools.cache
def tensors(component):
    """Return the weights of the network of a component by name."""
    name = "chroma" if component in (1, 2) else "luma"
    rows = Section("Weights of networks").tables[0]
    shapes = {each: shape for names, shape, _ in rows for each in names.split(", ")}
    found = {key.partition(".")[2]: t for key, t in load_file(FILE).items() if key.startswith(name)}
    assert {key: ", ".join(map(str, t.shape)) for key, t in found.items()} == shapes
    return {key: t.astype(np.int64) for key, t in found.items()}


class Network:
    """What the network of a component says of its blocks, which a ``Blocks`` holds."""

    def __init__(self, blocks):
        self.blocks = blocks
        self.names = {"clamp": clamp, "order": ORDER, "component": blocks.number, **tensors(blocks.number)}
        exec(networks_text()["functions"], self.names)
        self.beyond = {}  # DC less what was predicted

    def begin(self, r, c):
        """Return what is summed up before block (r, c)."""
        blocks = self.blocks

        def seen(role, k):
            u, v = ORDER[k]
            if role == 5:
                return int(blocks.luma[r, c, u, v]) if blocks.number in (1, 2) else 0
            if role == 6:
                return int(blocks.blue[r, c, u, v]) if blocks.number == 2 else 0
            down, across = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2))[role]
            if r < down or c < across:
                return 0
            if k == 0:
                return self.beyond[r - down, c - across]
            return blocks.blocks[r - down][c - across][u][v]

        names = {**self.names, "r": r, "c": c, "seen": seen}
        names["step"] = lambda i, j: blocks.steps[i][j]
        exec(networks_text()["sums"], names)
        return Block(names)


class Block:
    """The logits of a block's bits."""

    def __init__(self, names):
        self.names = names

    def length_logit(self, node):
        return self.logit("length", {**self.names, "node": node})

    def coefficient(self, names, k):
        """Return the function of the number of an output; ``names`` are those of coefficient k."""
        names = {**names, **self.names, "k": k}
        if k == 0:
            near = {name: names["seen"](role, 0) for role, name in enumerate(("n", "w", "nw", "nn", "ww"))}
            names |= near
        exec(networks_text()["total"], names)
        return lambda output: self.logit("output", {**names, "output": output})

    def logit(self, what, names):
        exec(networks_text()[what], names)
        return int(names["logit"])
