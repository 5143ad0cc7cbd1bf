"""A JPEG file <-> a .pxc file that keeps it byte for byte (FORMAT.md, JPEG files)."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from pixcodec.container.container import Container, pack, parse
from pixcodec.container.header import DEFAULT_MAX_PIXELS, KEPT_VERSIONS, MAX_PIXELS, Effort, Header, Mode
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, LimitExceededError, PixcodecError
from pixcodec.images.files import jpeg_info, jpeg_shape, read_jpeg
from pixcodec.images.picture import Picture, to_picture
from pixcodec.jpeg.coefficients import BLOCK
from pixcodec.jpeg.files.join import by_other_tables, decoded_blocks, image_of, joined, repeat_dc
from pixcodec.jpeg.files.parts import MAX_FILE_SIZE_BYTES, Parts, Plan, plan_of, take_apart
from pixcodec.jpeg.files.reader import CODED, MAX_FILES, NONE, REPEATED
from pixcodec.jpeg.files.recipe import Draft, Embedding, Recipe, pack_recipe, pack_stored, unpack_recipe
from pixcodec.jpeg.files.tables import optimal_tables
from pixcodec.jpeg.files.thumbnails import Places
from pixcodec.jpeg.scans.markers import SOI, Frame, UnusualFileError
from pixcodec.jpeg.scans.work import Int16, component_blocks
from pixcodec.jpeg.stream.coder import Image, Workers, decode_streams, encode_streams
from pixcodec.jpeg.stream.state import StreamKind

_MODES = {"L": Mode.GREY, "RGB": Mode.RGB, "CMYK": Mode.CMYK}  # by Pillow's names
_NEXT = b"\xff\xd8\xff"  # where another JPEG file begins
_UNKNOWN = (Mode.GREY, 1, 1)
_WORTH = 0.99  # of a file: if its parts take more, it is stored as it is where that is smaller


def keep(data: bytes, effort: Effort, workers: Workers, *, verify: bool, max_pixels: int | None) -> bytes:
    """Return a .pxc file that gives a JPEG file back, whatever it holds.

    The file is taken apart if its parts give it back, which is tried; else it is stored as it is. To verify
    is to decode the coefficients, too.

    Raises
    ------
    LimitExceededError
        If the file has more than MAX_FILE_SIZE_BYTES, or its image more than ``max_pixels`` pixels.
    """
    if len(data) > MAX_FILE_SIZE_BYTES:
        raise LimitExceededError(f"file is {len(data)} bytes, the limit is {MAX_FILE_SIZE_BYTES}")
    mode, width, height = _shape(data, max_pixels)
    header = Header(width, height, mode, effort, 1, 1, b"", kept=True, version=KEPT_VERSIONS[-1])
    digest = hashlib.sha256(data).digest()
    try:
        recipe, images = taken_apart(data, header)
        coefficients = encode_streams(images, kind_of(header), workers)
    except UnusualFileError:
        recipe = coefficients = b""
    if len(recipe) + len(coefficients) > _WORTH * len(data) or not coefficients:
        stored = pack_stored(data)
        if not coefficients or len(stored) < len(recipe) + len(coefficients):
            packed = pack(Container(header, (), digest, recipe=stored))
            if verify and restored(parse(packed), None, workers) != data:
                raise _WRONG
            return packed
    known = Header(
        *(width, height, mode, effort, 1, 1, b""), jpeg=True, exact=True, kept=True, version=header.version
    )
    packed = pack(Container(known, (), digest, coefficients=coefficients, recipe=recipe))
    if verify:
        _verify(packed, recipe, images, digest, workers._replace(progress=None))
    return packed


_WRONG = PixcodecError("the encoded file gives back another one: nothing was written; please report it")


def kind_of(header: Header) -> StreamKind:
    """Return how the streams of a file are coded."""
    return StreamKind(header.effort, header.version != KEPT_VERSIONS[0])


def _verify(packed: bytes, recipe: bytes, images: list[Image], digest: bytes, workers: Workers) -> None:
    """Raise an error unless a .pxc file has this recipe, which was tried, and gives these coefficients."""
    container = parse(packed)
    found = [image._replace(blocks=[np.zeros_like(blocks) for blocks in image.blocks]) for image in images]
    kind = kind_of(container.header)
    try:
        decode_streams(container.coefficients, found, kind, workers, foreseen=images)
    except CorruptFileError as error:
        raise _WRONG from error
    same = (container.recipe, container.pixel_hash) == (recipe, digest)
    for image, original in zip(found, images, strict=True):
        same &= all(map(np.array_equal, image.blocks, original.blocks))
    if not same:
        raise _WRONG


def restored(container: Container, max_pixels: int | None, workers: Workers) -> bytes:
    """Return the JPEG file that a .pxc file keeps.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
        If the file is damaged, or only a later version of pixcodec knows what it is.
    LimitExceededError
        If the image has more than ``max_pixels`` pixels.
    """
    recipe = unpack_recipe(container.recipe, container.header)
    try:
        if recipe.stored is not None:
            if container.coefficients:
                raise CorruptFileError("a file that is stored as it is has coefficients")
            data = recipe.stored
        else:
            plans = [plan_of(file.parts.skeleton) for file in recipe.all_files]
            _check_sizes([plan.frame for plan in plans], max_pixels)
            data = _decode(recipe, plans, container.coefficients, kind_of(container.header), workers)
    except UnusualFileError as error:
        raise CorruptFileError(f"recipe: {error}") from error
    digest = hashlib.sha256(data).digest()
    if digest != container.pixel_hash:
        raise CorruptFileError(
            f"SHA-256 of the restored file is {digest.hex()}, expected {container.pixel_hash.hex()}"
        )
    return data


def kept_picture(container: Container, part: TileBox, max_pixels: int | None, workers: Workers) -> Picture:
    """Return a part of the picture that a JPEG decoder, Pillow's, makes of the file that is kept.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError, LimitExceededError
        As :func:`restored`, or as :func:`pixcodec.images.files.read_image`.
    """
    limit = MAX_PIXELS if max_pixels is None else max_pixels
    data = _with_part(container, part, max_pixels, workers) or restored(container, max_pixels, workers)
    image, info = read_jpeg(data, max_pixels=limit)
    picture = to_picture(image, info=info)
    header, (height, width) = container.header, picture.pixels.shape[:2]
    if (picture.mode, width, height) != (header.mode, header.width, header.height):
        raise CorruptFileError(
            f"the JPEG file has {width}x{height} pixels of mode {picture.mode.name}, expected "
            f"{header.width}x{header.height} of mode {header.mode.name}"
        )
    return picture._replace(pixels=picture.pixels[part.slices].copy())


def _with_part(container: Container, part: TileBox, max_pixels: int | None, workers: Workers) -> bytes | None:
    """Return a JPEG file that has the coefficients which a part of the picture needs, and else zeros.

    None where all of them have to be decoded: of the whole picture, and of unusual files. The scans are those
    of the file, by other Huffman tables.
    """
    if part.height == container.header.height:
        return None
    recipe = unpack_recipe(container.recipe, container.header)
    if len(recipe.files) != 1:
        return None
    try:
        plans = [plan_of(file.parts.skeleton) for file in recipe.all_files]
        _check_sizes([plan.frame for plan in plans], max_pixels)
        # Interpolated chroma needs the sample above and the one below, too. Blocks of progressive files that
        # lack scans are smoothed by DC of two rows of blocks above and two below.
        unit = BLOCK * max(component.vertical for component in plans[0].frame.components)
        margin = 3 * unit if plans[0].frame.progressive else unit // BLOCK
        units = max(part.y - margin, 0) // unit, -(-(part.y + part.height + margin) // unit)
        taken = decoded_blocks(
            recipe, plans, container.coefficients, kind_of(container.header), workers, units
        )
        return joined(recipe._replace(files=(by_other_tables(recipe.files[0]),)), plans, taken)
    except UnusualFileError:
        return None


def kept_info(header: Header, payload: bytes) -> dict[str, Any]:
    """Return the metadata of the JPEG file that a recipe describes; zeros stand for a thumbnail in it.

    Raises
    ------
    CorruptFileError, UnsupportedVersionError
    """
    recipe = unpack_recipe(payload, header)
    return jpeg_info(recipe.files[0].parts.skeleton if recipe.stored is None else recipe.stored)


def _shape(data: bytes, max_pixels: int | None) -> tuple[Mode, int, int]:
    """Return mode, width and height of the image in a file, _UNKNOWN if nobody knows it.

    Raises
    ------
    LimitExceededError
        If it has more than ``max_pixels`` pixels.
    """
    try:
        name, width, height = jpeg_shape(data, max_pixels=MAX_PIXELS if max_pixels is None else max_pixels)
    except LimitExceededError:
        if max_pixels is None:
            return _UNKNOWN
        raise
    except PixcodecError:
        return _UNKNOWN
    try:
        Header(width, height, _MODES[name], Effort.FAST, 1, 1, b"")
        return _MODES[name], width, height
    except (PixcodecError, KeyError, ValueError):
        return _UNKNOWN


class _Taken(NamedTuple):
    """A JPEG file that was taken apart."""

    file: Draft
    plan: Plan
    coded: list[Int16]  # of each component, the blocks that are coded
    inside: tuple[tuple[int, int, _Taken], ...] = ()  # files in its segments: position, that of the end

    @property
    def different(self) -> list[_Taken]:
        """Return the files in its segments, but those that are that of the segment before."""
        skeleton = self.file.parts.skeleton
        before, found = b"", []
        for start, end, each in self.inside:
            if skeleton[start:end] != before:
                found.append(each)
            before = skeleton[start:end]
        return found

    @property
    def draft(self) -> Draft:
        """Return what the recipe is made of."""
        return self.file._replace(
            embedded=tuple(Embedding(start, end, each.draft) for start, end, each in self.inside)
        )


def taken_apart(data: bytes, header: Header) -> tuple[bytes, list[Image]]:
    """Return the recipe for a file, and what is to be coded.

    Raises
    ------
    UnusualFileError
        If they would not give it back.
    """
    files = _take_following(data)
    try:
        payload, taken = _recipe(_with_all_inside(files), header, data)
    except UnusualFileError:
        payload, taken = _recipe(files, header, data)
    return payload, [image_of(each.plan, each.coded) for each in taken]


def _recipe(files: list[_Taken], header: Header, data: bytes) -> tuple[bytes, list[_Taken]]:
    """Return the recipe of files that follow one another, and all files in the order of their coefficients.

    Raises
    ------
    UnusualFileError
        If they would not give the data back.
    """
    payload = pack_recipe([each.draft for each in files], header)
    taken = [each for file in files for each in (file, *file.different)]
    _check_gives_back(payload, header, [each.coded for each in taken], data)
    return payload, taken


def _with_all_inside(taken: list[_Taken]) -> list[_Taken]:
    """Return files with those in their segments, unless there are too many."""
    with_inside = [_with_inside(each) for each in taken]
    inside = [each.plan.frame for file in with_inside for _, _, each in file.inside]
    frames = [*(each.plan.frame for each in taken[1:]), *inside]
    pixels = sum(frame.height * frame.width for frame in frames)
    return with_inside if len(frames) < MAX_FILES and pixels <= DEFAULT_MAX_PIXELS else taken


def _with_inside(taken: _Taken) -> _Taken:
    """Return a file with the files in its segments."""
    found = []
    places = Places(taken.file.parts.skeleton)
    for start, data in places:
        try:
            inner = _take(data)
        except UnusualFileError:
            continue
        size = len(data) - inner.plan.tail
        places.after = start + size
        found.append((start, places.after, _cut(inner, inner.plan.tail)))
    return taken._replace(inside=tuple(found))


def _take_following(data: bytes) -> list[_Taken]:
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
    parts = parts._replace(skeleton=parts.skeleton[: len(parts.skeleton) - size_bytes])
    plan = taken.plan._replace(tail=taken.plan.tail - size_bytes)
    return taken._replace(file=taken.file._replace(parts=parts), plan=plan)


def _take(data: bytes) -> _Taken:
    """Return a JPEG file taken apart, with whatever follows it as its tail."""
    parts, plan, coefficients = take_apart(data, DEFAULT_MAX_PIXELS)
    blocks = component_blocks(plan.frame, coefficients)
    filling = tuple(_filling(plan.frame, number, whole) for number, whole in enumerate(blocks))
    coded = [_coded_part(plan.frame, n, whole, filling[n]) for n, whole in enumerate(blocks)]
    return _Taken(Draft(parts, filling, _derived(parts, coefficients)), plan, coded)


def _check_gives_back(payload: bytes, header: Header, coded: list[list[Int16]], data: bytes) -> None:
    try:
        recipe = unpack_recipe(payload, header)
    except PixcodecError as error:
        raise UnusualFileError("the recipe cannot be read") from error
    plans = [plan_of(file.parts.skeleton) for file in recipe.all_files]
    if joined(recipe, plans, coded) != data:
        raise UnusualFileError("the parts give another file")


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


def _derived(parts: Parts, coefficients: Int16) -> frozenset[int]:
    """Return the positions of the Huffman tables that follow from the coefficients."""
    best = optimal_tables(parts.skeleton, parts.oddities, coefficients)
    return frozenset(at for at, table in best.items() if table and parts.skeleton.startswith(table, at))


def _decode(recipe: Recipe, plans: list[Plan], payload: bytes, kind: StreamKind, workers: Workers) -> bytes:
    """Return the file of a recipe and its coefficients."""
    return joined(recipe, plans, decoded_blocks(recipe, plans, payload, kind, workers))


# Blocks that only fill units hold nothing, or DC of the block before, as libjpeg writes them, or anything.


def _filling(frame: Frame, number: int, whole: Int16) -> int:
    """Return how the blocks of a component are found that only fill units."""
    rows, columns = frame.shape(number)
    beyond = whole.copy()
    beyond[:rows, :columns] = 0
    if not beyond.any():
        return NONE
    repeated = whole.copy()
    repeat_dc(frame, number, repeated)
    return REPEATED if np.array_equal(repeated, whole) else CODED


def _coded_part(frame: Frame, number: int, whole: Int16, filling: int) -> Int16:
    """Return the blocks of a component that are coded."""
    rows, columns = frame.shape(number) if filling != CODED else whole.shape[:2]
    return np.ascontiguousarray(whole[:rows, :columns])
