"""Small .pxc files of all kinds, whose decoding takes a few milliseconds."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import pixcodec
from pixcodec import codec
from pixcodec.images.packed import layer as packed_layer
from pixcodec.images.packed.compression import Compressed, Method
from pixcodec.jpeg.files import recipe
from pixcodec.network.model_files import load_model

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
EFFORTS = ("fast", "normal", "max")
_GREY = ("grey", "alpha", "few", "text")  # names of images that need a network of one channel
_MOST_PIXELS = 1000  # of the golden files that are used
_PHOTO = ROOT / "tests" / "images" / "kodak23_61x47_rgb.png"

Array = npt.NDArray[Any]


class Seed(NamedTuple):
    """A file, and the model that it needs if it is not one that ships with the package."""

    name: str
    data: bytes
    model: str = ""  # "grey" or "rgb": the small models of the tests


def models() -> dict[str, Any]:
    """Return the small models by name, and those that ship with the package as an empty one."""
    return {"": None, **{name: load_model(GOLDEN / f"{name}.safetensors") for name in ("grey", "rgb")}}


def seeds() -> list[Seed]:
    """Return all files."""
    found = []
    with _replaced(codec, "packed_way", lambda *_: None):
        for effort in EFFORTS:
            found += [_coded(name, effort, image) for name, image in _images().items()]
        found += [
            Seed("research", pixcodec.encode(_rgb(8, 9), effort="research")),
            Seed("shipped", pixcodec.encode(_rgb(), effort="normal")),
        ]
    found += [Seed(f"packed-{name}", pixcodec.encode(image)) for name, image in _images().items()]
    stored = lambda data, _: Compressed(Method.STORED, data)  # noqa: E731
    with _replaced(packed_layer, "compressed", stored):
        found += [Seed(f"stored-{name}", _small(image)) for name, image in _images().items()]
    found += _jpegs()
    found += _series()
    for path in sorted((GOLDEN / "forever").glob("*.pxc")):
        name = path.stem
        model = "" if "research" in name else "grey" if "grey" in name or name.endswith("-deep") else "rgb"
        data = path.read_bytes()
        info = pixcodec.read_info(data)
        if info.width * info.height <= _MOST_PIXELS and "research" not in name:
            found.append(Seed(f"golden-{name}", data, model))
    return list({seed.data: seed for seed in reversed(found)}.values())[::-1]  # each once


@contextmanager
def _replaced(module: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def _rgb(height: int = 10, width: int = 9) -> Array:
    with Image.open(_PHOTO) as image:
        return np.array(image)[20 : 20 + height, 30 : 30 + width]


def _coded(name: str, effort: str, image: Any) -> Seed:
    model = "grey" if name.startswith(_GREY) else "rgb"
    return Seed(
        f"{effort}-{name}",
        pixcodec.encode(image, effort=effort, model=GOLDEN / f"{model}.safetensors"),
        model,
    )


def _small(image: Any) -> bytes:
    return pixcodec.encode(image, effort="fast")


def _images() -> dict[str, Any]:
    """Return an image of every kind."""
    rgb = _rgb()
    grey = np.ascontiguousarray(rgb[..., 1])
    deep = rgb.astype(np.uint16) * 257 + np.arange(9, dtype=np.uint16)[None, :, None]
    palette = Image.fromarray(_rgb(16, 16)).quantize(12)
    palette.info["transparency"] = 3
    drawn = np.kron(np.array([[0, 3, 1, 2], [3, 3, 0, 1], [2, 0, 3, 3]]), np.ones((4, 3), int)) * 80
    drawn = np.stack([drawn, drawn // 2, drawn ^ 37], 2).astype(np.uint8)
    floats = (grey.astype(np.float32) * grey) / np.float32(7)
    floats[0, :2] = np.nan, -0.0
    alpha = np.dstack([grey, np.roll(grey, 3)])
    steps = (grey.astype(np.uint16) // 8) * 1000
    return {
        "rgb": rgb,
        "grey": grey,
        "rgba": np.dstack([rgb, np.roll(grey, 5)]),
        "alpha": alpha,
        "clear": np.dstack([rgb, (grey > 130).astype(np.uint8) * 255]),
        "palette": palette,
        "palette-2": Image.fromarray(_rgb(16, 16)).quantize(3),
        "bilevel": _rgb(17, 16)[..., 0] > 110,
        "cmyk": Image.fromarray(np.dstack([rgb, grey]), "CMYK"),
        "grey-16": deep[..., 0],
        "rgb-16": deep,
        "grey-12": (grey.astype(np.uint16) << 4) + 3 * (grey & 3),
        "few-values": steps,
        "drawn": drawn,
        "float32": floats,
        "uint32": grey.astype(np.uint32) * 10**6 + grey,
        "bands": np.stack([grey.astype(np.int32) * (k + 1) for k in range(5)], 2),
        "float16": (grey // 32).astype(np.float16),
        "lab": Image.fromarray(rgb).convert("LAB"),
        "text": _with_metadata(grey),
    }


def _with_metadata(grey: Array) -> Image.Image:
    """Return an image with metadata of every kind."""
    png, text = io.BytesIO(), PngInfo()
    text.add_text("Title", "a letter " * 20)
    text.add_itxt("Comment", "ünï", "de", "Kommentar")
    text.add(b"teSt", b"unknown")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photograph"
    options = {"pnginfo": text, "exif": exif, "dpi": (72, 72), "icc_profile": bytes(150)}
    Image.fromarray(grey[:6, :7]).save(png, "PNG", **options)
    opened = Image.open(png)
    opened.load()
    return opened


def _jpegs() -> list[Seed]:
    """Return JPEG files that are kept, and pixels that came from one."""
    image = Image.fromarray(_rgb(24, 21))
    files = {
        "420": _jpeg(image),
        "progressive": _jpeg(image, progressive=True),
        "grey": _jpeg(image.convert("L")),
        "cmyk": _jpeg(image.convert("CMYK").crop((0, 0, 9, 9))),
        "exif": _jpeg(image, exif=_exif(), comment=b"words " * 9),
    }
    files["two"] = files["grey"] + files["420"]
    files["cut"] = files["420"][:-60]
    found = [Seed(f"kept-{name}", pixcodec.encode(data, effort="fast")) for name, data in files.items()]
    found += [Seed(f"kept-{e}", pixcodec.encode(files["grey"], effort=e)) for e in EFFORTS]
    found.append(Seed("kept-whole", pixcodec.encode(b"\xff\xd8\xff" + bytes(range(60)))))
    with _replaced(recipe, "pack_bytes", lambda data: (0, data)):
        found += [Seed(f"bare-{name}", pixcodec.encode(data)) for name, data in files.items()]
    with _replaced(codec, "packed_way", lambda *_: None):
        for effort in EFFORTS:
            decoded = np.array(Image.open(io.BytesIO(_jpeg(Image.fromarray(_rgb(40, 31)), quality=60))))
            changed = decoded.copy()
            changed[3:6, 4:9] = 7
            found += [
                Seed(f"pixels-{effort}-{name}", pixcodec.encode(pixels, effort=effort))
                for name, pixels in (("exact", decoded), ("changed", changed))
            ]
    return found


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a photograph"
    return exif


def _jpeg(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", **{"quality": 40, **options})
    return file.getvalue()


def _series() -> list[Seed]:
    """Return pages and animations."""
    frames = []
    for number in range(3):
        frame = _rgb(9, 11).copy()
        frame[2 + number : 5 + number, 3:6] = 200 - 50 * number
        frames.append(Image.fromarray(frame))
    pages: list[Any] = [_rgb(6, 7), _rgb(5, 5)[..., 0], _rgb(8, 8)[..., 1] > 120]
    makers: dict[str, Callable[[], Any]] = {
        "gif": lambda: _saved(frames, "GIF", duration=[30, 40, 50], loop=0),
        "apng": lambda: _saved(frames, "PNG", duration=40, loop=2, default_image=True),
        "pages": lambda: pages,
        "deep pages": lambda: [
            np.float32(pages[0][..., 0]) / np.float32(7),
            pages[1],
            np.int16(pages[0]) - 9,
        ],
        "tiff": lambda: _saved(frames[:2], "TIFF"),
    }
    return [
        Seed(f"series-{effort}-{name}", pixcodec.encode(make(), effort=effort))
        for name, make in makers.items()
        for effort in (EFFORTS if name == "gif" else ("fast", "normal"))
    ]


def _saved(frames: list[Image.Image], kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    frames[0].save(file, kind, save_all=True, append_images=frames[1:], **options)
    return file.getvalue()
