"""The shape of the house: who may import whom, what stays light, and what lies where."""

import ast
import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("pipeline/**/*.py"))


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports_from(path: Path) -> list[ast.ImportFrom]:
    return [node for node in ast.walk(parse(path)) if isinstance(node, ast.ImportFrom)]


def top_imports(path: Path) -> set[str]:
    """What a module imports as soon as it is imported itself."""
    found = set()
    for node in parse(path).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


OUTSIDE = [
    path for path in [*FILES, *sorted(ROOT.glob("flows/**/*.py"))] if "training" not in path.parts
]


def test_training_is_imported_inside_functions_only() -> None:
    for path in OUTSIDE:
        assert not [name for name in top_imports(path) if name.startswith("pipeline.training")], (
            path
        )


ROOMS = sorted(path.parent.name for path in ROOT.glob("pipeline/*/__init__.pyi"))


@cache
def door(room: str) -> set[str]:
    """What a room lets others import."""
    stub = ast.parse((ROOT / "pipeline" / room / "__init__.pyi").read_text())
    return {alias.name for node in stub.body for alias in getattr(node, "names", ())}


def test_other_rooms_are_entered_by_their_door() -> None:
    for path in [*FILES, *ROOT.glob("flows/**/*.py")]:
        package, own, *_ = path.relative_to(ROOT).parts
        for node in imports_from(path):
            if not (node.module or "").startswith("pipeline."):
                continue
            _, room, *inside = (node.module or "").split(".")
            if room in ROOMS and (package, room) != ("pipeline", own):
                assert not inside, f"{path}: {node.module} is past the door of {room}"
                assert {alias.name for alias in node.names} <= door(room), path


@pytest.mark.parametrize("room", ROOMS)
def test_a_door_opens_and_lists_only_what_somebody_imports(room: str) -> None:
    module = importlib.import_module(f"pipeline.{room}")
    assert all(hasattr(module, name) for name in door(room))
    users = [*FILES, *ROOT.glob("flows/**/*.py"), *ROOT.glob("tests/**/*.py")]
    used = {
        alias.name
        for path in users
        for node in imports_from(path)
        if node.module == f"pipeline.{room}"
        for alias in node.names
    }
    assert not door(room) - used


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["torch", "faiss", "pytorch_lightning", "sentence_transformers", "PIL", "prefect",
             "sklearn", "deltalake"]  # fmt: skip
    code = (
        "import sys, pipeline, pipeline.config.run; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_a_summary_loads_nothing_heavy() -> None:
    """What `gemel runs list` waits for."""
    heavy = ["torch", "faiss", "scipy", "sklearn", "prefect", "PIL"]
    code = (
        "import sys; from pipeline.catalog import RunSummary; import pipeline.outputs.terminal; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_top_level_holds_what_the_user_fixed() -> None:
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.fail("this test reads git's list of files")
    allowed = {"pyproject.toml", "README.md", "pipeline", "flows", "tests", "configs", "Makefile",
               "constraints.txt", "LICENSE"}  # fmt: skip
    top = {line.split("/")[0] for line in done.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= allowed


def test_no_tests_folder_is_a_package() -> None:
    assert not list((ROOT / "tests").rglob("__init__.py"))


def test_tests_share_nothing_but_their_worlds() -> None:
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in imports_from(path):
            other = node.level or (node.module or "").startswith("tests.")
            assert not other or (node.module or "").startswith("tests.worlds"), path
