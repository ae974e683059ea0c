"""The arrows of docs/architecture.md: who may import whom, and what an import may cost."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import focuspuller
import pytest

ROOT = Path(focuspuller.__file__).resolve().parent
# Folders with Python files that are no part of the installed package.
OUTSIDE = {"tests", "benchmarks", "samples", "docs", "build", "dist", "out", "node_modules"}

# What each part may import of the package itself. "" is the root `__init__`.
ARROWS = {
    "errors": set(),
    "lens": {"errors"},
    "photo": {"errors", "lens"},
    "models": {"errors", "lens"},
    "training": {"errors", "lens", "photo", "models"},
    "nodes": {"errors", "lens", "photo", "models"},
    "headless": {"errors", "lens", "photo", "models", "training", "nodes"},
    "": {"errors", "lens", "photo", "models", "nodes", "headless"},
}
# What the optics core may import of others. Numba is an extra, for the exact scatter alone.
LENS_LIBRARIES = {"torch", "numpy", "einops", "kornia"}
NUMBA_MODULES = {"lens.run_length"}
COMFYUI = ("comfy", "comfy_api", "comfy_extras", "comfy_execution", "folder_paths", "nodes")


class Import(NamedTuple):
    """An import statement: `module` is absolute, with a leading dot if it is of this package."""

    module: str
    line: int


def module_files() -> Iterator[tuple[str, Path]]:
    """Dotted names within the package, and their files."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in OUTSIDE]
    inner = [path for folder in folders if folder.name[0] != "." for path in folder.rglob("*.py")]
    for path in sorted([*ROOT.glob("*.py"), *inner]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts).removesuffix("__init__").rstrip("."), path


MODULES = dict(module_files())
every_module = pytest.mark.parametrize("name", MODULES, ids=lambda name: name or "__init__")


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imports_of(name: str) -> list[Import]:
    """All imports of a module, wherever they stand."""
    found = []
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(Import(node.module or "", node.lineno))
        elif isinstance(node, ast.ImportFrom):
            base = resolved(name, node.level)
            targets = [node.module] if node.module else [alias.name for alias in node.names]
            found += [
                Import(".".join([base, *target.split(".")]), node.lineno) for target in targets
            ]
    return found


def resolved(name: str, level: int) -> str:
    """The package that `level` dots mean in a module; "" is the root package."""
    parts = name.split(".") if name else []
    is_package = MODULES[name].name == "__init__.py"
    up = level - 1 if is_package else level
    assert up <= len(parts), f"{name} imports from above the package"
    return ".".join(["", *parts[: len(parts) - up]]).rstrip(".")


def part_of(module: str) -> str:
    """`lens` of `.lens.depth` or `lens.depth`."""
    return module.lstrip(".").partition(".")[0]


def is_own(module: str) -> bool:
    return module.startswith(".") or module.partition(".")[0] == "focuspuller"


def strings_in(name: str) -> Iterator[tuple[str, int]]:
    """String constants that are no docstrings."""
    tree = tree_of(name)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and id(node) not in docstrings:
            yield node.value, node.lineno


class TestTheReader:
    """The checks below see what they have to see."""

    def test_it_finds_the_modules_and_nothing_else(self):
        assert {"", "errors", "lens.optics", "nodes.standin.io", "headless.cli"} <= set(MODULES)
        assert not any(name.startswith(("tests", "benchmarks", "samples")) for name in MODULES)

    def test_it_resolves_relative_imports_at_any_depth(self):
        assert ".lens.depth" in {found.module for found in imports_of("nodes.depth")}
        assert ".photo.files" in {found.module for found in imports_of("nodes.standin.ui")}
        assert ".nodes.standin.host" in {found.module for found in imports_of("nodes.standin.ui")}
        assert ".models.lending" in {found.module for found in imports_of("models.loaded")}
        assert ".lens.run_length" in {found.module for found in imports_of("lens.bokehme")}
        assert ".nodes" in {found.module for found in imports_of("headless.runner")}


@every_module
def test_arrows_point_one_way(name):
    part = part_of(name)
    assert part in ARROWS, "a part that DESIGN does not know"
    allowed = ARROWS[part] | {part}
    wrong = [
        found
        for found in imports_of(name)
        if found.module.startswith(".") and part_of(found.module) not in allowed
    ]
    assert wrong == []


@every_module
def test_the_package_never_imports_itself_by_name(name):
    # As a custom node the package has another name than "focuspuller".
    assert [
        found for found in imports_of(name) if found.module.split(".")[0] == "focuspuller"
    ] == []
    calls = [text for text, _ in strings_in(name) if text.startswith("focuspuller.")]
    assert calls == []


