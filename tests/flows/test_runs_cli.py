"""What a person decides about runs on the command line: what is printed, exit codes."""

import json
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import pytest
import yaml

from pipeline import load_config, run
from pipeline.catalog import Catalog
from tests.worlds import command_line

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens"),
]
Said = tuple[int, str, str]


@pytest.fixture
def gemel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Said]:
    """Call the command line where the night is; exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GEMEL_CATALOG", "catalog")
    return lambda *words: astuple(command_line.gemel(*words))


@pytest.fixture
def held(tmp_path: Path) -> str:
    """The name of a held run, after a published one."""
    columns = {"id": "id", "text": "title"}
    rows = [f"{n},the {n} little house on the very old hill {n * 37}" for n in range(20)]
    source = {"name": "a", "type": "csv", "path": "in.csv", "columns": columns}
    config = {"catalog": "catalog", "sources": [source], "text_encoder": {"type": "toy"},
              "gates": {"max_quarantined": 0}, "exports": [{"path": "out.csv"}]}  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "in.csv").write_text("id,title\n" + "\n".join(rows) + "\n")
    assert run(load_config(tmp_path / "config.yaml")).status == "published"
    (tmp_path / "in.csv").write_text("id,title\n" + "\n".join([*rows[:19], ",no id"]) + "\n")
    return str(run(load_config(tmp_path / "config.yaml")).run)


def test_release_then_roll_back_and_forward(gemel: Callable[..., Said], held: str) -> None:
    code, out, _ = gemel("runs", "show", held)
    assert code == 0
    for word in ("show", "release", "discard"):
        assert f"gemel runs {word} {held} --catalog {Path('catalog').resolve()}" in out
    code, out, _ = gemel("runs", "release", held, "--by", "ann", "--reason", "one bad row")
    assert code == 0
    assert out.startswith("PUBLISHED")
    assert "Released by ann" in out
    assert len(Path("out.csv").read_text().splitlines()) == 20
    code, out, _ = gemel("runs", "rollback", "--reason", "no")
    assert (code, out.startswith("PUBLISHED")) == (0, True)
    assert len(Path("out.csv").read_text().splitlines()) == 21
    listed = gemel("runs", "list")[1].splitlines()
    assert f"{held} rolled_back" in listed[1]
    assert "Rolled back to" in listed[1]
    code, out, _ = gemel("runs", "show", held)
    assert out.startswith("ROLLED BACK")
    code, out, _ = gemel("runs", "rollback", held, "--json")
    assert json.loads(out)["run"] == held
    assert Catalog("catalog").run().run == held


def test_discard_and_the_words_for_what_cannot_be(gemel: Callable[..., Said], held: str) -> None:
    code, out, _ = gemel("runs", "discard", held, "--reason", "cut short")
    assert (code, out) == (0, f"run {held} is discarded; readers see what they saw\n")
    assert gemel("runs", "show", held)[1].startswith("DISCARDED")
    code, _, err = gemel("runs", "release", held)
    assert code == 2
    assert f"run {held} is discarded, not held" in err
    code, _, err = gemel("runs", "rollback")
    assert code == 2
    assert "is the only published one" in err


def test_prune_says_what_goes_and_by_which_limits(gemel: Callable[..., Said], held: str) -> None:
    gemel("runs", "discard", held)
    code, out, _ = gemel("runs", "prune", "--dry-run", "--days", "0")
    assert code == 0
    assert "kept: 1 runs (the newest 30 published, those of the last 0 days, held ones)" in out
    assert f"would be dropped: {held}" in out
    code, out, _ = gemel("runs", "prune", "--days", "0", "--json")
    assert json.loads(out)["dropped"] == [held]
    assert "its tables were dropped" in gemel("runs", "show", held)[1]
    code, _, err = gemel("export", "--out", "x.csv", "--run", held)
    assert code == 2
    assert f"the tables of run {held} were dropped" in err


def test_a_dry_run_shows_the_limits(gemel: Callable[..., Said], held: str) -> None:
    code, out, _ = gemel("run", "config.yaml", "--dry-run")
    assert code == 0
    assert "\n  max_quarantined: 0.0\n" in out
    assert "\n  max_newly_removed: 0.05\n" in out
    assert "\nretention:\n  runs: 30\n" in out
