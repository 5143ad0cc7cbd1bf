"""Metadata <-> ancillary chunks (FORMAT.md, "Ancillary chunks").

Metadata is a mapping with the keys of ``PIL.Image.Image.info``, except that ``text`` holds all texts:

=============  ==============================  =====================================================
key            value                           chunk
=============  ==============================  =====================================================
icc_profile    bytes                           iccp
exif           bytes, with the orientation     exif
xmp            bytes                           xmpm
comment        bytes, of GIF and JPEG          comm
text           keyword -> str or iTXt, of PNG  text, one for each keyword
gamma          float                           gama
chromaticity   8 floats                        chrm
srgb           int, rendering intent           srgb
dpi            2 floats                        phys
aspect         2 floats, where dpi is unknown  phys
png_chunks     bytes, what else a PNG file has pngc
tiff_tags      bytes, what else a TIFF file has tift
app13          bytes, Photoshop's of JPEG       phot
exr_header     bytes, of OpenEXR                exrh
=============  ==============================  =====================================================

Other keys of ``info`` describe how the original file was coded and are dropped, except for
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
from pixcodec.images.png_chunks import texts_of, without_texts
from pixcodec.images.png_text import PNG_XMP_KEYWORD

MAX_METADATA_SIZE_BYTES = 2**26  # of all chunks of a file together, uncompressed

_BYTES = {
    "icc_profile": "iccp",
    "exif": "exif",
    "xmp": "xmpm",
    "comment": "comm",
    "png_chunks": "pngc",
    "tiff_tags": "tift",
    "app13": "phot",
    "exr_header": "exrh",
}
_FLOATS = {"gamma": ("gama", 1), "chromaticity": ("chrm", 8)}
_RESOLUTIONS = ("aspect", "dpi")  # the position is the unit in the chunk phys
_ORDER = (*_BYTES, *_FLOATS, "srgb", *_RESOLUTIONS, "text")
_BYTES_KEYS = {chunk_type: key for key, chunk_type in _BYTES.items()}
_NUMBERS = {"gama": ("gamma", 1), "chrm": ("chromaticity", 8), "srgb": ("srgb", 1), "phys": ("dpi", 2)}
_TIFF_KEYWORD = "compression"  # the only string in the info of a TIFF file that is no text

_INTENTS = 4
_FLOAT_SIZE_BYTES = 8
_STORED, _ZLIB = 0, 1  # methods of packed data
_COMPRESSION_LEVEL = 9
_PLAIN, _INTERNATIONAL = 0, 1  # kinds of text
_TEXT = struct.Struct("<BIII")  # kind, sizes of keyword, language and translated keyword
_RESOLUTION = struct.Struct("<Bdd")  # unit, horizontal, vertical


def clean(info: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the part of an ``info`` that is kept, each value with the type in the table above.

    Values of other types are dropped, as a PNG file may hold a text with the keyword ``dpi``. If there is no
    mapping under ``text``, all strings of the ``info`` are texts.
    """
    kept: dict[str, Any] = {}
    for key in _BYTES:
        value = info.get(key)
        if isinstance(value, (bytes, bytearray)) and value:
            kept[key] = bytes(value)
    if "xmp" not in kept and isinstance(info.get(PNG_XMP_KEYWORD), str):
        kept["xmp"] = info[PNG_XMP_KEYWORD].encode("utf-8", "surrogatepass")
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
    if text := _clean_text(info):
        kept["text"] = text
    return kept


def _clean_text(info: Mapping[Any, Any]) -> dict[str, str]:
    """Return the texts: those of the key ``text``, or else all strings, as Pillow gives those of PNG files.

    A new kind of metadata that is a string must be left out here.
    """
    text = info.get("text")
    if not isinstance(text, Mapping):
        text = {key: value for key, value in info.items() if key != _TIFF_KEYWORD}
    return {
        key: value
        for key, value in text.items()
        if isinstance(key, str) and isinstance(value, str) and key != PNG_XMP_KEYWORD
    }


def to_chunks(info: Mapping[Any, Any]) -> tuple[Chunk, ...]:
    """Return metadata as ancillary chunks; what :func:`clean` drops is left out.

    Raises
    ------
    LimitExceededError
        If there is more than MAX_METADATA_SIZE_BYTES of it.
    UnsupportedImageError
        If a text is no valid Unicode.
    """
    kept = clean(info)
    if "png_chunks" in kept:
        _join_texts(kept)
    chunks = [Chunk(chunk_type, _packed(kept[key])) for key, chunk_type in _BYTES.items() if key in kept]
    for key, (chunk_type, count) in _FLOATS.items():
        if key in kept:
            numbers = kept[key] if count > 1 else (kept[key],)
            chunks.append(Chunk(chunk_type, struct.pack(f"<{count}d", *numbers)))
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
    """Return the metadata in ancillary chunks; chunks of unknown types are ignored.

    Raises
    ------
    CorruptFileError
        If a chunk is not as FORMAT.md says, or is there twice.
    UnsupportedVersionError
        If a chunk uses a method, a kind or a unit that this version of pixcodec does not know.
    LimitExceededError
        If there is more than MAX_METADATA_SIZE_BYTES of metadata.
    """
    info: dict[str, Any] = {}
    texts: dict[str, str] = {}
    room = MAX_METADATA_SIZE_BYTES  # bytes that the chunks to come may still unpack to
    seen: set[str] = set()
    for chunk_type, payload in chunks:
        if chunk_type in seen:
            raise CorruptFileError(f"chunk {chunk_type!r}: found twice, expected once")
        if chunk_type == "text":
            data = _unpacked(chunk_type, payload, room)
            room -= len(data)
            keyword, text = _parse_text(data)
            if keyword in texts:
                raise CorruptFileError(f"chunk 'text': found keyword {keyword!r} twice, expected it once")
            texts[keyword] = text
            continue
        if chunk_type in _BYTES_KEYS:
            data = info[_BYTES_KEYS[chunk_type]] = _unpacked(chunk_type, payload, room)
            room -= len(data)
        elif chunk_type in _NUMBERS:
            key, value = _parse_numbers(chunk_type, payload)
            info[key] = value
        else:
            continue
        seen.add(chunk_type)
    if not texts and "png_chunks" in info:
        texts = texts_of(info["png_chunks"]) or {}
    if texts:
        info["text"] = texts
    return {key: info[key] for key in _ORDER if key in info}


