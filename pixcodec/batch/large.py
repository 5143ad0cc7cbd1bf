"""Images that are larger than memory: from arrays that are read in part, to files, and back.

An image is coded by stripes, which are rows of tiles: only the pixels of one are in memory at a time.
Shapes: H height, W width, C channels.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from pixcodec.batch.atomic import replacing
from pixcodec.codec import chosen_effort, header_of
from pixcodec.coding.threads import Progress, check_threads, processor_count
from pixcodec.container.chunks import Chunk, pack_chunk
from pixcodec.container.container import pack_start, pack_tile
from pixcodec.container.header import (
    DEFAULT_MAX_PIXELS,
    MODEL_ID_SIZE_BYTES,
    Effort,
    Header,
    Mode,
    fitted,
)
from pixcodec.container.pixel_hash import PixelHash
from pixcodec.container.regions import Region, checked_region
from pixcodec.container.tile_file import TileFile, stripe_header
from pixcodec.container.tiles import TileBox
from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedImageError
from pixcodec.images.colours import pack_values, values_for
from pixcodec.images.deep_survey import Surveys, codes_of
from pixcodec.images.metadata import to_chunks
from pixcodec.images.picture import Array, Picture, to_array, to_picture
from pixcodec.images.planes import Pixels, little_endian, pixel_type
from pixcodec.images.sample_maps import pack_maps, sample_type
from pixcodec.images.ways import (
    Way,
    choose_way,
    code_depths,
    coded_size_bytes,
    layouts_of,
    repeats_of,
    way_by_values,
)
from pixcodec.network.model_files import load_model_or_none
from pixcodec.tiling import SLOPE, Given, decode_tiles, encode_way, to_pixels_by, with_network

if TYPE_CHECKING:
    from pixcodec.network.model import Model

TILES_A_THREAD = 2  # in a stripe at least, so that no thread waits for long at its end
SAMPLE, SAMPLES = 128, 16  # side in pixels and number of the parts in which layouts are compared
_SURVEY_ROWS = 256  # read at a time to find which values occur
_SURVEY_SAMPLES = 1 << 20  # the same of mode DEEP
_VALUES = 1 << 16


class Source(Protocol):
    """An array that is read in part: numpy.memmap, zarr.Array, h5py.Dataset and others."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""

    @property
    def dtype(self) -> Any:
        """Type of the elements, as of :func:`pixcodec.encode`."""

    def __getitem__(self, key: Any) -> Any:
        """Return a part as an array."""


class Target(Protocol):
    """An array that is written in part."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As that of the image."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set a part."""


class _Plan(NamedTuple):
    """How an image is coded: the header, the payload of PLTE, and what makes of pixels what is coded."""

    header: Header
    table: bytes = b""
    to_coded: Callable[[Pixels], Pixels] = lambda pixels: pixels


def encode_large(
    source: Source,
    path: str | os.PathLike[str],
    *,
    effort: str = "normal",
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    info: Mapping[str, Any] | None = None,
    verify: bool = True,
    progress: Progress | None = None,
    max_pixels: int | None = None,
) -> None:
    """Encode an array that is read in part to a .pxc file, which is written as a whole or not at all.

    The file is an ordinary .pxc file. The search for JPEG coefficients and for tables of few colours is left
    out: these would need the whole image.

    Parameters
    ----------
    source : array-like
        Shape (H, W) or (H, W, C), of a type that :func:`pixcodec.encode` takes. Read three times at most: for
        the values that occur (uint16, floats and wide integers), to encode, and to verify.
    path : str or path
    effort : {"fast", "normal", "max"}
    model : Model or path, optional
        As of :func:`pixcodec.encode`.
    threads : int, optional
        At most; default: as many as there are processors. Never changes the bytes.
    info : mapping, optional
        The metadata, with the keys of a PIL image's ``info``.
    verify : bool
        Decode the file and compare before it gets its name.
    progress : callable, optional
        Called with the fraction done, now and then, from any thread.
    max_pixels : int or None
        Refuse larger images.

    Raises
    ------
    UnsupportedImageError, LimitExceededError
    OSError
        If the file cannot be written.
    """
    effort_ = chosen_effort(effort)
    if effort_ is Effort.RESEARCH:
        raise UnsupportedImageError("effort research is not for large images: choose another effort")
    check_threads(threads)
    sample = _sampled(source)
    header = _header(source, sample, effort_)
    checked_region(header, None, max_pixels)
    given = with_network(Way(header, sample, b""), Given(load_model_or_none(model), threads, None))
    plan = _plan(source, header, sample, given)
    parts = 2 if verify else 1
    chunks = () if info is None else to_chunks(info)
    with replacing(Path(path)) as temporary:
        _write(temporary, source, plan, chunks, given, _part_of(progress, 0, parts))
        if verify:
            _verify(temporary, source, given, _part_of(progress, 1, parts))


