"""The text of the format, and what it gives as formulas, compiled."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

FOLDER = Path(__file__).parent.parent.parent / "pixcodec" / "format"
PARTS = (
    *(
        "README",
        "core",
        "mixing",
        "effort-max",
        "fitted",
        "calibrated",
        "row-lstm",
        "graphics",
        "side-layers",
        "residual",
        "runs",
        "packed",
        "deep",
        "jpeg",
        "jpeg-streams",
        "jpeg-networks",
    ),
    *("other-chunks", "earlier-versions", "series"),
)
TEXTS = {part: (FOLDER / f"{part}.md").read_text("utf-8") for part in PARTS}
TEXT = "\n".join(TEXTS.values())
WORDS = " ".join(TEXT.split())
_HEADING = r"^##+ {}\n(.*?)(?=^#+ |\Z)"


class Section:
    """A section of the format without its subsections: its Python, the cells of its tables, other blocks."""

    def __init__(self, title):
        found = re.findall(_HEADING.format(re.escape(title)), TEXT, re.MULTILINE | re.DOTALL)
        assert len(found) == 1, title
        (self.text,) = found
        self.words = " ".join(self.text.split())
        self.blocks = self.fenced("python")
        tables = re.findall(r"^\|.*\n\|[-|]*\n((?:\|.*\n)+)", self.text, re.MULTILINE)
        self.tables = [
            [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
            for table in tables
        ]

    def fenced(self, language):
        """Return the code blocks of a language."""
        return re.findall(rf"^```{language}\n(.*?)^```$", self.text, re.MULTILINE | re.DOTALL)


def compiled(source, mode="exec"):
    return compile(source, "FORMAT.md", mode)


def function(source, arguments, result, **names):
    """Return a function of ``arguments``, whose body is Python of the text and whose value is ``result``."""
    body = textwrap.indent(source, "    ")
    exec(compiled(f"def run({arguments}):\n{body}    return {result}\n"), names)
    return names["run"]


def _split(cell):
    """Return what stands between commas that are in no parentheses."""
    parts, depth = [""], 0
    for letter in cell:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def numbers_of(cells):
    """Compile contexts, written as ``a, b:m, c:k`` for (a * m + b) * k + c, to one tuple of numbers."""
    numbers = []
    for cell in cells:
        number, *digits = _split(cell)
        for digit in digits:
            value, size = digit.rsplit(":", 1)
            number = f"({number}) * {size} + ({value})"
        numbers.append(number)
    return compiled(f"({', '.join(numbers)},)", "eval")
