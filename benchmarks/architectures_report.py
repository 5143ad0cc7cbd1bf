"""The table, the plot and the grids of samples of architectures.py."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from pixcodec.network.pixelcnn import PixelCNN
from pixcodec.training.architectures.gated import condition_of
from pixcodec.training.architectures.sampling import sample
from pixcodec.training.architectures.sizes import CONDITIONS, KINDS, TorchArchitecture

COLUMNS = 8  # images of a row of samples
PAGE_COLUMNS = 120
LABELS = {
    "pixelcnn": "PixelCNN (the codec's)",
    "gated": "Gated PixelCNN",
    "diagonal-bilstm": "PixelRNN, Diagonal BiLSTM",
    "row-lstm": "PixelRNN, Row LSTM",
    "hybrid": "hybrid, PixelCNN and row state",
    "multiscale": "multi-scale, grids 1/4, 1/2, 1",
}
PUBLISHED = {"PixelCNN": 3.14, "Gated PixelCNN": 3.03, "PixelRNN": 3.00, "PixelCNN++": 2.92}

Pixels = npt.NDArray[np.uint8]


def images_of(x: Tensor) -> Pixels:
    """Turn (N, C, H, W), C 1 or 3, into RGB images (N, H, W, 3)."""
    pixels = x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x
    return pixels.permute(0, 2, 3, 1).numpy().astype(np.uint8)


def save_grid(rows: list[Pixels], path: Path) -> None:
    """Save rows of images (N, H, W, 3) as one PNG."""
    grid = np.concatenate([np.concatenate(list(row), 1) for row in rows])
    Image.fromarray(grid).save(path, optimize=True)


def draw_samples(
    networks: dict[str, PixelCNN], plain: dict[str, Pixels], x: Tensor, classes: Tensor, out: Path
) -> dict[str, Any]:
    """Save samples of all networks, and measure how well those with a condition follow it.

    Parameters
    ----------
    networks : dict
        By the names of runs.
    plain : dict
        COLUMNS images (N, H, W, 3) drawn from each architecture.
    x : Tensor, shape (N, 3, H, W)
        Images whose conditions are given to the networks.
    classes : Tensor of int64, shape (N,)
    out : Path
        Folder of the PNG files.
    """
    out.mkdir(parents=True, exist_ok=True)
    side = x.shape[2]
    save_grid([plain[kind] for kind in KINDS if kind in plain], out / "architectures-samples.png")
    chosen = torch.linspace(0, len(x) - 1, COLUMNS).long()
    originals = x[chosen]
    rows, follows = [images_of(originals)], {}
    for name in CONDITIONS:
        network = networks[f"gated+{name}"]
        a = network.architecture
        assert isinstance(a, TorchArchitecture)
        if name == "class":
            for label in range(len(a.classes)):
                told = torch.full((COLUMNS,), label)
                drawn = sample(network, COLUMNS, side, side, seed=2, condition=told)
                rows.append(drawn)
                follows[f"activity_of_{a.classes[label]}"] = _activity(drawn)
                follows[f"activity_of_real_{a.classes[label]}"] = _activity(images_of(x[classes == label]))
            continue
        reduced = condition_of(a, originals, classes[chosen])
        assert reduced is not None
        told = reduced
        drawn = sample(network, COLUMNS, side, side, seed=2, condition=told)
        shown = told.repeat_interleave(side // told.shape[2], 2).repeat_interleave(side // told.shape[3], 3)
        rows += [images_of(shown), drawn]
        for key, images in ((name, drawn), (f"{name}_unconditional", plain["gated"])):
            again = condition_of(a, torch.from_numpy(images.transpose(0, 3, 1, 2).astype(np.float32)), None)
            assert again is not None
            follows[f"distance_{key}"] = float((again - told).abs().mean())
    save_grid(rows, out / "architectures-conditions.png")
    return {"follows": follows}


def _activity(images: Pixels) -> float:
    """Return the mean absolute difference of horizontal neighbours, in levels."""
    return float(np.abs(np.diff(images.astype(np.int16), axis=2)).mean())


def write(results: dict[str, Any], out: Path) -> None:
    """Write architectures.json, .md and .png."""
    (out / "architectures.json").write_text(json.dumps(results, indent=1) + "\n")
    lines = [line if line.startswith("|") else fill(line, PAGE_COLUMNS) for line in markdown(results)]
    (out / "architectures.md").write_text("\n".join(lines) + "\n")
    plot(results, out / "architectures.png")


def markdown(results: dict[str, Any]) -> list[str]:
    """Return the lines of the tables."""
    runs = results["runs"]
    first = runs["pixelcnn"]
    lines = [
        "# Architectures",
        "",
        f"Made by `benchmarks/architectures.py`. Every network saw {first['pixels_seen'] / 1e6:.2f} million "
        f"pixels: {results['steps']} batches of {results['crop']}x{results['crop']} parts of 64x64 crops at "
        f"native size, in the same order. Bits per dimension are means over {results['validation_crops']} "
        "validation crops, in float32. Inputs, heads and distributions are those of the PixelCNN; only the "
        "trunk differs. Times are those of one core's processor time.",
        "",
        "| architecture | parameters | bits/dim 32x32 | bits/dim 64x64 | training pixels/s "
        "| sampling s/image | coding steps 32, 64 | encode 64x64, ms | receptive field at 64x64 |",
        "|---" * 9 + "|",
    ]
    for kind in KINDS:
        if kind not in runs:
            lines.append(f"| {LABELS[kind]} | not finished |" + " |" * 7)
            continue
        r = runs[kind]
        f = r["field"]
        field = (
            f"{f['pixels']} pixels: {f['up']} up, {f['left']} left, {f['right']} right"
            + (f", {f['down']} down" if f["down"] else "")
            + f"; 99 % of the gradient in {f['effective_rows']} rows"
        )
        speed = r["train_pixels_per_second"]
        lines.append(
            f"| {LABELS[kind]} | {r['parameters']} | {r['bits_32']:.3f} | {r['bits_64']:.3f} | {speed:.0f} | "
            f"{r['sample_seconds']:.2f} | {r['steps_32']}, {r['steps_64']} | "
            f"{1000 * r['forward_seconds']:.0f} | {field} |"
        )
    lines += [
        "",
        f"Sampling draws {COLUMNS} images of 32x32 together; the time is that of one. A decoder takes "
        "the same steps, an encoder a single pass. A step is one channel of all pixels that can be known "
        "together. The receptive field is the set of pixels with a gradient that is not zero in float32 for "
        "the outputs at row 49, column 33, over four images.",
        "",
        "Published figures on CIFAR-10, of far larger networks, are not ours: "
        + ", ".join(f"{name} {bits:.2f}" for name, bits in PUBLISHED.items())
        + " bits/dim (van den Oord et al., 2016; Salimans et al., 2017).",
    ]
    if "multiscale" in runs:
        lines += _scales(runs["multiscale"], first)
    return lines + _conditions(results)


def _scales(run: dict[str, Any], first: dict[str, Any]) -> list[str]:
    """Return the lines about the order of grids."""
    quarter, half = run["share_of_grids"]
    return [
        "",
        "## Scales",
        "",
        f"The grids need {run['steps_64']} steps for 64x64 pixels where wavefronts need "
        f"{first['steps_64']}, and {run['bits_64'] - first['bits_64']:+.3f} bits/dim. The first grid (1/4 of "
        f"each side, 1/16 of the pixels) has {100 * quarter:.1f} % of the bits, the second (1/2) "
        f"{100 * half:.1f} %: that much of a file must be read for a preview of that size.",
    ]


def _conditions(results: dict[str, Any]) -> list[str]:
    """Return the table of the gated network with and without conditions."""
    runs, follows = results["runs"], results["follows"]
    plain = runs["gated"]
    lines = [
        "",
        "## Conditions",
        "",
        "The gated network with what it is told added in its gates, on the same pixels. The bits of what it "
        "is told are not counted.",
        "",
        "| condition | parameters | bits/dim 32x32 | bits/dim 64x64 | less than without |",
        "|---" * 5 + "|",
        f"| none | {plain['parameters']} | {plain['bits_32']:.3f} | {plain['bits_64']:.3f} | |",
    ]
    for name in CONDITIONS:
        r = runs[f"gated+{name}"]
        lines.append(
            f"| {name} | {r['parameters']} | {r['bits_32']:.3f} | {r['bits_64']:.3f} | "
            f"{100 * (1 - r['bits_64'] / plain['bits_64']):.1f} % |"
        )
    wrong = runs["gated+class"]["bits_wrong_class"]
    activity = ", ".join(
        f"{key.removeprefix('activity_of_')} {value:.1f}"
        for key, value in follows.items()
        if key.startswith("activity_of_")
    )
    return [
        *lines,
        "",
        f"Told a wrong class, the network needs {wrong:.3f} bits/dim. Samples that are told a reduced image "
        f"are on average {follows['distance_low-resolution']:.1f} levels from it when reduced (samples that "
        f"are not: {follows['distance_low-resolution_unconditional']:.1f}); those that are told a grey image "
        f"{follows['distance_grey']:.1f} levels ({follows['distance_grey_unconditional']:.1f}). Mean "
        f"differences of neighbours in samples of a class and in real images of it, in levels: {activity}.",
        "",
        "`architectures-samples.png`: samples of each architecture, in the order of the table. "
        "`architectures-conditions.png`: validation images; samples of each class, in the order of their "
        "names; the reduced images and samples from them; the grey images and samples from them.",
    ]


def plot(results: dict[str, Any], path: Path) -> None:
    """Draw bits per dimension against training speed, and bits with and without conditions."""
    from matplotlib.figure import Figure

    runs = results["runs"]
    figure = Figure(figsize=(10, 4), layout="constrained", dpi=90)
    left, right = figure.subplots(1, 2)
    for kind in KINDS:
        if kind not in runs:
            continue
        r = runs[kind]
        speed = r["train_pixels_per_second"] / 1000
        for side, marker in ((32, "o"), (64, "s")):
            left.plot([speed], [r[f"bits_{side}"]], marker, color="#0969da" if side == 64 else "#8c959f")
        left.annotate(kind, (speed, r["bits_64"]), (5, -4), textcoords="offset points", fontsize=8)
    left.set_xlabel("training, thousand pixels per second of one core")
    left.set_ylabel("bits per dimension")
    left.set_title("32x32 (circles) and 64x64 (squares)", fontsize=10)
    left.margins(x=0.25)
    names = ["none", *CONDITIONS]
    values = [runs["gated" if name == "none" else f"gated+{name}"]["bits_64"] for name in names]
    bars = right.bar(names, values, color=["#8c959f"] + ["#0969da"] * len(CONDITIONS))
    right.bar_label(bars, fmt="%.3f", fontsize=8)
    right.set_title("gated network, by what it is told, 64x64", fontsize=10)
    for axes in (left, right):
        axes.grid(axis="y", linewidth=0.5, color="#d1d9e0")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Software": None})