def decode_large(
    path: str | os.PathLike[str],
    target: Target | None = None,
    *,
    region: Region | None = None,
    model: Model | str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    max_pixels: int | None = DEFAULT_MAX_PIXELS,
) -> Array | None:
    """Decode a .pxc file to an array that is written in part.

    Parameters
    ----------
    path : str or path
        Of a file whose pixels are in tiles: any but JPEG files that were kept or found behind the pixels.
    target : array-like, optional
        Of the shape (H, W) or (H, W, C) of the image, or of the region, and of a type that holds its values.
        Default: a new array in memory.
    region : tuple of int, optional
        x, y, width, height in pixels: decode only the tiles that this part of the image lies in. The hash of
        the pixels is of the whole image, and is not checked then.
    model, threads, progress, max_pixels
        As of :func:`pixcodec.decode`; max_pixels is of the region.

    Returns
    -------
    ndarray or None
        The new array, None if a target was given.

    Raises
    ------
    NotPixcodecError, UnsupportedVersionError, CorruptFileError, ModelMismatchError, LimitExceededError
    UnsupportedImageError
        If the pixels are not in tiles alone.
    ValueError
        If the region does not lie within the image, or the target has another shape or too narrow a type.
    OSError
        If the file cannot be read.
    """
    check_threads(threads)
    given = Given(load_model_or_none(model), threads, None)
    with _opened(Path(path)) as file:
        part = checked_region(file.header, region, max_pixels)
        whole = None
        if target is None:
            target = whole = _empty(file.header, part)
        elif tuple(target.shape) != _shape(file.header, part):
            raise ValueError(f"target has shape {target.shape}, expected {_shape(file.header, part)}")
        else:
            _check_type(target, _empty(file.header, part._replace(width=1, height=1)).dtype)
        for box, pixels in _decoded(file, part, given, progress, check=region is None):
            target[box.y - part.y : box.y - part.y + box.height] = _array(file.header, pixels)
    return whole


def _check_type(target: Target, dtype: Any) -> None:
    """Raise ValueError if values of a type do not fit into those of a target, if it says what these are."""
    own = getattr(target, "dtype", None)
    if own is not None and not np.can_cast(dtype, own, "safe"):
        raise ValueError(f"target has dtype {own}, expected {dtype} or one that holds its values")


# Encoding


def _header(source: Source, sample: Pixels, effort: Effort) -> Header:
    """Return the header of an image that is coded as it is, with the bits that its type has."""
    picture = to_picture(_narrow(sample, source))
    depth = 16 if picture.bit_depth > 8 and not picture.deep else picture.bit_depth
    return header_of(picture.mode, depth, tuple(source.shape[:2]), effort, picture.deep)


def _narrow(sample: Pixels, source: Source) -> Any:
    """Return a sample (h, w, C) in the shape and type of its source, which :func:`to_picture` checks."""
    array = sample.astype(np.dtype(source.dtype), copy=False)
    return array[:, :, 0] if len(source.shape) == 2 else array


def _sampled(source: Source) -> Any:
    """Return parts of the image, one above the other, shape (h, w, C)."""
    shape = tuple(source.shape)
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise UnsupportedImageError(
            f"array has shape {shape}, expected (H, W) or (H, W, C), and a pixel at least"
        )
    height, width = min(SAMPLE, shape[0]), min(SAMPLE, shape[1])
    side = int(SAMPLES**0.5)
    rows = sorted({round(k * (shape[0] - height) / (side - 1)) for k in range(side)})
    columns = sorted({round(k * (shape[1] - width) / (side - 1)) for k in range(side)})
    parts = [np.asarray(source[y : y + height, x : x + width]) for y in rows for x in columns]
    return np.concatenate([part.reshape(height, width, -1) for part in parts])


