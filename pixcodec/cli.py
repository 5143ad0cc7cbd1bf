"""The command ``pixcodec``; the only file that prints or exits.

Data goes to stdout, everything else to stderr. Exit status: 0 done, 1 failed, 2 wrong usage, 4 damaged or
foreign input, 5 model missing, 6 limit exceeded, 130 interrupted. Heavy imports happen inside the commands.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

import pixcodec
from pixcodec import errors
from pixcodec.atomic import replacing, write_whole
from pixcodec.container import HEADER_SIZE_BYTES, Info
from pixcodec.header import DEFAULT_MAX_PIXELS, MAX_PIXELS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pixels = npt.NDArray[np.uint8]

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130
EXIT_CODES: dict[type[BaseException], int] = {
    errors.CorruptFileError: 4,
    errors.NotPixcodecError: 4,
    errors.UnsupportedVersionError: 4,
    errors.ModelMismatchError: 5,
    errors.LimitExceededError: 6,
}
TRACEBACK_VARIABLE = "PIXCODEC_TRACEBACK"  # set it to see where an unexpected error comes from
STREAM = "-"
SUFFIX = ".pxc"
OUTPUT_SUFFIXES = ("bmp", "pbm", "pgm", "png", "ppm", "tif", "tiff", "webp")  # image_files.WRITABLE
PROGRESS_AFTER_SECONDS = 1.0
PROGRESS_WIDTH = 30

Command = TypeVar("Command", bound=Callable[..., Any])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line (default: that of the process) and return its exit status."""
    with suppress(ValueError):  # only the main thread may
        signal.signal(signal.SIGTERM, _terminate)
    try:
        status = cli.main(arguments, prog_name="pixcodec", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the last flush fails as well
        return EXIT_FAILED
    except click.ClickException as error:
        _say(f"error: {error.format_message()}")
        return error.exit_code
    except Exception as error:
        if os.environ.get(TRACEBACK_VARIABLE):
            raise
        _say(f"error: {_message(error)}")
        return EXIT_CODES.get(type(error), EXIT_FAILED)
    return status if isinstance(status, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(pixcodec.__version__, prog_name="pixcodec")
@click.pass_context
def cli(context: click.Context) -> None:
    """Lossless image compression with a PixelCNN."""
    if context.invoked_subcommand is None:
        raise click.UsageError("a command is missing, see pixcodec --help")


def _coding_options(command: Command) -> Command:
    for option in (
        click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Processor cores to use."),
        click.option("--model", type=click.Path(path_type=Path), help="Model file instead of a shipped one."),
        click.option(
            "--max-pixels",
            type=click.IntRange(1, MAX_PIXELS),
            metavar="N",
            default=DEFAULT_MAX_PIXELS,
            show_default=True,
            help="Refuse larger images.",
        ),
    ):
        command = option(command)
    return command


def _encoder_options(command: Command) -> Command:
    for option in (
        click.option(
            "--order",
            type=click.Choice(["wavefront", "raster"]),
            default="wavefront",
            help="Order of the pixels; raster is slow to decode.",
        ),
        click.option(
            "--effort",
            type=click.Choice(["fast", "normal", "max"]),
            default="normal",
            show_default=True,
            help="More effort, smaller files.",
        ),
    ):
        command = option(command)
    return command


_force_option = click.option("-f", "--force", is_flag=True, help="Overwrite the output if it exists.")


@cli.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="[OUT]", required=False)
@_encoder_options
@click.option("--no-verify", is_flag=True, help="Do not decode the result to check it.")
@_force_option
@_coding_options
def encode(
    source: str,
    target: str | None,
    effort: str,
    order: str,
    no_verify: bool,
    force: bool,
    max_pixels: int,
    model: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Encode the image IN as OUT (default: IN with the suffix .pxc); - is stdin or stdout."""
    if target is None:
        target = STREAM if source == STREAM else str(Path(source).with_suffix(SUFFIX))
    _check_target(source, target, force)
    _check_model(model)
    pixels = _read_pixels(source, max_pixels)
    start = time.perf_counter()
    with _progress("encode", quiet) as progress, _about(source):
        data = pixcodec.encode(
            pixels,
            effort=effort,
            order=order,
            model=model,
            threads=threads,
            verify=not no_verify,
            progress=progress,
        )
    _write(target, data, force)
    if not quiet:
        seconds = time.perf_counter() - start
        height, width, _ = pixels.shape
        bpsp = 8 * len(data) / pixels.size
        _say(
            f"{target}: {width}x{height} pixels, {pixels.size} -> {len(data)} bytes, "
            f"{bpsp:.3f} bpsp_file, {seconds:.1f} s"
        )


@cli.command()
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@click.option("--format", "name", type=click.Choice(OUTPUT_SUFFIXES), help="Default: the suffix of OUT.")
@_force_option
@_coding_options
def decode(
    source: str,
    target: str,
    name: str | None,
    force: bool,
    max_pixels: int,
    model: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Decode the file IN to the image OUT; - is stdin or stdout (png unless --format says otherwise)."""
    from pixcodec.image_files import write_pixels

    name = name or _format_of(target)
    _check_target(source, target, force)
    _check_model(model)
    with _progress("decode", quiet) as progress, _about(source):
        data = _read_bytes(source)
        pixels = pixcodec.decode(data, model=model, threads=threads, max_pixels=max_pixels, progress=progress)
    with _about(target):
        image = write_pixels(pixels, name)
    _write(target, image, force)


@cli.command()
@click.argument("source", metavar="FILE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(source: str, as_json: bool) -> None:
    """Show what the header of FILE says, without decoding it."""
    with _about(source):
        found = _read_info(source)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(
        f"{source}\n"
        f"  image       {found.width}x{found.height} pixels, {found.mode}, 8 bits per subpixel\n"
        f"  file        {found.size_bytes} bytes, {found.bpsp_file:.3f} bpsp_file\n"
        f"  effort      {found.effort}\n"
        f"  tiles       {found.tile_count} of up to {found.tile_width}x{found.tile_height} pixels\n"
        f"  model id    {found.model_id}\n"
        f"  format      version {found.format_version}"
    )


@cli.command()
@click.argument("sources", metavar="FILE...", nargs=-1, required=True)
@_coding_options
def verify(
    sources: tuple[str, ...], max_pixels: int, model: Path | None, threads: int | None, quiet: bool
) -> None:
    """Decode each FILE and check the hash of its pixels."""
    _check_model(model)
    status = 0
    for source in sources:
        try:
            with _progress("verify", quiet) as progress, _about(source):
                data = _read_bytes(source)
                pixcodec.decode(data, model=model, threads=threads, max_pixels=max_pixels, progress=progress)
        except (errors.PixcodecError, click.ClickException, OSError) as error:
            _say(f"error: {_message(error)}")
            status = status or EXIT_CODES.get(type(error), EXIT_FAILED)
        else:
            if not quiet:
                click.echo(f"{source}: ok")
    if status:
        raise click.exceptions.Exit(status)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each model.")
def models(as_json: bool) -> None:
    """List the models that ship with pixcodec."""
    found = pixcodec.list_models()
    if not found:
        raise errors.ModelMismatchError("this installation of pixcodec ships no model")
    for model in found:
        if as_json:
            click.echo(json.dumps(asdict(model)))
        else:
            click.echo(
                f"{model.name}  {model.model_id}  {model.channels} channel{'s'[: model.channels > 1]}  "
                f"{model.parameters} parameters  {model.size_bytes} bytes  {model.path}"
            )


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path))
@_encoder_options
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take the first N images only.")
@_coding_options
def bench(
    folder: Path,
    effort: str,
    order: str,
    limit: int | None,
    max_pixels: int,
    model: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Measure size and speed of pixcodec on the images below FOLDER, every round trip checked."""
    import numpy as np

    from pixcodec.training.data import list_images

    _check_model(model)
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: not a folder")
    paths = list_images(folder)[:limit]
    if not paths:
        raise click.ClickException(f"{folder}: no image found")

    def round_trip(pixels: Pixels) -> tuple[int, float, float]:
        """Return size in bytes, seconds to encode, seconds to decode."""
        start = time.perf_counter()
        data = pixcodec.encode(pixels, effort=effort, order=order, model=model, threads=threads)
        middle = time.perf_counter()
        decoded = pixcodec.decode(data, model=model, threads=threads, max_pixels=None)
        end = time.perf_counter()
        if not np.array_equal(decoded.reshape(pixels.shape), pixels):
            raise click.ClickException("the decoded image differs from the original")
        return len(data), middle - start, end - middle

    warm: set[int] = set()
    total = [0.0, 0.0, 0.0, 0.0, 0.0]  # subpixels, pixels, bytes, seconds to encode, seconds to decode
    click.echo("bpsp_file  encode MP/s  decode MP/s  size         image")
    for path in paths:
        try:
            pixels = _read_pixels(str(path), max_pixels)
        except (errors.PixcodecError, click.ClickException) as error:
            if not quiet:
                _say(f"skipped: {_message(error)}")
            continue
        height, width, channels = pixels.shape
        if channels not in warm:  # the first use compiles and loads
            round_trip(pixels[:8, :8])
            warm.add(channels)
        with _about(str(path)):
            row = (pixels.size, width * height, *round_trip(pixels))
        total = [a + b for a, b in zip(total, row, strict=True)]
        click.echo(_bench_line(row, f"{width}x{height}", str(path.relative_to(folder))))
    if total[0]:
        click.echo(_bench_line(total, "", "all"))


def _bench_line(row: Sequence[float], size: str, name: str) -> str:
    subpixels, pixels, size_bytes, encode_seconds, decode_seconds = row
    return (
        f"{8 * size_bytes / subpixels:9.3f}  {pixels / encode_seconds / 1e6:11.3f}  "
        f"{pixels / decode_seconds / 1e6:11.3f}  {size:11}  {name}"
    )


@cli.command()
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
@_force_option
@click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors.")
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
    Several processes can share each batch: torchrun --nproc-per-node N -m -- pixcodec.cli train DATA_DIR ...
    """
    run = run or out.with_suffix(".run")
    _check_target("", str(out), force)
    for folder in (data, *validation):
        if not folder.is_dir():
            raise click.ClickException(f"{folder}: not a folder")
    if not resume and (run / "checkpoint.safetensors").exists():
        raise click.ClickException(f"{run}: holds a run already; drop --no-resume or choose another --run")
    try:
        import torch
    except ImportError as error:
        raise click.ClickException("training needs torch: pip install 'pixcodec[train]'") from error
    from pixcodec.architecture import Architecture
    from pixcodec.training.distributed import own_device, process_group
    from pixcodec.training.export import export
    from pixcodec.training.restart import restart
    from pixcodec.training.train import Settings, Trainer, load_settings
    from pixcodec.training.train import train as run_training

    try:
        device = own_device(device)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise click.ClickException(f"device {device!r}: {_message(error)}") from error
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
            _say(", ".join(f"{key} {value}" for key, value in entry.items()))

    try:
        old = load_settings(source).architecture if source else Architecture()
        settings = Settings(
            architecture=replace(old, **given),
            steps=steps,
            batch=batch,
            crop=crop,
            learning_rate=learning_rate,
            seed=seed,
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
        _say(f"{out}: {out.stat().st_size} bytes")


def _terminate(number: int, frame: object) -> None:
    sys.exit(128 + number)  # unlike the default, this unwinds, so partial files go


def _say(text: str) -> None:
    click.echo(f"pixcodec: {' '.join(text.split())}", err=True)


def _message(error: BaseException) -> str:
    """Return what an error says, in one line's worth of words."""
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, MemoryError):
        return "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, (errors.PixcodecError, OSError)):
        return str(error)
    return f"{type(error).__name__}: {error} (unexpected; {TRACEBACK_VARIABLE}=1 shows where)"


@contextmanager
def _about(source: str) -> Iterator[None]:
    """Put the name of the file before the message of a PixcodecError."""
    try:
        yield
    except errors.PixcodecError as error:
        raise type(error)(f"{source}: {error}") from error


@contextmanager
def _progress(verb: str, quiet: bool) -> Iterator[Callable[[float], None] | None]:
    """Give a callable that draws a bar on a terminal once the work has taken a while."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    next_seconds = time.monotonic() + PROGRESS_AFTER_SECONDS
    drawn = False

    def draw(fraction: float) -> None:
        nonlocal next_seconds, drawn
        now = time.monotonic()
        if now < next_seconds:
            return
        next_seconds, drawn = now + 0.1, True
        done = round(fraction * PROGRESS_WIDTH)
        bar = "#" * done + "." * (PROGRESS_WIDTH - done)
        click.echo(f"\r{verb} [{bar}] {100 * fraction:3.0f} %", nl=False, err=True)

    try:
        yield draw
    finally:
        if drawn:
            click.echo("\r" + " " * (len(verb) + PROGRESS_WIDTH + 9) + "\r", nl=False, err=True)


def _check_model(model: Path | None) -> None:
    if model is not None and not model.is_file():
        raise errors.ModelMismatchError(f"{model}: no such model file")


def _format_of(target: str) -> str:
    if target == STREAM:
        return "png"
    suffix = Path(target).suffix.lower().removeprefix(".")
    if suffix not in OUTPUT_SUFFIXES:
        raise click.UsageError(
            f"{target}: suffix is {suffix or 'missing'}, expected one of {', '.join(OUTPUT_SUFFIXES)}; "
            "or use --format"
        )
    return suffix


def _read_bytes(source: str) -> bytes:
    return sys.stdin.buffer.read() if source == STREAM else Path(source).read_bytes()


def _read_info(source: str) -> Info:
    if source == STREAM:
        return pixcodec.read_info(_read_bytes(source))
    with Path(source).open("rb") as file:
        start = file.read(HEADER_SIZE_BYTES)
        size_bytes = file.seek(0, os.SEEK_END) if file.seekable() else len(start) + len(file.read())
    return pixcodec.read_info(start, size_bytes=size_bytes)


def _read_pixels(source: str, max_pixels: int) -> Pixels:
    from pixcodec.image_files import read_pixels

    with _about(source):
        return read_pixels(_read_bytes(source), max_pixels=max_pixels)


def _check_target(source: str, target: str, force: bool) -> None:
    """Raise if the output cannot or must not be written, before any work is done."""
    if target == STREAM:
        if sys.stdout.isatty():
            raise click.UsageError("output is a terminal: name a file or redirect stdout")
        return
    path = Path(target)
    if path.is_dir():
        raise click.ClickException(f"{target}: is a folder, expected a file")
    if source not in ("", STREAM) and path.exists() and Path(source).exists() and path.samefile(source):
        raise click.ClickException(f"{target}: input and output are the same file")
    _check_overwrite(path, force)
    folder = Path(os.path.realpath(path)).parent
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: no such folder")
    if not os.access(folder, os.W_OK):
        raise click.ClickException(f"{folder}: no permission to write in this folder")


def _check_overwrite(path: Path, force: bool) -> None:
    if path.is_file() and not force:
        raise click.ClickException(f"{path}: exists already; use -f to overwrite it")


def _write(target: str, data: bytes, force: bool) -> None:
    """Write the output so that it is there as a whole or not at all."""
    path = Path(target)
    if target == STREAM:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    elif path.exists() and not path.is_file():  # a device or a pipe: it must not be replaced
        path.write_bytes(data)
    else:
        _check_overwrite(path, force)
        write_whole(path, data)


if __name__ == "__main__":
    sys.exit(main())
