"""A JPEG file <-> a .pxc file that keeps it byte for byte (FORMAT.md, JPEG files)."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.container.container import Container, pack, parse
from pixcodec.container.header import DEFAULT_MAX_PIXELS, KEPT_VERSION, MAX_PIXELS, Effort, Header, Mode
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError
from pixcodec.images.files import jpeg_info, jpeg_shape, read_jpeg
from pixcodec.images.picture import Picture, to_picture
from pixcodec.jpeg.coder import Scale, code_components
from pixcodec.jpeg.coefficients import FREQUENCIES, MAX_COEFFICIENT
from pixcodec.jpeg.files.parts import Plan, plan_of, put_together, take_apart
from pixcodec.jpeg.files.recipe import (
    CODED,
    MAX_FILE_SIZE_BYTES,
    NONE,
    REPEATED,
    Recipe,
    pack_recipe,
    unpack_recipe,
)
from pixcodec.jpeg.scans.markers import Frame, UnusualFileError
from pixcodec.jpeg.scans.work import Int16, component_blocks, new_coefficients

_MODES = {"L": Mode.GREY, "RGB": Mode.RGB, "CMYK": Mode.CMYK}  # by Pillow's names
_UNKNOWN = (Mode.GREY, 1, 1)
_WORTH = 0.99  # of a file: if its parts take more, it is stored as it is where that is smaller


def keep(data: bytes, effort: Effort, *, verify: bool) -> bytes:
    """Return a .pxc file that gives a JPEG file back, whatever it holds.

    The file is taken apart if its parts give it back, which is tried; else it is stored as it is. To verify
    is to decode all of the .pxc file, too.

    Raises
    ------
    LimitExceededError
        If the file has more than MAX_FILE_SIZE_BYTES.
    """
    packed = pack(_container(data, effort))
    if verify and restored(parse(packed), None) != data:
        raise PixcodecError("the encoded file gives back another one: nothing was written; please report it")
    return packed


def _container(data: bytes, effort: Effort) -> Container:
    if len(data) > MAX_FILE_SIZE_BYTES:
        raise LimitExceededError(f"file is {len(data)} bytes, the limit is {MAX_FILE_SIZE_BYTES}")
    mode, width, height = _shape(data)
    header = Header(width, height, mode, effort, 1, 1, b"", kept=True, version=KEPT_VERSION)
    digest = hashlib.sha256(data).digest()
    try:
        recipe, coefficients = _taken_apart(data)
    except UnusualFileError:
        recipe = coefficients = b""
    if len(recipe) + len(coefficients) > _WORTH * len(data) or not coefficients:
        stored = pack_recipe(Recipe(data, None))
        if not coefficients or len(stored) < len(recipe) + len(coefficients):
            return Container(header, (), digest, recipe=stored)
    known = Header(
        *(width, height, mode, effort, 1, 1, b""), jpeg=True, exact=True, kept=True, version=KEPT_VERSION
    )
    return Container(known, (), digest, coefficients=coefficients, recipe=recipe)


def restored(container: Container, max_pixels: int | None) -> bytes:
    """Return the JPEG file that a .pxc file keeps.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If the file is damaged, or only a later version of pixcodec knows what it is.
    LimitExceededError
        If the image has more than ``max_pixels`` pixels.
    """
    recipe = unpack_recipe(container.recipe)
    try:
        if recipe.parts is None:
            if container.coefficients:
                raise CorruptFileError("a file that is stored as it is has a chunk 'COEF'")
            assert recipe.stored is not None
            data = recipe.stored
        else:
            plan = plan_of(recipe.parts.skeleton)
            frame = plan.frame
            if max_pixels is not None and frame.height * frame.width > max_pixels:
                raise LimitExceededError(
                    f"image is {frame.width}x{frame.height} pixels, the limit is {max_pixels} pixels"
                )
            coefficients = _decode(plan, recipe.filling, container.coefficients)
            data = put_together(recipe.parts, plan, coefficients)
    except UnusualFileError as error:
        raise CorruptFileError(f"chunk 'JPEG': {error}") from error
    digest = hashlib.sha256(data).digest()
    if digest != container.pixel_hash:
        raise CorruptFileError(
            f"SHA-256 of the restored file is {digest.hex()}, expected {container.pixel_hash.hex()}"
        )
    return data


def kept_picture(container: Container, part: TileBox, max_pixels: int | None) -> Picture:
    """Return a part of the picture that a JPEG decoder, Pillow's, makes of the file that is kept.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
        As :func:`restored`, or as :func:`pixcodec.images.files.read_image`.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    image, info = read_jpeg(restored(container, max_pixels), max_pixels=limit)
    picture = to_picture(image, info=info)
    header, (height, width) = container.header, picture.pixels.shape[:2]
    if (picture.mode, width, height) != (header.mode, header.width, header.height):
        raise CorruptFileError(
            f"the JPEG file has {width}x{height} pixels of mode {picture.mode.name}, expected "
            f"{header.width}x{header.height} of mode {header.mode.name}"
        )
    return picture._replace(pixels=picture.pixels[part.slices].copy())


