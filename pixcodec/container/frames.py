"""What a series says of its frames (FORMAT.md, "Series"); standard library only."""

from __future__ import annotations

from enum import IntEnum
from fractions import Fraction
from typing import NamedTuple

from pixcodec.container.header import Header


class SeriesKind(IntEnum):
    """What the frames are."""

    PAGES = 0  # images of their own
    ANIMATION = 1  # drawn one after another onto a canvas


class Disposal(IntEnum):
    """What becomes of a frame's rectangle before the next one is drawn, with the numbers of GIF."""

    UNSPECIFIED = 0  # as KEEP
    KEEP = 1
    CLEAR = 2  # all of it becomes transparent
    RESTORE = 3  # it becomes what it was before the frame


class Reference(IntEnum):
    """What a frame is predicted from."""

    NONE = 0
    CANVAS = 1  # what the frame is drawn onto
    SHOWN = 2  # what was shown before, that is before the disposal


class Setting(NamedTuple):
    """How a frame takes its place in a series.

    Parameters
    ----------
    x, y : int
        Of its top left corner on the canvas; 0 of pages.
    numerator, denominator : int
        How long it is shown, in seconds. A denominator of 0 counts as 100, as in APNG.
    disposal : Disposal
    over : bool
        Whether it is blended over the canvas where it is transparent, or replaces it.
    hidden : bool
        Whether it is not a part of the animation: the still image of an APNG file.
    reference : Reference
    carried : bool
        Whether its layers begin with what the layers before have learnt.
    """

    x: int = 0
    y: int = 0
    numerator: int = 0
    denominator: int = 1
    disposal: Disposal = Disposal.UNSPECIFIED
    over: bool = False
    hidden: bool = False
    reference: Reference = Reference.NONE
    carried: bool = False

    @property
    def seconds(self) -> Fraction:
        """Return how long the frame is shown."""
        return Fraction(self.numerator, self.denominator or 100)


class Part(NamedTuple):
    """A chunk of a frame: its type and the place of its payload in the file."""

    type: str
    start: int
    size: int


class FrameEntry(NamedTuple):
    """What the index says of a frame."""

    setting: Setting
    header: Header
    parts: tuple[Part, ...]
    hash_at: int


class SeriesStart(NamedTuple):
    """What precedes the bodies of the frames.

    Parameters
    ----------
    kind : SeriesKind
    width, height : int
        Of the canvas of an animation; of the first page.
    loop : int or None
        How often an animation is shown, 0 for ever; None if nothing is said, which means once.
    frames : tuple of FrameEntry
    end : int
        Where the bodies end.
    """

    kind: SeriesKind
    width: int
    height: int
    loop: int | None
    frames: tuple[FrameEntry, ...]
    end: int

    @property
    def most_pixels(self) -> int:
        """Return the number of pixels of the canvas, or of the largest page."""
        return max(
            self.width * self.height, *(entry.header.width * entry.header.height for entry in self.frames)
        )
