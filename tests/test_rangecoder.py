"""The range coder: what goes in comes out, at the price that the frequencies say; damage is an error."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.errors import CorruptFileError
from pixcodec.reference import core

Symbols = npt.NDArray[np.int32]
Rows = npt.NDArray[np.float64]


def random_rows(rng: np.random.Generator, n: int, size: int, sharpness: float = 1.0) -> Rows:
    """Return rows (N, S) of integers >= 0 that sum to 2**24 - S."""
    shares = rng.dirichlet(np.full(size, 1 / sharpness), n)
    rows = np.floor(shares * (2**24 - size))
    rows[np.arange(n), rows.argmax(1)] += 2**24 - size - rows.sum(1)
    return np.ascontiguousarray(rows)


def drawn(rng: np.random.Generator, rows: Rows) -> Symbols:
    """Return one symbol per row, drawn with its frequencies."""
    edges = np.cumsum(rows + 1, 1)
    return (rng.integers(0, 2**24, (len(rows), 1)) >= edges).sum(1).astype(np.int32)


def encoded(batches: list[tuple[Symbols, Rows]]) -> bytes:
    encoder = Encoder()
    for symbols, rows in batches:
        assert encoder.code(symbols, rows) is symbols
    return encoder.finish()


def decoded(bitstream: bytes, batches: list[Rows]) -> list[Symbols]:
    decoder = Decoder(bitstream)
    found = [decoder.code(np.zeros(0, np.int32), rows) for rows in batches]
    decoder.finish()
    return found


@settings(max_examples=40)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from([2, 16])), max_size=8),
    st.sampled_from([0.1, 1.0, 20.0, 300.0]),
)
def test_batches_come_back_here_and_by_the_oracle(
    seed: int, shapes: list[tuple[int, int]], sharpness: float
) -> None:
    rng = np.random.default_rng(seed)
    rows = [random_rows(rng, n, size, sharpness) for n, size in shapes]
    symbols = [drawn(rng, r) for r in rows]
    bitstream = encoded(list(zip(symbols, rows, strict=True)))
    assert len(bitstream) % 4 == 0
    for expected, found in zip(symbols, decoded(bitstream, rows), strict=True):
        np.testing.assert_array_equal(found, expected)
    second = core.RangeDecoder(bitstream)
    for expected, batch in zip(symbols, rows, strict=True):
        assert [second.symbol([int(v) + 1 for v in row]) for row in batch] == expected.tolist()
    second.finish()


def test_batches_may_be_cut_anywhere() -> None:
    rng = np.random.default_rng(0)
    rows = random_rows(rng, 100, 16)
    symbols = drawn(rng, rows)
    whole = encoded([(symbols, rows)])
    assert encoded([(symbols[i : i + 7], rows[i : i + 7]) for i in range(0, 100, 7)]) == whole
    pieces = decoded(whole, [rows[i : i + 13] for i in range(0, 100, 13)])
    np.testing.assert_array_equal(np.concatenate(pieces), symbols)


@pytest.mark.parametrize("size", [2, 16, 256])
@pytest.mark.parametrize("sharpness", [0.2, 1.0, 30.0])
def test_bits_are_what_the_frequencies_cost(size: int, sharpness: float) -> None:
    rng = np.random.default_rng(size)
    rows = random_rows(rng, 20_000, size, sharpness)
    symbols = drawn(rng, rows)
    frequency = rows[np.arange(len(rows)), symbols] + 1
    expected_bits = -float(np.log2(frequency / 2**24).sum())
    real_bits = 8 * len(encoded([(symbols, rows)]))
    assert abs(real_bits - expected_bits) <= 0.001 * expected_bits + 64


def certain(n: int, size: int, symbol: int) -> Rows:
    """Return rows in which one symbol takes all but the 1 that every other one keeps."""
    rows = np.zeros((n, size))
    rows[:, symbol] = 2**24 - size
    return rows


@pytest.mark.parametrize("size", [2, 16])
@pytest.mark.parametrize("at", [0, 1, -1])
def test_certain_symbols_cost_nothing(at: int, size: int) -> None:
    rows = certain(5000, size, at)
    symbols = np.full(5000, at % size, np.int32)
    bitstream = encoded([(symbols, rows)])
    assert len(bitstream) <= 8
    np.testing.assert_array_equal(decoded(bitstream, [rows])[0], symbols)


@pytest.mark.parametrize("size", [2, 16])
@pytest.mark.parametrize("at", [0, 1, -1])
def test_the_least_likely_symbols_come_back_at_24_bits_each(at: int, size: int) -> None:
    rows = certain(500, size, at)
    symbols = np.full(500, (at + 1) % size, np.int32)
    bitstream = encoded([(symbols, rows)])
    assert abs(8 * len(bitstream) - 24 * 500) <= 64
    np.testing.assert_array_equal(decoded(bitstream, [rows])[0], symbols)


def test_no_symbols_make_an_empty_bitstream() -> None:
    assert encoded([]) == b""
    decoded(b"", [])


@pytest.mark.parametrize("size", [1, 2, 3, 5, 101])
def test_a_bitstream_that_is_no_whole_number_of_words_is_refused(size: int) -> None:
    with pytest.raises(CorruptFileError, match=f"{size} bytes long, expected a multiple of 4"):
        Decoder(bytes(size))


@pytest.mark.parametrize("extra", [8, 12, 400])
@pytest.mark.parametrize("filling", [b"\0", b"\xff"])
def test_words_too_many_are_refused(filling: bytes, extra: int) -> None:
    rng = np.random.default_rng(1)
    rows = random_rows(rng, 50, 16)
    bitstream = encoded([(drawn(rng, rows), rows)])
    with pytest.raises(CorruptFileError, match="more words than its symbols take"):
        decoded(bitstream + filling * extra, [rows])


@pytest.mark.parametrize("size", [2, 16])
def test_a_word_of_zeros_too_many_is_refused(size: int) -> None:
    rng = np.random.default_rng(size)
    ends = set()
    for n in range(1, 60):
        rows = random_rows(rng, n, size, 20.0)
        symbols = drawn(rng, rows) if n % 3 else np.zeros(n, np.int32)
        bitstream = encoded([(symbols, rows)])
        ends.add(bitstream.endswith(bytes(4)))
        np.testing.assert_array_equal(decoded(bitstream, [rows])[0], symbols)
        with pytest.raises(CorruptFileError, match="more words than its symbols take"):
            decoded(bitstream + bytes(4), [rows])
    assert ends == {False, True}


def outcome(bitstream: bytes, rows: Rows) -> list[int] | None:
    """Return what a bitstream decodes to, or None if it is refused."""
    try:
        return decoded(bitstream, [rows])[0].tolist()
    except CorruptFileError:
        return None


def outcome_by_the_oracle(bitstream: bytes, rows: Rows) -> list[int] | None:
    try:
        decoder = core.RangeDecoder(bitstream)
        found = [decoder.symbol([int(v) + 1 for v in row]) for row in rows]
        decoder.finish()
    except AssertionError:
        return None
    return found


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 40), st.data())
def test_damaged_bitstreams_are_refused_or_decode_as_the_format_says(
    seed: int, n: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    rows = random_rows(rng, n, 16, 3.0)
    original = encoded([(drawn(rng, rows), rows)])
    damaged = bytearray(original)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    words = data.draw(st.integers(0, len(original) // 4 + 2))
    cut = bytes((damaged + bytearray(8))[: 4 * words])
    assert outcome(cut, rows) == outcome_by_the_oracle(cut, rows)


@example(bytes(4))  # fewer words than an encoder writes: those that are missing count as 0
@settings(max_examples=100)
@given(st.binary(max_size=80).map(lambda b: b[: len(b) // 4 * 4]))
def test_garbage_is_refused_or_decodes_as_the_format_says(bitstream: bytes) -> None:
    rows = random_rows(np.random.default_rng(2), 20, 16)
    assert outcome(bitstream, rows) == outcome_by_the_oracle(bitstream, rows)


def test_an_impossible_state_is_refused_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    # A first word of ones leaves less than one part in 2**24 above the last symbol.
    rows = certain(1, 16, 0)
    refused = 0
    for words in ([0xFFFFFFFF] * 4, [0xFFFFFFFF, 0xFFFFFFFF], [0xFFFFFFFF, 0xFFFFFF00]):
        bitstream = np.array(words, "<u4").tobytes()
        refused += outcome(bitstream, rows) is None
    assert refused == 3
    assert capfd.readouterr() == ("", "")


def test_coding_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(3)
    rows = random_rows(rng, 30, 16)
    decoded(encoded([(drawn(rng, rows), rows)]), [rows])
    assert capfd.readouterr() == ("", "")
