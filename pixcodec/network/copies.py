"""Features of pixels that a run copies (FORMAT.md, section Copied pixels)."""

from __future__ import annotations

from pixcodec.network.inference import Activations, Int16, Int64
from pixcodec.network.kernels import kernel
from pixcodec.network.wavefront import Record, row_at


@kernel
def copy_features(s: Activations, copied: Int64, count: int, wave: Record) -> None:
    """Let the pixels of the first ``count`` rows of ``copied`` have the features of the pixel before.

    That is the one to the left, or of the first column the one above. Lanes are those that are not copied.
    """
    rings, steady, slope, t, first = s.rings, s.steady, wave.slope, wave.t, wave.first
    slots, f = slope + 2, s.features.shape[1]
    now = t % slots
    for i in range(wave.lanes):
        steady[row_at(wave.rows, i)] = 1
    for block in range(len(rings)):
        for j in range(f):
            rings[block, now, first, j] = 0
    for k in range(count):
        row = copied[k]
        if t == slope * row:
            steady[row] = 1
            _copy_vectors(rings, now, row + 1, (t - slope) % slots, row)
        elif steady[row] < slots:  # else they are there: the last pixels were all copied
            steady[row] += 1
            _copy_vectors(rings, now, row + 1, (t - 1) % slots, row + 1)


@kernel
def _copy_vectors(rings: Int16, slot: int, row: int, from_slot: int, from_row: int) -> None:
    """Copy the features of all blocks from one place in the rings to another."""
    for block in range(len(rings)):
        for j in range(rings.shape[3]):
            rings[block, slot, row, j] = rings[block, from_slot, from_row, j]
