"""A JPEG file <-> a .pxc file that keeps it byte for byte (FORMAT.md, JPEG files)."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from pixcodec.coding.rangecoder import Decoder, Encoder
from pixcodec.container.container import Container, pack, parse
from pixcodec.container.header import DEFAULT_MAX_PIXELS, KEPT_VERSION, MAX_PIXELS, Effort, Header, Mode
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError
from pixcodec.images.files import jpeg_info, jpeg_shape, read_jpeg
from pixcodec.images.picture import Picture, to_picture
from pixcodec.jpeg.coder import Image, Scale, code_images
from pixcodec.jpeg.coefficients import FREQUENCIES, MAX_COEFFICIENT
from pixcodec.jpeg.files.parts import Parts, Plan, plan_of, put_together, take_apart
from pixcodec.jpeg.files.recipe import (
    CODED,
    MAX_FILE_SIZE_BYTES,
    MAX_FILES,
    NONE,
    REPEATED,
    Apart,
    Recipe,
    pack_recipe,
    unpack_recipe,
)
from pixcodec.jpeg.files.tables import optimal_tables
from pixcodec.jpeg.scans.huffman import MAX_LENGTH
from pixcodec.jpeg.scans.markers import SOI, Frame, UnusualFileError
from pixcodec.jpeg.scans.work import Int16, component_blocks, new_coefficients

_MODES = {"L": Mode.GREY, "RGB": Mode.RGB, "CMYK": Mode.CMYK}  # by Pillow's names
_NEXT = b"\xff\xd8\xff"  # where another JPEG file begins
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
        stored = pack_recipe(Recipe(data))
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
        if recipe.stored is not None:
            if container.coefficients:
                raise CorruptFileError("a file that is stored as it is has a chunk 'COEF'")
            data = recipe.stored
        else:
            plans = [plan_of(file.parts.skeleton) for file in recipe.files]
            _check_sizes([plan.frame for plan in plans], max_pixels)
            data = _decode(recipe, plans, container.coefficients)
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
    return jpeg_info(recipe.files[0].parts.skeleton if recipe.stored is None else recipe.stored)


def _shape(data: bytes) -> tuple[Mode, int, int]:
    """Return mode, width and height of the image in a file, _UNKNOWN if nobody knows it."""
    try:
        name, width, height = jpeg_shape(data)
        Header(width, height, _MODES[name], Effort.FAST, 1, 1, b"")
        return _MODES[name], width, height
    except (PixcodecError, KeyError, ValueError):
        return _UNKNOWN


class _Taken(NamedTuple):
    """A JPEG file that was taken apart."""

    file: Apart
    plan: Plan
    coded: list[Int16]  # of each component, the blocks that are coded

    @property
    def image(self) -> Image:
        """Return what the coder takes."""
        return Image(self.coded, list(self.plan.steps), _scales(self.plan.frame))


def _taken_apart(data: bytes) -> tuple[bytes, bytes]:
    """Return the payloads of JPEG and COEF for a file.

    Raises
    ------
    UnusualFileError
        If they would not give it back.
    """
    taken = _take_all(data)
    payload = pack_recipe(Recipe(None, tuple(file for file, _, _ in taken)))
    _check_gives_back(payload, [coded for _, _, coded in taken], data)
    encoder = Encoder()
    code_images([each.image for each in taken], encoder, decoding=False)
    return payload, encoder.finish()


def _take_all(data: bytes) -> list[_Taken]:
    """Return the JPEG files that follow one another in a file, each with what is behind it as its tail."""
    taken = [_take(data)]
    at, tries, more = len(data) - taken[0].plan.tail, 0, 0
    while (at := data.find(_NEXT, at)) >= 0 and tries < MAX_FILES - 1:
        tries += 1
        try:
            following = _take(data[at:])
        except UnusualFileError:
            at += len(SOI)  # it is a part of the tail
            continue
        frame = following.plan.frame
        more += frame.height * frame.width
        if more > DEFAULT_MAX_PIXELS:
            break
        taken[-1] = _cut(taken[-1], len(data) - at)
        taken.append(following)
        at = len(data) - following.plan.tail
    return taken


def _cut(taken: _Taken, size_bytes: int) -> _Taken:
    """Return a file without the last bytes of its tail."""
    parts = taken.file.parts
    parts = parts._replace(
        skeleton=parts.skeleton[: len(parts.skeleton) - size_bytes], size_bytes=parts.size_bytes - size_bytes
    )
    plan = taken.plan._replace(tail=taken.plan.tail - size_bytes)
    return taken._replace(file=taken.file._replace(parts=parts), plan=plan)


def _take(data: bytes) -> _Taken:
    """Return a JPEG file taken apart, with whatever follows it as its tail."""
    parts, plan, coefficients = take_apart(data, DEFAULT_MAX_PIXELS)
    if coefficients.max() > MAX_COEFFICIENT or coefficients.min() < -MAX_COEFFICIENT:
        raise UnusualFileError(f"a coefficient is beyond {MAX_COEFFICIENT}")
    blocks = component_blocks(plan.frame, coefficients)
    filling = tuple(_filling(plan.frame, number, whole) for number, whole in enumerate(blocks))
    coded = [_coded_part(plan.frame, n, whole, filling[n]) for n, whole in enumerate(blocks)]
    return _Taken(Apart(parts, filling, _tables(parts, coefficients)), plan, coded)


def _check_gives_back(payload: bytes, coded: list[list[Int16]], data: bytes) -> None:
    recipe = unpack_recipe(payload)
    plans = [plan_of(file.parts.skeleton) for file in recipe.files]
    if _joined(recipe, plans, coded) != data:
        raise UnusualFileError("the parts give another file")


def _joined(recipe: Recipe, plans: list[Plan], coded: list[list[Int16]]) -> bytes:
    """Return the file that a recipe and the blocks give that are coded."""
    pieces = []
    for file, plan, blocks in zip(recipe.files, plans, coded, strict=True):
        pieces.append(_put_together(file, plan, _spread(plan.frame, file.filling, blocks)))
    return b"".join(pieces)


def _check_sizes(frames: list[Frame], max_pixels: int | None) -> None:
    """Refuse images that are too large: the first by the caller's limit, all others by the usual one."""
    if max_pixels is None:
        return
    first, *others = frames
    if first.height * first.width > max_pixels:
        raise LimitExceededError(
            f"image is {first.width}x{first.height} pixels, the limit is {max_pixels} pixels"
        )
    more = sum(frame.height * frame.width for frame in others)
    if more > DEFAULT_MAX_PIXELS:
        raise LimitExceededError(f"other images are {more} pixels, the limit is {DEFAULT_MAX_PIXELS} pixels")


