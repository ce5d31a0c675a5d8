"""Around a run, however it ends: its log, its metrics, who is told; none of it stops a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.errors import CatalogError, PipelineError
from tests.worlds.runs import rows_in, run_config, write_walks


def config(folder: Path, **changes: Any) -> RunConfig:
    """Eight records in four pairs of near copies; who is told writes to told.jsonl."""
    rows = write_walks(folder / "in.jsonl")
    append = f"cat >> {folder}/told.jsonl; echo >> {folder}/told.jsonl"
    given = {
        "notify": [{"type": "command", "command": ["sh", "-c", append]}],
        "metrics": {"path": str(folder / "node" / "gemel.prom")},
        **changes,
    }
    return run_config(folder / "catalog", rows_in(rows), **given)


def log_of(settings: RunConfig, name: str) -> list[dict[str, Any]]:
    path = Catalog(settings.catalog).run_folder(name) / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def told(folder: Path) -> list[dict[str, Any]]:
    path = folder / "told.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def measured(path: Path) -> dict[tuple[str, ...], float]:
    """(metric, value of the label that is not `name`, if any) → value."""
    found = {}
    for family in text_string_to_metric_families(path.read_text()):
        for sample in family.samples:
            assert sample.labels["name"] == "nightly"
            others = [value for label, value in sample.labels.items() if label != "name"]
            found[(sample.name, *others)] = sample.value
    return found


def test_a_published_run_leaves_a_line_per_stage_and_its_end(tmp_path: Path) -> None:
    settings = config(tmp_path)
    summary = run(settings)
    lines = log_of(settings, summary.run)
    assert {line["run"] for line in lines} == {summary.run}
    ended = [line for line in lines if line["event"] == "stage finished"]
    names = ["ingest", "embed_text", "embed_images", "search", "score", "cluster", "publish",
             "report", "export"]  # fmt: skip
    assert [line["stage"] for line in ended] == names
    assert [(line["rows"], line["seconds"] > 0) for line in ended[:1]] == [(8, True)]
    assert (lines[-1]["event"], lines[-1]["counts"]) == ("run published", summary.told_counts)
    assert told(tmp_path) == []  # `when` leaves out what went well


def test_metrics_say_what_the_summary_says(tmp_path: Path) -> None:
    settings = config(tmp_path)
    summary = run(settings)
    node = tmp_path / "node" / "gemel.prom"
    kept = Catalog(settings.catalog).run_folder(summary.run) / "metrics.prom"
    assert node.read_bytes() == kept.read_bytes()
    assert list(node.parent.iterdir()) == [node]  # nothing half written is left beside it
    values = measured(node)
    statuses = {key[1]: value for key, value in values.items() if key[0] == "gemel_run_status"}
    assert statuses == {"published": 1.0, "held": 0.0, "failed": 0.0}
    counts = {key[1]: value for key, value in values.items() if key[0] == "gemel_count"}
    assert counts == summary.told_counts
    finished = Catalog(settings.catalog).run().finished.timestamp()
    assert values[("gemel_last_published_timestamp_seconds",)] == pytest.approx(finished, abs=1e-3)
    recall = summary.recall.text.recall
    assert values[("gemel_candidate_recall", "text")] == recall
    for gate in summary.gates:
        assert values[("gemel_gate_value", gate.id)] == gate.value
        assert values[("gemel_gate_limit", gate.id)] == gate.limit
    seconds = {key[1]: v for key, v in values.items() if key[0] == "gemel_stage_seconds"}
    assert seconds == {row.stage: row.seconds for row in summary.stages}


def test_a_held_run_is_told_with_its_gates(tmp_path: Path) -> None:
    good = config(tmp_path)
    before = run(good)
    settings = good.model_copy(
        update={"gates": good.gates.model_copy(update={"max_quarantined": 0})}
    )
    source = tmp_path / "in.jsonl"
    source.write_text(source.read_text() + "broken\n")
    summary = run(settings)
    (message,) = told(tmp_path)
    assert (message["run"], message["outcome"]) == (summary.run, "held")
    assert [gate["title"] for gate in message["failed_gates"]] == ["share of rows quarantined"]
    assert message["counts"]["quarantined"] == 1
    assert "share of rows quarantined" in message["text"]
    values = measured(tmp_path / "node" / "gemel.prom")
    assert values[("gemel_run_status", "held")] == 1.0
    assert values[("gemel_gate_passed", "rows-quarantined")] == 0.0
    finished = Catalog(settings.catalog).run(before.run).finished.timestamp()
    assert values[("gemel_last_published_timestamp_seconds",)] == pytest.approx(finished, abs=1e-3)
    assert log_of(settings, summary.run)[-1]["event"] == "run held"


def test_a_run_that_raises_is_told_and_raises(tmp_path: Path, broken: Any) -> None:
    settings = config(tmp_path)
    with (
        broken("score", RuntimeError("the disk broke")),
        pytest.raises(RuntimeError, match="the disk broke"),
    ):
        run(settings)
    (failed,) = Catalog(settings.catalog).runs()
    (message,) = told(tmp_path)
    assert (message["run"], message["outcome"]) == (failed.run, "failed")
    assert message["reason"] == "score: RuntimeError: the disk broke"
    values = measured(tmp_path / "node" / "gemel.prom")
    assert values[("gemel_run_status", "failed")] == 1.0
    assert ("gemel_last_published_timestamp_seconds",) not in values
    last = log_of(settings, failed.run)[-1]
    assert (last["event"], last["level"]) == ("run failed", "warning")


def test_a_run_that_cannot_start_is_told_too(tmp_path: Path) -> None:
    settings = config(tmp_path)
    run(settings)
    with Catalog(settings.catalog).writer(), pytest.raises(CatalogError):
        run(settings)
    (message,) = told(tmp_path)
    assert (message["run"], message["outcome"]) == (None, "failed")
    assert "another run" in message["reason"]
    (tmp_path / "in.jsonl").unlink()
    with pytest.raises(PipelineError):
        run(settings)
    assert "in.jsonl" in told(tmp_path)[1]["reason"]


def test_who_stops_a_run_by_hand_is_not_told_of_it(tmp_path: Path, broken: Any) -> None:
    with broken("cluster", KeyboardInterrupt()), pytest.raises(KeyboardInterrupt):
        run(config(tmp_path))
    assert told(tmp_path) == []
    values = measured(tmp_path / "node" / "gemel.prom")
    assert values[("gemel_run_status", "failed")] == 1.0


def test_what_cannot_be_told_or_measured_does_not_fail_a_run_and_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = config(
        tmp_path,
        notify=[{"type": "command", "command": ["false"], "when": ["published"]}],
        metrics={"path": str(tmp_path / "file" / "gemel.prom")},
    )
    summary = run(settings)
    assert summary.status == "published"
    assert "exit code 1" in summary.not_notified["notify.0 (command)"]
    assert list(summary.metrics_failed) == [str(tmp_path / "file" / "gemel.prom")]
    assert Catalog(settings.catalog).run().summary == summary
    kept = Catalog(settings.catalog).run_folder(summary.run) / "metrics.prom"
    assert measured(kept)[("gemel_not_notified",)] == 1.0
    events = [line["event"] for line in log_of(settings, summary.run)]
    assert events[-3:] == ["run published", "not_notified", "metrics_failed"]


def test_the_log_goes_to_stderr_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GEMEL_LOG_FORMAT", "json")
    settings = config(tmp_path)
    summary = run(settings)
    shown = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert shown == log_of(settings, summary.run)
    monkeypatch.delenv("GEMEL_LOG_FORMAT")
    run(settings)
    assert capsys.readouterr().err == ""
