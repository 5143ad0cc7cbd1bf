"""Integer distributions: valid for all parameters, equal to the oracle's, close to the real mixture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import samples
from pixcodec.network.architecture import LOG_SCALE_MIN, LOGIT_MAX, MEAN_MAX, PMF_FLOOR
from pixcodec.network.distribution import (
    Mixture,
    component_weights,
    frequencies,
    high_rows,
    logistic_steps,
    low_rows,
    straight_pieces,
)
from pixcodec.network.integer_net import MixtureParameters
from pixcodec.network.model import SCALE_ENTRIES, Model
from pixcodec.network.model_files import candidate_models, load_model, shipped_model
from pixcodec.network.structs import struct_of
from pixcodec.reference import core

MODEL = load_model(samples.GOLDEN / "rgb.safetensors")
LOGISTIC, SCALE, WEIGHT = (MODEL.tensors[f"table.{n}"] for n in ("logistic", "scale", "weight"))
SHIPPED = shipped_model(3)
STRAIGHT = SHIPPED.tensors["table.logistic"]  # of straight pieces
TABLES = {"bent": LOGISTIC, "straight": STRAIGHT}
MEAN_LIMIT = 16 * 255 + MEAN_MAX + 2 * (255 * 255 // 8 + 1)  # base, output and two couplings at their bounds

Ints = npt.NDArray[np.int64]
Table = npt.NDArray[np.int32]
Parameters = tuple[list[int], list[int], list[int]]  # logit, mean, index of the scale; each (K,)


def a_mixture(k: int) -> st.SearchStrategy[Parameters]:
    def lists(low: int, high: int) -> st.SearchStrategy[list[int]]:
        return st.lists(st.integers(low, high), min_size=k, max_size=k)

    means = st.one_of(lists(-MEAN_LIMIT, MEAN_LIMIT), lists(-100, 16 * 256 + 100))
    return st.tuples(lists(-LOGIT_MAX, LOGIT_MAX), means, lists(0, SCALE_ENTRIES - 1))


MIXTURES = st.integers(1, 6).flatmap(a_mixture)

EXTREMES: dict[str, Parameters] = {
    "far below": ([0, 0], [-MEAN_LIMIT, -MEAN_LIMIT], [0, 320]),
    "far above": ([0, 0], [MEAN_LIMIT, MEAN_LIMIT], [0, 320]),
    "one value": ([0], [16 * 100], [0]),
    "at the lowest edge": ([0], [0], [0]),
    "at the highest edge": ([0], [16 * 255], [0]),
    "between two values": ([0], [16 * 100 + 8], [0]),
    "between two nibbles": ([0], [16 * 112 - 8], [0]),
    "as wide as can be": ([0], [16 * 128], [320]),
    "one of six": ([1023, *[-1023] * 5], [0, 1, 2, 3, 4, 5], [100] * 6),
    "equal logits": ([7] * 6, [16 * v for v in (0, 50, 100, 150, 200, 255)], [40] * 6),
    "logits at the end of the table": ([511, 0, -1], [1000, 2000, 3000], [64] * 3),
}


def prepared(p: Parameters) -> tuple[Ints, Ints, Ints]:
    """Return weight, mean and inverse scale, each (1, K), as the kernels take them."""
    logit, mean, scale = p
    weight = np.zeros((1, len(logit)), np.int64)
    component_weights(np.array(logit, np.int32), WEIGHT, weight, 0)
    return weight, np.array([mean], np.int64), SCALE[np.array([scale])].astype(np.int64)


def categorical(p: Parameters, model: Model = MODEL) -> Ints:
    """Return the frequencies F(v + 1) - F(v) of all 256 values."""
    logit, mean, scale = (np.tile(np.array(part, np.int32), (256, 1)) for part in p)
    return frequencies(model, MixtureParameters(logit, mean, scale), np.arange(256, dtype=np.int32))


def rows_of(
    p: Parameters, table: Table = LOGISTIC
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the row of the high nibble (16,), and those of the low nibble for every high one (16, 16)."""
    parts = [np.repeat(part, 16, 0) for part in prepared(p)]
    mixture = struct_of(Mixture(*parts, logistic_steps(table)))
    rows = np.zeros((16, 16))
    high_rows(0, 16, mixture, rows)
    high = rows[0].copy()
    low_rows(0, 16, np.arange(16), high.astype(np.int64) + 1, mixture, rows)
    return high, rows


def check(p: Parameters, table: Table) -> None:
    logit, mean, scale = p
    weight = prepared(p)[0]
    assert weight.sum() == 2**16
    assert (weight >= 0).all()
    lane = (core.weights(logit, WEIGHT.tolist()), mean, SCALE[scale].tolist(), table.tolist())
    assert weight[0].tolist() == lane[0]

    frequency = categorical(p, SHIPPED if table is STRAIGHT else MODEL)
    edges = [core.cumulative(v, *lane) for v in range(257)]
    assert frequency.tolist() == np.diff(edges).tolist()
    assert frequency.sum() == 2**24
    assert frequency.min() >= PMF_FLOOR

    high, low = rows_of(p, table)
    for row in (high, *low):
        assert row.sum() == 2**24 - 16
        assert row.min() >= 0
        assert (row == np.floor(row)).all()
    assert (high + 1).tolist() == core.high_frequencies(*lane)
    for nibble in range(16):
        assert (low[nibble] + 1).tolist() == core.low_frequencies(nibble, *lane)

    # Two symbols of 16 say what one of 256 says, but for the rounding of the second.
    product = ((high[:, None] + 1) * (low + 1) / 2**24).reshape(256)
    assert np.abs(product - frequency).max() <= 2 + 16 * (high + 1).max() / 2**24
    costs = np.log2(product / frequency)
    assert np.abs(costs[frequency > 1000]).max(initial=0) < 0.02


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_mixtures_are_valid_and_equal_the_oracle(name: str, table: str) -> None:
    check(EXTREMES[name], TABLES[table])


