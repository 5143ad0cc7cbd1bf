"""Where the time of encoding and decoding goes: cycles of each part of the kernels, and what is outside.

    python benchmarks/profile.py IMAGE [--effort normal] [--crop 512x256] [--json FILE]

One thread. Shares are of the cycle counter; nanoseconds a pixel are shares of the time of the whole call.
What is "outside" is the range coder, Python and the allocation of memory. Ways are not tried, and so not
timed: the image is coded as a photograph.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ["PIXCODEC_PROFILE"] = "1"

import numpy as np
from PIL import Image

from pixcodec.coding.driver import run
from pixcodec.coding.network_layer import new_network_layer
from pixcodec.coding.nibbles import new_nibbles
from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.coding.run_state import framed
from pixcodec.mixing.state import Extent
from pixcodec.network.inference import new_network
from pixcodec.network.model_files import shipped_model
from pixcodec.network.profiling import PARTS

EFFORTS = {"fast": 0, "normal": 1, "max": 2}
SLOPES = {"fast": 3, "normal": 3, "max": 5}
Pixels = Any


def stage_of(pixels: Pixels, effort: str, known: bool) -> tuple[Any, Any]:
    """Return a stage for all of an image (H, W, C), and its wave."""
    height, width, channels = pixels.shape
    size = Extent(height, width, channels, SLOPES[effort])
    network = new_network(shipped_model(channels), height, width, size.slope, pixels if known else None)
    if effort == "fast":
        nibbles = new_nibbles(network, height, width, size.slope, known=known, runs=False)
        return nibbles, nibbles.wave
    sees = framed(np.zeros((height, width, 0), np.uint8))
    layer = new_network_layer(network, EFFORTS[effort], size, sees)
    return layer, layer.mixing.wave


def profile(pixels: Pixels, effort: str) -> dict[str, dict[str, float]]:
    """Return for both directions the nanoseconds a pixel of each part, and in all."""
    encoder = Encoder()
    stage, wave = stage_of(pixels, effort, True)
    bitstream = b""
    found = {}
    for direction in ("encode", "decode"):
        start = time.perf_counter()
        if direction == "encode":
            run(stage, encoder, decoding=False)
            bitstream = encoder.finish()
        else:
            stage, wave = stage_of(pixels, effort, False)
            run(stage, Decoder(bitstream), decoding=True)
        each = 1e9 * (time.perf_counter() - start) / (pixels.shape[0] * pixels.shape[1])
        cycles = wave["cycles"][0][: len(PARTS)].astype(float)
        found[direction] = {
            **{part: each * c / cycles.sum() for part, c in zip(PARTS, cycles, strict=True)},
            "all": each,
        }
    return found


def main(arguments: list[str] | None = None) -> int:
    """Print a table for an image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("image", type=Path)
    parser.add_argument("--effort", choices=EFFORTS, default="normal")
    parser.add_argument("--crop", default="512x256", help="width x height, from the middle")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    image = Image.open(options.image)
    pixels = np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
    pixels = pixels[:, :, None] if pixels.ndim == 2 else pixels
    width, height = map(int, options.crop.split("x"))
    top, left = max(0, (pixels.shape[0] - height) // 2), max(0, (pixels.shape[1] - width) // 2)
    pixels = np.ascontiguousarray(pixels[top : top + height, left : left + width])
    profile(pixels[:16, :16], options.effort)  # compiles
    runs = [profile(pixels, options.effort) for _ in range(options.runs)]
    medians = {
        direction: {part: statistics.median(r[direction][part] for r in runs) for part in (*PARTS, "all")}
        for direction in ("encode", "decode")
    }
    print(
        f"{options.image.name}, {pixels.shape[1]}x{pixels.shape[0]}, {options.effort}: ns a pixel, one thread"
    )
    print(f"{'':10}{'encode':>10}{'decode':>10}")
    for part in (*PARTS, "all"):
        print(f"{part:10}{medians['encode'][part]:10.0f}{medians['decode'][part]:10.0f}")
    if options.json:
        result = {"image": options.image.name, "effort": options.effort, "ns_per_pixel": medians}
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
