"""DCT coefficients of decoded samples -> the steps of quantisation that they are multiples of.

The rounding of the samples leaves noise on the coefficients, normal and of a known standard deviation
``sigma``. A step is judged by its evidence: the logarithm of how much likelier the coefficients are as its
multiples with noise than with a smooth distribution, in nats. Multiples of 0 are no evidence: any coefficient
near 0 is one.

The thresholds are empirical.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.jpeg.blocks import Floats
from pixcodec.jpeg.coefficients import BLOCK, FREQUENCIES, MAX_STEP, Table
from pixcodec.jpeg.decoders import Transform
from pixcodec.jpeg.standard_tables import DEFINITE, Steps, agreeing_table, table_beside

SAMPLE_SIGMA = 12**-0.5  # of rounding to integers
# Likewise, and of what a transform rounds on the way.
SIGMAS = {Transform.SLOW: SAMPLE_SIGMA, Transform.FAST: 0.45, Transform.STB: SAMPLE_SIGMA}
FAR = 4.4  # sigmas; noise is hardly ever that large

# Which coefficients of a frequency are looked at
_BUSY = 8  # coefficients of a block beyond noise: the rounding of smoother blocks is no random noise
_FEW = 200  # blocks that are enough
_TELLING, _LEAST_TELLING = 2.6, 2  # a smaller coefficient may be noise of a smooth block; how many suffice
_LARGE = 5.0  # magnitude from which a coefficient of any block tells a step
_FIRST = 256  # coefficients, to choose among all steps
_ALL = 4000  # coefficients, to choose among the remaining ones

# Which step it is
_FLOOR = -7.0  # least evidence of one coefficient: not all blocks need be intact
_BEYOND_ZERO = 0.4  # of a step: smaller coefficients are noise around 0, which smooth blocks have more of
_STRAY = 1 / 2000  # share of the coefficients that may be no multiples
_LIKELY_STRAY = 0.06  # the same of a step that smooth blocks obscure
_MOST_VARIANCE, _VARIANCE_MARGIN = 1.2, 4.0  # around multiples, relative to the noise; margin / sqrt(count)
_UNLIKELY = 1e6  # nats that a step loses that more than _LIKELY_STRAY contradict
_LEAST_EVIDENCE = 1.5  # nats, for a step
_LEAST_TOTAL = 20.0  # nats, for any steps at all
_ALWAYS = 3  # steps up to this are tried if any is likely: they explain what is no multiple of large ones
_NEXT_MULTIPLE = 3  # sigmas: the second nearest multiple on the far side matters to steps below this

# Steps that their neighbours in the table correct
_LARGEST_HIDING, _SPREAD = 3, 1.4  # step that a step of 1 may look like, variance to that of noise then
_UNLIKE, _ALIKE = 0.6, 2.0  # of the median of its neighbours: a step below, a likelier one up to this
_FILLED = 6  # up to this, an unknown step is that of its neighbour; beyond it, no coefficient is left
_PARTS = range(2, 6)  # what a step is divided by if it is a multiple of the right one
_LEAST_STRAYS, _MOST = 8, 0.95  # coefficients that divide a step, share of them that fit it then
_LEAST_PART = 3 * FAR  # sigmas; smaller steps fit any coefficients


class _Found(NamedTuple):
    """The step that hardly any coefficient contradicts, the likeliest one, the evidence in nats."""

    step: int
    likely: int
    evidence: float


class _Judged(NamedTuple):
    """What coefficients say of some steps, one number for each."""

    evidence: Floats
    strays: npt.NDArray[np.int64]  # coefficients that are no multiples
    variances: Floats  # around multiples, relative to that of the noise


def find_steps(coefficients: Floats, sigma: Floats, luma: Table | None = None) -> tuple[Table, float]:
    """Return the steps (64,) of coefficients (N, 64), and the evidence that these are quantised.

    Parameters
    ----------
    coefficients
        The DCT of the samples less 128, before quantisation.
    sigma
        The standard deviation of their noise (64,).
    luma
        The table of luma, if the coefficients are of chroma.

    Returns
    -------
    table
        Without zeros. Unknown steps are those of libjpeg's table that agrees with most others, if one does;
        else those of neighbours, if these are small, or large. If ``luma`` is given, a table that goes with
        it comes first.
    evidence
        In nats per coefficient that is not 0; 0 if there is too little of it.
    """
    busiest = _busiest(coefficients, sigma)
    steps, total, count = _all_steps(busiest, coefficients, sigma)
    table = None if luma is None else table_beside(steps, luma)
    if table is None:
        table = agreeing_table(steps)
        table = _filled(steps.table) if table is None else table
        table = _divided(table, busiest, sigma)
    return table, total / count if total > _LEAST_TOTAL else 0.0


def _all_steps(busiest: Floats, everywhere: Floats, sigma: Floats) -> tuple[Steps, float, int]:
    """Return the steps, the evidence in nats, and how many coefficients it is from.

    These are coefficients of the ``busiest`` blocks (N, 64), or of the blocks ``everywhere`` (N, 64) where
    those are too few.
    """
    table, likely = np.zeros(FREQUENCIES, np.int32), np.zeros(FREQUENCIES, np.int32)
    definite = np.zeros(FREQUENCIES, bool)
    total, count = 0.0, 0
    interpolated = sigma[0] > SAMPLE_SIGMA  # or by the fast transform
    for k in range(FREQUENCIES):
        values = np.abs(busiest[:, k])
        # What is 0 tells nothing; a half beyond an integer no multiple of 1 loses more than another.
        chosen = values[values > np.floor(FAR * sigma[k] + 0.5) + 0.5]
        if (chosen > _TELLING).sum() < _LEAST_TELLING:
            chosen = np.abs(everywhere[:, k])
            chosen = chosen[chosen > _LARGE]
        found = _step_of(chosen, float(sigma[k]))
        total, count = total + found.evidence, count + len(chosen)
        if found.evidence >= _LEAST_EVIDENCE:
            table[k], likely[k], definite[k] = found.step, found.likely, len(chosen) >= DEFINITE
        if table[k] <= _LARGEST_HIDING and not interpolated:
            step = int(table[k]) or _LARGEST_HIDING
            if _is_spread(values, step, float(sigma[k])):
                table[k] = likely[k] = 1
    return Steps(_smooth(table, likely), likely, definite), total, count


def _busiest(coefficients: Floats, sigma: Floats) -> Floats:
    """Return the blocks with most coefficients beyond noise."""
    counts = (np.abs(coefficients) > FAR * sigma).sum(1)
    least = min(_BUSY, int(np.partition(counts, -_FEW)[-_FEW])) if len(counts) > _FEW else 0
    busiest: Floats = coefficients[counts >= least]
    return busiest


def _step_of(values: Floats, sigma: float) -> _Found:
    """Return the step of magnitudes of coefficients (N,)."""
    if not len(values):
        return _Found(0, 0, 0.0)
    values = values[:: -(-len(values) // _ALL)]
    few = values[:: -(-len(values) // _FIRST)]
    steps = np.arange(1, min(MAX_STEP, int(values.max() + 2)) + 1)
    first = _judge(few, steps, sigma).evidence
    promising = first > 0
    promising[:_ALWAYS] |= promising.any()
    if not promising.any():
        return _Found(0, 0, float(first.max()) * len(values) / len(few))
    steps = steps[promising]
    gains, strays, variances = _judge(values, steps, sigma)
    scores = np.where(strays <= _LIKELY_STRAY * len(values), gains, gains - _UNLIKELY)
    likely, most = int(steps[scores.argmax()]), float(gains[scores.argmax()])
    # Larger steps that most values fit have more likelihood than what all of them fit.
    allowed = variances < _MOST_VARIANCE + _VARIANCE_MARGIN / len(values) ** 0.5
    allowed &= strays <= _STRAY * len(values)
    if not allowed.any() or gains[allowed].max() < _LEAST_EVIDENCE:
        return _Found(likely, likely, most)
    best = int(gains[allowed].argmax())
    return _Found(int(steps[allowed][best]), likely, float(gains[allowed][best]))


def _judge(values: Floats, steps: npt.NDArray[np.int64], sigma: float) -> _Judged:
    """Judge each of the steps by magnitudes of coefficients (N,)."""
    q = steps.astype(np.float32)[:, None]
    rest = np.abs(values - q * np.rint(values / q))  # steps, values
    # The multiples on both sides of a value, and of small steps one more.
    density = np.exp(rest * rest * np.float32(-0.5 / sigma**2))
    density += np.exp((q - rest) ** 2 * np.float32(-0.5 / sigma**2))
    small = steps < _NEXT_MULTIPLE * sigma
    if small.any():
        density[small] += np.exp((q[small] + rest[small]) ** 2 * np.float32(-0.5 / sigma**2))
    ratio = np.log(np.maximum(density * (q / np.float32(sigma * (2 * np.pi) ** 0.5)), np.exp(_FLOOR)))
    beyond = values > _BEYOND_ZERO * q
    squares = np.where(beyond, rest * rest, 0).sum(1) / np.maximum(beyond.sum(1), 1)
    return _Judged(ratio.sum(1), (beyond & (rest > FAR * sigma)).sum(1), squares / sigma**2)


def _is_spread(values: Floats, step: int, sigma: float) -> bool:
    """Return whether magnitudes (N,) that a step would make 0 vary more than noise does."""
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
    usual = np.nanmedian(around, 0).reshape(FREQUENCIES)
    better = (likely > table) & (table < _UNLIKE * usual) & (likely < _ALIKE * usual)
    return np.where(better, likely, table)


def _divided(table: Table, coefficients: Floats, sigma: Floats) -> Table:
    """Return a table with those steps divided that coefficients (N, 64) between multiples contradict."""
    rest = np.abs(coefficients - table * np.rint(coefficients / table))
    strays = (rest > FAR * sigma) & (np.abs(coefficients) > _BEYOND_ZERO * table)
    divided = table.copy()
    for k in np.flatnonzero(strays.sum(0) >= _LEAST_STRAYS):
        values = coefficients[strays[:, k], k]
        for step in (table[k] // part for part in _PARTS if table[k] % part == 0):
            near = np.abs(values - step * np.rint(values / step)) <= FAR * sigma[k]
            if near.mean() >= _MOST and step > _LEAST_PART * sigma[k]:
                divided[k] = step
                break
    return divided


def _filled(table: Table) -> Table:
    """Return a table without zeros.

    Beside small steps there may be others whose coefficients are lost in the noise; beside large ones there
    are none.
    """
    filled = table.copy()
    for k in np.flatnonzero(table == 0):
        u, v = divmod(int(k), BLOCK)
        before = [filled[k - BLOCK]] * (u > 0) + [filled[k - 1]] * (v > 0)
        filled[k] = max(before) if before and max(before) <= _FILLED else MAX_STEP
    return filled
