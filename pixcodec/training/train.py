"""Training of a PixelCNN: checkpoints, exact resume, a run log in JSON lines.

A run folder holds ``checkpoint.safetensors`` (weights, their moving average, optimiser state, and
the settings as JSON metadata) and ``log.jsonl``. Batches depend on (seed, step) alone, so a run that
was stopped continues exactly as if it had not been.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from pixcodec.network.architecture import Architecture
from pixcodec.network.pixelcnn import PixelCNN, bits_per_subpixel
from pixcodec.training.data import HISTORIES, CropSampler
from pixcodec.training.distributed import ALONE, Processes
from pixcodec.training.export import to_model
from pixcodec.training.validate import validation_bpsp


@dataclass(frozen=True)
class Settings:
    """Everything that determines a run besides its data."""

    architecture: Architecture = field(default_factory=Architecture)
    steps: int = 32000
    batch: int = 4
    crop: int = 64
    learning_rate: float = 3e-3
    final_fraction: float = 0.01
    warmup: int = 300
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.999
    quantise_from: float = 0.85  # fraction of the steps after which rounding is trained
    seed: int = 0
    histories: float = HISTORIES  # share of the crops that are given one

    def rate(self, step: int) -> float:
        """Return the learning rate of ``step``: linear warm-up, then half a cosine."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        decay = self.final_fraction + (1 - self.final_fraction) * cosine
        return self.learning_rate * decay * min(1.0, (step + 1) / self.warmup)

    def quantised(self, step: int) -> bool:
        """Return whether ``step`` trains the rounded network."""
        return step >= self.quantise_from * self.steps


def load_settings(checkpoint: Path) -> Settings:
    """Return the settings that a checkpoint was made with.

    Raises
    ------
    ValueError
        If the file is no checkpoint.
    """
    try:
        with safe_open(checkpoint, framework="pt") as f:
            values = json.loads(f.metadata()["settings"])
    except (SafetensorError, KeyError, TypeError) as error:  # TypeError: no metadata at all
        raise ValueError(f"{checkpoint}: not a checkpoint of a training run") from error
    return Settings(**{**values, "architecture": Architecture(**values["architecture"])})


class Trainer:
    """One run: network, moving average, optimiser, step."""

    def __init__(self, settings: Settings, device: str = "cpu") -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.step = settings, device, 0
        self.network = PixelCNN(settings.architecture).to(device)
        self.forward: nn.Module = self.network
        self.processes = ALONE
        self.average = {n: p.detach().clone() for n, p in self.network.named_parameters()}
        decayed = [p for n, p in self.network.named_parameters() if n.endswith("weight")]
        plain = [p for n, p in self.network.named_parameters() if not n.endswith("weight")]
        groups = [
            {"params": decayed, "weight_decay": settings.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate)

    def join(self, processes: Processes) -> None:
        """Take every further step together with ``processes``, which are at the same one.

        Raises
        ------
        ValueError
            If another process is at another step: it read another checkpoint, or none.
        """
        mean = float(processes.mean(torch.tensor(float(self.step), device=self.device)))
        if mean != self.step:
            raise ValueError(f"step is {self.step}, but other processes have another; do all see one folder?")
        self.processes = processes
        self.forward = processes.parallel(self.network)

    def train_step(self, batch: Tensor) -> float:
        """Take one step on ``batch`` (B, C, H, W) and return its loss in bits per subpixel.

        Of several processes, each gives its share of the batch and gets the loss of the whole one.
        """
        s = self.settings
        self.network.quantised = s.quantised(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = s.rate(self.step)
        loss = bits_per_subpixel(self.forward(batch), batch).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), s.clip)
        self.optimiser.step()
        keep = min(s.ema, (self.step + 1) / (self.step + 10))
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                self.average[name].lerp_(parameter, 1 - keep)
        self.step += 1
        return float(self.processes.mean(loss.detach()))

    def averaged(self) -> PixelCNN:
        """Return a copy of the network with averaged weights, rounding as the integer network does."""
        network = PixelCNN(self.settings.architecture)
        network.load_state_dict({n: v.cpu() for n, v in self.average.items()}, strict=False)
        network.quantised = True
        return network.eval()

    def save(self, path: Path) -> None:
        """Write a checkpoint, replacing the old one only when the new one is complete."""
        tensors: dict[str, Tensor] = {}
        for name, parameter in self.network.named_parameters():
            tensors[f"weights.{name}"] = parameter.detach().cpu().clone()
            tensors[f"average.{name}"] = self.average[name].cpu().clone()
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{key}.{name}"] = torch.as_tensor(value).cpu().clone()
        meta = {"settings": json.dumps(asdict(self.settings)), "step": str(self.step)}
        temporary = path.with_suffix(".partial")
        save_file(tensors, temporary, metadata=meta)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Trainer:
        """Continue from a checkpoint; raise ValueError if the file is none."""
        settings = load_settings(path)
        with safe_open(path, framework="pt") as f:
            step = int(f.metadata()["step"])
            tensors = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118 - not a dict
        trainer = cls(settings, device)
        trainer.step = step
        with torch.no_grad():
            for name, parameter in trainer.network.named_parameters():
                parameter.copy_(tensors[f"weights.{name}"])
                trainer.average[name].copy_(tensors[f"average.{name}"])
                state: dict[str, Any] = {}
                for key in ("step", "exp_avg", "exp_avg_sq"):
                    full = f"optimiser.{key}.{name}"
                    if full in tensors:
                        state[key] = tensors[full] if key == "step" else tensors[full].to(device)
                if state:
                    trainer.optimiser.state[parameter] = state
        return trainer


