"""The shape of the house: who may import whom, what stays light, and what lies where."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHELL = {"stages", "outcome", "outputs", "nightly", "contents", "context", "state", "ingestion",
         "proposals", "settling", "resumption",
         "corpus", "distillation",
         "lesson", "finetuning", "registration", "registered", "study", "pinning", "model_facts",
         "assessment", "labels_store", "measuring", "model_files", "recalibration",
         "last_night", "decisions", "late", "embedding",
         "feed", "succession", "gating", "operating",
         "scorecard", "watch",
         "alignments", "pictures", "verification", "copies_made", "self_calibration"}  # fmt: skip
ROOMS = {"sources", "encoders", "indexes", "exporters"}


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


FILES = sorted(ROOT.glob("pipeline/**/*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_in_the_library_knows_prefect_or_the_flows(path: Path) -> None:
    assert not {name for name in imports(path) if name.split(".")[0] in {"prefect", "flows"}}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_modules_know_neither_the_catalog_nor_the_stages(path: Path) -> None:
    name = path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")
    if name in SHELL | {"catalog"}:
        return
    shell = {f"pipeline.{other}" for other in SHELL | {"catalog"}}
    # The package's own door opens the run lazily.
    allowed = {"pipeline.nightly", "pipeline.nightly.run"} if name == "__init__" else set()
    used = {n for n in imports(path) if any(n == s or n.startswith(f"{s}.") for s in shell)}
    assert not used - allowed


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_varying_rooms_do_not_import_each_other(room: str) -> None:
    others = {f"pipeline.{other}" for other in ROOMS - {room}}
    for path in (ROOT / "pipeline" / room).glob("*.py"):
        used = {n for n in imports(path) if any(n == o or n.startswith(f"{o}.") for o in others)}
        assert not used, path


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
    path for path in [*FILES, *sorted(ROOT.glob("flows/**/*.py"))] if path.parent.name != "training"
]


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_training_is_imported_inside_functions_only(path: Path) -> None:
    assert not {name for name in top_imports(path) if name.startswith("pipeline.training")}


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = ["torch", "faiss", "pytorch_lightning", "sentence_transformers", "PIL", "prefect",
             "sklearn", "deltalake"]  # fmt: skip
    code = (
        "import sys, pipeline, pipeline.config; "
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
