"""Lossless image codec: a PixelCNN with integer arithmetic and a range coder.

>>> import numpy, pixcodec
>>> image = numpy.arange(12, dtype=numpy.uint8).reshape(2, 2, 3)
>>> data = pixcodec.encode(image)
>>> bool((pixcodec.decode(data) == image).all())
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pixcodec.container.info import Info, read_info
from pixcodec.errors import (
    CorruptFileError,
    DeviceError,
    LimitExceededError,
    MissingCompilerError,
    ModelMismatchError,
    NotPixcodecError,
    PixcodecError,
    SelfTestError,
    UnsupportedImageError,
    UnsupportedVersionError,
)

if TYPE_CHECKING:
    from pixcodec.batch.files import decode_frames, open, save
    from pixcodec.batch.large import decode_large, encode_large
    from pixcodec.batch.recover import Recovered, recover
    from pixcodec.batch.verify import verify
    from pixcodec.codec import decode, decode_image, encode, restore
    from pixcodec.generation.inpainting import Fill, inpaint
    from pixcodec.generation.sampling import sample
    from pixcodec.generation.scoring import Likelihood, likelihood
    from pixcodec.network.model_files import ModelInfo, list_models

__version__ = "0.1.0"

__all__ = [
    "CorruptFileError",
    "DeviceError",
    "Fill",
    "Info",
    "Likelihood",
    "LimitExceededError",
    "MissingCompilerError",
    "ModelInfo",
    "ModelMismatchError",
    "NotPixcodecError",
    "PixcodecError",
    "Recovered",
    "SelfTestError",
    "UnsupportedImageError",
    "UnsupportedVersionError",
    "__version__",
    "decode",
    "decode_frames",
    "decode_image",
    "decode_large",
    "encode",
    "encode_large",
    "inpaint",
    "likelihood",
    "list_models",
    "open",
    "read_info",
    "recover",
    "register_pillow",
    "restore",
    "sample",
    "save",
    "verify",
]

# Loaded on first use: these need numpy, which takes longer to import than `pixcodec info` to run.
_LAZY = {
    "Fill": "pixcodec.generation.inpainting",
    "Likelihood": "pixcodec.generation.scoring",
    "ModelInfo": "pixcodec.network.model_files",
    "Recovered": "pixcodec.batch.recover",
    "decode": "pixcodec.codec",
    "decode_frames": "pixcodec.batch.files",
    "decode_image": "pixcodec.codec",
    "decode_large": "pixcodec.batch.large",
    "encode": "pixcodec.codec",
    "encode_large": "pixcodec.batch.large",
    "inpaint": "pixcodec.generation.inpainting",
    "likelihood": "pixcodec.generation.scoring",
    "list_models": "pixcodec.network.model_files",
    "open": "pixcodec.batch.files",
    "recover": "pixcodec.batch.recover",
    "restore": "pixcodec.codec",
    "sample": "pixcodec.generation.sampling",
    "save": "pixcodec.batch.files",
    "verify": "pixcodec.batch.verify",
}


def register_pillow() -> None:
    """Let Pillow open and save .pxc files, as ``import pixcodec.pillow_plugin`` does."""
    import_module("pixcodec.plugins.pillow").register()


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'pixcodec' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
