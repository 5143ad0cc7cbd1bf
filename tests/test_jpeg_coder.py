"""The chunk COEF: coefficients come back from it, few bytes say much, damage is noticed."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import earlier_chunk
import samples
from jpeg_file import jpeg_of, read_jpeg
from pixcodec.errors import CorruptFileError, UnsupportedVersionError
from pixcodec.jpeg import chunk
from pixcodec.jpeg.coefficients import MAX_COEFFICIENT, SUBSAMPLINGS, Coefficients, block_counts
from pixcodec.jpeg.decoders import DECODERS
from pixcodec.jpeg.stream.coder import Workers

QUARTER = 2
EFFORTS = range(3)
HEAD = 5  # bytes before the tables
START = HEAD + 3 * 64


def encode_coefficients(c: Coefficients, effort: int = 0) -> bytes:
    return chunk.encode_coefficients(c, effort, Workers(1))


def decode_coefficients(
    payload: bytes, height: int, width: int, channels: int, *, wider: bool = True
) -> Coefficients:
    return chunk.decode_coefficients(payload, height, width, channels, wider=wider, workers=Workers(1))


def check(c: Coefficients, effort: int = 0) -> bytes:
    """Encode, decode and compare, in the earlier way, too; return the payload."""
    payload = encode_coefficients(c, effort)
    check_decoded(decode_coefficients(payload, c.height, c.width, len(c.blocks)), c)
    earlier = earlier_chunk.encode_coefficients(c, wider=c.wider)
    check_decoded(decode_coefficients(earlier, c.height, c.width, len(c.blocks), wider=c.wider), c)
    return payload


def check_decoded(found: Coefficients, c: Coefficients) -> None:
    assert found[:6] == c[:6]
    for tables in zip(found.tables, c.tables, strict=True):
        np.testing.assert_array_equal(*tables)
    for ours, theirs in zip(found.blocks, c.blocks, strict=True):
        assert ours.dtype == np.int16
        np.testing.assert_array_equal(ours, theirs)


def filled(
    value: int, height: int = 20, width: int = 30, channels: int = 3, subsampling: int = QUARTER
) -> Coefficients:
    """Return coefficients that are all the same, with steps of 1."""
    factors = SUBSAMPLINGS[subsampling]
    counts = [block_counts(height, width, 0, 0, *factors, k) for k in range(channels)]
    blocks = tuple(np.full((*count, 64), value, np.int16) for count in counts)
    return Coefficients(height, width, 0, 0, *factors, (np.ones(64, np.int32),) * channels, blocks)


def unchecked(coefficients: Coefficients) -> bytes:
    """Return the payload of coefficients that the encoder refuses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunk, "MAX_COEFFICIENT", 1 << 14)
        return encode_coefficients(coefficients)


