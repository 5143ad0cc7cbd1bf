"""``pixcodec train``: a model of one's own."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from pixcodec.batch.atomic import replacing
from pixcodec.batch.outputs import check_target
from pixcodec.cli.options import force_option, quiet_option
from pixcodec.cli.terminal import message, say


@click.command()
@click.argument("data", metavar="DATA_DIR", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Model file (.safetensors).")
@click.option(
    "--run", type=click.Path(path_type=Path), help="Folder of checkpoint and log.  [default: OUT.run]"
)
@click.option(
    "--from",
    "source",
    metavar="CHECKPOINT",
    type=click.Path(path_type=Path),
    help="Begin with the weights of this run; the network may be larger.",
)
@click.option("--validation", multiple=True, type=click.Path(path_type=Path), help="Folder to validate on.")
@click.option("--grey", is_flag=True, help="Train for grey images instead of RGB.")
@click.option("--steps", type=click.IntRange(min=1), default=32000, show_default=True)
@click.option("--batch", type=click.IntRange(min=1), default=4, show_default=True, help="Crops per step.")
@click.option("--crop", type=click.IntRange(min=8), default=64, show_default=True, help="Side in pixels.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=3e-3, show_default=True)
@click.option(
    "--histories",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="Share of the crops that are processed as real images were (JPEG, ...).",
)
@click.option("--features", type=click.IntRange(1, 512), help="Default: 48, or as in CHECKPOINT.")
@click.option("--blocks", type=click.IntRange(0, 32), help="Default: 4, or as in CHECKPOINT.")
@click.option("--hidden", type=click.IntRange(1, 512), help="Default: 48, or as in CHECKPOINT.")
@click.option("--components", type=click.IntRange(1, 16), help="Default: 4, or as in CHECKPOINT.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--device", default="cpu", show_default=True, help="Device as torch names it.")
@click.option("--resume/--no-resume", default=True, show_default=True, help="Continue the run in its folder.")
@click.option(
    "--minutes-between-checkpoints",
    type=click.FloatRange(min=0, min_open=True),
    default=4.0,
    show_default=True,
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
    steps: int,
    batch: int,
    crop: int,
    learning_rate: float,
    histories: float,
    features: int | None,
    blocks: int | None,
    hidden: int | None,
    components: int | None,
    seed: int,
    device: str,
    resume: bool,
    minutes_between_checkpoints: float,
    force: bool,
    quiet: bool,
) -> None:
    """Train a model on the images below DATA_DIR.

    A run that was interrupted continues where its last checkpoint left it, with the settings it had.
    Several processes can share each batch: torchrun --nproc-per-node N -m -- pixcodec train DATA_DIR ...
    """
    run = run or out.with_suffix(".run")
    check_target(str(out), force=force)
    for folder in (data, *validation):
        if not folder.is_dir():
            raise click.ClickException(f"{folder}: not a folder")
    if not resume and (run / "checkpoint.safetensors").exists():
        raise click.ClickException(f"{run}: holds a run already; drop --no-resume or choose another --run")
    try:
        import torch
    except ImportError as error:
        raise click.ClickException("training needs torch: pip install 'pixcodec[train]'") from error
    from pixcodec.network.architecture import Architecture
    from pixcodec.training.distributed import own_device, process_group
    from pixcodec.training.export import export
    from pixcodec.training.restart import restart
    from pixcodec.training.train import Settings, Trainer, load_settings
    from pixcodec.training.train import train as run_training

    try:
        device = own_device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise click.ClickException(f"device {device!r}: {message(error)}") from error
    if (run / "checkpoint.safetensors").exists():
        source = None  # the run has begun already
    sizes = {"features": features, "blocks": blocks, "hidden": hidden, "components": components}
    given = {name: size for name, size in sizes.items() if size is not None}
    if grey:
        given["channels"] = 1
    last: dict[str, Any] = {}

    def report(entry: dict[str, Any]) -> None:
        last.update(entry)
        if not quiet:
            say(", ".join(f"{key} {value}" for key, value in entry.items()))

    try:
        old = load_settings(source).architecture if source else Architecture()
        settings = Settings(
            architecture=replace(old, **given),
            steps=steps,
            batch=batch,
            crop=crop,
            learning_rate=learning_rate,
            seed=seed,
            histories=histories,
        )
        with process_group(device) as processes:
            trainer = run_training(
                data,
                run,
                settings,
                begin=partial(restart, source) if source else Trainer,
                processes=processes,
                validation=list(validation),
                device=device,
                every_seconds=60 * minutes_between_checkpoints,
                report=report,
            )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    if not processes.first:
        return
    card = {key: str(value) for key, value in {"step": trainer.step, "data": data.name, **last}.items()}
    with replacing(out) as temporary:
        export(trainer.averaged(), temporary, card)
    if not quiet:
        say(f"{out}: {out.stat().st_size} bytes")
