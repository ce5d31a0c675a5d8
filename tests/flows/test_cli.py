"""The command line as an operator meets it: output, exit codes, help."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.json as pa_json
import pyarrow.parquet as pq
import pytest
import yaml

from flows.cli.doctor import _formats
from pipeline.catalog import Catalog
from tests.worlds.command_line import gemel

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens"),
]

COMMANDS = [
    ["run"], ["runs", "list"], ["runs", "show"], ["runs", "release"], ["runs", "discard"],
    ["runs", "rollback"], ["runs", "prune"], ["export"], ["report"], ["doctor"],
]  # fmt: skip


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
    config["exports"] = [{"path": "."}]
    (folder / "blocked.yaml").write_text(yaml.safe_dump(config))
    done = gemel("run", "config.yaml", "--no-prefect", cwd=folder)
    assert done.code == 0, done.err
    assert "PUBLISHED" in done.out
    assert "UNCALIBRATED" in done.out
    assert "25 in, 0 quarantined" in done.out
    return folder


def test_the_installed_module_runs(night: Path) -> None:
    words = [sys.executable, "-m", "flows.cli.main", "runs", "list", "--json"]
    done = subprocess.run(
        [*words, "--catalog", str(night / "catalog")], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)[-1]["status"] == "published"


def test_the_configured_export_was_written(night: Path) -> None:
    lines = (night / "out" / "clusters.csv").read_text().splitlines()
    assert lines[0].startswith('"record_id"') or lines[0].startswith("record_id")
    assert len(lines) == 1 + 25


def test_the_log_is_json_lines_where_that_is_asked(night: Path) -> None:
    done = gemel("run", "config.yaml", "--no-prefect", "--log-format", "json", cwd=night)
    lines = [json.loads(line) for line in done.err.splitlines()]
    assert (lines[0]["event"], lines[0]["stage"]) == ("stage started", "ingest")
    assert lines[-1]["event"] == "run published"


def test_json_output_is_json(night: Path) -> None:
    done = gemel("run", "config.yaml", "--no-prefect", "--json", cwd=night)
    assert done.json["counts"]["texts_embedded"] == 0
    listed = gemel("runs", "list", "--catalog", "catalog", "--json", cwd=night).json
    assert len(listed) >= 2
    shown = gemel("runs", "show", listed[-1]["run"], "--catalog", "catalog", "--json", cwd=night)
    assert shown.json["run"] == listed[-1]["run"]


READERS: dict[str, Callable[[Path], pa.Table]] = {
    "csv": pa_csv.read_csv,
    "jsonl": pa_json.read_json,
    "parquet": pq.read_table,
}
# What an export holds: its id, the table where that comes from, and which of its rows.
IN_THE_CATALOG: dict[str, tuple[str, str, Callable[[dict[str, Any]], bool]]] = {
    "clusters": ("record_id", "clusters", lambda row: True),
    "pairs": ("left_id", "pairs", lambda row: True),
    "survivors": ("record_id", "clusters", lambda row: row["record_id"] == row["representative"]),
    "removals": ("record_id", "clusters", lambda row: row["record_id"] != row["representative"]),
}


@pytest.mark.parametrize("what", IN_THE_CATALOG)
@pytest.mark.parametrize("ending", READERS)
def test_exports(night: Path, what: str, ending: str) -> None:
    out = night / f"{what}.{ending}"
    done = gemel("export", "--what", what, "--out", str(out), "--catalog", "catalog", cwd=night)
    assert done.code == 0, done.err
    id_, table, kept = IN_THE_CATALOG[what]
    catalog = Catalog(night / "catalog")
    rows = [row for row in catalog.read(table, run=catalog.run()).to_pylist() if kept(row)]
    assert rows
    read = READERS[ending](out).to_pylist()
    assert sorted(row[id_] for row in read) == sorted(row[id_] for row in rows)


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("--what", "clusters"), 25),
        (("--what", "clusters", "--min-size", "2"), 10),
        (("--what", "removals"), 5),
        (("--what", "removals", "--include-review"), 5),
        (("--what", "removals", "--min-probability", "1"), 0),
        (("--what", "survivors"), 20),
        (("--what", "survivors", "--min-probability", "1"), 25),
        (("--what", "survivors", "--merge-attributes"), 20),
    ],
)
def test_options_of_exports(night: Path, words: tuple[str, ...], lines: int) -> None:
    done = gemel("export", *words, "--out", "o.jsonl", "--catalog", "catalog", cwd=night)
    assert done.code == 0, done.err
    assert len((night / "o.jsonl").read_text().splitlines()) == lines


def test_the_feed_of_events(night: Path) -> None:
    """The first night everything is new; the next one, over the same records, nothing."""
    listed = gemel("runs", "list", "--catalog", "catalog", "--json", cwd=night).json
    first = listed[-1]["run"]
    for since, some in ((("--run", first), True), (("--since", first), False)):
        words = ("export", "--what", "events", *since, "--out", "e.jsonl", "--catalog", "catalog")
        done = gemel(*words, cwd=night)
        assert done.code == 0, done.err
        events = [json.loads(line) for line in (night / "e.jsonl").read_text().splitlines()]
        assert {event["event"] for event in events} == ({"born"} if some else set())


def test_report_prints_where_it_is(night: Path) -> None:
    done = gemel("report", "--catalog", "catalog", cwd=night)
    assert Path(night, done.out.strip()).exists()


def test_a_dry_run_changes_nothing(night: Path) -> None:
    done = gemel("run", "config.yaml", "--dry-run", "--catalog", "other", cwd=night)
    assert done.code == 0, done.err
    assert not (night / "other").exists()


def test_a_held_run_exits_with_1(night: Path) -> None:
    text = (night / "config.yaml").read_text() + "gates: {max_quarantined: 0}\n"
    (night / "strict.yaml").write_text(text.replace("in.csv", "bad.csv"))
    (night / "bad.csv").write_text((night / "in.csv").read_text() + ",no id here\n")
    done = gemel("run", "strict.yaml", "--no-prefect", "--catalog", "held", cwd=night)
    assert done.code == 1
    assert "HELD" in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "absent.yaml"), "cannot read the configuration"),
        (("runs", "list", "--catalog", "nowhere"), "there is no catalog"),
        (("runs", "show", "nonsense", "--catalog", "catalog"), "no run 'nonsense'"),
        (("export", "--out", "x.docx", "--catalog", "catalog"), "docx"),
        (("export", "--what", "nonsense", "--out", "x.csv"), "nonsense"),
        (
            ("export", "--what", "removals", "--merge-attributes", "--out", "x.csv"),
            "merge_attributes: applies to survivors only, this one is removals; leave it out",
        ),
        (("export", "--what", "pairs", "--include-review", "--out", "x.csv"), "include_review"),
        (("export", "--what", "pairs", "--min-size", "2", "--out", "x.csv"), "min_size"),
        (
            ("export", "--what", "pairs", "--since", "x", "--out", "x.csv"),
            "--since applies to events",
        ),
        (
            (
                "export",
                "--what",
                "events",
                "--since",
                "x",
                "--out",
                "x.csv",
                "--catalog",
                "catalog",
            ),
            "run 'x' is not known",
        ),
        (("run", "blocked.yaml", "--dry-run"), "exports.0.path: this is a folder"),
        (("run", "blocked.yaml", "--no-prefect"), "exports.0.path: this is a folder"),
        (("nonsense",), "nonsense"),
    ],
)
def test_bad_input_exits_with_2_and_says_why(
    night: Path, words: tuple[str, ...], message: str
) -> None:
    done = gemel(*words, cwd=night)
    assert done.code == 2, done.out + done.err
    assert message in done.out + done.err
    assert "Traceback" not in done.err


def test_who_stops_a_run_is_told_what_is_left(
    night: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import flows.nightly
    from flows.cli.main import main

    def stop(*_given: object, **_options: object) -> None:
        """What Prefect raises when its temporary server has heard the interrupt too."""
        try:
            error = KeyboardInterrupt()
            error.add_note("recorded as failed: gemel runs show X")
            raise error
        finally:
            raise ConnectionError("the server is gone")

    monkeypatch.setattr(flows.nightly, "nightly", stop)
    monkeypatch.setattr(sys, "argv", ["gemel", "run", str(night / "config.yaml"), "--prefect"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 130
    said = capsys.readouterr().err
    assert "stopped; what was published before is still published\nrecorded as failed" in said


@pytest.fixture(scope="module")
def morning(night: Path) -> Path:
    """A folder whose one catalog has a published run, and then a failed one."""
    folder = night / "morning"
    shutil.copytree(night / "catalog", folder / ".gemel" / "night")
    (folder / "empty.csv").write_text("id,title\n")
    text = (night / "config.yaml").read_text().replace("in.csv", "empty.csv")
    text = text.replace("catalog: catalog", "catalog: .gemel/night")
    (folder / "empty.yaml").write_text(text)
    done = gemel("run", "empty.yaml", "--no-prefect", cwd=folder)
    assert done.code == 2
    assert "source 'a' has no rows" in done.err
    assert "recorded as failed: gemel runs show 2" in done.err
    return folder


def test_a_failed_run_is_listed_and_the_last_published_one_shown(morning: Path) -> None:
    listed = gemel("runs", "list", cwd=morning).out.splitlines()
    assert listed[0].split() == [
        "run", "status", "records", "clusters>1", "removable", "in", "review", "s",
    ]  # fmt: skip
    assert " failed " in listed[1]
    assert "ingest: source 'a' has no rows" in listed[1]
    assert " published " in listed[2]
    failed = listed[1].split()[0]
    shown = gemel("runs", "show", cwd=morning)
    assert shown.code == 0
    assert shown.out.startswith("PUBLISHED")
    (note,) = (line for line in shown.err.splitlines() if line.startswith("note:"))
    assert f"the newer run {failed} is failed" in note
    assert gemel("runs", "show", "--json", cwd=morning).json["status"] == "published"
    told = gemel("runs", "show", failed, cwd=morning)
    assert told.out.startswith("FAILED")
    assert "source 'a' has no rows" in told.out
    assert "note:" not in told.err
    for words in (("export", "--out", "x.csv"), ("report",)):
        done = gemel(*words, "--run", failed, cwd=morning)
        assert done.code == 2
        assert f"run {failed} is failed and has no table" in done.err


def test_the_only_catalog_is_used_and_named_and_several_are_listed(morning: Path) -> None:
    done = gemel("export", "--out", "c.csv", cwd=morning)
    assert done.code == 0
    assert "using the catalog .gemel/night; --catalog names another" in done.err
    assert ".gemel/night (below" in gemel("doctor", cwd=morning).out
    shutil.copytree(morning / ".gemel" / "night", morning / ".gemel" / "other")
    for configuration in morning.glob("*.yaml"):  # they would say which catalog is meant
        configuration.unlink()
    done = gemel("export", "--out", "c.csv", cwd=morning)
    assert done.code == 2
    assert ".gemel/night, .gemel/other; choose one with --catalog" in done.err
    assert ".gemel/catalog (below" in gemel("doctor", cwd=morning).out
    (morning / ".gemel" / "other").rename(morning / ".gemel" / "catalog")
    done = gemel("export", "--out", "c.csv", cwd=morning)
    assert done.code == 0
    assert "using" not in done.err


def test_an_export_that_cannot_be_written_exits_with_1_and_the_run_is_published(
    night: Path,
) -> None:
    name = "x" * 300
    text = (night / "config.yaml").read_text().replace("out/clusters.csv", f"out/{name}.csv")
    (night / "long.yaml").write_text(text)
    done = gemel("run", "long.yaml", "--no-prefect", "--catalog", "long", cwd=night)
    assert done.code == 1
    assert done.out.startswith("PUBLISHED, NOT ALL WRITTEN")
    shown = gemel("runs", "show", "--catalog", "long", cwd=night)
    for output in (done.out, shown.out):
        assert f"NOT WRITTEN {night}/out/{name}.csv: cannot write" in output
        assert "File name too long" in output
    (line,) = gemel("runs", "list", "--catalog", "long", cwd=night).out.splitlines()[1:]
    assert " published " in line
    assert "not written:" in line
    summary = gemel("runs", "show", "--catalog", "long", "--json", cwd=night).json
    assert list(summary["exports_failed"]) == [f"{night}/out/{name}.csv"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    done = gemel(*command, "--help")
    assert done.code == 0
    assert "Example" in done.out
    assert f"gemel {' '.join(command)}" in " ".join(done.out.split())


def test_doctor_finds_the_encoders(night: Path) -> None:
    done = gemel("doctor", "--catalog", "catalog", "--json", cwd=night)
    checks = {check["check"]: check for check in done.json}
    assert done.code == 0
    assert checks["encoder minilm"]["ok"]
    assert "384 dimensions" in checks["encoder minilm"]["found"]
    assert "512 dimensions" in checks["encoder copy_detection"]["found"]
    assert checks["HEIF pictures"]["found"] == "readable"


def test_doctor_says_what_heif_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.ingestion.FORMATS", ["JPEG"])
    (found,) = [check for check in _formats() if check.check == "HEIF pictures"]
    assert found.ok
    assert found.found.startswith("not readable")
    assert "pip install 'gemel[heif]'" in found.found
