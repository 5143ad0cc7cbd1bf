"""Recipe and blocks -> the JPEG file that they give (FORMAT.md, JPEG files)."""

from __future__ import annotations

from typing import Any

import numpy as np

from pixcodec.jpeg.coefficients import FREQUENCIES
from pixcodec.jpeg.files.outline import Apart, Tables, complete, walkable
from pixcodec.jpeg.files.parts import Oddities, Parts, Plan, plan_of, put_together
from pixcodec.jpeg.files.reader import CODED, REPEATED
from pixcodec.jpeg.files.recipe import Recipe
from pixcodec.jpeg.files.tables import optimal_tables
from pixcodec.jpeg.scans.markers import Frame, UnusualFileError
from pixcodec.jpeg.scans.work import ONES, Int16, component_blocks, new_coefficients
from pixcodec.jpeg.stream.coder import Image, Scale, Span, Workers, decode_streams
from pixcodec.jpeg.stream.state import StreamKind


def joined(recipe: Recipe, plans: list[Plan], coded: list[list[Int16]]) -> bytes:
    """Return the file that a recipe and the blocks give that are coded."""
    ready = zip(recipe.all_files, plans, coded, strict=True)

    def next_file(inside: list[bytes]) -> bytes:
        file, plan, blocks = next(ready)
        inside += [next_file([]) for _ in file.embedded]
        return _put_together(file, plan, _spread(plan.frame, file.filling, blocks), inside)

    return b"".join(next_file([]) for _ in recipe.files)


def _put_together(file: Apart, plan: Plan, coefficients: Int16, inside: list[bytes]) -> bytes:
    """Return a JPEG file with the files that are inside, whose plan may lack tables."""
    parts = file.parts
    _, starts = walkable(file.outline)
    found = optimal_tables(parts.skeleton, parts.oddities, coefficients, set(starts)) if starts else {}
    tables = [found.get(start, b"") for start in starts]
    if not all(tables):
        raise UnusualFileError("a Huffman table does not follow from the coefficients")
    if starts or inside:
        parts = parts._replace(skeleton=complete(file.outline, tables, inside))
        plan = plan_of(parts.skeleton)
    return put_together(parts, plan, coefficients)


def decoded_blocks(
    recipe: Recipe,
    plans: list[Plan],
    payload: bytes,
    kind: StreamKind,
    workers: Workers,
    units: Span | None = None,
) -> list[list[Int16]]:
    """Return the blocks of all files; ``units``: as of :func:`decode_streams`."""
    taken = []
    for file, plan in zip(recipe.all_files, plans, strict=True):
        coded = []
        for number in range(len(plan.frame.components)):
            whole = file.filling[number] == CODED
            shape = plan.frame.whole_shape(number) if whole else plan.frame.shape(number)
            coded.append(np.zeros((*shape, FREQUENCIES), np.int16))
        taken.append(coded)
    images = [image_of(plan, coded) for plan, coded in zip(plans, taken, strict=True)]
    decode_streams(payload, images, kind, workers, units=units)
    return taken


def image_of(plan: Plan, coded: list[Int16]) -> Image:
    """Return what the coder takes."""
    return Image(coded, list(plan.steps), _scales(plan.frame))


def _scales(frame: Frame) -> list[Scale]:
    """Return how many blocks of the first component there are to one of each component."""
    first = frame.components[0]
    return [((first.vertical, c.vertical), (first.horizontal, c.horizontal)) for c in frame.components]


def repeat_dc(frame: Frame, number: int, whole: Int16) -> None:
    """Give the blocks that only fill units DC of the block before in their unit, and nothing else."""
    rows, columns = frame.shape(number)
    across = frame.components[number].horizontal
    whole[:rows, columns:] = 0
    whole[:rows, columns:, 0] = whole[:rows, columns - 1 : columns, 0]
    for row in range(rows, len(whole)):
        whole[row] = 0
        whole[row, :, 0] = np.repeat(whole[row - 1, across - 1 :: across, 0], across)


def _spread(frame: Frame, filling: tuple[int, ...], coded: list[Any]) -> Int16:
    """Return the coefficients of the frame, from the blocks that are coded."""
    coefficients = new_coefficients(frame)
    for number, whole in enumerate(component_blocks(frame, coefficients)):
        rows, columns = coded[number].shape[:2]
        whole[:rows, :columns] = coded[number]
        if filling[number] == REPEATED:
            repeat_dc(frame, number, whole)
    return coefficients


def by_other_tables(file: Apart) -> Apart:
    """Return a file all of whose Huffman tables follow from its coefficients, and whose scans are plain."""
    outline = tuple(
        piece._replace(tables=tuple(table._replace(codes=None) for table in piece.tables))
        if isinstance(piece, Tables)
        else piece
        for piece in file.outline
    )
    oddities = (Oddities(),) * len(file.parts.oddities)
    skeleton, _ = walkable(outline)
    return file._replace(parts=Parts(skeleton, ONES, b"", oddities), outline=outline)
