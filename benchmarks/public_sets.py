"""Sizes on public sets of test images, beside figures that others have published.

    python benchmarks/public_sets.py ROOT                        which sets are there, and what to put where
    python benchmarks/public_sets.py ROOT --codecs jxl9,webp     measure them; results go to ROOT/NAME.json
    python benchmarks/public_sets.py ROOT --write                results/public-sets.json and .md of those

It fetches nothing. A set is a folder of ROOT with the images as they are distributed.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
if not __package__:  # run as a script: the folder of this file, which shadows the standard codecs, goes
    sys.path[0] = str(ROOT)

# ruff: noqa: E402 -- these are found only from the root
from benchmarks import run
from pixcodec.bench import record

RESULTS = ROOT / "benchmarks" / "results"
COMPARED = "jxl9"  # sizes are relative to it


class PublicSet(NamedTuple):
    """A set of test images: what to put into its folder, and how many images that are."""

    what: str
    images: int
    remark: str = ""


SETS = {
    "Kodak": PublicSet("Kodak Lossless True Color Image Suite, r0k.us/graphics/kodak", 24),
    "Set14": PublicSet(
        "github.com/jbhuang0604/SelfExSR, data/Set14/image_SRF_2/*HR.png",
        14,
        "cut to even sides; two were JPEG files",
    ),
    "BSD100": PublicSet(
        "github.com/jbhuang0604/SelfExSR, data/BSD100/image_SRF_2/*HR.png",
        100,
        "cut to even sides; nearly all were JPEG files, whose coefficients pixcodec finds",
    ),
    "Urban100": PublicSet(
        "github.com/jbhuang0604/SelfExSR, data/Urban100/image_SRF_4/*HR.png",
        100,
        "sides cut to multiples of 4; nearly all were JPEG files",
    ),
    "McMaster": PublicSet("github.com/JingyunLiang/SwinIR, testsets/McMaster/*.tif", 18),
    "CLIC": PublicSet("CLIC 2020 professional, validation, clic.compression.cc", 41),
    "DIV2K": PublicSet("DIV2K validation, high resolution, data.vision.ee.ethz.ch/cvl/DIV2K", 100),
    "imagecompression.info": PublicSet("RGB 8 bit, imagecompression.info/test_images", 14),
    "Tecnick": PublicSet("TESTIMAGES, testimages.org, SAMPLING, 8 bit, RGB, 1200x1200", 100),
    "LPCB": PublicSet("Lossless Photo Compression Benchmark, qlic.altervista.org", 107),
}


class Published(NamedTuple):
    """Bytes of a set as others have published them."""

    set: str
    codec: str
    size_bytes: int


# README.md of github.com/WangXuan95/Image-Compression-Benchmark at commit 57f625b (2025-06-02).
SOURCE = "github.com/WangXuan95/Image-Compression-Benchmark, README.md at 57f625b (2025-06-02)"
PUBLISHED = [
    Published("Kodak", "EMMA", 9_214_201),
    Published("Kodak", "BMF -s", 9_595_728),
    Published("Kodak", "LEA", 9_789_610),
    Published("Kodak", "GraLIC", 9_918_007),
    Published("Kodak", "JPEG XL effort 7", 10_269_584),
    Published("Kodak", "JPEG XL effort 8", 10_293_368),
    Published("imagecompression.info", "EMMA", 172_116_925),
    Published("imagecompression.info", "GraLIC", 175_677_261),
    Published("imagecompression.info", "BMF -s", 176_768_000),
    Published("imagecompression.info", "JPEG XL effort 8", 186_960_454),
    Published("LPCB", "EMMA", 1_036_818_025),
    Published("LPCB", "GraLIC", 1_048_182_107),
    Published("LPCB", "BMF -s", 1_066_246_568),
    Published("LPCB", "JPEG XL effort 8", 1_158_622_694),
]


def main(arguments: list[str] | None = None) -> int:
    """Measure or report; return the exit status."""
    parser = argparse.ArgumentParser(prog="public_sets.py", description="Sizes on public sets of images.")
    parser.add_argument("root", type=Path)
    parser.add_argument("--codecs", help="measure these, separated by commas")
    parser.add_argument("--sets", help="of these sets only, separated by commas")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write the committed results")
    options = parser.parse_args(arguments)
    names = options.sets.split(",") if options.sets else list(SETS)
    for name in names:
        if name not in SETS:
            parser.error(f"expected sets of {', '.join(SETS)}, found {name!r}")
    for name in names:
        print(state(options.root, name))
        if options.codecs and (options.root / name).is_dir():
            status = measure(options.root, name, options.codecs, options.threads)
            if status:
                return status
    if options.write:
        write(options.root)
    return 0


def state(root: Path, name: str) -> str:
    """Return a line about a set: whether it is there, or what to put where."""
    folder = root / name
    if not folder.is_dir():
        return f"{name} is not there: put {SETS[name].images} images into {folder}, from {SETS[name].what}"
    found = sum(path.suffix.lower() in run.SUFFIXES for path in folder.iterdir())
    return f"{name}: {found} of {SETS[name].images} images"


def measure(root: Path, name: str, codecs: str, threads: int) -> int:
    """Measure codecs on a set, once; return the exit status."""
    out = root / f"{name}.json"
    options = ["--codecs", codecs, "--threads", str(threads), "--repeat", "1", "--name", name]
    return run.main([str(root / name), *options, "--merge" if out.exists() else "--out", str(out)])


def write(root: Path) -> None:
    """Write results of all sets, without times, and the page about them; sets not in ``root`` are kept."""
    kept = json.loads((RESULTS / "public-sets.json").read_text("utf-8"))["sets"]
    measured = {name: root / f"{name}.json" for name in SETS}
    sets = {
        name: short(record.load(path)) if path.exists() else kept[name]
        for name, path in measured.items()
        if path.exists() or name in kept
    }
    (RESULTS / "public-sets.json").write_text(json.dumps({"sets": sets}, indent=1) + "\n", "utf-8")
    (RESULTS / "public-sets.md").write_text(text(sets), "utf-8")


def short(results: record.Results) -> dict[str, Any]:
    """Return of results: images, versions and sizes."""
    return {
        "dates": [run["date"] for run in results["runs"]],
        "images": [
            [info["name"], info["width"], info["height"], info["pixels_sha256"]] for info in results["images"]
        ],
        "codecs": {
            name: {
                **{key: row[key] for key in ("label", "version", "settings")},
                "size_bytes": row["totals"]["size_bytes"],
                "sizes": [image and image["size_bytes"] for image in row["images"]],
            }
            for name, row in results["codecs"].items()
        },
    }


def text(sets: dict[str, Any]) -> str:
    """Return the page: a table of what was measured, and what others have published."""
    lines = [
        "# Public sets",
        "",
        "Written by `public_sets.py`, which names the sources of the images. Total bytes of a set; ratios",
        "are to JPEG XL effort 9. Every image was decoded and compared. The machine was busy: no times.",
    ]
    for name, found in sets.items():
        about = SETS[name]
        megapixels = sum(width * height for _, width, height, _ in found["images"]) / 1e6
        remark = f"; {about.remark}" if about.remark else ""
        lines += [
            "",
            f"## {name}",
            "",
            f"{len(found['images'])} images, {megapixels:.1f} megapixels{remark}.",
            "",
        ]
        rows = [(row["size_bytes"], row["label"]) for row in found["codecs"].values()]
        lines += table(rows, found["codecs"][COMPARED]["size_bytes"])
    kodak = json.loads((RESULTS / "kodak.json").read_text("utf-8"))["codecs"]
    lines += ["", "## Published by others", "", f"As published in {SOURCE}.", ""]
    lines += [
        "JPEG XL effort 7 agrees with kodak.json within 0.01 %. [Kodak suits pixcodec](README.md).",
        "",
    ]
    for name in dict.fromkeys(row.set for row in PUBLISHED):
        rows = [(row.size_bytes, row.codec) for row in PUBLISHED if row.set == name]
        if name == "Kodak":
            rows += [
                (kodak[key]["totals"]["size_bytes"], f"{kodak[key]['label']} (kodak.json)") for key in OURS
            ]
        lines += [f"### {name}", "", *table(rows, None), ""]
    missing = ", ".join(name for name in SETS if name not in sets and name != "Kodak")
    lines += [
        "paq8px and CALLIC are not here: no table of these sets was found that could be read at its source.",
        f"FLIF is not here: there is no package of it. Not measured: {missing}.",
    ]
    return "\n".join(lines) + "\n"


OURS = ("pixcodec-max", "pixcodec-normal", "pixcodec-fast", COMPARED)


def table(rows: list[tuple[int, str]], one: int | None) -> list[str]:
    """Return lines of a table, smallest first."""
    heads = ["", "bytes"] + (["ratio"] if one else [])
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for size_bytes, label in sorted(rows):
        cells = [label, f"{size_bytes:,}"] + ([f"{size_bytes / one:.3f}"] if one else [])
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
