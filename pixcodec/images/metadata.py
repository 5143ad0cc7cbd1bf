"""What an image file says besides its pixels <-> ancillary chunks (FORMAT.md, "Ancillary chunks").

Metadata is a mapping with the keys of ``PIL.Image.Image.info``, and ``text`` for all text together:

=============  ==============================  =====================================================
key            value                           chunk
=============  ==============================  =====================================================
icc_profile    bytes                           iccp
exif           bytes; orientation is in there  exif
xmp            bytes                           xmpm
comment        bytes, of GIF and JPEG          comm
text           keyword -> str or iTXt, of PNG  text, one for each keyword
gamma          float                           gama
chromaticity   8 floats                        chrm
srgb           int, rendering intent           srgb
dpi            2 floats                        phys
aspect         2 floats, where dpi is unknown  phys
=============  ==============================  =====================================================

The other keys of ``info`` describe how the old file was coded and are not kept, except for
``transparency``, which belongs to the pixels.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from pixcodec.container.chunks import Chunk
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    UnsupportedImageError,
    UnsupportedVersionError,
)

OLD_XMP = "XML:com.adobe.xmp"  # keyword of PNG
MAX_METADATA_SIZE_BYTES = 2**26  # of all chunks of a file together, uncompressed

_BYTES = {"icc_profile": "iccp", "exif": "exif", "xmp": "xmpm", "comment": "comm"}
_FLOATS = {"gamma": ("gama", 1), "chromaticity": ("chrm", 8)}
_RESOLUTIONS = ("aspect", "dpi")  # the index is the unit
_ORDER = (*_BYTES, *_FLOATS, "srgb", *_RESOLUTIONS, "text")
_KEYS = {kind: key for key, kind in _BYTES.items()}
_NUMBERS = {"gama": ("gamma", 1), "chrm": ("chromaticity", 8), "srgb": ("srgb", 1), "phys": ("dpi", 2)}

_INTENTS = 4
_STORED, _ZLIB = 0, 1  # methods
_PLAIN, _INTERNATIONAL = 0, 1  # kinds of text
_TEXT = struct.Struct("<BIII")  # kind, sizes of keyword, language and translated keyword
_RESOLUTION = struct.Struct("<Bdd")


def clean(info: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what of an ``info`` is kept, each value in the type that the module's table gives.

    Values of other types are dropped: a PNG file may hold text with the keyword ``dpi``. Without a
    mapping under ``text``, the strings of the ``info`` are its text.
    """
    kept: dict[str, Any] = {}
    for key in _BYTES:
        value = info.get(key)
        if isinstance(value, (bytes, bytearray)) and value:
            kept[key] = bytes(value)
    if "xmp" not in kept and isinstance(info.get(OLD_XMP), str):
        kept["xmp"] = info[OLD_XMP].encode("utf-8", "surrogatepass")
    for key, (_, count) in _FLOATS.items():
        numbers = _floats(info.get(key), count)
        if numbers:
            kept[key] = numbers if count > 1 else numbers[0]
    intent = info.get("srgb")
    if isinstance(intent, int) and 0 <= intent < _INTENTS:
        kept["srgb"] = int(intent)
    for key in reversed(_RESOLUTIONS):
        numbers = _floats(info.get(key), 2)
        if numbers and any(numbers) and "dpi" not in kept:
            kept[key] = numbers
    text = info.get("text")
    if not isinstance(text, Mapping):
        text = {key: value for key, value in info.items() if key != "compression"}  # that of a TIFF file
    text = {k: v for k, v in text.items() if isinstance(k, str) and isinstance(v, str) and k != OLD_XMP}
    if text:
        kept["text"] = text
    return kept


