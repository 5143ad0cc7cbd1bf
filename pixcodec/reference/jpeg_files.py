"""Section JPEG files: a file of version 7 or 11 -> the JPEG file that it keeps."""

from __future__ import annotations

import hashlib

from pixcodec.reference import core, jpeg_streams
from pixcodec.reference.jpeg_recipe import Kept
from pixcodec.reference.jpeg_scans import Tokens, best_table, oddities_of
from pixcodec.reference.jpeg_skeleton import Frame


def restore(data):
    """Return the bytes of the JPEG file that a file of version 7 or 11 keeps."""
    kept = Kept(data)
    file = joined(kept) if kept.stored is None else kept.stored
    core.check_hash(hashlib.sha256(file).digest(), kept.hash)
    return file


def joined(kept):
    frames = [Frame(file.skeleton) for file in kept.files]
    images = [frame.coded(file.ways) for frame, file in zip(frames, kept.files, strict=True)]
    coefficients = jpeg_streams.decode(kept.coefficients, images, kept.effort, networked=kept.networked)
    inner, whole = {}, b""
    for number in range(len(frames) - 1, -1, -1):  # a file inside comes after that which it is in
        file, frame = kept.files[number], frames[number]
        blocks = [frame.filled(i, file.ways, found) for i, found in enumerate(coefficients[number])]
        inner[number] = put_together(file, frame, blocks, inner)
    inside = {hole.number for file in kept.files for _, hole in file.holes}
    for number in range(len(frames)):
        whole += b"" if number in inside else inner[number]
    return whole


def put_together(file, frame, blocks, inner):
    """Return the bytes of a file: its skeleton with its scans, tables and the files inside."""
    oddities = oddities_of(file.odd, len(frame.scans))
    changes = [(at, hole.size, inner[hole.number]) for at, hole in file.holes]
    scans = [Tokens(frame, scan, blocks, odd) for scan, odd in zip(frame.scans, oddities, strict=True)]
    tables = {position: table_of(position, frame, scans) for position in file.derived}
    changes += [(position, 16, table) for position, table in tables.items()]
    changes += sizes(frame, tables)
    padding = iter(file.padding)

    def last_bits(count):
        byte = {0: 255, 1: 0}[file.fill] if file.fill < 2 else next(padding)
        return f"{byte:08b}"[8 - count :]

    for scan, tokens in zip(frame.scans, scans, strict=True):
        known = {key: tables.get(table.position, table.codes) for key, table in scan.tables.items()}
        changes.append((scan.at, 0, tokens.written(known, last_bits)))
    assert not [*padding]
    data, at = b"", 0
    for start, size, new in sorted(changes):
        data += file.skeleton[at:start] + new
        at = start + size
    return data + file.skeleton[at:]


def table_of(position, frame, scans):
    """Section Huffman tables: the table that stands at a position of the skeleton."""
    for scan, tokens in zip(frame.scans, scans, strict=True):
        for key, table in scan.tables.items():
            if table.position == position and tokens.counts(key):
                return best_table(tokens.counts(key))
    raise AssertionError("no scan uses the table")


def sizes(frame, tables):
    """Return the changes of the sizes of segments with tables of other sizes than in the skeleton."""
    changes = []
    for start, end in frame.bodies:
        inside = [table for position, table in tables.items() if start <= position < end]
        if inside:
            size = end - start + 2 + sum(len(table) - 16 for table in inside)
            changes.append((start - 2, 2, size.to_bytes(2, "big")))
    return changes