@st.composite
def any_coefficients(draw: st.DrawFn) -> Coefficients:
    channels = draw(st.sampled_from([1, 3]))
    horizontal, vertical = draw(st.sampled_from(SUBSAMPLINGS)) if channels == 3 else (1, 1)
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    top, left = draw(st.integers(0, 8 * vertical - 1)), draw(st.integers(0, 8 * horizontal - 1))
    counts = [block_counts(height, width, top, left, horizontal, vertical, k) for k in range(channels)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    most = draw(st.sampled_from([1, 5, 100, MAX_COEFFICIENT]))
    share = draw(st.sampled_from([0.01, 0.2, 1]))
    blocks = []
    for count in counts:
        shape = (*count, 64)
        blocks.append((rng.integers(-most, most + 1, shape) * (rng.random(shape) < share)).astype(np.int16))
    tables = tuple(rng.integers(1, 256, 64, np.int32) for _ in counts)
    return Coefficients(height, width, top, left, horizontal, vertical, tables, tuple(blocks))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(any_coefficients(), st.sampled_from(EFFORTS))
def test_any_coefficients_come_back(coefficients: Coefficients, effort: int) -> None:
    check(coefficients, effort)


@pytest.mark.parametrize("value", [-MAX_COEFFICIENT, -1, 0, 1, 1024, MAX_COEFFICIENT])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_equal_coefficients_come_back(value: int, subsampling: int) -> None:
    check(filled(value, subsampling=subsampling))


@pytest.mark.parametrize("value", [-MAX_COEFFICIENT, MAX_COEFFICIENT])
def test_every_place_of_a_block_comes_back(value: int) -> None:
    found = filled(0, 64, 64, 1, 0)
    found.blocks[0].reshape(64, 64)[np.arange(64), np.arange(64)] = value
    check(found)


@pytest.mark.parametrize("bits", range(12))
def test_magnitudes_at_powers_of_two_come_back(bits: int) -> None:
    found = filled(0, 8, 40, 1, 0)
    near = np.clip((1 << bits) + np.array([-1, 0, 1]), -MAX_COEFFICIENT, MAX_COEFFICIENT)
    found.blocks[0].reshape(5, 64)[:, 5:11] = np.concatenate([near, -near])
    check(found)


def test_a_payload_is_the_same_each_time() -> None:
    found = read_jpeg(jpeg_of(samples.photo(3), 80, QUARTER))
    assert encode_coefficients(found) == encode_coefficients(found)


def optimised_size_bytes(pixels: samples.Pixels, quality: int, subsampling: int) -> int:
    """Return the size of the smaller of both kinds of JPEG file, baseline and progressive."""
    sizes = []
    for progressive in (False, True):
        file = io.BytesIO()
        image = Image.fromarray(pixels.squeeze())
        image.save(
            file,
            "jpeg",
            quality=quality,
            subsampling=subsampling,
            optimize=True,
            progressive=progressive,
        )
        sizes.append(len(file.getvalue()))
    return min(sizes)


@pytest.mark.parametrize("quality", [50, 75, 95])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_photograph_takes_clearly_fewer_bytes_than_its_file(quality: int, subsampling: int) -> None:
    """One bitstream always did; streams are much quicker, and hardly longer."""
    photo = samples.large_photo()
    coefficients = read_jpeg(jpeg_of(photo, quality, subsampling))
    earlier = len(earlier_chunk.encode_coefficients(coefficients))
    assert earlier < 0.85 * optimised_size_bytes(photo, quality, subsampling)
    for effort, most in ((1, 1.004), (2, 1.002)):
        assert len(check(coefficients, effort)) < most * earlier


def test_grey_takes_clearly_fewer_bytes_than_its_file() -> None:
    photo = np.ascontiguousarray(samples.large_photo()[:, :, :1])
    payload = check(read_jpeg(jpeg_of(photo, 75)))
    assert len(payload) < 0.85 * optimised_size_bytes(photo, 75, 0)


# Damage


@pytest.fixture(scope="module")
def payload() -> bytes:
    """Return the payload of a photograph of 47x61 pixels, 4:2:0."""
    return encode_coefficients(read_jpeg(jpeg_of(samples.photo(3), 80, QUARTER)))


def decode(payload: bytes, height: int = 47, width: int = 61, channels: int = 3) -> Coefficients:
    return decode_coefficients(payload, height, width, channels)


def with_byte(payload: bytes, at: int, value: int) -> bytes:
    return payload[:at] + bytes([value]) + payload[at + 1 :]


@pytest.mark.parametrize("size", [0, 1, 2, 5, 66, 196])
def test_a_payload_without_all_tables_is_refused(payload: bytes, size: int) -> None:
    with pytest.raises(CorruptFileError, match=f"coefficients are {size} bytes, expected at least 197"):
        decode(payload[:size])


def test_a_grey_payload_has_one_table() -> None:
    with pytest.raises(CorruptFileError, match="coefficients are 68 bytes, expected at least 69"):
        decode(bytes(68), channels=1)


@pytest.mark.parametrize("at", [HEAD, HEAD + 63, HEAD + 64, HEAD + 191])
def test_a_step_of_0_is_refused(payload: bytes, at: int) -> None:
    with pytest.raises(CorruptFileError, match="step of quantisation is 0"):
        decode(with_byte(payload, at, 0))


@pytest.mark.parametrize("value", [8, 9, 255])
def test_an_unknown_subsampling_is_refused(payload: bytes, value: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=f"subsampling is {value}"):
        decode(with_byte(payload, 2, value))


def test_grey_has_no_subsampling(payload: bytes) -> None:
    for value in (1, 2):
        with pytest.raises(CorruptFileError, match=f"subsampling of a grey image is {value}"):
            decode(with_byte(payload, 2, value), channels=1)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_an_image_begins_in_its_first_block(subsampling: int) -> None:
    horizontal, vertical = SUBSAMPLINGS[subsampling]
    payload = encode_coefficients(filled(3, subsampling=subsampling))
    for top, left in ((8 * vertical, 0), (0, 8 * horizontal), (255, 255)):
        wrong = with_byte(with_byte(payload, 0, top), 1, left)
        with pytest.raises(CorruptFileError, match=rf"image begins at \({left}, {top}\)"):
            decode(wrong, 20, 30)


@pytest.mark.parametrize("value", [-2048, 2048, 4095])
@pytest.mark.parametrize("place", [(0, 0), (1, 37), (2, 63)])
def test_coefficients_that_no_file_has_are_refused(value: int, place: tuple[int, int]) -> None:
    found = filled(0)
    found.blocks[place[0]][0, 0, place[1]] = value
    with pytest.raises(CorruptFileError, match="a coefficient is beyond 2047"):
        decode(unchecked(found), 20, 30)


@pytest.mark.parametrize("value", [2047, -2047])
def test_dc_may_not_leave_the_range_by_what_is_foreseen(value: int) -> None:
    found = filled(0, 8, 40, 1, 0)
    found.blocks[0][0, :, 0] = value
    check(found)
    found.blocks[0][0, 1:, 0] += 1500 if value > 0 else -1500
    with pytest.raises(CorruptFileError, match="a coefficient is beyond 2047"):
        decode(unchecked(found), 8, 40, 1)


def test_a_bitstream_is_whole_words(payload: bytes) -> None:
    for cut in (1, 2, 3):
        with pytest.raises(CorruptFileError, match="expected a multiple of 4"):
            decode(payload[:-cut])


# One word more may be what an encoder writes, too.
@pytest.mark.parametrize("more", [bytes(8), b"\xff" * 8, b"\x01\x02\x03\x04" * 9])
def test_leftover_words_are_refused(payload: bytes, more: bytes) -> None:
    with pytest.raises(CorruptFileError, match="more words than its symbols take"):
        decode(payload + more)


@pytest.mark.slow
def test_a_truncated_or_changed_bitstream_is_refused_or_gives_something(payload: bytes) -> None:
    rng = np.random.default_rng(6)
    damaged = [payload[:size] for size in range(START, len(payload), 52)]
    damaged = [part[: START + (len(part) - START) // 4 * 4] for part in damaged]
    for at in range(START, len(payload), 31):
        damaged.append(with_byte(payload, at, payload[at] ^ 0x55))
    damaged += [payload[:START] + rng.bytes(800) for _ in range(5)]
    damaged += [payload[:START] + byte * 400 for byte in (b"\0", b"\xff")]
    refused = 0
    for wrong in damaged:
        try:
            found = decode(wrong)
        except (CorruptFileError, UnsupportedVersionError):
            refused += 1
        else:
            assert all(np.abs(b).max() <= MAX_COEFFICIENT for b in found.blocks)
    assert refused > 0.8 * len(damaged)


@pytest.mark.parametrize("size", [(48, 61), (47, 99), (40, 50), (200, 300)])
def test_the_payload_of_another_size_is_no_crash(payload: bytes, size: tuple[int, int]) -> None:
    with contextlib.suppress(CorruptFileError):
        decode(payload, *size)


@pytest.mark.parametrize("value", [2048, -2048])
def test_coefficients_beyond_jpegs_are_not_encoded(value: int) -> None:
    coefficients = filled(1)
    coefficients.blocks[0][0, 0, 5] = value
    with pytest.raises(ValueError, match="beyond 2047"):
        encode_coefficients(coefficients)


def test_decoders_and_orientations_come_back_and_unknown_ones_are_refused() -> None:
    c = filled(3)._replace(decoder=DECODERS[3], orientation=4)
    payload = encode_coefficients(c, 1)

    def read(payload: bytes) -> Coefficients:
        return decode_coefficients(payload, c.width, c.height, 3)

    assert read(payload)[:6] == c[:6]
    assert read(payload)[8:] == c[8:]
    decoder = payload[3]
    assert decoder == 128 + 32 + 16 + 3
    unknown = [(2, 9, "subsampling is 9"), (3, decoder | 15, "decoder is 15"), (4, 9, "orientation is 9")]
    unknown += [(3, decoder | 64, "effort of streams is 3"), (3, 9, "decoder is 9"), (3, 32, "decoder is 32")]
    for at, value, message in unknown:
        with pytest.raises(UnsupportedVersionError, match=message):
            read(with_byte(payload, at, value))


def test_an_earlier_payload_knows_fewer_subsamplings() -> None:
    earlier = earlier_chunk.encode_coefficients(filled(3))
    with pytest.raises(UnsupportedVersionError, match="subsampling is 3"):
        decode_coefficients(with_byte(earlier, 2, 3), 20, 30, 3, wider=False)
