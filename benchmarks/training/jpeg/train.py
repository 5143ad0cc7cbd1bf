"""Trains a network of blocks, and goes on with a run that broke off.

    python -m benchmarks.training.jpeg.train COMPONENTS RUN (luma|chroma) --hours 1

COMPONENTS is a folder that ``blocks`` wrote, RUN a folder for the checkpoint and the log. The learning rate
falls along a cosine over so many hours of one core. A run that goes on begins with new moments of Adam.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from benchmarks.training.jpeg.blocks import Component, components, load, turned
from benchmarks.training.jpeg.network import Batch, BlockNetwork, batch_of, costs, joined

FILES, BLOCKS = 16, 64  # of a batch
RATE, WARMUP, LEAST_RATE, CLIP = 3e-3, 200, 1e-6, 0.5
EVERY_SECONDS = 120  # a checkpoint
LUMA_BLOCKS = 10_000  # of a file
CHECKED = 20  # of so many files, one is for checking alone


class Sampler:
    """Random blocks of random components."""

    def __init__(self, paths: list[Path], chroma: bool, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._components: list[Component] = []
        for path in paths:
            for number, parts in components(load(path, LUMA_BLOCKS)):
                if (number > 0) == chroma and min(parts.blocks.shape[:2]) > 3:
                    parts = turned(parts, int(self._random.integers(8)))
                    self._components.append(Component(number, parts))

    def __call__(self, files: int, blocks: int) -> Batch:
        """Return so many blocks of each of so many components."""
        batches = []
        for at in self._random.integers(len(self._components), size=files):
            component = self._components[at]
            places = self._random.integers(component.rows * component.columns, size=blocks)
            batches.append(batch_of(component, places))
        return joined(batches)


def train(options: argparse.Namespace) -> None:
    """Train until the hours are over."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    chroma = options.network == "chroma"
    paths = sorted(options.components.glob("*.npz"))
    sampler = Sampler([p for i, p in enumerate(paths) if i % CHECKED], chroma, int(time.time()))
    checked = Sampler(paths[::CHECKED], chroma, 1)(64, BLOCKS)
    network = BlockNetwork(chroma)
    optimiser = torch.optim.Adam(network.parameters(), betas=(0.9, 0.99))
    options.run.mkdir(parents=True, exist_ok=True)
    checkpoint, spent, step = options.run / f"{options.network}.safetensors", 0.0, 0
    if checkpoint.exists():
        network.load_state_dict(load_file(checkpoint))
        with safe_open(checkpoint, framework="np") as file:
            progress = file.metadata()
        spent, step = float(progress["seconds"]), int(progress["step"])
    end, start, seen = 3600 * options.hours, time.process_time() - spent, []
    due = spent + EVERY_SECONDS
    while (now := time.process_time() - start) < end:
        rate = RATE * min(1, (step + 1) / WARMUP) * 0.5 * (1 + math.cos(math.pi * now / end)) + LEAST_RATE
        for group in optimiser.param_groups:
            group["lr"] = rate
        batch = sampler(FILES, BLOCKS)
        bits = network(batch)
        of_lengths, of_values = costs(bits, batch)
        loss = (of_lengths * batch.weights).sum() + (of_values * batch.weights[bits.block]).sum()
        optimiser.zero_grad()
        (loss / len(batch.lengths) / 64).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        seen.append(loss.item() / len(batch.lengths) / math.log(2))
        step += 1
        if now > due or now + 1 > end:
            due = now + EVERY_SECONDS
            with torch.no_grad():
                parts = costs(network(checked), checked)
            bits_a_block = sum(float(part.sum()) for part in parts) / len(checked.lengths) / math.log(2)
            row = {"seconds": round(now), "step": step, "rate": rate, "train": float(np.mean(seen))}
            row["check"], seen = bits_a_block, []
            with (options.run / f"{options.network}.jsonl").open("a") as log:
                log.write(json.dumps(row) + "\n")
            print(row, flush=True)
            progress = {"seconds": str(now), "step": str(step)}
            save_file(network.state_dict(), checkpoint, metadata=progress)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a network of JPEG blocks.")
    parser.add_argument("components", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("network", choices=("luma", "chroma"))
    parser.add_argument("--hours", type=float, default=1.0)
    train(parser.parse_args())
