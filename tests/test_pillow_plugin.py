"""The Pillow plugin opens .pxc files: when it reads and decodes them, what it says of damage."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
import threading
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, UnidentifiedImageError

import pixcodec
from pixcodec.container.beginning import read_beginning
from pixcodec.container.chunks import MAGIC, Chunk
from pixcodec.container.container import pack, parse
from pixcodec.plugins import pillow as pillow_plugin
from pxc_images import IMAGES, NAMES, opened, png, same, saved


@pytest.fixture(scope="module")
def data() -> bytes:
    return saved()


@pytest.fixture(scope="module")
def damaged(data: bytes) -> bytes:
    """Return a file with a wrong bit in the last byte of its last tile's CRC."""
    return flipped(data, data.rindex(b"DONE") - 5)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize("name", NAMES)
def test_images_survive(name: str, tmp_path: Path) -> None:
    image, path = png(name), tmp_path / "image.pxc"
    image.save(path, effort="fast")
    with Image.open(path) as found:
        assert isinstance(found, pillow_plugin.PxcImageFile)
        assert (found.format, found.mode, found.size) == ("PXC", image.mode, image.size)
        assert same(found, image)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 1), (5, 3)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_odd_sizes_survive(size: tuple[int, int], mode: str) -> None:
    image = png().convert(mode).resize(size)
    assert same(opened(saved(image)), image)


def test_pillow_knows_the_format() -> None:
    assert Image.registered_extensions()[".pxc"] == "PXC"
    assert Image.MIME["PXC"] == "image/x-pixcodec"


def test_the_mime_type_of_a_file(data: bytes) -> None:
    assert opened(data).get_format_mimetype() == "image/x-pixcodec"


@pytest.mark.parametrize(
    "code", ["import pixcodec.pillow_plugin", "import pixcodec; pixcodec.register_pillow()"]
)
def test_registering_is_light(code: str) -> None:
    code += "\nfrom PIL import Image; assert '.pxc' in Image.registered_extensions()"
    code += "\nimport sys; assert not {'numba', 'numpy', 'torch'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_registering_twice_changes_nothing() -> None:
    before = list(Image.ID)
    pixcodec.register_pillow()
    assert before == Image.ID


def test_opening_does_not_decode(damaged: bytes) -> None:
    image = opened(damaged)
    assert (image.mode, image.size) == ("RGB", (61, 47))
    for _ in range(2):  # and stays as it was
        with pytest.raises(OSError, match=r"chunk 'TILE' at byte \d+: CRC is 0x"):
            image.load()


class CountingFile(io.BytesIO):
    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def test_opening_reads_up_to_the_first_tile(data: bytes) -> None:
    long_info = pack(replace(parse(data), ancillary=(Chunk("abCD", bytes(5000)),)))
    file = CountingFile(long_info)
    image = Image.open(file)
    assert file.taken == 16 + long_info.index(b"TILE") + 4  # Pillow looks at 16 bytes before
    assert same(image, png())


@pytest.mark.parametrize("count", [0, 7, 8, 9, 15, 16, 40, 60, 66, 68, 69])
def test_the_beginning_of_a_file(data: bytes, count: int) -> None:
    assert read_beginning(io.BytesIO(data[:count])) == data[: min(count, data.index(b"TILE") + 4)]


def test_the_beginning_of_another_file() -> None:
    assert read_beginning(io.BytesIO(bytes(100))) == bytes(8)


def test_a_false_length_claims_no_memory() -> None:
    data = MAGIC + b"\xff\xff\xff\xffHEAD" + bytes(100)
    assert read_beginning(io.BytesIO(data)) == data