@pytest.mark.parametrize("name", [name for name in MODULES if part_of(name) == "lens"])
def test_the_optics_core_imports_only_array_libraries(name):
    allowed = LENS_LIBRARIES | ({"numba"} if name in NUMBA_MODULES else set())
    foreign = {found.module.split(".")[0] for found in imports_of(name) if not is_own(found.module)}
    assert foreign - set(sys.stdlib_module_names) <= allowed


@every_module
def test_only_one_module_meets_comfyui(name):
    imported = {
        found.module
        for found in imports_of(name)
        if not is_own(found.module) and found.module.split(".")[0] in COMFYUI
    }
    mentioned = {
        text
        for text, _ in strings_in(name)
        if text.split(".")[0] in ("comfy_api", "comfy_extras", "comfy_execution", "folder_paths")
        or text.startswith("comfy.")
    }
    if name == "nodes.comfy":
        assert "comfy_api.latest" in imported
        assert {"folder_paths", "comfy.utils", "comfy.model_management"} <= mentioned
    else:
        assert imported | mentioned == set()


def in_fresh_python(code: str) -> Any:
    """What `code` prints as JSON in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(focuspuller.__file__).parent.parent)},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_importing_the_package_costs_nothing():
    code = """
import json, sys, time
start = time.perf_counter()
import focuspuller
seconds = time.perf_counter() - start
names = [name for name in sys.modules if "." not in name]
print(json.dumps({"seconds": seconds, "modules": names, "all": dir(focuspuller)}))
"""
    report = in_fresh_python(code)
    assert report["seconds"] < 1.0
    heavy = {"torch", "numpy", "diffusers", "transformers", "kornia", "numba", "PIL", "aiohttp"}
    assert heavy.isdisjoint(report["modules"])
    assert {"render", "load_photo", "save_photo", "run_workflow", "Camera"} <= set(report["all"])


def test_importing_the_nodes_brings_no_library_that_few_of_them_need():
    code = """
import json, sys
import focuspuller.nodes
print(json.dumps([name for name in sys.modules if "." not in name]))
"""
    modules = in_fresh_python(code)
    assert "torch" in modules
    heavy = {"kornia", "numba", "diffusers", "transformers", "aiohttp", "lensfunpy", "pillow_heif"}
    assert heavy.isdisjoint(modules)
    assert "OpenEXR" not in modules


def test_the_public_names_exist_and_are_documented():
    for name in focuspuller.__all__:
        assert getattr(focuspuller, name) is not None
        assert name in dir(focuspuller)
        if callable(getattr(focuspuller, name)):
            assert getattr(focuspuller, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'rendr'"):
        focuspuller.rendr  # noqa: B018


@pytest.fixture
def pyproject() -> dict[str, Any]:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 cannot read TOML")
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


class TestPyproject:
    def test_the_version_is_one_that_the_registry_takes(self, pyproject):
        parts = pyproject["project"]["version"].split(".")
        assert len(parts) == 3
        assert all(part.isdigit() for part in parts)

    def test_the_registry_fields_are_there(self, pyproject):
        assert "comfyui" not in pyproject["project"]["name"].lower()
        assert pyproject["tool"]["comfy"]["PublisherId"]
        assert pyproject["tool"]["comfy"]["DisplayName"] == "Focus Puller"
        assert pyproject["project"]["license"] == "Apache-2.0"
        assert pyproject["project"]["scripts"]["focuspuller"] == "focuspuller.headless.cli:main"

    def test_every_folder_with_code_is_installed(self, pyproject):
        folders = {path.parent.relative_to(ROOT) for path in MODULES.values()}
        packages = {".".join(["focuspuller", *folder.parts]) for folder in folders}
        setuptools = pyproject["tool"]["setuptools"]
        assert set(setuptools["packages"]) == packages
        assert set(setuptools["package-dir"]) == packages
        for package, folder in setuptools["package-dir"].items():
            assert folder == (
                package.replace(".", "/").removeprefix("focuspuller").lstrip("/") or "."
            )
        assert [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()] == []

    def test_every_file_that_the_package_reads_is_installed(self, pyproject):
        installed = set()
        for pattern in pyproject["tool"]["setuptools"]["package-data"]["focuspuller"]:
            installed |= {path for path in ROOT.glob(pattern) if path.is_file()}
            if pattern.endswith("/**"):  # before Python 3.13 this finds only folders
                installed |= {path for path in ROOT.glob(f"{pattern}/*") if path.is_file()}
        needed = [
            *ROOT.glob("web/**/*.md"),
            *ROOT.glob("web/**/*.js"),
            *ROOT.glob("workflows/**/*.json"),
            *ROOT.glob("samples/*.jpg"),
            *ROOT.glob("models/**/*.safetensors"),
        ]
        assert needed
        assert set(needed) <= installed

    def test_torch_and_numpy_are_not_pinned(self, pyproject):
        # A custom node shares ComfyUI's environment.
        assert {"torch", "numpy"} <= set(pyproject["project"]["dependencies"])
