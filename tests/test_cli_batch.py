"""The command line on several files: which are done, what is said of the others, what a kill leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

import pixcodec
from command_line import COMMAND, Result, Runner
from pixcodec.images.files import read_image, write_image

IMAGES = Path(__file__).parent / "images"
FAST = ("--effort", "fast")

Run = Callable[..., Result]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, one file after the other unless told otherwise."""
    runner = Runner(capfd)

    def run_jobs(*arguments: object, jobs: int = 1) -> Result:
        return runner(*arguments, "--jobs", jobs)

    return run_jobs


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder of small images and go there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    for name, crop in {
        "a.png": (0, 0, 9, 7),
        "b.png": (5, 5, 16, 13),
        "sub/c d.png": (30, 20, 37, 31),
    }.items():
        with Image.open(IMAGES / "kodak23_61x47_rgb.png") as image:
            image.crop(crop).save(tmp_path / "in" / name)
    return tmp_path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def assert_same(pxc: Path, image: Path) -> None:
    np.testing.assert_array_equal(pixcodec.open(pxc), np.asarray(Image.open(image)))


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_tree_there_and_back(run: Run, tree: Path, jobs: int) -> None:
    result = run("encode", "-r", "in", "-o", "out", *FAST, jobs=jobs)
    assert (result.status, result.out) == (0, "")
    assert "3 files, " in result.err
    assert files(tree / "out") == ["a.pxc", "b.pxc", "sub/c d.pxc"]
    assert files(tree / "in") == ["a.png", "b.png", "sub/c d.png"]
    result = run("decode", "-r", "out", "-o", "back", "--json", "-q", jobs=jobs)
    assert (result.status, result.err) == (0, "")
    assert {entry["output"] for entry in result.objects().values()} == {
        "back/a.png",
        "back/b.png",
        "back/sub/c d.png",
    }
    for name in files(tree / "in"):
        np.testing.assert_array_equal(
            np.asarray(Image.open(tree / "in" / name)), np.asarray(Image.open(tree / "back" / name))
        )
        assert (tree / "back" / name).stat().st_mtime_ns == (tree / "in" / name).stat().st_mtime_ns
    assert run("verify", "-r", "-q", "out", jobs=jobs).status == 0


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_one_damaged_file_does_not_stop_the_others(run: Run, tree: Path, jobs: int) -> None:
    (tree / "in" / "b.png").write_bytes((tree / "in" / "b.png").read_bytes()[:-30])
    result = run("encode", "-r", "in", "--json", *FAST, jobs=jobs)
    assert result.status == 1
    found = result.objects()
    assert {name: entry["status"] for name, entry in found.items()} == {
        "in/a.png": "done",
        "in/b.png": "failed",
        "in/sub/c d.png": "done",
    }
    broken, whole = found["in/b.png"], found["in/a.png"]
    assert (broken["exit_code"], whole["exit_code"], whole["error"]) == (4, 0, None)
    assert broken["error"].startswith("in/b.png: the image file is damaged")
    assert whole["input_size_bytes"] == (tree / "in" / "a.png").stat().st_size
    assert whole["output_size_bytes"] == (tree / "in" / "a.pxc").stat().st_size
    assert (whole["width"], whole["height"]) == (9, 7)
    assert whole["seconds"] > 0
    assert "error: in/b.png: the image file is damaged" in result.err
    assert_same(tree / "in" / "a.pxc", tree / "in" / "a.png")
    assert not (tree / "in" / "b.pxc").exists()


def test_existing_outputs(run: Run, tree: Path) -> None:
    (tree / "in" / "a.pxc").write_text("precious")
    result = run("encode", "-r", "in", *FAST)
    assert result.status == 1
    assert "in/a.pxc: exists already; use -f" in result.err
    assert (tree / "in" / "a.pxc").read_text() == "precious"
    assert_same(tree / "in" / "b.pxc", tree / "in" / "b.png")
    (tree / "in" / "b.pxc").unlink()
    result = run("encode", "-r", "in", "--skip-existing", "--json", *FAST)
    assert result.status == 0
    assert [entry["status"] for entry in result.objects().values()] == ["skipped", "done", "skipped"]
    assert run("encode", "-r", "in", "--skip-existing", *FAST).status == 3
    assert run("encode", "in/a.png", "--skip-existing", *FAST).status == 3
    assert (tree / "in" / "a.pxc").read_text() == "precious"
    assert run("encode", "-r", "in", "-f", *FAST).status == 0
    assert_same(tree / "in" / "a.pxc", tree / "in" / "a.png")