def _plan(source: Source, header: Header, sample: Pixels, given: Given) -> _Plan:
    """Return how an image is coded: by the layout that makes its sample smallest."""
    if header.mode is Mode.BILEVEL:
        return _Plan(_with_model(header, given))
    if header.deep:
        return _deep_plan(source, header, _pixels(sample, header), given)
    values = None
    if header.bit_depth > 8:
        found = _values(source)
        values = values_for(found)
        header = replace(header, bit_depth=max(9, int(found[-1]).bit_length()))
    native: Any = np.ascontiguousarray(sample, sample.dtype.newbyteorder("="))
    part = header_of(header.mode, header.bit_depth, native.shape[:2], header.effort)
    mapped = None if values is None else way_by_values(part, native, values)
    ways = layouts_of(Way(part, native, b""), mapped, repeats_of(native))
    way = _smallest(ways, given)
    size = {
        name: getattr(header, name) for name in ("width", "height", "tile_width", "tile_height", "bit_depth")
    }
    chosen = _with_model(fitted(replace(way.header, **size)), given)
    if not way.header.mapped:
        return _Plan(chosen)
    assert values is not None
    indices = np.zeros(_VALUES, pixel_type(chosen.coded_depth))
    indices[values] = np.arange(len(values))
    return _Plan(chosen, pack_values(values), lambda pixels: indices[pixels])


