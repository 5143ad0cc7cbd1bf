"""Where other JPEG files may be in the segments of one: thumbnails and previews."""

from __future__ import annotations

from collections.abc import Iterator

from pixcodec.jpeg.scans.markers import SOI

_APPLICATION = range(0xE0, 0xF0)  # markers
_EOI = 0xD9
_NEXT = b"\xff\xd8\xff"  # how a file begins
_LEAST_SIZE_BYTES = 300  # its parts would not be smaller
_MOST_PLACES = 8  # that are looked at in a segment


class Places:
    """The places in the segments APP0 .. APP15 of a file where another may begin.

    Parameters
    ----------
    skeleton : bytes
        Only segments before anything else are looked at.
    """

    def __init__(self, skeleton: bytes) -> None:
        self.skeleton = skeleton
        self.after = 0  # no file begins before: set by whoever found one

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield the position of what may be a JPEG file, and the bytes up to the end of its segment."""
        for start, end in self._bodies():
            at = self.skeleton.find(_NEXT, start, end)
            for _ in range(_MOST_PLACES):
                if not 0 <= at <= end - _LEAST_SIZE_BYTES:
                    break
                yield at, self.skeleton[at:end]
                at = self.skeleton.find(_NEXT, max(at + len(SOI), self.after), end)

    def _bodies(self) -> Iterator[tuple[int, int]]:
        """Yield where the bodies of segments begin and end."""
        at, data = len(SOI), self.skeleton
        while at + 4 <= len(data) and data[at] == 0xFF and 0xC0 <= data[at + 1] != _EOI:
            marker, size = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
            if size < 2 or at + 2 + size > len(data):
                return
            if marker in _APPLICATION:
                yield at + 4, at + 2 + size
            at += 2 + size