def _tables(parts: Parts, coefficients: Int16) -> tuple[tuple[int, int], ...]:
    """Return position and number of symbols of the Huffman tables that follow from the coefficients."""
    best = optimal_tables(parts.skeleton, parts.oddities, coefficients)
    same = [(at, table) for at, table in best.items() if table and parts.skeleton.startswith(table, at)]
    return tuple((at, len(table) - MAX_LENGTH) for at, table in sorted(same))


def _put_together(file: Apart, plan: Plan, coefficients: Int16) -> bytes:
    """Return a JPEG file, whose plan lacks tables that follow from the coefficients."""
    parts = file.parts
    if len(parts.oddities) != len(plan.scans):
        raise UnusualFileError(f"{len(plan.scans)} scans, expected {len(parts.oddities)}")
    if file.tables:
        skeleton = bytearray(parts.skeleton)
        wanted = dict(file.tables)
        best = optimal_tables(parts.skeleton, parts.oddities, coefficients, wanted)
        for start, symbols in file.tables:
            if len(best.get(start, b"")) != MAX_LENGTH + symbols:
                raise UnusualFileError(f"Huffman table at byte {start} has another size")
            skeleton[start : start + MAX_LENGTH + symbols] = best[start]
        parts = parts._replace(skeleton=bytes(skeleton))
        plan = plan_of(parts.skeleton)
    return put_together(parts, plan, coefficients)


def _decode(recipe: Recipe, plans: list[Plan], payload: bytes) -> bytes:
    """Return the file of a recipe and of the payload of COEF."""
    taken = []
    for file, plan in zip(recipe.files, plans, strict=True):
        coded = []
        for number in range(len(plan.frame.components)):
            whole = file.filling[number] == CODED
            shape = plan.frame.whole_shape(number) if whole else plan.frame.shape(number)
            coded.append(np.zeros((*shape, FREQUENCIES), np.int16))
        taken.append(_Taken(file, plan, coded))
    decoder = Decoder(payload)
    code_images([each.image for each in taken], decoder, decoding=True)
    decoder.finish()
    return _joined(recipe, plans, [each.coded for each in taken])


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
