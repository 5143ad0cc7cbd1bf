"""An explanation as tables, and as numbers for JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

from pixcodec.explain.explanation import Explanation

_MOST_TILES = 64  # in a table
_BANDS = ((0, 1), (1, 6), (6, 15), (15, 28), (28, 64))  # of coefficients, in the order of JPEG


class Table(NamedTuple):
    """A table: the first column are names, the others numbers."""

    title: str
    heads: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables_of(found: Explanation) -> list[Table]:
    """Return the tables of an explanation."""
    size, area = found.size_bytes, found.width * found.height

    def row(name: str, size_bytes: float) -> tuple[str, ...]:
        return name, f"{size_bytes:.0f}", f"{size_bytes / size:.2%}", f"{8 * size_bytes / area:.4f}"

    heads = ("", "bytes", "share", "bits a pixel")
    tables = [
        Table("Channels", heads, [row(name, bits / 8) for name, bits in found.by_channel.items()]),
        Table("Layers", heads, [row(name, bits / 8) for name, bits in found.layers.items()]),
    ]
    if found.runs:
        tables[1].rows.append(row("of these: where runs begin and end", found.runs / 8))
    rest = size - found.explained_bytes
    side = [row(name, size_bytes) for name, size_bytes in found.side.items()]
    tables.append(Table("Side information", heads, [*side, row("ends of range coders", rest)]))
    if found.blocks:
        tables.append(_frequencies(found))
    if len(found.tiles) > 1:
        rows: list[tuple[str, ...]] = [
            (
                f"{tile.width}x{tile.height} at {tile.x},{tile.y}",
                str(tile.size_bytes),
                f"{tile.size_bytes / size:.2%}",
                f"{8 * tile.size_bytes / (tile.width * tile.height):.4f}",
                ", ".join(tile.kinds),
            )
            for tile in found.tiles[:_MOST_TILES]
        ]
        if len(found.tiles) > _MOST_TILES:
            rows.append((f"and {len(found.tiles) - _MOST_TILES} more", "", "", "", ""))
        tables.append(Table("Tiles", (*heads, "layers"), rows))
    return tables


def _frequencies(found: Explanation) -> Table:
    """Return the table of the coefficients of JPEG, by bands of the zigzag order."""
    rows = []
    for name, bits in zip(found.channels, found.by_frequency, strict=False):
        cells = [f"{bits[first:end].sum() / 8:.0f}" for first, end in _BANDS]
        rows.append((name, *cells, f"{bits[64] / 8:.0f}"))
    bands = ["DC", *(f"{first} to {end - 1}" for first, end in _BANDS[1:])]
    return Table("Coefficients, bytes by place in the order of JPEG", ("", *bands, "how many"), rows)


def numbers_of(found: Explanation) -> dict[str, Any]:
    """Return the numbers of an explanation, without those of single pixels and blocks."""
    return {
        **{name: getattr(found, name) for name in ("width", "height", "mode", "effort", "size_bytes")},
        "explained_bytes": found.explained_bytes,
        "bits_by_channel": found.by_channel,
        "bits_by_layer": found.layers,
        "bits_of_runs": found.runs,
        "side_bytes": found.side,
        "tiles": [tile._asdict() for tile in found.tiles],
        "bits_by_coefficient": [list(map(float, bits)) for bits in found.by_frequency],
    }


def text_of(tables: list[Table]) -> str:
    """Return tables as lines of text, with aligned columns."""
    lines = []
    for table in tables:
        cells = [table.heads, *table.rows]
        widths = [max(len(row[k]) for row in cells) for k in range(len(table.heads))]
        lines += ["", table.title]
        for row in cells:
            first, *others = (
                cell.ljust(widths[k]) if k == 0 else cell.rjust(widths[k]) for k, cell in enumerate(row)
            )
            lines.append("  " + "  ".join([first, *others]).rstrip())
    return "\n".join(lines[1:])
