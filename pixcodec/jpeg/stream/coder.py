"""Coefficients <-> streams: stripes of images, and threads (FORMAT.md, section Stripes).

An image is cut into stripes, each of which begins a stream; an image of no stripes of its own goes on in the
stream before it. Streams are coded at the same time, and know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pixcodec.coding.driver import Coder, run
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.self_test import check_stages
from pixcodec.coding.threads import ALONE, Crew, Progress, map_tiles
from pixcodec.container.header import unknown
from pixcodec.container.varint import pack_varint, read_varint
from pixcodec.errors import CorruptFileError
from pixcodec.jpeg.coefficients import Blocks
from pixcodec.jpeg.self_test import EXPECTED_NETWORKED, EXPECTED_STREAMS, made_image
from pixcodec.jpeg.stream import stage as _stage  # noqa: F401  # implements its operations
from pixcodec.jpeg.stream.state import StreamKind, new_learning, of_component

STRIPE_COEFFICIENTS = 600_000  # that are not 0, of a stripe at least
MAX_STRIPES = 64  # of an image
NETWORK = 1  # the number of the networks that ship
Span = tuple[int, int]  # the first unit of an image, and the one after the last
Scale = tuple[tuple[int, int], tuple[int, int]]  # numerator and denominator, vertical and horizontal


class Image(NamedTuple):
    """What is coded of an image: up to four components."""

    blocks: Sequence[Blocks]  # of each component, (rows, columns, 64)
    tables: Sequence[npt.NDArray[np.integer[Any]]]  # of each component, the steps of quantisation (64,)
    scales: Sequence[Scale]  # of each, how many blocks of the first there are to one of it, along each axis

    @property
    def units(self) -> int:
        """Return the number of rows of the units that the rows of blocks of all components are made of."""
        return max(-(-len(b) // scale[0][1]) for b, scale in zip(self.blocks, self.scales, strict=True))

    def span(self, number: int, count: int) -> Span:
        """Return which units one of so many stripes has."""
        return self.units * number // count, self.units * (number + 1) // count

    def stripe(self, number: int, count: int) -> Image:
        """Return one of so many stripes; its blocks are views of those of the image."""
        first, end = self.span(number, count)
        parts = [b[first * s[0][1] : end * s[0][1]] for b, s in zip(self.blocks, self.scales, strict=True)]
        return self._replace(blocks=parts)


class Workers(NamedTuple):
    """What the caller said of the work: how many threads, whom to tell of progress."""

    threads: int | None = None
    progress: Progress | None = None


def encode_streams(images: Sequence[Image], kind: StreamKind, workers: Workers) -> bytes:
    """Return the streams of the images of a file."""
    counts = [stripe_count(images[0], least=1), *(stripe_count(image, least=0) for image in images[1:])]

    def work(stream: list[Image], crew: Crew) -> bytes:
        encoder = Encoder()
        code_stream(stream, encoder, kind, decoding=False, crew=crew)
        return encoder.finish()

    bitstreams = _map(work, streams_of(images, counts), workers)
    sizes = [len(bitstream) for bitstream in bitstreams[:-1]]
    numbers = [NETWORK] * kind.networked + counts + sizes
    return b"".join([*map(pack_varint, numbers), *bitstreams])


def decode_streams(
    payload: bytes,
    images: Sequence[Image],
    kind: StreamKind,
    workers: Workers,
    *,
    foreseen: Sequence[Image] | None = None,
    units: Span | None = None,
) -> None:
    """Decode streams into the blocks of the images, which are 0.

    ``foreseen`` are the images that were encoded, if the payload is only to be checked, which takes less
    time. ``units``: of the first image, which units are wanted; streams of other units alone are left out.

    Raises
    ------
    CorruptFileError
        If it is none of such images, or does not decode to those that are foreseen.
    UnsupportedVersionError
        If only a later version of pixcodec knows the networks.
    """
    counts, at = [], 0
    if kind.networked:
        number, at = _read_number(payload, at)
        if number != NETWORK:
            raise unknown("streams of coefficients", "number of the networks", number, str(NETWORK))
    for number, image in enumerate(images):
        count, at = _read_number(payload, at)
        if not (number == 0) <= count <= min(image.units, MAX_STRIPES):
            raise CorruptFileError(
                f"image {number} has {count} stripes, expected at most {min(image.units, MAX_STRIPES)}"
            )
        counts.append(count)
    streams, ends = streams_of(images, counts), []
    for _ in streams[:-1]:
        size_bytes, at = _read_number(payload, at)
        ends.append(size_bytes)
    bitstreams = []
    for size_bytes in ends:
        bitstreams.append(payload[at : at + size_bytes])
        at += size_bytes
    if at > len(payload):
        raise CorruptFileError(f"streams end at byte {at} of {len(payload)}")
    bitstreams.append(payload[at:])
    known = [None] * len(streams) if foreseen is None else streams_of(foreseen, counts)
    work_items = list(zip(bitstreams, streams, known, strict=True))
    if units is not None:
        spans = [images[0].span(number, counts[0]) for number in range(counts[0])]
        untouched = {k for k, span in enumerate(spans) if max(span[0], units[0]) >= min(span[1], units[1])}
        left_out = {number for number in untouched if len(streams[number]) == 1}
        work_items = [item for number, item in enumerate(work_items) if number not in left_out]

    def work(item: tuple[bytes, list[Image], list[Image] | None], crew: Crew) -> None:
        bitstream, stream, own = item
        decoder = Decoder(bitstream)
        code_stream(stream, decoder, kind, decoding=True, crew=crew, foreseen=own)
        decoder.finish()

    _map(work, work_items, workers, [stream for _, stream, _ in work_items])


def _read_number(payload: bytes, at: int) -> tuple[int, int]:
    try:
        return read_varint(payload, at)
    except ValueError as error:
        raise CorruptFileError(f"streams of coefficients: {error}") from error


def stripe_count(image: Image, *, least: int) -> int:
    """Return into how many stripes an encoder cuts an image."""
    present = sum(int(np.count_nonzero(b)) for b in image.blocks)
    return max(min(present // STRIPE_COEFFICIENTS, image.units, MAX_STRIPES), least)


def streams_of(images: Sequence[Image], counts: Sequence[int]) -> list[list[Image]]:
    """Return what is coded in each stream."""
    streams: list[list[Image]] = []
    for image, count in zip(images, counts, strict=True):
        if count:
            streams += [[image.stripe(number, count)] for number in range(count)]
        else:
            streams[-1].append(image)
    return streams


def _map(
    work: Any, items: Sequence[Any], workers: Workers, streams: Sequence[list[Image]] | None = None
) -> Any:
    total = sum(b.size for stream in streams or items for image in stream for b in image.blocks)
    return map_tiles(work, items, total, workers.threads, workers.progress)


def code_stream(
    images: Sequence[Image],
    coder: Coder,
    kind: StreamKind,
    *,
    decoding: bool,
    crew: Crew = ALONE,
    foreseen: Sequence[Image] | None = None,
) -> None:
    """Code the blocks of images, or decode them into these arrays; what is learnt of one serves the next."""
    _check_arithmetic(kind._replace(effort=kind.row))
    for number, component, stage in component_stages(images, kind):
        known = None
        if foreseen is not None:
            known = stage._replace(blocks=foreseen[number].blocks[component])
        run(stage, coder, decoding=decoding, crew=crew, foreseen=known)


@cache
def _check_arithmetic(kind: StreamKind) -> None:
    """Raise SelfTestError unless this machine codes streams of a kind as all must."""
    made = [Image(*made_image())]
    expected = (EXPECTED_NETWORKED if kind.networked else EXPECTED_STREAMS)[kind.effort]

    def stages() -> Iterator[Any]:
        return (stage for _, _, stage in component_stages(made, kind))

    check_stages(f"JPEG files, effort {kind.effort}", expected, stages)


def component_stages(images: Sequence[Image], kind: StreamKind) -> Iterator[tuple[int, int, Any]]:
    """Yield image, component and stage of all that is to be coded, each once the one before is."""
    every = [blocks for image in images for blocks in image.blocks]
    shared = new_learning(sum(b.size for b in every), max(map(len, every)), kind)
    for number, image in enumerate(images):
        for component, own in enumerate(image.blocks):
            if not own.size:
                continue  # of a stripe that ends below it
            luma, blue = known_beside(image, component)
            steps = image.tables[component].astype(np.int64)
            yield number, component, of_component(shared, component, own, luma, blue, steps, kind)


def known_beside(image: Image, component: int) -> tuple[Blocks | None, Blocks | None]:
    """Return what is known of luma and of Cb beside each block of a component: None where nothing is."""
    own = image.blocks[component]
    luma = blue = None
    if component > 0:
        luma = luma_beside(image.blocks[0], image.scales[component], *own.shape[:2])
    if component == 2 and image.blocks[1].shape == own.shape:
        blue = image.blocks[1]
    return luma, blue


def luma_beside(luma: Blocks, scale: Scale, rows: int, columns: int) -> Blocks:
    """Return for each block (rows, columns, 64) of chroma the sum of magnitudes of luma, at most 32767.

    If the blocks of luma are not a whole number to one of chroma, those of the block at the same place.
    """
    (down, lower), (across, right) = scale
    total = np.zeros((rows, columns, 64), np.int32)
    if not len(luma):
        pass
    elif down % lower or across % right:
        r = np.minimum(np.arange(rows) * down // lower, len(luma) - 1)
        c = np.minimum(np.arange(columns) * across // right, luma.shape[1] - 1)
        total = np.abs(luma[r[:, None], c[None, :]].astype(np.int32))
    else:
        vertical, horizontal = down // lower, across // right
        for first_row in range(vertical):
            for first_column in range(horizontal):
                part = luma[first_row::vertical, first_column::horizontal][:rows, :columns].astype(np.int32)
                total[: part.shape[0], : part.shape[1]] += np.abs(part)
    limited: Blocks = np.minimum(total, np.iinfo(np.int16).max).astype(np.int16)
    return limited
