"""What a newcomer reads: links lead somewhere, paragraphs are short, README.md begins with two commands."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").rglob("*.md")),
]
MAX_COLUMNS, MAX_PARAGRAPH_LINES = 130, 6
names = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def prose(page):
    """Return the lines of a page without its blocks of code."""
    lines, in_code = [], False
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code:
            lines.append(line)
    return lines


def anchors(page):
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = [line.lstrip("#").strip().lower() for line in prose(page) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings}


@names
def test_links_lead_somewhere(page):
    text = "\n".join(prose(page))
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    for target in targets:
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert not anchor or anchor in anchors(found), target


@names
def test_paragraphs_are_short(page):
    length = 0
    for line in prose(page):
        is_table_or_run = line.startswith(("|", "Run ", "<", " "))
        assert is_table_or_run or len(line) <= MAX_COLUMNS, line
        length = 0 if not line or re.match(r"\||- |#|Run |\d+\. ", line) else length + 1
        assert length <= MAX_PARAGRAPH_LINES, line


def test_readme_begins_with_two_commands():
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text("utf-8"), re.M | re.S)
    assert [kind for kind, _ in blocks[:2]] == ["sh", "sh"]
    assert "pixcodec encode photo.png photo.pxc" in blocks[0][1]
    assert "&& pytest" in blocks[1][1]
