"""pixcodec as a codec under test, one class for each effort."""

# ruff: noqa: D102 -- the methods that every codec has are documented once, in `Codec`

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

import pixcodec
from pixcodec.bench.codec import ANY, RGB, Codec, ImageArray


class PixcodecFast(Codec):
    """pixcodec, effort "fast": the network, its mixtures corrected by what was coded before."""

    name = "pixcodec-fast"
    label = "pixcodec fast"
    settings = 'effort="fast"'
    threaded = True
    channels_16 = ANY
    effort: ClassVar[str] = "fast"
    model: Path | None = None

    def available(self) -> bool:
        return bool(pixcodec.list_models())

    def version(self) -> str:
        models = (f"{model.name} {model.model_id[:8]}" for model in pixcodec.list_models())
        return f"pixcodec {pixcodec.__version__} (models {', '.join(models)})"

    def encode(self, image: ImageArray) -> bytes:
        return pixcodec.encode(image, effort=self.effort, model=self.model, threads=self.threads)

    def decode(self, data: bytes) -> ImageArray:
        return np.asarray(pixcodec.decode(data, model=self.model, threads=self.threads, max_pixels=None))


class PixcodecNormal(PixcodecFast):
    """pixcodec, effort "normal", the default."""

    name = "pixcodec-normal"
    label = "pixcodec normal"
    settings = 'effort="normal"'
    effort = "normal"


class PixcodecMax(PixcodecFast):
    """pixcodec, effort "max"."""

    name = "pixcodec-max"
    label = "pixcodec max"
    settings = 'effort="max"'
    effort = "max"


class PixcodecResearch(PixcodecFast):
    """pixcodec, effort "research": a Row LSTM, for studies."""

    name = "pixcodec-research"
    label = "pixcodec research"
    settings = 'effort="research"'
    channels_8 = frozenset((RGB,))
    channels_16 = frozenset()
    effort = "research"
