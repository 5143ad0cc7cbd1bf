"""The command line for tests: run in this process, with what it printed and how it ended."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixcodec
from pixcodec.cli import main

COMMAND = [sys.executable, "-m", "pixcodec"]
RGB = np.cumsum(np.random.default_rng(1).integers(0, 3, (7, 9, 3)), axis=1).astype(np.uint8)
GREY = RGB[:, :, 0]


@dataclass
class Result:
    status: int
    out: str
    err: str

    def objects(self) -> dict[str, dict[str, Any]]:
        """Return the JSON objects on stdout by the name of their input."""
        found = [json.loads(line) for line in self.out.splitlines()]
        assert len({entry["input"] for entry in found}) == len(found)
        return {entry["input"]: entry for entry in found}


class Runner:
    """Runs commands in this process."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd

    def __call__(self, *arguments: object) -> Result:
        self.capfd.readouterr()
        status = main([str(argument) for argument in arguments])
        found = self.capfd.readouterr()
        return Result(status, found.out, found.err)


def assert_failed(result: Result, status: int, *words: str) -> None:
    """Check that a command said why it failed in one line."""
    assert result.status == status, result.err
    assert result.out == ""
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("pixcodec: error: ")
    for word in words:
        assert word in lines[0]


def partial_files(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if "partial" in p.name]


def write_png(folder: Path) -> Path:
    """Write RGB as in.png."""
    path = folder / "in.png"
    Image.fromarray(RGB).save(path)
    return path


def write_pxc(folder: Path) -> Path:
    """Write RGB as in.pxc."""
    path = folder / "in.pxc"
    path.write_bytes(_encoded())
    return path


@cache
def _encoded() -> bytes:
    return pixcodec.encode(RGB)