def test_nothing_to_do(run: Run, tree: Path) -> None:
    (tree / "empty").mkdir()
    for command in ("encode", "decode", "verify"):
        result = run(command, "-r", "empty")
        assert (result.status, result.out) == (3, "")
        assert "nothing to do" in result.err
        assert run(command, "-r", "-q", "empty").err == ""


def test_a_dry_run_does_nothing(run: Run, tree: Path) -> None:
    (tree / "in" / "b.pxc").write_text("precious")
    before = files(tree)
    result = run("encode", "-r", "in", "--dry-run")
    assert result.status == 1
    assert result.out == "in/a.png -> in/a.pxc\nin/sub/c d.png -> in/sub/c d.pxc\n"
    assert "in/b.pxc: exists already" in result.err
    result = run("encode", "-r", "in", "-o", "out", "--dry-run", "--rm", "--json")
    assert result.status == 0
    assert {entry["status"] for entry in result.objects().values()} == {"planned"}
    assert files(tree) == before
    assert not (tree / "out").exists()


def test_two_inputs_of_one_output_are_refused_before_any_work(run: Run, tree: Path) -> None:
    Image.open(tree / "in" / "b.png").save(tree / "in" / "b.bmp")
    result = run("encode", "-r", "in", *FAST)
    assert result.status == 2
    assert "in/b.bmp and in/b.png would both become in/b.pxc" in result.err
    assert not list(tree.rglob("*.pxc"))
    assert run("encode", "-r", "in", "--keep-suffix", *FAST).status == 0
    assert_same(tree / "in" / "b.bmp.pxc", tree / "in" / "b.png")
    assert run("decode", "in/b.png.pxc", "-o", "back").status == 0
    assert files(tree / "back") == ["b.png"]
    os.link(tree / "in" / "a.png", tree / "same.png")
    assert "same file" in run("encode", "in/a.png", "same.png", *FAST).err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("encode", "in"), "use -r"),
        (("encode", "--rm", "--no-verify", "in/a.png"), "--no-verify"),
        (("encode", "--rm", "in/a.png", "-"), "stdout"),
        (("encode", "--rm", "-"), "stdin"),
        (("encode", "--json", "in/a.png", "-"), "--json"),
        (("encode", "-f", "--skip-existing", "in/a.png"), "contradict"),
        (("encode", "-r", "in", "x.pxc"), "--output-dir"),
        (("encode", "-", "in/a.png", "in/b.png"), "stdin"),
        (("decode", "-f", "--skip-existing", "a.pxc"), "contradict"),
    ],
)
def test_wrong_usage(run: Run, tree: Path, arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.status == 2
    assert result.out == ""
    assert words in result.err
    assert files(tree) == ["in/a.png", "in/b.png", "in/sub/c d.png"]


def test_inputs_are_removed_once_proved(run: Run, tree: Path) -> None:
    pixels = {name: np.asarray(Image.open(tree / "in" / name)) for name in files(tree / "in")}
    assert run("encode", "--rm", "-r", "in", "-o", "out", *FAST).status == 0
    assert files(tree) == ["out/a.pxc", "out/b.pxc", "out/sub/c d.pxc"]
    for name, expected in pixels.items():
        np.testing.assert_array_equal(pixcodec.open(tree / "out" / name.replace("png", "pxc")), expected)


def test_metadata_are_kept_unless_stripped(run: Run, tree: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(tree / "in" / "a.png") as image:
        image.save(tree / "a.png", icc_profile=profile, dpi=(300, 300))
    assert run("encode", "a.png", *FAST).status == 0
    assert set(json.loads(run_info("a.pxc"))["metadata"]) == {"icc_profile", "dpi"}
    assert run("decode", "a.pxc", "b.png").status == 0
    with Image.open(tree / "b.png") as image:
        assert image.info["icc_profile"] == profile
    assert run("encode", "--strip", "--rm", "-f", "a.png", *FAST).status == 0
    assert json.loads(run_info("a.pxc"))["metadata"] == {}
    assert not (tree / "a.png").exists()


def test_what_pillow_cannot_hold(run: Run, tree: Path) -> None:
    pixels = np.arange(6 * 5 * 3, dtype=np.uint16).reshape(6, 5, 3) * 700
    (tree / "deep.png").write_bytes(write_image(pixels, "png", {"gamma": 0.5}))
    assert run("encode", "--rm", "deep.png", *FAST).status == 0
    assert not (tree / "deep.png").exists()
    assert run("decode", "deep.pxc").status == 0
    image, info = read_image((tree / "deep.png").read_bytes())
    np.testing.assert_array_equal(image, pixels)
    assert info == {"gamma": 0.5}


def run_info(name: str) -> bytes:
    return subprocess.run([*COMMAND, "info", "--json", name], capture_output=True, check=True).stdout


def test_an_input_that_the_output_does_not_give_back_is_kept(
    run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_image = pixcodec.decode_image

    def decode_wrongly(data: bytes, **options: Any) -> Image.Image:
        image = decode_image(data, **options)
        if image.size == (9, 7):
            image.putpixel((8, 6), (1, 2, 3))
        return image

    monkeypatch.setattr("pixcodec.codec.decode_image", decode_wrongly)
    result = run("encode", "--rm", "-r", "in", *FAST)
    assert result.status == 1
    assert "in/a.png: the decoded image differs from the original in pixels" in result.err
    assert files(tree / "in") == ["a.png", "b.pxc", "sub/c d.pxc"]


def test_an_input_that_changed_meanwhile_is_kept(
    run: Run, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode_image = pixcodec.decode_image

    def decode_late(data: bytes, **options: Any) -> Image.Image:
        os.utime(tree / "in" / "a.png", ns=(1, 1))
        return decode_image(data, **options)

    monkeypatch.setattr("pixcodec.codec.decode_image", decode_late)
    result = run("encode", "--rm", "in/a.png", *FAST)
    assert result.status == 1
    assert "kept" in result.err
    assert (tree / "in" / "a.png").exists()


def test_an_input_is_not_removed_for_a_device(run: Run, tree: Path) -> None:
    result = run("encode", "--rm", "in/a.png", os.devnull, *FAST)
    assert result.status == 1
    assert "cannot be read back" in result.err
    assert (tree / "in" / "a.png").exists()


def test_what_a_killed_run_left_is_in_nobodys_way(run: Run, tree: Path) -> None:
    (tree / "in" / f".a.pxc.{os.getpid()}.partial").write_text("rest")
    assert run("encode", "-r", "in", *FAST).status == 0
    assert_same(tree / "in" / "a.pxc", tree / "in" / "a.png")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(
    ("number", "to_all", "status"),
    [(signal.SIGINT, True, 130), (signal.SIGTERM, False, 143), (signal.SIGKILL, False, -9)],
)
def test_a_killed_run_can_be_resumed(run: Run, tree: Path, number: int, to_all: bool, status: int) -> None:
    with Image.open(IMAGES / "kodak23_257x130_rgb.png") as image:
        for i in range(40):
            image.crop((5 * i, i, 5 * i + 48, i + 48)).save(tree / "in" / f"{i}.png")
    # Compiles what the images need: a signal that interrupts it has callbacks of numba print a traceback.
    assert run("encode", "-r", "in", "-o", "warm").status == 0
    code = "import signal, sys; signal.signal(2, signal.default_int_handler); import pixcodec.cli as c"
    code += "; sys.exit(c.main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "encode", "-r", "in", "--json", "--jobs", "2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (os.killpg if to_all else os.kill)(process.pid, number)
        _, err = process.communicate(timeout=60)  # which lasts until the last process has closed stderr
    assert process.returncode == status
    assert b"Traceback" not in err
    done = list((tree / "in").rglob("*.pxc"))
    assert 1 <= len(done) < 43
    for path in done:
        assert_same(path, path.with_suffix(".png"))
    if number != signal.SIGKILL:
        assert not list((tree / "in").rglob("*.partial"))
    result = run("encode", "-r", "in", "--skip-existing", "--json", "-q", *FAST)
    assert (result.status, result.err) == (0, "")
    statuses = [entry["status"] for entry in result.objects().values()]
    assert statuses.count("skipped") == len(done)
    assert statuses.count("done") == 43 - len(done)
