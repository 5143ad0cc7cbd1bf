"""Take the metadata of every PNG and TIFF file of folders through the chunks of a .pxc file, and compare.

``python -m benchmarks.metadata_check FOLDER...`` reads each file, packs its metadata into chunks and unpacks
them, and writes a file of the same format. The pixels are not coded, as other benchmarks do that. Files are
equal if these readers see the same in both:

- PNG: Pillow's reader of chunks, all ancillary chunks with their places, compressed ones decompressed.
- TIFF: tifffile, all tags but those that say how the pixels are stored, fractions as numbers.
- TIFF: GDAL, if rasterio is installed: coordinate system, transform, control points, metadata of the image
  and its bands in all domains, no-data values, descriptions, units, colour tables and interpretation.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import logging
import sys
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pixcodec.errors import PixcodecError
from pixcodec.images.files import read_image, write_image
from pixcodec.images.metadata import from_chunks, to_chunks
from pixcodec.images.png_text import plain_text

View = dict[str, Any]  # what a reader sees, by name

_PNG_START = b"\x89PNG\r\n\x1a\n"
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_NOT_METADATA = (
    b"tRNS",
    b"acTL",
    b"fcTL",
    b"fdAT",
    b"iDOT",
)  # of the pixels, of frames, of their compression
_FRACTIONS = (5, 10)  # types of TIFF
# How the pixels are stored, and pointers to directories.
_OF_PIXELS = {
    *(*range(256, 260), 262, 266, 273, 277, 278, 279, 284, 288, 289, 292, 293, 317, 322, 323, 324, 325, 330),
    *(338, 339, 347, 529, 530, 531, 532, 34665, 34853, *range(512, 522)),
}
_COLOURS = 320
_OF_STORAGE = ("IMAGE_STRUCTURE", "DERIVED_SUBDATASETS", "SUBDATASETS", "RPC")  # GDAL's domains


def png_chunks(data: bytes) -> View:
    """Return the ancillary chunks of a PNG file by type, each with its place and its data."""
    from PIL.PngImagePlugin import ChunkStream

    found: View = {}
    place = 0
    with ChunkStream(io.BytesIO(data[len(_PNG_START) :])) as stream:
        while True:
            kind, _, length = stream.read()
            assert stream.fp is not None
            payload = stream.fp.read(length)
            stream.crc(kind, payload)
            if kind == b"IEND":
                return found
            place = {b"PLTE": 1, b"IDAT": 2}.get(kind, place)
            if kind[0] & 0x20 and kind not in _NOT_METADATA:
                found.setdefault(kind.decode("latin-1"), []).append((place, _inflated(kind, payload)))


def _inflated(kind: bytes, payload: bytes) -> bytes:
    if kind == b"iCCP":
        start = payload.index(0) + 2
        return payload[:start] + zlib.decompress(payload[start:])
    return plain_text(kind, payload)


def tiff_tags(data: bytes) -> View:
    """Return the tags of the first image of a TIFF file, as tifffile reads them, but for its storage."""
    import tifffile

    found: View = {}
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        for tag in file.pages[0].tags:  # type: ignore[union-attr]
            value = tag.value
            if tag.code in _OF_PIXELS:
                continue
            if int(tag.dtype) in _FRACTIONS and isinstance(value, tuple):
                pairs = zip(value[::2], value[1::2], strict=True)
                value = [above / below if below else None for above, below in pairs]
            elif tag.code == _COLOURS:  # the bit depth may be another one, and the palette longer
                value = [channel[:2].tolist() for channel in value]
            elif hasattr(value, "tolist"):
                value = value.tolist()
            found[f"{tag.code} {tag.name}"] = value
    return found


def gdal_view(data: bytes) -> View:
    """Return what GDAL says of a TIFF file besides its pixels."""
    rasterio = importlib.import_module("rasterio")

    with rasterio.MemoryFile(data) as file, file.open(driver="GTiff") as image:
        points, points_crs = image.gcps
        view: View = {
            "crs": image.crs and image.crs.to_wkt(),
            "transform": tuple(image.transform),
            "gcps": [(p.row, p.col, p.x, p.y, p.z) for p in points],
            "gcps_crs": points_crs and points_crs.to_wkt(),
            "rpcs": image.rpcs and image.rpcs.to_gdal(),
            "nodata": [repr(value) for value in image.nodatavals],
            "descriptions": image.descriptions,
            "units": image.units,
            "scales": image.scales,
            "offsets": image.offsets,
            "interpretation": [value.name for value in image.colorinterp],
            "dtypes": image.dtypes,
        }
        for band in range(image.count + 1):
            for domain in {"", *image.tag_namespaces(band)} - set(_OF_STORAGE):
                view[f"metadata {band} {domain}"] = image.tags(band, ns=domain or None)
        return view


def differences(data: bytes, suffix: str, look: Callable[[bytes], View]) -> dict[str, tuple[Any, Any]]:
    """Return what a reader sees otherwise after the metadata were packed and unpacked, by name."""
    image, info = read_image(data)
    after = look(write_image(image, suffix, from_chunks(to_chunks(info))))
    before = look(data)
    return {
        name: (before.get(name), after.get(name))
        for name in before.keys() | after.keys()
        if before.get(name) != after.get(name)
    }


def check(paths: Iterable[Path]) -> dict[str, Counter[str]]:
    """Compare all files, print what differs, and return the counts of outcomes by reader."""
    counts: dict[str, Counter[str]] = {}
    for path in paths:
        data = path.read_bytes()
        for reader, look, suffix in _readers(data):
            count = counts.setdefault(reader, Counter())
            try:
                read_image(data)
            except PixcodecError as error:
                count[f"not read ({type(error).__name__})"] += 1
                continue
            try:
                look(data)
            except Exception:  # readers raise errors of any type for damaged files
                count["the reader fails"] += 1
                continue
            try:
                found = differences(data, suffix, look)
            except PixcodecError as error:
                count["not written"] += 1
                print(f"{reader}: {path}: {error}")
                continue
            count["different" if found else "equal"] += 1
            for name, (before, after) in sorted(found.items()):
                print(f"{reader}: {path}: {name}: {str(before)[:60]} -> {str(after)[:60]}")
    return counts


def _readers(data: bytes) -> list[tuple[str, Callable[[bytes], View], str]]:
    """Return name, function and suffix of the readers for a file; none for another format."""
    if data.startswith(_PNG_START):
        return [("PNG chunks", png_chunks, "png")]
    if not data.startswith(_TIFF_STARTS):
        return []
    readers: list[tuple[str, Callable[[bytes], View], str]] = [("tifffile", tiff_tags, "tif")]
    try:
        importlib.import_module("rasterio")
    except ImportError:
        return readers
    return [*readers, ("GDAL", gdal_view, "tif")]


def main(arguments: list[str] | None = None) -> int:
    """Check the folders that are named, print the counts, and return 1 if any file differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path)
    folders: list[Path] = parser.parse_args(arguments).folders
    logging.disable(logging.CRITICAL)  # tifffile's and GDAL's words about damaged files
    warnings.simplefilter("ignore")
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    counts = check(paths)
    print(json.dumps(counts, indent=1, sort_keys=True))
    return 1 if any(count["different"] or count["not written"] for count in counts.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
