"""What can go wrong, one error for each decision a caller can take."""

from __future__ import annotations


class PixcodecError(Exception):
    """Base of every error that pixcodec raises on purpose."""


class NotPixcodecError(PixcodecError):
    """The bytes are not a pixcodec file: try another decoder."""


class UnsupportedVersionError(PixcodecError):
    """The file is intact and needs a newer pixcodec: upgrade."""


class CorruptFileError(PixcodecError):
    """The file is damaged or was never valid: fetch another copy."""


class ModelMismatchError(PixcodecError):
    """The network that coded the file is not at hand: supply it with ``model``."""


class LimitExceededError(PixcodecError):
    """The image or the file is larger than pixcodec accepts: split it."""


class UnsupportedImageError(PixcodecError):
    """The image cannot be coded as it is: convert it, as the message says."""


class DeviceError(PixcodecError):
    """The network cannot run on the device: choose another, or install torch."""


class SelfTestError(PixcodecError):
    """Pixcodec computes other numbers here than the format says: use another machine, and report it."""


class MissingCompilerError(PixcodecError):
    """There is no machine code for this processor, and no compiler: install the extra ``compile``."""
