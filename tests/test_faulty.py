"""Files in tests/faulty, each of which some version of pixcodec failed on: all are refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import pixcodec
import pixcodec.pillow_plugin
from pixcodec.codec import header_image
from pixcodec.container.container import parse

FOLDER = Path(__file__).parent / "faulty"
FILES = sorted(FOLDER.glob("*.pxc"))


def decode(data: bytes) -> Any:
    return pixcodec.restore(data) if data[8] == 0x87 else pixcodec.decode(data)


def read_by_pillow(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        image.load()


OTHERS: tuple[Callable[[bytes], Any], ...] = (
    parse,
    header_image,
    pixcodec.read_info,
    pixcodec.decode_image,
    lambda data: pixcodec.recover(data, paint=False),
    lambda data: pixcodec.decode(data, region=(0, 0, 1, 1)),
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_faulty_files_are_refused(path: Path) -> None:
    data = path.read_bytes()
    with pytest.raises((pixcodec.CorruptFileError, pixcodec.LimitExceededError)):
        decode(data)
    for read in OTHERS:  # which may see nothing of it
        try:
            read(data)
        except pixcodec.PixcodecError:
            continue
    with pytest.raises(OSError, match=r"."):
        read_by_pillow(data)


def test_every_file_is_explained() -> None:
    names = {
        line.split("`")[1] for line in (FOLDER / "README.md").read_text("utf-8").splitlines() if "| `" in line
    }
    assert names == {path.stem for path in FILES}
    assert len(names) > 5
