"""Section Slots: which slot a context gets."""

from __future__ import annotations


def find(slots, j, place, check):
    """Return the slot of context j, a list of its check and its entries 1 .. 15, and how it was found.

    ``slots`` has the used ones, by context and place. A slot that is replaced stays the same list: a lane
    that has had it goes on with what lies there now.
    """
    one, two = (j, place), (j, place ^ 1)
    for key in (one, two):
        if key in slots and slots[key][0] == check:
            return slots[key], "found"
    key, how = one, "new"
    if one in slots:
        if two not in slots or slots[two][1][1] < slots[one][1][1]:
            key = two
        how = "replaced" if key in slots else "beside"
    slots.setdefault(key, [])[:] = [check, *([0, 0] for _ in range(15))]
    return slots[key], how
