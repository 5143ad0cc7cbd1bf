"""The other commands: info, verify, models, train; help, completion, start-up."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

import pixcodec
from command_line import COMMAND, RGB, Runner, assert_failed, write_png, write_pxc
from pixcodec import cli


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    return write_png(tmp_path)


@pytest.fixture
def pxc(tmp_path: Path) -> Path:
    return write_pxc(tmp_path)


def test_the_command_alone_shows_its_help_as_an_error(run: Runner) -> None:
    result = run()
    assert (result.status, result.out) == (2, "")
    assert result.err == run("--help").out


@pytest.mark.parametrize("name", [*cli.cli.commands, None])
def test_the_help_has_an_example_that_can_be_run(name: str | None, run: Runner) -> None:
    lines = run(*([name] if name else []), "--help").out.splitlines()
    (start,) = (at for at, line in enumerate(lines) if line.startswith("  Example"))
    example = lines[start + 1].split("  ")[2].split()
    assert example[0] == "pixcodec"
    found, _, rest = cli.cli.resolve_command(click.Context(cli.cli), example[1:])
    command = cli.cli.commands[str(found)]
    command.parse_args(click.Context(command), rest)
    assert name in (found, None)


def test_help_and_version(run: Runner) -> None:
    for command in ([], *([name] for name in cli.cli.commands)):
        result = run(*command, "--help")
        assert result.status == 0
        assert result.err == ""
        assert result.out.startswith("Usage: pixcodec")
    coding = {"encode", "decode", "info", "verify", "models", "bench", "train"}
    assert set(cli.cli.commands) == coding | {"explain", "inpaint", "likelihood", "sample", "show"}
    assert run("--version").out == f"pixcodec, version {pixcodec.__version__}\n"


def test_info(run: Runner, pxc: Path) -> None:
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


def test_verify(run: Runner, tmp_path: Path, pxc: Path) -> None:
    result = run("verify", pxc)
    assert (result.status, result.out, result.err) == (0, f"{pxc}: ok\n", "")
    result = run("verify", "--jobs", 1, pxc, pxc)
    assert (result.status, result.out) == (0, f"{pxc}: ok\n" * 2)
    assert "2 files, " in result.err
    result = run("verify", "-q", pxc)
    assert (result.status, result.out, result.err) == (0, "", "")
    broken = tmp_path / "broken.pxc"
    broken.write_bytes(pxc.read_bytes()[:-1])
    assert_failed(run("verify", broken), 4, str(broken))
    result = run("verify", "--jobs", 1, broken, pxc)
    assert result.status == 1
    assert result.out == f"{pxc}: ok\n"
    assert result.err.startswith(f"pixcodec: error: {broken}: the last bytes are ")


def test_models(run: Runner) -> None:
    lines = run("models", "--json").out.splitlines()
    assert {json.loads(line)["channels"] for line in lines} == {1, 3}
    for line in lines:
        assert json.loads(line)["model_id"] in run("models").out


@pytest.mark.slow
@pytest.mark.usefixtures("no_packed_layers")
def test_train(run: Runner, tmp_path: Path) -> None:
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
