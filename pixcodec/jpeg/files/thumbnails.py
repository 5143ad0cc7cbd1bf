"""Where other JPEG files are in the segments of one: thumbnails and previews."""

from __future__ import annotations

from collections.abc import Iterator

from pixcodec.jpeg.scans.markers import SOI

_APPLICATION = range(0xE0, 0xF0)  # markers
_EOI = 0xD9
_NEXT = b"\xff\xd8\xff"  # how a file begins
_LEAST_SIZE_BYTES = 300  # its parts would not be smaller


def possible_files(skeleton: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the position of what may be a JPEG file, and the bytes from there to the end of its segment.

    There is one at most in each segment APP0 .. APP15 that comes before anything else than segments.
    """
    at = len(SOI)
    while at + 4 <= len(skeleton) and skeleton[at] == 0xFF and 0xC0 <= skeleton[at + 1] != _EOI:
        marker, size = skeleton[at + 1], int.from_bytes(skeleton[at + 2 : at + 4], "big")
        end = at + 2 + size
        if size < 2 or end > len(skeleton):
            return
        start = skeleton.find(_NEXT, at + 4, end) if marker in _APPLICATION else -1
        if 0 <= start <= end - _LEAST_SIZE_BYTES:
            yield start, skeleton[start:end]
        at = end