def test_large_images_are_suspect(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 61 * 47 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        opened(data)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        opened(data)


def test_the_limit_of_pillow_is_the_one_that_counts(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}

    def decode_image(data: bytes, **options: Any) -> Image.Image:
        found.update(options)
        return Image.new("RGB", (61, 47))

    monkeypatch.setattr("pixcodec.codec.decode_image", decode_image)
    opened(data).load()
    assert found == {"max_pixels": 61 * 47}


def test_an_image_that_grew_after_opening_is_refused(data: bytes) -> None:
    file = io.BytesIO(data)
    image = Image.open(file)
    other = saved(png().resize((61, 48)))
    file.seek(0)
    file.write(other)
    file.truncate()
    with pytest.raises(OSError, match="limit is 2867 pixels"):
        image.load()


def test_an_image_that_changed_after_opening_is_refused(data: bytes) -> None:
    file = io.BytesIO(data)
    image = Image.open(file)
    file.seek(0)
    file.write(saved(png().convert("L")))
    file.truncate()
    with pytest.raises(OSError, match="another mode or size"):
        image.load()


def test_other_files_are_left_to_other_plugins() -> None:
    assert Image.open(IMAGES / NAMES[0]).format == "PNG"
    with pytest.raises(SyntaxError, match="file starts with"):
        pillow_plugin.PxcImageFile(io.BytesIO(b"GIF89a and so on"))
    with pytest.raises(UnidentifiedImageError):
        opened(b"no image at all")


def test_text_mode_transfers_are_recognised(data: bytes) -> None:
    with pytest.raises(OSError, match="transferred as text"):
        opened(data.replace(b"\r\n", b"\n", 1))


def test_a_damaged_header_is_told_at_once(data: bytes) -> None:
    with pytest.raises(OSError, match="chunk 'HEAD' at byte 8: CRC is") as caught:
        opened(flipped(data, 21))
    assert not isinstance(caught.value, UnidentifiedImageError)
    with pytest.raises(OSError, match="file ends after"):
        opened(data[:30])


def test_a_newer_version_is_told_at_once(data: bytes) -> None:
    with pytest.raises(OSError, match="format version is 999"):
        opened(data[:8] + b"\x50\0\0\0HEAD" + (999).to_bytes(2, "little") + bytes(60))
    head = b"HEAD" + (999).to_bytes(2, "little") + b"new"
    with pytest.raises(OSError, match="format version is 999"):
        opened(data[:8] + b"\x05\0\0\0" + head + zlib.crc32(head).to_bytes(4, "little") + bytes(60))


def test_a_cut_file_is_told_at_load(data: bytes) -> None:
    with pytest.raises(OSError, match="file ends after"):
        opened(data[:-30]).load()


def test_a_missing_model_is_told_with_the_way_out(data: bytes) -> None:
    container = parse(data)
    strange = pack(replace(container, header=replace(container.header, model_id=bytes(8))))
    image = opened(strange)
    with pytest.raises(OSError, match=r"model 0{16}.*pixcodec\.decode_image") as caught:
        image.load()
    assert isinstance(caught.value.__cause__, pixcodec.ModelMismatchError)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float16", "float32"])
def test_modes_that_pillow_lacks_are_refused(dtype: str) -> None:
    data = pixcodec.encode(np.zeros((2, 3, 7 if dtype == "uint8" else 3), dtype), effort="fast")
    with pytest.raises(OSError, match=r"Pillow has no mode for bands or samples .*: use pixcodec\.decode"):
        opened(data)


def test_verify(data: bytes, damaged: bytes, tmp_path: Path) -> None:
    image = opened(data)
    image.verify()
    assert image.fp is None
    with pytest.raises(ValueError, match="closed"):
        image.load()
    path = tmp_path / "damaged.pxc"
    path.write_bytes(damaged)
    image = Image.open(path)
    file = image.fp
    with pytest.raises(OSError, match="chunk 'TILE' at byte"):
        image.verify()
    assert file is not None
    assert file.closed


def test_a_stream_that_cannot_seek(data: bytes) -> None:
    class Stream(io.RawIOBase):
        rest = data

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            part, self.rest = self.rest[: len(buffer)], self.rest[len(buffer) :]
            buffer[: len(part)] = part
            return len(part)

    assert same(Image.open(io.BufferedReader(Stream())), png())


def test_pieces_can_be_fed_to_the_parser(data: bytes) -> None:
    parser = ImageFile.Parser()
    for start in range(0, len(data), 50):
        parser.feed(data[start : start + 50])
    assert same(parser.close(), png())


def test_a_file_that_pillow_opened_is_closed_after_loading(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.pxc"
    path.write_bytes(data)
    image = Image.open(path)
    file = image.fp
    assert file is not None
    assert not file.closed
    image.load()
    assert file.closed
    assert image.fp is None
    with Image.open(path) as image:
        file = image.fp
    assert file is not None
    assert file.closed
    with pytest.raises(ValueError, match="closed"):
        image.load()


def test_a_file_of_the_caller_stays_open(data: bytes) -> None:
    file = io.BytesIO(data)
    Image.open(file).load()
    assert not file.closed


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda image: pickle.loads(pickle.dumps(image))])
def test_opened_images_can_be_copied(data: bytes, again: Any) -> None:
    assert same(again(opened(data)), png())
    image = opened(data)
    image.load()
    assert same(again(image), png())


def test_loaded_images_can_be_changed(data: bytes) -> None:
    image = opened(data)
    image.putpixel((1, 2), (3, 4, 5))
    assert image.getpixel((1, 2)) == (3, 4, 5)
    assert image.crop((1, 2, 2, 3)).tobytes() == bytes([3, 4, 5])
    image.thumbnail((20, 20))
    assert image.size == (20, 15)


def test_several_threads_may_load_one_image(data: bytes) -> None:
    image, found = opened(data), []
    threads = [threading.Thread(target=lambda: found.append(image.tobytes())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [png().tobytes()] * 4