def _join_texts(kept: dict[str, Any]) -> None:
    """Keep texts once: with the other chunks of a PNG file if these hold the same, else by themselves."""
    own = texts_of(kept["png_chunks"])
    if own is not None and own == kept.get("text", {}):
        kept.pop("text", None)
    elif own is not None and not (rest := without_texts(kept["png_chunks"])):
        del kept["png_chunks"]
    elif own is not None:
        kept["png_chunks"] = rest


def _packed(data: bytes) -> bytes:
    """Return data after its method, compressed if that makes it smaller."""
    compressed = zlib.compress(data, _COMPRESSION_LEVEL)
    if len(compressed) < len(data):
        return bytes([_ZLIB]) + compressed
    return bytes([_STORED]) + data


def _unpacked(chunk_type: str, payload: bytes, room: int) -> bytes:
    """Return the data of a chunk, at most ``room`` bytes; the inverse of :func:`_packed`."""
    if not payload:
        raise CorruptFileError(f"chunk {chunk_type!r}: payload is empty, expected a method")
    method, data = payload[0], payload[1:]
    if method not in (_STORED, _ZLIB):
        raise _unknown(chunk_type, "method", method)
    if method == _ZLIB:
        stream = zlib.decompressobj()
        try:
            inflated = stream.decompress(data, room + 1)
        except zlib.error as error:
            raise CorruptFileError(f"chunk {chunk_type!r}: its zlib stream is damaged: {error}") from error
        if len(inflated) <= room and not stream.eof:
            raise CorruptFileError(f"chunk {chunk_type!r}: its zlib stream is cut short")
        if stream.unused_data:
            raise CorruptFileError(
                f"chunk {chunk_type!r}: found {len(stream.unused_data)} bytes after its zlib stream, "
                "expected none"
            )
        data = inflated
    if len(data) > room:
        raise LimitExceededError(
            f"chunk {chunk_type!r}: there is more metadata than the limit of {MAX_METADATA_SIZE_BYTES} bytes"
        )
    return data


def _text_bytes(keyword: str, text: str) -> bytes:
    """Return the data of a chunk text before they are packed."""
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
    """Return the keyword and the text of a chunk text; an international text is a PIL iTXt."""
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
    """Return ``count`` numbers as finite floats, or None if the value is anything else."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    if len(values) != count or not all(isinstance(v, Real) and not isinstance(v, bool) for v in values):
        return None
    try:
        numbers = tuple(float(v) for v in values)
    except (ArithmeticError, TypeError, ValueError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _parse_numbers(chunk_type: str, payload: bytes) -> tuple[str, Any]:
    """Return the key and the value of a chunk gama, chrm, srgb or phys."""
    key, count = _NUMBERS[chunk_type]
    if chunk_type == "srgb":
        _check_size(chunk_type, payload, 1)
        if payload[0] >= _INTENTS:
            raise _unknown(chunk_type, "intent", payload[0], _INTENTS)
        return key, payload[0]
    if chunk_type == "phys":
        _check_size(chunk_type, payload, _RESOLUTION.size)
        unit, payload = payload[0], payload[1:]
        if unit >= len(_RESOLUTIONS):
            raise _unknown(chunk_type, "unit", unit)
        key = _RESOLUTIONS[unit]
    else:
        _check_size(chunk_type, payload, _FLOAT_SIZE_BYTES * count)
    numbers = struct.unpack(f"<{count}d", payload)
    if not all(map(math.isfinite, numbers)):
        raise CorruptFileError(f"chunk {chunk_type!r}: found {numbers}, expected finite numbers")
    return key, numbers if count > 1 else numbers[0]


def _check_size(chunk_type: str, payload: bytes, expected: int) -> None:
    if len(payload) != expected:
        raise CorruptFileError(f"chunk {chunk_type!r}: payload is {len(payload)} bytes, expected {expected}")


def _unknown(chunk_type: str, what: str, found: int, known: int = 2) -> UnsupportedVersionError:
    return UnsupportedVersionError(
        f"chunk {chunk_type!r}: {what} is {found}, this version of pixcodec knows 0..{known - 1}"
    )
