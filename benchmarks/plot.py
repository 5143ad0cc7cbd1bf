"""Draw a results file: size of the files against speed, one point a codec, for light and dark pages.

    python benchmarks/plot.py [RESULTS] [--out FOLDER]

Writes ``size-speed-light.svg`` and ``size-speed-dark.svg``. The same results and the same version of
matplotlib give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
WIDTH_POINTS, HEIGHT_POINTS = 540, 400
FONT_POINTS = 14.5  # at a page width of 390 pixels these are 10 pixels
ENCODE_SIZE, OURS_SIZE = 60, 110  # areas of markers in square points

# The fields are those of record.Results; this script reads the files alone, as report.py does.
Results = dict[str, Any]


class Theme(NamedTuple):
    """Colours that are readable on GitHub's light or dark page; the background stays transparent."""

    text: str
    muted: str
    grid: str
    ours: str
    page: str  # fills hollow markers


THEMES = {
    "light": Theme(text="#1f2328", muted="#59636e", grid="#d1d9e0", ours="#0969da", page="#ffffff"),
    "dark": Theme(text="#f0f6fc", muted="#9198a1", grid="#3d444d", ours="#4493f8", page="#0d1117"),
}


class Place(NamedTuple):
    """Where the label of a codec stands: an offset from its point in points, and its alignment."""

    label: str
    right: float = 8
    up: float = 0
    align: str = "left"


# Labels are shorter than the report's. Codecs that are not listed have their label of the results file.
PLACES = {
    "png": Place("PNG, Pillow", 0, 14, "center"),
    "oxipng": Place("PNG, oxipng", 0, 14, "center"),
    "webp": Place("WebP", 0, 14, "center"),
    "jpegls": Place("JPEG-LS", -1, 17, "right"),
    "jp2k": Place("JPEG 2000", 5, 14),
    "qoi": Place("QOI", 0, 14, "center"),
    "jxl7": Place("JPEG XL e7", 0, 14, "center"),
    "jxl9": Place("JPEG XL e9", 0, -15, "center"),
    "pixcodec-fast": Place("pixcodec fast", 6, -20),
    "pixcodec-normal": Place("pixcodec normal", 6, -15),
    "pixcodec-max": Place("pixcodec max", 0, -17),
}


class Point(NamedTuple):
    """One codec of a results file."""

    name: str
    ratio: float  # total bytes / total bytes of JPEG XL effort 9
    encode_speed: float  # megapixels per second
    decode_speed: float
    one_core: bool  # timed on one core, beside other work


def points_of(results: Results) -> list[Point]:
    """Read the points of a results file, the smallest total first."""
    cores = {run["id"]: run["machine"]["cores"] for run in results["runs"]}
    points = [
        Point(
            name,
            row["totals"]["ratio_to_jxl9"],
            row["totals"]["encode_mp_per_second"],
            row["totals"]["decode_mp_per_second"],
            cores[row["run"]] < max(cores.values()),
        )
        for name, row in results["codecs"].items()
    ]
    return sorted(points, key=lambda point: point.ratio)


def pareto(points: list[Point]) -> list[Point]:
    """Keep the points that no other point beats in size and encoding speed; the smallest files first."""
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.ratio, -point.encode_speed)):
        if not front or point.encode_speed > front[-1].encode_speed:
            front.append(point)
    return front


def place_of(name: str, results: Results) -> Place:
    """Find a codec's label and where it stands."""
    return PLACES.get(name, Place(results["codecs"][name]["label"]))


def description(results: Results) -> str:
    """Write the figures of the plot as text, for readers who do not see it."""
    parts = [
        f"{place_of(point.name, results).label}: size {point.ratio:.3f}, "
        f"encode {point.encode_speed:.3g} MP/s, decode {point.decode_speed:.3g} MP/s"
        for point in points_of(results)
    ]
    return f"{results['set']}, {len(results['images'])} images. {'; '.join(parts)}."


