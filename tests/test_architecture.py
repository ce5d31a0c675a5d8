"""The shape of the house: who may import whom, what stays light, and what lies where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted(ROOT.glob("pipeline/**/*.py"))


def top_imports(path: Path) -> set[str]:
    """What a module imports as soon as it is imported itself."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


OUTSIDE = [
    path for path in [*FILES, *sorted(ROOT.glob("flows/**/*.py"))] if "training" not in path.parts
]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_training_is_imported_inside_functions_only(path: Path) -> None:
    assert not {name for name in top_imports(path) if name.startswith("pipeline.training")}


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["torch", "faiss", "pytorch_lightning", "sentence_transformers", "PIL", "prefect",
             "sklearn", "deltalake"]  # fmt: skip
    code = (
        "import sys, pipeline, pipeline.config.run; "
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
