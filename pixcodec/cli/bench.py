"""``pixcodec bench``: size and speed on the user's own images, beside other codecs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from pixcodec.batch.amounts import count, megabytes
from pixcodec.batch.outcome import EXIT_FAILED
from pixcodec.batch.outputs import check_target
from pixcodec.batch.plan import Found, find_files
from pixcodec.batch.suffixes import READABLE, RESTORED, suffix_of
from pixcodec.cli.options import check_model, coding_options, force_option
from pixcodec.cli.terminal import print_table, printable, progress_bar, say

if TYPE_CHECKING:
    from pixcodec.bench.record import Results
    from pixcodec.bench.summary import Row

# As pixcodec.bench.registry has them, whose import takes long.
PEERS = ("png", "oxipng", "zopfli", "webp", "jpegls", "jp2k", "qoi", "avif", "flif", "jxl7", "jxl9")
EFFORTS = ("fast", "normal", "max", "research")
MOST_SECONDS = 5.0  # an image is not coded again once it took so long
THUMBNAILS_SIZE_BYTES = 2_000_000  # of all together

EPILOG = """
\b
Examples:
  pixcodec bench pictures
  pixcodec bench pictures --effort fast,normal --against all --html report.html
  pixcodec bench pictures --against jxl9,webp --csv > sizes.csv

The other codecs are in packages that come with pip install 'pixcodec[bench]'. Of those asked for, it is said
which are missing. Each codec encodes in a process of its own and decodes in another; every image is compared.
"""


def _names(
    known: Sequence[str], context: click.Context, parameter: click.Parameter, value: str
) -> tuple[str, ...]:
    """Return the names that an option lists, each once."""
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if names == ("all",):
        return tuple(known)
    for name in names:
        if name not in known:
            expected = f"expected names of {', '.join(known)} or all"
            raise click.BadParameter(f"{expected}, found {name!r}{_guess(name, known)}")
    return names


def _guess(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {close[0]!r}?" if close else ""


@click.command(epilog=EPILOG)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--against",
    callback=partial(_names, PEERS),
    default="png,webp,jxl9",
    show_default=True,
    metavar="NAMES",
    help=f"Other codecs, separated by commas, of {', '.join(PEERS)}; or all.",
)
@click.option(
    "--effort",
    "efforts",
    callback=partial(_names, EFFORTS),
    default="normal",
    show_default=True,
    metavar="NAMES",
    help=f"Efforts of pixcodec, separated by commas, of {', '.join(EFFORTS)}; or all.",
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write a report to look at.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print a line of CSV for each image and codec.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all results.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Take the first N images only.")
@click.option(
    "--repeat",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help=f"Times are medians of N; once an image took {MOST_SECONDS:.0f} s it is not coded again.",
)
@force_option
@coding_options
def bench(
    folder: Path,
    against: tuple[str, ...],
    efforts: tuple[str, ...],
    html: Path | None,
    as_csv: bool,
    as_json: bool,
    limit: int | None,
    repeat: int,
    force: bool,
    max_pixels: int,
    model: Path | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Measure size and speed of pixcodec and other codecs on the images below FOLDER.

    All codecs get the same pixels: palettes as RGB, bilevel images as grey, of JPEG files the pixels. Every
    image is decoded again and compared.
    """
    if as_csv and as_json:
        raise click.UsageError("--csv and --json both need stdout: give one of them")
    check_model(model)
    if not folder.is_dir():
        raise click.ClickException(f"{folder}: not a folder")
    if html is not None:
        check_target(str(html), force=force)
    files = find_files([str(folder)], READABLE, recursive=True)[:limit]
    if not files:
        raise click.ClickException(f"{folder}: no image found")

    settings = _Settings(max_pixels, threads, repeat, model, quiet, wants_thumbnails=html is not None)
    specs = [*against, *(f"pixcodec-{effort}" for effort in efforts)]
    results, thumbnails, failed = _benchmark(folder, files, specs, settings)
    if html is not None:
        _write_html(html, results, thumbnails)
    _print(results, as_csv=as_csv, as_json=as_json)
    if html is not None and not quiet:
        say(f"{html}: written")
    if failed:
        raise click.exceptions.Exit(EXIT_FAILED)


class _Settings(NamedTuple):
    max_pixels: int
    threads: int | None
    repeat: int
    model: Path | None
    quiet: bool
    wants_thumbnails: bool


