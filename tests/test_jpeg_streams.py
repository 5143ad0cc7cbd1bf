"""Streams of coefficients: they come back whatever they are, and damage is an error."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pixcodec
import samples
from jpeg_file import jpeg_of
from pixcodec.container.header import Effort, Header, Mode
from pixcodec.errors import CorruptFileError, UnsupportedVersionError
from pixcodec.jpeg.files.kept import taken_apart
from pixcodec.jpeg.stream import coder
from pixcodec.jpeg.stream.coder import Image, Workers, decode_streams, encode_streams, luma_beside
from pixcodec.jpeg.stream.state import THOROUGHNESS, StreamKind
from pixcodec.mixing.slots import bits_of, hash_of, salt_of
from pixcodec.network.kernels import kernel

KINDS = [StreamKind(effort, networked) for networked in (True, False) for effort in range(len(THOROUGHNESS))]
FAST = StreamKind(0)
FACTORS = {"4:4:4": (1, 1), "4:2:2": (2, 1), "4:2:0": (2, 2), "4:4:0": (1, 2), "4:1:1": (4, 1), "odd": (3, 2)}


def image_of(
    rng: np.random.Generator,
    rows: int,
    columns: int,
    components: int = 3,
    factors: tuple[int, int] = (2, 2),
    most: int = 60,
) -> Image:
    """Return an image with fewer and smaller coefficients at higher frequencies, of so many blocks."""
    across, down = factors
    falls = 1 + np.add.outer(np.arange(8), np.arange(8)).ravel() ** 2
    blocks, scales = [], []
    for component in range(components):
        v, h = (down, across) if component in (0, 3) else (1, 1)
        shape = -(-rows * v // down), -(-columns * h // across)
        values = np.cumsum(rng.integers(-most, most + 1, (*shape, 64)), axis=1) // falls
        blocks.append(values.clip(-32768, 32767).astype(np.int16))
        scales.append(((down, v), (across, h)))
    return Image(blocks, [np.arange(2, 66) + k for k in range(components)], scales)


def empty(images: list[Image]) -> list[Image]:
    return [image._replace(blocks=[np.zeros_like(b) for b in image.blocks]) for image in images]


def check(images: list[Image], kind: StreamKind, workers: Workers | None = None) -> bytes:
    workers = workers or Workers(1)
    payload = encode_streams(images, kind, workers)
    for foreseen in (None, images):
        found = empty(images)
        decode_streams(payload, found, kind, workers, foreseen=foreseen)
        for one, other in zip(images, found, strict=True):
            for blocks, same in zip(one.blocks, other.blocks, strict=True):
                np.testing.assert_array_equal(blocks, same)
    return payload


@pytest.fixture
def small_stripes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coder, "STRIPE_COEFFICIENTS", 300)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factors", FACTORS.values(), ids=FACTORS)
@pytest.mark.parametrize("components", [1, 2, 3, 4])
def test_coefficients_come_back(kind: StreamKind, factors: tuple[int, int], components: int) -> None:
    check([image_of(np.random.default_rng(components), 7, 9, components, factors)], kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("factors", FACTORS.values(), ids=FACTORS)
def test_stripes_come_back(kind: StreamKind, factors: tuple[int, int], small_stripes: None) -> None:
    image = image_of(np.random.default_rng(5), 13, 5, 3, factors)
    payload = check([image, image._replace(), image_of(np.random.default_rng(6), 1, 1, 1)], kind)
    assert payload[kind.networked] > 1  # after the number of the networks


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 999),
    rows=st.integers(1, 6),
    columns=st.integers(1, 6),
    components=st.integers(1, 4),
    factors=st.sampled_from([*FACTORS.values()]),
    most=st.sampled_from([0, 1, 3, 500, 40000]),
    kind=st.sampled_from(KINDS),
)
def test_any_coefficients_come_back(
    seed: int, rows: int, columns: int, components: int, factors: tuple[int, int], most: int, kind: StreamKind
) -> None:
    check([image_of(np.random.default_rng(seed), rows, columns, components, factors, most)], kind)


@pytest.mark.parametrize("value", [-32768, -32767, -1, 1, 2047, 32767])
@pytest.mark.parametrize("step", [1, 255, 65535])
def test_extreme_values_and_steps_come_back(value: int, step: int) -> None:
    blocks = np.zeros((3, 4, 64), np.int16)
    blocks[:, 1::2] = value
    blocks[1, 2, 5] = -1 - value
    tables = [np.where(np.arange(64) % 3, step, 1)] * 3
    check([Image([blocks, blocks[::-1].copy(), -blocks - 1], tables, [((1, 1), (1, 1))] * 3)], FAST)


def test_threads_never_change_the_bytes(small_stripes: None) -> None:
    images = [image_of(np.random.default_rng(1), 16, 12), image_of(np.random.default_rng(2), 5, 4)]
    assert len({check(images, FAST, Workers(threads)) for threads in (1, 2, 5)}) == 1


def test_progress_reaches_the_end(small_stripes: None) -> None:
    seen: list[float] = []
    check([image_of(np.random.default_rng(1), 16, 12)], FAST, Workers(2, seen.append))
    assert seen[-1] == 1.0


def test_luma_beside_chroma_is_added_up() -> None:
    luma = np.arange(-60, 60, dtype=np.int16).reshape(5, 3, 8).repeat(8, axis=2)
    beside = luma_beside(luma, ((2, 1), (2, 1)), 3, 2)
    whole = np.abs(luma.astype(np.int64))
    for r in range(3):
        for c in range(2):
            expected = whole[2 * r : 2 * r + 2, 2 * c : 2 * c + 2].sum((0, 1))
            np.testing.assert_array_equal(beside[r, c], expected)
    large = np.full((2, 2, 64), -32768, np.int16)
    assert luma_beside(large, ((2, 1), (2, 1)), 1, 1).tolist() == [[[32767] * 64]]


def test_a_check_finds_other_coefficients() -> None:
    image = image_of(np.random.default_rng(3), 6, 6)
    payload = encode_streams([image], FAST, Workers(1))
    other = [b.copy() for b in image.blocks]
    other[0][3, 3, 7] += 1
    with pytest.raises(CorruptFileError):
        decode_streams(payload, empty([image]), FAST, Workers(1), foreseen=[image._replace(blocks=other)])


def damaged(payload: bytes, image: Image) -> None:
    """Decode a damaged payload: it is refused, or gives something."""
    with contextlib.suppress(CorruptFileError, UnsupportedVersionError):
        decode_streams(payload, empty([image, image]), FAST, Workers(2))


def test_damage_is_refused_or_gives_something(small_stripes: None) -> None:
    image = image_of(np.random.default_rng(4), 6, 6)
    payload = encode_streams([image, image], FAST, Workers(1))
    rng = np.random.default_rng(0)
    for size in [*range(12), *rng.integers(0, len(payload), 20)]:
        damaged(payload[:size], image)
    for at in [*range(12), *rng.integers(0, len(payload), 40)]:
        changed = bytearray(payload)
        changed[at] ^= 1 << int(rng.integers(0, 8))
        damaged(bytes(changed), image)
    for _ in range(20):
        damaged(rng.bytes(40), image)


@pytest.mark.parametrize("counts", [b"\x00", b"\x07", b"\x40", b"\xff\xff\xff\xff\x0f", b"\x80"])
def test_other_numbers_of_stripes_are_refused(counts: bytes) -> None:
    image = image_of(np.random.default_rng(4), 6, 6)
    with pytest.raises(CorruptFileError):
        decode_streams(b"\x01" + counts + bytes(40), empty([image]), FAST, Workers(1))


@pytest.mark.parametrize("number", [0, 2, 127])
def test_other_networks_are_refused(number: int) -> None:
    image = image_of(np.random.default_rng(4), 6, 6)
    payload = encode_streams([image], FAST, Workers(1))
    with pytest.raises(UnsupportedVersionError, match="number of the networks"):
        decode_streams(bytes([number]) + payload[1:], empty([image]), FAST, Workers(1))


def test_networks_foresee_photographs() -> None:
    data = jpeg_of(samples.photo(3), 85, 2)
    images = taken_apart(data, Header(1, 1, Mode.RGB, Effort.FAST, 1, 1, b"", kept=True, version=11))[1]
    sizes = [len(encode_streams(images, StreamKind(0, networked), Workers(1))) for networked in (True, False)]
    assert sizes[0] < 0.95 * sizes[1]


def test_efforts_differ_in_bytes_and_all_restore() -> None:
    file = jpeg_of(samples.photo(3), 85, 2)
    files: dict[str, Any] = {
        effort: pixcodec.encode(file, effort=effort) for effort in ("fast", "normal", "max")
    }
    assert len(set(files.values())) == 3
    for packed in files.values():
        assert pixcodec.restore(packed, threads=1) == file
        assert len(packed) < 0.95 * len(file)


@kernel
def hash_of_a_low_part(number: int, node: int) -> Any:
    """Return the lowest bits of a hash, where the compiler knows that the node is at least 8."""
    return bits_of(hash_of(number, salt_of(node)), 0, 62) if node >= 8 else np.int64(0)


def test_hashes_wrap_around_whatever_the_compiler_knows_of_the_numbers() -> None:
    for number in (0, 1, 12345, 1 << 40):
        for node in range(8, 16):
            h = (number * 0x9E3779B97F4A7C15 + node * 0xBF58476D1CE4E5B9) % 2**64
            h = (h ^ (h >> 29)) * 0xC2B2AE3D27D4EB4F % 2**64
            assert hash_of_a_low_part(number, node) == h % 2**62
