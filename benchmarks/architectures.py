"""Compare architectures at equal parameters and equal pixels seen, and conditions with none.

    python benchmarks/architectures.py DATA [--steps N] [--jobs N] [--work FOLDER] [--out FOLDER]

DATA holds the folders train and val, whose subfolders are the classes. Cuts 64x64 crops, trains every
architecture and condition on 32x32 parts of them, each in a process of its own with one thread, and measures
it on validation crops of both sizes. Writes architectures.json, .md and .png, and grids of samples. What is
in FOLDER already is not done again. With the default of steps this takes under an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks import architectures_report as report
from pixcodec.network.architecture import Architecture
from pixcodec.network.pixelcnn import PixelCNN, bits_per_subpixel
from pixcodec.training import LOG
from pixcodec.training.architectures.files import load_network, save_network
from pixcodec.training.architectures.gated import condition_of
from pixcodec.training.architectures.registry import coding_order, kind_of, parameter_count, sized
from pixcodec.training.architectures.sampling import receptive_field, sample
from pixcodec.training.architectures.sizes import CONDITIONS, KINDS, TorchArchitecture
from pixcodec.training.data import class_of, list_classes, list_images, load_pixels
from pixcodec.training.train import train
from pixcodec.training.trainer import Settings

REFERENCE = Architecture(features=32, blocks=3, hidden=32)
LARGE, SMALL = 64, 32  # sides of crops in pixels
CROPS_PER_IMAGE = 2  # of validation
RUNS = {f"gated+{name}": ("gated", name) for name in CONDITIONS} | {kind: (kind, "") for kind in KINDS}
STEPS, BATCH, WARMUP = 2400, 8, 30
VALIDATION_BATCH = 16
TIMED_STEPS = 6
FIELD_PIXEL = (49, 33)  # at which the receptive field is measured, row and column
FIELD_IMAGES = 4


def make_crops(data: Path, work: Path) -> None:
    """Cut LARGE crops: the centre of each training image, CROPS_PER_IMAGE of each validation image."""
    for name, parts in (("train", 1), ("val", CROPS_PER_IMAGE)):
        if (work / name).exists():
            continue
        unfinished = work / f"{name}.partial"
        for path in list_images(data / name):
            pixels = load_pixels(path, 3)
            height, width = pixels.shape[:2]
            target = unfinished / class_of(path, data / name)
            target.mkdir(parents=True, exist_ok=True)
            for part in range(parts):
                y = (height - LARGE) * (part + 1) // (parts + 1)
                x = (width - LARGE) * (part + 1) // (parts + 1)
                crop = Image.fromarray(pixels[y : y + LARGE, x : x + LARGE])
                crop.save(target / f"{path.stem}-{part}.png")
        unfinished.rename(work / name)


def validation_crops(work: Path, classes: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Return the validation crops (N, 3, LARGE, LARGE), values 0..255, and their classes (N,)."""
    paths = list_images(work / "val")
    pixels = np.stack([load_pixels(path, 3) for path in paths]).transpose(0, 3, 1, 2)
    found = [classes.index(class_of(path, work / "val")) for path in paths]
    return torch.from_numpy(pixels.astype(np.float32)), torch.tensor(found)


def told(network: PixelCNN, x: Tensor, classes: Tensor) -> Tensor | None:
    """Return the condition of images for a network, None if it takes none."""
    a = network.architecture
    return condition_of(a, x, classes) if isinstance(a, TorchArchitecture) else None


@torch.no_grad()
def all_bits(network: PixelCNN, x: Tensor, classes: Tensor) -> Tensor:
    """Return the bits of every subpixel of images (N, C, H, W)."""
    batches = zip(torch.split(x, VALIDATION_BATCH), torch.split(classes, VALIDATION_BATCH), strict=True)
    return torch.cat([bits_per_subpixel(network(b, told(network, b, c)), b) for b, c in batches])


