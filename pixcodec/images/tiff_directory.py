"""The first directory of a TIFF file alone: metadata for images that Pillow does not read, and back."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import IO, Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from pixcodec.images.metadata import clean
from pixcodec.images.pillow_info import selected_tags, tiff_exif
from pixcodec.images.tiff_tags import packed_tags

_ORIENTATION, _SAMPLE_FORMAT = 274, 339
_PROFILE, _XMP = 34675, 700
_X_RESOLUTION, _Y_RESOLUTION, _UNIT = 282, 283, 296
_INCH = 2
_HEADER_SIZE_BYTES, _BIG_HEADER_SIZE_BYTES = 8, 16
_BIG = (b"II+\0", b"MM\0+")
_DIRECTORIES = (34665, 34853)  # EXIF, GPS
_RESOLUTION = (_X_RESOLUTION, _Y_RESOLUTION, _UNIT)
_OWN = (_ORIENTATION, _SAMPLE_FORMAT, _PROFILE, *_RESOLUTION, *_DIRECTORIES)  # written by other means, or not
_TEXT, _FRACTIONS = 2, (5, 10)  # types


def directory_info(file: IO[bytes]) -> dict[str, Any]:
    """Return the metadata in the first directory of a TIFF file, as Pillow's ``info`` of an image has it.

    Nothing if the directory cannot be read: what is wrong with the file is found with its pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _info(file)
    except Exception:  # Pillow raises errors of any type
        return {}


def _info(file: IO[bytes]) -> dict[str, Any]:
    file.seek(0)
    head = file.read(_HEADER_SIZE_BYTES)
    if head.startswith(_BIG):
        head += file.read(_BIG_HEADER_SIZE_BYTES - _HEADER_SIZE_BYTES)
    directory: Any = ImageFileDirectory_v2(head)
    file.seek(directory.next)
    directory.load(file)
    image: Any = SimpleNamespace(tag_v2=directory)
    info: dict[str, Any] = {"tiff_tags": packed_tags(image, bands=True)}
    for name, tag in (("icc_profile", _PROFILE), ("xmp", _XMP)):
        if isinstance(directory.get(tag), bytes):
            info[name] = directory[tag]
    if directory.get(_UNIT) == _INCH and _X_RESOLUTION in directory and _Y_RESOLUTION in directory:
        info["dpi"] = float(directory[_X_RESOLUTION]), float(directory[_Y_RESOLUTION])
    exif = Image.Exif()
    if len(head) == _HEADER_SIZE_BYTES:
        file.seek(0)
        exif.load_from_fp(file)
    else:  # which Image.Exif does not read: directories of EXIF and GPS are left out
        for tag in set(directory) - set(_DIRECTORIES):
            exif[tag] = directory[tag]
    exif = selected_tags(exif)
    if len(exif):
        info["exif"] = exif.tobytes()
    return clean(info)


def tifffile_options(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata as options of ``tifffile.imwrite``: all but EXIF and GPS, which are directories."""
    exif = tiff_exif(info)
    types = getattr(exif, "tagtype", {})
    tags = [_for_tifffile(tag, types.get(tag), exif[tag]) for tag in sorted(exif) if tag not in _OWN]
    options: dict[str, Any] = {
        "extratags": [tag for tag in tags if tag is not None],
        "iccprofile": info.get("icc_profile"),
        "metadata": None,
        "software": False,
    }
    if "dpi" in info:
        options |= {"resolution": info["dpi"], "resolutionunit": _INCH}
    return options


def _for_tifffile(tag: int, kind: int | None, value: Any) -> tuple[int, int, int, Any, bool] | None:
    """Return a tag as tifffile takes it; None if Pillow could not write it either."""
    alone: Any = ImageFileDirectory_v2()
    try:
        if kind is not None:
            alone.tagtype[tag] = kind
        alone[tag] = value
        kind = alone.tagtype[tag]
        alone.tobytes(0)
    except Exception:  # Pillow reads more than it can write
        return None
    assert kind is not None
    if kind == _TEXT:
        text = value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")
        return tag, kind, len(text) + 1, text + b"\0", True
    stored = alone[tag]
    if isinstance(stored, bytes):
        return tag, kind, len(stored), stored, True
    values = stored if isinstance(stored, tuple) else (stored,)
    count = len(values)
    if kind in _FRACTIONS:
        values = tuple(int(part) for item in values for part in (item.numerator, item.denominator))
    return tag, kind, count, values if len(values) > 1 else values[0], True
