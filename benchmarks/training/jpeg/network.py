"""The network of a block's bits in torch, and what the bits cost (see pixcodec/format/jpeg-networks.md).

Shapes: N blocks, P coefficients of them, U hidden units.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.training.jpeg.blocks import AROUND, SIGNED, Component
from pixcodec.jpeg.state import ZIGZAG
from pixcodec.jpeg.stream.network import EXPONENTS, NEGATIVE, NODES, OUTPUTS, UNITS

MAGNITUDES, SIGNS = 18, 13  # features of a coefficient, without signs and with them
_SIDES = 2
# The places inside a block whose coefficients are features: how much further down and across.
_INSIDE = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (1, 2), (2, 1))


def _inside() -> Tensor:
    """Return the numbers k of the coefficients inside (7, 64), -1 where there is none."""
    order = {int(p): k for k, p in enumerate(ZIGZAG)}
    rows = []
    for down, across in _INSIDE:
        places = [(int(p) // 8 + down, int(p) % 8 + across) for p in ZIGZAG]
        rows.append([order[8 * u + v] if u < 8 and v < 8 else -1 for u, v in places])
    return torch.tensor(rows)


class Batch(NamedTuple):
    """Blocks: what is known before them, and what they are."""

    around: Tensor  # N, ...
    signed_around: Tensor  # N, ...
    logs: Tensor  # N, 64
    signed: Tensor  # N, 64
    edges: Tensor  # N, 64, 3
    signed_edges: Tensor  # N, 64, 2
    lengths: Tensor  # N
    values: Tensor  # N, 64
    weights: Tensor  # N


class Bits(NamedTuple):
    """Logits: of lengths (N, NODES), and of the coefficients (P, OUTPUTS) k of blocks, in order of k."""

    lengths: Tensor
    k: Tensor
    block: Tensor
    coefficients: Tensor


class BlockNetwork(nn.Module):
    """Foresees the bits of blocks of luma, or of chroma."""

    def __init__(self, chroma: bool) -> None:
        super().__init__()
        self.chroma, self.inside = chroma, _inside()
        magnitudes = 64 * len(AROUND) + _SIDES + 64 + (129 if chroma else 0)
        signs = 64 * (len(SIGNED) + chroma)
        self.first = nn.Linear(magnitudes + signs, UNITS)
        self.second = nn.Linear(UNITS, UNITS)
        self.direct = nn.Linear(magnitudes + signs, UNITS)
        self.own, self.signed_own = (nn.Parameter(0.05 * torch.randn(64, UNITS)) for _ in range(2))
        self.edges = nn.Parameter(torch.zeros(3, UNITS))
        self.signed_edges = nn.Parameter(0.05 * torch.randn(2, UNITS))
        self.lengths, self.places = (nn.Parameter(torch.zeros(64, UNITS)) for _ in range(2))
        self.nodes = nn.Linear(UNITS, NODES)
        self.outputs = nn.Parameter(0.02 * torch.randn(64, UNITS, OUTPUTS))
        self.biases = nn.Parameter(torch.zeros(64, OUTPUTS))
        self.features = nn.Parameter(torch.zeros(64, MAGNITUDES, OUTPUTS))
        self.signs = nn.Parameter(torch.zeros(64, SIGNS))
        for layer, deviation in ((self.first, 0.05), (self.direct, 0.05), (self.nodes, 0.02)):
            nn.init.normal_(layer.weight, std=deviation)
        nn.init.zeros_(self.second.weight)

    def forward(self, b: Batch) -> Bits:
        """Return the logits of all bits of blocks."""
        known = torch.cat([b.around, b.signed_around], 1)
        base = self.direct(known) + self.second(F.relu(self.first(known)))
        of_lengths = self.nodes(F.relu(base))
        base = base + self.lengths[b.lengths]
        k, block = (torch.arange(64)[None] <= b.lengths[:, None]).t().nonzero(as_tuple=True)
        later = (torch.arange(64)[None] > k[:, None]).float()
        logs, signed = b.logs[block] * later, b.signed[block] * later
        edges, signed_edges = b.edges[block, k], b.signed_edges[block, k]
        inputs = torch.cat([logs, edges, signed, signed_edges], 1)
        weights = torch.cat([self.own, self.edges, self.signed_own, self.signed_edges], 0)
        hidden = F.relu(torch.addmm(base[block] + self.places[k], inputs, weights))
        features, signs = self._features(b, k, block, logs, signed)
        numbers = torch.cat([hidden, features], 1)
        counts = torch.bincount(k, minlength=64).tolist()
        logits = [
            torch.addmm(bias, part, torch.cat([one, other], 0))
            for bias, part, one, other in zip(
                self.biases.unbind(0),
                torch.split(numbers, counts),
                self.outputs.unbind(0),
                self.features.unbind(0),
                strict=True,
            )
        ]
        found = torch.cat(logits)
        of_sign = (signs * self.signs[k]).sum(1)
        one = F.one_hot(torch.tensor(NEGATIVE), OUTPUTS)
        return Bits(of_lengths, k, block, found + of_sign[:, None] * one)

    def _features(
        self, b: Batch, k: Tensor, block: Tensor, logs: Tensor, signed: Tensor
    ) -> tuple[Tensor, Tensor]:
        inside = self.inside[:, k].t()
        there = inside >= 0
        near = [b.around[block, 64 * j + k] for j in range(len(AROUND))]
        total = torch.log2(1 + logs.sum(1))
        beside = [torch.zeros_like(total)] * 2
        blue = torch.zeros_like(total)
        if self.chroma:
            start = 64 * len(AROUND) + _SIDES
            beside = [b.around[block, start + 64 * j + k] for j in range(2)]
            blue = b.signed_around[block, 64 * len(SIGNED) + k]
        features = [torch.gather(logs, 1, inside.clamp(min=0)) * there, torch.stack([*near, total], 1)]
        features += [b.edges[block, k], torch.stack(beside, 1)]
        near = [b.signed_around[block, 64 * j + k] for j in range(len(SIGNED))]
        signs = [torch.gather(signed, 1, inside.clamp(min=0)) * there, torch.stack([*near, blue], 1)]
        return torch.cat(features, 1), torch.cat([*signs, b.signed_edges[block, k]], 1)


def costs(bits: Bits, b: Batch) -> tuple[Tensor, Tensor]:
    """Return what the bits cost, in nats: of lengths (N,), of coefficients (P,) but their mantissas."""
    of = F.binary_cross_entropy_with_logits
    value = b.values[bits.block, bits.k]
    size, negative = value.abs(), value < 0
    is_last = (bits.k == b.lengths[bits.block]) & (bits.k > 0)  # which is known not to be 0
    cost = of(bits.coefficients[:, 0], (size > 0).float(), reduction="none") * ~is_last
    cost = cost + of(bits.coefficients[:, NEGATIVE], negative.float(), reduction="none") * (size > 0)
    for e in range(EXPONENTS):
        logit = torch.where(negative, bits.coefficients[:, NEGATIVE + 1 + e], bits.coefficients[:, 1 + e])
        cost = cost + of(logit, (size >= 2 << e).float(), reduction="none") * (size >= 1 << e)
    high, low, some = b.lengths >> 3, b.lengths & 7, b.lengths > 0
    nodes: list[tuple[Any, Tensor, Tensor]] = [(torch.zeros_like(high), some, torch.ones_like(some))]
    for number, first in ((high, torch.zeros_like(high)), (low, high * 7 + 7)):
        node = torch.ones_like(high)
        for shift in (2, 1, 0):
            bit = (number >> shift) & 1
            nodes.append((first + node, bit, some))
            node = 2 * node + bit
    of_lengths = torch.zeros(len(high))
    for node, bit, counts in nodes:
        logit = bits.lengths.gather(1, node.clamp(max=NODES - 1)[:, None])[:, 0]
        of_lengths = of_lengths + of(logit, bit.float(), reduction="none") * counts
    return of_lengths, cost


def batch_of(component: Component, places: Any) -> Batch:
    """Return blocks of a component at these places (N,)."""
    c, weight = component, np.full(len(places), component.weight)
    floats = [c.magnitudes(places), c.signed_numbers(places), c.logs.reshape(-1, 64)[places]]
    floats += [c.signed.reshape(-1, 64)[places], c.edges[places], c.signed_edges[places]]
    around, signed_around, logs, signed, edges, signed_edges, weights = (
        torch.from_numpy(np.asarray(numbers, np.float32)) for numbers in [*floats, weight]
    )
    lengths, values = (
        torch.from_numpy(numbers[places].astype(np.int64)) for numbers in (c.lengths, c.values)
    )
    return Batch(around, signed_around, logs, signed, edges, signed_edges, lengths, values, weights)


def joined(batches: list[Batch]) -> Batch:
    """Return the blocks of several batches."""
    return Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
