"""``pixcodec train``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pixcodec.batch.atomic import replacing
from pixcodec.batch.outputs import check_target
from pixcodec.cli.options import force_option, quiet_option
from pixcodec.cli.terminal import message, say
from pixcodec.training import CHECKPOINT
from pixcodec.training.architectures.sizes import CONDITIONS, KINDS, TorchArchitecture

if TYPE_CHECKING:
    from pixcodec.training.trainer import Settings

SIZES = ("features", "blocks", "hidden", "components")  # of the network
TRUNK = ("kind", "units", "condition")  # what else its trunk depends on
SECONDS_PER_MINUTE = 60

EPILOG = """
\b
Examples:
  pixcodec train pictures --out rgb.safetensors --validation others
  pixcodec train pictures --out grey.safetensors --grey --device cuda
  pixcodec train pictures --out large.safetensors --features 96 \\
      --from rgb.run/checkpoint.safetensors
  torchrun --nproc-per-node 4 -m -- pixcodec train pictures --out rgb.safetensors
"""


@click.command(epilog=EPILOG)
@click.argument("data", metavar="DATA_DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Model file to write (.safetensors).",
)
@click.option(
    "--run",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of checkpoint and log.  [default: OUT.run]",
)
@click.option(
    "--from",
    "source",
    metavar="CHECKPOINT",
    type=click.Path(path_type=Path),
    help="Start with the weights of this run; the network may be larger.",
)
@click.option(
    "--validation",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of images to validate on; may be repeated.",
)
@click.option(
    "--architecture",
    "kind",
    type=click.Choice(KINDS),
    help="Trunk of the network. Only torch runs others than pixelcnn and row-lstm: they do not code files.  "
    "[default: pixelcnn, or as in CHECKPOINT]",
)
@click.option(
    "--condition",
    type=click.Choice(CONDITIONS),
    help="What a gated network is told of an image: the subfolder of DATA_DIR that it is in, the image "
    "reduced by 4, or the grey image.",
)
@click.option("--grey", is_flag=True, help="Train for grey images instead of RGB.")
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    metavar="N",
    default=32000,
    show_default=True,
    help="Length of the run.",
)
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="N", default=4, show_default=True, help="Crops per step."
)
@click.option(
    "--crop",
    type=click.IntRange(min=8),
    metavar="N",
    default=64,
    show_default=True,
    help="Side of a crop in pixels.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    default=3e-3,
    show_default=True,
    help="Largest learning rate.",
)
@click.option(
    "--histories",
    type=click.FloatRange(0, 1),
    metavar="X",
    default=0.5,
    show_default=True,
    help="Share of the crops that are processed as real images often were (JPEG, noise, ...).",
)
@click.option(
    "--features",
    type=click.IntRange(1, 512),
    metavar="N",
    help="Features of a pixel.  [default: 48, or as in CHECKPOINT]",
)
@click.option(
    "--blocks",
    type=click.IntRange(0, 32),
    metavar="N",
    help="Blocks of the trunk.  [default: 4, or as in CHECKPOINT]",
)
@click.option(
    "--units",
    type=click.IntRange(1, 512),
    metavar="N",
    help="Width inside the trunk, not of a pixelcnn.  [default: for as many parameters as a pixelcnn]",
)
@click.option(
    "--hidden",
    type=click.IntRange(1, 512),
    metavar="N",
    help="Hidden units of a head.  [default: 48, or as in CHECKPOINT]",
)
@click.option(
    "--components",
    type=click.IntRange(1, 16),
    metavar="N",
    help="Components of a mixture.  [default: 4, or as in CHECKPOINT]",
)
@click.option(
    "--seed", type=int, metavar="N", default=0, show_default=True, help="Of weights, crops and augmentation."
)
@click.option("--device", metavar="NAME", default="cpu", show_default=True, help="Device as torch names it.")
@click.option("--resume/--no-resume", default=True, show_default=True, help="Continue the run in its folder.")
@click.option(
    "--minutes-between-checkpoints",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    default=4.0,
    show_default=True,
    help="Time between checkpoints, at each of which it validates.",
)
@force_option
@quiet_option
def train(
    data: Path,
    out: Path,
    run: Path | None,
    source: Path | None,
    validation: tuple[Path, ...],
    grey: bool,
    device: str,
    resume: bool,
    minutes_between_checkpoints: float,
    force: bool,
    quiet: bool,
    **numbers: Any,
) -> None:
    """Train a model on the images below DATA_DIR.

    A run that was interrupted continues at its last checkpoint, with the settings that it had. Several
    processes that torchrun starts share each batch.
    """
    run = run or out.with_suffix(".run")
    check_target(str(out), force=force)
    _check_folders(run, (data, *validation), resume=resume)
    device = _checked_device(device)
    from pixcodec.training.distributed import process_group
    from pixcodec.training.restart import restart
    from pixcodec.training.train import train as run_training
    from pixcodec.training.trainer import Trainer

    if (run / CHECKPOINT).exists():
        source = None  # the run was started before
    last: dict[str, Any] = {}

    def report(entry: dict[str, Any]) -> None:
        last.update(entry)
        if not quiet:
            say(", ".join(f"{key} {value}" for key, value in entry.items()))

    try:
        settings = _settings(source, data, grey, numbers)
        with process_group(device) as processes:
            trainer = run_training(
                data,
                run,
                settings,
                begin=partial(restart, source) if source else Trainer,
                processes=processes,
                validation=list(validation),
                device=device,
                every_seconds=SECONDS_PER_MINUTE * minutes_between_checkpoints,
                report=report,
            )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if processes.first:
        _write_model(trainer, out, {"step": trainer.step, "data": data.name, **last})
        if not quiet:
            say(f"{out}: {out.stat().st_size} bytes")


def _check_folders(run: Path, images: Sequence[Path], *, resume: bool) -> None:
    """Raise an error if a folder of images is missing, or the run exists and must not be resumed."""
    for folder in images:
        if not folder.is_dir():
            raise click.ClickException(f"{folder}: not a folder")
    if not resume and (run / CHECKPOINT).exists():
        raise click.ClickException(f"{run}: holds a run already; drop --no-resume or choose another --run")


def _checked_device(device: str) -> str:
    """Return the device of this process, after a check that torch can use it."""
    try:
        import torch
    except ImportError as error:
        raise click.ClickException("training needs torch: pip install 'pixcodec[train]'") from error
    from pixcodec.training.distributed import own_device

    try:
        device = own_device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise click.ClickException(f"device {device!r}: {message(error)}") from error
    return device


def _settings(source: Path | None, data: Path, grey: bool, numbers: dict[str, Any]) -> Settings:
    """Return the settings of a new run.

    Parameters
    ----------
    source : Path or None
        Checkpoint whose sizes of the network are the default.
    data : Path
        Folder of images, of which the condition ``class`` takes the names of subfolders.
    grey : bool
    numbers : dict
        Options by name: SIZES, of which None stands for the default, TRUNK, and fields of Settings.

    Raises
    ------
    ValueError
        If the checkpoint is none, or if options do not go together.
    """
    from pixcodec.network.architecture import Architecture
    from pixcodec.training.architectures.registry import continued, kind_of, sized
    from pixcodec.training.data import list_classes
    from pixcodec.training.trainer import Settings, load_settings

    given = {name: numbers.pop(name) for name in SIZES}
    given = {name: size for name, size in given.items() if size is not None}
    if grey:
        given["channels"] = 1
    old = load_settings(source).architecture if source else Architecture()
    kind, units, condition = (numbers.pop(name) for name in TRUNK)
    reference = replace(old, **given)
    if source:
        if condition:
            raise ValueError("--from starts networks without a condition only")
        return Settings(architecture=continued(kind or kind_of(old), reference, units=units), **numbers)
    classes = list_classes(data) if condition == "class" else ()
    architecture = sized(kind or KINDS[0], reference, units=units, condition=condition or "", classes=classes)
    return Settings(architecture=architecture, **numbers)


def _write_model(trainer: Any, out: Path, metadata: dict[str, Any]) -> None:
    """Write the averaged network of a trainer as a model file, or as a file for torch."""
    from pixcodec.training.architectures.files import save_network
    from pixcodec.training.export import export

    torch_only = isinstance(trainer.settings.architecture, TorchArchitecture)
    with replacing(out) as temporary:
        write = save_network if torch_only else export
        write(trainer.averaged(), temporary, {key: str(value) for key, value in metadata.items()})
