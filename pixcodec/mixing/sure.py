"""Sure nibbles: of which the network's mixture leaves hardly a doubt (FORMAT.md, Mixing, "Sure nibbles").

Such a nibble costs neither contexts nor mixers: its bits are coded by how often such values were right.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.mixing.state import OFFSET, OPEN, SURE, Mixing
from pixcodec.network.distribution import Mixture, cumulative, open_cumulative
from pixcodec.network.kernels import inlined, kernel
from pixcodec.network.wavefront import Share, first_of


@kernel
def set_interval(s: Mixing, i: int, depth: int, mixture: Mixture) -> None:
    """Set F at both ends of the node, of this depth, that lane ``i`` has come to."""
    lane, size = s.lane[i], 256 >> depth
    first = lane.base - OFFSET + lane.node * size - 256
    lane.low = _edge(s, mixture, i, first)
    lane.high = _edge(s, mixture, i, first + size)


@inlined
def _edge(s: Mixing, mixture: Mixture, i: int, v: int) -> Any:
    """Return F of lane ``i`` at the edge ``v`` of a node."""
    if s.rules.open_ends:
        return open_cumulative(mixture, i, v)
    return cumulative(mixture, i, v, 0)


@kernel
def set_kinds(s: Mixing, mixture: Mixture, share: Share) -> None:
    """Set the kind of the next nibble of a share of the lanes."""
    lane, depth = s.lane, s.wave[0].depth
    odds, at_first = s.rules.sure_odds, depth == s.wave[0].first_depth
    for i in range(first_of(share), share.end):
        if at_first or lane[i].kind == SURE:
            set_interval(s, i, depth, mixture)
        lane[i].kind, lane[i].ready = OPEN, -1
        if odds > 0:
            _foresee(s, i, depth, odds, mixture)


@kernel
def list_open(s: Mixing) -> int:
    """List the lanes whose nibble is open; return how many they are."""
    lane, opened, count = s.lane, s.open, 0
    for i in range(s.wave[0].lanes):
        opened[count] = i
        count += lane[i].kind == OPEN
    return count


@kernel
def _foresee(s: Mixing, i: int, depth: int, odds: int, mixture: Mixture) -> None:
    """Set the kind of the nibble of lane ``i``: SURE if the mixture is all but sure of its value."""
    lane, size = s.lane[i], 16 if depth == 0 else 1
    first = lane.base - OFFSET + 16 * lane.node * size - 256
    beyond = ((lane.mean + 8) >> 4) - first
    low_target = min(max(((beyond + 128) & 255) - 128, 0), 15)
    target = (beyond & 255) >> 4 if depth == 0 else low_target
    mass = np.int64(0)
    for end in range(2):
        edge = _edge(s, mixture, i, first + (target + end) * size)
        mass = edge - mass
    total = lane.high - lane.low
    sure = (total - mass) * odds < total
    lane.kind, lane.target = SURE if sure else OPEN, 16 + target
