"""Kept JPEG files and their streams against the plain decoder, which was written from the format alone."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from made_jpeg import BASELINE, FULL, SCRIPT, Factors, made, segment, skeleton_of
from pixcodec import reference
from pixcodec.jpeg.files.parts import Oddities
from pixcodec.jpeg.scans.work import GIVEN, ZEROS
from pixcodec.jpeg.stream import coder
from pixcodec.jpeg.stream.coder import Image as Blocks
from pixcodec.jpeg.stream.coder import Workers, encode_streams
from pixcodec.jpeg.stream.state import (
    NETWORK_WEIGHT,
    NETWORKED_SUM,
    NODE_CLASSES,
    THOROUGHNESS,
    StreamKind,
)
from pixcodec.mixing.mixer import WEIGHT_BITS
from pixcodec.reference import jpeg_stream_network, jpeg_streams
from pixcodec.reference.jpeg_stream_bits import Bits
from pixcodec.reference.jpeg_text import efforts
from pixcodec.reference.text import Section

pytestmark = pytest.mark.slow

EFFORTS = ("fast", "normal", "max")
PHOTO = samples.large_photo()


def jpeg(mode: str = "RGB", height: int = 33, width: int = 27, quality: int = 50, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PHOTO[:height, 60 : 60 + width]).convert(mode).save(
        file, "JPEG", quality=quality, **options
    )
    return file.getvalue()


def check(data: bytes, effort: str = "fast") -> reference.Kept:
    """Encode a JPEG file, decode it by the plain decoder; return what that found in the file."""
    packed = pixcodec.encode(data, effort=effort)
    assert reference.restore(packed) == data
    kept = reference.Kept(packed)
    assert EFFORTS[kept.effort] == effort
    return kept


LIKE_LIBJPEG = {
    "grey": jpeg("L", height=43, width=37),
    "one pixel": jpeg(height=1, width=1),
    "4:2:0": jpeg(height=47, width=35),
    "4:2:2": jpeg(subsampling=1, height=17, width=40, quality=85),
    "4:4:4": jpeg(subsampling=0, height=25, width=24, quality=30),
    "CMYK": jpeg("CMYK", height=19, width=22, quality=30),
    "optimised": jpeg(optimize=True),
    "restarts": jpeg(restart_marker_blocks=2, height=17, width=41),
    "progressive": jpeg(progressive=True),
    "progressive grey": jpeg("L", progressive=True, quality=90),
    "progressive CMYK": jpeg("CMYK", progressive=True, height=17, width=16, quality=20),
    "progressive restarts": jpeg(progressive=True, restart_marker_blocks=3, subsampling=0, height=17),
}


@pytest.mark.parametrize("effort", EFFORTS)
@pytest.mark.parametrize("name", LIKE_LIBJPEG)
def test_files_of_libjpeg(name: str, effort: str) -> None:
    assert check(LIKE_LIBJPEG[name], effort).coded


THUMBNAIL = jpeg("L", height=30, width=34, quality=95)
WITH_FILES_INSIDE = {
    "thumbnails": jpeg()[:20] + 2 * segment(0xE1, b"Exif\0\0" + THUMBNAIL + b"behind") + jpeg()[20:],
    "files that follow": jpeg()
    + jpeg("L", height=9)
    + b"\xff\xd8\xff no file"
    + jpeg(progressive=True)
    + b"end",
}


@pytest.mark.parametrize("stripe", [30, 1000])
@pytest.mark.parametrize("name", ["grey", "4:2:0", "CMYK", *WITH_FILES_INSIDE])
def test_stripes(name: str, stripe: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coder, "STRIPE_COEFFICIENTS", stripe)
    data = {**LIKE_LIBJPEG, **WITH_FILES_INSIDE}[name]
    kept = check(data)
    assert kept.stored is None
    assert (kept.coefficients[1] > 1) == (stripe == 30)  # after the number of the networks
    assert len(kept.files) == {"thumbnails": 2, "files that follow": 3}.get(name, 1)


ODD_FACTORS = {
    "4:1:1": [(4, 1), (1, 1), (1, 1)],
    "4:4:0": [(1, 2), (1, 1), (1, 1)],
    "luma with fewer samples": [(1, 1), (2, 2), (1, 1)],
    "no whole numbers": [(3, 1), (2, 2), (1, 2)],
    "two components": [(2, 1), (1, 2)],
    "four components": [(2, 1), (1, 1), (1, 1), (2, 1)],
}


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("name", ODD_FACTORS)
def test_any_sampling_factors(name: str, progressive: bool) -> None:
    factors: Factors = ODD_FACTORS[name]
    scans = SCRIPT if progressive else FULL
    if len(factors) != 3:
        scans = [(list(range(len(factors))), (0, 0) if progressive else (0, 63), (0, 0))]
        scans += [([1], (1, 63), (0, 0))] * progressive
    assert check(made(skeleton_of(factors, scans, progressive=progressive), share=0.02)).coded


RUNS = np.array([[0, 1], [2, 3], [9, 2]], np.int32)
PROGRESSIVE = [([0], (1, 63), (0, 1)), ([0], (1, 63), (1, 0))]
ONE = [(1, 1)]
ODD = {
    "zeros": made(skeleton_of(ONE, BASELINE, progressive=False, interval=2), fill=ZEROS, share=0.02),
    "padding": made(
        skeleton_of(ONE, BASELINE, progressive=False, interval=2),
        fill=GIVEN,
        padding=bytes(range(7, 47, 2)),
        share=0.02,
    ),
    "zero runs": made(
        skeleton_of(ONE, BASELINE, progressive=False), share=0.001, oddities=(Oddities(None, RUNS),)
    ),
    "runs that break off": made(
        skeleton_of(ONE, PROGRESSIVE, progressive=True),
        share=0.001,
        oddities=(Oddities(np.array([3, 8], np.int32), RUNS), Oddities(np.array([5, 30], np.int32))),
    ),
    "corrections that fill the buffer": made(
        skeleton_of(ONE, PROGRESSIVE, progressive=True), share=0.9, most=900
    ),
    "large values": made(skeleton_of(ONE, BASELINE, progressive=False), most=3000, share=0.2),
    "a symbol that stands twice": jpeg().replace(b"\x01\x7d\x01\x02\x03", b"\x01\x7d\x01\x02\x02"),
}


@pytest.mark.parametrize("name", ODD)
def test_what_libjpeg_would_not_write(name: str) -> None:
    assert check(ODD[name]).coded


def test_a_file_that_is_stored() -> None:
    kept = check(jpeg()[:400])
    assert (kept.stored, kept.coded) == (jpeg()[:400], False)


# Streams


def check_blocks(image: Blocks, kind: StreamKind) -> set[str]:
    """Encode an image, decode it by the plain decoder; return what happened on the way."""
    payload = encode_streams([image], kind, Workers(1))
    components = []
    for blocks, table, (vertical, horizontal) in zip(image.blocks, image.tables, image.scales, strict=True):
        steps = np.asarray(table).reshape(8, 8)
        components.append(jpeg_streams.Component(*blocks.shape[:2], vertical[1], horizontal[1], steps))
    seen: set[str] = set()

    class Watched(Bits):
        def round(self, bits: Any) -> Any:
            found = super().round(bits)
            seen.update(self.seen)
            return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jpeg_streams, "Bits", Watched)
        (found,) = jpeg_streams.decode(payload, [components], kind.effort, networked=kind.networked)
    for blocks, expected in zip(found, image.blocks, strict=True):
        np.testing.assert_array_equal(blocks.reshape(expected.shape), expected)
    return seen


def grey(blocks: np.ndarray, step: int = 8) -> Blocks:
    return Blocks([blocks.astype(np.int16)], [np.arange(step, step + 64)], [((1, 1), (1, 1))])


@pytest.mark.parametrize("networked", [False, True])
@pytest.mark.parametrize("effort", range(3))
def test_the_fits_learn_from_some_blocks_once_many_are_known(effort: int, networked: bool) -> None:
    rng = np.random.default_rng(effort)
    blocks = np.zeros((24, 25, 64), np.int64)
    blocks[:, :, 0] = np.cumsum(rng.integers(-9, 10, (24, 25)), axis=1)
    blocks[:, :, 1] = rng.integers(-1, 2, (24, 25)) + blocks[:, :, 0] // 8
    seen = check_blocks(grey(blocks), StreamKind(effort, networked))
    assert {"found", "beside", "replaced"} <= seen
    assert ("plain" in seen) == (effort == 0)


@pytest.mark.parametrize("networked", [False, True])
@pytest.mark.parametrize("step", [1, 255, 65535 - 63])
def test_extreme_values(step: int, networked: bool) -> None:
    rng = np.random.default_rng(step)
    luma = rng.choice([-32768, -1, 0, 32767], (4, 2, 64)).astype(np.int16)
    luma[1, 1] = 0
    chroma = rng.choice([-32768, 0, 0, 1], (2, 1, 64)).astype(np.int16)
    tables = [np.arange(step, step + 64)] * 3
    scales = [((2, v), (2, v)) for v in (2, 1, 1)]
    check_blocks(Blocks([luma, chroma, -1 - chroma], tables, scales), StreamKind(0, networked))


# The text


def test_constants_are_those_of_the_format() -> None:
    for effort, expected in zip(efforts(), THOROUGHNESS, strict=True):
        numbers = expected.contexts, expected.mixers, expected.slot_bits, expected.sampled
        assert tuple(effort) == (*numbers, expected.plain_kind, expected.plain_fit)
    assert efforts()[1].plain == NODE_CLASSES
    first = [round(weight * (1 << WEIGHT_BITS)) for weight in (NETWORK_WEIGHT, NETWORKED_SUM)]
    words = Section("Bits of networks").words
    assert f"{first[0]} for input 0, and {first[1]} // J" in words
    assert jpeg_stream_network.NUMBER == coder.NETWORK
