"""The flow under Prefect's own temporary server: same tables, artifacts, states."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import flows  # noqa: F401 - telemetry off before Prefect is imported
from flows.cli.run import run_flow
from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.errors import CatalogError
from pipeline.nightly import STAGES
from tests.worlds.runs import exported, rows_in, run_config, write_walks

pytestmark = [pytest.mark.slow, pytest.mark.flow]


@pytest.fixture(scope="module", autouse=True)
def prefect() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


def config(folder: Path, **changes: Any) -> RunConfig:
    return run_config(folder / "catalog", rows_in(write_walks(folder / "in.jsonl")), **changes)


def artifact(key: str) -> str:
    """What the newest artifact of that key holds."""
    from prefect.artifacts import Artifact

    found: Any = Artifact.get(key)
    assert found is not None
    return str(found.data)


def test_the_flow_writes_what_the_plain_loop_writes(tmp_path: Path) -> None:
    from flows.nightly import nightly

    (tmp_path / "plain").mkdir()
    (tmp_path / "flow").mkdir()
    plain, flow = config(tmp_path / "plain"), config(tmp_path / "flow")
    run(plain)
    summary: Any = nightly(flow)
    assert summary.status == "published"
    assert exported(plain, tmp_path / "a.csv") == exported(flow, tmp_path / "b.csv")
    assert not (tmp_path / "flow" / "catalog" / "work" / summary.run).exists()


def test_artifacts_are_left_for_the_operator(tmp_path: Path) -> None:
    from flows.nightly import nightly

    summary: Any = nightly(config(tmp_path, report={"url": "https://files.example/runs/"}))
    words = artifact("gemel-summary")
    assert "| Records | 8 |" in words
    assert "gates passed" in words
    assert "The first run of this catalog" in words
    link = artifact("gemel-report")
    assert f"https://files.example/runs/{summary.run}/report.html" in link
    progress = artifact("gemel-progress")
    assert float(progress) == 100.0


def test_a_held_run_ends_in_a_state_of_its_own(tmp_path: Path) -> None:
    from flows.nightly import nightly

    settings = config(tmp_path, gates={"max_quarantined": 0.1})
    source = tmp_path / "in.jsonl"
    source.write_text(source.read_text() + "broken\n" * 3)
    state: Any = nightly(settings, return_state=True)
    assert state.name == "Held"
    assert state.is_failed()
    assert "share of rows quarantined" in state.message
    with pytest.raises(CatalogError):
        Catalog(settings.catalog).run()
    assert run_flow(settings, plain=False, quiet=True).status == "held"


def test_a_published_run_that_could_not_write_an_export_fails_in_a_state_of_its_own(
    tmp_path: Path,
) -> None:
    from flows.nightly import nightly

    bad = str(tmp_path / ("x" * 300))
    settings = config(tmp_path, exports=[{"path": bad}])
    state: Any = nightly(settings, return_state=True)
    assert (state.name, state.is_failed()) == ("Unwritten", True)
    assert "is published; not written" in state.message
    summary = run_flow(settings, plain=False, quiet=True)
    assert summary.status == "published"
    assert list(summary.exports_failed) == [bad]
    assert Catalog(settings.catalog).run().summary == summary


@pytest.mark.parametrize("error", [RuntimeError("the disk broke"), KeyboardInterrupt()])
def test_a_run_that_raises_is_recorded_and_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    from flows import tasks

    def stop(_context: Any) -> Any:
        raise error

    (stage,) = (stage for stage in STAGES if stage.name == "score")
    monkeypatch.setitem(tasks.TASKS, "score", tasks.as_task(replace(stage, work=stop)))
    settings = config(tmp_path)
    with pytest.raises(type(error)):
        run_flow(settings, plain=False, quiet=True)
    (failed,) = Catalog(settings.catalog).runs()
    assert (failed.status, failed.summary.stage) == ("failed", "score")
    assert type(error).__name__ in str(failed.summary.error)
    monkeypatch.undo()
    assert run_flow(settings, plain=False, quiet=True).status == "published"


def test_who_cannot_have_the_lock_leaves_no_row(tmp_path: Path) -> None:
    settings = config(tmp_path)
    catalog = Catalog(settings.catalog)
    with catalog.writer(), pytest.raises(CatalogError, match="another run"):
        run_flow(settings, plain=False, quiet=True)
    assert catalog.runs() == []


def test_wrong_parameters_are_refused_before_a_stage_runs(tmp_path: Path) -> None:
    from prefect.exceptions import ParameterTypeError

    from flows.nightly import nightly

    good = config(tmp_path).model_dump()
    with pytest.raises(ParameterTypeError, match="treshold"):
        nightly({**good, "treshold": 1})  # type: ignore[call-overload]
    assert not (tmp_path / "catalog").exists()


def test_telemetry_is_off() -> None:
    from prefect.settings import get_current_settings

    assert get_current_settings().server.analytics_enabled is False


def test_a_fine_tune_is_a_flow_and_its_champion_judges_the_next_one(
    tmp_path: Path, write_offers: Any
) -> None:
    from flows.finetune import finetune
    from flows.nightly import nightly
    from pipeline.config.finetune import TrainConfig

    data = write_offers(tmp_path / "data")
    source = {"type": "jsonl", "name": "s", "path": str(data / "offers.jsonl"),
              "columns": {"id": "id", "text": "title"}}  # fmt: skip
    settings = TrainConfig.model_validate(
        {
            "name": "offers", "catalog": str(tmp_path / "catalog"), "sources": [source],
            "labels": [{"type": "pairs", "path": str(data / "pairs.csv")}],
            "encoder": {"train": False, "start": {"type": "toy"}}, "judge": {"kind": "linear"},
        }
    )  # fmt: skip
    summary: Any = finetune(settings)
    assert summary.promoted
    table = artifact("gemel-model")
    assert "average precision" in {row["metric"] for row in json.loads(table)}
    link = artifact("gemel-governance")
    assert summary.report in link

    state: Any = finetune(settings, return_state=True)
    assert (state.name, state.is_failed()) == ("NotPromoted", True)
    assert "offers/v0002 is registered, not promoted: gain in average precision" in state.message
    found = run_flow(settings, plain=False, quiet=True)
    assert (found.model, found.promoted) == ("offers/v0003", False)

    night = config(tmp_path / "data").model_copy(update={"catalog": settings.catalog})
    judged: Any = nightly(night)
    assert [model.model for model in judged.models.registered] == ["offers/v0001"]