def _deep_plan(source: Source, header: Header, sample: Pixels, given: Given) -> _Plan:
    """Return how samples of mode DEEP are coded: by maps that the whole image is seen for."""
    kind = sample_type(header)
    surveys = Surveys(sample, kind)
    rows = max(1, _SURVEY_SAMPLES // (header.width * header.channels))
    for top in range(0, header.height, rows):
        surveys.see(_pixels(np.asarray(source[top : top + rows]), header))
    maps, bits = surveys.result()
    codes, table = codes_of(sample, maps, kind, bits), pack_maps(maps, kind)
    part = header_of(header.mode, header.bit_depth, sample.shape[:2], header.effort, header.deep)
    way = _smallest(
        [Way(replace(part, index_bits=depth), codes, table) for depth in code_depths(bits)], given
    )
    chosen = replace(header, index_bits=way.header.index_bits)
    return _Plan(chosen, table, lambda pixels: codes_of(pixels, maps, kind, bits))


def _smallest(ways: list[Way], given: Given) -> Way:
    return choose_way(ways, lambda way: coded_size_bytes(*encode_way(way, SLOPE, given)))


def _with_model(header: Header, given: Given) -> Header:
    """Return a header that names the model that the tiles need."""
    from pixcodec.coding.manners import manner_to_encode

    model = manner_to_encode(header, given.model, given.device).model
    return replace(header, model_id=model.model_id[:MODEL_ID_SIZE_BYTES]) if model else header


def _values(source: Source) -> Pixels:
    """Return the values of uint16 that occur, sorted."""
    used = np.zeros(_VALUES, bool)
    for y in range(0, source.shape[0], _SURVEY_ROWS):
        used[np.asarray(source[y : y + _SURVEY_ROWS])] = True
    return np.flatnonzero(used).astype(np.uint16)


def _write(
    path: Path,
    source: Source,
    plan: _Plan,
    chunks: tuple[Chunk, ...],
    given: Given,
    progress: Progress | None,
) -> None:
    header = plan.header
    state = PixelHash(header)
    with path.open("xb") as file:
        file.writelines(pack_start(header, plan.table, b"", chunks))
        for rows, share in _stripes(header, range(header.grid.rows), given.threads):
            pixels = _read(source, header, rows)
            state.update(little_endian(pixels))
            own, coded = given._replace(progress=_part_of(progress, *share)), plan.to_coded(pixels)
            _, tiles = encode_way(Way(stripe_header(header, rows), coded, plan.table), SLOPE, own)
            for tile in tiles:
                file.writelines(pack_tile(tile))
        file.writelines(pack_chunk("DONE", state.digest()))
        file.flush()
        os.fsync(file.fileno())


def _read(source: Source, header: Header, rows: range) -> Pixels:
    """Return the pixels (H, W, C) of some rows of tiles."""
    top, bottom = rows.start * header.tile_height, rows.stop * header.tile_height
    return _pixels(np.asarray(source[top : min(bottom, header.height)]), header)


def _pixels(part: npt.NDArray[Any], header: Header) -> Pixels:
    """Return a part of an image as pixels (h, w, C), those of mode DEEP as bits."""
    kind = part.dtype.newbyteorder("=") if header.deep else pixel_type(header.bit_depth)
    pixels: Any = np.ascontiguousarray(part.reshape(*part.shape[:2], -1), kind)
    return pixels.view(pixel_type(header.bit_depth))  # type: ignore[no-any-return]


def _verify(path: Path, source: Source, given: Given, progress: Progress | None) -> None:
    """Raise an error unless a file decodes to what its source holds."""
    wrong = PixcodecError("the encoded image decodes to another one: nothing was written; please report it")
    with _opened(path) as file:
        header = file.header
        part = TileBox(0, 0, header.width, header.height)
        try:
            for box, pixels in _decoded(file, part, given, progress, check=True):
                top = box.y // header.tile_height
                rows = range(top, -(-(box.y + box.height) // header.tile_height))
                if not np.array_equal(pixels, _read(source, header, rows)):
                    raise wrong
        except CorruptFileError as error:
            raise wrong from error


# Decoding


@contextmanager
def _opened(path: Path) -> Iterator[TileFile]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise CorruptFileError("file is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield TileFile(data)


def _decoded(
    file: TileFile, part: TileBox, given: Given, progress: Progress | None, *, check: bool
) -> Iterator[tuple[TileBox, Pixels]]:
    """Yield the pixels (H, W, C) of a part by stripes, and where in the image they are."""
    header = file.header
    to_pixels_by(header, file.palette)  # what is wrong with the table is said first
    state = PixelHash(header)
    needed = range(part.y // header.tile_height, -(-(part.y + part.height) // header.tile_height))
    for rows, share in _stripes(header, needed, given.threads):
        own = stripe_header(header, rows)
        top = rows.start * header.tile_height
        box = part.overlap(TileBox(0, top, header.width, own.height))
        pixels = decode_tiles(
            own,
            file.tiles(rows),
            file.palette,
            box._replace(y=box.y - top),
            given._replace(progress=_part_of(progress, *share)),
        )
        state.update(little_endian(pixels))
        yield box, pixels
    if check and state.digest() != file.pixel_hash:
        raise CorruptFileError(
            f"hash of the pixels is {state.digest().hex()}, expected {file.pixel_hash.hex()}: "
            "the decoder of this machine gives other pixels than the encoder had"
        )


def form_of(header: Header) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of the array that an image is decoded to."""
    whole = TileBox(0, 0, header.width, header.height)
    return _shape(header, whole), _empty(header, whole._replace(width=1, height=1)).dtype


def _shape(header: Header, part: TileBox) -> tuple[int, ...]:
    channels = header.channels
    return (part.height, part.width) if channels == 1 else (part.height, part.width, channels)


def _empty(header: Header, part: TileBox) -> Any:
    shape = part.height, part.width, header.channels
    return _array(header, np.zeros(shape, pixel_type(header.bit_depth)))


def _array(header: Header, pixels: Pixels) -> npt.NDArray[Any]:
    return to_array(Picture(header.mode, header.bit_depth, pixels, deep=header.deep))


# Both


def _stripes(header: Header, rows: range, threads: int | None) -> Iterator[tuple[range, tuple[int, int]]]:
    """Yield the rows of tiles of each stripe, and its number and how many there are."""
    tiles = TILES_A_THREAD * (threads or processor_count())
    step = -(-tiles // header.grid.columns)
    count = -(-len(rows) // step)
    for number in range(count):
        first = rows.start + number * step
        yield range(first, min(first + step, rows.stop)), (number, count)


def _part_of(progress: Progress | None, number: int, count: int) -> Progress | None:
    """Return what shows the progress of one of several parts."""
    if progress is None:
        return None
    return lambda fraction: progress((number + fraction) / count)
