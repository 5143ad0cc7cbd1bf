"""JPEG files: where they are, and of which kind each is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SUFFIXES = {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"}
_SOI = b"\xff\xd8"
_BARE = {0x01, *range(0xD0, 0xD9)}  # markers without a length
_EOI, _SOS = 0xD9, 0xDA
_FRAMES = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC9: "arithmetic", 0xCA: "arithmetic"}
_NOT_FRAMES = {0xC4, 0xC8, 0xCC}  # DHT, JPG, DAC
_COMPONENTS = {1: "grey", 3: "colour", 4: "four components"}


class JpegFile(NamedTuple):
    """A JPEG file of a set."""

    name: str  # its path in the set
    path: Path


def jpeg_files(sources: list[Path], limit: int | None = None) -> list[JpegFile]:
    """List the JPEG files of folders, of text files with a path in each line, and given ones, by path.

    Raises
    ------
    FileNotFoundError
        There is none.
    """
    found = sorted({path.resolve() for source in sources for path in _listed(source)})
    paths = [path for path in found if _begins_as_jpeg(path)][:limit]
    if not paths:
        raise FileNotFoundError("expected JPEG files, found none")
    folder = os.path.commonpath([path.parent for path in paths])
    return [JpegFile(path.relative_to(folder).as_posix(), path) for path in paths]


def _listed(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield from (path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES)
    elif source.suffix == ".txt":
        yield from (Path(line) for line in source.read_text("utf-8").splitlines() if line)
    else:
        yield source


def _begins_as_jpeg(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SOI)) == _SOI


def kind_of(data: bytes) -> str:
    """Return process, components and chroma sampling of a JPEG file, such as "baseline colour 2x2"."""
    for marker, segment in _segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in _NOT_FRAMES and len(segment) >= 6:
            process = _FRAMES.get(marker, "lossless or hierarchical")
            if segment[0] != 8:
                process += f", {segment[0]} bits"
            count = segment[5]
            factors = segment[7 : 6 + 3 * count : 3]
            components = _COMPONENTS.get(count, "other components")
            if count != 3 or len(factors) != 3 or 0 in factors or factors[1] != factors[2]:
                return f"{process} {components}" + (", other sampling" if count == 3 else "")
            across, down = factors[0] >> 4, factors[0] & 15
            if factors[1] != 0x11:
                return f"{process} {components}, other sampling"
            return f"{process} {components} {across}x{down}"
    return "without a frame"


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content of the segments before the first scan."""
    at = len(_SOI)
    while (at := data.find(b"\xff", at)) >= 0 and at + 4 <= len(data):
        marker = data[at + 1]
        if marker in (_EOI, _SOS):
            return
        if marker == 0xFF:
            at += 1
        elif marker == 0 or marker in _BARE:
            at += 2
        else:
            size = int.from_bytes(data[at + 2 : at + 4], "big")
            yield marker, data[at + 4 : at + 2 + size]
            at += 2 + size
