"""DCT coefficients of decoded samples -> the steps of quantisation that they are multiples of.

Rounding of the samples leaves normal noise on the coefficients, of a known standard deviation ``sigma``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.coefficients import BLOCK, MAX_STEP, Table

Floats = npt.NDArray[np.float32]

SAMPLE_SIGMA = 12**-0.5  # of rounding to integers
FAR = 4.4  # sigmas; noise is hardly ever that large
_FIRST = 256  # coefficients, to choose among all steps
_ALL = 4000  # coefficients, to choose among the remaining ones
_FLOOR = -7.0  # of the log-likelihood of a coefficient: not all blocks need be intact
_STRAY = 1 / 2000  # share of the coefficients that may lie elsewhere
_LEAST_EVIDENCE = 1.5  # nats, for a step
_BUSY = 8  # coefficients of a block that are not 0
_FEW = 200  # blocks
_LIKELY_STRAY = 0.06  # the same of a step that smooth blocks obscure
_ALWAYS = 3  # steps up to this are tried if any is likely: of multiples of large ones they explain the rest
_LEAST_STRAYS, _MOST = 8, 0.95  # coefficients that divide a step, share of them that it then fits
_LEAST_TOTAL = 20.0  # nats, for steps at all
_SMALL = 2  # step
_FILLED = 6  # up to this a step is likely to be that of a neighbour
_LARGEST_HIDING, _SPREAD = 3, 1.4  # step that a step of 1 may look like, variance to that of noise then
_TELLING, _LEAST_TELLING = 2.6, 2  # a smaller coefficient may be noise of a smooth block; how many suffice
_LARGE = 5.0  # a single coefficient that suffices
_DEFINITE = 6  # coefficients that determine a step

# fmt: off
_LUMA_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)
_CHROMA_TABLE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, *(99,) * 38,
)
# fmt: on


class _Found(NamedTuple):
    """The step that hardly any coefficient contradicts, the likeliest one, the evidence in nats."""

    step: int
    likely: int
    evidence: float


def standard_table(quality: int, component: int) -> Table:
    """Return libjpeg's table of a quality (1..100)."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    base = np.array(_CHROMA_TABLE if component else _LUMA_TABLE, np.int32)
    return np.clip((base * scale + 50) // 100, 1, MAX_STEP)


def find_steps(coefficients: Floats, sigma: Floats, luma: Table | None = None) -> tuple[Table, float]:
    """Return the steps (64,) of coefficients (N, 64), and the evidence that these are quantised.

    The evidence is in nats per coefficient that is not 0. Steps that nothing tells are those of libjpeg's
    table, if most others are, or those of lower frequencies, if these are small, or large. If the
    coefficients are of chroma, the steps of ``luma`` are those or belong to the same quality.
    """
    everywhere, coefficients = coefficients, _busiest(coefficients, sigma)
    table = np.zeros(64, np.int32)
    likely = np.zeros(64, np.int32)
    definite = np.zeros(64, bool)
    total, count = 0.0, 0
    interpolated = sigma[0] > SAMPLE_SIGMA
    for k in range(64):
        values = np.abs(coefficients[:, k])
        # What is 0 tells nothing; a half beyond an integer no multiple of 1 loses more than another.
        chosen = values[values > np.floor(FAR * sigma[k] + 0.5) + 0.5]
        if (chosen > _TELLING).sum() < _LEAST_TELLING:
            chosen = np.abs(everywhere[:, k])
            chosen = chosen[chosen > _LARGE]
        found = _step_of(chosen, float(sigma[k]))
        total, count = total + found.evidence, count + len(chosen)
        if found.evidence >= _LEAST_EVIDENCE:
            table[k], likely[k], definite[k] = found.step, found.likely, len(chosen) >= _DEFINITE
        if (
            table[k] <= _LARGEST_HIDING
            and not interpolated
            and _is_spread(values, int(table[k]) or 3, float(sigma[k]))
        ):
            table[k] = likely[k] = 1
    table = _smooth(table, likely)
    companion = None if luma is None else _companion(table, likely, definite, luma)
    if companion is None:
        companion = _divided(_complete(table, likely, definite), coefficients, sigma)
    return companion, total / count if total > _LEAST_TOTAL else 0.0


def _busiest(coefficients: Floats, sigma: Floats) -> Floats:
    """Return the blocks of most coefficients: the rounding of smooth ones is no random noise."""
    counts = (np.abs(coefficients) > FAR * sigma).sum(1)
    least = min(_BUSY, int(np.partition(counts, -_FEW)[-_FEW])) if len(counts) > _FEW else 0
    busiest: Floats = coefficients[counts >= least]
    return busiest


def _step_of(values: Floats, sigma: float) -> _Found:
    """Return the step of coefficients (N,)."""
    if not len(values):
        return _Found(0, 0, 0.0)
    values = values[:: -(-len(values) // _ALL)]
    few = values[:: -(-len(values) // _FIRST)]
    steps = np.arange(1, min(MAX_STEP, int(values.max() + 2)) + 1)
    first = _evidence(few, steps, sigma)[0]
    promising = first > 0
    promising[:_ALWAYS] |= promising.any()
    if not promising.any():
        return _Found(0, 0, float(first.max()) * len(values) / len(few))
    steps = steps[promising]
    gains, strays, variances = _evidence(values, steps, sigma)
    scores = np.where(strays <= _LIKELY_STRAY * len(values), gains, gains - 1e6)
    likely, most = int(steps[scores.argmax()]), float(gains[scores.argmax()])
    # Larger steps that most values fit have more likelihood than what all of them fit.
    allowed = (strays <= _STRAY * len(values)) & (variances < 1.2 + 4 / len(values) ** 0.5)
    if not allowed.any() or gains[allowed].max() < _LEAST_EVIDENCE:
        return _Found(likely, likely, most)
    best = int(gains[allowed].argmax())
    return _Found(int(steps[allowed][best]), likely, float(gains[allowed][best]))


def _is_spread(values: Floats, step: int, sigma: float) -> bool:
    """Return whether coefficients (N,) that a step would make 0 vary more than noise does."""
    zeros = values[values < step / 2]
    return len(zeros) >= _FEW and float((zeros * zeros).mean()) > _SPREAD * sigma**2


def _smooth(table: Table, likely: Table) -> Table:
    """Return a table with those of the likely steps that are more like their neighbours.

    Of smooth blocks all coefficients may be a little off, which only small steps explain.
    """
    padded = np.pad(table.reshape(BLOCK, BLOCK), 1).astype(np.float64)
    padded[padded == 0] = np.nan
    around = np.stack([padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]])
    missing = np.isnan(around).all(0)
    around[:, missing] = table.reshape(BLOCK, BLOCK)[missing]
    usual = np.nanmedian(around, 0).reshape(64)
    return np.where((likely > table) & (table < 0.6 * usual) & (likely < 2 * usual), likely, table)


def _evidence(values: Floats, steps: npt.NDArray[np.int64], sigma: float) -> tuple[Floats, Floats, Floats]:
    """Return for each step its evidence, how many values are no multiples, their variance around multiples.

    The evidence is the log-likelihood ratio against no step; the variance is relative to the noise's.
    """
    q = steps.astype(np.float32)[:, None]
    rest = np.abs(values - q * np.rint(values / q))  # steps, values
    density = np.exp(rest * rest * np.float32(-0.5 / sigma**2))
    density += np.exp((q - rest) ** 2 * np.float32(-0.5 / sigma**2))
    small = steps < 3 * sigma
    if small.any():
        density[small] += np.exp((q[small] + rest[small]) ** 2 * np.float32(-0.5 / sigma**2))
    ratio = np.log(np.maximum(density * (q / np.float32(sigma * (2 * np.pi) ** 0.5)), np.exp(_FLOOR)))
    # What is nearest to 0 has more noise where the block is smooth.
    beyond = values > 0.4 * q
    squares = np.where(beyond, rest * rest, 0).sum(1) / np.maximum(beyond.sum(1), 1)
    return ratio.sum(1), (beyond & (rest > FAR * sigma)).sum(1), squares / sigma**2


def _divided(table: Table, coefficients: Floats, sigma: Floats) -> Table:
    """Return a table with those steps divided that coefficients (N, 64) between their multiples deny."""
    rest = np.abs(coefficients - table * np.rint(coefficients / table))
    strays = (rest > FAR * sigma) & (np.abs(coefficients) > 0.4 * table)
    divided = table.copy()
    for k in np.flatnonzero(strays.sum(0) >= _LEAST_STRAYS):
        values = coefficients[strays[:, k], k]
        for step in (table[k] // part for part in range(2, 6) if table[k] % part == 0):
            near = np.abs(values - step * np.rint(values / step)) <= FAR * sigma[k]
            if near.mean() >= _MOST and step > 3 * FAR * sigma[k]:  # smaller ones fit anything
                divided[k] = step
                break
    return divided


def _companion(table: Table, likely: Table, definite: npt.NDArray[np.bool_], luma: Table) -> Table | None:
    """Return the table of chroma that goes with that of luma, None if the steps found are not its."""
    equal = [q for q in range(1, 101) if (standard_table(q, 0) == luma).all()]
    expected = [standard_table(q, 1) for q in equal] + [luma]
    for one in expected:
        agreeing = int((((table == one) | (likely == one)) & definite).sum())
        if agreeing >= max(_DEFINITE, 2 * (int(definite.sum()) - agreeing)):
            beyond = (one == MAX_STEP) & (table > _SMALL)
            return np.where(beyond, table, one)
    return None


def _complete(table: Table, likely: Table, definite: npt.NDArray[np.bool_]) -> Table:
    """Return a table without zeros."""
    standards = [standard_table(quality, kind) for kind in (0, 1) for quality in range(100, 0, -1)]
    agreement = [int(((table == one) | (likely == one))[definite].sum()) for one in standards]
    standard = standards[int(np.argmax(agreement))]
    others = definite & (table != standard) & (likely != standard)
    contradicting = others & ((table > standard) | (table > _SMALL))
    if max(agreement) >= max(4, 2 * others.sum(), 50 * (contradicting.sum() - 1)):
        return standard
    # Beside steps of 1 there may be others, whose coefficients are lost in the noise; beside large ones none.
    for u in range(BLOCK):
        for v in range(BLOCK):
            k = BLOCK * u + v
            if table[k] == 0:
                before = [table[k - BLOCK]] * (u > 0) + [table[k - 1]] * (v > 0)
                table[k] = max(before) if before and max(before) <= _FILLED else MAX_STEP
    return table
