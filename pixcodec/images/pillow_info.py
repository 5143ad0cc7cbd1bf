"""Pillow's ``info`` and EXIF of an image -> metadata, and metadata -> the EXIF of a TIFF file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from PIL import Image

from pixcodec.images.metadata import clean
from pixcodec.images.png_text import PNG_XMP_KEYWORD
from pixcodec.images.tiff_tags import packed_tags, put_tags

# The tags of a TIFF file that are kept: those that do not describe how its pixels are coded.
TIFF_TAGS = (
    *(0x010D, 0x010E, 0x010F, 0x0110, 0x0112, 0x011D),  # name, description, make, model, orientation, page
    *(0x0131, 0x0132, 0x013B, 0x013C, 0x8298),  # software, date, artist, computer, copyright
)
TIFF_DIRECTORIES = (0x8769, 0x8825)  # EXIF, GPS
_ORIENTATION_TAG, _X_RESOLUTION_TAG, _XMP_TAG = 274, 282, 700
_ORIENTATIONS, _NO_ORIENTATION = range(1, 9), 0
_PHOTOSHOP_TAG, _PHOTOSHOP = 34377, b"Photoshop 3.0\0"  # tag; start of a segment APP13
_PNG_EXIF_KEYWORD = "Raw profile type exif"  # of a text of a PNG file that holds EXIF


def collect(image: Image.Image) -> dict[str, Any]:
    """Return the metadata of a PIL image, as :func:`clean` returns it.

    A PNG image is loaded, as texts may follow its pixels. Pillow does not keep the EXIF of a TIFF file as
    bytes: it is serialised, without the tags that describe how the pixels were coded.
    """
    info: dict[Any, Any] = dict(image.info)
    if image.format == "PNG":
        image.load()
        info["text"] = dict(getattr(image, "text", {}))
    elif image.format not in (None, "PXC"):
        info.setdefault("text", {})  # other strings in the info describe how the file was coded
    if image.format == "TIFF":
        tags = getattr(image, "tag_v2", {})
        info["xmp"] = _tiff_bytes(info.get("xmp") or tags.get(_XMP_TAG))
        if _X_RESOLUTION_TAG not in tags:
            info["dpi"] = None  # Pillow then says 1
        info["tiff_tags"] = packed_tags(image)
    if image.format == "JPEG":
        segments = [data for name, data in getattr(image, "applist", []) if name == "APP13"]
        info["app13"] = b"".join(segments) if all(map(_is_photoshop, segments)) else b""
    if "exif" not in info and _PNG_EXIF_KEYWORD not in info:
        info["exif"] = _serialised_exif(image)
    return clean(info)


def _is_photoshop(segment: bytes) -> bool:
    return segment.startswith(_PHOTOSHOP)


def _tiff_bytes(value: object) -> bytes | None:
    """Return the value of a TIFF tag as bytes; None if it is of another type than text or bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, tuple) and all(isinstance(item, int) and 0 <= item <= 255 for item in value):
        return bytes(value)
    return value if isinstance(value, bytes) else None


def _serialised_exif(image: Image.Image) -> bytes | None:
    """Return the EXIF of an image that does not hold it as bytes, or None if there is none."""
    if image.format != "TIFF" and ("xmp" in image.info or PNG_XMP_KEYWORD in image.info):
        return None  # Pillow would take EXIF from the XMP
    try:
        exif = selected_tags(image.getexif())
        return exif.tobytes() if len(exif) else None
    except Exception:  # EXIF is often damaged, and Pillow reads more than it can write
        return None


def ignore_orientation_of_xmp(image: Image.Image) -> None:
    """Let Pillow not turn the pixels of a TIFF image by the orientation in its XMP when it loads them."""
    exif = image.getexif()
    if _ORIENTATION_TAG not in getattr(image, "tag_v2", {}):
        exif[_ORIENTATION_TAG] = _NO_ORIENTATION  # or Pillow takes it from the XMP


def tiff_exif(info: Mapping[str, Any]) -> Image.Exif:
    """Return what to write to a TIFF file: the tags that were kept, the XMP and the EXIF, if it is intact."""
    try:
        exif = Image.Exif()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif.load(info.get("exif", b""))
            exif = selected_tags(exif)
        exif.tobytes()
    except Exception:  # as above
        exif = Image.Exif()
    if "xmp" in info:
        exif[_XMP_TAG] = info["xmp"]
    if "app13" in info:
        exif[_PHOTOSHOP_TAG] = info["app13"].removeprefix(_PHOTOSHOP).replace(_PHOTOSHOP, b"")
    found = Image.Exif()
    if len(exif):
        found.load(exif.tobytes())
    put_tags(found, info.get("tiff_tags", b""))
    return found


def selected_tags(exif: Image.Exif) -> Image.Exif:
    """Return a copy of EXIF with the tags in TIFF_TAGS and TIFF_DIRECTORIES."""
    selected = type(exif)()
    for tag in TIFF_TAGS:
        if tag in exif and not (tag == _ORIENTATION_TAG and exif[tag] not in _ORIENTATIONS):
            selected[tag] = exif[tag]
    for tag in TIFF_DIRECTORIES:
        if directory := exif.get_ifd(tag):
            selected[tag] = directory
    return selected


def with_orientation(exif: bytes, orientation: int) -> bytes:
    """Return EXIF with an orientation, 1..8; as it is if Pillow cannot read it."""
    found = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found.load(exif)
            found[_ORIENTATION_TAG] = orientation
            return found.tobytes()
    except Exception:  # damaged EXIF, of any kind
        return exif
