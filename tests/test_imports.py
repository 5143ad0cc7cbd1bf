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

COMMANDS = ("bench", "decode", "encode", "show", "train", "verify")
SHARED = ("commands.options", "commands.terminal")

# Each file and the files of the package that it may import; `errors` and `architecture` are below all.
ALLOWED = {
    "__init__": {"codec", "container", "integer_net"},
    "__main__": {"cli"},
    "architecture": set(),
    "atomic": set(),
    "batch": set(),
    "bits": {"least_squares", "mixing", "nibbles", "side", "wavefront"},
    "cli": {"__init__", *(f"commands.{name}" for name in COMMANDS), "commands.terminal", "outcome"},
    "commands.__init__": set(),
    "commands.bench": {*SHARED, "__init__", "image_files", "plan", "suffixes", "transcode"},
    "commands.decode": {*SHARED, "commands.running", "plan", "suffixes", "transcode"},
    "commands.encode": {*SHARED, "commands.running", "plan", "suffixes", "transcode"},
    "commands.options": {"header"},
    "commands.running": {"batch", "commands.terminal", "outcome", "plan", "transcode"},
    "commands.show": {*SHARED, "__init__", "container", "plan", "summary", "transcode"},
    "commands.terminal": {"outcome"},
    "commands.train": {
        *(*SHARED, "atomic", "transcode"),
        *("training.distributed", "training.export", "training.restart", "training.train"),
    },
    "commands.verify": {*SHARED, "commands.running", "plan", "suffixes", "transcode"},
    "codec": {
        *("atomic", "bits", "colours", "container", "header", "integer_net", "jpeg.way", "layers"),
        *("least_squares", "nibbles", "planes", "rangecoder", "side", "tiles", "wavefront", "ways"),
    },
    "colours": {"header"},
    "container": {"header", "layers"},
    "contexts": set(),
    "distribution": {"integer_net"},
    "errors": set(),
    "header": {"tiles"},
    "image_files": {"header", "image_info", "image_losses", "metadata", "png_parts"},
    "image_info": {"metadata"},
    "image_losses": set(),
    "integer_net": set(),
    "jpeg.__init__": set(),
    "jpeg.chroma": set(),
    "jpeg.coder": {
        *("header", "jpeg.coefficients", "jpeg.contexts", "jpeg.state", "mixing"),
        *("nibbles", "rangecoder"),
    },
    "jpeg.coefficients": set(),
    "jpeg.contexts": {"jpeg.coefficients", "jpeg.state"},
    "jpeg.inversion": {
        *(f"jpeg.{name}" for name in ("chroma", "coefficients", "lattice", "pixels", "search", "steps"))
    },
    "jpeg.lattice": {"jpeg.pixels"},
    "jpeg.pixels": {"jpeg.coefficients"},
    "jpeg.search": {"jpeg.pixels"},
    "jpeg.state": {"jpeg.coefficients", "mixing"},
    "jpeg.steps": {"jpeg.coefficients"},
    "jpeg.way": {"header", "jpeg.coder", "jpeg.inversion", "jpeg.pixels", "planes", "ways"},
    "layers": {"header"},
    "least_squares": set(),
    "logit_tables": set(),
    "matches": set(),
    "metadata": {"container"},
    "mixing": {"contexts", "least_squares", "logit_tables", "matches"},
    "network": set(),
    "numcodecs_plugin": {"__init__", "container", "header"},
    "pillow_plugin": {"codec", "container", "image_info", "planes"},
    "nibbles": {"distribution", "wavefront"},
    "outcome": {"plan"},
    "plan": {"suffixes"},
    "planes": {"colours", "container", "header", "image_info", "layers", "metadata"},
    "png_parts": {"metadata"},
    "rangecoder": set(),
    "side": {"contexts", "logit_tables", "matches", "mixing", "wavefront"},
    "suffixes": set(),
    "summary": {"container", "metadata"},
    "tiles": set(),
    "training.__init__": set(),
    "training.data": set(),
    "training.distributed": set(),
    "training.export": {"integer_net", "network"},
    "training.restart": {"network", "training.train"},
    "training.train": {
        "network",
        "training.data",
        "training.distributed",
        "training.export",
        "training.validate",
    },
    "training.validate": {"distribution", "integer_net", "training.data"},
    "transcode": {
        *("__init__", "atomic", "codec", "header", "image_files", "integer_net", "metadata"),
        *("outcome", "plan", "suffixes"),
    },
    "wavefront": {"distribution", "integer_net"},
    "ways": {"colours", "header", "planes"},
}
EVERYWHERE = {"architecture", "errors"}
STANDARD_LIBRARY_ONLY = (
    *("architecture", "atomic", "batch", "container", "errors", "header", "layers"),
    *("outcome", "plan", "suffixes", "tiles"),
)


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
    names = {name for name in imported(path) if name.split(".")[0] == "pixcodec"}
    return {name.removeprefix("pixcodec").removeprefix(".") or "__init__" for name in names}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_arrows_point_down(path: Path) -> None:
    name = name_of(path)
    assert name in ALLOWED, f"{name} is new: say here what it may import"
    unexpected = inside(path) - ALLOWED[name] - EVERYWHERE
    assert not unexpected, f"{name} imports {sorted(unexpected)}"


def test_there_is_no_circle() -> None:
    arrows = {name: (below | EVERYWHERE) - {name} for name, below in ALLOWED.items()}
    for name in EVERYWHERE:
        arrows[name] = set()
    while arrows:
        leaves = {name for name, below in arrows.items() if not below & arrows.keys()}
        assert leaves, f"circle among {sorted(arrows)}"
        arrows = {name: below for name, below in arrows.items() if name not in leaves}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_rangecoder_knows_constriction(path: Path) -> None:
    uses = any(name.split(".")[0] == "constriction" for name in imported(path))
    assert not uses or name_of(path) == "rangecoder"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_torch_is_for_training(path: Path) -> None:
    at_top = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Import):
            at_top |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            at_top.add((node.module or "").split(".")[0])
    training = {f"training.{name}" for name in ("distributed", "export", "restart", "train")}
    assert "torch" not in at_top or name_of(path) in {"network", *training}


@pytest.mark.parametrize("name", STANDARD_LIBRARY_ONLY)
def test_the_standard_library_suffices(name: str) -> None:
    outside = {n.split(".")[0] for n in imported(PACKAGE / f"{name}.py")} - {"pixcodec"}
    assert outside <= sys.stdlib_module_names


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_the_cli_prints_or_exits(path: Path) -> None:
    if name_of(path).split(".")[0] in {"__main__", "cli", "commands"}:
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
    heavy = {"constriction", "numba", "numpy", "PIL", "safetensors", "scipy", "torch"}
    assert not loaded_after(code) & heavy


def test_the_codec_does_without_torch() -> None:
    assert not loaded_after("import pixcodec; pixcodec.encode; pixcodec.list_models()") & {"torch"}


def test_the_public_names_exist() -> None:
    assert sorted(pixcodec.__all__) == pixcodec.__all__
    for name in pixcodec.__all__:
        assert getattr(pixcodec, name) is not None
        assert name in dir(pixcodec)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        pixcodec.nothing  # noqa: B018
