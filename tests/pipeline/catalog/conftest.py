"""A small catalog made by real runs, and an object store on loopback."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from tests.worlds.runs import rows_in, run_config, write_jsonl

NAMES = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima"
WORDS = NAMES.split()


def lines(count: int) -> list[dict[str, str]]:
    """Distinct texts; every third has a copy with a letter left out."""
    found = []
    for number in range(count):
        words = [WORDS[(number * step + step) % len(WORDS)] for step in range(1, 12)]
        text = " ".join([*words, f"case {number * 7919}"])
        found.append({"id": f"r{number}", "text": text})
        if number % 3 == 0:
            found.append({"id": f"n{number}", "text": text.replace("e", "", 1)})
    return found


@pytest.fixture(scope="session")
def make_config() -> Callable[..., RunConfig]:
    """Settings of a run over `count` texts into `folder`/catalog, or another one."""

    def make(folder: Path, count: int = 12, **changes: Any) -> RunConfig:
        path = write_jsonl(folder / "in.jsonl", lines(count))
        return run_config(folder / "catalog", rows_in(path), **changes)

    return make


@pytest.fixture
def configured(make_config: Callable[..., RunConfig], tmp_path: Path) -> Callable[..., RunConfig]:
    """`make_config` in the test's own folder."""
    return partial(make_config, tmp_path)


@pytest.fixture(scope="session")
def two_nights(
    make_config: Callable[..., RunConfig], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A catalog with two published nights, 12 texts and then 15; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("nights")
    for count in (12, 15):
        run(make_config(folder, count))
    return folder / "catalog"


@pytest.fixture
def nights(two_nights: Path, tmp_path: Path) -> Catalog:
    """A copy of `two_nights` where `configured` leads to."""
    shutil.copytree(two_nights, tmp_path / "catalog")
    return Catalog(tmp_path / "catalog")


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """s3://… of an empty bucket; the environment leads to it, and the cache is the test's own."""
    import fsspec

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(tmp_path),
        "GEMEL_HOME": str(tmp_path / "home"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": "k",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }.items():
        monkeypatch.setenv(name, value)
    url = f"s3://gemel-{tmp_path.name.replace('_', '-').lower()[:50]}"
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir(url)
    return url


@pytest.fixture(scope="session")
def two_starts() -> ModuleType:
    """The benchmark of that name."""
    path = Path(__file__).parents[2] / "bench" / "nights" / "two_starts.py"
    spec = importlib.util.spec_from_file_location("two_starts", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
