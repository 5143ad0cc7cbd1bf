"""Files of several frames: their bytes, what is refused, damage."""

from __future__ import annotations

import struct
import zlib
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import animations
import pixcodec
import samples
from pixcodec.container.chunks import MAGIC, Chunk
from pixcodec.container.container import Container, Tile, TileKind
from pixcodec.container.frames import Disposal, Reference, SeriesKind, Setting
from pixcodec.container.header import Effort, Header, Mode
from pixcodec.container.series import frame_container, parse_series
from pixcodec.container.series_start import MAX_FRAMES, SERIES_BYTE, read_series_start
from pixcodec.container.series_writer import SeriesWriter
from pixcodec.container.shown import key_frame, shown_mode
from pixcodec.container.varint import pack_varint
from pixcodec.errors import (
    CorruptFileError,
    LimitExceededError,
    PixcodecError,
    UnsupportedImageError,
    UnsupportedVersionError,
)


def raw(width: int, height: int, chunks: tuple[Chunk, ...] = (), mode: Mode = Mode.RGB) -> Container:
    """Return an image that is stored as it is."""
    header = Header(width, height, mode, Effort.NORMAL, width, height, b"", version=8)
    tile = Tile(TileKind.RAW, 0, bytes(width * height * 3))
    return Container(header, (tile,), b"12345678", chunks)


def packed(*frames: tuple[Setting, Container], kind: SeriesKind = SeriesKind.ANIMATION) -> bytes:
    writer = SeriesWriter(kind, 6, 5, 3, Effort.NORMAL)
    for setting, container in frames:
        writer.add(setting, container)
    return writer.finish()


SETTINGS = (
    Setting(0, 0, 1, 10),
    Setting(1, 2, 7, 0, Disposal.CLEAR, True, False, Reference.CANVAS, True),
    Setting(0, 1, 0, 1, Disposal.RESTORE, False, True, Reference.SHOWN),
)
METADATA = (Chunk("comm", b"\0hello"), Chunk("text", b"\0" + struct.pack("<BIII", 0, 1, 0, 0) + b"ab"))
FILE = packed(
    (SETTINGS[0], raw(6, 5, METADATA)), (SETTINGS[1], raw(3, 3, METADATA)), (SETTINGS[2], raw(2, 4))
)


def with_index(data: bytes, change: Any) -> bytes:
    """Return a file whose index is another one, with right CRCs."""
    start = len(MAGIC) + 3
    values = 4 if data[len(MAGIC) + 1] == 3 else 1
    at = start + values  # all numbers are short
    at += 1 + 8 * data[at]
    size, end = data[at], at + 1
    if size > 127:
        size, end = (size & 127) | data[at + 1] << 7, at + 2
    index = zlib.compress(change(zlib.decompress(data[end : end + size])))
    head = data[:at] + pack_varint(len(index)) + index
    body = head + struct.pack("<I", zlib.crc32(head)) + data[end + size + 4 : -4]
    return body + struct.pack("<I", zlib.crc32(body))


def test_frames_come_back() -> None:
    start = parse_series(FILE)
    assert (start.kind, start.width, start.height, start.loop) == (SeriesKind.ANIMATION, 6, 5, 3)
    assert tuple(entry.setting for entry in start.frames) == SETTINGS
    assert frame_container(FILE, start, 0) == raw(6, 5, METADATA)
    assert frame_container(FILE, start, 1) == raw(3, 3, METADATA)
    assert frame_container(FILE, start, 2) == raw(2, 4)


def test_what_equals_the_frame_before_takes_no_bytes() -> None:
    other = (METADATA[0]._replace(payload=b"\0other"), METADATA[1])
    same = packed(*[(SETTINGS[0], raw(6, 5, METADATA))] * 2)
    changed = packed((SETTINGS[0], raw(6, 5, METADATA)), (SETTINGS[0], raw(6, 5, other)))
    assert len(changed) - len(same) >= len(other[0].payload)
    assert frame_container(changed, parse_series(changed), 1).ancillary == other


def test_durations() -> None:
    assert Setting(numerator=3, denominator=0).seconds == Setting(numerator=3, denominator=100).seconds
    info = pixcodec.read_info(FILE)
    assert info.frames == 3
    assert info.durations == (0.1, 0.07, 0.0)
    assert info.loop == 3


@pytest.mark.parametrize("size", range(len(FILE)))
def test_a_file_that_is_cut_is_refused(size: int) -> None:
    with pytest.raises(PixcodecError):
        parse_series(FILE[:size])
    with pytest.raises(PixcodecError):
        pixcodec.decode(FILE[:size])


@pytest.mark.parametrize("at", range(len(MAGIC) + 1, len(FILE)))
def test_a_changed_byte_is_noticed(at: int) -> None:
    damaged = bytearray(FILE)
    damaged[at] ^= 0x10
    with pytest.raises(PixcodecError):
        parse_series(bytes(damaged))


@given(st.binary(max_size=60), st.integers(0, 40))
def test_a_hostile_index_is_refused(index: bytes, cut: int) -> None:
    data = with_index(FILE, lambda found: found[:cut] + index)
    with suppress(PixcodecError):
        start = parse_series(data)
        for number in range(len(start.frames)):
            frame_container(data, start, number)


