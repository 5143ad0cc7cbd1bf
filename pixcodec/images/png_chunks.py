"""The ancillary chunks of a PNG file that its metadata do not say: kept, and put back (PNG, third edition).

What other metadata say of a chunk is not kept twice: of a profile only its name, of XMP only that it was
compressed. The bytes are those of the chunk ``pngc`` (FORMAT.md, "pngc").
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from pixcodec.container.chunks import shown
from pixcodec.errors import CorruptFileError
from pixcodec.images.png_text import PNG_XMP_KEYWORD, compressed_text, parsed_text, plain_text, text_at

FIRST, MIDDLE, LAST, NOWHERE = range(4)  # before PLTE, before IDAT, after IDAT; not in the file

_SIGNATURE_SIZE_BYTES = 8
_START = struct.Struct("<BB")  # colour type and bit depth of the file
_ENTRY = struct.Struct("<B4sI")  # place, type, size of the data that follow
_LENGTH, _CRC = struct.Struct(">I4s"), struct.Struct(">I")

_SAID = (b"cHRM", b"gAMA", b"sRGB", b"pHYs", b"eXIf")  # by other metadata, whole
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_OTHERWISE = (b"tRNS", b"acTL", b"fcTL", b"fdAT", b"iDOT")  # kept elsewhere, or about the compressed pixels
_OF_COLOUR_TYPE = (b"bKGD", b"sBIT", b"hIST")  # whose data depend on the colour type
_REGISTERED_AND_SAFE = (b"cICP", b"mDCV", b"cLLI", b"sPLT", b"tIME", b"oFFs", b"pCAL", b"sCAL", b"sTER")
_GREY, _LEVEL = 0, struct.Struct(">H")  # a colour type, and its level of grey in bKGD
_SAFE_TO_COPY = 0x20  # a bit of the last letter


class PngChunk(NamedTuple):
    """A chunk: where it is, its type, its data; those of texts are not compressed."""

    place: int
    type: bytes
    data: bytes


def unsaid_chunks(file: bytes, generated: bytes) -> bytes:
    """Return what metadata do not say of the ancillary chunks of a PNG file; nothing if they say all.

    Parameters
    ----------
    file : bytes
        An intact PNG file.
    generated : bytes
        The chunks that would be written for its metadata.
    """
    head, found = _ancillary(file)
    written = [PngChunk(FIRST, kind, data) for kind, data in _split(generated, 0)]
    entries: list[PngChunk] = []
    kinds = dict.fromkeys(_group(chunk) for chunk in (*found, *written))
    for group in kinds:
        own, other = ([c for c in chunks if _group(c) == group] for chunks in (found, written))
        if group == b"iCCP":
            entries += _unsaid_profile(own, other)
        elif not own:
            entries.append(PngChunk(NOWHERE, group, b""))
        elif [(c.type, c.data) for c in own] != [(c.type, c.data) for c in other] or _is_late(own):
            entries += [_kept(chunk) for chunk in own]
    return _packed(head, entries)


def with_unsaid_chunks(file: bytes, unsaid: bytes, xmp: bytes) -> bytes:
    """Return a PNG file with the chunks that :func:`unsaid_chunks` kept, in their places.

    If it has another colour type than the file had, those that depend on it are left out, and so are unknown
    ones that are not safe to copy.

    Parameters
    ----------
    file : bytes
        A PNG file with the chunks of the other metadata after IHDR.
    unsaid : bytes
    xmp : bytes
        The XMP of the metadata, or nothing.

    Raises
    ------
    CorruptFileError
        If ``unsaid`` is not as FORMAT.md says.
    """
    head, entries = _parse(unsaid)
    chunks = list(_split(file, _SIGNATURE_SIZE_BYTES))
    colour_type, depth = chunks[0][1][9], chunks[0][1][8]
    entries = [entry for entry in entries if colour_type == head[0] or _is_safe(entry.type)]
    if colour_type == _GREY:
        entries = [_scaled(entry, head[1], depth) for entry in entries]
    replaced = {_group(entry) for entry in entries} - {b"iCCP"}
    names = [entry.data for entry in entries if entry.type == b"iCCP"]
    pending: dict[int, list[bytes]] = {place: [] for place in (FIRST, MIDDLE, LAST)}
    out = [file[:_SIGNATURE_SIZE_BYTES]]
    for entry in entries:
        if entry.type != b"iCCP" and entry.place != NOWHERE:
            pending[entry.place].append(_chunk(entry.type, _full(entry, xmp)))
    for kind, data in chunks:
        if kind == b"PLTE":
            out += _taken(pending, FIRST)
        elif kind == b"IDAT":
            out += _taken(pending, FIRST) + _taken(pending, MIDDLE)
        elif kind == b"IEND":
            out += _taken(pending, LAST)
        if kind == b"iCCP" and names:
            data = names[0] + data[data.index(0) :]
        if not (kind[0] & 0x20 and _group(PngChunk(FIRST, kind, data)) in replaced):
            out.append(_chunk(kind, data))
    return b"".join(out)


def texts_of(unsaid: bytes) -> dict[str, str] | None:
    """Return the texts that :func:`unsaid_chunks` kept, by keyword; None if it kept none.

    Raises
    ------
    CorruptFileError
        If they are not as FORMAT.md says.
    """
    entries = [entry for entry in _parse(unsaid)[1] if _group(entry) == b"text"]
    if not entries:
        return None
    from PIL.PngImagePlugin import iTXt

    texts: dict[str, str] = {}
    for entry in entries:
        if entry.place != NOWHERE and (parsed := parsed_text(entry.type, entry.data)):
            keyword, text, language, translated = parsed
            texts[keyword] = iTXt(text, language, translated) if entry.type == b"iTXt" else text
    return texts


def without_texts(unsaid: bytes) -> bytes:
    """Return what :func:`unsaid_chunks` kept, without texts; nothing if that is all."""
    head, entries = _parse(unsaid)
    return _packed(head, [entry for entry in entries if _group(entry) != b"text"])


def types_of(unsaid: bytes) -> list[str]:
    """Return the types of the chunks that :func:`unsaid_chunks` kept, in their order."""
    return [entry.type.decode("latin-1") for entry in _parse(unsaid)[1] if entry.place != NOWHERE]


def _ancillary(file: bytes) -> tuple[tuple[int, int], list[PngChunk]]:
    """Return colour type and bit depth of a file, and its ancillary chunks."""
    from PIL.PngImagePlugin import ChunkStream

    place = FIRST
    found: list[PngChunk] = []
    with ChunkStream(io.BytesIO(file[_SIGNATURE_SIZE_BYTES:])) as stream:
        while True:
            kind, _, length = stream.read()
            assert stream.fp is not None
            data = stream.fp.read(length)
            stream.crc(kind, data)
            if kind == b"IHDR":
                head = (data[9], data[8])
            elif kind == b"PLTE":
                place = MIDDLE
            elif kind == b"IDAT":
                place = LAST
            elif kind == b"IEND":
                return head, found
            elif kind[0] & 0x20 and kind not in _OTHERWISE:
                found.append(PngChunk(place, kind, plain_text(kind, data)))


def _group(chunk: PngChunk) -> bytes:
    """Return what a chunk is compared with: its type, ``XMP``, or ``text`` for all texts."""
    if chunk.type not in _TEXTS:
        return chunk.type
    if chunk.type == b"iTXt" and chunk.data.startswith(PNG_XMP_KEYWORD.encode() + b"\0"):
        return b"XMP "
    return b"text"


def _is_late(chunks: Sequence[PngChunk]) -> bool:
    return any(chunk.place == LAST for chunk in chunks)


def _unsaid_profile(own: Sequence[PngChunk], other: Sequence[PngChunk]) -> Iterator[PngChunk]:
    """Yield the name of a profile if it is another one."""
    if own and other:
        names = [chunk.data[: chunk.data.index(0)] for chunk in (own[0], other[0])]
        if names[0] != names[1]:
            yield PngChunk(FIRST, b"iCCP", names[0])


def _kept(chunk: PngChunk) -> PngChunk:
    """Return a chunk as it is kept: of XMP without the text, which is kept elsewhere."""
    if _group(chunk) != b"XMP ":
        return chunk
    return chunk._replace(data=chunk.data[: text_at(chunk.data)])


def _full(entry: PngChunk, xmp: bytes) -> bytes:
    """Return the data of a chunk to write."""
    data = entry.data + xmp if _group(entry) == b"XMP " else entry.data
    return compressed_text(entry.type, data)


def _parse(unsaid: bytes) -> tuple[tuple[int, int], list[PngChunk]]:
    """Return colour type and bit depth, and the entries."""
    wrong = CorruptFileError("chunk 'pngc': its entries are damaged")
    if len(unsaid) < _START.size:
        raise wrong
    head, at, entries = _START.unpack_from(unsaid), _START.size, []
    while at < len(unsaid):
        if len(unsaid) - at < _ENTRY.size:
            raise wrong
        place, kind, size = _ENTRY.unpack_from(unsaid, at)
        at += _ENTRY.size
        if place > NOWHERE or size > len(unsaid) - at:
            raise wrong
        if place != NOWHERE and not (kind.isalpha() and kind[0] & 0x20):
            raise CorruptFileError(f"chunk 'pngc': type {shown(kind)}, expected one that is ancillary")
        entries.append(PngChunk(place, kind, unsaid[at : at + size]))
        at += size
    return head, entries


def _scaled(entry: PngChunk, before: int, now: int) -> PngChunk:
    """Return a grey background in the range of another bit depth; other entries as they are."""
    if entry.type != b"bKGD" or len(entry.data) != _LEVEL.size or not 0 < before < now:
        return entry
    level = _LEVEL.unpack(entry.data)[0] * (2**now - 1) // (2**before - 1)
    return entry._replace(data=_LEVEL.pack(min(level, 2**now - 1)))


def _packed(head: tuple[int, int], entries: Sequence[PngChunk]) -> bytes:
    """Return entries as bytes; nothing for none."""
    if not entries:
        return b""
    return _START.pack(*head) + b"".join(_ENTRY.pack(c.place, c.type, len(c.data)) + c.data for c in entries)


def _is_safe(kind: bytes) -> bool:
    """Return whether a chunk may stay when the colour type changes."""
    known = (*_SAID, *_TEXTS, *_REGISTERED_AND_SAFE, b"iCCP", b"text", b"XMP ")
    return kind in known or (kind not in _OF_COLOUR_TYPE and bool(kind[3] & _SAFE_TO_COPY))


def _split(data: bytes, start: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield types and data of the chunks of what this package or Pillow wrote."""
    while start < len(data):
        length, kind = _LENGTH.unpack_from(data, start)
        body = start + _LENGTH.size
        yield kind, data[body : body + length]
        start = body + length + _CRC.size


def _chunk(kind: bytes, data: bytes) -> bytes:
    return _LENGTH.pack(len(data), kind) + data + _CRC.pack(zlib.crc32(kind + data))


def _taken(pending: Mapping[int, list[bytes]], place: int) -> list[bytes]:
    """Return the chunks for a place, which then are no longer pending."""
    found = list(pending[place])
    pending[place].clear()
    return found
