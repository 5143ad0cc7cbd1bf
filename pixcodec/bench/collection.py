"""The images of a benchmark, and the codecs that are measured on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pixcodec.batch.outcome import message
from pixcodec.batch.plan import Found
from pixcodec.bench import record
from pixcodec.bench.images import describe, load_image
from pixcodec.bench.page.thumbnails import thumbnail
from pixcodec.bench.registry import find_codec
from pixcodec.errors import CorruptFileError, LimitExceededError, UnsupportedImageError


class Collection(NamedTuple):
    """The images of a benchmark.

    Parameters
    ----------
    paths : list of Path
    images : list of record.ImageInfo
        What is known of each.
    thumbnails : dict
        data: URIs by the name of the image, of the first ones.
    skipped : dict
        Files that hold no image to measure, and why.
    """

    paths: list[Path]
    images: list[record.ImageInfo]
    thumbnails: dict[str, str]
    skipped: dict[str, str]


def collect(
    found: Iterable[Found],
    *,
    max_pixels: int,
    thumbnails_size_bytes: int = 0,
    report: Callable[[int], None] = lambda _: None,
) -> Collection:
    """Read files, and return those that hold images which can be measured.

    Parameters
    ----------
    found : iterable of Found
    max_pixels : int
        Larger images are skipped.
    thumbnails_size_bytes : int
        Thumbnails are made until they take so much.
    report : callable
        Called with the number of files that were read.
    """
    collection = Collection([], [], {}, {})
    left = thumbnails_size_bytes
    for number, file in enumerate(found):
        report(number)
        try:
            image = load_image(file.path, max_pixels=max_pixels)
        except (UnsupportedImageError, CorruptFileError, LimitExceededError, OSError) as error:
            collection.skipped[file.below] = message(error)
            continue
        collection.paths.append(Path(file.path))
        collection.images.append(describe(file.below, image))
        if left > 0:
            collection.thumbnails[file.below] = thumbnail(image)
            left -= len(collection.thumbnails[file.below])
    return collection


def missing_codecs(specs: Sequence[str]) -> dict[str, str]:
    """Return the codecs that are not available here, and why not."""
    codecs = {spec: find_codec(spec)() for spec in specs}
    return {spec: codec.missing() for spec, codec in codecs.items() if not codec.available()}


def results_of(
    name: str, collection: Collection, run: record.Run, missing: Mapping[str, str]
) -> record.Results:
    """Return results without any codec yet."""
    results = record.begin(name, collection.images, run, None)
    return {**results, "missing": dict(missing), "skipped": dict(collection.skipped)}