def to_chunks(info: Mapping[Any, Any]) -> tuple[Chunk, ...]:
    """Return the metadata that is kept as ancillary chunks; what :func:`clean` drops is ignored.

    Raises
    ------
    LimitExceededError
        If there is more than MAX_METADATA_SIZE_BYTES of it.
    UnsupportedImageError
        If a text is no valid Unicode.
    """
    kept = clean(info)
    chunks = [Chunk(kind, _packed(kept[key])) for key, kind in _BYTES.items() if key in kept]
    for key, (kind, count) in _FLOATS.items():
        if key in kept:
            numbers = kept[key] if count > 1 else (kept[key],)
            chunks.append(Chunk(kind, struct.pack(f"<{count}d", *numbers)))
    if "srgb" in kept:
        chunks.append(Chunk("srgb", bytes([kept["srgb"]])))
    for unit, key in enumerate(_RESOLUTIONS):
        if key in kept:
            chunks.append(Chunk("phys", _RESOLUTION.pack(unit, *kept[key])))
    texts = [_text_bytes(keyword, text) for keyword, text in kept.get("text", {}).items()]
    chunks += [Chunk("text", _packed(text)) for text in texts]
    size = sum(map(len, texts)) + sum(len(kept[key]) for key in _BYTES if key in kept)
    if size > MAX_METADATA_SIZE_BYTES:
        raise LimitExceededError(f"metadata is {size} bytes, the limit is {MAX_METADATA_SIZE_BYTES}")
    return tuple(chunks)


def from_chunks(chunks: Iterable[Chunk]) -> dict[str, Any]:
    """Return the metadata in ancillary chunks; those of unknown types are ignored.

    Raises
    ------
    CorruptFileError
        If a chunk is not as FORMAT.md says, or is there twice.
    UnsupportedVersionError
        If a chunk uses a method, a kind or a unit that this version does not know.
    LimitExceededError
        If there is more than MAX_METADATA_SIZE_BYTES of metadata.
    """
    info: dict[str, Any] = {}
    texts: dict[str, str] = {}
    room = MAX_METADATA_SIZE_BYTES
    seen: set[str] = set()
    for kind, payload in chunks:
        if kind in seen:
            raise CorruptFileError(f"chunk {kind!r}: found twice, expected once")
        if kind == "text" or kind in _KEYS:
            data = _unpacked(kind, payload, room)
            room -= len(data)
            if kind == "text":
                keyword, text = _parse_text(data)
                if keyword in texts:
                    raise CorruptFileError(f"chunk 'text': found keyword {keyword!r} twice, expected it once")
                texts[keyword] = text
                continue
            info[_KEYS[kind]] = data
        elif kind in _NUMBERS:
            key, value = _parse_numbers(kind, payload)
            info[key] = value
        else:
            continue
        seen.add(kind)
    if texts:
        info["text"] = texts
    return {key: info[key] for key in _ORDER if key in info}


def _packed(data: bytes) -> bytes:
    """Return data with its method before it, compressed if that makes it smaller."""
    compressed = zlib.compress(data, 9)
    if len(compressed) < len(data):
        return bytes([_ZLIB]) + compressed
    return bytes([_STORED]) + data


def _unpacked(kind: str, payload: bytes, room: int) -> bytes:
    """Return the data of a chunk, at most ``room`` bytes; the inverse of :func:`_packed`."""
    if not payload:
        raise CorruptFileError(f"chunk {kind!r}: payload is empty, expected a method")
    method, data = payload[0], payload[1:]
    if method not in (_STORED, _ZLIB):
        raise _unknown(kind, "method", method)
    if method == _ZLIB:
        stream = zlib.decompressobj()
        try:
            inflated = stream.decompress(data, room + 1)
        except zlib.error as error:
            raise CorruptFileError(f"chunk {kind!r}: its zlib stream is damaged: {error}") from error
        if len(inflated) <= room and not stream.eof:
            raise CorruptFileError(f"chunk {kind!r}: its zlib stream is cut short")
        if stream.unused_data:
            raise CorruptFileError(
                f"chunk {kind!r}: found {len(stream.unused_data)} bytes after its zlib stream, expected none"
            )
        data = inflated
    if len(data) > room:
        raise LimitExceededError(
            f"chunk {kind!r}: there is more metadata than the limit of {MAX_METADATA_SIZE_BYTES} bytes"
        )
    return data


