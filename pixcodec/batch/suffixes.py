"""Suffixes of file names, lower case, without the dot."""

from __future__ import annotations

from pathlib import PurePath

PIXCODEC = "pxc"

# What is taken from a folder: formats of still images that Pillow can open. Not ico, psd or dds, of whose
# images or layers Pillow shows one, and not what has to be drawn first (eps, wmf).
READABLE = frozenset(
    (
        *("apng", "avif", "bmp", "bw", "dib", "gif", "j2c", "j2k", "jfif", "jp2", "jpc", "jpe", "jpeg"),
        *("jpf", "jpg", "jpx", "msp", "pbm", "pcx", "pgm", "png", "pnm", "ppm", "qoi", "ras", "sgi"),
        *("tga", "tif", "tiff", "webp", "xbm", "xpm"),
    )
)
WRITABLE = ("bmp", "pbm", "pgm", "png", "ppm", "tif", "tiff", "webp")  # image_files.WRITABLE


def suffix_of(path: str) -> str:
    """Return the suffix of a path, empty if there is none."""
    return PurePath(path).suffix.lower().removeprefix(".")
