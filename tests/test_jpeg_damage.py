"""Damaged files with JPEG coefficients: every contradiction and every changed bit is noticed."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest

import pixcodec
import samples
from jpeg_file import QUARTER, coded_jpeg, once_jpeg
from pixcodec.container.chunks import Chunk
from pixcodec.container.container import pack, parse
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError
from pixcodec.jpeg import way
from pixcodec.jpeg.stream.coder import Workers

pytestmark = pytest.mark.usefixtures("no_packed_layers")


@pytest.fixture(scope="module", params=["exact", "corrected"])
def file(request: pytest.FixtureRequest) -> tuple[samples.Pixels, bytes]:
    """Return pixels and their file, of several tiles if it has any."""
    return coded_jpeg(exact=request.param == "exact")


def test_every_truncation_and_flipped_bit_is_noticed(file: tuple[samples.Pixels, bytes]) -> None:
    data = bytearray(file[1])
    for at in range(len(data)):
        data[at] ^= 1 << at % 8
        with pytest.raises(PixcodecError):
            pixcodec.decode(data)
        with pytest.raises(PixcodecError):
            pixcodec.decode(data[:at])
        data[at] ^= 1 << at % 8


def test_other_coefficients_are_noticed(file: tuple[samples.Pixels, bytes]) -> None:
    container = parse(file[1])
    other = way.encode_coefficients(once_jpeg(QUARTER, quality=60)[1], 1, Workers())
    with pytest.raises(CorruptFileError, match="hash of the decoded pixels"):
        pixcodec.decode(pack(replace(container, coefficients=other)))


def test_damaged_coefficients_with_a_correct_crc_are_noticed(file: tuple[samples.Pixels, bytes]) -> None:
    pixels, data = file
    container = parse(data)
    payload = bytearray(container.coefficients)
    for at in range(0, len(payload) - 8, 37):
        payload[at] ^= 0x55
        try:  # the step of a frequency that never occurs means nothing
            found = pixcodec.decode(pack(replace(container, coefficients=bytes(payload))))
        except (CorruptFileError, LimitExceededError):
            pass
        else:
            np.testing.assert_array_equal(found, pixels)
        payload[at] ^= 0x55


def chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack("<I4s", len(payload), kind) + payload + struct.pack("<I", zlib.crc32(kind + payload))


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from("<I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += length + 12
    return found


def join(chunks: list[tuple[bytes, bytes]]) -> bytes:
    return b"\x8cPXC\r\n\x1a\n" + b"".join(chunk(*part) for part in chunks)


def test_coefficients_stand_between_metadata_and_tiles(file: tuple[samples.Pixels, bytes]) -> None:
    container = replace(parse(file[1]), ancillary=(Chunk("noTE", b""),), transparency=b"\1\1\2\3")
    kinds = [kind for kind, _ in chunks_of(pack(container))]
    tiles = [b"TILE"] * len(container.tiles)
    assert kinds == [b"HEAD", b"TRNS", b"noTE", b"COEF", *tiles, b"DONE"]


def test_coefficients_are_there_once_and_in_their_place(file: tuple[samples.Pixels, bytes]) -> None:
    head, coefficients, *rest = chunks_of(file[1])
    assert coefficients[0] == b"COEF"
    wrong = [
        ([head, *rest], "chunk 'COEF' is missing"),
        ([head, coefficients, coefficients, *rest], "found out of order"),
        ([head, (b"COEF", b""), *rest], "payload is 0 bytes"),
        ([head, coefficients, (b"TRNS", b"\1\1"), *rest], "found out of order"),
    ]
    if len(rest) > 1:
        wrong.append(([head, rest[0], coefficients, *rest[1:]], "found out of order"))
    for parts, message in wrong:
        with pytest.raises(CorruptFileError, match=message):
            pixcodec.decode(join(parts))


def test_a_header_that_contradicts_the_chunks_is_noticed(file: tuple[samples.Pixels, bytes]) -> None:
    (_, head), *rest = chunks_of(file[1])

    def changed(at: int, value: int) -> bytes:
        return join([(b"HEAD", head[:at] + bytes([value]) + head[at + 1 :]), *rest])

    exact = head[5] == 48
    message = f"number of tiles is {len(rest) - 2}, expected" if rest[1:-1] or exact else "COEF"
    for data, error, words in [
        (changed(5, 64 - head[5]), CorruptFileError, message),  # exact if it is not, and the other way
        (changed(0, 3), pixcodec.UnsupportedVersionError, "layout is"),
        (changed(0, 7), CorruptFileError, "format version 7 does not go with"),
        (
            changed(0, 9),
            CorruptFileError,
            "no images of such an effort|number of tiles|effort of|COEF",
        ),
        (changed(0, 10), pixcodec.UnsupportedVersionError, "layout is"),
        (changed(0, 11), CorruptFileError, "format version 11 does not go with"),
        (changed(0, 12), pixcodec.UnsupportedVersionError, "format version is 12"),
        (changed(2, 5), CorruptFileError, "mode PALETTE, 8 bits has JPEG coefficients"),
        (changed(2, 3), CorruptFileError, "mode RGBA, 8 bits has JPEG coefficients"),
        (changed(3, 9), CorruptFileError, "mode RGB, 9 bits has JPEG coefficients"),
    ]:
        with pytest.raises(error, match=words):
            pixcodec.decode(data)


def test_a_tile_of_a_network_without_a_model_id_is_damage() -> None:
    header = parse(pixcodec.encode(samples.photo(3, 9, 13), effort="fast")).header
    (_, head), *rest = chunks_of(pixcodec.encode(samples.photo(3, 9, 13), effort="fast"))
    assert head.endswith(b"\x08" + header.model_id)
    with pytest.raises(CorruptFileError, match="tile 0 is coded with a network, expected a model id"):
        pixcodec.decode(join([(b"HEAD", head[:-9] + b"\0"), *rest]))
