"""What the index of a series says of what is shown (FORMAT.md, "Series"); standard library only."""

from __future__ import annotations

from pixcodec.container.frames import Disposal, FrameEntry, Reference, SeriesKind, SeriesStart
from pixcodec.container.header import PLANE_BITS, Mode
from pixcodec.container.series_start import read_series_start

_GIF_TICKS = 100  # a second


def key_frame(start: SeriesStart, number: int) -> int:
    """Return the last frame up to a number that needs none before it to be decoded and shown."""
    for key in range(number, 0, -1):
        setting, header = start.frames[key][:2]
        alone = setting.reference is Reference.NONE and not setting.carried
        covers = (header.width, header.height) == (start.width, start.height) and _replaces(start.frames[key])
        if alone and (covers or start.kind is SeriesKind.PAGES):
            return key
    return 0


def _is_opaque(entry: FrameEntry) -> bool:
    has_key = any(part.type == "TRNS" for part in entry.parts)
    return not entry.header.mode.has_alpha and entry.header.mode is not Mode.PALETTE and not has_key


def _replaces(entry: FrameEntry) -> bool:
    """Return whether a frame hides all that is below it."""
    return not entry.setting.over or _is_opaque(entry) or _is_plain_palette(entry)


def _is_plain_palette(entry: FrameEntry) -> bool:
    """Return whether a frame has a palette without transparency."""
    has_key = any(part.type == "TRNS" for part in entry.parts)
    return entry.header.mode is Mode.PALETTE and not has_key


def shown_mode(start: SeriesStart) -> tuple[Mode, bool]:
    """Return the mode in which an animation is shown, and whether it has 16 bits.

    It is grey if all frames are, and has no alpha if all that is shown is known to be opaque.
    """
    frames = start.frames
    shown = [entry for entry in frames if not entry.setting.hidden] or list(frames)
    greys = (Mode.GREY, Mode.GREY_ALPHA, Mode.BILEVEL)
    grey = all(entry.header.mode in greys for entry in frames)
    first = shown[0].header
    covers = (first.width, first.height) == (start.width, start.height)
    solid = [_is_opaque(entry) or _is_plain_palette(entry) for entry in frames]
    opaque = covers and solid[frames.index(shown[0])]
    for entry, is_solid in zip(frames, solid, strict=True):
        opaque &= is_solid or entry.setting.over
        opaque &= entry.setting.disposal is not Disposal.CLEAR
    deep = any(entry.header.bit_depth > PLANE_BITS for entry in frames)
    return {(True, True): Mode.GREY, (True, False): Mode.GREY_ALPHA, (False, True): Mode.RGB}.get(
        (grey, opaque), Mode.RGBA
    ), deep


def series_suffix(data: bytes) -> str:
    """Return the suffix of the format that suits a file of several frames, from its start: tif, gif or png.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
    """
    start = read_series_start(data)
    if start.kind is SeriesKind.PAGES:
        return "tif"
    gif = all(
        entry.header.mode is Mode.PALETTE and entry.setting.over and entry.setting.denominator == _GIF_TICKS
        for entry in start.frames
    )
    return "gif" if gif else "png"
