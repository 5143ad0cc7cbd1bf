"""Trains a network on a folder of images, with checkpoints and a log."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pixcodec.network.pixelcnn import PixelCNN
from pixcodec.training import CHECKPOINT, LOG
from pixcodec.training.architectures.measure import network_bits
from pixcodec.training.architectures.sizes import TorchArchitecture
from pixcodec.training.data import CropSampler
from pixcodec.training.distributed import ALONE, Processes
from pixcodec.training.export import to_model
from pixcodec.training.trainer import Settings, Trainer
from pixcodec.training.validate import Measure, bits, validation_bpsp

Report = Callable[[dict[str, Any]], None]

CHECKPOINT_SECONDS = 240.0
_LEAST_SECONDS = 1e-9  # against division by zero


def train(
    data: Path,
    run: Path,
    settings: Settings,
    *,
    begin: Callable[[Settings, str], Trainer] = Trainer,
    processes: Processes = ALONE,
    validation: list[Path] | None = None,
    device: str = "cpu",
    every_seconds: float = CHECKPOINT_SECONDS,
    report: Report | None = None,
) -> Trainer:
    """Train on the images below ``data``, or continue the run in the folder ``run``.

    Parameters
    ----------
    data, run : Path
        Folder of images; folder of the checkpoint and the log.
    settings : Settings
        For a new run; a run that is continued keeps its own.
    begin : callable, optional
        Makes the trainer of a new run from settings and device.
    processes : Processes, optional
        Those that train together. The first one alone validates, logs and saves.
    validation : list of Path, optional
        Folders of images whose bpsp under the integer network is logged at every checkpoint.
    device : str
        A torch device.
    every_seconds : float
        Time between checkpoints.
    report : callable, optional
        Called by the first process with every entry of the log.

    Raises
    ------
    ValueError
        If the images are too few or too small, or if the batch cannot be shared equally.
    """
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / CHECKPOINT
    trainer = Trainer.load(checkpoint, device) if checkpoint.exists() else begin(settings, device)
    s = trainer.settings
    share = processes.share(s.batch)
    trainer.join(processes)
    sampler = CropSampler(data, s.architecture.channels, s.crop, s.batch, s.seed, s.histories)
    names = s.architecture.classes if isinstance(s.architecture, TorchArchitecture) else ()
    recorder = _Recorder(trainer, run, validation or [], report)
    while trainer.step < s.steps:
        batch = torch.from_numpy(sampler(trainer.step)[share]).to(device)
        classes = None
        if names:
            classes = torch.from_numpy(sampler.classes(trainer.step, names)[share]).to(device)
        with _without_subnormals():
            recorder.losses.append(trainer.train_step(batch, classes))
        if processes.first and recorder.seconds >= every_seconds:
            recorder.record()
    if processes.first and (recorder.losses or recorder.last_step == 0):
        recorder.record()
    return trainer


@contextlib.contextmanager
def _without_subnormals() -> Iterator[None]:
    """Let the processor take numbers below the normal ones, which are slow, as zero, and then as before."""
    were_zero = np.float64(sys.float_info.min) / 2 == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(bool(were_zero))


def _measure(network: PixelCNN) -> Measure:
    """Return what measures the bits of images: the integer network, or torch where there is none."""
    if isinstance(network.architecture, TorchArchitecture):
        return partial(network_bits, network)
    model = to_model(network)
    return lambda pixels, _: bits(model, pixels)


class _Recorder:
    """Saves checkpoints of a run, and logs what happened since the one before."""

    def __init__(self, trainer: Trainer, run: Path, validation: list[Path], report: Report | None) -> None:
        self.trainer, self.run, self.validation, self.report = trainer, run, validation, report
        self.losses: list[float] = []  # of the steps since the last record
        self.last_step = trainer.step
        self.start_seconds = self.last_seconds = time.monotonic()

    @property
    def seconds(self) -> float:
        """Return the time since the last record."""
        return time.monotonic() - self.last_seconds

    def record(self) -> None:
        """Validate, save a checkpoint and append an entry to the log."""
        entry = self._entry()
        channels = self.trainer.settings.architecture.channels
        if self.validation:
            measure = _measure(self.trainer.averaged())
            for folder in self.validation:
                entry[f"{folder.name}_bpsp"] = round(validation_bpsp(measure, channels, folder), 4)
        self.trainer.save(self.run / CHECKPOINT)
        with (self.run / LOG).open("a") as log:
            log.write(json.dumps(entry) + "\n")
        if self.report:
            self.report(entry)
        self.losses.clear()
        self.last_seconds, self.last_step = time.monotonic(), self.trainer.step

    def _entry(self) -> dict[str, Any]:
        trainer, s = self.trainer, self.trainer.settings
        pixels_per_step = s.batch * s.crop * s.crop
        pixels = (trainer.step - self.last_step) * pixels_per_step
        return {
            "step": trainer.step,
            "pixels_seen": trainer.step * pixels_per_step,
            "seconds": round(time.monotonic() - self.start_seconds, 1),
            "pixels_per_second": round(pixels / max(self.seconds, _LEAST_SECONDS)),
            "train_bpsp": round(float(np.mean(self.losses)), 4) if self.losses else None,
            "quantised": s.quantised(trainer.step),
        }
