"""Values <-> their differences to exact linear predictions (FORMAT.md, "Filters").

All predictions are linear, so that running sums undo them: no value waits for the one before it.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.uint16]


class Filter(IntEnum):
    """What is subtracted from a value; neighbours outside the tile are 0."""

    NONE = 0
    LEFT = 1
    ABOVE = 2
    PLANE = 3  # left + above - above left
    LINE = 4  # 2 * left - second to the left
    COLUMN = 5  # 2 * above - second above


ROW_FILTERS = tuple(Filter)[: Filter.COLUMN]  # those that each row may choose for itself
_ALONG_ROWS = (Filter.LEFT, Filter.PLANE, Filter.LINE)
_FROM_ABOVE = (Filter.ABOVE, Filter.PLANE)


def filtered(values: Values, which: Filter) -> Values:
    """Return values (H, W, C) less their predictions, modulo 2**16."""
    if which is Filter.LEFT:
        return _differences(values, 1)
    if which is Filter.ABOVE:
        return _differences(values, 0)
    if which is Filter.PLANE:
        return _differences(_differences(values, 0), 1)
    if which is Filter.LINE:
        return _differences(_differences(values, 1), 1)
    if which is Filter.COLUMN:
        return _differences(_differences(values, 0), 0)
    return values


def restored(differences: Values, which: Filter) -> Values:
    """Return the values (H, W, C), modulo 2**16, that :func:`filtered` made these differences of."""
    if which in _ALONG_ROWS:
        differences = _sums(differences, 1)
    if which is Filter.LINE:
        differences = _sums(differences, 1)
    if which in (*_FROM_ABOVE, Filter.COLUMN):
        differences = _sums(differences, 0)
    if which is Filter.COLUMN:
        differences = _sums(differences, 0)
    return differences


def filtered_by_row(values: Values, which: npt.NDArray[np.uint8]) -> Values:
    """Return values (H, W, C) less their predictions; ``which``: the filter of each row, (H,) or (H, C)."""
    result = values.copy()
    for number in ROW_FILTERS[1:]:
        _choose(result, filtered(values, number), which == number)
    return result


def restored_by_row(differences: Values, which: npt.NDArray[np.uint8]) -> Values:
    """Return the values (H, W, C) that :func:`filtered_by_row` made these differences of."""
    along = differences.copy()
    for number in _ALONG_ROWS:
        _choose(
            along,
            restored(differences, Filter.LINE if number is Filter.LINE else Filter.LEFT),
            which == number,
        )
    # A row that is predicted from the one above goes on with the sums from the last row that is not.
    sums = _sums(along, 0)
    rows = np.arange(len(which)).reshape(-1, *[1] * (which.ndim - 1))
    begins = ~np.isin(which, _FROM_ABOVE)
    begins[0] = True
    start = np.maximum.accumulate(np.where(begins, rows, 0), axis=0)
    before = np.concatenate([np.zeros_like(sums[:1]), sums])  # before[y]: the sum of the rows above row y
    if start.ndim == 1:
        skipped = before[start]
    else:
        skipped = before[start[:, None, :], np.arange(sums.shape[1])[:, None], np.arange(sums.shape[2])]
    values: Values = sums - skipped
    return values


def _choose(result: Values, values: Values, rows: npt.NDArray[np.bool_]) -> None:
    """Set the rows (H,), or rows of channels (H, C), of a result to those of ``values``."""
    if rows.ndim == 1:
        result[rows] = values[rows]
    else:
        np.copyto(result, values, where=rows[:, None, :])


def _differences(values: Values, axis: int) -> Values:
    return np.diff(values, axis=axis, prepend=np.zeros_like(np.take(values, [0], axis)))


def _sums(values: Values, axis: int) -> Values:
    return np.cumsum(values, axis=axis, dtype=np.uint16)
