"""Files that pixcodec writes, read by the plain decoder, which shares no code with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pixcodec
import samples
from pixcodec import codec
from pixcodec.images import ways
from pixcodec.network.model_files import load_model
from pixcodec.reference import core, fast

pytestmark = pytest.mark.usefixtures("no_packed_layers")

# Those that have layers of the network alone.
_BY_NETWORK = (
    "fast-raster",
    *(f"fast-wavefront-{kind}" for kind in ("noise", "photo", "pixel", "tall")),
    "research-",
)
FOREVER = [
    path for path in sorted((samples.GOLDEN / "forever").glob("*.pxc")) if path.stem.startswith(_BY_NETWORK)
]
SHIPPED = [Path(info.path) for info in pixcodec.list_models()]


def plainly_coded(image: samples.Pixels, order: str = "wavefront") -> bytes:
    """Return a file of effort fast without side layers, which the oracle does not know."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "all_ways", lambda header, picture, _: [ways.ways_of(header, picture)[:1]])
        return pixcodec.encode(image, effort="fast", order=order)


def coded(data: bytes) -> bool:
    """Return whether the first tile is coded, not raw."""
    return next(payload[0] for kind, payload in core.chunks(data) if kind == b"TILE") == 1


@pytest.mark.parametrize("order", ["wavefront", "raster"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width", "number"), [(9, 13, 5), (17, 24, 23), (1, 5, 5), (5, 1, 23)])
def test_a_photo_decodes_to_the_same_pixels(
    height: int, width: int, number: int, channels: int, order: str
) -> None:
    image = samples.photo(channels, height, width, number=number)
    data = plainly_coded(image, order=order)
    assert coded(data) or image.size < 50
    np.testing.assert_array_equal(fast.decode(data, SHIPPED), image)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", samples.KINDS)
def test_a_generated_image_decodes_to_the_same_pixels(kind: str, channels: int) -> None:
    image = samples.KINDS[kind](8, 11, channels)
    data = plainly_coded(image)
    np.testing.assert_array_equal(fast.decode(data, SHIPPED), image)


def test_several_tiles_decode_to_the_same_pixels() -> None:
    rows = np.concatenate([samples.flat(256, 3, 1), samples.gradient(20, 3, 1)])
    data = plainly_coded(rows)
    assert [kind for kind, _ in core.chunks(data)].count(b"TILE") == 2
    np.testing.assert_array_equal(fast.decode(data, SHIPPED), rows)


@pytest.mark.slow
@pytest.mark.parametrize("path", FOREVER, ids=lambda path: path.stem)
def test_files_of_every_version_decode_to_the_same_pixels(path: Path) -> None:
    models = [samples.GOLDEN / f"{name}.safetensors" for name in ("grey", "rgb", "rgb-row-lstm")]
    data = path.read_bytes()
    decoded = pixcodec.decode(data, model=models[("rgb" in path.stem) + path.stem.startswith("research")])
    np.testing.assert_array_equal(np.squeeze(fast.decode(data, models)), np.squeeze(decoded))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_model_id_is_what_the_format_says(path: Path) -> None:
    assert core.Network(path).model_id() == load_model(path).model_id
