"""Images that programs compute: ramps, patterns, test cards, fractals, plots, in many sizes and depths.

    python benchmarks/computed_images.py FOLDER     writes them as PNG files

Shapes: H height, W width.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
Field = Callable[[Array, Array], Array]  # coordinates x, y in 0..1, (H, W) -> values in 0..1

SIZES = ((8, 8), (16, 16), (32, 32), (127, 64), (80, 64), (200, 300), (256, 256), (512, 512))  # width, height
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])


def _mandelbrot(x: Array, y: Array) -> Array:
    c = 3 * x - 2.2 + 1j * (2.4 * y - 1.2)
    z, steps = np.zeros_like(c), np.zeros(c.shape)
    for _ in range(48):
        z = np.where(np.abs(z) < 2, z * z + c, z)
        steps += np.abs(z) < 2
    return steps / 48


FIELDS: dict[str, Field] = {
    "ramp-x": lambda x, y: x + 0 * y,
    "ramp-y": lambda x, y: y + 0 * x,
    "ramp-diagonal": lambda x, y: (x + y) / 2,
    "ramp-product": lambda x, y: x * y,
    "radial": lambda x, y: np.minimum(np.hypot(x - 0.5, y - 0.5) * 2, 1),
    "conic": lambda x, y: np.arctan2(y - 0.5, x - 0.5) / (2 * np.pi) + 0.5,
    "parabola": lambda x, y: ((x - 0.5) ** 2 + (y - 0.5) ** 2) * 2,
    "sine": lambda x, y: 0.5 + 0.25 * (np.sin(12 * x) + np.cos(9 * y)),
    "zone-plate": lambda x, y: 0.5 + 0.5 * np.cos(40 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)),
    "gaussian": lambda x, y: np.exp(-8 * ((x - 0.4) ** 2 + (y - 0.6) ** 2)),
    "mandelbrot": _mandelbrot,
}


def _coordinates(width: int, height: int) -> tuple[Array, Array]:
    y, x = np.mgrid[:height, :width]
    return x / max(width - 1, 1), y / max(height - 1, 1)


def _levels(values: Array, most: int = 255) -> Array:
    return np.round(values * most).astype(np.uint16 if most > 255 else np.uint8)


def _rgb(field: Field, x: Array, y: Array) -> Array:
    """Return a field in red, turned in green and reversed in blue."""
    return np.stack([_levels(field(x, y)), _levels(field(1 - x, y)), _levels(1 - field(x, 1 - y))], 2)


def _of_fields(name: str, field: Field, width: int, height: int) -> Iterator[tuple[str, Array]]:
    x, y = _coordinates(width, height)
    grey, rgb = _levels(field(x, y)), _rgb(field, x, y)
    yield f"{name}-grey", grey
    yield f"{name}-rgb", rgb
    yield f"{name}-rgba", np.dstack([rgb, _levels(field(y, x))])
    yield f"{name}-565", np.stack([rgb[..., c] >> k << k for c, k in enumerate((3, 2, 3))], 2)
    yield f"{name}-16", _levels(field(x, y), 65535)
    bayer = np.tile(_BAYER, (-(-height // 4), -(-width // 4)))[:height, :width]
    yield f"{name}-dithered", (field(x, y) * 16 > bayer + 0.5).astype(np.uint8) * 255


def _patterns(width: int, height: int) -> Iterator[tuple[str, Array]]:
    y, x = np.mgrid[:height, :width]
    for k in (1, 5, 8):
        yield f"checkerboard-{k}", ((x // k + y // k) % 2 * 255).astype(np.uint8)
    three = np.stack([(x // k + y // k) % 2 * 255 for k in (3, 7, 11)], 2)
    yield "checkerboards-rgb", three.astype(np.uint8)
    for a, b, m in ((7, 13, 256), (3, 5, 251), (1, 0, 17)):
        yield f"modulo-{a}-{b}-{m}", ((a * x + b * y) % m).astype(np.uint8)
    yield "modulo-product", (x * y % 256).astype(np.uint8)
    yield "xor", ((x ^ y) % 256).astype(np.uint8)
    yield "xor-rgb", np.stack([x ^ y, x & y, x | y], 2).astype(np.uint8)
    yield "modulo-rgb", np.stack([x * 5, y * 3, x + y], 2).astype(np.uint8)
    yield "counting", np.arange(height * width * 3).reshape(height, width, 3).astype(np.uint8)
    yield "counting-16", np.arange(height * width).reshape(height, width).astype(np.uint16)
    yield "squares", ((x * x + y * y) // 3 % 256).astype(np.uint8)
    yield "distance", np.minimum(np.hypot(x - 5, y - 9), 255).astype(np.uint8)


def _cards(width: int, height: int) -> Iterator[tuple[str, Array]]:
    y, x = np.mgrid[:height, :width]
    bars = np.array(list(itertools.product((0, 191), repeat=3)), np.uint8)[::-1]
    colours = bars[x * 8 // width]
    yield "colour-bars", colours
    card = colours.copy()
    lower = y >= height * 3 // 4
    card[lower] = (x * 255 // max(width - 1, 1)).astype(np.uint8)[lower][:, None]
    yield "test-card", card
    grid = np.full((height, width, 3), 240, np.uint8)
    grid[(x % 16 == 0) | (y % 16 == 0)] = 180
    curve = np.abs(y - height * (0.5 + 0.4 * np.sin(x / width * 9))) < 1.2
    grid[curve] = 200, 30, 40
    yield "plot", grid
    heat = _levels(FIELDS["gaussian"](*_coordinates(width, height)))
    yield (
        "heat-map",
        np.stack([heat, 255 - np.abs(2 * heat.astype(int) - 255), 255 - heat], 2).astype(np.uint8),
    )
    alpha = _levels(FIELDS["radial"](*_coordinates(width, height)))
    yield (
        "vignette",
        np.dstack([np.broadcast_to(np.array([30, 90, 200], np.uint8), (height, width, 3)), 255 - alpha]),
    )


def computed_images() -> Iterator[tuple[str, Array]]:
    """Return (name, image); an image is uint8 or uint16 of shape (H, W) or (H, W, C), as Pillow can save it.

    Every one is in two sizes (of fields) or three, which differ from one to the next.
    """
    for number, (name, field) in enumerate(FIELDS.items()):
        yield from _sized(partial(_of_fields, name, field), (number, number + 4))
    yield from _sized(_patterns, (1, 4, 6))
    yield from _sized(_cards, (2, 5, 7))


def _sized(
    make: Callable[[int, int], Iterator[tuple[str, Array]]], firsts: tuple[int, ...]
) -> Iterator[tuple[str, Array]]:
    """Return each image that ``make`` makes of a width and height, in as many sizes as firsts."""
    by_size = [list(make(*size)) for size in SIZES]
    for kind in range(len(by_size[0])):
        for first in firsts:
            size = (first + 3 * kind) % len(SIZES)
            name, image = by_size[size][kind]
            yield f"{name}-{SIZES[size][0]}x{SIZES[size][1]}", image


def main() -> None:
    """Write the images into a folder."""
    parser = argparse.ArgumentParser(description="write computed images as PNG files")
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in computed_images():
        Image.fromarray(image).save(folder / f"{name}.png")


if __name__ == "__main__":
    main()
