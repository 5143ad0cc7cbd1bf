"""Sure nibbles: of which the network's mixture leaves hardly a doubt (FORMAT.md, Mixing, "Sure nibbles").

Such a nibble costs neither contexts nor mixers: its bits are coded by how often such values were right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.mixing.state import EDGES, OFFSET, OPEN, SURE, Mixing
from pixcodec.network.distribution import (
    NIBBLE,
    TOTAL,
    Mixture,
    cumulative,
    open_cumulative,
    parts_of,
    write_open_edges,
    write_wrapped_edges,
)
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.wavefront import Share, first_of


@kernel
def set_kinds(s: Mixing, mixture: Mixture, share: Share) -> None:
    """Set the edges and the kind of the next nibble of a share of the lanes."""
    lane, depth, odds = s.lane, s.wave[0].depth, s.rules.sure_odds
    linear, near = s.rules.linear, s.rules.near
    for i in range(first_of(share), share.end):
        start, step = _values_of(lane[i], depth)
        _set_edges(s, i, start, step, mixture)
        lane[i].kind, lane[i].ready = OPEN, -1
        if odds > 0:
            _foresee(s, i, depth, odds, mixture)
        if lane[i].kind == OPEN:
            if linear:
                _set_further_edges(s, i, 1, start, step, mixture, lane[i].joint - lane[i].mean)
                _set_further_edges(s, i, 2, start, step, s.around_linear, 0)
                _set_further_edges(s, i, 3, start, step, s.around_joint, 0)
            if near:
                _set_further_edges(s, i, 1, start, step, s.around_linear, 0)


@inlined
def _values_of(lane: Any, depth: int) -> Any:
    """Return the first value of a lane's nibble, and how far apart the values are."""
    start: Any = lane.base - OFFSET
    if depth < 4:
        return start, np.int64(NIBBLE)
    return start + NIBBLE * ((lane.node >> (depth & 3)) & (NIBBLE - 1)), np.int64(1)


@inlined
def _row(s: Mixing, prior: int, i: int) -> Any:
    """Return the address of the edges of lane ``i`` by a prior."""
    return s.edges.ctypes.data + 4 * EDGES * (prior * s.edges.shape[1] + i)


@inlined
def _set_edges(s: Mixing, i: int, start: int, step: int, mixture: Mixture) -> None:
    """Set F of lane ``i`` at the edges of the values of its nibble."""
    edges, wave, is_open, last = s.edges, s.wave[0], s.rules.open_ends, np.int64(0)
    if wave.depth == 4 and wave.first_depth < 4:  # the high nibble's edges tell
        last += edges[0, i, (s.lane[i].node & (NIBBLE - 1)) + 1]
    elif is_open or step == 1:
        last += _edge(s, mixture, i, start + NIBBLE * step)
    if is_open:
        write_open_edges(parts_of(mixture, i), start, step, _row(s, 0, i))
    else:
        write_wrapped_edges(parts_of(mixture, i), 0, start, step, _row(s, 0, i))
    if not is_open and step > 1:  # values have wrapped around
        last = np.int64(edges[0, i, 0]) + TOTAL
    edges[0, i, NIBBLE] = last


@inlined
def _set_further_edges(
    s: Mixing, i: int, prior: int, start: int, step: int, mixture: Mixture, shift: int
) -> None:
    """Set F by another prior, moved up by ``shift``, at the edges of the values of a nibble."""
    write_wrapped_edges(parts_of(mixture, i), shift, start, step, _row(s, prior, i))
    if step == 1:
        s.edges[prior, i, NIBBLE] = cumulative(mixture, i, start + NIBBLE, shift)
    else:  # values have wrapped around
        s.edges[prior, i, NIBBLE] = s.edges[prior, i, 0] + TOTAL


@inlined
def _edge(s: Mixing, mixture: Mixture, i: int, v: int) -> Any:
    """Return F of lane ``i`` at the edge ``v``."""
    if s.rules.open_ends:
        return open_cumulative(mixture, i, v)
    return cumulative(mixture, i, v, 0)


@kernel
def list_open(s: Mixing) -> int:
    """List the lanes whose nibble is open; return how many they are."""
    lane, opened, count = s.lane, s.open, 0
    for i in range(s.wave[0].lanes):
        opened[count] = i
        count += lane[i].kind == OPEN
    return count


@inlined
def span_of(edges: Any, prior: int, i: int, k: int, inside: int) -> Any:
    """Return F of lane ``i`` at the lower end, in the middle and at the upper end of a node of its nibble.

    ``k`` is the node, 1..15, in the nibble's tree, ``inside`` how many of the nibble's bits are known.
    """
    half = 8 >> inside
    at = 2 * half * k - NIBBLE
    low, middle, high = edges[prior, i, at], edges[prior, i, at + half], edges[prior, i, at + 2 * half]
    return np.int64(low), np.int64(middle), np.int64(high)


@inlined
def _foresee(s: Mixing, i: int, depth: int, odds: int, mixture: Mixture) -> None:
    """Set the kind of the nibble of lane ``i``: SURE if the mixture is all but sure of its value."""
    lane, size = s.lane[i], 16 if depth == 0 else 1
    first = lane.base - OFFSET + 16 * lane.node * size - 256
    beyond = ((lane.mean + 8) >> 4) - first
    low_target = min(max(((beyond + 128) & 255) - 128, 0), 15)
    target = (beyond & 255) >> 4 if depth == 0 else low_target
    if depth & 3 == 0:
        mass = np.int64(s.edges[0, i, target + 1]) - np.int64(s.edges[0, i, target])
    else:  # values of few bits begin here
        end = first + (target + 1) * size
        mass = _edge(s, mixture, i, end) - _edge(s, mixture, i, end - size)
    inside = depth & 3
    low, _, high = span_of(s.edges, 0, i, (lane.node & ((1 << inside) - 1)) | (1 << inside), inside)
    total = high - low
    sure = (total - mass) * odds < total
    lane.kind, lane.target = SURE if sure else OPEN, 16 + target