def train(
    data: Path,
    run: Path,
    settings: Settings,
    *,
    begin: Callable[[Settings, str], Trainer] = Trainer,
    processes: Processes = ALONE,
    validation: list[Path] | None = None,
    device: str = "cpu",
    every_seconds: float = 240.0,
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Trainer:
    """Train on the images below ``data``, or continue the run in folder ``run``.

    Parameters
    ----------
    data, run : Path
        Folder of images; folder of the checkpoint and the log.
    settings : Settings
        Used for a new run; a run that is continued keeps its own.
    begin : callable, optional
        Makes the trainer of a new run, given settings and device.
    processes : Processes, optional
        Those that train together. The first one alone validates, logs and saves.
    validation : list of Path, optional
        Folders whose bpsp under the integer network is logged at every checkpoint.
    device : str
        A torch device.
    every_seconds : float
        Time between checkpoints.
    report : callable, optional
        Called with every log entry, by the first process.

    Raises
    ------
    ValueError
        If the images are too few or too small, or if the batch cannot be shared equally.
    """
    torch.set_flush_denormal(True)
    run.mkdir(parents=True, exist_ok=True)
    checkpoint = run / "checkpoint.safetensors"
    trainer = Trainer.load(checkpoint, device) if checkpoint.exists() else begin(settings, device)
    s = trainer.settings
    share = processes.share(s.batch)
    trainer.join(processes)
    sampler = CropSampler(data, s.architecture.channels, s.crop, s.batch, s.seed, s.histories)
    losses: list[float] = []
    start, last_step, last = time.monotonic(), trainer.step, time.monotonic()

    def record() -> None:
        nonlocal last, last_step
        now = time.monotonic()
        pixels = s.batch * s.crop * s.crop
        entry: dict[str, Any] = {
            "step": trainer.step,
            "pixels_seen": trainer.step * pixels,
            "seconds": round(now - start, 1),
            "pixels_per_second": round((trainer.step - last_step) * pixels / max(now - last, 1e-9)),
            "train_bpsp": round(float(np.mean(losses)), 4) if losses else None,
            "quantised": s.quantised(trainer.step),
        }
        if validation:
            model = to_model(trainer.averaged())
            for folder in validation:
                entry[f"{folder.name}_bpsp"] = round(validation_bpsp(model, folder), 4)
        trainer.save(checkpoint)
        with (run / "log.jsonl").open("a") as log:
            log.write(json.dumps(entry) + "\n")
        if report:
            report(entry)
        losses.clear()
        last, last_step = time.monotonic(), trainer.step

    while trainer.step < s.steps:
        batch = torch.from_numpy(sampler(trainer.step)[share]).to(device)
        losses.append(trainer.train_step(batch))
        if processes.first and time.monotonic() - last >= every_seconds:
            record()
    if processes.first and (losses or last_step == 0):
        record()
    return trainer
