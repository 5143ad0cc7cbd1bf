"""The components of JPEG files, as numpy files, and what the networks see of their blocks.

    python -m benchmarks.training.jpeg.blocks FOLDER OUT

Shapes: R rows and C columns of blocks, N blocks of a batch. Coefficients are in zigzag order; logarithms are
those of :mod:`pixcodec.jpeg.stream.network`, but 1 stands for a factor of 2.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.container.header import KEPT_VERSIONS, Effort, Header, Mode
from pixcodec.jpeg.files.kept import taken_apart
from pixcodec.jpeg.state import FIRST_EDGE, LAST_EDGE, ZIGZAG
from pixcodec.jpeg.stream.coder import Image, luma_beside
from pixcodec.jpeg.stream.network import LOG16

Floats = npt.NDArray[Any]
_LOG = LOG16.astype(np.float32) / 16
_EDGE_UNITS, _MOST = 16, 32767
_MOST_EDGE = 2000  # steps
# The blocks around one: magnitudes of all, signed numbers of the first three.
AROUND = ((1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
SIGNED = AROUND[:3]


def save(data: bytes, path: Path) -> None:
    """Write the components of a JPEG file; those of files that are not colour or grey are left out."""
    header = Header(1, 1, Mode.GREY, Effort.FAST, 1, 1, b"", kept=True, version=KEPT_VERSIONS[-1])
    image = taken_apart(data, header)[1][0]
    if len(image.blocks) not in (1, 3):
        return
    parts = {f"blocks{i}": blocks for i, blocks in enumerate(image.blocks)}
    parts |= {f"steps{i}": np.asarray(steps) for i, steps in enumerate(image.tables)}
    np.savez(path, allow_pickle=False, scales=np.array(image.scales), **parts)


def load(path: Path, most: int) -> Image:
    """Return the middle rows of the components of a file: so many blocks of luma, about."""
    with np.load(path) as file:
        count = sum(name.startswith("blocks") for name in file.files)
        blocks = [file[f"blocks{i}"] for i in range(count)]
        steps = [file[f"steps{i}"].astype(np.int64) for i in range(count)]
        scales: Any = [tuple(map(tuple, scale)) for scale in file["scales"].tolist()]
    image = Image(blocks, steps, scales)
    units = image.units
    wanted = min(units, max(2, most * units // (blocks[0].shape[0] * blocks[0].shape[1])))
    first = (units - wanted) // 2
    rows = [slice(first * s[0][1], (first + wanted) * s[0][1]) for s in scales]
    return image._replace(blocks=[b[r] for b, r in zip(blocks, rows, strict=True)])


class Parts(NamedTuple):
    """A component: its blocks, those of luma and of blue chroma at the same places, the steps (64,)."""

    blocks: npt.NDArray[np.int16]
    luma: npt.NDArray[np.int16] | None
    blue: npt.NDArray[np.int16] | None
    steps: npt.NDArray[np.int64]


def components(image: Image) -> Iterator[tuple[int, Parts]]:
    """Yield the components of an image that have blocks, with their numbers."""
    for number, blocks in enumerate(image.blocks):
        if not blocks.size:
            continue
        shape = blocks.shape[0], blocks.shape[1]
        luma = luma_beside(image.blocks[0], image.scales[number], *shape) if number else None
        blue = image.blocks[1] if number == 2 and image.blocks[1].shape == blocks.shape else None
        yield number, Parts(blocks, luma, blue, np.asarray(image.tables[number], np.int64))


def turned(parts: Parts, turn: int) -> Parts:
    """Return a component of the image mirrored (bits 0 and 1 of ``turn``) and transposed (bit 2)."""
    signs = np.where(np.arange(8) % 2, -1, 1)

    def of(blocks: npt.NDArray[np.int16] | None, signed: bool) -> Any:
        if blocks is None:
            return None
        b: Any = blocks.reshape(*blocks.shape[:2], 8, 8)
        if turn & 1:
            b = b[:, ::-1] * (signs if signed else 1)
        if turn & 2:
            b = b[::-1] * (signs[:, None] if signed else 1)
        if turn & 4:
            b = b.transpose(1, 0, 3, 2)
        return np.ascontiguousarray(b).reshape(*b.shape[:2], 64).astype(np.int16)

    square = parts.steps.reshape(8, 8)
    steps = np.ascontiguousarray(square.T if turn & 4 else square).ravel()
    return Parts(of(parts.blocks, True), of(parts.luma, False), of(parts.blue, True), steps)


def _log(values: Floats) -> Floats:
    found: Floats = _LOG[np.minimum(np.abs(values.astype(np.int32)), _MOST) + 1]
    return found


def _log_of_edge(values: Floats) -> Floats:
    found: Floats = _LOG[np.minimum(np.abs(values).astype(np.int32), _MOST) + _EDGE_UNITS] - 4
    return found


def _edges(blocks: Floats, steps: Floats) -> tuple[Floats, Floats]:
    """Return by_left and by_top (R, C, 64) in 1/16 of a step, in the order of rows."""
    wide = (blocks * steps).astype(np.float32).reshape(*blocks.shape[:2], 8, 8)
    first, last = (np.asarray(edge, np.float32) / FIRST_EDGE[0] for edge in (FIRST_EDGE, LAST_EDGE))
    left, top = np.zeros(wide.shape[:3], np.float32), np.zeros(wide.shape[:3], np.float32)
    left[:, 1:] = (wide * last).sum(3)[:, :-1]
    top[1:] = (wide * last[:, None]).sum(2)[:-1]
    across, down = wide * first, wide * first[:, None]
    known_across = across[..., ::-1].cumsum(3)[..., ::-1] - across
    known_down = down[:, :, ::-1].cumsum(2)[:, :, ::-1] - down
    of_steps = steps.reshape(8, 8)
    by_left = (left[..., None] - known_across) / (first * of_steps)
    by_top = (top[:, :, None] - known_down) / (first[:, None] * of_steps)
    by_left[:, 0] = by_top[0] = 0
    flat = (*blocks.shape[:2], 64)
    return by_left.clip(-_MOST_EDGE, _MOST_EDGE).reshape(flat), by_top.clip(-_MOST_EDGE, _MOST_EDGE).reshape(
        flat
    )


class Component:
    """What the network of a component sees, as arrays of blocks (R * C, ...)."""

    def __init__(self, number: int, parts: Parts) -> None:
        blocks, steps = parts.blocks, parts.steps
        self.number, (self.rows, self.columns) = number, blocks.shape[:2]
        by_left, by_top = _edges(blocks, steps)
        inner = np.zeros((self.rows, self.columns), bool)
        inner[1:, 1:] = True
        left, top = np.floor(by_left * _EDGE_UNITS), np.floor(by_top * _EDGE_UNITS)
        middle = left[..., 0] + top[..., 0]
        middle = np.where(inner, middle // 2, middle)
        values = blocks.astype(np.int32)
        values[..., 0] -= ((middle + _EDGE_UNITS // 2) // _EDGE_UNITS).astype(np.int32)
        values = values[..., ZIGZAG]
        logs = _log(values)
        self.logs, self.signed = logs.astype(np.float16), (np.sign(values) * logs).astype(np.float16)
        self.values = values.astype(np.int16).reshape(-1, 64)
        present = values[..., 1:] != 0
        self.lengths = np.where(present.any(2), 63 - present[..., ::-1].argmax(2), 0).astype(np.int8).ravel()
        both = np.abs(left + top) // 2
        both[..., 0] = 0
        left[..., 0], top[..., 0] = (left[..., 0] - top[..., 0]) * inner, 0
        edges = [_log_of_edge(e)[..., ZIGZAG].reshape(-1, 64) for e in (left, top, both)]
        self.edges = np.stack(edges, -1).astype(np.float16)
        signs = [np.sign(e)[..., ZIGZAG].reshape(-1, 64) for e in (left, top)]
        self.signed_edges = np.stack([s * e for s, e in zip(signs, edges, strict=False)], -1).astype(
            np.float16
        )
        self.luma = None if parts.luma is None else _log(parts.luma[..., ZIGZAG]).reshape(-1, 64)
        self.blue = None if parts.blue is None else _log(parts.blue[..., ZIGZAG]).reshape(-1, 64)
        self.signed_blue: Floats | None = None
        if parts.blue is not None and self.blue is not None:
            self.signed_blue = np.sign(parts.blue[..., ZIGZAG]).reshape(-1, 64) * self.blue
        self.steps = _LOG[np.minimum(steps[ZIGZAG], _MOST)]
        bits = 12 + np.log2(1 + np.abs(self.values.astype(np.float32))).sum() * 2 / len(self.values)
        self.weight = float(np.sqrt(40 / bits))  # of the cost: files of many bits count less

    def _near(self, of: Floats, places: Floats, around: tuple[tuple[int, int], ...]) -> list[Floats]:
        r, c = places // self.columns, places % self.columns
        found = []
        for down, across in around:
            there = (r >= down) & (c >= across)
            near = of[np.maximum(r - down, 0), np.maximum(c - across, 0)]
            found.append(near.astype(np.float32) * there[:, None])
        return found

    def magnitudes(self, places: Floats) -> Floats:
        """Return what is known before blocks (N, ...): logarithms, without signs."""
        nothing = np.zeros((len(places), 64), np.float32)
        found = self._near(self.logs, places, AROUND)
        found.append(np.stack([places >= self.columns, places % self.columns > 0], 1).astype(np.float32))
        if self.number:
            found += [nothing if beside is None else beside[places] for beside in (self.luma, self.blue)]
            found.append(np.full((len(places), 1), self.number == 2, np.float32))
        found.append(np.broadcast_to(self.steps, (len(places), 64)))
        return np.concatenate(found, 1)

    def signed_numbers(self, places: Floats) -> Floats:
        """Return what is known before blocks (N, ...): logarithms with signs."""
        found = self._near(self.signed, places, SIGNED)
        if self.number:
            blue = self.signed_blue
            found.append(np.zeros((len(places), 64), np.float32) if blue is None else blue[places])
        return np.concatenate(found, 1)


def main(folder: Path, out: Path) -> None:
    """Write the components of all JPEG files of a folder."""
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.rglob("*.jp*g")):
        try:
            save(path.read_bytes(), out / f"{path.stem}.npz")
        except ValueError as error:
            print(f"{path}: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
