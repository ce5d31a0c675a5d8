"""The command line as an operator meets it: output, exit codes, help."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

COMMANDS = [["run"], ["runs", "list"], ["runs", "show"], ["export"], ["report"], ["doctor"]]


def gemel(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *words],
        capture_output=True, text=True, check=False, cwd=cwd, timeout=300,
    )  # fmt: skip


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with one published run of a small CSV."""
    folder = tmp_path_factory.mktemp("cli")
    rows = [f"{n},the {n} little house on the very old hill {n * 37}" for n in range(20)]
    rows += [f"{n}x,the {n} little house on the very old hill {n * 37}!" for n in range(5)]
    (folder / "in.csv").write_text("id,title\n" + "\n".join(rows) + "\n")
    config = {
        "catalog": "catalog",
        "sources": [
            {"name": "a", "type": "csv", "path": "in.csv", "columns": {"id": "id", "text": "title"}}
        ],
        "text_encoder": {"type": "toy"},
        "exports": [{"what": "clusters", "format": "csv", "path": "out/clusters.csv"}],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    done = gemel("run", "config.yaml", "--plain", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "PUBLISHED" in done.stdout
    assert "UNCALIBRATED" in done.stdout
    assert "25 in, 0 quarantined" in done.stdout
    return folder


def test_the_configured_export_was_written(night: Path) -> None:
    lines = (night / "out" / "clusters.csv").read_text().splitlines()
    assert lines[0].startswith('"record_id"') or lines[0].startswith("record_id")
    assert len(lines) == 11


def test_json_output_is_json(night: Path) -> None:
    done = gemel("run", "config.yaml", "--plain", "--json", cwd=night)
    assert json.loads(done.stdout)["counts"]["texts_embedded"] == 0
    listed = json.loads(gemel("runs", "list", "--catalog", "catalog", "--json", cwd=night).stdout)
    assert len(listed) >= 2
    shown = gemel("runs", "show", listed[-1]["run"], "--catalog", "catalog", "--json", cwd=night)
    assert json.loads(shown.stdout)["run"] == listed[-1]["run"]


@pytest.mark.parametrize("what", ["clusters", "pairs", "survivors", "removals"])
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_exports(night: Path, what: str, ending: str) -> None:
    out = night / f"{what}.{ending}"
    done = gemel("export", "--what", what, "--out", str(out), "--catalog", "catalog", cwd=night)
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 0


def test_report_prints_where_it_is(night: Path) -> None:
    done = gemel("report", "--catalog", "catalog", cwd=night)
    assert Path(night, done.stdout.strip()).exists()


def test_a_dry_run_changes_nothing(night: Path) -> None:
    done = gemel("run", "config.yaml", "--dry-run", "--catalog", "other", cwd=night)
    assert done.returncode == 0, done.stderr
    assert not (night / "other").exists()


def test_a_held_run_exits_with_1(night: Path) -> None:
    text = (night / "config.yaml").read_text() + "gates: {max_quarantined: 0}\n"
    (night / "strict.yaml").write_text(text.replace("in.csv", "bad.csv"))
    (night / "bad.csv").write_text((night / "in.csv").read_text() + ",no id here\n")
    done = gemel("run", "strict.yaml", "--plain", "--catalog", "held", cwd=night)
    assert done.returncode == 1
    assert "HELD" in done.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "absent.yaml"), "cannot read the configuration"),
        (("runs", "list", "--catalog", "nowhere"), "there is no catalog"),
        (("runs", "show", "nonsense", "--catalog", "catalog"), "no run 'nonsense'"),
        (("export", "--out", "x.docx", "--catalog", "catalog"), "docx"),
        (("export", "--what", "nonsense", "--out", "x.csv"), "nonsense"),
        (("nonsense",), "nonsense"),
    ],
)
def test_bad_input_exits_with_2_and_says_why(
    night: Path, words: tuple[str, ...], message: str
) -> None:
    done = gemel(*words, cwd=night)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    done = gemel(*command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"gemel {' '.join(command)}" in " ".join(done.stdout.split())


def test_doctor_finds_the_encoders(night: Path) -> None:
    done = gemel("doctor", "--catalog", "catalog", "--json", cwd=night)
    checks = {check["check"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0
    assert checks["encoder minilm"]["ok"]
    assert "384 dimensions" in checks["encoder minilm"]["found"]
