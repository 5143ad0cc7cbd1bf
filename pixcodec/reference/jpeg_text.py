"""The formulas of part JPEG of the format."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

import numpy as np

from pixcodec.reference.text import TEXTS, Section, compiled, function, numbers_of


@functools.cache
def text():
    """Return the formulas of the text by name, compiled."""
    (edges,) = Section("Edges").blocks
    features, add, solve, foresee = Section("Fits").blocks
    of_dc, of_others = Section("Contexts of coefficients").blocks
    lengths = Section("Contexts of lengths").tables[0]
    contexts, sets = Section("Contexts of coefficients").tables
    assert [row[0] for row in lengths] == [*map(str, range(12)), "12 .. 16"]
    assert [row[0] for row in contexts] == [*map(str, range(17))]
    assert [row[0] for row in sets] == [*map(str, range(4))]
    blocks = {
        "features": edges + features,
        "add": add,
        "solve": solve,
        "foresee": foresee,
        "dc": of_dc,
        "others": of_others,
    }
    names = "constants", "transform", "fast transform"
    blocks |= dict(zip(names, Section("Samples").blocks, strict=True))
    blocks |= dict(zip(("colours libjpeg", "colours stb"), Section("Colours").blocks, strict=True))
    found = {name: compiled(block) for name, block in blocks.items()}
    (factors,) = Section("Samples").fenced("text")
    found["factors"] = np.array(factors.split(), np.int64).reshape(8, 8)
    (cell,) = Section("Bits of coefficients").blocks
    found["cell"] = function(cell, "X, node, B", "place, check")
    found["lengths"] = numbers_of([row[1] for row in lengths] + ["0"] * 4)
    for column, name in ((1, "dc"), (2, "others")):
        found[f"{name} contexts"] = numbers_of([row[column] for row in contexts])
        found[f"{name} sets"] = numbers_of([row[column] for row in sets])
    return found


class Effort(NamedTuple):
    """A row of the first table of part Streams of coefficients."""

    contexts: int  # J
    mixers: int  # M
    most: int
    every: int  # S
    plain: int
    quiet: int


@functools.cache
def efforts():
    """Return the numbers of the efforts fast, normal and max."""
    (rows,) = re.findall(r"^\| effort .*\n\|[-|]*\n((?:\|.*\n)+)", TEXTS["jpeg-streams"], re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()]
    assert [row[0] for row in cells] == ["fast", "normal", "max, research"]
    return [Effort(*map(int, row[1:])) for row in cells]


@functools.cache
def streams_text():
    """Return the formulas of part Streams of coefficients by name, compiled."""
    contexts = Section("Contexts of streams")
    dc, others = contexts.blocks
    lengths, numbers, sets = contexts.tables
    assert [row[0] for row in lengths] == [*map(str, range(12)), "12 .. 22"]
    assert [row[0] for row in numbers] == [*map(str, range(23))]
    assert [row[0] for row in sets] == [*map(str, range(6))]
    neighbours = Section("Fits").blocks[0].partition("x = [")[0]
    constants = Section("Edges").blocks[0].partition("by_left =")[0]
    sources = {
        "features": constants + Section("Edges of streams").blocks[0] + neighbours,
        "predictions": Section("Fits of streams").blocks[0],
        "dc": dc,
        "others": others,
        "add": Section("Fits").blocks[1],
    }
    found = {name: compiled(source) for name, source in sources.items()}
    solve = Section("Fits").blocks[2]
    assert solve.count("a[k][k] + 4\n") == 1
    found["solve"] = compiled(solve.replace("a[k][k] + 4\n", "a[k][k] + ridge\n"))
    (of_slots,) = Section("Slots of streams").blocks
    rest = Section("Slots").blocks[0].partition("\n")[2]  # after its first line, which is another here
    found["slot"] = function(of_slots + rest, "number, component, kind, node, B", "place, check")
    found["length contexts"] = numbers_of([row[1] for row in lengths] + ["0"] * 10)
    found["length sets"] = numbers_of([row[1] for row in sets])
    for column, name in ((1, "dc"), (2, "others")):
        found[f"{name} contexts"] = numbers_of([row[column] for row in numbers])
        found[f"{name} sets"] = numbers_of([row[1 + column] for row in sets])
    return found
