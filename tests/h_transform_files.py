"""Images that were compressed by H-transform once, and files of them, the smallest or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pixcodec.codec import header_of
from pixcodec.container.container import Container, pack
from pixcodec.container.header import FITTED_VERSION, Effort, Mode
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.images.h_transform import transformed
from pixcodec.images.picture import Picture
from pixcodec.images.planes import little_endian
from pixcodec.images.ways import Way
from pixcodec.tiling import Given, encode_way


def plate(height, width, step=726, seed=5, *, repeats=False):
    """Return 16-bit values of stars and grain (H, W) whose blocks of 2x2 have differences of whole steps."""
    rng = np.random.default_rng(seed)
    rows, columns = -(-height // 2), -(-width // 2)
    y, x = np.mgrid[:rows, :columns]
    means = 9000 + 40 * x + 7 * y + rng.integers(-300, 300, (rows, columns))
    if repeats:
        means = 9000 + np.tile(rng.integers(0, 9000, (1, 7)), (rows, columns))[:rows, :columns]
    for _ in range(max(1, rows * columns // 500)):
        means[rng.integers(rows), rng.integers(columns)] += rng.integers(2000, 30000)
    k = rng.integers(-2, 3, (3, rows, columns))
    if height % 2:
        k[::2, -1] = 0
        k[1, -1] += k[1, -1] % 2
    if width % 2:
        k[1:, :, -1] = 0
        k[0, :, -1] += k[0, :, -1] % 2
    hy, hx, hd = step * k
    total = 4 * means + (hy + hx - hd) % 4
    first = (total - hy - hx + hd) // 4
    values = np.zeros((2 * rows, 2 * columns), np.int64)
    values[::2, ::2], values[::2, 1::2] = first, first + (hx - hd) // 2
    values[1::2, ::2], values[1::2, 1::2] = first + (hy - hd) // 2, first + (hy + hx) // 2
    assert 0 <= values.min() <= values.max() < 2**16
    return values[:height, :width].astype(np.uint16)


def h_transform_file(values, effort="normal", *, relative=False, tile=None, corner=0):
    """Return a file of values (H, W) by blocks of an H-transform; ``tile``: the side of a tile."""
    picture = Picture(Mode.GREY, 16, np.ascontiguousarray(values[:, :, None]))
    plain = header_of(Mode.GREY, 16, values.shape, Effort[effort.upper()])
    found = transformed(picture.pixels, corner)
    sides = [tile or side + side % 2 for side in (plain.tile_width, plain.tile_height)]
    header = replace(
        *(plain,),
        **{"interleaved": True, "residual": True, "graphics": relative, "version": FITTED_VERSION},
        **{"index_bits": found.bits, "tile_width": sides[0], "tile_height": sides[1], "corner": corner},
    )
    way, tiles = encode_way(Way(header, found.pixels, found.table), 3, Given(None, 1, None))
    digest = pixel_hash(way.header, little_endian(picture.pixels))
    return pack(Container(way.header, tiles, digest, palette=way.table))
