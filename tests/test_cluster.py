"""Many images on the workers of a Dask cluster."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("distributed")
pytest.importorskip("pyarrow")

import dask
import fsspec
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import WorkerPlugin

import pixcodec
import samples
from command_line import Runner, assert_failed
from pixcodec.batch.plan import PlanError
from pixcodec.cluster import (
    ClusterSettings,
    Item,
    encode_all,
    manifest_of,
    read_manifest,
    write_manifest,
)
from pixcodec.cluster.results import read_results
from pixcodec.cluster.work import encode_item

FAST = ClusterSettings("fast", retries=0)
PHOTO = samples.photo(3, 23, 17)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two workers in this process, which see its memory:// files."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as found,
    ):
        yield found


@pytest.fixture
def memory() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    yield store
    store.rm("/", recursive=True)


def png(pixels: Any) -> bytes:
    from io import BytesIO

    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def folder_of(store: Any, count: int) -> list[Any]:
    """Write images to memory://in and return their pixels."""
    found = [np.roll(PHOTO, i, axis=1) for i in range(count)]
    for i, pixels in enumerate(found):
        store.pipe_file(f"/in/{i % 3}/{i}.png", png(pixels))
    store.pipe_file("/in/notes.txt", b"no image")
    return found


def statuses(results: str) -> list[str]:
    return [str(value) for value in read_results(results)["status"]]


def test_a_folder_in_a_store_is_encoded_and_not_again(client: Client, memory: Any) -> None:
    pixels = folder_of(memory, 11)
    items = manifest_of(["memory://in"], "memory://out")
    rows: list[Any] = []
    summary = encode_all(client, items, "memory://log", FAST, batch=2, report=rows.append)
    assert summary.counts == {"done": 11}
    for i, image in enumerate(pixels):
        data = memory.cat_file(f"/out/{i % 3}/{i}.pxc")
        assert data == pixcodec.encode(png(image), effort="fast")
    assert len(memory.find("/out")) == 11
    assert sum(row["output_size_bytes"] for row in rows) == summary.output_size_bytes
    assert {row["worker"] for row in rows} <= set(client.scheduler_info()["workers"])
    assert encode_all(client, items, "memory://log", FAST).counts == {"skipped": 11}
    assert statuses("memory://log") == ["done"] * 11
    # What has changed since is encoded again, and only that; so is everything with other settings.
    memory.pipe_file("/in/1/4.png", png(255 - PHOTO))
    memory.rm("/out/2/8.pxc")
    assert encode_all(client, items, "memory://log", FAST).counts == {"skipped": 9, "done": 2}
    np.testing.assert_array_equal(pixcodec.decode(memory.cat_file("/out/1/4.pxc")), 255 - PHOTO)
    stripped = ClusterSettings("fast", strip=True, retries=0)
    assert encode_all(client, items, "memory://log", stripped).counts == {"done": 11}


def test_one_wrong_file_does_not_stop_the_others(client: Client, memory: Any) -> None:
    folder_of(memory, 4)
    memory.pipe_file("/in/1/1.png", b"no image")
    items = [
        *manifest_of(["memory://in"], "memory://out"),
        Item("memory://gone.png", "memory://out/gone.pxc"),
    ]
    rows: list[Any] = []
    summary = encode_all(client, items, "memory://log", FAST, report=rows.append)
    assert summary.counts == {"done": 3, "failed": 2}
    errors = sorted(row["error"] for row in rows if row["status"] == "failed")
    assert errors[0].startswith("memory:///in/1/1.png: the format of the file is unknown")
    assert errors[1] == "memory://gone.png: no such file"
    assert not memory.exists("/out/1/1.pxc")
    # They are tried again, as no result says that they are done.
    memory.pipe_file("/in/1/1.png", png(PHOTO))
    assert encode_all(client, items, "memory://log", FAST).counts == {"done": 1, "skipped": 3, "failed": 1}


