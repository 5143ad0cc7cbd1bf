"""Files of floats, wide integers and many bands: read exactly or refused, whatever the file says."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixcodec.errors import CorruptFileError, PixcodecError, UnsupportedImageError
from pixcodec.images import rasters
from pixcodec.images.files import read_image, write_image
from pixcodec.images.metadata import from_chunks
from pixcodec.images.picture import to_array, to_picture, to_pillow

Array = npt.NDArray[Any]

SHORT_HEADERS = {  # which numpy parses as Python
    "brackets": b"[" * 8000,
    "open text": b"{'''\n\n",
    "signs": b"-" * 8000 + b"1",
    "zero byte": b"{\0}\n",
}


def npy(shape: object, kind: object = "<f4", size: int = 0) -> bytes:
    text = str({"descr": kind, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(size)


@pytest.mark.parametrize("byte_order", "<>")
@pytest.mark.parametrize(
    ("kind", "bands", "photometric", "extra"),
    [
        ("f2", 3, "rgb", ()),
        ("f4", 4, "rgb", ("unassalpha",)),
        ("u1", 5, "rgb", ("unspecified", "unassalpha")),
        ("u2", 5, "separated", ("unassalpha",)),
        ("f2", 1, "miniswhite", ()),
        ("i2", 1, "miniswhite", ()),
        ("f4", 1, "miniswhite", ()),
        ("f4", 2, "minisblack", ("assocalpha",)),
    ],
)
def test_tiff_files_say_what_bands_are(
    kind: str, bands: int, photometric: str, extra: tuple[str, ...], byte_order: str
) -> None:
    samples = any_samples(f"<{kind}", (5, 6, bands) if bands > 1 else (5, 6))
    options: dict[str, Any] = {"planarconfig": "contig"} if bands > 1 else {}
    options |= {"extrasamples": extra} if extra else {}
    file = io.BytesIO()
    tifffile.imwrite(file, samples, byteorder=byte_order, photometric=photometric, metadata=None, **options)
    found, info = read_image(file.getvalue())
    picture, source = to_picture(found, info=info), io.BytesIO(file.getvalue())
    written = write_image(to_pillow(picture), "tif", from_chunks(picture.chunks))
    with tifffile.TiffFile(io.BytesIO(written)) as after, tifffile.TiffFile(source) as before:
        one, other = after.pages[0], before.pages[0]
        assert isinstance(one, tifffile.TiffPage)
        assert isinstance(other, tifffile.TiffPage)
        assert (one.photometric, one.extrasamples) == (other.photometric, other.extrasamples)
        assert one.asarray().tobytes() == samples.tobytes()


def any_samples(kind: str, shape: tuple[int, ...]) -> Array:
    """Return samples of any bits: infinities, NaN with payloads and negative zero among the floats."""
    size = np.dtype(kind).itemsize
    bits = np.random.default_rng(5).integers(0, 256, (*shape, size), np.uint8)
    bits[0, 0] = 0
    bits[0, 0, ..., -1] = 128
    return bits.view(kind)[..., 0]


def assert_same(found: Any, expected: Array) -> None:
    array = to_array(to_picture(found))
    assert array.shape == expected.shape
    assert array.dtype.newbyteorder("=") == expected.dtype
    assert np.ascontiguousarray(array, expected.dtype).tobytes() == np.ascontiguousarray(expected).tobytes()


@pytest.mark.parametrize("shape", [(-1, -1), (-2, -3), (2, -3, -1), (True, True), (0, 5), (5, 5, 0)])
def test_npy_files_without_a_size_are_damaged(shape: tuple[int, ...]) -> None:
    with pytest.raises(CorruptFileError, match="expected sides of 1 or more"):
        read_image(npy(shape, size=24))


@pytest.mark.parametrize("kind", ["|S0", "|V0", ("<f4", (2,)), "|O"])
def test_npy_files_of_other_types_are_refused(kind: object) -> None:
    with pytest.raises(UnsupportedImageError, match=r"the \.npy file holds"):
        read_image(npy((2, 2), kind, 32))


@pytest.mark.parametrize("name", SHORT_HEADERS)
def test_npy_files_whose_header_is_no_header_are_damaged(name: str) -> None:
    header = SHORT_HEADERS[name]
    with pytest.raises(CorruptFileError, match="its header is no header") as caught:
        read_image(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    assert len(str(caught.value)) < 200


@given(st.integers(0, 79), st.integers(0, 255))
def test_no_byte_of_an_npy_file_makes_another_error(place: int, byte: int) -> None:
    data = bytearray(npy((2, 3), size=24))
    data[place] = byte
    try:
        found = read_image(bytes(data)).image
    except PixcodecError:
        return
    assert np.asarray(found).size <= 24


TIFFS: dict[str, tuple[str, tuple[int, ...], dict[str, Any]]] = {
    f"{order}{kind} {name}": (kind, shape, {"byteorder": order, **options})
    for order in "<>"
    for kind in ("int16", "int32", "uint32", "float32", "float16", "int8")
    for name, shape, options in (
        ("raw", (5, 7), {}),
        ("deflate", (5, 7), {"compression": "deflate"}),
        ("tiles", (5, 7), {"tile": (16, 16)}),
        ("bigtiff", (5, 7), {"bigtiff": True}),
        ("white is zero", (5, 7), {"photometric": "miniswhite"}),
        ("bands", (5, 7, 6), {"photometric": "minisblack", "planarconfig": "contig"}),
        ("planes", (6, 5, 7), {"photometric": "minisblack", "planarconfig": "separate"}),
    )
}
TIFFS |= {
    f"{order}{kind} three bands": (
        kind,
        (5, 7, 3),
        {"byteorder": order, "photometric": "minisblack", "planarconfig": "contig"},
    )
    for order in "<>"
    for kind in ("uint8", "uint16")
}


@pytest.mark.parametrize("name", TIFFS)
def test_tiff_files_are_read_bit_for_bit(name: str) -> None:
    tifffile = pytest.importorskip("tifffile")
    kind, shape, options = TIFFS[name]
    samples, file = any_samples(kind, shape), io.BytesIO()
    tifffile.imwrite(file, samples, metadata=None, **options)
    separate = options.get("planarconfig") == "separate"
    assert_same(read_image(file.getvalue()).image, np.moveaxis(samples, 0, 2) if separate else samples)


@pytest.mark.parametrize("kind", ["int16", "int32", "float32"])
def test_without_tifffile_samples_that_pillow_swaps_are_refused(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tifffile = pytest.importorskip("tifffile")
    monkeypatch.setattr(rasters, "tifffile_or_none", lambda: None)
    samples = any_samples(kind, (5, 7))
    files = {name: io.BytesIO() for name in ("raw", "deflate")}
    for compression, file in files.items():
        packing = None if compression == "raw" else compression
        tifffile.imwrite(file, samples, byteorder=">", compression=packing, metadata=None)
    assert_same(read_image(files["raw"].getvalue()).image, samples)
    with pytest.raises(UnsupportedImageError, match=r"big-endian.*pixcodec\[tiff\]"):
        read_image(files["deflate"].getvalue())


def test_without_tifffile_tiff_files_of_many_bands_are_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rasters, "tifffile_or_none", lambda: None)
    with pytest.raises(UnsupportedImageError, match=r"pixcodec\[tiff\]"):
        write_image(any_samples("float16", (5, 7, 5)), "tif")
    floats = Image.fromarray(any_samples("float32", (5, 7)))
    assert_same(read_image(write_image(floats, "tif")).image, any_samples("float32", (5, 7)))


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_colours_multiplied_by_alpha_are_read_and_written_as_they_are(
    order: str, compression: str | None
) -> None:
    tifffile = pytest.importorskip("tifffile")
    samples, file = any_samples("uint8", (5, 7, 4)), io.BytesIO()
    options = {"photometric": "rgb", "extrasamples": ["assocalpha"], "metadata": None}
    tifffile.imwrite(file, samples, byteorder=order, compression=compression, **options)
    found, info = read_image(file.getvalue())
    assert isinstance(found, Image.Image)
    assert (found.mode, found.tobytes()) == ("RGBa", samples.tobytes())
    written = write_image(found, "tif", info)
    with tifffile.TiffFile(io.BytesIO(written)) as again:
        page = again.pages[0]
        assert page.extrasamples == (tifffile.EXTRASAMPLE.ASSOCALPHA,)
        np.testing.assert_array_equal(page.asarray(), samples)
    again_found = read_image(written).image
    assert isinstance(again_found, Image.Image)
    assert (again_found.mode, again_found.tobytes()) == ("RGBa", samples.tobytes())


@pytest.mark.parametrize("bits", [10, 14])
@pytest.mark.parametrize("planes", [1, 3])
def test_samples_of_10_and_14_bits(bits: int, planes: int) -> None:
    tifffile = pytest.importorskip("tifffile")
    pytest.importorskip("imagecodecs")
    samples, file = any_samples("uint16", (5, 8, planes)[: 2 + (planes > 1)]) >> (16 - bits), io.BytesIO()
    photometric = "rgb" if planes > 1 else "minisblack"
    tifffile.imwrite(file, samples, photometric=photometric, bitspersample=bits, metadata=None)
    with tifffile.TiffFile(io.BytesIO(file.getvalue())) as written:
        assert written.pages[0].bitspersample == bits
    assert_same(read_image(file.getvalue()).image, samples)


@pytest.mark.parametrize("alpha", [False, True])
def test_channels_of_16_bits_one_after_the_other(alpha: bool) -> None:
    rows, columns = np.mgrid[:9, :13]
    array = np.stack([rows * 7000, columns * 5000, rows * columns * 600, rows * 99][: 4 if alpha else 3])
    file = io.BytesIO()
    extra = {"extrasamples": ["unassalpha"]} if alpha else {}
    tifffile.imwrite(file, array.astype(np.uint16), photometric="rgb", planarconfig="separate", **extra)
    found = read_image(file.getvalue()).image
    np.testing.assert_array_equal(found, np.moveaxis(array, 0, 2))
