"""From names to tasks: what is found, what it becomes, what contradicts itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, features

from pixcodec.batch.plan import STREAM, PlanError, Task, check_tasks, find_files, plan_outputs
from pixcodec.batch.suffixes import READABLE


def rename(name: str) -> str:
    return os.path.splitext(name)[0] + ".pxc"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make some files, named relative to the working folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("in/b.png", "in/a.JPG", "in/sub/c.tif", "in/sub/c.pxc", "in/notes.txt", "in/noext", "d.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "in" / "sub" / "loop").symlink_to("..")
    return tmp_path


def tasks_of(names: list[str], **options: Any) -> list[tuple[str, str | None]]:
    tasks = plan_outputs(find_files(names, READABLE, recursive=True), rename, **options)
    return [(task.source, task.target) for task in tasks]


def test_a_folder_needs_recursive(tree: Path) -> None:
    with pytest.raises(PlanError, match="in: is a folder; use -r"):
        find_files(["d.png", "in"], READABLE, recursive=False)


def test_outputs_stand_beside_their_inputs(tree: Path) -> None:
    assert tasks_of(["in", "d.png"]) == [
        ("in/a.JPG", "in/a.pxc"),
        ("in/b.png", "in/b.pxc"),
        ("in/sub/c.tif", "in/sub/c.pxc"),
        ("d.png", "d.pxc"),
    ]


def test_a_file_that_is_named_may_have_any_suffix(tree: Path) -> None:
    assert tasks_of(["in/notes.txt", "missing"]) == [
        ("in/notes.txt", "in/notes.pxc"),
        ("missing", "missing.pxc"),
    ]


@pytest.mark.parametrize("folder", ["in", "in/", "./in"])
def test_an_output_folder_mirrors_what_is_below_a_folder(tree: Path, folder: str) -> None:
    targets = [target for _, target in tasks_of([folder, "d.png"], output_folder="out")]
    assert targets == ["out/a.pxc", "out/b.pxc", "out/sub/c.pxc", "out/d.pxc"]


def test_one_output_for_one_file(tree: Path) -> None:
    assert tasks_of(["d.png"], target="x.pxc") == [("d.png", "x.pxc")]
    with pytest.raises(PlanError, match="--output-dir"):
        tasks_of(["in"], target="x.pxc")


def test_stdin_stands_alone(tree: Path) -> None:
    assert tasks_of([STREAM]) == [(STREAM, STREAM)]
    assert tasks_of([STREAM], target="x.pxc") == [(STREAM, "x.pxc")]
    with pytest.raises(PlanError, match="stdin"):
        tasks_of([STREAM, "d.png"])
    with pytest.raises(PlanError, match="stdin"):
        tasks_of([STREAM], output_folder="out")


def test_two_inputs_of_one_output(tree: Path) -> None:
    (tree / "in" / "a.png").write_text("another")
    with pytest.raises(PlanError, match=r"in/a\.JPG and in/a\.png would both become in/a\.pxc"):
        tasks_of(["in"])
    (tree / "other").symlink_to("in")
    with pytest.raises(PlanError, match="would both become"):
        check_tasks([Task("in/a.JPG", "in/x.pxc"), Task("in/b.png", "other/x.pxc")], ())


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_a_file_with_two_names(tree: Path, link: Any) -> None:
    link(tree / "d.png", tree / "in" / "same.png")
    with pytest.raises(PlanError, match="same file"):
        tasks_of(["d.png", "in"])
    (tree / "in" / "d.png").write_text("below, each name is a file of its own")
    link(tree / "in" / "d.png", tree / "in" / "e.png")
    assert len(tasks_of(["in"])) == 6


def test_a_file_given_twice(tree: Path) -> None:
    with pytest.raises(PlanError, match="same file"):
        tasks_of(["d.png", "./d.png"])
    with pytest.raises(PlanError, match="same file"):
        tasks_of(["in", "in/sub"], output_folder="out")


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_an_output_that_is_an_input(tree: Path, link: Any) -> None:
    link(tree / "in" / "b.png", tree / "d.pxc")
    with pytest.raises(PlanError, match=r"d\.pxc, the output of d\.png, is the same file"):
        tasks_of(["d.png", "in"])


def test_the_suffixes_are_those_that_pillow_opens() -> None:
    formats = Image.registered_extensions()
    unknown = {suffix for suffix in READABLE if formats.get(f".{suffix}") not in Image.OPEN}
    assert unknown - {"exr", "mpo"} <= (set() if features.check("avif") else {"avif"})
