"""One training run: network, moving average, optimiser, steps, checkpoints.

Batches and steps depend on the settings and the number of the step alone, so that a run that was stopped
continues bit for bit as if it had not been.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pixcodec.network.architecture import Architecture
from pixcodec.network.pixelcnn import PixelCNN, bits_per_subpixel
from pixcodec.training.architectures.gated import condition_of
from pixcodec.training.architectures.registry import architecture_from, network_of
from pixcodec.training.architectures.sizes import TorchArchitecture
from pixcodec.training.distributed import ALONE, Processes
from pixcodec.training.histories import HISTORIES

PARTIAL_SUFFIX = ".partial"  # of a checkpoint that is being written
_AVERAGE_DELAY = 10  # steps: the first ones weigh more in the moving average
_OPTIMISER_STATE = ("step", "exp_avg", "exp_avg_sq")  # of AdamW, for each parameter


@dataclass(frozen=True)
class Settings:
    """What a run depends on besides its images.

    Parameters
    ----------
    architecture : Architecture
    steps : int
        Length of the run.
    batch : int
        Crops per step.
    crop : int
        Side of a crop in pixels.
    learning_rate : float
        The largest one, after the warm-up.
    final_fraction : float
        Learning rate of the last step, as a fraction of the largest one.
    warmup : int
        Steps over which the learning rate rises.
    weight_decay : float
        Of weights; biases have none.
    clip : float
        Largest norm of the gradient.
    ema : float
        Decay of the moving average of the parameters.
    quantise_from : float
        Fraction of the steps after which the network is trained with rounding.
    seed : int
    histories : float
        Share of the crops that are given a history (:mod:`pixcodec.training.histories`), 0..1.
    """

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
    quantise_from: float = 0.85
    seed: int = 0
    histories: float = HISTORIES

    def rate(self, step: int) -> float:
        """Return the learning rate of ``step``: a linear warm-up, then half a cosine."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        decay = self.final_fraction + (1 - self.final_fraction) * cosine
        return self.learning_rate * decay * min(1.0, (step + 1) / self.warmup)

    def quantised(self, step: int) -> bool:
        """Return whether ``step`` trains the rounded network; those that only torch runs are not rounded."""
        return (
            not isinstance(self.architecture, TorchArchitecture) and step >= self.quantise_from * self.steps
        )


def load_settings(checkpoint: Path) -> Settings:
    """Return the settings of the run that wrote a checkpoint.

    Raises
    ------
    ValueError
        If the file is no checkpoint.
    """
    try:
        with safe_open(checkpoint, framework="pt") as f:
            values = json.loads(f.metadata()["settings"])
    except (SafetensorError, KeyError, TypeError) as error:  # TypeError: there is no metadata
        raise ValueError(f"{checkpoint}: not a checkpoint of a training run") from error
    return Settings(**{**values, "architecture": architecture_from(values["architecture"])})


class Trainer:
    """A run: its network, moving average and optimiser, and the number of the next step.

    Parameters
    ----------
    settings : Settings
    device : str
        A torch device.
    """

    def __init__(self, settings: Settings, device: str = "cpu") -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.device, self.step = settings, device, 0
        self.network = network_of(settings.architecture).to(device)
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
        """Take every further step together with other processes.

        Raises
        ------
        ValueError
            If another process is at another step: it read another checkpoint, or none.
        """
        mean = float(processes.mean(torch.tensor(float(self.step), device=self.device)))
        if mean != self.step:
            raise ValueError(f"step is {self.step}, but other processes have another; do all see one folder?")
        self.processes = processes

    def train_step(self, batch: Tensor, classes: Tensor | None = None) -> float:
        """Take one step.

        Parameters
        ----------
        batch : Tensor of float, shape (B, C, H, W)
            Values 0..255; of several processes, the share of this one.
        classes : Tensor of int64, shape (B,), optional
            Classes of the images, where the condition is the class.

        Returns
        -------
        float
            Loss in bits per subpixel, of the batches of all processes.
        """
        s = self.settings
        self.network.quantised = s.quantised(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = s.rate(self.step)
        loss = bits_per_subpixel(self.network(batch, self.condition(batch, classes)), batch).mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        self.processes.average_gradients(self.network)
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), s.clip)
        self.optimiser.step()
        keep = min(s.ema, (self.step + 1) / (self.step + _AVERAGE_DELAY))
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                self.average[name].lerp_(parameter, 1 - keep)
        self.step += 1
        return float(self.processes.mean(loss.detach()))

    def condition(self, batch: Tensor, classes: Tensor | None) -> Tensor | None:
        """Return what the network is told of a batch; arguments as of :meth:`train_step`."""
        architecture = self.settings.architecture
        if isinstance(architecture, TorchArchitecture):
            return condition_of(architecture, batch, classes)
        return None

    def averaged(self) -> PixelCNN:
        """Return a network with the averaged weights, which rounds as its integer network does."""
        network = network_of(self.settings.architecture)
        network.load_state_dict({n: v.cpu() for n, v in self.average.items()}, strict=False)
        network.quantised = not isinstance(self.settings.architecture, TorchArchitecture)
        return network.eval()

    def save(self, path: Path) -> None:
        """Write a checkpoint; it replaces an earlier one when it is complete."""
        tensors: dict[str, Tensor] = {}
        for name, parameter in self.network.named_parameters():
            tensors[f"weights.{name}"] = parameter.detach().cpu().clone()
            tensors[f"average.{name}"] = self.average[name].cpu().clone()
            for key, value in self.optimiser.state.get(parameter, {}).items():
                tensors[f"optimiser.{key}.{name}"] = torch.as_tensor(value).cpu().clone()
        meta = {"settings": json.dumps(asdict(self.settings)), "step": str(self.step)}
        temporary = path.with_suffix(PARTIAL_SUFFIX)
        save_file(tensors, temporary, metadata=meta)
        os.replace(temporary, path)

    @classmethod
    def load(cls, path: Path, device: str = "cpu") -> Trainer:
        """Return the trainer that wrote a checkpoint, at the step where it was.

        Raises
        ------
        ValueError
            If the file is no checkpoint.
        """
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
                if state := _optimiser_state(tensors, name, device):
                    trainer.optimiser.state[parameter] = state
        return trainer


def _optimiser_state(tensors: dict[str, Tensor], name: str, device: str) -> dict[str, Any]:
    """Return the state of the optimiser for one parameter; empty before the first step."""
    state: dict[str, Any] = {}
    for key in _OPTIMISER_STATE:
        full = f"optimiser.{key}.{name}"
        if full in tensors:
            state[key] = tensors[full] if key == "step" else tensors[full].to(device)
    return state
