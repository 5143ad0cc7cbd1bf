"""The picture of the package: who may import whom, who may print."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pixcodec

PACKAGE = Path(pixcodec.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# The rooms of the house from the top down, and the rooms below that each may import. A file of the root is a
# room of its own; any room may import `errors`.
ROOMS = {
    "__main__": {"cli"},
    "cli": {
        *("__init__", "batch", "bench", "cluster", "container"),
        *("explain", "generation", "images", "network", "training", "viewer"),
    },
    "bench": {"__init__", "batch", "container", "images", "pages"},
    "viewer": {"__init__", "batch", "codec", "container", "explain", "generation", "images", "pages"},
    "explain": {"codec", "coding", "container", "generation", "images", "jpeg", "mixing", "network", "pages"},
    "cluster": {"batch", "codec", "container"},
    "__init__": {"batch", "codec", "container", "generation", "network"},
    "batch": {
        *("codec", "coding", "container", "frames", "generation", "images", "network", "reference", "tiling"),
    },
    "pillow_plugin": {"plugins"},
    "plugins": {"codec", "container", "frames", "images"},
    "generation": {"coding", "container", "images", "network"},
    "training": {"network"},
    "codec": {"coding", "container", "frames", "images", "jpeg", "network", "tiling"},
    "frames": {"coding", "container", "images", "network", "tiling"},
    "tiling": {"coding", "container", "images", "mixing", "network"},
    "jpeg": {"coding", "container", "images", "mixing", "network"},
    "coding": {"container", "mixing", "network"},
    "mixing": {"network"},
    "images": {"container"},
    "network": set(),
    "container": set(),
    "pages": set(),
    "reference": set(),  # a decoder that shares no code with the other one
    "errors": set(),
}
STANDARD_LIBRARY_ONLY = (
    *("batch.amounts", "batch.atomic", "batch.outcome", "batch.outputs", "batch.plan"),
    *("batch.pool", "batch.suffixes"),
    *("container", "errors", "network.architecture", "pages"),
)
MAX_ROOMS, MAX_ARROWS = 24, 112
OPTIONS_OF_COMMANDS = ("codec.encode", "generation.sampling.sample", "generation.inpainting.inpaint")
MAX_FILE_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 450, 60, 9


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """Return the dotted names of the modules that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert node.module is not None
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {member for member in members if is_module(member)}
            names |= modules or {node.module}
    return names


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return name.startswith("pixcodec.") and (path.with_suffix(".py").exists() or path.is_dir())


def inside(path: Path) -> set[str]:
    """Return the modules of the package that a file imports, without the package's name."""
    names = {name for name in imported(path) if name.split(".")[0] == "pixcodec"}
    return {name.removeprefix("pixcodec").removeprefix(".") or "__init__" for name in names}


def room_of(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_between_rooms_are_those_of_the_plan(path: Path) -> None:
    room = room_of(name_of(path))
    assert room in ROOMS, f"{room} is new: say here what it may import"
    unexpected = {room_of(name) for name in inside(path)} - ROOMS[room] - {room, "errors"}
    assert not unexpected, f"{name_of(path)} imports from {sorted(unexpected)}"


def test_the_plan_has_no_arrow_that_nothing_needs() -> None:
    needed: dict[str, set[str]] = {room: set() for room in ROOMS}
    for path in FILES:
        needed[room_of(name_of(path))] |= {room_of(name) for name in inside(path)}
    for room, below in ROOMS.items():
        assert below <= needed[room], f"{room} does not import {sorted(below - needed[room])}"


def test_arrows_point_down() -> None:
    order = list(ROOMS)
    for room, below in ROOMS.items():
        assert all(order.index(other) > order.index(room) for other in below), room
    assert len(ROOMS) <= MAX_ROOMS
    assert sum(len(below | {"errors"}) for below in ROOMS.values()) <= MAX_ARROWS


def test_no_files_import_each_other_in_a_circle() -> None:
    arrows = {name_of(path).removesuffix(".__init__"): inside(path) for path in FILES}
    arrows["__init__"] = set()  # what it hands on is imported on first use
    while arrows:
        leaves = {name for name, below in arrows.items() if not (below - {name}) & arrows.keys()}
        assert leaves, f"circle among {sorted(arrows)}"
        arrows = {name: below for name, below in arrows.items() if name not in leaves}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_FILE_LINES
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.FunctionDef):
            continue
        where = f"{name_of(path)}.{node.name}"
        assert node.end_lineno is not None
        is_command = any("click" in ast.dump(decorator) for decorator in node.decorator_list)
        names = [argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)]
        # The options of a command are its parameters, and some functions have those of their commands.
        if not is_command and where not in OPTIONS_OF_COMMANDS:
            assert len([n for n in names if n not in {"self", "cls"}]) <= MAX_PARAMETERS, where
        assert node.end_lineno - node.lineno < MAX_FUNCTION_LINES, where


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_rangecoder_knows_constriction(path: Path) -> None:
    uses = any(name.split(".")[0] == "constriction" for name in imported(path))
    assert not uses or name_of(path) == "coding.rangecoder"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_torch_is_for_training(path: Path) -> None:
    at_top = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            at_top |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            at_top.add((node.module or "").split(".")[0])
    training = {f"training.{name}" for name in ("distributed", "export", "restart", "train", "trainer")}
    name = name_of(path)
    allowed = name in {"network.pixelcnn", *training} or name.startswith("training.architectures.")
    assert "torch" not in at_top or allowed


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_the_standard_library_suffices(name: str) -> None:
    place = PACKAGE.joinpath(*name.split("."))
    for path in sorted(place.glob("*.py")) or [place.with_suffix(".py")]:
        outside = {n.split(".")[0] for n in imported(path)} - {"pixcodec"}
        assert outside <= sys.stdlib_module_names


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_the_cli_prints_or_exits(path: Path) -> None:
    if name_of(path).split(".")[0] in {"__main__", "cli"}:
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Name):
            assert node.id not in {"print", "exit", "quit", "SystemExit"}, f"{path}:{node.lineno}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            dotted = f"{node.value.id}.{node.attr}"
            assert dotted not in {"sys.exit", "os._exit", "sys.stdout", "sys.stderr"}, f"{path}:{node.lineno}"


def loaded_after(code: str) -> set[str]:
    """Return the top-level names of the modules that a fresh interpreter has loaded after ``code``."""
    code += "\nimport sys; print(' '.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


@pytest.mark.parametrize(
    "code",
    [
        "import pixcodec; pixcodec.read_info; pixcodec.CorruptFileError",
        "import pixcodec.cli",
        "from pixcodec.cli import main; main(['--help'])",
    ],
)
def test_import_is_light(code: str) -> None:
    heavy = {"constriction", "numba", "numpy", "PIL", "rich", "safetensors", "scipy", "torch"}
    assert not loaded_after(code) & heavy


@pytest.mark.slow
def test_the_codec_does_without_torch() -> None:
    assert not loaded_after("import pixcodec; pixcodec.encode; pixcodec.list_models()") & {"torch"}


def test_the_public_names_exist() -> None:
    assert sorted(pixcodec.__all__) == pixcodec.__all__
    for name in pixcodec.__all__:
        assert getattr(pixcodec, name) is not None
        assert name in dir(pixcodec)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pixcodec.nothing  # noqa: B018
