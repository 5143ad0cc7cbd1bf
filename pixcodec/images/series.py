"""Several pictures in a row: pages, or the frames of an animation.

Shapes: H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from pixcodec.container.frames import SeriesKind, Setting
from pixcodec.images.picture import Picture


class Frame(NamedTuple):
    """A page, or what a frame of an animation draws onto the canvas, and how."""

    picture: Picture
    setting: Setting = Setting()


class Series(NamedTuple):
    """Several pictures.

    Parameters
    ----------
    kind : SeriesKind
    width, height : int
        Of the canvas of an animation, in pixels; 0 of pages.
    loop : int or None
        How often the animation is shown, 0 for ever; None if nothing is said.
    frames : iterable of Frame
        May be read once only.
    number : int
        How many there are.
    whole : bool
        Whether all frames are whole canvases that replace what was shown: only what changes need be stored.
    """

    kind: SeriesKind
    width: int
    height: int
    loop: int | None
    frames: Iterable[Frame]
    number: int
    whole: bool = False
