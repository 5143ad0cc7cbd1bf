"""The results file: its fields, its totals, merging and writing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from pixcodec.batch.atomic import write_whole
from pixcodec.errors import PixcodecError

SCHEMA = 1
REFERENCE = "jxl9"


class Machine(TypedDict):
    """Where a run was done, without anything that names the machine."""

    cpu: str
    cores: int  # those that the run might use
    system: str


class Run(TypedDict):
    """One call of run.py."""

    id: int
    date: str  # ISO 8601, UTC
    machine: Machine
    python: str
    threads: int
    repeat: int
    environment: dict[str, str]  # the variables that limit libraries' threads
    note: str


class _ImageInfo(TypedDict):
    name: str
    height: int
    width: int
    channels: int
    pixels_sha256: str


class ImageInfo(_ImageInfo, total=False):
    """One image of the set."""

    bit_depth: int  # of a subpixel, where it is not 8


class ImageRow(TypedDict):
    """One image coded by one codec."""

    name: str
    size_bytes: int
    bpsp_file: float
    encode_seconds: float
    decode_seconds: float
    encode_mp_per_second: float
    decode_mp_per_second: float


class Totals(TypedDict):
    """One codec over all images that it has a mode for."""

    size_bytes: int
    bpsp_file: float  # total bits / total subpixels
    ratio_to_jxl9: float | None  # of total bytes
    encode_seconds: float
    decode_seconds: float
    encode_mp_per_second: float
    decode_mp_per_second: float
    encode_peak_bytes: int  # above the baseline, see worker.Answer
    decode_peak_bytes: int
    encode_process_peak_bytes: int  # the baseline included
    decode_process_peak_bytes: int


class CodecRow(TypedDict):
    """One codec's figures, and the run that they came from."""

    label: str
    version: str
    settings: str
    threads: int  # that this codec used
    run: int  # Run.id
    totals: Totals
    images: list[ImageRow | None]  # None: the codec has no mode for this image


class _Results(TypedDict):
    schema: int
    set: str
    images: list[ImageInfo]
    runs: list[Run]
    codecs: dict[str, CodecRow]


class Results(_Results, total=False):
    """A results file."""

    missing: dict[str, str]  # codecs that were asked for and are not here, or failed, and why
    skipped: dict[str, str]  # files that were not measured, and why


class MergeError(PixcodecError):
    """A results file cannot take rows from this run."""


def image_row(info: ImageInfo, size_bytes: int, encode_seconds: float, decode_seconds: float) -> ImageRow:
    """Compute one image's figures."""
    megapixels = _megapixels(info)
    return {
        "name": info["name"],
        "size_bytes": size_bytes,
        "bpsp_file": round(8 * size_bytes / _subpixels(info), 6),
        "encode_seconds": round(encode_seconds, 6),
        "decode_seconds": round(decode_seconds, 6),
        "encode_mp_per_second": round(megapixels / encode_seconds, 6),
        "decode_mp_per_second": round(megapixels / decode_seconds, 6),
    }


def total(
    images: list[ImageInfo],
    rows: Sequence[ImageRow | None],
    encode_memory: tuple[int, int],
    decode_memory: tuple[int, int],
) -> Totals:
    """Add up one codec's images; a memory is (baseline, peak) in bytes."""
    pairs = [(info, row) for info, row in zip(images, rows, strict=True) if row is not None]
    size_bytes = sum(row["size_bytes"] for _, row in pairs)
    encode_seconds = sum(row["encode_seconds"] for _, row in pairs)
    decode_seconds = sum(row["decode_seconds"] for _, row in pairs)
    megapixels = sum(_megapixels(info) for info, _ in pairs)
    return {
        "size_bytes": size_bytes,
        "bpsp_file": round(8 * size_bytes / sum(_subpixels(info) for info, _ in pairs), 6),
        "ratio_to_jxl9": None,
        "encode_seconds": round(encode_seconds, 6),
        "decode_seconds": round(decode_seconds, 6),
        "encode_mp_per_second": round(megapixels / encode_seconds, 6),
        "decode_mp_per_second": round(megapixels / decode_seconds, 6),
        "encode_peak_bytes": encode_memory[1] - encode_memory[0],
        "decode_peak_bytes": decode_memory[1] - decode_memory[0],
        "encode_process_peak_bytes": encode_memory[1],
        "decode_process_peak_bytes": decode_memory[1],
    }


def load(path: Path) -> Results:
    """Read a results file.

    Raises
    ------
    MergeError
        The file has another schema.
    """
    results: Results = json.loads(path.read_text())
    if results.get("schema") != SCHEMA:
        raise MergeError(f"{path.name}: expected schema {SCHEMA}, found {results.get('schema')!r}")
    return results


def begin(set_name: str, images: list[ImageInfo], run: Run, earlier: Results | None) -> Results:
    """Return the results to fill: empty ones, or an earlier file's with this run added.

    Raises
    ------
    MergeError
        The earlier results are of other images.
    """
    if earlier is None:
        return {"schema": SCHEMA, "set": set_name, "images": images, "runs": [run], "codecs": {}}
    if earlier["images"] != images:
        raise MergeError(
            f"expected the {len(earlier['images'])} images of set {earlier['set']!r} with the same pixels, "
            f"found {len(images)} images that are not the same"
        )
    run["id"] = 1 + max(known["id"] for known in earlier["runs"])
    return {**earlier, "runs": [*earlier["runs"], run]}


def ratio_of(row: CodecRow, other: CodecRow) -> float | None:
    """Return a codec's bytes relative to another's, of the images that both hold; None if there are none."""
    sizes = [
        (mine["size_bytes"], theirs["size_bytes"])
        for mine, theirs in zip(row["images"], other["images"], strict=True)
        if mine is not None and theirs is not None
    ]
    return sum(mine for mine, _ in sizes) / sum(theirs for _, theirs in sizes) if sizes else None


def finish(results: Results) -> Results:
    """Return results with the ratios computed anew, without runs that no row refers to."""
    reference = results["codecs"].get(REFERENCE)
    for row in results["codecs"].values():
        totals = row["totals"]
        ratio = ratio_of(row, reference) if reference else None
        totals["ratio_to_jxl9"] = None if ratio is None else round(ratio, 6)
    used = {row["run"] for row in results["codecs"].values()}
    return {**results, "runs": [run for run in results["runs"] if run["id"] in used]}


def save(results: Results, path: Path) -> None:
    """Write a results file as a whole."""
    write_whole(path, (json.dumps(finish(results), indent=1) + "\n").encode())


def _subpixels(info: ImageInfo) -> int:
    return info["height"] * info["width"] * info["channels"]


def _megapixels(info: ImageInfo) -> float:
    return info["height"] * info["width"] / 1e6