def _benchmark(
    folder: Path, files: Sequence[Found], specs: Sequence[str], settings: _Settings
) -> tuple[Results, dict[str, str], bool]:
    """Measure codecs on files; return the results, thumbnails, and whether a codec failed."""
    from pixcodec.bench import collection, machine, record

    missing = collection.missing_codecs(specs)
    for spec, why in missing.items():
        say(f"{spec} is not measured: {why}")
    with progress_bar("read", settings.quiet) as progress:
        read = collection.collect(
            files,
            max_pixels=settings.max_pixels,
            thumbnails_size_bytes=THUMBNAILS_SIZE_BYTES if settings.wants_thumbnails else 0,
            report=lambda done: progress(done / len(files)) if progress else None,
        )
    for name, why in read.skipped.items():
        say(f"{name} is skipped: {why}")
    if not read.images:
        raise click.ClickException(f"{folder}: no image that can be measured")
    kept = sum(suffix_of(str(path)) in RESTORED for path in read.paths)
    if kept and not settings.quiet:
        jpegs = count(kept, "JPEG file")
        say(f"{jpegs}: the pixels are measured; encode keeps the files themselves, in fewer bytes")
    run = machine.describe_run(settings.threads or machine.available_cores(), settings.repeat)
    results = collection.results_of(folder.resolve().name, read, run, missing)
    failed = _measure(results, [spec for spec in specs if spec not in missing], read.paths, settings)
    if not results["codecs"]:
        raise click.ClickException("no codec could be measured")
    return record.finish(results), read.thumbnails, failed


def _measure(results: Results, specs: Sequence[str], paths: Sequence[Path], settings: _Settings) -> bool:
    """Measure codecs into the results; return whether any failed."""
    from pixcodec.bench.measuring import CodecFailedError, Settings, measure

    (run,) = results["runs"]
    manner = Settings(run["threads"], run["repeat"], MOST_SECONDS, settings.model)
    failed = False
    for number, spec in enumerate(specs, 1):
        with progress_bar(f"{spec} ({number} of {len(specs)})", settings.quiet) as progress:
            try:
                row = measure(spec, paths, results["images"], manner, _reporter(progress, len(paths)))
            except CodecFailedError as error:
                failed = True
                results["missing"][spec] = f"failed: {error}"
                say(f"error: {error}")
                continue
        row["run"] = run["id"]
        results["codecs"][spec] = row
    return failed


def _reporter(progress: Callable[[float], None] | None, images: int) -> Callable[[str, int], None] | None:
    """Return what draws the progress of a codec: encoding is the first half."""
    if progress is None:
        return None
    return lambda stage, done: progress((done + (images if stage == "decode" else 0)) / (2 * images))


def _write_html(target: Path, results: Results, thumbnails: dict[str, str]) -> None:
    from pixcodec.batch.atomic import write_whole
    from pixcodec.bench.page.writing import write_page

    write_whole(target, write_page(results, thumbnails).encode())


def _print(results: Results, *, as_csv: bool, as_json: bool) -> None:
    from pixcodec.bench import summary

    if as_csv:
        click.echo(summary.as_csv(results), nl=False)
        return
    if as_json:
        click.echo(json.dumps(results))
        return
    header = [
        "codec",
        "size",
        "to PNG",
        "to best other",
        "bpsp",
        "encode MP/s",
        "decode MP/s",
        "memory",
        "threads",
    ]
    print_table(header, [_cells(row, len(results["images"])) for row in summary.summarize(results)])
    click.echo()
    click.echo(printable(summary.headline(results)))
    for run in results["runs"]:
        click.echo(printable(summary.run_line(run)))
    for name, why in results["missing"].items():
        click.echo(printable(f"Not measured: {name}, {why}"))


def _cells(row: Row, images: int) -> list[str]:
    from pixcodec.bench.summary import ratio, speed

    part = f" ({row.images} of {images} images)" if row.images < images else ""
    return [
        row.label + part,
        megabytes(row.size_bytes),
        ratio(row.ratio_to_png),
        ratio(row.ratio_to_best),
        f"{row.bpsp_file:.3f}",
        speed(row.encode_speed),
        speed(row.decode_speed),
        f"{row.memory_bytes / 1e6:.0f} MB",
        str(row.threads),
    ]
