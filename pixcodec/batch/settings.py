"""Settings of the commands that code files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pixcodec.container.header import DEFAULT_MAX_PIXELS

Progress = Callable[[float], None]  # called with the fraction that is done
Region = tuple[int, int, int, int]  # x, y, width, height, in pixels


@dataclass(frozen=True)
class Settings:
    """Settings of a command for all its files.

    Parameters
    ----------
    max_pixels : int
        Refuse larger images.
    model : Path or None
        Model file, instead of a shipped model.
    threads : int or None
        Threads for one file; None for as many as there are processors.
    force : bool
        Overwrite outputs that exist.
    skip_existing : bool
        Skip inputs whose output exists.
    """

    max_pixels: int = DEFAULT_MAX_PIXELS
    model: Path | None = None
    threads: int | None = None
    force: bool = False
    skip_existing: bool = False


@dataclass(frozen=True)
class EncodeSettings(Settings):
    """Settings of ``pixcodec encode``.

    Parameters
    ----------
    effort, order, strip
        As for :func:`pixcodec.encode`.
    verify : bool
        Decode each result and compare before it is written.
    remove : bool
        Remove each input after its output was read back from the disk, decoded and compared.
    pixels : bool
        Keep the pixels of JPEG files, not the files; ``strip`` implies it.
    device : str or None
        Where torch runs the network; None for pixcodec's own kernels.
    """

    effort: str = "normal"
    order: str = "wavefront"
    verify: bool = True
    strip: bool = False
    remove: bool = False
    pixels: bool = False
    device: str | None = None


@dataclass(frozen=True)
class DecodeSettings(Settings):
    """Settings of ``pixcodec decode``.

    Parameters
    ----------
    suffix : str or None
        Format of the image files; None for that of the suffix of each output, or for a stream a JPEG file
        that was kept, or png.
    region : (int, int, int, int) or None
        Part of the image to decode; None for all of it.
    frame : int or None
        Which frame of a file of several to decode; None for all.
    recover : bool
        Write what is intact of a damaged file, too.
    """

    suffix: str | None = None
    region: Region | None = None
    frame: int | None = None
    recover: bool = False


@dataclass(frozen=True)
class VerifySettings(Settings):
    """Settings of ``pixcodec verify``.

    Parameters
    ----------
    deep : bool
        Decode each file with the plain decoder, too.
    """

    deep: bool = False
