"""The commands sample, inpaint and likelihood."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pixcodec
import samples
from command_line import Runner, assert_failed, partial_files


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(samples.photo(3)).save(path)
    return path


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    path, pixels = tmp_path / "mask.png", np.zeros((47, 61), np.uint8)
    pixels[20:25, 30:36] = 255
    Image.fromarray(pixels).save(path)
    return path


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_sample_writes_a_grid(run: Runner, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    result = run("sample", out, "--count", 3, "--size", "9x7", "--columns", 2, "--seed", 5)
    assert (result.status, result.out, result.err) == (0, "", "")
    found = pixels_of(out)
    assert found.shape == (16, 20, 3)
    np.testing.assert_array_equal(found[:7, :9], pixcodec.sample(3, (9, 7), seed=5)[0])
    assert_failed(run("sample", out), 1, "exists already")
    assert run("sample", out, "--count", 1, "--size", "4x4", "--grey", "-f").status == 0
    assert pixels_of(out).shape == (4, 4)


def test_sample_writes_separate_images(run: Runner, tmp_path: Path) -> None:
    assert run("sample", tmp_path / "a.png", "--separate", "--count", 2, "--size", "5x6").status == 0
    for k, image in enumerate(pixcodec.sample(2, (5, 6))):
        np.testing.assert_array_equal(pixels_of(tmp_path / f"a-{k}.png"), image)


def test_sample_goes_on_from_an_image(run: Runner, photo: Path, tmp_path: Path) -> None:
    pxc = tmp_path / "photo.pxc"
    assert run("encode", photo, pxc, "--effort", "fast").status == 0
    for source in (photo, pxc):
        out = tmp_path / "out.png"
        assert run("sample", out, "--from", source, "--rows", 30, "--count", 1, "-f").status == 0
        np.testing.assert_array_equal(pixels_of(out)[:30], samples.photo(3)[:30])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["out.jpg"], "has to end in .png"),
        (["out.png", "--size", "0x4"], "not a width and a height"),
        (["out.png", "--size", "big"], "not a width and a height"),
        (["out.png", "--rows", "3"], "--rows needs an image"),
        (["out.png", "--grey", "--from", "x.png"], "contradict"),
        (["out.png", "--separate", "--columns", "3"], "--separate"),
        (["out.png", "--temperature", "0"], "0.01<=x<=100"),
        (["out.png", "--top-p", "0"], "0<x<=1"),
    ],
)
def test_sample_used_wrongly(
    arguments: list[str], words: str, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("sample", *arguments)
    assert result.status == 2
    assert words in result.err
    assert list(tmp_path.iterdir()) == []


def test_sample_with_a_missing_image_writes_nothing(run: Runner, tmp_path: Path) -> None:
    assert_failed(run("sample", tmp_path / "out.png", "--from", tmp_path / "no.png"), 1, "no.png")
    assert_failed(run("sample", tmp_path / "out.png", "--model", tmp_path / "no.safetensors"), 5, "no such")
    assert list(tmp_path.iterdir()) == []


def test_inpaint(run: Runner, photo: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    result = run("inpaint", photo, out, "--mask", mask, "--best-of", 3, "--seed", 2)
    assert result.status == 0
    assert "bits" in result.err
    hole = pixels_of(mask) > 0
    expected = pixcodec.inpaint(samples.photo(3), hole, best_of=3, seed=2)[0].image
    np.testing.assert_array_equal(pixels_of(out), expected)
    assert run("inpaint", photo, out, "--mask", mask, "--draws", 2, "--best-of", 2, "-q").status == 0
    assert (pixels_of(tmp_path / "out-0.png") != pixels_of(tmp_path / "out-1.png")).any()
    assert run("inpaint", photo, out, "--mask", mask, "--mean", "--best-of", 1, "-q", "-f").status == 0


def test_inpaint_used_wrongly(run: Runner, photo: Path, mask: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    small = tmp_path / "small.png"
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(small)
    black = tmp_path / "black.png"
    Image.fromarray(np.zeros((47, 61), np.uint8)).save(black)
    assert_failed(run("inpaint", photo, out, "--mask", small), 2, "mask is 4x4, the image is 47x61")
    assert_failed(run("inpaint", photo, out, "--mask", black), 2, "no pixel to fill")
    assert_failed(run("inpaint", photo, out, "--mask", photo), 1, "a mask is a bilevel or grey image")
    assert_failed(run("inpaint", tmp_path / "no.png", out, "--mask", mask), 1, "no.png")
    assert run("inpaint", photo, out, "--mask", mask, "--mean", "--draws", 2).status == 2
    assert run("inpaint", photo, out).status == 2
    assert not out.exists()
    assert partial_files(tmp_path) == []


def test_likelihood(run: Runner, photo: Path, tmp_path: Path) -> None:
    found = pixcodec.likelihood(samples.photo(3), entropy=True)
    result = run("likelihood", photo)
    assert result.status == 0
    assert f"{found.bpsp:.3f} bpsp_model (R {found.by_channel[0]:.3f}" in result.out
    result = run("likelihood", photo, "--json", "--entropy", "--map", tmp_path / "bits.npy")
    answer = json.loads(result.out)
    assert answer["bpsp_model"] == pytest.approx(found.bpsp)
    assert answer["surplus"] == pytest.approx(found.surplus)
    np.testing.assert_allclose(np.load(tmp_path / "bits.npy"), found.bits, rtol=1e-6)
    assert run("likelihood", photo, "--map", tmp_path / "heat.png").status == 0
    assert pixels_of(tmp_path / "heat.png").shape == (47, 61, 3)


def test_likelihood_of_a_folder(run: Runner, photo: Path, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(tmp_path / "alpha.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    result = run("likelihood", "-r", tmp_path, "--json")
    assert result.status == 1
    assert [json.loads(line)["source"] for line in result.out.splitlines()] == [str(photo)]
    assert len(result.err.splitlines()) == 2
    assert "alpha.png" in result.err
    assert "bad.png" in result.err


def test_likelihood_used_wrongly(run: Runner, photo: Path, tmp_path: Path) -> None:
    assert run("likelihood", photo, photo, "--map", tmp_path / "x.png").status == 2
    assert run("likelihood", photo, "--map", tmp_path / "x.jpg").status == 2
    assert_failed(run("likelihood", photo, "--map", photo), 1, "exists already")
    assert_failed(run("likelihood", tmp_path / "no.png"), 1, "no.png")
    assert_failed(run("likelihood", photo, "--max-pixels", 5), 6, "pixels")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.png"]