def draw(results: Results, theme: Theme, path: Path) -> None:
    """Draw one plot to an SVG file."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings = {
        "svg.hashsalt": "pixcodec",
        "svg.fonttype": "none",  # text stays text, in the reader's font
        "font.size": FONT_POINTS,
        "text.color": theme.text,
        "axes.edgecolor": theme.grid,
        "axes.labelcolor": theme.text,
        "xtick.color": theme.muted,
        "ytick.color": theme.muted,
    }
    with rc_context(settings):
        figure = Figure(figsize=(WIDTH_POINTS / 72, HEIGHT_POINTS / 72), layout="constrained")
        axes = figure.add_subplot()
        draw_axes(axes, theme)
        draw_points(axes, results, theme)
        draw_legend(axes, theme, one_core=any(point.one_core for point in points_of(results)))
        metadata = {"Date": None, "Title": "Size and speed", "Description": description(results)}
        figure.savefig(path, format="svg", transparent=True, metadata=metadata)


def draw_axes(axes: Any, theme: Theme) -> None:
    """Set up scales, ticks and their labels."""
    axes.set_xscale("log")
    axes.set_xlim(0.02, 300)
    axes.set_ylim(0.55, 1.75)
    axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.set_xticks([], minor=True)
    axes.set_yticks([0.6, 0.8, 1.0, 1.2, 1.4, 1.6], ["0.6", "0.8", "1.0", "1.2", "1.4", "1.6"])
    axes.grid(color=theme.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel("megapixels per second (faster \N{RIGHTWARDS ARROW})")
    title = "file size, JPEG XL effort 9 = 1 (smaller \N{DOWNWARDS ARROW})"
    axes.set_title(title, loc="left", fontsize=FONT_POINTS)


def draw_points(axes: Any, results: Results, theme: Theme) -> None:
    """Draw the Pareto line, then each codec with its decoding speed and its label."""
    points = points_of(results)
    front = pareto(points)
    axes.plot(
        [point.encode_speed for point in front],
        [point.ratio for point in front],
        color=theme.ours,
        alpha=0.35,
        linewidth=3,
        zorder=1,
    )
    for point in points:
        ours = point.name.startswith("pixcodec")
        colour = theme.ours if ours else theme.muted
        axes.plot(
            [point.encode_speed, point.decode_speed],
            [point.ratio] * 2,
            color=colour,
            linewidth=0.9,
            linestyle=(0, (1.5, 2)),
            marker="d",
            markevery=[1],
            markersize=6,
            zorder=2,
        )
        axes.scatter(
            [point.encode_speed],
            [point.ratio],
            s=OURS_SIZE if ours else ENCODE_SIZE,
            facecolor=theme.page if point.one_core else colour,
            edgecolor=colour,
            linewidth=1.8,
            zorder=3,
        )
        place = place_of(point.name, results)
        axes.annotate(
            place.label,
            (point.encode_speed, point.ratio),
            (place.right, place.up),
            textcoords="offset points",
            ha=place.align,
            va="center",
            color=colour if ours else theme.text,
            fontweight="bold" if ours else "normal",
        )


def draw_legend(axes: Any, theme: Theme, *, one_core: bool) -> None:
    """Explain the markers in the empty corner below the diagonal."""
    common = {"color": theme.muted, "linestyle": "none"}
    markers: dict[str, Any] = {
        "encoding": {"marker": "o", "markersize": 8},
        "decoding": {"marker": "d", "markersize": 7},
    }
    if one_core:
        markers["timed on one core"] = {"marker": "o", "markersize": 8, "mfc": theme.page, "mew": 1.8}
    for name, settings in markers.items():
        axes.plot([], [], label=name, **common, **settings)
    axes.legend(loc="lower right", frameon=False, handletextpad=0.2, borderpad=0.2, labelspacing=0.3)


def main(arguments: list[str] | None = None) -> int:
    """Draw a results file for both themes."""
    parser = argparse.ArgumentParser(prog="plot.py", description="Draw size against speed.")
    parser.add_argument("results", type=Path, nargs="?", default=ROOT / "benchmarks/results/kodak.json")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="folder of the SVG files")
    options = parser.parse_args(arguments)
    results: Results = json.loads(options.results.read_text("utf-8"))
    options.out.mkdir(parents=True, exist_ok=True)
    for name, theme in THEMES.items():
        draw(results, theme, options.out / f"size-speed-{name}.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