def test_foreign_outputs_are_not_overwritten(memory: Any) -> None:
    memory.pipe_file("/in.png", png(PHOTO))
    item = Item("memory://in.png", "memory://out.pxc")
    memory.pipe_file("/out.pxc", b"something else")
    row = encode_item(item, None, FAST)
    assert (row["status"], row["error"]) == (
        "failed",
        "memory://out.pxc: exists, with other contents: --force overwrites it",
    )
    assert memory.cat_file("/out.pxc") == b"something else"
    row = encode_item(item, None, ClusterSettings("fast", force=True))
    assert row["status"] == "done"
    # One with the right contents is not written again: a run whose last results were lost can be repeated.
    created = memory.info("/out.pxc")["created"]
    assert encode_item(item, None, FAST)["status"] == "done"
    assert memory.info("/out.pxc")["created"] == created


def test_a_store_that_fails_is_tried_again(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe_file("/in.png", png(PHOTO))
    calls = []

    def flaky(self: Any, path: str, *args: Any, **options: Any) -> bytes:
        calls.append(path)
        if len(calls) < 3:
            raise ConnectionError("reset by peer")
        return original(self, path, *args, **options)

    original = type(memory).cat_file
    monkeypatch.setattr(type(memory), "cat_file", flaky)
    monkeypatch.setattr("pixcodec.cluster.work._PAUSE_SECONDS", 0)
    item = Item("memory://in.png", "memory://out.pxc")
    row = encode_item(item, None, ClusterSettings("fast", retries=3))
    assert (row["status"], row["attempts"]) == ("done", 3)
    calls.clear()
    row = encode_item(item, None, ClusterSettings("fast", retries=1))
    assert (row["status"], row["attempts"], row["error"]) == ("failed", 2, "reset by peer")


def test_a_store_that_loses_bytes_is_noticed(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    memory.pipe_file("/in.png", png(PHOTO))
    original = type(memory).pipe_file
    monkeypatch.setattr(type(memory), "pipe_file", lambda s, path, data: original(s, path, data[:-1]))
    row = encode_item(Item("memory://in.png", "memory://out.pxc"), None, FAST)
    assert row["error"] == "memory://out.pxc: the store gives other bytes back than were written"


def test_a_manifest_survives(memory: Any) -> None:
    items = [Item(f"memory://in/{i}.png", f"memory://out/{i}.pxc") for i in range(9)]
    write_manifest("memory://list.parquet", items)
    assert list(read_manifest("memory://list.parquet")) == items
    write_manifest("memory://list.parquet", [])
    assert list(read_manifest("memory://list.parquet")) == []
    write_manifest("memory://list.parquet", [*items, Item("memory://b.png", items[3].target)])
    with pytest.raises(PlanError, match=r"2 images would become memory://out/3\.pxc"):
        list(read_manifest("memory://list.parquet"))
    memory.pipe_file("/list.parquet", b"no table")
    with pytest.raises(PlanError, match="is not a manifest"):
        list(read_manifest("memory://list.parquet"))


def test_names_of_outputs(tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    for name in ("in/a/1.png", "in/2.tif", "in/3.txt"):
        (tmp_path / name).write_bytes(b"")
    found = manifest_of([str(tmp_path / "in"), str(tmp_path / "in/3.txt")], "s3://b/out/")
    assert [item.target for item in found] == ["s3://b/out/2.pxc", "s3://b/out/a/1.pxc", "s3://b/out/3.pxc"]
    assert found[0].source == str(tmp_path / "in" / "2.tif")
    (found_,) = manifest_of([str(tmp_path / "in/2.tif")], "out", keep_suffix=True)
    assert found_.target == "out/2.tif.pxc"
    with pytest.raises(PlanError, match="is a folder; use -r"):
        manifest_of([str(tmp_path / "in")], "out", recursive=False)
    with pytest.raises(FileNotFoundError):
        manifest_of([str(tmp_path / "nothing")], "out")
    (tmp_path / "in" / "2.png").write_bytes(b"")
    with pytest.raises(PlanError, match="2 images would become"):
        manifest_of([str(tmp_path / "in")], "out")


def test_foreign_files_among_the_results_are_refused(client: Client, memory: Any) -> None:
    memory.pipe_file("/log/a.parquet", b"no table")
    with pytest.raises(PlanError, match="is not a file of results"):
        encode_all(client, [], "memory://log", FAST)


@pytest.mark.slow
def test_a_worker_killed_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    count = 40
    for i in range(count):
        Image.fromarray(np.roll(PHOTO, i, axis=0)).save(tmp_path / "in" / f"{i}.png")
    items = manifest_of([str(tmp_path / "in")], str(tmp_path / "out"))
    rows: list[Any] = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())

        def report(row: Any) -> None:
            rows.append(row)
            if len(rows) == 9:
                os.kill(pids[0], signal.SIGKILL)

        summary = encode_all(client, items, str(tmp_path / "log"), FAST, batch=2, report=report)
    assert summary.counts == {"done": count}
    assert sorted(row["source"] for row in rows) == sorted(item.source for item in items)
    assert statuses(str(tmp_path / "log")) == ["done"] * count
    for i in range(count):
        data = (tmp_path / "out" / f"{i}.pxc").read_bytes()
        np.testing.assert_array_equal(pixcodec.decode(data), np.roll(PHOTO, i, axis=0))
    # The killed worker may leave the temporary file that it was writing.
    left = [path.name for path in (tmp_path / "out").glob(".*")]
    assert len(left) <= 1
    assert all(name.endswith(".partial") for name in left)


def _end_for_some(item: Item, record: Any, settings: Any) -> Any:
    if "poison" in item.source:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)
    return encode_item(item, record, settings)


@pytest.mark.slow
def test_a_file_that_ends_every_worker_counts_as_failed(tmp_path: Path) -> None:
    for name in ("a", "poison", "c"):
        Image.fromarray(PHOTO).save(tmp_path / f"{name}.png")
    items = manifest_of([str(tmp_path)], str(tmp_path / "out"))
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_Poison(), name="poison")
        summary = encode_all(client, items, str(tmp_path / "log"), FAST, batch=3)
    assert summary.counts == {"done": 2, "failed": 1}
    (error,) = (str(row["error"]) for row in read_results(str(tmp_path / "log")).to_pylist() if row["error"])
    assert error.endswith("poison.png: each worker that encoded it ended")


