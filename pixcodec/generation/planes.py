"""Images and models as generation takes them: planes of 8 bits, grey or RGB.

Shapes: N images, H W height and width, C channels.
"""

from __future__ import annotations

import os

import numpy as np
from numpy import typing as npt

from pixcodec.container.header import Mode
from pixcodec.errors import ModelMismatchError, UnsupportedImageError
from pixcodec.images.picture import AnyImage, to_picture
from pixcodec.network.model import Model
from pixcodec.network.model_files import check_channels, load_model_or_none, shipped_model

Planes = npt.NDArray[np.uint8]
GivenModel = Model | str | os.PathLike[str] | None

__all__ = ["AnyImage", "GivenModel", "chosen_model", "planes_of", "without_axis"]


def planes_of(image: AnyImage) -> Planes:
    """Return the pixels (H, W, C) of a grey or RGB image with 8 bits.

    Raises
    ------
    UnsupportedImageError
        If it is another image.
    """
    picture = to_picture(image, strip=True)
    if picture.mode not in (Mode.GREY, Mode.RGB) or picture.pixels.dtype != np.uint8:
        raise UnsupportedImageError(
            f"the image is {picture.mode.name} with {picture.bit_depth} bits per subpixel, "
            "expected grey or RGB with 8; convert it first"
        )
    return picture.pixels.astype(np.uint8, copy=False)


def chosen_model(model: GivenModel, channels: int) -> Model:
    """Return the model given, or the one that ships for images of so many channels.

    Raises
    ------
    ModelMismatchError
        If it is for another number of channels, or no PixelCNN, or there is none.
    CorruptFileError
        If the file is not a model.
    """
    model = load_model_or_none(model)
    if model is None:
        return shipped_model(channels)
    check_channels(model, channels)
    if model.recurrent:  # its kernels know nothing of a state
        raise ModelMismatchError(f"model {model.name} is a Row LSTM, expected a PixelCNN")
    return model


def without_axis(images: Planes) -> Planes:
    """Return images (..., C) without the last axis if they are grey."""
    return images[..., 0] if images.shape[-1] == 1 else images
