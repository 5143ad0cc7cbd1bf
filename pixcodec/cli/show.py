"""``pixcodec info`` and ``pixcodec models``."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import pixcodec
from pixcodec.batch.plan import STREAM
from pixcodec.batch.transcode import about, read_bytes
from pixcodec.cli.options import FILE_NAME
from pixcodec.cli.terminal import printable
from pixcodec.container.beginning import parse_start, read_beginning
from pixcodec.container.series import start_chunks
from pixcodec.errors import ModelMismatchError
from pixcodec.images.summary import describe

_HELD = ("JPEG file, restored byte for byte; stored as it is", "JPEG file, restored byte for byte")
INFO_EPILOG = """
\b
Examples:
  pixcodec info photo.pxc
  pixcodec info --json photo.pxc | python -m json.tool
"""
MODELS_EPILOG = """
\b
Example:
  pixcodec models --json
"""


@click.command(epilog=INFO_EPILOG)
@click.argument("source", metavar="FILE", type=FILE_NAME)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(source: str, as_json: bool) -> None:
    """Show size, mode, effort and metadata of a .pxc file.

    It reads the beginning of the file and decodes nothing.
    """
    found, metadata = _read(source)
    if as_json:
        click.echo(json.dumps({**asdict(found), "metadata": metadata}))
        return
    tiles = f"{found.tile_count} of up to {found.tile_width}x{found.tile_height} pixels"
    exactness = "exact" if found.exact else "with corrections"
    lines = {
        "image": f"{found.width}x{found.height} pixels, {found.mode}, {found.bit_depth} bits per subpixel",
        "pixels": f"from JPEG coefficients, {exactness}" if found.jpeg and not found.kept else "",
        "holds": _HELD[found.jpeg] if found.kept else "",
        "file": f"{found.size_bytes} bytes, {found.bpsp_file:.3f} bpsp_file",
        "frames": _frames(found),
        "effort": found.effort,
        "tiles": tiles if found.tile_count else "",
        "model id": found.model_id,
        "metadata": "in the JPEG file" if found.kept else ", ".join(metadata) or "none",
        "format": f"version {found.format_version}",
    }
    click.echo(printable(source))
    for name, line in lines.items():
        if line:
            click.echo(f"  {name:<11} {line}")


def _frames(found: pixcodec.Info) -> str:
    """Return how many frames there are, and how they are shown; nothing of one image."""
    if found.frames == 1:
        return ""
    if not found.durations:
        return f"{found.frames} pages"
    shown = "once" if found.loop in (None, 1) else f"{found.loop} times" if found.loop else "for ever"
    return f"{found.frames}, {sum(found.durations):.2f} seconds, shown {shown}"


@click.command(epilog=MODELS_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each model.")
def models(as_json: bool) -> None:
    """List the models that ship with pixcodec."""
    found = pixcodec.list_models()
    if not found:
        raise ModelMismatchError("this installation of pixcodec ships no model")
    for model in found:
        if as_json:
            click.echo(json.dumps(asdict(model)))
        else:
            click.echo(
                f"{model.name}  {model.model_id}  {model.channels} channel{'s'[: model.channels > 1]}  "
                f"{model.parameters} parameters  {model.size_bytes} bytes  {model.path}"
            )


def _read(source: str) -> tuple[pixcodec.Info, dict[str, Any]]:
    """Return the info in the header of a file, and a summary of its metadata."""
    with about(source):
        if source == STREAM:
            beginning = read_bytes(source)
            size_bytes = len(beginning)
        else:
            with Path(source).open("rb") as file:
                beginning = read_beginning(file)
                size_bytes = (
                    file.seek(0, os.SEEK_END) if file.seekable() else len(beginning) + len(file.read())
                )
        info = pixcodec.read_info(beginning, size_bytes=size_bytes)
        chunks = start_chunks(beginning) if info.frames > 1 else parse_start(beginning)[1]
        return info, describe(chunks)
