"""Sections Decoders, Samples, Colours and Orientation."""

from __future__ import annotations

import functools

import numpy as np

from pixcodec.reference.arithmetic import clamp
from pixcodec.reference.jpeg_text import text
from pixcodec.reference.text import Section


@functools.cache
def decoders():
    """Return the words for transform, chroma and colours, by decoder."""
    rows = Section("Decoders").tables[0]
    assert [int(row[0]) for row in rows] == [*range(len(rows))]
    return [tuple(row[1:4]) for row in rows]


def transform(kind, x, shift):
    names = {"x": x, "shift": shift}
    if kind == "fast":
        exec(text()["fast transform"], names)
    else:
        constants = {}
        exec(text()["constants"], constants)
        names |= {"c": constants[kind.upper()], "bits": {"slow": 13, "stb": 12}[kind]}
        exec(text()["transform"], names)
    return np.array(names["o"])


def samples(blocks, steps, rows, columns, kind):
    """Section Samples: the samples (rows, columns) of a component."""
    multipliers, limit, shifts = steps, 16383, {"slow": (11, 18), "stb": (10, 17), "fast": (0, 5)}[kind]
    if kind == "fast":
        multipliers, limit = (steps * text()["factors"] + 2048) >> 12, 32767
    wide = np.clip(blocks * multipliers, -limit, limit)
    half = np.clip(
        transform(kind, wide.transpose(2, 3, 0, 1), shifts[0]), -limit, limit
    )  # y, v, rows, columns
    found = np.clip(
        transform(kind, half.transpose(1, 0, 2, 3), shifts[1]) + 128, 0, 255
    )  # x, y, rows, columns
    plane = found.transpose(2, 1, 3, 0).reshape(8 * len(blocks), -1)
    return plane[:rows, :columns]


def enlarge(plane, horizontal, vertical, kind):
    """Section Colours: the samples of chroma, as large as luma or a little larger."""
    rows, columns = plane.shape
    values = plane.tolist()

    def s(i, j):
        return values[clamp(i, 0, rows - 1)][clamp(j, 0, columns - 1)]

    def q(i, j):
        return 3 * s(i // 2, j) + s(i // 2 + (1 if i % 2 else -1), j)

    found = np.zeros((vertical * rows, horizontal * columns), np.int64)
    narrow = kind == "fancy" and horizontal == 2 and columns <= 2
    if kind == "repeated" or narrow or (horizontal, vertical) not in ((2, 1), (1, 2), (2, 2)):
        for y in range(vertical * rows):
            for x in range(horizontal * columns):
                found[y, x] = s(y // vertical, x // horizontal)
        return found
    ((_, *numbers),) = [row for row in Section("Colours").tables[0] if row[0] == kind]
    a, b, c, d = map(int, numbers)
    for i in range(rows if horizontal == 1 else vertical * rows):
        for j in range(columns):
            if vertical == 1:
                pair = (3 * s(i, j) + s(i, j - 1) + a) >> 2, (3 * s(i, j) + s(i, j + 1) + b) >> 2
            elif horizontal == 1:
                pair = (3 * s(i, j) + s(i - 1, j) + a) >> 2, (3 * s(i, j) + s(i + 1, j) + b) >> 2
                found[2 * i : 2 * i + 2, j] = pair
                continue
            else:
                pair = (3 * q(i, j) + q(i, j - 1) + c) >> 4, (3 * q(i, j) + q(i, j + 1) + d) >> 4
            found[i, 2 * j : 2 * j + 2] = pair
        if vertical == 1 and kind == "smooth" and columns > 1:
            found[i, 2 * columns - 2] = (3 * s(i, columns - 2) + s(i, columns - 1) + 2) >> 2
    return found


def turned(pixels, orientation):
    """Section Orientation."""
    if orientation >> 2 & 1:
        pixels = pixels.transpose(1, 0, 2)
    if orientation >> 1 & 1:
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation & 1 else pixels


def pixels(image, height, width):
    """Return the pixels (H, W, C) of an Image; the size is that of HEAD."""
    if image.orientation >= 4:
        height, width = width, height
    whole = image.top + height, image.left + width
    kind, chroma, colours = decoders()[image.decoder]
    planes = []
    for number, (blocks, steps) in enumerate(zip(image.blocks, image.steps, strict=True)):
        ratio = (image.vertical, image.horizontal) if number > 0 else (1, 1)
        plane = samples(blocks, steps, -(-whole[0] // ratio[0]), -(-whole[1] // ratio[1]), kind)
        if number > 0 and ratio != (1, 1):
            plane = enlarge(plane, image.horizontal, image.vertical, chroma)
        planes.append(plane[image.top : whole[0], image.left : whole[1]])
    if len(planes) == 1:
        return turned(planes[0][:, :, None], image.orientation)
    names = dict(zip("YPQ", planes, strict=True), clamp=np.clip)
    exec(text()[f"colours {colours}"], names)
    return turned(np.stack([names[letter] for letter in "rgb"], 2), image.orientation)
