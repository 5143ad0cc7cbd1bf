"""The man pages, which a build of the package writes from the help of the commands."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from pixcodec.cli import cli

SCRIPT = Path(__file__).resolve().parent.parent / "docs" / "man_pages.py"


@pytest.fixture(scope="module")
def man_pages() -> ModuleType:
    pytest.importorskip("click_man", reason="needs click-man")
    spec = importlib.util.spec_from_file_location("man_pages", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_command_has_a_page_with_its_examples_and_options(man_pages: ModuleType) -> None:
    pages = dict(man_pages.pages())
    assert pages.keys() == {"pixcodec.1", *(f"pixcodec-{name}.1" for name in cli.commands)}
    for name, page in pages.items():
        assert page.startswith('.TH "PIXCODEC')
        assert ".SH EXAMPLE" in page, name
        assert "..." not in page.split(".SH SYNOPSIS")[0]  # the summary is not cut
        assert all(line.split()[0] in man_pages.MACROS for line in page.split("\n") if line.startswith("."))
    assert r"\fB\-\-effort\fP" in pages["pixcodec-encode.1"]
    assert ".SH EXIT STATUS" in pages["pixcodec-encode.1"]
    assert dict(man_pages.pages()) == pages


def test_text_that_begins_with_a_point_is_shown(man_pages: ModuleType) -> None:
    assert man_pages.plain(".pxc files") == r"\&.pxc files"
    assert man_pages.plain(".PP") == ".PP"
    assert man_pages.escaped(r"a\b --c 'd'") == r"a\eb \-\-c \(aqd\(aq"


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
def test_groff_has_nothing_against_the_pages(man_pages: ModuleType) -> None:
    for name, page in man_pages.pages():
        command = ["groff", "-man", "-Tutf8", "-ww", "-Kutf8"]
        done = subprocess.run(command, input=page.encode(), capture_output=True, check=True)
        assert done.stderr == b"", name
        assert b"pixcodec" in done.stdout
