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
from pixcodec.container.beginning import read_beginning
from pixcodec.errors import ModelMismatchError
from pixcodec.images.summary import lines_of, summarize

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
    click.echo(printable(source))
    for name, line in lines_of(found, metadata).items():
        click.echo(f"  {name:<11} {line}")


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
        return summarize(beginning, size_bytes)
