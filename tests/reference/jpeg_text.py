"""The formulas of part JPEG of the format."""

from __future__ import annotations

import functools

from reference.text import Section, compiled, function, numbers_of


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
        "transform": Section("Samples").blocks[0],
        "colours": Section("Colours").blocks[0],
    }
    found = {name: compiled(block) for name, block in blocks.items()}
    (cell,) = Section("Bits of coefficients").blocks
    found["cell"] = function(cell, "X, node, B", "place, check")
    found["lengths"] = numbers_of([row[1] for row in lengths] + ["0"] * 4)
    for column, name in ((1, "dc"), (2, "others")):
        found[f"{name} contexts"] = numbers_of([row[column] for row in contexts])
        found[f"{name} sets"] = numbers_of([row[column] for row in sets])
    return found
