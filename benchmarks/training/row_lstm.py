"""Trains the recurrent part of a Row LSTM alone, on taller crops, with all else of its checkpoint as it is.

    python -m benchmarks.training.row_lstm DATA RUN NEW_RUN SECONDS

A state that was trained on crops of 64 rows says little of the rows below these. The trunk and the heads are
kept, so that a step costs little. It runs for so many seconds, and writes a checkpoint as any run does.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from pixcodec.training import CHECKPOINT
from pixcodec.training.data import CropSampler
from pixcodec.training.restart import restart
from pixcodec.training.trainer import load_settings

CROP, RATE, STEPS_PER_SECOND = 192, 1e-3, 0.35


def main(data: Path, run: Path, new_run: Path, seconds: float) -> None:
    """Train the layers ``gates`` and ``out`` of the run's network; the learning rate falls with time."""
    torch.set_num_threads(1)
    settings = replace(
        load_settings(run / CHECKPOINT),
        steps=round(seconds * STEPS_PER_SECOND),
        batch=1,
        crop=CROP,
        learning_rate=RATE,
        warmup=10,
        ema=0.97,
        quantise_from=0.0,
        seed=6,
    )
    trainer = restart(run / CHECKPOINT, settings)
    for name, parameter in trainer.network.named_parameters():
        parameter.requires_grad_(name.startswith(("gates", "out")))
    sampler = CropSampler(data, settings.architecture.channels, CROP, 1, settings.seed, settings.histories)
    new_run.mkdir(parents=True, exist_ok=True)
    losses: list[float] = []
    end = time.monotonic() + seconds
    while trainer.step < settings.steps and time.monotonic() < end:
        losses.append(trainer.train_step(torch.from_numpy(sampler(trainer.step))))
        if trainer.step % 20 == 0:
            print(trainer.step, round(sum(losses[-20:]) / len(losses[-20:]), 4), flush=True)
    trainer.save(new_run / CHECKPOINT)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
