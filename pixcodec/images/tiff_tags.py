"""The tags of a TIFF file that say more than how its pixels are stored: kept, and put back (TIFF 6.0).

They are kept as a TIFF directory of their own, which Pillow reads and writes, in the chunk ``tift``. Tags
that other metadata stand for are not among them: ICC profile, XMP, EXIF and the texts that EXIF has, too.
"""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

# How the pixels are stored, which may change, and what is kept elsewhere.
_OF_PIXELS = {
    *(*range(256, 260), 266, 273, 277, 278, 279, 284, 288, 289, 317, 322, 323, 324, 325, 330, 338, 347),
    *(*range(512, 522), 529, 530, 531, 532, 34677, 37679),
}
_XMP, _EXIF, _GPS, _INTEROPERABILITY, _PROFILE, _ORIENTATION, _PHOTOMETRIC = (
    *(700, 34665, 34853, 40965, 34675),
    *(274, 262),
)
_ELSEWHERE = (_XMP, _EXIF, _GPS, _INTEROPERABILITY, _PROFILE, _ORIENTATION)
_COLOURS, _CHANNELS = 320, 3  # the palette: of each channel, values of 16 bits
_IN_EXIF = (0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298)
_ASCII, _SHORT, _RATIONAL, _UNDEFINED = 2, 3, 5, 7  # types
_EXTRA_SAMPLES, _PREMULTIPLIED = 338, 1
_OF_BANDS = (_PHOTOMETRIC, _EXTRA_SAMPLES)
_WHITE_IS_ZERO = 0
_IPTC = 33723
_RESOLUTION, _RESOLUTION_UNIT, _INCH = (282, 283, 296), 296, 2
_FRACTIONS = (282, 283)
_SAMPLE_FORMAT, _SIGNED = 339, 2
_HEADER = b"II*\0\x08\0\0\0"  # little-endian, the directory at byte 8
_MAX_TAGS = 4096

_ORDERS = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43


def packed_tags(image: Image.Image, *, bands: bool = False) -> bytes:
    """Return the tags of a TIFF image that is open; nothing if there are none, or none can be kept.

    ``bands``: whether those that say what its bands are are kept, too, as the image becomes an array.
    """
    source: Any = getattr(image, "tag_v2", None)
    if source is None:
        return b""
    kept = ImageFileDirectory_v2(prefix=b"II")
    said = _RESOLUTION if source.get(_RESOLUTION_UNIT) == _INCH else ()  # by dpi
    for tag in sorted(set(source) - set(said)):
        try:
            kind = source.tagtype[tag]
            if tag == _IPTC and kind != _UNDEFINED:  # some write its bytes as integers
                kind, value = _UNDEFINED, source._tagdata[tag]  # Pillow gives the first integer alone
            else:
                value = source[tag]
            if (bands and tag in _OF_BANDS) or _is_kept(tag, kind, value):
                alone = ImageFileDirectory_v2(prefix=b"II")
                _set(alone, tag, kind, value)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    alone.tobytes(len(_HEADER))
                _set(kept, tag, kind, value)
        except Exception:  # Pillow reads more than it can write
            continue
    return _HEADER + kept.tobytes(len(_HEADER)) if len(kept) else b""


def put_tags(exif: Image.Exif, packed: bytes) -> None:
    """Add tags that were kept to those that are to be written; nothing if they are damaged."""
    types: dict[int, int] = {}
    for tag, kind, value in _unpacked(packed):
        if tag in (_COLOURS, _PHOTOMETRIC):  # Pillow writes its own; they are put right afterwards
            continue
        if tag in _FRACTIONS and kind != _RATIONAL:
            continue
        exif[tag] = value
        types[tag] = kind
    exif.tagtype = types  # type: ignore[attr-defined]  # where Pillow's writer looks for them


def is_white_zero(packed: bytes) -> bool:
    """Return whether 0 was white in the file."""
    return any(tag == _PHOTOMETRIC and value == _WHITE_IS_ZERO for tag, _, value in _unpacked(packed))


def band_tags(packed: bytes) -> tuple[int | None, tuple[int, ...]]:
    """Return what the file said of its bands: its photometric interpretation, and of extra samples, if so."""
    found = {tag: value for tag, _, value in _unpacked(packed, bands=True)}
    photometric, extra = found.get(_PHOTOMETRIC), found.get(_EXTRA_SAMPLES, ())
    extra = extra if isinstance(extra, tuple) else (extra,)
    numbers = all(isinstance(value, int) for value in extra)
    return photometric if isinstance(photometric, int) else None, extra if numbers else ()


def tag_names(packed: bytes) -> list[str]:
    """Return the names of tags that were kept, or their numbers, in order."""
    from PIL.TiffTags import lookup

    names = [(tag, str(lookup(tag).name)) for tag, _, _ in _unpacked(packed)]
    return [str(tag) if name == "unknown" else name for tag, name in names]


