"""Grey values of more than 8 bits in a layer RESIDUAL, whether that is the smallest way or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pixcodec.codec import header_of
from pixcodec.container.container import Container, pack
from pixcodec.container.header import FITTED_VERSION, WIDER_VERSION, Effort, Mode
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.images.picture import Picture
from pixcodec.images.planes import little_endian
from pixcodec.images.ways import Way
from pixcodec.tiling import Given, encode_way


def scene(height, width, bits, seed=3):
    """Return values of a scene with flat parts, ramps, holes and noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    top = 2**bits - 1
    values = np.where(x < width // 3, top // 3, top // 4 + 3 * x + y)
    values = values + np.where(y > height // 2, rng.normal(0, top / 400, (height, width)), 0)
    values[rng.random((height, width)) < 0.03] = 0
    values[0, -1] = top
    return np.clip(values, 0, top).astype(np.uint16)


def residual_file(values, effort="normal", *, relative=True, steady=False, order=3):
    """Return a file of grey values that are coded as residuals."""
    picture = Picture(Mode.GREY, 16, np.ascontiguousarray(values[:, :, None]))
    plain = header_of(Mode.GREY, 16, values.shape, Effort[effort.upper()])
    version = FITTED_VERSION if steady else WIDER_VERSION
    header = replace(plain, interleaved=True, residual=True, graphics=relative, version=version)
    way, tiles = encode_way(Way(header, picture.pixels, b""), order, Given(None, 1, None))
    digest = pixel_hash(way.header, little_endian(picture.pixels))
    return pack(Container(way.header, tiles, digest))
