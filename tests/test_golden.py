"""Bytes that must not change unnoticed.

Decode-forever: every ``.pxc`` file under ``golden/forever`` decodes to the pixels whose hash stands in
``forever.json``, in this version and in every later one; one that keeps a JPEG file to that file. Entries are
added and never changed.

Pinned: the hash of what the encoder writes, in ``pinned.json``. These may change, with a line in
CHANGELOG.md under *Format*.

``PIXCODEC_REGENERATE_GOLDENS=1`` rewrites the pinned hashes and adds decode-forever files that are missing.
All use the small models of ``golden/``, as the shipped ones may change.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import animations
import earlier_chunk
import pixcodec
import samples
from h_transform_files import h_transform_file, plate
from pixcodec import reference
from pixcodec.container.container import Container, TileKind, pack, parse
from pixcodec.container.header import WIDER_VERSION, Effort, Header, Mode
from pixcodec.container.pixel_hash import pixel_hash
from pixcodec.container.series_start import holds_series
from pixcodec.jpeg.chunk import encode_coefficients
from pixcodec.jpeg.coefficients import Coefficients, block_counts
from pixcodec.jpeg.decoders import DECODERS
from pixcodec.jpeg.pixels import pixels_of
from pixcodec.jpeg.stream.coder import Workers
from residual_files import residual_file, scene

pytestmark = pytest.mark.usefixtures("no_packed_layers")

FOREVER, FOREVER_HASHES = samples.GOLDEN / "forever", samples.GOLDEN / "forever.json"
PINNED_HASHES = samples.GOLDEN / "pinned.json"
REGENERATE = os.environ.get("PIXCODEC_REGENERATE_GOLDENS") == "1"

EFFORTS = ("fast", "normal", "max")
SETTLED = (
    "fast",
    "normal",
    "max",
    "research",
)  # decoded for ever; another one is added here and by regenerating


def model_of(name: str) -> Path:
    """Return the model of a golden file of this name."""
    if name.startswith("research"):
        return samples.GOLDEN / "rgb-row-lstm.safetensors"
    is_grey = "grey" in name or name.endswith("-deep")
    return samples.GOLDEN / ("grey.safetensors" if is_grey else "rgb.safetensors")


class Case(NamedTuple):
    effort: str
    order: str
    image: str
    channels: int

    @property
    def name(self) -> str:
        return "-".join([self.effort, self.order, self.image, {1: "grey", 3: "rgb"}[self.channels]])

    @property
    def model(self) -> Path:
        return model_of(self.name)

    def pixels(self) -> samples.AnyImage:
        if self.image in samples.MODES:
            return samples.MODES[self.image]("photo" if "16" in self.image else "pixel_art", 13, 17)
        if self.image == "clear":
            return cleared()
        shapes = {"photo": (23, 31), "pixel_art": (21, 26), "noise": (4, 5), "tall": (260, 3)}
        height, width = shapes[self.image]
        if self.image == "photo":
            pixels = samples.photo(self.channels, height, width)
        elif self.image == "tall":
            pixels = samples.gradient(height, width, self.channels)
        else:
            pixels = samples.KINDS[self.image](height, width, self.channels)
        return pixels[:, :, 0] if self.channels == 1 else pixels

    def encode(self) -> bytes:
        order = "raster" if self.order == "raster" else "wavefront"
        return pixcodec.encode(self.pixels(), effort=self.effort, order=order, model=self.model)


def cleared() -> npt.NDArray[np.uint16]:
    """Return an image with a transparent part, whose alpha is coded first."""
    image: npt.NDArray[np.uint16] = np.array(samples.MODES["rgba_16"]("pixel_art", 23, 27))
    image[4:19, 3:20] = 0
    return image


CASES = [
    Case(effort, order, image, channels)
    for effort in EFFORTS
    for order in ("wavefront", "raster")
    for image in ("photo", "pixel_art", "noise", "tall")
    for channels in (1, 3)
    if order == "wavefront" or image == "photo"
]
CASES += [
    Case(effort, "wavefront", mode, 3 if mode.startswith(("rgb", "cmyk")) else 1)
    for effort in EFFORTS
    for mode in samples.MODES
    if mode not in ("grey", "rgb")
]
CASES += [Case(effort, "wavefront", "clear", 3) for effort in EFFORTS]
# Of version 9, beside those of version 6.
CASES += [Case("normal", "fitted", image, channels) for image in ("photo", "tall") for channels in (1, 3)]
CASES += [Case("normal", "fitted", "rgba", 3), Case("normal", "fitted", "grey_16", 1)]
CASES += [Case("fast", "calibrated", image, channels) for image in ("photo", "tall") for channels in (1, 3)]
CASES += [Case("fast", "calibrated", image, 3) for image in ("pixel_art", "rgba")]
CASES += [Case("fast", "calibrated", "grey_16", 1)]
# Of version 10.
CASES += [Case("normal", "calibrated", image, channels) for image in ("photo", "tall") for channels in (1, 3)]
CASES += [Case("normal", "calibrated", "rgba", 3), Case("normal", "calibrated", "grey_16", 1)]
CASES.append(Case("research", "wavefront", "photo", 3))
SERIES_EFFORTS = ("fast", "normal", "max")  # of files of several frames; fast is settled
COEFFICIENTS = {"coefficients-grey": 1, "coefficients-rgb": 3}
# Of files of version 8: the decoder of the JPEG file, the factors of chroma, the orientation, and the effort
# of streams; None: coefficients in one bitstream.
DECODED: dict[str, tuple[int, tuple[int, int], int, int | None]] = {
    "decoder-turned": (0, (2, 1), 5, None),
    "decoder-440": (0, (1, 2), 3, None),
    "decoder-repeated": (1, (2, 2), 0, None),
    "decoder-411": (1, (4, 1), 1, None),
    "decoder-fast": (2, (2, 2), 6, None),
    "decoder-fast-repeated": (3, (2, 1), 2, None),
    "decoder-stb": (4, (2, 2), 4, None),
    "decoder-stb-422": (4, (2, 1), 7, None),
    "streams-fast": (0, (2, 2), 0, 0),
    "streams-normal": (2, (2, 1), 5, 1),
    "streams-max": (4, (1, 2), 3, 2),
}
PLAINLY_DECODED = "decoder-411", "streams-fast", "streams-normal"
SETTLED_CASES = [case for case in CASES if case.effort in SETTLED]
DEEP = ("deep-float32", "deep-bands", "deep-index")
DEEP_CASES = {f"{effort}-{name}": (effort, name) for effort in EFFORTS for name in DEEP}
KEPT = ("jpeg-420", "jpeg-progressive", "jpeg-grey", "jpeg-thumbnail", "jpeg-cut")  # a cut one is stored
# Of layers RESIDUAL: whether they are relative to the prediction, and steady.
RESIDUAL = {
    "residual-relative-grey": {"relative": True},
    "residual-values-grey": {"relative": False},
    "residual-steady-grey": {"relative": True, "steady": True},
}
# Of layers RESIDUAL by blocks: whether their means repeat, so that they are packed, as this LZMA packs them.
H_TRANSFORM = {"residual-blocks-grey": False, "residual-blocks-packed-grey": True}
PINNED_RESIDUALS = (*RESIDUAL, "residual-blocks-grey")
KEPT_CASES = {f"{effort}-{name}": (effort, name) for effort in EFFORTS for name in KEPT}


def deep(name: str) -> npt.NDArray[Any]:
    """Return a raster of mode DEEP, made of a photograph by exact arithmetic."""
    grey = samples.photo(1, 19, 23)[:, :, 0].astype(np.int32)
    if name == "deep-float32":
        raster = (grey * grey).astype(np.float32) / np.float32(7)
        raster[2, 3], raster[4, :5] = np.float32("-0"), np.float32("nan")
        return raster
    if name == "deep-bands":
        return np.stack([grey * grey * (100 + band) - 10**6 * band for band in range(5)], 2)
    return (grey // 32).astype(np.float16) / np.float16(4)


def encoded_residuals(name: str) -> bytes:
    """Return a file of version 8 or 9 with a layer RESIDUAL."""
    if name in H_TRANSFORM:
        return h_transform_file(residual_values(name))
    return residual_file(residual_values(name), **RESIDUAL[name])


def residual_values(name: str) -> npt.NDArray[np.uint16]:
    """Return the values of :func:`encoded_residuals`."""
    repeats = H_TRANSFORM.get(name)
    values: npt.NDArray[np.uint16] = scene(17, 22, 14) if repeats is None else plate(27, 34, repeats=repeats)
    return values


def coefficients_like_a_photo(channels: int, factors: tuple[int, int] = (2, 2)) -> Coefficients:
    """Return coefficients that fall off with frequency, made without any JPEG encoder: those differ."""
    factors = factors if channels == 3 else (1, 1)
    place = (37, 51, 3, 5, *factors)
    shapes = [block_counts(*place, component) for component in range(channels)]
    falls = 1 + np.add.outer(np.arange(8), np.arange(8)).reshape(64) ** 2
    rng = np.random.default_rng(11)
    blocks = tuple(
        (np.cumsum(rng.integers(-300, 301, (*shape, 64)), axis=1) // (3 * falls)).clip(-1000, 1000)
        for shape in shapes
    )
    tables = tuple(np.arange(2, 66, dtype=np.int32) + k for k in range(channels))
    return Coefficients(*place, tables, tuple(b.astype(np.int16) for b in blocks))


def decoded_file(name: str) -> bytes:
    """Return a file of version 8 whose pixels are exactly those of a decoder of JPEG files."""
    decoder, factors, orientation, effort = DECODED[name]
    found = coefficients_like_a_photo(3, factors)
    found = found._replace(decoder=DECODERS[decoder], orientation=orientation)
    pixels = pixels_of(found)
    height, width, _ = pixels.shape
    size = (width, height, Mode.RGB, Effort.FAST, width, height)
    header = Header(*size, b"", jpeg=True, exact=True, version=WIDER_VERSION)
    if effort is None:
        payload = earlier_chunk.encode_coefficients(found, wider=True)
    else:
        payload = encode_coefficients(found, effort, Workers(1))
    return pack(Container(header, (), pixel_hash(header, pixels.tobytes()), coefficients=payload))


def new_jpeg(name: str) -> bytes:
    """Return a JPEG file as the libjpeg that is installed writes it."""
    mode, progressive = "L" if name == "jpeg-grey" else "RGB", name == "jpeg-progressive"
    photo = Image.fromarray(samples.photo(3)).convert(mode)
    files = [io.BytesIO(), io.BytesIO()]
    photo.save(files[0], "JPEG", quality=85, progressive=progressive)
    photo.resize((32, 24)).save(files[1], "JPEG", quality=90)
    file, thumbnail = (each.getvalue() for each in files)
    if name == "jpeg-cut":
        return thumbnail[: len(thumbnail) * 2 // 3]
    if name != "jpeg-thumbnail":
        return file
    body = b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0" + thumbnail
    return file[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + file[2:]


def kept_jpeg(name: str) -> bytes:
    """Return a JPEG file, as a golden file keeps it: the installed libjpeg may write another one."""
    path = FOREVER / f"{EFFORTS[0]}-{name}.pxc"
    return pixcodec.restore(path.read_bytes()) if path.exists() else new_jpeg(name)


def encoded_series(name: str) -> bytes:
    """Return a file of several frames: indices of an animation; pages of colours and alpha; deep ones."""
    effort, _, kind = name.removeprefix("series-").partition("-")
    if kind == "indices":
        return pixcodec.encode(animations.gif(4), effort=effort)
    if kind == "deep":
        first = deep("deep-float32")
        mixed = [first, first[::-1], samples.photo(1, 9, 8)[:, :, 0], deep("deep-bands")[:7], -first[:9, :5]]
        return pixcodec.encode(mixed, effort=effort, model=model_of(name))
    pages = [samples.any_photo(14, 19, channels).copy() for channels in (3, 3, 4, 4)]
    for number, page in enumerate(pages):
        page[2 + number : 7, 3 : 8 + number] = 50 * number
    model = samples.GOLDEN / "rgb.safetensors"
    return pixcodec.encode(pages, effort=effort, model=model)


SERIES = [f"series-{effort}-{kind}" for effort in SERIES_EFFORTS for kind in ("indices", "rgb", "deep")]
SETTLED_SERIES = [name for name in SERIES if name.split("-")[1] in SETTLED]


def frames_digest(data: bytes, model: Path) -> str:
    """Return the hash of all frames of a file."""
    count = pixcodec.read_info(data).frames
    frames = [pixcodec.decode(data, frame=number, model=model) for number in range(count)]
    return digest("".join(map(pixel_digest, frames)).encode()) if count > 1 else pixel_digest(frames[0])


def pinned_now() -> dict[str, str]:
    """Return the hashes of what the encoder writes."""
    hashes = {case.name: digest(case.encode()) for case in CASES}
    for name, (effort, kept) in KEPT_CASES.items():
        hashes[name] = digest(pixcodec.encode(kept_jpeg(kept), effort=effort))
    hashes |= {name: digest(encoded_series(name)) for name in SERIES}
    for name, (effort, raster) in DEEP_CASES.items():
        hashes[name] = digest(pixcodec.encode(deep(raster), effort=effort))
    for name, channels in COEFFICIENTS.items():
        hashes[name] = digest(earlier_chunk.encode_coefficients(coefficients_like_a_photo(channels)))
    hashes |= {name: digest(encoded_residuals(name)) for name in PINNED_RESIDUALS}
    return hashes | {name: digest(decoded_file(name)) for name in DECODED}


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def pixel_digest(pixels: npt.NDArray[Any]) -> str:
    return digest(f"{pixels.dtype}{pixels.shape}".encode() + np.ascontiguousarray(pixels).tobytes())


def load(path: Path) -> dict[str, str]:
    hashes: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return hashes


def store(path: Path, hashes: dict[str, str]) -> None:
    path.write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", "utf-8")


@pytest.fixture(scope="module", autouse=True)
def _regenerated(no_packed_layers: None) -> None:
    if not REGENERATE:
        return
    forever = load(FOREVER_HASHES)
    FOREVER.mkdir(exist_ok=True)
    for case in SETTLED_CASES:
        path = FOREVER / f"{case.name}.pxc"
        if case.name not in forever and not path.exists():
            path.write_bytes(case.encode())
            forever[case.name] = pixel_digest(np.asarray(case.pixels()))
    for name, (effort, kept) in KEPT_CASES.items():
        path = FOREVER / f"{name}.pxc"
        if name not in forever and not path.exists():
            file = kept_jpeg(kept)
            path.write_bytes(pixcodec.encode(file, effort=effort))
            forever[name] = digest(file)
    for name in SETTLED_SERIES:
        path = FOREVER / f"{name}.pxc"
        if name not in forever and not path.exists():
            path.write_bytes(encoded_series(name))
            forever[name] = frames_digest(path.read_bytes(), model_of(name))
    for name in DECODED:
        path = FOREVER / f"{name}.pxc"
        if name not in forever and not path.exists():
            path.write_bytes(decoded_file(name))
            forever[name] = pixel_digest(np.asarray(pixcodec.decode(path.read_bytes())))
    for name in (*RESIDUAL, *H_TRANSFORM):
        path = FOREVER / f"{name}.pxc"
        if name not in forever and not path.exists():
            path.write_bytes(encoded_residuals(name))
            forever[name] = pixel_digest(residual_values(name))
    for name, (effort, raster) in DEEP_CASES.items():
        path = FOREVER / f"{name}.pxc"
        if name not in forever and not path.exists():
            path.write_bytes(pixcodec.encode(deep(raster), effort=effort))
            forever[name] = pixel_digest(deep(raster))
    store(FOREVER_HASHES, forever)
    store(PINNED_HASHES, pinned_now())


@pytest.mark.parametrize("name", sorted(load(FOREVER_HASHES).keys() - KEPT_CASES.keys()))
def test_a_file_decodes_for_ever(name: str) -> None:
    data = (FOREVER / f"{name}.pxc").read_bytes()
    assert frames_digest(data, model_of(name)) == load(FOREVER_HASHES)[name]


@pytest.mark.parametrize("name", KEPT_CASES)
def test_a_jpeg_file_comes_back_for_ever(name: str) -> None:
    data = (FOREVER / f"{name}.pxc").read_bytes()
    assert digest(pixcodec.restore(data)) == load(FOREVER_HASHES)[name]
    info = pixcodec.read_info(data)
    assert (info.format_version, info.effort, info.jpeg) == (7, KEPT_CASES[name][0], not name.endswith("cut"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in KEPT_CASES if n.startswith("fast") or n.endswith("grey")])
def test_the_plain_decoder_gives_the_same_jpeg_file(name: str) -> None:
    assert digest(reference.restore((FOREVER / f"{name}.pxc").read_bytes())) == load(FOREVER_HASHES)[name]


@pytest.mark.parametrize("name", KEPT_CASES)
def test_the_encoder_writes_the_pinned_bytes_of_jpeg_files(name: str) -> None:
    effort, kept = KEPT_CASES[name]
    data = pixcodec.encode(kept_jpeg(kept), effort=effort)
    assert digest(data) == load(PINNED_HASHES)[name], "changed: CHANGELOG.md, Format, must say why"


@pytest.mark.parametrize("name", DEEP_CASES)
def test_the_encoder_writes_the_pinned_bytes_of_deep_rasters(name: str) -> None:
    effort, raster = DEEP_CASES[name]
    data = pixcodec.encode(deep(raster), effort=effort)
    assert digest(data) == load(PINNED_HASHES)[name], "changed: CHANGELOG.md, Format, must say why"


@pytest.mark.parametrize("name", PINNED_RESIDUALS)
def test_the_encoder_writes_the_pinned_bytes_of_residuals(name: str) -> None:
    data = encoded_residuals(name)
    assert digest(data) == load(PINNED_HASHES)[name], "changed: CHANGELOG.md, Format, must say why"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_encoder_writes_the_pinned_bytes(case: Case) -> None:
    pinned = load(PINNED_HASHES)
    assert case.name in pinned, "no golden: regenerate, and look at the difference"
    assert digest(case.encode()) == pinned[case.name], "changed: CHANGELOG.md, Format, must say why"


@pytest.mark.parametrize("name", SERIES)
def test_a_series_has_the_pinned_bytes(name: str) -> None:
    pinned = load(PINNED_HASHES)
    assert name in pinned, "no golden: regenerate, and look at the difference"
    assert digest(encoded_series(name)) == pinned[name], "changed: CHANGELOG.md, Format, must say why"


@pytest.mark.parametrize(("name", "channels"), COEFFICIENTS.items())
def test_coefficients_have_the_pinned_bytes(name: str, channels: int) -> None:
    payload = earlier_chunk.encode_coefficients(coefficients_like_a_photo(channels))
    assert digest(payload) == load(PINNED_HASHES)[name], "changed: CHANGELOG.md, Format, must say why"


@pytest.mark.parametrize("name", DECODED)
def test_files_of_decoders_have_the_pinned_bytes(name: str) -> None:
    assert digest(decoded_file(name)) == load(PINNED_HASHES)[name], "changed: CHANGELOG.md must say why"
    assert pixcodec.read_info((FOREVER / f"{name}.pxc").read_bytes()).format_version == 8


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAINLY_DECODED)
def test_the_plain_decoder_gives_the_same_pixels(name: str) -> None:
    pixels = reference.decode((FOREVER / f"{name}.pxc").read_bytes(), ())
    assert pixel_digest(pixels.astype(np.uint8)) == load(FOREVER_HASHES)[name]


def test_every_case_has_a_file_that_decodes_for_ever() -> None:
    expected = {case.name for case in SETTLED_CASES} | KEPT_CASES.keys() | DECODED.keys() | DEEP_CASES.keys()
    expected |= RESIDUAL.keys()
    assert expected <= load(FOREVER_HASHES).keys()


def test_every_effort_has_every_kind_of_file() -> None:
    """What 1.0 freezes: docs/compatibility.md."""
    kinds: dict[str, set[Any]] = {effort: set() for effort in EFFORTS}
    for path in FOREVER.glob("*.pxc"):
        data = path.read_bytes()
        if holds_series(data):
            kinds[pixcodec.read_info(data).effort].add("series")
            continue
        container = parse(data)
        header = container.header
        found = kinds.setdefault(header.effort.name.lower(), set())
        flags = ("alpha_first", "graphics", "interleaved", "mapped", "jpeg", "exact", "kept", "deep")
        found |= {flag for flag in flags if getattr(header, flag)}
        found |= {header.mode, header.bit_depth > 8, header.index_bits > 0}
        found |= {tile.kind for tile in container.tiles}
        found |= {"stored"} if header.kept and not header.jpeg else set()
    flags = {"graphics", "interleaved", "mapped", "jpeg", "exact", "kept", "deep", "stored"}
    tiles = {TileKind.RAW, TileKind.CODED, TileKind.RUNS}
    wanted = {*Mode, *flags, *tiles, "series", True, False}
    for effort in EFFORTS:
        assert wanted <= kinds[effort], effort
    assert all("alpha_first" in kinds[effort] for effort in ("normal", "max"))
    assert TileKind.PACKED in set().union(*kinds.values())


def test_files_and_hashes_belong_together() -> None:
    assert {path.stem for path in FOREVER.glob("*.pxc")} == load(FOREVER_HASHES).keys()
    others = {*SERIES} | COEFFICIENTS.keys() | KEPT_CASES.keys() | DECODED.keys() | DEEP_CASES.keys()
    others |= {*PINNED_RESIDUALS}
    assert load(PINNED_HASHES).keys() == {case.name for case in CASES} | others


@pytest.mark.parametrize("case", [c for c in SETTLED_CASES if c.image != "noise"], ids=lambda case: case.name)
def test_goldens_are_coded_and_not_raw(case: Case) -> None:
    data = (FOREVER / f"{case.name}.pxc").read_bytes()
    assert TileKind.RAW not in {tile.kind for tile in parse(data).tiles}
