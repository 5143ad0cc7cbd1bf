"""The description of the format: its sections, its order, its constants."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import pixcodec
from pixcodec.container.beginning import HEADER_SIZE_BYTES
from pixcodec.container.chunks import MAGIC, MAX_PAYLOAD_SIZE_BYTES
from pixcodec.container.header import (
    FORMAT_VERSION,
    FORMAT_VERSIONS,
    MAX_PIXELS,
    MAX_SIDE,
    MAX_TILE_PIXELS,
    Mode,
)
from pixcodec.reference.text import FOLDER, PARTS, TEXTS, Section

PACKAGE = Path(pixcodec.__file__).parent
ENTRY = (PACKAGE / "FORMAT.md").read_text("utf-8")
CORE = TEXTS["README"] + TEXTS["core"]
SCREEN_LINES = 40


def sections(part: str) -> list[str]:
    return re.findall(r"^##+ (.*)$", TEXTS[part], re.MULTILINE)


ALL_SECTIONS = [title for part in PARTS for title in sections(part)]


def anchor(title: str) -> str:
    """Return the anchor that a heading has on GitHub."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_the_entry_lists_the_sections_of_every_part() -> None:
    assert len(ENTRY.splitlines()) <= SCREEN_LINES
    listed = {}
    for item in ENTRY.split("\n- ")[1:]:
        part, _, titles = " ".join(item.split()).partition(": ")
        found = re.search(r"\(format/(.*)\.md\)", part)
        assert found
        listed[found[1]] = titles.split("; ")
    assert listed == {part: sections(part) for part in PARTS}
    assert {path.stem for path in FOLDER.glob("*.md")} == set(PARTS)


def test_a_section_name_means_one_section() -> None:
    assert len({anchor(title) for title in ALL_SECTIONS}) == len(ALL_SECTIONS)


@pytest.mark.parametrize("part", ["FORMAT", *PARTS])
def test_links_lead_somewhere(part: str) -> None:
    folder, text = (PACKAGE, ENTRY) if part == "FORMAT" else (FOLDER, TEXTS[part])
    links = re.findall(r"\]\(([^)#]*)#?([^)]*)\)", text)
    assert links
    for file, place in links:
        target = folder / (file or f"{part}.md")
        headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
        assert not place or place in map(anchor, headings), (file, place)


def test_sections_that_the_code_names_exist() -> None:
    pattern = re.compile(r'FORMAT\.md(?:`)?, (?:sections? )?"?([A-Z][a-z A-Z]*\w|shap)')
    named = {
        title.partition(" and ")[0]
        for path in [*PACKAGE.rglob("*.py"), PACKAGE.parent / "CHANGELOG.md"]
        for title in pattern.findall(" ".join(path.read_text("utf-8").split()))
    }
    assert {"Network", "HEAD", "Range coder", "Mixing"} <= named
    assert named <= set(ALL_SECTIONS)


def test_effort_fast_is_described_in_the_first_third() -> None:
    order = (
        "Container",
        "HEAD",
        "TILE",
        "Tiles",
        "Network",
        "Wavefronts",
        "Distribution",
        "Nibbles",
        "Range coder",
    )
    assert [title for title in sections("core") if title in order] == list(order)
    assert len(CORE) < sum(map(len, TEXTS.values())) / 3


def test_the_core_needs_nothing_from_other_parts() -> None:
    # Links to other parts are for files that need these.
    fast = TEXTS["core"][TEXTS["core"].index("## Network\n") :]
    fast = fast.replace("see [Mixing](mixing.md#mixing)", "")
    assert set(re.findall(r"\]\(([\w-]+\.md)", fast)) == set()


def test_the_versions_are_those_of_the_text() -> None:
    assert re.match(r"# The .pxc format, versions 11, 10, 9, 8, 7, 6, 5, 4, 3 and 1\n", ENTRY)
    assert (FORMAT_VERSION, sorted(FORMAT_VERSIONS)) == (6, [1, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    read = {
        n for row in Section("Versions").tables[0] if row[2].startswith("yes") for n in row[0].split(", ")
    }
    assert sorted(map(int, read)) == sorted(FORMAT_VERSIONS)


def test_the_modes_are_those_of_the_text() -> None:
    rows = Section("HEAD").tables[1]
    assert [int(row[0]) for row in rows] == sorted(Mode)
    for row in rows:
        mode = Mode(int(row[0]))
        if mode is Mode.DEEP:  # whose samples have fields of their own
            assert tuple(map(int, row[3].split(", "))) == mode.bit_depths
            continue
        first, _, last = row[3].partition(" to ")
        assert mode.bit_depths == tuple(range(int(first), int(last or first) + 1))
        assert mode.channels == int(row[2])


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (MAGIC.hex(" ").upper(), "8C 50 58 43 0D 0A 1A 0A"),
        (HEADER_SIZE_BYTES, "first 60 bytes of the file hold all of it"),
        (MAX_SIDE, "2^20"),
        (MAX_PIXELS, "2^31"),
        (MAX_PAYLOAD_SIZE_BYTES, "2^31 - 1"),
        (MAX_TILE_PIXELS, "2^28"),
    ],
)
def test_constants_are_those_of_the_text(value: object, words: str) -> None:
    assert words in " ".join(CORE.split())
    number = re.search(r"2\^(\d+)( - 1)?$", words)
    if number:
        assert value == 2 ** int(number[1]) - bool(number[2])
    else:
        assert str(value) in words
