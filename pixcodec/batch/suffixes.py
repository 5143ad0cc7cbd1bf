"""Suffixes of file names, lower case, without the dot."""

from __future__ import annotations

from pathlib import PurePath

PIXCODEC = "pxc"

# The files that are taken from a folder: images that Pillow can open, OpenEXR and PFM. Not psd and dds, of
# whose layers or images Pillow reads one, not drawings (eps, wmf), and not npy, which may be any array.
READABLE = frozenset(
    (
        *("apng", "avif", "bmp", "bw", "dcx", "dib", "exr", "flc", "fli", "gif", "icns", "ico", "j2c"),
        *("j2k", "jfif", "jp2", "jpc", "jpe", "jpeg", "jpf", "jpg", "jpx", "mpo", "msp", "pbm", "pcx"),
        *("pfm", "pgm", "png", "pnm", "ppm", "qoi", "ras", "sgi", "tga", "tif", "tiff", "webp", "xbm"),
        "xpm",
    )
)
WRITABLE = ("bmp", "pbm", "pgm", "png", "ppm", "tif", "tiff", "webp")  # the keys of images.files.WRITABLE
SERIES = ("apng", "gif", "png", "tif", "tiff", "webp")  # the keys of images.series_write.SERIES_WRITABLE
RASTERS = ("npy", "pfm", "exr")  # images.rasters.RASTERS: samples of any type, or floats
DEFAULT_SUFFIX = "png"
RESTORED = ("jpg", "jpeg", "jpe", "jfif")  # of JPEG files, which are written only where they were kept
FORMATS = (*WRITABLE, *RASTERS, "apng", "gif", *RESTORED)  # that can be written


def suffix_of(path: str) -> str:
    """Return the suffix of a path in lower case without the dot, empty if there is none."""
    return PurePath(path).suffix.lower().removeprefix(".")