def without_orientation(data: bytes) -> tuple[bytes, int]:
    """Return a TIFF file whose first image is not to be turned, and how it was, 1..8.

    Pillow turns the pixels of a TIFF file that says so, and they would not be those of the file any more.
    """
    place = _value_place(data, _ORIENTATION)
    if place is None:
        return data, 1
    order, at = place
    (orientation,) = struct.unpack_from(order + "H", data, at)
    if not 2 <= orientation <= 8:
        return data, 1
    return data[:at] + struct.pack(order + "H", 1) + data[at + 2 :], orientation


def with_white_zero(data: bytes) -> bytes:
    """Return a TIFF file whose first image says that 0 is white; its pixels stay as they are."""
    place = _value_place(data, _PHOTOMETRIC)
    if place is None:
        return data
    order, at = place
    return data[:at] + struct.pack(order + "H", _WHITE_IS_ZERO) + data[at + 2 :]


def with_premultiplied(data: bytes) -> bytes:
    """Return a TIFF file whose first image says that its colours are multiplied by alpha."""
    place = _value_place(data, _EXTRA_SAMPLES)
    if place is None:
        return data
    order, at = place
    return data[:at] + struct.pack(order + "H", _PREMULTIPLIED) + data[at + 2 :]


def with_colours(data: bytes, packed: bytes) -> bytes:
    """Return a TIFF file with a palette as it was: Pillow drops the low 8 of the 16 bits of its values.

    As it is if it has no palette, or another one.
    """
    kept = next((value for tag, kind, value in _unpacked(packed) if tag == _COLOURS and kind == _SHORT), None)
    place = _value_place(data, _COLOURS)
    if kept is None or place is None:
        return data
    order, at = place
    try:
        (at,) = struct.unpack_from(order + "I", data, at)
        written = struct.unpack_from(f"{order}{_CHANNELS * 256}H", data, at)
        count = len(kept) // _CHANNELS
        colours = list(written)
        for k in range(_CHANNELS):
            colours[256 * k : 256 * k + count] = kept[count * k : count * (k + 1)]
        if len(colours) != len(written) or [c >> 8 for c in colours] != [c >> 8 for c in written]:
            return data
        return data[:at] + struct.pack(f"{order}{len(colours)}H", *colours) + data[at + 2 * len(colours) :]
    except (struct.error, TypeError):
        return data


def _is_kept(tag: int, kind: int, value: Any) -> bool:
    if tag == _PHOTOMETRIC:
        return bool(value == _WHITE_IS_ZERO)
    if tag == _SAMPLE_FORMAT:  # of 8 bits, Pillow reads the bits as they are
        return set(value if isinstance(value, tuple) else (value,)) == {_SIGNED}
    if tag == _COLOURS:
        return any(colour & 255 for colour in value)
    if tag in _FRACTIONS:  # Pillow writes them as fractions whatever their type
        return kind == _RATIONAL
    if tag in _IN_EXIF:  # EXIF holds texts of ASCII
        return kind != _ASCII or not (isinstance(value, str) and value.isascii())
    return tag not in _OF_PIXELS and tag not in _ELSEWHERE


def _set(directory: Any, tag: int, kind: int, value: Any) -> None:
    """Set a tag; a text as bytes, since Pillow would write ASCII alone."""
    directory.tagtype[tag] = kind
    directory[tag] = value.encode("latin-1", "replace") if isinstance(value, str) else value
    directory.tagtype[tag] = kind


def _unpacked(packed: bytes, *, bands: bool = False) -> Iterator[tuple[int, int, Any]]:
    """Yield tags, types and values that were kept; damaged ones are left out, and those of bands."""
    if not packed.startswith(_HEADER):
        return
    directory: Any = ImageFileDirectory_v2(packed[: len(_HEADER)])
    file = io.BytesIO(packed)
    file.seek(len(_HEADER))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            directory.load(file)
        except Exception:  # whatever is in it
            return
        for tag in sorted(directory)[:_MAX_TAGS]:
            try:
                kind, value = directory.tagtype[tag], directory[tag]
            except Exception:
                continue
            if kind == _ASCII and isinstance(value, str):
                value = value.encode("latin-1", "replace")
            if (bands and tag in _OF_BANDS) or (tag not in _OF_PIXELS and tag not in _ELSEWHERE):
                yield tag, kind, value


def _value_place(data: bytes, wanted: int) -> tuple[str, int] | None:
    """Return byte order and place of the value (or its position) of a tag of type SHORT; None if nowhere."""
    order = _ORDERS.get(data[:2])
    if order is None or len(data) < 16:
        return None
    try:
        (version,) = struct.unpack_from(order + "H", data, 2)
        if version == _CLASSIC:
            (at,) = struct.unpack_from(order + "I", data, 4)
            (count,) = struct.unpack_from(order + "H", data, at)
            at, size, value = at + 2, 12, 8
        elif version == _BIG:
            (at,) = struct.unpack_from(order + "Q", data, 8)
            (count,) = struct.unpack_from(order + "Q", data, at)
            at, size, value = at + 8, 20, 12
        else:
            return None
        for k in range(min(count, _MAX_TAGS)):
            tag, kind = struct.unpack_from(order + "HH", data, at + k * size)
            if tag == wanted and kind == _SHORT and at + k * size + value + 2 <= len(data):
                return order, at + k * size + value
    except (struct.error, OverflowError):
        pass
    return None