class _Poison(WorkerPlugin):  # type: ignore[misc]
    """Makes every worker end for some files, also those that start later."""

    def setup(self, worker: Any) -> None:
        from pixcodec.cluster import work

        work.encode_item = _end_for_some


@pytest.mark.slow
def test_the_command_encodes_and_resumes(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = Runner(capfd)
    (tmp_path / "in").mkdir()
    for i in range(3):
        Image.fromarray(np.roll(PHOTO, i, axis=0)).save(tmp_path / "in" / f"{i}.png")
    where = ["-o", tmp_path / "out", "--results", tmp_path / "log"]
    command = ["encode", "--cluster", "dask://local:1", "--effort", "fast", "-r", tmp_path / "in", *where]
    done = run(*command)
    assert done.status == 0
    assert "3 images: 3 done" in done.err
    assert len(list((tmp_path / "out").iterdir())) == 3
    (tmp_path / "in" / "1.png").write_bytes(b"no image")
    done = run(*command)
    assert done.status == 1
    assert "3 images: 2 skipped, 1 failed" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--cluster", "tcp://a:1"], "expected dask://HOST:PORT"),
        (["--cluster", "dask://local:none", "-o", "out", "--results", "log", "in"], "expected dask://local"),
        (["--cluster", "dask://local", "-o", "out", "in"], "needs --results"),
        (["--cluster", "dask://local", "--results", "log"], "needs IN and --output-dir, or --manifest"),
        (["--cluster", "dask://local", "--results", "log", "--manifest", "m", "in"], "leave out IN"),
        (["--cluster", "dask://local", "--rm", "in"], "--rm does not go with --cluster"),
        (["--results", "log", "in"], "go with --cluster"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage(
    options: list[str],
    words: str,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").write_bytes(png(PHOTO))
    assert_failed(Runner(capfd)("encode", *options), 2, words)


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(PHOTO))
    where = ["-o", tmp_path / "out", "--results", tmp_path / "log", tmp_path / "a.png"]
    result = Runner(capfd)("encode", "--cluster", "dask://127.0.0.1:9", *where)
    assert result.status == 1
    assert "no Dask scheduler answers there" in result.err
