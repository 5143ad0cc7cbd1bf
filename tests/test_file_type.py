"""What the package ships for desktops and for file(1)."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pixcodec
import samples
from jpeg_file import jpeg_of
from pixcodec.container.chunks import MAGIC
from pixcodec.container.header import FORMAT_VERSIONS, KEPT_VERSIONS
from pixcodec.plugins import pillow as pillow_plugin

DATA = Path(pixcodec.__file__).parent / "plugins" / "desktop"
NAMESPACE = {"": "http://www.freedesktop.org/standards/shared-mime-info"}


def test_the_desktop_knows_magic_and_suffix() -> None:
    (kind,) = ET.parse(DATA / "pixcodec-mime.xml").getroot().findall("mime-type", NAMESPACE)
    assert kind.get("type") == pillow_plugin.MIME_TYPE
    globs = [glob.get("pattern") for glob in kind.findall("glob", NAMESPACE)]
    assert globs == [f"*{pillow_plugin.EXTENSION}"]
    (match,) = kind.findall("magic/match", NAMESPACE)
    assert (match.get("type"), match.get("offset")) == ("string", "0")
    value = match.get("value") or ""  # with the escapes of C
    assert value.encode().decode("unicode_escape").encode("latin-1") == MAGIC


@pytest.mark.skipif(not shutil.which("update-mime-database"), reason="needs shared-mime-info")
def test_the_desktop_takes_the_file(tmp_path: Path) -> None:
    packages = tmp_path / "mime" / "packages"
    packages.mkdir(parents=True)
    shutil.copy(DATA / "pixcodec-mime.xml", packages)
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
    command = ["update-mime-database", packages.parent]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert not done.stderr
    assert "image/x-pixcodec:*.pxc" in (tmp_path / "mime" / "globs").read_text()
    assert MAGIC in (tmp_path / "mime" / "magic").read_bytes()


def test_the_magic_knows_all_versions_with_a_head() -> None:
    (bound,) = re.findall(r"^>>>>16\tuleshort\t<(\d+)$", (DATA / "pixcodec.magic").read_text("ascii"), re.M)
    assert int(bound) == max(set(FORMAT_VERSIONS) - set(KEPT_VERSIONS)) + 1


def said_by_file(data: bytes, *options: str) -> str:
    command = ["file", "--brief", *options, "--magic-file", str(DATA / "pixcodec.magic"), "-"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()


@pytest.mark.skipif(not shutil.which("file"), reason="needs file(1)")
class TestFile:
    @pytest.mark.parametrize(
        ("array", "effort", "expected"),
        [
            (np.zeros((1, 2), np.uint8), "fast", "9, grey, 8-bit, effort fast"),
            (np.zeros((2, 300, 3), np.uint8), "normal", "6, RGB, 8-bit, effort normal"),
            (samples.photo(3), "normal", "10, RGB, 8-bit, effort normal"),
            (np.full((2, 3, 2), 65535, np.uint16), "fast", "6, grey and alpha, 16-bit, effort fast"),
            (np.zeros((2, 3), bool), "max", "6, bilevel, 1-bit, effort max"),
            (np.zeros((2, 3, 3), np.uint8), "research", "6, RGB, 8-bit, effort research"),
        ],
    )
    @pytest.mark.usefixtures("no_packed_layers")
    def test_it_tells_what_an_image_is(self, array: Any, effort: str, expected: str) -> None:
        data = pixcodec.encode(array, effort=effort)
        assert said_by_file(data) == f"pixcodec image data, format version {expected}"

    def test_it_tells_what_a_packed_image_is(self) -> None:
        small = (samples.GOLDEN / "forever" / "packed-rgb.pxc").read_bytes()
        assert said_by_file(small) == "pixcodec image data, format version 8, compact"
        data = MAGIC + b"\x0c\0\0\0HEAD" + bytes([8, 0, 1, 8, 0, 0x40, 0]) + bytes(30)
        assert said_by_file(data) == "pixcodec image data, format version 8, RGB, 8-bit, effort fast"

    def test_it_tells_that_a_jpeg_file_is_kept(self) -> None:
        data = pixcodec.encode(jpeg_of(samples.photo(3), 85, 2))
        assert said_by_file(data) == "pixcodec image data, format version 11, a JPEG file"
        earlier = (samples.GOLDEN / "forever" / "fast-jpeg-420.pxc").read_bytes()
        assert said_by_file(earlier) == "pixcodec image data, format version 7, a JPEG file"

    def test_it_tells_the_mime_type(self) -> None:
        data = pixcodec.encode(np.zeros((1, 1), np.uint8), effort="fast")
        assert said_by_file(data, "--mime-type") == "image/x-pixcodec"
        assert said_by_file(data, "--extension") == "pxc"

    @pytest.mark.parametrize(
        ("head", "expected"),
        [
            (
                struct.pack("<HHIIBBB", 1, 0, 768, 512, 1, 8, 0),
                "version 1, 768 x 512, RGB, 8-bit, effort fast",
            ),
            (bytes([3, 0, 3, 16, 1]), "version 3, RGBA, 16-bit, effort normal"),
            (bytes([5, 0, 1, 8, 2]), "version 5, RGB, 8-bit, effort max"),
            (bytes([7, 0, 1, 8, 2]), "version 7"),
            (bytes([0, 4, 1, 8, 2]), "version 1024"),
        ],
    )
    def test_every_version(self, head: bytes, expected: str) -> None:
        data = MAGIC + b"\x20\0\0\0HEAD" + head + bytes(40)
        assert said_by_file(data) == f"pixcodec image data, format {expected}"

    def test_other_files_are_none_of_its_business(self) -> None:
        assert "pixcodec" not in said_by_file(MAGIC[:4] + bytes(20))
