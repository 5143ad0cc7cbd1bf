"""Encode and decode on the command line, in process where possible: what they leave on the disk."""

from __future__ import annotations

import io
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixcodec
from command_line import COMMAND, GREY, RGB, Runner, assert_failed, write_png, write_pxc
from pixcodec.batch import suffixes
from pixcodec.container.container import parse
from pixcodec.images import files as image_files


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    return write_png(tmp_path)


@pytest.fixture
def pxc(tmp_path: Path) -> Path:
    return write_pxc(tmp_path)


@pytest.mark.parametrize("image", [RGB, GREY])
@pytest.mark.parametrize("options", [(), ("--effort", "fast"), ("--order", "raster", "--no-verify")])
def test_there_and_back(run: Runner, tmp_path: Path, image: Any, options: tuple[str, ...]) -> None:
    Image.fromarray(image).save(tmp_path / "a.png")
    result = run("encode", tmp_path / "a.png", tmp_path / "a.pxc", *options)
    assert (result.status, result.out) == (0, "")
    assert "9x7 pixels" in result.err
    assert (tmp_path / "a.pxc").read_bytes() == pixcodec.encode(
        image,
        effort="fast" if "fast" in options else "normal",
        order="raster" if options[2:] else "wavefront",
    )
    result = run("decode", tmp_path / "a.pxc", tmp_path / "b.png")
    assert (result.status, result.out, result.err) == (0, "", "")
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.png")), image)


@pytest.mark.parametrize("suffix", suffixes.WRITABLE)
def test_every_output_format_is_lossless(run: Runner, tmp_path: Path, pxc: Path, suffix: str) -> None:
    out = tmp_path / f"out.{suffix}"
    result = run("decode", pxc, out)
    if suffix in ("pbm", "pgm"):
        assert_failed(result, 1, suffix)
        assert not out.exists()
        return
    assert result.status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(out)), RGB)
    result = run("decode", pxc, tmp_path / "without_suffix", "--format", suffix)
    assert (tmp_path / "without_suffix").read_bytes() == out.read_bytes()


def test_the_suffixes_are_those_of_the_writer() -> None:
    assert sorted(image_files.WRITABLE) == sorted(suffixes.WRITABLE)


def test_grey_as_pgm(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "a.pxc").write_bytes(pixcodec.encode(GREY))
    assert run("decode", tmp_path / "a.pxc", tmp_path / "a.pgm").status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.pgm")), GREY)


def test_the_output_may_be_omitted(run: Runner, png: Path) -> None:
    assert run("encode", "-q", png).err == ""
    np.testing.assert_array_equal(pixcodec.open(png.with_suffix(".pxc")), RGB)


@pytest.mark.slow
def test_pipes_carry_nothing_but_data(png: Path) -> None:
    first = subprocess.run([*COMMAND, "encode", "-", "-"], input=png.read_bytes(), capture_output=True)
    assert first.returncode == 0
    parse(first.stdout)
    second = subprocess.run([*COMMAND, "decode", "-", "-"], input=first.stdout, capture_output=True)
    assert (second.returncode, second.stderr) == (0, b"")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(second.stdout))), RGB)


def test_the_umask_is_obeyed(run: Runner, png: Path) -> None:
    before = os.umask(0o027)
    try:
        assert run("encode", png).status == 0
    finally:
        os.umask(before)
    assert png.with_suffix(".pxc").stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(run: Runner, tmp_path: Path, png: Path) -> None:
    (tmp_path / "real.pxc").write_bytes(b"")
    (tmp_path / "link.pxc").symlink_to("real.pxc")
    assert run("encode", "-f", png, tmp_path / "link.pxc").status == 0
    assert (tmp_path / "link.pxc").is_symlink()
    np.testing.assert_array_equal(pixcodec.open(tmp_path / "real.pxc"), RGB)


def test_a_device_is_written_to_and_not_replaced(run: Runner, png: Path) -> None:
    assert run("encode", png, os.devnull).status == 0
    assert not Path(os.devnull).is_file()


def test_decode_a_region(run: Runner, tmp_path: Path, pxc: Path) -> None:
    out = tmp_path / "part.png"
    assert run("decode", pxc, out, "--region", "2,1,4,3").status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(out)), RGB[1:4, 2:6])
    for text in ("1,2,3", "1,2,3,x", "1,2,0,4", "-1,0,2,2", ""):
        assert_failed(run("decode", pxc, "-f", out, f"--region={text}"), 2, "--region")
    assert_failed(run("decode", pxc, "-f", out, "--region", "2,1,8,3"), 1, "in.pxc", "8x3", "9x7")


def test_outputs_are_as_old_as_their_inputs(run: Runner, tmp_path: Path, png: Path) -> None:
    os.utime(png, ns=(10**18, 10**18 + 123_456_789))
    assert run("encode", png).status == 0
    assert run("decode", png.with_suffix(".pxc"), tmp_path / "back.png").status == 0
    for name in ("in.pxc", "back.png"):
        assert (tmp_path / name).stat().st_mtime_ns == png.stat().st_mtime_ns


@pytest.mark.parametrize("name", ["two\nlines", "ümläut 画像", "-dash", "a" * 250, "\udcff"])
def test_odd_names(
    run: Runner, tmp_path: Path, png: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    png.rename(f"{name}.png")
    result = run("encode", "--", f"{name}.png")
    assert result.status == 0, result.err
    assert len(result.err.splitlines()) == 1
    assert run("decode", "-f", "--json", "--", f"{name}.pxc").status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(f"{name}.png")), RGB)


@pytest.mark.parametrize("suffix", ["npy", "pfm"])
def test_decoding_to_a_raster(suffix: str, run: Runner, tmp_path: Path) -> None:
    samples = np.linspace(-1, 1, 7 * 9 * 3, dtype=np.float32).reshape(7, 9, 3)
    (tmp_path / "a.pxc").write_bytes(pixcodec.encode(samples, effort="fast"))
    assert run("decode", tmp_path / "a.pxc", tmp_path / f"a.{suffix}").status == 0
    found = image_files.read_image((tmp_path / f"a.{suffix}").read_bytes()).image
    np.testing.assert_array_equal(found, samples)
    result = run("decode", tmp_path / "a.pxc", tmp_path / "a.gif")
    assert_failed(result, 1, "gif files are written of several frames")


def test_a_fifo_is_read_once(run: Runner, tmp_path: Path, png: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cp", png, fifo]) as writer:
        assert run("encode", fifo, tmp_path / "a.pxc").status == 0
        assert writer.wait(10) == 0
    np.testing.assert_array_equal(pixcodec.decode((tmp_path / "a.pxc").read_bytes()), RGB)


def test_a_frame_that_is_not_there(run: Runner, tmp_path: Path, pxc: Path) -> None:
    result = run("decode", "--frame", "3", pxc, tmp_path / "a.png")
    assert_failed(result, 1, "frame is 3, the file has 1: 0 is the first one")
    assert "unexpected" not in result.err
