"""The command line, in process where possible; what it leaves on the disk, what it says, how it exits."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image

import pixcodec
from pixcodec import cli
from pixcodec.batch import suffixes
from pixcodec.cli import main
from pixcodec.cli.terminal import progress_bar
from pixcodec.container.container import parse
from pixcodec.images import files as image_files

COMMAND = [sys.executable, "-m", "pixcodec"]
RNG = np.random.default_rng(1)
RGB = np.cumsum(RNG.integers(0, 3, (7, 9, 3)), axis=1).astype(np.uint8)
GREY = RGB[:, :, 0]


class Result:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


Run = Callable[..., Result]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    def run_main(*arguments: object) -> Result:
        capfd.readouterr()
        status = main([str(a) for a in arguments])
        found = capfd.readouterr()
        return Result(status, found.out, found.err)

    return run_main


@pytest.fixture
def png(tmp_path: Path) -> Path:
    path = tmp_path / "in.png"
    Image.fromarray(RGB).save(path)
    return path


@pytest.fixture(scope="session")
def pxc_bytes() -> bytes:
    return pixcodec.encode(RGB)


@pytest.fixture
def pxc(tmp_path: Path, pxc_bytes: bytes) -> Path:
    path = tmp_path / "in.pxc"
    path.write_bytes(pxc_bytes)
    return path


def assert_failed(result: Result, status: int, *words: str) -> None:
    assert result.status == status, result.err
    assert result.out == ""
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("pixcodec: error: ")
    for word in words:
        assert word in lines[0]


def partial_files(folder: Path) -> list[str]:
    return [p.name for p in folder.iterdir() if "partial" in p.name]


@pytest.mark.parametrize("image", [RGB, GREY])
@pytest.mark.parametrize("options", [(), ("--effort", "fast"), ("--order", "raster", "--no-verify")])
def test_there_and_back(run: Run, tmp_path: Path, image: Any, options: tuple[str, ...]) -> None:
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
def test_every_output_format_is_lossless(run: Run, tmp_path: Path, pxc: Path, suffix: str) -> None:
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


def test_grey_as_pgm(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.pxc").write_bytes(pixcodec.encode(GREY))
    assert run("decode", tmp_path / "a.pxc", tmp_path / "a.pgm").status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.pgm")), GREY)


def test_the_output_may_be_omitted(run: Run, png: Path) -> None:
    assert run("encode", "-q", png).err == ""
    np.testing.assert_array_equal(pixcodec.open(png.with_suffix(".pxc")), RGB)


def test_pipes_carry_nothing_but_data(png: Path) -> None:
    first = subprocess.run([*COMMAND, "encode", "-", "-"], input=png.read_bytes(), capture_output=True)
    assert first.returncode == 0
    parse(first.stdout)
    second = subprocess.run([*COMMAND, "decode", "-", "-"], input=first.stdout, capture_output=True)
    assert (second.returncode, second.stderr) == (0, b"")
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(second.stdout))), RGB)


def test_a_reader_that_goes_away_is_no_traceback(pxc: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [*COMMAND, "info", str(pxc)]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


def test_nothing_is_overwritten_unasked(run: Run, tmp_path: Path, png: Path) -> None:
    out = tmp_path / "out.pxc"
    out.write_bytes(b"precious")
    assert_failed(run("encode", png, out), 1, "exists already", "-f")
    assert out.read_bytes() == b"precious"
    out.chmod(0o640)
    assert run("encode", "-f", png, out).status == 0
    np.testing.assert_array_equal(pixcodec.open(out), RGB)
    assert out.stat().st_mode & 0o777 == 0o640


def test_the_umask_is_obeyed(run: Run, png: Path) -> None:
    before = os.umask(0o027)
    try:
        assert run("encode", png).status == 0
    finally:
        os.umask(before)
    assert png.with_suffix(".pxc").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_input_and_output_must_differ(run: Run, tmp_path: Path, png: Path, link: Any) -> None:
    link(png, tmp_path / "other.pxc")
    assert_failed(run("encode", "-f", png, tmp_path / "other.pxc"), 2, "same file")
    assert_failed(run("encode", "-f", tmp_path / "other.pxc"), 2, "same file")
    assert_failed(run("decode", "-f", png, png), 2, "same file")


def test_a_link_stays_a_link(run: Run, tmp_path: Path, png: Path) -> None:
    (tmp_path / "real.pxc").write_bytes(b"")
    (tmp_path / "link.pxc").symlink_to("real.pxc")
    assert run("encode", "-f", png, tmp_path / "link.pxc").status == 0
    assert (tmp_path / "link.pxc").is_symlink()
    np.testing.assert_array_equal(pixcodec.open(tmp_path / "real.pxc"), RGB)


def test_a_device_is_written_to_and_not_replaced(run: Run, png: Path) -> None:
    assert run("encode", png, os.devnull).status == 0
    assert not Path(os.devnull).is_file()


@pytest.mark.parametrize("error", [RuntimeError("boom"), MemoryError(), KeyboardInterrupt(), SystemExit(143)])
def test_a_failure_leaves_nothing(
    run: Run, tmp_path: Path, png: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
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
    run: Run, tmp_path: Path, png: Path, pxc: Path, monkeypatch: pytest.MonkeyPatch
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


def test_images_that_cannot_be_encoded(run: Run, tmp_path: Path, png: Path) -> None:
    out = tmp_path / "out.pxc"
    text = tmp_path / "text.png"
    text.write_text("not an image")
    assert_failed(run("encode", text, out), 1, "text.png", "unknown to Pillow")
    Image.new("F", (2, 2)).save(tmp_path / "float.tif")
    assert_failed(run("encode", tmp_path / "float.tif", out), 1, "float.tif", "mode F", "convert")
    cut = tmp_path / "cut.png"
    cut.write_bytes(png.read_bytes()[:-30])
    assert_failed(run("encode", cut, out), 4, "cut.png", "damaged")
    assert_failed(run("encode", png, out, "--max-pixels", 62), 6, "in.png", "the limit is 62 pixels")
    assert run("encode", png, out, "--max-pixels", 63).status == 0


def test_files_that_cannot_be_decoded(run: Run, tmp_path: Path, png: Path, pxc: Path) -> None:
    out = tmp_path / "out.png"
    assert_failed(run("decode", png, out), 4, "in.png", "89 50 4e 47")
    assert_failed(run("info", png), 4, "in.png", "89 50 4e 47")
    data = bytearray(pxc.read_bytes())
    data[-40] ^= 1
    broken = tmp_path / "broken.pxc"
    broken.write_bytes(data)
    assert_failed(run("decode", broken, out), 4, "broken.pxc", "CRC")
    assert_failed(run("decode", pxc, out, "--max-pixels", 62), 6, "in.pxc", "62")
    assert_failed(run("decode", pxc, out, "--model", tmp_path / "none"), 5, "no such model file")
    assert not out.exists()


def test_wrong_usage(run: Run, tmp_path: Path, pxc: Path) -> None:
    assert_failed(run("encode"), 2, "IN")
    assert_failed(run("transmogrify"), 2, "transmogrify")
    assert_failed(run("encode", "x.png", "--effort", "heroic"), 2, "heroic")
    assert_failed(run("encode", "x.png", "--threads", "0"), 2, "threads")
    assert_failed(run("decode", pxc, tmp_path / "x.jpg"), 2, "suffix is jpg", "--format")
    assert_failed(run("decode", pxc, tmp_path / "x"), 2, "suffix is missing")


def test_the_command_alone_shows_its_help_as_an_error(run: Run) -> None:
    result = run()
    assert (result.status, result.out) == (2, "")
    assert result.err == run("--help").out


@pytest.mark.parametrize("name", [*cli.cli.commands, None])
def test_the_help_has_an_example_that_can_be_run(name: str | None, run: Run) -> None:
    lines = run(*([name] if name else []), "--help").out.splitlines()
    (start,) = (at for at, line in enumerate(lines) if line.startswith("  Example"))
    example = lines[start + 1].split("  ")[2].split()
    assert example[0] == "pixcodec"
    found, _, rest = cli.cli.resolve_command(click.Context(cli.cli), example[1:])
    command = cli.cli.commands[str(found)]
    command.parse_args(click.Context(command), rest)
    assert name in (found, None)


def test_help_and_version(run: Run) -> None:
    for command in ([], *([name] for name in cli.cli.commands)):
        result = run(*command, "--help")
        assert result.status == 0
        assert result.err == ""
        assert result.out.startswith("Usage: pixcodec")
    assert set(cli.cli.commands) == {"encode", "decode", "info", "verify", "models", "bench", "train"}
    assert run("--version").out == f"pixcodec, version {pixcodec.__version__}\n"


def test_info(run: Run, pxc: Path) -> None:
    found = json.loads(run("info", "--json", pxc).out)
    assert (found["width"], found["height"], found["mode"], found["effort"]) == (9, 7, "rgb", "normal")
    assert found["size_bytes"] == pxc.stat().st_size
    text = run("info", pxc).out
    assert "9x7 pixels, rgb" in text
    assert found["model_id"] in text
    with pxc.open("rb") as stdin:
        piped = subprocess.run(
            [*COMMAND, "info", "--json", "-"], stdin=stdin, capture_output=True, check=True
        )
    assert json.loads(piped.stdout) == found


def test_decode_a_region(run: Run, tmp_path: Path, pxc: Path) -> None:
    out = tmp_path / "part.png"
    assert run("decode", pxc, out, "--region", "2,1,4,3").status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(out)), RGB[1:4, 2:6])
    for text in ("1,2,3", "1,2,3,x", "1,2,0,4", "-1,0,2,2", ""):
        assert_failed(run("decode", pxc, "-f", out, f"--region={text}"), 2, "--region")
    assert_failed(run("decode", pxc, "-f", out, "--region", "2,1,8,3"), 1, "in.pxc", "8x3", "9x7")


def test_outputs_are_as_old_as_their_inputs(run: Run, tmp_path: Path, png: Path) -> None:
    os.utime(png, ns=(10**18, 10**18 + 123_456_789))
    assert run("encode", png).status == 0
    assert run("decode", png.with_suffix(".pxc"), tmp_path / "back.png").status == 0
    for name in ("in.pxc", "back.png"):
        assert (tmp_path / name).stat().st_mtime_ns == png.stat().st_mtime_ns


@pytest.mark.parametrize("name", ["two\nlines", "ümläut 画像", "-dash", "a" * 250, "\udcff"])
def test_odd_names(run: Run, tmp_path: Path, png: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    png.rename(f"{name}.png")
    result = run("encode", "--", f"{name}.png")
    assert result.status == 0, result.err
    assert len(result.err.splitlines()) == 1
    assert run("decode", "-f", "--json", "--", f"{name}.pxc").status == 0
    np.testing.assert_array_equal(np.asarray(Image.open(f"{name}.png")), RGB)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion(shell: str) -> None:
    def complete(**variables: str) -> str:
        environment = {**os.environ, **variables}
        done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout

    assert "_PIXCODEC_COMPLETE=" in complete(_PIXCODEC_COMPLETE=f"{shell}_source")
    if shell == "bash":
        words = {"_PIXCODEC_COMPLETE": "bash_complete", "COMP_CWORD": "2"}
        assert "plain,--effort" in complete(**words, COMP_WORDS="pixcodec encode --eff")
        assert complete(**words, COMP_WORDS="pixcodec encode pho") == "file,pho\n"


def test_verify(run: Run, tmp_path: Path, pxc: Path) -> None:
    result = run("verify", pxc)
    assert (result.status, result.out, result.err) == (0, f"{pxc}: ok\n", "")
    result = run("verify", "--jobs", 1, pxc, pxc)
    assert (result.status, result.out) == (0, f"{pxc}: ok\n" * 2)
    assert "2 files: 2 done" in result.err
    result = run("verify", "-q", pxc)
    assert (result.status, result.out, result.err) == (0, "", "")
    broken = tmp_path / "broken.pxc"
    broken.write_bytes(pxc.read_bytes()[:-1])
    assert_failed(run("verify", broken), 4, str(broken))
    result = run("verify", "--jobs", 1, broken, pxc)
    assert result.status == 1
    assert result.out == f"{pxc}: ok\n"
    assert result.err.startswith(f"pixcodec: error: {broken}: chunk 'DONE' at byte ")


def test_models(run: Run) -> None:
    lines = run("models", "--json").out.splitlines()
    assert {json.loads(line)["channels"] for line in lines} == {1, 3}
    for line in lines:
        assert json.loads(line)["model_id"] in run("models").out


def test_bench(run: Run, tmp_path: Path, png: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    Image.new("F", (2, 2)).save(tmp_path / "float.tif")
    result = run("bench", tmp_path, "--effort", "fast")
    assert result.status == 0
    assert "skipped" in result.err
    assert "float.tif" in result.err
    head, *rows = result.out.splitlines()
    assert head.split()[0] == "bpsp_file"
    assert [row.split()[-1] for row in rows] == ["grey.png", "in.png", "all"]
    expected = 8 * len(pixcodec.encode(RGB, effort="fast")) / RGB.size
    assert float(rows[1].split()[0]) == pytest.approx(expected, abs=1e-3)
    (tmp_path / "empty").mkdir()
    assert_failed(run("bench", tmp_path / "empty"), 1, "no image")


def test_train(run: Run, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    Image.fromarray(np.tile(RGB, (4, 4, 1))).save(data / "a.png")
    out = tmp_path / "model.safetensors"
    sizes = ("--features", 8, "--blocks", 1, "--hidden", 8, "--components", 2, "--batch", 1, "--crop", 16)
    command = ("train", data, "--out", out, "--validation", data, "--steps", 4, *sizes)
    result = run(*command)
    assert result.status == 0, result.err
    assert result.out == ""
    assert "train_bpsp" in result.err
    assert (tmp_path / "model.run" / "log.jsonl").exists()
    assert_failed(run(*command), 1, "exists already")
    assert_failed(run(*command, "-f", "--no-resume"), 1, "holds a run already")
    source = tmp_path / "a.ppm"
    Image.fromarray(RGB).save(source)
    assert run("encode", source, "--model", out).status == 0
    assert_failed(run("decode", tmp_path / "a.pxc", tmp_path / "b.png"), 5, "model")
    assert run("decode", tmp_path / "a.pxc", tmp_path / "b.png", "--model", out).status == 0


def test_unexpected_errors_are_one_line_too(
    run: Run, png: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> bytes:
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr("pixcodec.codec.encode", fail)
    assert_failed(run("encode", png, tmp_path / "x.pxc"), 1, "ZeroDivisionError: two lines")
    monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
    with pytest.raises(ZeroDivisionError):
        run("encode", png, tmp_path / "x.pxc")


def test_progress_waits_for_a_terminal_and_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with progress_bar("encode", False) as progress:
        assert progress is None
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with progress_bar("encode", False) as progress:
        assert progress is not None
        progress(0.2)
        assert capsys.readouterr().err == ""
        now = 1.5
        progress(0.5)
        assert "encode [###############...............]  50 %" in capsys.readouterr().err
    assert capsys.readouterr().err.strip() == ""
    with progress_bar("encode", True) as progress:
        assert progress is None


@pytest.mark.parametrize("arguments", [["--help"], ["info"]])
def test_start_up_is_quick(pxc: Path, arguments: list[str]) -> None:
    command = [*COMMAND, *arguments, *([str(pxc)] if arguments == ["info"] else [])]
    seconds = []
    for _ in range(3):
        before = os.times()
        subprocess.run(command, check=True, capture_output=True)
        after = os.times()
        seconds.append(sum(after[2:4]) - sum(before[2:4]))  # of the processor: the machine may be busy
    assert min(seconds) < 0.3
