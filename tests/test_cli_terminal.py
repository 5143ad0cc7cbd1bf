"""What the command line shows people: progress bars, tables, the line about many files, suggestions."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest

from command_line import Runner, assert_failed, write_png
from pixcodec.batch.outcome import Outcome
from pixcodec.batch.plan import Task
from pixcodec.cli.running import Manner, task_bar
from pixcodec.cli.running import _summary as summary
from pixcodec.cli.terminal import print_table, progress_bar

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9](;|m)")


class Terminal:
    """A terminal on stderr, and a clock."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self._capsys, self._monkeypatch = capsys, monkeypatch
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        monkeypatch.setenv("TERM", "xterm-256color")
        monkeypatch.setenv("COLUMNS", "120")
        for name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name, raising=False)

    def open(self) -> None:
        """Make stderr a terminal: in the test itself, for pytest has another stderr before."""
        self._monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def raw(self) -> str:
        """Return what was written since the last call."""
        return self._capsys.readouterr().err

    def shown(self) -> str:
        """Return the same without the codes that move the cursor."""
        return CONTROL.sub("", self.raw())


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(capsys, monkeypatch)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Runner:
    return Runner(capfd)


def test_without_a_terminal_there_is_no_bar() -> None:
    with progress_bar("encode", False) as progress:
        assert progress is None


def test_a_bar_waits_for_a_second_and_is_removed(terminal: Terminal) -> None:
    terminal.open()
    with progress_bar("encode", True) as progress:
        assert progress is None
    with progress_bar("encode", False) as progress:
        assert progress is not None
        terminal.now = 0.5
        progress(0.2)
        assert terminal.shown() == ""
        terminal.now = 1.5
        progress(0.5)
    raw = terminal.raw()
    assert "encode" in raw
    assert " 50%" in CONTROL.sub("", raw)
    assert "\x1b[2K" in raw[raw.rindex("50%") :]


def test_the_bar_of_many_files_has_rate_time_left_and_totals(terminal: Terminal, tmp_path: Path) -> None:
    terminal.open()
    tasks = [Task(str(tmp_path / name), None) for name in ("a.png", "b.png", "c.png")]
    for task in tasks:
        Path(task.source).write_bytes(bytes(2_000_000))
    with task_bar(Manner("encode", True, 1), tasks) as bar:
        assert bar is not None
        terminal.now = 2.0
        sizes = {"input_size_bytes": 2_000_000, "output_size_bytes": 500_000}
        bar.end(tasks[0], Outcome(tasks[0].source, "a.pxc", "done", **sizes))
        terminal.now = 4.0
        bar.go_on(tasks[1], 0.5)
    shown = terminal.shown()
    assert " 50%" in shown
    assert "1/3 files  2.0 MB -> 500.0 kB  0.75 MB/s" in shown
    assert re.search(r"\d:\d\d:\d\d|-:--:--", shown)


def test_no_color_is_respected(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.open()

    def draw() -> str:
        with progress_bar("encode", False) as progress:
            assert progress is not None
            terminal.now += 2
            progress(0.5)
        return terminal.raw()

    assert COLOUR.search(draw())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(draw())


def test_a_dumb_terminal_has_no_bar(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.open()
    monkeypatch.setenv("TERM", "dumb")
    with progress_bar("encode", False) as progress:
        assert progress is None


def outcome(status: str, before: int | None = None, after: int | None = None) -> Outcome:
    return Outcome("a", "b", status, input_size_bytes=before, output_size_bytes=after)  # type: ignore[arg-type]


def test_the_line_about_many_files_can_be_quoted() -> None:
    done = [outcome("done", 1_000_000, 614_000)] * 31
    assert summary(done, 41, "encode") == "31 files, 31.0 MB -> 19.0 MB, 38.6 % smaller, 41 s"
    assert summary(done, 41, "decode") == "31 files, 31.0 MB -> 19.0 MB, 41 s"
    assert summary([outcome("done", 500)] * 2, 0.04, "verify") == "2 files, 1.0 kB, 0.0 s"
    mixed = [*done[:1], outcome("failed", 7), outcome("skipped")]
    assert summary(mixed, 90, "encode") == (
        "3 files, 1 failed, 1 skipped, 1.0 MB -> 614.0 kB, 38.6 % smaller, 1 min 30 s"
    )
    assert summary([outcome("planned")] * 2, 0, "encode") == "2 files, 2 planned, 0.0 s"
    assert summary([], 0, "encode").startswith("nothing to do")


def test_tables_are_aligned_and_show_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(["codec", "size"], [["a [bold]codec[/]", "7"], ["b\n", "1234"]])
    assert capsys.readouterr().out.splitlines() == [
        "codec             size",
        "a [bold]codec[/]     7",
        "b\\n               1234",
    ]


@pytest.mark.parametrize(
    ("arguments", "guess"),
    [
        (["encod"], "encode"),
        (["encode", "--efort", "max"], "--effort"),
        (["bench", ".", "--agains"], "--against"),
    ],
)
def test_typos_get_suggestions(run: Runner, arguments: list[str], guess: str) -> None:
    assert_failed(run(*arguments), 2, "Did you mean", guess)


def test_a_wrong_choice_names_the_right_ones(run: Runner, tmp_path: Path) -> None:
    assert_failed(run("encode", write_png(tmp_path), "--effort", "fas"), 2, "fast", "normal", "max")
