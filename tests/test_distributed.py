"""Training by two processes: the losses of one process, and one log, checkpoint and model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch.distributed
from PIL import Image

import samples
from pixcodec.cli import main
from pixcodec.network.model_files import load_model
from pixcodec.training import distributed
from pixcodec.training.distributed import Processes
from pixcodec.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without distributed")

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
SIZES = ("--features", "6", "--blocks", "1", "--hidden", "6", "--components", "2", "--crop", "16")
STEPS = 20


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    Image.fromarray(samples.photo(3)).save(folder / "photo.png")
    Image.fromarray(samples.photo(3, number=5)).save(folder / "other.png")
    return folder


def train_by_two(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [*TORCHRUN, "-m", "--", "pixcodec", "train", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def losses(run: Path) -> list[float]:
    """Return the loss of every step; the steps are logged one by one, in order and once."""
    entries = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries] == list(range(1, STEPS + 1))
    return [entry["train_bpsp"] for entry in entries]


@pytest.mark.slow
def test_two_processes_train_as_one_does(data: Path, tmp_path: Path) -> None:
    every_step = ("--minutes-between-checkpoints", "1e-9")
    options = (*SIZES, *every_step, "--steps", str(STEPS), "--batch", "4", "--learning-rate", "0.02", "-q")
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    assert main(["train", str(data), "--out", str(one), *options]) == 0
    done = train_by_two(data, "--out", two, *options)
    assert done.returncode == 0, done.stderr
    expected = losses(tmp_path / "one.run")
    assert losses(tmp_path / "two.run") == pytest.approx(expected, abs=1e-3)
    assert min(expected) < 0.8 * expected[0]
    assert {path.name for path in tmp_path.iterdir()} == {one.name, two.name, "one.run", "two.run"}
    assert {path.name for path in (tmp_path / "two.run").iterdir()} == {"checkpoint.safetensors", "log.jsonl"}
    checkpoints = [Trainer.load(tmp_path / run / "checkpoint.safetensors") for run in ("one.run", "two.run")]
    for (name, a), b in zip(checkpoints[0].average.items(), checkpoints[1].average.values(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0, msg=name)
    assert load_model(two).architecture == load_model(one).architecture


IN_GROUP = """
import os, torch
from pathlib import Path
from pixcodec.training.distributed import process_group
torch.set_num_threads(1)
with process_group("cpu") as processes:
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 0.5)
    network(torch.full((4, 2), float(processes.rank + 1))).mean().backward()
    processes.average_gradients(network)
    torch.optim.AdamW(network.parameters()).step()
tasks = Path("/proc/self/task")
threads = [(task / "comm").read_text().strip() for task in tasks.iterdir()] if tasks.exists() else []
gradients = [parameter.grad.flatten().tolist() for parameter in network.parameters()]
os.write(1, f"{[name for name in threads if 'gloo' in name]} {gradients}\\n".encode())
"""


def test_the_group_leaves_no_thread_and_gives_mean_gradients() -> None:
    # A thread of gloo that frees a tensor while Python ends aborts the process.
    command = [*TORCHRUN, "--no-python", "--", sys.executable, "-c", IN_GROUP]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    # For inputs of 1 and of 2: the means of input, bias, hidden value and 1, by the weights behind them.
    expected = [[0.75] * 6, [0.5] * 3, [2.0] * 3, [1.0]]
    assert done.stdout.splitlines() == [f"[] {expected}"] * 2


def test_the_shares_are_the_batch() -> None:
    batch = list(range(12))
    shares = [batch[Processes(rank, 3).share(12)] for rank in range(3)]
    assert [crop for share in shares for crop in share] == batch
    assert {len(share) for share in shares} == {4}


def test_a_batch_that_cannot_be_shared_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(distributed, "process_group", lambda device: nullcontext(Processes(0, 2)))
    assert main(["train", str(data), "--out", str(tmp_path / "model.safetensors"), "--batch", "3"]) == 1
    expected = "error: batch is 3 crops, expected a multiple of 2, the number of processes\n"
    assert capsys.readouterr().err.endswith(expected)