def run_one(name: str, work: Path, steps: int) -> None:
    """Train one network and write what is measured of it to a JSON file in the folder ``work``."""
    torch.set_num_threads(1)
    kind, condition = RUNS[name]
    classes = list_classes(work / "train")
    own_classes = classes if condition == "class" else ()
    architecture = sized(kind, REFERENCE, condition=condition, classes=own_classes)
    settings = Settings(
        architecture=architecture,
        steps=steps,
        batch=BATCH,
        crop=SMALL,
        warmup=WARMUP,
        quantise_from=2.0,  # never: all are compared as torch computes them
        histories=0.0,
    )
    trainer = train(work / "train", work / name, settings)
    log = json.loads((work / name / LOG).read_text().splitlines()[-1])
    network = trainer.averaged()
    network.quantised = False
    x, labels = validation_crops(work, classes)
    seconds = time.process_time()
    for _ in range(TIMED_STEPS):  # these do not count: the averages are taken before
        trainer.train_step(x[:BATCH, :, :SMALL, :SMALL], labels[:BATCH])
    seconds = time.process_time() - seconds
    result = {
        "kind": kind,
        "condition": condition,
        "parameters": parameter_count(architecture),
        "units": getattr(architecture, "units", getattr(architecture, "state", None)),
        "pixels_seen": log["pixels_seen"],
        "train_pixels_per_second": TIMED_STEPS * BATCH * SMALL**2 / seconds,
        "train_bits": log["train_bpsp"],
        **measured(network, x, labels),
    }
    if not condition:
        seconds = time.process_time()
        drawn = sample(network, report.COLUMNS, SMALL, SMALL, seed=1)
        result["sample_seconds"] = (time.process_time() - seconds) / report.COLUMNS
        np.save(work / f"{name}.npy", drawn)
    save_network(network, work / f"{name}.safetensors", {})
    (work / f"{name}.json").write_text(json.dumps(result, indent=1))


def measured(network: PixelCNN, x: Tensor, classes: Tensor) -> dict[str, Any]:
    """Measure bits, steps, times and receptive field of a network; times are those of the processor."""
    quarter = x[:, :, :SMALL, :SMALL]
    bits = all_bits(network, x, classes)
    result: dict[str, Any] = {
        f"bits_{LARGE}": float(bits.mean()),
        f"bits_{SMALL}": float(all_bits(network, quarter, classes).mean()),
    }
    a = network.architecture
    for side in (SMALL, LARGE):
        result[f"steps_{side}"] = 3 * (int(coding_order(a, side, side).max()) + 1)
    if isinstance(a, TorchArchitecture) and a.condition == "class":
        wrong = [all_bits(network, x, (classes + shift) % len(a.classes)).mean() for shift in (1, 2)]
        result["bits_wrong_class"] = float(torch.stack(wrong).mean())
    if isinstance(a, TorchArchitecture) and a.condition:
        return result
    start = time.process_time()
    with torch.no_grad():
        network(x[:1])
    result["forward_seconds"] = time.process_time() - start
    field = receptive_field(network, x[:: len(x) // FIELD_IMAGES][:FIELD_IMAGES], *FIELD_PIXEL)
    result["field"] = field._asdict()
    if kind_of(a) == "multiscale":
        coarse = bits[:, :, ::4, ::4].sum(), bits[:, :, ::2, ::2].sum()
        result["share_of_grids"] = [float(part / bits.sum()) for part in coarse]
    return result


def main(arguments: list[str] | None = None) -> int:
    """Do all runs that are missing, then write the table, the plot and the samples."""
    parser = argparse.ArgumentParser(prog="architectures.py", description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--jobs", type=int, default=2, help="processes that train at the same time")
    parser.add_argument("--work", type=Path, default=ROOT / "build/architectures")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results")
    parser.add_argument("--report", action="store_true", help="train nothing; report what is finished")
    parser.add_argument("--only", choices=RUNS, help=argparse.SUPPRESS)  # a process of the pool
    options = parser.parse_args(arguments)
    if options.only:
        run_one(options.only, options.work, options.steps)
        return 0
    options.work.mkdir(parents=True, exist_ok=True)
    make_crops(options.data, options.work)

    def start(name: str) -> None:
        if (options.work / f"{name}.json").exists():
            return
        command = [sys.executable, __file__, str(options.data), "--only", name]
        command += ["--steps", str(options.steps), "--work", str(options.work)]
        subprocess.run(command, check=True)
        print(name, flush=True)

    if not options.report:
        with ThreadPoolExecutor(options.jobs) as pool:
            list(pool.map(start, RUNS))
    finished = [name for name in RUNS if (options.work / f"{name}.json").exists()]
    results: dict[str, Any] = {
        "runs": {name: json.loads((options.work / f"{name}.json").read_text()) for name in finished},
        "steps": options.steps,
        "crop": SMALL,
        "torch": torch.__version__,
        "validation_crops": len(list_images(options.work / "val")),
    }
    classes = list_classes(options.work / "train")
    networks = {name: load_network(options.work / f"{name}.safetensors") for name in finished}
    x, labels = validation_crops(options.work, classes)
    drawn = {kind: np.load(options.work / f"{kind}.npy") for kind in KINDS if kind in finished}
    results |= report.draw_samples(networks, drawn, x[:, :, :SMALL, :SMALL], labels, options.out)
    report.write(results, options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