def kept_info(payload: bytes) -> dict[str, Any]:
    """Return the metadata of the JPEG file that the payload of a chunk JPEG describes.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    recipe = unpack_recipe(payload)
    if recipe.parts is not None:
        return jpeg_info(recipe.parts.skeleton)
    assert recipe.stored is not None
    return jpeg_info(recipe.stored)


def _shape(data: bytes) -> tuple[Mode, int, int]:
    """Return mode, width and height of the image in a file, _UNKNOWN if nobody knows it."""
    try:
        name, width, height = jpeg_shape(data)
        Header(width, height, _MODES[name], Effort.FAST, 1, 1, b"")
        return _MODES[name], width, height
    except (PixcodecError, KeyError, ValueError):
        return _UNKNOWN


def _taken_apart(data: bytes) -> tuple[bytes, bytes]:
    """Return the payloads of JPEG and COEF for a file.

    Raises
    ------
    UnusualFileError
        If they would not give it back.
    """
    parts, plan, coefficients = take_apart(data, DEFAULT_MAX_PIXELS)
    if coefficients.max() > MAX_COEFFICIENT or coefficients.min() < -MAX_COEFFICIENT:
        raise UnusualFileError(f"a coefficient is beyond {MAX_COEFFICIENT}")
    blocks = component_blocks(plan.frame, coefficients)
    filling = tuple(_filling(plan.frame, number, whole) for number, whole in enumerate(blocks))
    payload = pack_recipe(Recipe(None, parts, filling))
    coded = [_coded_part(plan.frame, n, whole, filling[n]) for n, whole in enumerate(blocks)]
    _check_gives_back(payload, coded, data)
    encoder = Encoder()
    code_components(coded, list(plan.steps), _scales(plan.frame), encoder, decoding=False)
    return payload, encoder.finish()


def _check_gives_back(payload: bytes, coded: list[Int16], data: bytes) -> None:
    recipe = unpack_recipe(payload)
    assert recipe.parts is not None
    plan = plan_of(recipe.parts.skeleton)
    coefficients = _spread(plan.frame, recipe.filling, coded)
    if put_together(recipe.parts, plan, coefficients) != data:
        raise UnusualFileError("the parts give another file")


def _decode(plan: Plan, filling: tuple[int, ...], payload: bytes) -> Int16:
    """Return the coefficients of the frame from the payload of COEF."""
    frame = plan.frame
    coded = []
    for number in range(len(frame.components)):
        shape = frame.whole_shape(number) if filling[number] == CODED else frame.shape(number)
        coded.append(np.zeros((*shape, FREQUENCIES), np.int16))
    decoder = Decoder(payload)
    code_components(coded, list(plan.steps), _scales(frame), decoder, decoding=True)
    decoder.finish()
    return _spread(frame, filling, coded)


def _scales(frame: Frame) -> list[Scale]:
    """Return how many blocks of the first component there are to one of each component."""
    first = frame.components[0]
    return [((first.vertical, c.vertical), (first.horizontal, c.horizontal)) for c in frame.components]


# Blocks that only fill units hold nothing, or DC of the block before, as libjpeg writes them, or anything.


def _filling(frame: Frame, number: int, whole: Int16) -> int:
    """Return how the blocks of a component are found that only fill units."""
    rows, columns = frame.shape(number)
    beyond = whole.copy()
    beyond[:rows, :columns] = 0
    if not beyond.any():
        return NONE
    repeated = whole.copy()
    _repeat(frame, number, repeated)
    return REPEATED if np.array_equal(repeated, whole) else CODED


def _repeat(frame: Frame, number: int, whole: Int16) -> None:
    """Give the blocks that only fill units DC of the block before in their unit, and nothing else."""
    rows, columns = frame.shape(number)
    across = frame.components[number].horizontal
    whole[:rows, columns:] = 0
    whole[:rows, columns:, 0] = whole[:rows, columns - 1 : columns, 0]
    for row in range(rows, len(whole)):
        whole[row] = 0
        whole[row, :, 0] = np.repeat(whole[row - 1, across - 1 :: across, 0], across)


def _coded_part(frame: Frame, number: int, whole: Int16, filling: int) -> Int16:
    """Return the blocks of a component that are coded."""
    rows, columns = frame.shape(number) if filling != CODED else whole.shape[:2]
    return np.ascontiguousarray(whole[:rows, :columns])


def _spread(frame: Frame, filling: tuple[int, ...], coded: list[Any]) -> Int16:
    """Return the coefficients of the frame, from the blocks that are coded."""
    coefficients = new_coefficients(frame)
    for number, whole in enumerate(component_blocks(frame, coefficients)):
        rows, columns = coded[number].shape[:2]
        whole[:rows, :columns] = coded[number]
        if filling[number] == REPEATED:
            _repeat(frame, number, whole)
    return coefficients
