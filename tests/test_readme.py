"""The README tells the truth: its blocks run, and it names what exists."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from pipeline.config import RunConfig
from pipeline.schemas import TABLES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [body for name, body in BLOCKS if name == kind]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample's data, its configuration and one run of it."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "configs").mkdir()
    text = (ROOT / "configs" / "sample.yaml").read_text()
    (folder / "configs" / "sample.yaml").write_text(text)
    call(folder, "pipeline.sample", ".gemel/sample-data")
    call(folder, "flows.cli", "run", "configs/sample.yaml", "--plain")
    return folder


def call(folder: Path, module: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        cwd=folder, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


SHELL = [line for block in blocks("sh") for line in block.splitlines() if line.strip()]


@pytest.mark.parametrize("line", SHELL)
def test_every_command_works(home: Path, line: str) -> None:
    program, *words = line.split()
    if program == "make":
        makefile = (ROOT / "Makefile").read_text()
        assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE)
    else:
        assert program == "gemel"
        call(home, "flows.cli", *words)


@pytest.mark.parametrize("code", blocks("python"))
def test_every_python_block_runs(home: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    exec(compile(code, "README.md", "exec"), {})


@pytest.mark.parametrize("text", blocks("yaml"))
def test_every_yaml_block_is_a_configuration(text: str) -> None:
    assert RunConfig.model_validate(yaml.safe_load(text)).sources


def models(kind: Any) -> set[type[BaseModel]]:
    """Every settings model that `kind` mentions, nested ones included."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        nested = [models(field.annotation) for field in kind.model_fields.values()]
        return {kind}.union(*nested)
    return set().union(*(models(part) for part in get_args(kind)))


def test_every_setting_is_named() -> None:
    names = {name for model in models(RunConfig) for name in model.model_fields}
    names -= {"type", "dimension", "grid"}  # the toy encoders' own
    assert len(names) > 50
    missing = {name for name in names if not re.search(rf"\b{name}\b", README)}
    assert not missing


def test_every_column_is_named() -> None:
    columns = {name for schema in TABLES.values() for name in schema.names}
    assert not {name for name in columns if f"`{name}`" not in README}


def test_every_command_is_named() -> None:
    from flows.cli import app

    commands = {name for name in app if not name.startswith("-")}
    assert commands >= {"run", "runs", "export", "report", "doctor"}
    assert not {name for name in commands if f"gemel {name}" not in README}
