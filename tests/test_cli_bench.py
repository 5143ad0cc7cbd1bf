"""``pixcodec bench``: what it prints and writes, and what it says of what it does not measure."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

import pixcodec
from command_line import GREY, RGB, Runner, assert_failed
from pixcodec.bench import measuring, peers
from pixcodec.bench.registry import OURS, PEERS
from pixcodec.cli.bench import EFFORTS
from pixcodec.cli.bench import PEERS as NAMED_PEERS


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of an RGB and a grey image, one that no peer holds, and one below it."""
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    Image.fromarray(RGB).save(folder / "in.png")
    Image.fromarray(GREY).save(folder / "below" / "grey.png")
    Image.new("F", (2, 2)).save(folder / "float.tif")
    return folder


@pytest.mark.slow
def test_it_is_said_that_of_jpeg_files_the_pixels_are_measured(run: Runner, tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.jpg")
    result = run("bench", tmp_path, "--against", "png", "--effort", "fast", "--repeat", 1)
    assert result.status == 0
    assert "1 JPEG file: the pixels are measured" in result.err


def test_without_any_codec_there_is_an_error(
    run: Runner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixcodec, "list_models", list)
    result = run("bench", folder, "--against", "flif")
    assert (result.status, result.out) == (1, "")
    assert "pixcodec: error: no codec could be measured" in result.err


def test_the_names_on_the_command_line_are_those_of_the_codecs() -> None:
    assert set(NAMED_PEERS) == PEERS.keys()
    assert {f"pixcodec-{effort}" for effort in EFFORTS} == OURS.keys()


@pytest.mark.slow
def test_a_table_and_a_report(run: Runner, folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    options = ("--effort", "fast", "--against", "png,flif", "--repeat", 1, "--threads", 1)
    result = run("bench", folder, *options, "--html", report)
    assert result.status == 0, result.err
    assert "flif is not measured: no maintained Python package has it" in result.err
    assert "float.tif is skipped: " in result.err
    head, *rows = result.out.splitlines()
    assert head.split()[:2] == ["codec", "size"]
    assert len({len(row) for row in (head, *rows[:2])}) == 1  # the columns are below each other
    assert any(row.startswith("pixcodec fast ") for row in rows[:2])
    assert "Not measured: flif" in result.out
    assert "2 images, " in result.out
    page = report.read_text("utf-8")
    assert "below/grey.png" in page
    assert "data:image/" in page
    assert_failed(run("bench", folder, "--html", report), 1, "exists already")


@pytest.mark.slow
def test_csv_and_json_hold_each_image(run: Runner, folder: Path) -> None:
    options = ("--effort", "fast", "--against", "png", "--repeat", 1, "--limit", 3)
    rows = list(csv.DictReader(io.StringIO(run("bench", folder, *options, "--csv").out)))
    assert [(row["image"], row["codec"]) for row in rows] == [
        *(("below/grey.png", "png"), ("in.png", "png")),
        *(("below/grey.png", "pixcodec-fast"), ("in.png", "pixcodec-fast")),
    ]
    expected = len(pixcodec.encode(RGB, effort="fast"))
    assert int(rows[3]["size_bytes"]) == expected
    results = json.loads(run("bench", folder, *options, "--json").out)
    assert results["codecs"]["pixcodec-fast"]["images"][1]["size_bytes"] == expected
    assert results["skipped"].keys() == {"float.tif"}
    assert results["runs"][0]["machine"]["cores"] >= 1


def test_wrong_usage(run: Runner, folder: Path, tmp_path: Path) -> None:
    assert_failed(run("bench", folder, "--against", "jxl8"), 2, "found 'jxl8'; did you mean 'jxl")
    assert_failed(run("bench", folder, "--effort", "fast,most"), 2, "found 'most'")
    assert_failed(run("bench", folder, "--csv", "--json"), 2, "give one of them")
    assert_failed(run("bench", folder, "--model", tmp_path / "none"), 5, "no such model file")
    (tmp_path / "empty").mkdir()
    assert_failed(run("bench", tmp_path / "empty"), 1, "no image")
    (folder / "in.png").unlink()
    (folder / "below" / "grey.png").unlink()
    result = run("bench", folder, "--against", "png")
    assert (result.status, result.out) == (1, "")
    assert "no image that can be measured" in result.err


class Broken(peers.Png):
    """Says that it holds images of one channel only; fails in the worker, which does not know its name."""

    name = "broken"
    channels_8 = frozenset((1,))


@pytest.mark.slow
def test_a_codec_that_fails_is_named_and_the_others_are_measured(
    run: Runner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = measuring.find_codec
    monkeypatch.setattr(measuring, "find_codec", lambda name: Broken if name == "webp" else find(name))
    started = measuring.start_worker

    def start(job: measuring.Job, **options: object) -> measuring.Answer:
        return started({**job, "codec": "broken"} if job["codec"] == "webp" else job, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(measuring, "start_worker", start)
    options = ("--effort", "fast", "--against", "png,webp", "--repeat", 1)
    result = run("bench", folder, *options)
    assert result.status == 1
    assert "error: broken: " in result.err
    assert "Not measured: webp, failed: broken: " in result.out
    assert "pixcodec fast" in result.out
