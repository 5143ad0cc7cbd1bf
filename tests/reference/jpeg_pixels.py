"""Sections Samples and Colours."""

from __future__ import annotations

import numpy as np

from reference.arithmetic import clamp
from reference.jpeg_text import text


def transform(x, shift):
    names = {"x": x, "shift": shift}
    exec(text()["transform"], names)
    return np.array(names["o"])


def samples(blocks, steps, rows, columns):
    """Section Samples: the samples (rows, columns) of a component."""
    wide = np.clip(blocks * steps, -16383, 16383)
    half = np.clip(transform(wide.transpose(2, 3, 0, 1), 11), -16383, 16383)  # y, v, rows, columns
    found = np.clip(transform(half.transpose(1, 0, 2, 3), 18) + 128, 0, 255)  # x, y, rows, columns
    plane = found.transpose(2, 1, 3, 0).reshape(8 * len(blocks), -1)
    return plane[:rows, :columns]


def enlarge(plane, horizontal, vertical):
    """Section Colours: the samples of chroma, as large as luma or one larger."""
    rows, columns = plane.shape
    values = plane.tolist()

    def s(i, j):
        return values[clamp(i, 0, rows - 1)][clamp(j, 0, columns - 1)]

    def q(i, j):
        return 3 * s(i // 2, j) + s(i // 2 + (1 if i % 2 else -1), j)

    if horizontal == 1:
        return plane
    found = np.zeros((vertical * rows, 2 * columns), np.int64)
    for i in range(vertical * rows):
        for j in range(columns):
            if columns <= 2:
                pair = s(i // vertical, j), s(i // vertical, j)
            elif vertical == 1:
                pair = (3 * s(i, j) + s(i, j - 1) + 1) >> 2, (3 * s(i, j) + s(i, j + 1) + 2) >> 2
            else:
                pair = (3 * q(i, j) + q(i, j - 1) + 8) >> 4, (3 * q(i, j) + q(i, j + 1) + 7) >> 4
            found[i, 2 * j : 2 * j + 2] = pair
    return found


def pixels(image, height, width):
    """Return the pixels (H, W, C) of an Image."""
    whole = image.top + height, image.left + width
    planes = []
    for number, (blocks, steps) in enumerate(zip(image.blocks, image.steps, strict=True)):
        ratio = (image.vertical, image.horizontal) if number > 0 else (1, 1)
        plane = samples(blocks, steps, -(-whole[0] // ratio[0]), -(-whole[1] // ratio[1]))
        if number > 0:
            plane = enlarge(plane, image.horizontal, image.vertical)
        planes.append(plane[image.top : whole[0], image.left : whole[1]])
    if len(planes) == 1:
        return planes[0][:, :, None]
    names = dict(zip("YPQ", planes, strict=True), clamp=np.clip)
    exec(text()["colours"], names)
    return np.stack([names[letter] for letter in "rgb"], 2)
