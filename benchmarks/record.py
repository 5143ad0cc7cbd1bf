"""The results file: its fields, its totals, merging and writing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TypedDict

SCHEMA = 1
REFERENCE = "jxl-e9"


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


class ImageInfo(TypedDict):
    """One image of the set."""

    name: str
    height: int
    width: int
    channels: int
    pixels_sha256: str


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
    """One codec over the whole set."""

    size_bytes: int
    bpsp_file: float  # total bits / total subpixels
    ratio_to_jxl_e9: float | None  # of total bytes
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
    images: list[ImageRow]


class Results(TypedDict):
    """A results file."""

    schema: int
    set: str
    images: list[ImageInfo]
    runs: list[Run]
    codecs: dict[str, CodecRow]


class MergeError(Exception):
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
    rows: list[ImageRow],
    encode_memory: tuple[int, int],
    decode_memory: tuple[int, int],
) -> Totals:
    """Add up one codec's images; a memory is (baseline, peak) in bytes."""
    size_bytes = sum(row["size_bytes"] for row in rows)
    encode_seconds = sum(row["encode_seconds"] for row in rows)
    decode_seconds = sum(row["decode_seconds"] for row in rows)
    megapixels = sum(map(_megapixels, images))
    return {
        "size_bytes": size_bytes,
        "bpsp_file": round(8 * size_bytes / sum(map(_subpixels, images)), 6),
        "ratio_to_jxl_e9": None,
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


def save(results: Results, path: Path) -> None:
    """Write a results file as a whole, with the ratios computed anew, without runs that no row refers to."""
    reference = results["codecs"].get(REFERENCE)
    for row in results["codecs"].values():
        totals = row["totals"]
        ratio = totals["size_bytes"] / reference["totals"]["size_bytes"] if reference else None
        totals["ratio_to_jxl_e9"] = None if ratio is None else round(ratio, 6)
    used = {row["run"] for row in results["codecs"].values()}
    text = json.dumps({**results, "runs": [run for run in results["runs"] if run["id"] in used]}, indent=1)
    partial = path.with_suffix(".partial")
    partial.write_text(text + "\n")
    os.replace(partial, path)


def _subpixels(info: ImageInfo) -> int:
    return info["height"] * info["width"] * info["channels"]


def _megapixels(info: ImageInfo) -> float:
    return info["height"] * info["width"] / 1e6
