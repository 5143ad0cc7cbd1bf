"""The bits of every coefficient of JPEG blocks, as the range coder pays for them.

Shapes: R rows and C columns of blocks, H W height and width of the image in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import run_by_steps
from pixcodec.explain.costs import Floats, bits_of
from pixcodec.jpeg import coder as older
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES
from pixcodec.jpeg.state import SLOPE, ZERO, State
from pixcodec.jpeg.stream import coder as streams
from pixcodec.jpeg.stream.stage import ZERO as FIRST_OF_VALUES
from pixcodec.jpeg.stream.state import StreamKind

LENGTH = FREQUENCIES  # where the bits of a block's length are, after those of its coefficients
Size = tuple[int, int]


def stream_costs(images: Sequence[streams.Image], kind: StreamKind) -> list[list[Floats]]:
    """Return the bits of the blocks of images that a file keeps, of each component (R, C, 65).

    The last of the 65 is the number of coefficients of the block; the others are in the order of JPEG.
    """
    counts = [streams.stripe_count(image, least=int(number == 0)) for number, image in enumerate(images)]
    found: list[list[list[Floats]]] = [[[] for _ in image.blocks] for image in images]
    owners = [number for number, count in enumerate(counts) for _ in range(max(count, 1))]
    owner = iter(owners)
    for stream in streams.streams_of(images, counts):
        numbers = [next(owner) for _ in stream]
        for at, component, stage in streams.component_stages(stream, kind):
            found[numbers[at]][component].append(_costs(stage))
    return [
        [np.concatenate(parts) if parts else np.zeros((0, 0, LENGTH + 1)) for parts in image]
        for image in found
    ]


def coefficient_costs(image: streams.Image, kind: StreamKind | None) -> list[Floats]:
    """Return the bits of the blocks of an image that was a JPEG file once, as :func:`stream_costs`.

    ``kind`` is that of its streams; None if it has none, as earlier versions wrote it.
    """
    if kind is None:
        return [_costs(stage) for stage in older.component_stages(image)]
    return stream_costs([image], kind)[0]


def _costs(stage: Any) -> Floats:
    recorder = _Recorder(stage)
    run_by_steps(stage, recorder.begin, recorder.end)
    return recorder.bits


class _Recorder:
    """Adds up what the symbols of a component cost, by blocks and coefficients."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self.bits = np.zeros((*stage.blocks.shape[:2], LENGTH + 1))

    def begin(self) -> None:
        """Note which coefficients the symbols of the step are of."""
        stage, wave = self._stage, self._stage.wave[0]
        lanes = stage.active[: int(wave["active"])]
        own = stage.lane[lanes]
        if isinstance(stage, State):
            self._row = int(wave["first"]) + lanes
            self._column = int(wave["t"]) - SLOPE * self._row
            is_length = own["node"] < ZERO
        else:
            self._row, self._column = lanes.copy(), own["column"]
            is_length = own["phase"] < FIRST_OF_VALUES
        self._k = np.where(is_length, LENGTH, own["k"])

    def end(self, symbols: npt.NDArray[np.int32], rows: Floats) -> None:
        """Add what the symbols of the step cost."""
        self.bits[self._row, self._column, self._k] += bits_of(symbols, rows)


def in_pixels(bits: Floats, size: Size, steps: tuple[float, float]) -> Floats:
    """Return the bits of blocks (R, C) spread over pixels (H, W).

    ``steps``: height and width of a block in pixels. What blocks beyond the image cost is with the last ones.
    """
    rows, columns = bits.shape
    height, width = size
    y = np.minimum((np.arange(height) / steps[0]).astype(np.int64), rows - 1)
    x = np.minimum((np.arange(width) / steps[1]).astype(np.int64), columns - 1)
    inside = bits[: y[-1] + 1, : x[-1] + 1].copy()
    inside[-1] += bits[y[-1] + 1 :, : x[-1] + 1].sum(0)
    inside[:, -1] += bits[: y[-1] + 1, x[-1] + 1 :].sum(1)
    inside[-1, -1] += bits[y[-1] + 1 :, x[-1] + 1 :].sum()
    area = np.bincount(y, minlength=len(inside))[:, None] * np.bincount(x, minlength=inside.shape[1])
    spread: Floats = (inside / area)[y[:, None], x[None, :]]
    return spread


def block_steps(image: Any, component: int, size: Size) -> tuple[float, float]:
    """Return height and width in pixels of the blocks of a component."""
    first = image.blocks[0]
    steps = []
    for axis in range(2):
        wide, narrow = image.scales[component][axis]
        of_first = BLOCK * max(1, round(size[axis] / (BLOCK * first.shape[axis])))
        steps.append(of_first * wide / narrow)
    return steps[0], steps[1]
