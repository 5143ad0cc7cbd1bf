"""Suffixes of file names, lower case, without the dot."""

from __future__ import annotations

from pathlib import PurePath

PIXCODEC = "pxc"

# The files that are taken from a folder: images that Pillow can open, and OpenEXR. Not ico, psd and dds, of
# whose images or layers Pillow reads one, and not drawings (eps, wmf).
READABLE = frozenset(
    (
        *("apng", "avif", "bmp", "bw", "dib", "exr", "gif", "j2c", "j2k", "jfif", "jp2", "jpc", "jpe"),
        *("jpeg", "jpf", "jpg", "jpx", "msp", "pbm", "pcx", "pgm", "png", "pnm", "ppm", "qoi", "ras", "sgi"),
        *("tga", "tif", "tiff", "webp", "xbm", "xpm"),
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