def patched(at: int, value: int, *, column: int) -> bytes:
    """Return FILE with another number in a column of the index, of frame ``at``; all numbers are short."""

    def change(index: bytes) -> bytes:
        place = 3 * column + at
        return index[:place] + pack_varint(value) + index[place + 1 :]

    return with_index(FILE, change)


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (patched(0, 128, column=0), UnsupportedVersionError, "flags is 128"),
        (patched(0, 48, column=0), UnsupportedVersionError, "reference is 3"),
        (patched(0, 64, column=0), CorruptFileError, "the first frame refers to one before"),
        (patched(1, 5, column=3), CorruptFileError, "frame 1 is 3x3 at 5,2, expected it within 6x5"),
        (patched(1, 0, column=5), CorruptFileError, "image is 0x3"),
        (patched(1, 9, column=7), UnsupportedVersionError, "mode is 9"),
        (patched(1, 16, column=9), UnsupportedVersionError, "layout is 16"),
        (patched(1, 7, column=7), CorruptFileError, "mode DEEP"),
        (patched(1, 1, column=13), CorruptFileError, "a frame has the values"),
        (patched(1, 9, column=14), CorruptFileError, "index"),
        (FILE[:9] + b"\2" + FILE[10:], CorruptFileError, "the start of"),
        (FILE[:8] + b"\x89" + FILE[9:], UnsupportedVersionError, "format version is 9"),
    ],
)
def test_what_is_refused(data: bytes, error: type[PixcodecError], words: str) -> None:
    with pytest.raises(error, match=words):
        pixcodec.decode(data)


def start_of(kind: int, effort: int, *values: int) -> bytes:
    head = MAGIC + bytes([SERIES_BYTE, 2 + kind, effort]) + b"".join(map(pack_varint, values)) + b"\0"
    index = zlib.compress(b"")
    head += pack_varint(len(index)) + index
    return head + struct.pack("<I", zlib.crc32(head))


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (start_of(0, 3, 1), UnsupportedVersionError, "effort is 3"),
        (start_of(0, 1, 0), CorruptFileError, "no frames"),
        (start_of(0, 1, MAX_FRAMES + 1), LimitExceededError, "frames, the limit is 65536"),
        (start_of(0, 1, 1), CorruptFileError, "index ends after 0 bytes"),
    ],
)
def test_starts_that_are_refused(data: bytes, error: type[PixcodecError], words: str) -> None:
    with pytest.raises(error, match=words):
        read_series_start(data)


def test_an_index_that_unpacks_to_too_much_is_refused() -> None:
    data = with_index(FILE, lambda found: bytes(2**26 + 1))
    with pytest.raises(LimitExceededError, match="index is larger"):
        read_series_start(data)


def test_still_runs_need_a_reference() -> None:
    header = Header(6, 5, Mode.PALETTE, Effort.NORMAL, 6, 5, b"", bit_depth=2, version=8)
    tiles = (Tile(TileKind.STILL, 3, bytes(8)),)
    container = Container(header, tiles, b"12345678", palette=bytes([3, 0, 1, 2, 3]))
    with pytest.raises(CorruptFileError, match="still runs, but nothing that it is predicted from"):
        pixcodec.decode(packed((SETTINGS[0], container)))


def test_a_series_is_no_single_image() -> None:
    with pytest.raises(UnsupportedImageError, match="several frames"):
        pixcodec.recover(FILE)
    with pytest.raises(UnsupportedImageError, match="several frames"):
        pixcodec.restore(FILE)


def test_key_frames_and_what_is_shown() -> None:
    whole, part = Setting(), Setting(1, 1)
    data = packed(
        *((whole, raw(6, 5)), (replace_reference(whole), raw(6, 5)), (part, raw(2, 2)), (whole, raw(6, 5)))
    )
    start = parse_series(data)
    assert [key_frame(start, number) for number in range(4)] == [0, 0, 0, 3]
    assert shown_mode(start) == (Mode.RGB, False)
    assert shown_mode(parse_series(packed((part, raw(2, 2))))) == (Mode.RGBA, False)


def replace_reference(setting: Setting) -> Setting:
    return setting._replace(reference=Reference.CANVAS)


def test_limits_are_checked_before_a_frame_is_decoded() -> None:
    data = pixcodec.encode(animations.gif(), effort="fast")
    with pytest.raises(LimitExceededError, match="33x21, 693 pixels, the limit is 600"):
        pixcodec.decode(data, max_pixels=600)
    pages = pixcodec.encode([samples.noise(4, 5, 1), samples.noise(9, 9, 1)], effort="fast")
    assert pixcodec.decode(pages, max_pixels=20).shape == (4, 5)
    with pytest.raises(LimitExceededError):
        pixcodec.decode(pages, max_pixels=20, frame=1)


@pytest.mark.parametrize("frame", [-1, 4])
def test_there_is_no_such_frame(frame: int) -> None:
    data = pixcodec.encode(animations.gif(4), effort="fast")
    with pytest.raises(ValueError, match=f"frame is {frame}, the file has 4"):
        pixcodec.decode(data, frame=frame)
    with pytest.raises(ValueError, match="frame is 1, the file has 1"):
        pixcodec.decode(pixcodec.encode(np.zeros((2, 2), np.uint8)), frame=1)