def _text_bytes(keyword: str, text: str) -> bytes:
    kind = _PLAIN
    language = translated = b""
    try:
        if hasattr(text, "lang") and hasattr(text, "tkey"):  # PIL.PngImagePlugin.iTXt
            kind = _INTERNATIONAL
            language, translated = _utf8(text.lang), _utf8(text.tkey)
        name = keyword.encode()
        start = _TEXT.pack(kind, len(name), len(language), len(translated))
        return b"".join((start, name, language, translated, text.encode()))
    except UnicodeEncodeError as error:
        raise UnsupportedImageError(f"text {keyword!r} is no valid Unicode: {error}") from error


def _utf8(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""


def _parse_text(data: bytes) -> tuple[str, str]:
    """Return keyword and text, which is an iTXt if it was international."""
    if len(data) < _TEXT.size:
        raise CorruptFileError(f"chunk 'text': data is {len(data)} bytes, expected {_TEXT.size} or more")
    kind, *sizes = _TEXT.unpack_from(data)
    if kind not in (_PLAIN, _INTERNATIONAL):
        raise _unknown("text", "kind", kind)
    if _TEXT.size + sum(sizes) > len(data) or (kind == _PLAIN and any(sizes[1:])):
        raise CorruptFileError(f"chunk 'text': kind {kind}, sizes {sizes} in {len(data)} bytes of data")
    parts = []
    end = _TEXT.size
    for size in (*sizes, len(data)):
        parts.append(data[end : end + size])
        end += size
    try:
        keyword, language, translated, text = (part.decode() for part in parts)
    except UnicodeDecodeError as error:
        raise CorruptFileError(f"chunk 'text': {error}") from error
    if kind == _PLAIN:
        return keyword, text
    from PIL.PngImagePlugin import iTXt

    return keyword, iTXt(text, language, translated)


def _floats(value: object, count: int) -> tuple[float, ...] | None:
    """Return a number or a sequence of numbers as finite floats, or nothing if it is anything else."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    if len(values) != count or not all(isinstance(v, Real) and not isinstance(v, bool) for v in values):
        return None
    try:
        numbers = tuple(float(v) for v in values)
    except (ArithmeticError, TypeError, ValueError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _parse_numbers(kind: str, payload: bytes) -> tuple[str, Any]:
    """Return the key and the value of a chunk that is not packed."""
    key, count = _NUMBERS[kind]
    if kind == "srgb":
        _check_size(kind, payload, 1)
        if payload[0] >= _INTENTS:
            raise _unknown(kind, "intent", payload[0], _INTENTS)
        return key, payload[0]
    _check_size(kind, payload, 8 * count + (kind == "phys"))
    if kind == "phys":
        unit, payload = payload[0], payload[1:]
        if unit >= len(_RESOLUTIONS):
            raise _unknown(kind, "unit", unit)
        key = _RESOLUTIONS[unit]
    numbers = struct.unpack(f"<{count}d", payload)
    if not all(map(math.isfinite, numbers)):
        raise CorruptFileError(f"chunk {kind!r}: found {numbers}, expected finite numbers")
    return key, numbers if count > 1 else numbers[0]


def _check_size(kind: str, payload: bytes, expected: int) -> None:
    if len(payload) != expected:
        raise CorruptFileError(f"chunk {kind!r}: payload is {len(payload)} bytes, expected {expected}")


def _unknown(kind: str, what: str, found: int, known: int = 2) -> UnsupportedVersionError:
    return UnsupportedVersionError(
        f"chunk {kind!r}: {what} is {found}, this version of pixcodec knows 0..{known - 1}"
    )