@pytest.mark.parametrize("table", TABLES)
@settings(max_examples=60)
@given(MIXTURES)
def test_any_mixture_is_valid_and_equals_the_oracle(table: str, p: Parameters) -> None:
    check(p, TABLES[table])


def test_only_a_mirrored_table_of_straight_pieces_is_looked_up_as_such() -> None:
    assert straight_pieces(LOGISTIC.astype(np.int64)) is None
    straight = STRAIGHT.astype(np.int64)
    found = straight_pieces(straight)
    assert found is not None
    np.testing.assert_array_equal(found[:32], straight[512:1024:16])
    np.testing.assert_array_equal(found[32:] * 16, np.diff(straight[512::16]))
    for changed in (3, 520, 700, 1024):
        other = straight.copy()
        other[changed] += 1
        assert straight_pieces(other) is None
    steep = straight.copy()  # mirrored, of straight pieces, but the last one is not level
    steep[-17:] += np.arange(17) - 16
    steep[:17] += 16 - np.arange(17)
    assert straight_pieces(steep) is None


def test_a_steep_table_is_read_step_by_step() -> None:
    """Products of the pieces have 15 bits: no table of a caller's own may need more."""
    center, top = 2**21, 2**22
    upper = np.concatenate([center + 2**16 * np.arange(33), np.full(480, top)])
    table = np.concatenate([top - upper[:0:-1], upper]).astype(np.int32)
    assert straight_pieces(table.astype(np.int64)) is None
    mixture = [np.repeat(part, 16, 0) for part in prepared(EXTREMES["as wide as can be"])]
    rows = np.zeros((16, 16))
    high_rows(0, 16, struct_of(Mixture(*mixture, logistic_steps(table))), rows)
    logit, mean, scale = EXTREMES["as wide as can be"]
    lane = (core.weights(logit, WEIGHT.tolist()), mean, SCALE[scale].tolist(), table.tolist())
    assert (rows[0] + 1).tolist() == core.high_frequencies(*lane)


def test_the_pieces_of_shipped_tables_are_close_to_the_function() -> None:
    z = (np.arange(1025) - 512) / 32
    for channels in (1, 3):
        for model in candidate_models(channels):
            table = model.tensors["table.logistic"]
            assert straight_pieces(table.astype(np.int64)) is not None
            np.testing.assert_allclose(table / 2**22, 1 / (1 + np.exp(-z)), atol=0.0031)
            np.testing.assert_allclose(table[::16] / 2**22, 1 / (1 + np.exp(-z[::16])), atol=2**-18)


def floating(p: Parameters) -> npt.NDArray[np.float64]:
    """Return the categorical (256,) of the mixture in floating point, with the floor."""
    logit, mean, scale = (np.array(part, float) for part in p)
    share = np.exp((logit - logit.max()) / 32)
    share /= share.sum()
    width = np.exp(scale / 32 + LOG_SCALE_MIN)
    edges = (np.arange(1, 256)[:, None] - 0.5 - mean / 16) / width
    below = (share / (1 + np.exp(-np.clip(edges, -700, 700)))).sum(1)
    mass = np.diff(np.concatenate([[0], below, [1]]))
    return mass * (1 - 256 * PMF_FLOOR / 2**24) + PMF_FLOOR / 2**24


@settings(max_examples=60)
@given(MIXTURES)
def test_any_mixture_is_close_to_the_one_in_floating_point(p: Parameters) -> None:
    assert np.abs(categorical(p) / 2**24 - floating(p)).max() < 5e-4


@settings(max_examples=60)
@given(st.integers(0, 16 * 255), st.integers(32, 288), st.integers(-600, 600))
def test_likely_mixtures_cost_what_they_cost_in_floating_point(mean: int, scale: int, logit: int) -> None:
    p = ([0, logit], [mean, 2000], [scale, 200])
    expected = floating(p)
    lost_bits = float((expected * np.log2(expected / (categorical(p) / 2**24))).sum())
    assert 0 <= lost_bits + 1e-9 < 0.0005


def test_the_tables_are_those_of_the_functions() -> None:
    z = (np.arange(1025) - 512) / 32
    np.testing.assert_allclose(LOGISTIC / 2**22, 1 / (1 + np.exp(-z)), atol=2**-23)
    np.testing.assert_allclose(SCALE, 2**18 * np.exp(4 - np.arange(321) / 32), atol=0.51)
    np.testing.assert_allclose(WEIGHT, 2**24 * np.exp(-np.arange(512) / 32), atol=0.51)


def test_lanes_do_not_touch_each_other() -> None:
    lanes: list[Parameters] = [EXTREMES[n] for n in ("one value", "as wide as can be", "at the highest edge")]
    parts = (np.concatenate(part) for part in zip(*map(prepared, lanes), strict=True))
    rows = np.full((4, 16), -7.0)
    high_rows(0, 3, struct_of(Mixture(*parts, logistic_steps(LOGISTIC))), rows)
    for i, lane in enumerate(lanes):
        np.testing.assert_array_equal(rows[i], rows_of(lane)[0])
    assert (rows[3] == -7).all()
