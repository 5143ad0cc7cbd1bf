"""Coefficients <-> bytes."""

from __future__ import annotations

from pixcodec.jpeg.coefficients import Coefficients


def encode_coefficients(coefficients: Coefficients) -> bytes:
    """Return the payload of the chunk COEF."""
    raise NotImplementedError


def decode_coefficients(payload: bytes, height: int, width: int, channels: int) -> Coefficients:
    """Return the coefficients of an image of this size; raise CorruptFileError if they do not fit it."""
    raise NotImplementedError
