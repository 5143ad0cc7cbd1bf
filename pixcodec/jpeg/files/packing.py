"""Bytes <-> the same bytes packed: deflate with the usual strings of metadata as a dictionary, or LZMA."""

from __future__ import annotations

import lzma
import zlib
from typing import Any

from pixcodec.errors import CorruptFileError

PLAIN, DEFLATED, LZMA = range(3)
_WINDOW_BITS = -15  # deflate without header and checksum
_LZMA_FILTERS: list[dict[str, Any]] = [
    {"id": lzma.FILTER_LZMA1, "dict_size": 1 << 24, "lc": 3, "lp": 0, "pb": 0, "preset": 6}
]
# What packed data may refer to; FORMAT.md, section Dictionary. The last is nearest, and costs least.
DICTIONARY = (
    b'xmlns:xmpRights="http://ns.adobe.com/xap/1.0/rights/" '
    b'xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" '
    b'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#" '
    b'xmlns:stRef="http://ns.adobe.com/xap/1.0/sType/ResourceRef#" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    b'<rdf:Seq> <rdf:li rdf:parseType="Resource"> <rdf:Alt> <rdf:li xml:lang="x-default"> </rdf:li> '
    b'</rdf:Alt> <rdf:Bag> </rdf:Bag> </rdf:Seq> xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
    b'xmp:CreatorTool="Adobe Photoshop xmp:CreateDate="20 xmp:ModifyDate="20 xmp:MetadataDate="20 '
    b'xmpMM:OriginalDocumentID="xmp.did: xmpMM:DocumentID="xmp.did: xmpMM:InstanceID="xmp.iid: '
    b'photoshop:ColorMode="3" photoshop:ICCProfile="sRGB IEC61966-2.1" dc:format="image/jpeg" '
    b'http://ns.adobe.com/xap/1.0/\0<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?> '
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Adobe XMP Core "> '
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"> '
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    b'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    b'</rdf:Description> </rdf:RDF> </x:xmpmeta> <?xpacket end="w"?>'
    b"Photoshop 3.0\0008BIM\4\4\0\0\0\0\0ICC_PROFILE\0\1\1\0\0\0"
    b"Exif\0\0II*\0\x08\0\0\0Exif\0\0MM\0*\0\0\0\x08"
)


def pack_bytes(data: bytes) -> tuple[int, bytes]:
    """Return the shortest of the forms of the data: PLAIN, DEFLATED or LZMA, and the bytes."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, _WINDOW_BITS, 9, zdict=DICTIONARY)
    forms = [
        data,
        deflate.compress(data) + deflate.flush(),
        lzma.compress(data, lzma.FORMAT_RAW, filters=_LZMA_FILTERS),
    ]
    method = min(range(len(forms)), key=lambda i: len(forms[i]))
    return method, forms[method]


def unpack_bytes(method: int, packed: bytes, size_bytes: int) -> bytes:
    """Return the data, which are of a known size; not more is unpacked.

    Raises
    ------
    CorruptFileError
        If they are not.
    """
    try:
        data, whole = _unpacked(method, packed, size_bytes)
    except (zlib.error, lzma.LZMAError) as error:
        raise CorruptFileError(f"packed bytes cannot be unpacked: {error}") from error
    if len(data) != size_bytes or not whole:
        raise CorruptFileError(f"packed bytes are {len(data)} bytes or more, expected {size_bytes}")
    return data


def _unpacked(method: int, packed: bytes, size_bytes: int) -> tuple[bytes, bool]:
    """Return at most one byte more than expected, and whether the packed bytes end there."""
    if method == PLAIN:
        return packed, True
    if method == DEFLATED:
        inflate = zlib.decompressobj(_WINDOW_BITS, zdict=DICTIONARY)
        data = inflate.decompress(packed, size_bytes + 1)
        return data, inflate.eof and not inflate.unused_data
    decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA_FILTERS)
    data = decoder.decompress(packed, size_bytes + 1)
    return data, decoder.eof and not decoder.unused_data
