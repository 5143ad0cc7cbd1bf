"""The chunks of PNG files that hold text: tEXt, zTXt, iTXt (PNG, third edition, 11.3.3)."""

from __future__ import annotations

import zlib

PNG_XMP_KEYWORD = "XML:com.adobe.xmp"  # of the iTXt chunk of a PNG file that holds XMP
_MAX_TEXT_SIZE_BYTES = 2**26
_COMPRESSED_AT, _METHOD_AT = 1, 2  # bytes of iTXt after the end of the keyword


def plain_text(kind: bytes, data: bytes) -> bytes:
    """Return the data of a chunk of text with the text not compressed; those of other chunks as they are.

    Damaged ones are returned as they are, too.
    """
    try:
        if kind == b"zTXt":
            at = data.index(0) + 2
            return data[:at] + _inflated(data[at:])
        if kind == b"iTXt" and data[data.index(0) + _COMPRESSED_AT] == 1:
            at = text_at(data)
            return data[:at] + _inflated(data[at:])
    except (ValueError, IndexError, zlib.error):
        pass
    return data


def compressed_text(kind: bytes, data: bytes) -> bytes:
    """Return the data of a chunk from what :func:`plain_text` made of them."""
    try:
        if kind == b"zTXt":
            at = data.index(0) + 2
            return data[:at] + zlib.compress(data[at:], 9)
        if kind == b"iTXt" and data[data.index(0) + _COMPRESSED_AT] == 1:
            at = text_at(data)
            return data[:at] + zlib.compress(data[at:], 9)
    except (ValueError, IndexError):
        pass
    return data


def parsed_text(kind: bytes, data: bytes) -> tuple[str, str, str, str] | None:
    """Return keyword, text, language and translated keyword of a chunk that :func:`plain_text` returned.

    None if it is not as PNG says.
    """
    try:
        keyword, rest = data[: data.index(0)], data[data.index(0) + 1 :]
        if kind == b"tEXt":
            return keyword.decode("latin-1"), rest.decode("latin-1"), "", ""
        if kind == b"zTXt":
            return keyword.decode("latin-1"), rest[1:].decode("latin-1"), "", ""
        language, translated, text = rest[_METHOD_AT:].split(b"\0", 2)
        return keyword.decode("latin-1"), text.decode(), language.decode(), translated.decode()
    except ValueError:
        return None


def text_at(data: bytes) -> int:
    """Return where the text begins in the data of a chunk iTXt; ValueError if nowhere."""
    at = data.index(0) + 1 + _METHOD_AT
    at = data.index(0, at) + 1
    return data.index(0, at) + 1


def _inflated(data: bytes) -> bytes:
    stream = zlib.decompressobj()
    text = stream.decompress(data, _MAX_TEXT_SIZE_BYTES)
    if not stream.eof or stream.unused_data:
        raise ValueError("its zlib stream does not end where the chunk does")
    return text
