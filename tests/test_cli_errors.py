"""What the command line says of failures, how it exits, and that it leaves nothing on the disk."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import pixcodec
from command_line import COMMAND, RGB, Runner, assert_failed, partial_files, write_png, write_pxc
from pixcodec import cli
from pixcodec.batch.atomic import write_whole

RNG = np.random.default_rng(1)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    return write_png(tmp_path)


@pytest.fixture
def pxc(tmp_path: Path) -> Path:
    return write_pxc(tmp_path)


def test_a_reader_that_goes_away_is_no_traceback(pxc: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [*COMMAND, "info", str(pxc)]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


def test_nothing_is_overwritten_unasked(run: Runner, tmp_path: Path, png: Path) -> None:
    out = tmp_path / "out.pxc"
    out.write_bytes(b"precious")
    assert_failed(run("encode", png, out), 1, "exists already", "-f")
    assert out.read_bytes() == b"precious"
    out.chmod(0o640)
    assert run("encode", "-f", png, out).status == 0
    np.testing.assert_array_equal(pixcodec.open(out), RGB)
    assert out.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_input_and_output_must_differ(run: Runner, tmp_path: Path, png: Path, link: Any) -> None:
    link(png, tmp_path / "other.pxc")
    assert_failed(run("encode", "-f", png, tmp_path / "other.pxc"), 2, "same file")
    assert_failed(run("encode", "-f", tmp_path / "other.pxc"), 2, "same file")
    assert_failed(run("decode", "-f", png, png), 2, "same file")


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError(), KeyboardInterrupt(), SystemExit(143)])
def test_a_failure_leaves_nothing(
    run: Runner, tmp_path: Path, png: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(source: object, target: object) -> None:
        raise error

    monkeypatch.setattr(os, "replace", fail)
    out = tmp_path / "out.pxc"
    if isinstance(error, SystemExit):
        with pytest.raises(SystemExit):
            run("encode", png, out)
    elif isinstance(error, KeyboardInterrupt):
        assert run("encode", png, out).status == 130
    else:
        assert_failed(run("encode", png, out), 1, "boom" if str(error) else "not enough memory")
    assert not out.exists()
    assert partial_files(tmp_path) == []


@pytest.mark.parametrize("arguments", [("out.pxc",), ("-o", "."), ("--rm", "-o", ".")])
def test_a_full_disk_loses_nothing(
    run: Runner, tmp_path: Path, png: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.chdir(tmp_path)
    before = png.read_bytes()
    name = arguments[0] if len(arguments) == 1 else "in.pxc"
    assert_failed(run("encode", png, *arguments), 1, name, "No space left on device")
    assert os.listdir(tmp_path) == ["in.png"]
    assert png.read_bytes() == before


@pytest.mark.skipif(os.name == "nt", reason="pipes and links")
def test_outputs_that_are_pipes_links_or_folders(run: Runner, tmp_path: Path, png: Path) -> None:
    pipe, link, target = tmp_path / "pipe.pxc", tmp_path / "link.pxc", tmp_path / "target.pxc"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    assert run("encode", "-f", png, pipe).status == 0
    reader.join()
    np.testing.assert_array_equal(pixcodec.decode(read[0]), RGB)
    assert pipe.is_fifo()
    link.symlink_to(target.name)
    assert run("encode", png, link).status == 0
    assert link.is_symlink()
    np.testing.assert_array_equal(pixcodec.open(target), RGB)
    astray = tmp_path / "astray.pxc"
    astray.symlink_to("nowhere/out.pxc")
    assert_failed(run("encode", png, astray), 1, "nowhere", "no such folder")
    (tmp_path / "folder.pxc").mkdir()
    assert_failed(run("encode", "-f", png, tmp_path / "folder.pxc"), 2, "is a folder")
    assert partial_files(tmp_path) == []


def test_of_several_writers_of_one_file_one_wins(tmp_path: Path) -> None:
    path, parts = tmp_path / "out", [bytes([k]) * 100_000 for k in range(8)]
    with ThreadPoolExecutor(len(parts)) as pool:
        list(pool.map(lambda data: write_whole(path, data), parts))
    assert path.read_bytes() in parts
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_leave_nothing(tmp_path: Path, number: int, status: int) -> None:
    source = tmp_path / "noise.ppm"
    Image.fromarray(RNG.integers(0, 256, (800, 800, 3), dtype=np.uint8)).save(source)
    # In a background job of a shell SIGINT is ignored, and children inherit that.
    code = "import signal, sys; signal.signal(2, signal.default_int_handler); import pixcodec.cli as c"
    code += "; print(flush=True); sys.exit(c.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "encode", "--order", "raster", str(source)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(1)
            process.send_signal(number)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, out) == (status, b"")
    assert b"Traceback" not in err
    assert os.listdir(tmp_path) == ["noise.ppm"]


def test_missing_and_unusable_paths(
    run: Runner, tmp_path: Path, png: Path, pxc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing.png"
    assert_failed(run("encode", missing, tmp_path / "x.pxc"), 1, "missing.png", "No such file")
    assert_failed(run("decode", missing, tmp_path / "x.png"), 1, "missing.png", "No such file")
    assert_failed(run("info", missing), 1, "missing.png", "No such file")
    assert_failed(run("verify", missing), 1, "missing.png", "No such file")
    assert_failed(run("encode", tmp_path, tmp_path / "x.pxc"), 2, "is a folder", "-r")
    assert_failed(run("encode", png, tmp_path), 2, "is a folder", "-r")
    assert_failed(run("encode", tmp_path / "in.png", "-f", "-o", tmp_path / "in.png"), 2, "is a file")
    with monkeypatch.context() as patch:
        patch.setattr(os, "access", lambda path, mode: False)
        assert_failed(run("encode", png, tmp_path / "x.pxc"), 1, "no permission")
    assert_failed(run("encode", png, tmp_path / "no" / "x.pxc"), 1, "no such folder")
    assert_failed(run("encode", png, tmp_path / "x"), 2, "end in .pxc")
    assert_failed(run("bench", missing), 1, "not a folder")
    assert partial_files(tmp_path) == []


def test_images_that_cannot_be_encoded(run: Runner, tmp_path: Path, png: Path) -> None:
    out = tmp_path / "out.pxc"
    text = tmp_path / "text.png"
    text.write_text("not an image")
    assert_failed(run("encode", text, out), 1, "text.png", "unknown to Pillow")
    (tmp_path / "empty.png").write_bytes(b"")
    assert_failed(run("encode", tmp_path / "empty.png", out), 1, "the file is empty, expected an image")
    command = [*COMMAND, "encode", write_pxc(tmp_path), out]  # in a process without the Pillow plugin
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "in.pxc: the file is a .pxc file already, expected an image" in done.stderr
    np.save(tmp_path / "double.npy", np.zeros((2, 2)))
    assert_failed(run("encode", tmp_path / "double.npy", out), 1, "double.npy", "float64", "astype")
    cut = tmp_path / "cut.png"
    cut.write_bytes(png.read_bytes()[:-30])
    assert_failed(run("encode", cut, out), 4, "cut.png", "damaged")
    assert_failed(run("encode", png, out, "--max-pixels", 62), 6, "in.png", "the limit is 62 pixels")
    assert run("encode", png, out, "--max-pixels", 63).status == 0


def test_files_that_cannot_be_decoded(run: Runner, tmp_path: Path, png: Path, pxc: Path) -> None:
    out = tmp_path / "out.png"
    assert_failed(run("decode", png, out), 4, "in.png", "89 50 4e 47")
    assert_failed(run("info", png), 4, "in.png", "89 50 4e 47")
    data = bytearray(pxc.read_bytes())
    data[-40] ^= 1
    broken = tmp_path / "broken.pxc"
    broken.write_bytes(data)
    assert_failed(run("decode", broken, out), 4, "broken.pxc", "the last bytes are")
    assert_failed(run("decode", pxc, out, "--max-pixels", 62), 6, "in.pxc", "62")
    assert_failed(run("decode", pxc, out, "--model", tmp_path / "none"), 5, "no such model file")
    assert not out.exists()


def test_wrong_usage(run: Runner, tmp_path: Path, pxc: Path) -> None:
    assert_failed(run("encode"), 2, "IN")
    assert_failed(run("transmogrify"), 2, "transmogrify")
    assert_failed(run("encode", "x.png", "--effort", "heroic"), 2, "heroic")
    assert_failed(run("encode", "x.png", "--threads", "0"), 2, "threads")
    assert_failed(run("decode", pxc, tmp_path / "x.jp2"), 2, "suffix is jp2", "--format")
    assert_failed(run("decode", pxc, tmp_path / "x"), 2, "suffix is missing")


def test_unexpected_errors_are_one_line_too(
    run: Runner, png: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> bytes:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("pixcodec.codec.encode", fail)
    assert_failed(run("encode", png, tmp_path / "x.pxc"), 1, "ZeroDivisionError: two lines")
    monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
    with pytest.raises(ZeroDivisionError):
        run("encode", png, tmp_path / "x.pxc")
