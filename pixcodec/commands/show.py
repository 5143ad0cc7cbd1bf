"""``pixcodec info`` and ``pixcodec models``: what there is, without any work on it."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

import pixcodec
from pixcodec.commands.options import FILE_NAME
from pixcodec.commands.terminal import printable
from pixcodec.errors import ModelMismatchError
from pixcodec.transcode import read_info


@click.command()
@click.argument("source", metavar="FILE", type=FILE_NAME)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def info(source: str, as_json: bool) -> None:
    """Show what the header of FILE says, without decoding it."""
    found = read_info(source)
    if as_json:
        click.echo(json.dumps(asdict(found)))
        return
    click.echo(
        f"{printable(source)}\n"
        f"  image       {found.width}x{found.height} pixels, {found.mode}, 8 bits per subpixel\n"
        f"  file        {found.size_bytes} bytes, {found.bpsp_file:.3f} bpsp_file\n"
        f"  effort      {found.effort}\n"
        f"  tiles       {found.tile_count} of up to {found.tile_width}x{found.tile_height} pixels\n"
        f"  model id    {found.model_id}\n"
        f"  format      version {found.format_version}"
    )


@click.command()
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
