"""What `gemel schedule` checks and serves, and that configs/prefect.yaml says the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import yaml

import flows  # noqa: F401 - telemetry off before Prefect is imported
from flows import recovery, schedule
from pipeline.config.run import RunConfig, load_config
from pipeline.errors import CatalogError, ConfigError, PipelineError
from tests.worlds.runs import rows_in, run_config

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "configs" / "sample.yaml"


def config(folder: Path, **changes: Any) -> RunConfig:
    return run_config(folder / "catalog", rows_in(Path("a.csv"), "csv", name="a"), **changes)


def planned(settings: RunConfig, **changes: Any) -> schedule.Plan:
    given = {"cron": "0 2 * * *", "timezone": "UTC", "name": None, "collision": "CANCEL_NEW"}
    return schedule.plan(settings, **{**given, **changes})


def test_the_next_runs_keep_to_the_wall_clock_when_clocks_change(tmp_path: Path) -> None:
    plan = planned(config(tmp_path), timezone="Europe/Berlin", cron="30 4 * * *")
    coming = plan.next_runs(datetime(2027, 3, 26, 12, tzinfo=UTC))
    assert [when.isoformat() for when in coming] == [
        "2027-03-27T04:30:00+01:00",
        "2027-03-28T04:30:00+02:00",
        "2027-03-29T04:30:00+02:00",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cron": "0 25 * * *"}, "'0 25 * * *' is no cron expression"),
        ({"cron": "nightly"}, '"0 2 * * *" is every night at two'),
        ({"cron": "0 0 2 * * *"}, "five fields"),
        ({"timezone": "Europe/Berln"}, "did you mean Europe/Berlin"),
        ({"timezone": "xyz"}, "such as Europe/Berlin"),
    ],
)
def test_what_cannot_be_scheduled_is_refused_with_the_fix(
    tmp_path: Path, change: dict[str, str], said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        planned(config(tmp_path), **change)
    assert said in str(error.value)


def test_a_catalog_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog").write_text("a file")
    with pytest.raises(CatalogError, match="is not a folder"):
        planned(config(tmp_path))


def test_credentials_do_not_go_to_the_server(tmp_path: Path) -> None:
    settings = config(tmp_path)
    (source,) = settings.sources
    secret = source.model_copy(update={"storage_options": {"secret": "s3cret"}})
    with pytest.raises(ConfigError, match="storage_options of source a hold credentials") as error:
        planned(settings.model_copy(update={"sources": (secret,)}))
    assert "s3cret" not in str(error.value)
    hidden = settings.model_copy(update={"catalog_options": {"secret": "s3cret"}})
    with pytest.raises(ConfigError, match="catalog_options hold credentials"):
        planned(hidden)


def test_the_parameters_are_the_configuration(tmp_path: Path) -> None:
    settings = config(tmp_path, name="products")
    plan = planned(settings)
    assert plan.deployment == "gemel-nightly/products"
    given = json.loads(json.dumps(plan.parameters))
    assert RunConfig.model_validate(given["config"]) == settings


def test_who_is_not_told_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOOK", raising=False)
    assert "nobody is told" in planned(config(tmp_path)).notes[0]
    told = config(tmp_path, notify=[{"type": "webhook", "url_env": "HOOK"}])
    assert planned(told).notes == ("notify.0 (webhook): HOOK is not set here",)
    monkeypatch.setenv("HOOK", "x")
    assert planned(told).notes == ()


def test_the_command_shows_the_plan_and_serves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flows.cli.schedule import schedule as command

    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(config(tmp_path).model_dump(mode="json")))
    assert command(path, timezone="Europe/Berlin", dry_run=True, as_json=True) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["deployment"], facts["collision"]) == ("gemel-nightly/nightly", "CANCEL_NEW")
    assert [datetime.fromisoformat(when).hour for when in facts["next"]] == [2, 2, 2]
    assert not (tmp_path / "catalog").exists()  # looked at, not made
    command(path, dry_run=True)
    assert "a run that is due while one is at work is cancelled" in capsys.readouterr().out


def test_without_a_server_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedule, "PREFECT_API_URL", SimpleNamespace(value=lambda: None))
    with pytest.raises(ConfigError) as error:
        schedule.check_server()
    for part in ("prefect server start", "PREFECT_API_URL", "lease_storage.filesystem"):
        assert part in str(error.value)


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "http://127.0.0.1:9/api"
    monkeypatch.setattr(schedule, "PREFECT_API_URL", SimpleNamespace(value=lambda: address))
    with pytest.raises(PipelineError, match=f"no Prefect server answers at {address}"):
        schedule.check_server()
    assert schedule.server_notes() == []


@pytest.mark.parametrize(("storage", "noted"), [(schedule.IN_MEMORY, 1), (schedule.ON_DISK, 0)])
def test_leases_in_memory_are_noted(
    monkeypatch: pytest.MonkeyPatch, storage: str, noted: int
) -> None:
    def answer(*_: Any, **__: Any) -> httpx.Response:
        return httpx.Response(200, json={"server": {"concurrency": {"lease_storage": storage}}})

    monkeypatch.setattr(httpx, "get", answer)
    assert len(schedule.server_notes()) == noted


def test_the_work_pool_s_deployment_is_the_sample_s_configuration() -> None:
    file = yaml.safe_load((ROOT / "configs" / "prefect.yaml").read_text())
    (deployment,) = file["deployments"]
    given = RunConfig.model_validate(deployment["parameters"]["config"])
    sample = load_config(SAMPLE)
    shown = json.dumps(sample.model_dump(mode="json")).replace(f"{ROOT}/", "")
    assert given == RunConfig.model_validate(json.loads(shown))
    assert deployment["entrypoint"] == "flows.nightly.nightly"
    limit = {"limit": 1, "collision_strategy": "CANCEL_NEW"}
    assert deployment["concurrency_limit"] == limit


def test_the_automation_of_the_file_is_the_one_that_is_created() -> None:
    file = yaml.safe_load((ROOT / "configs" / "prefect_recovery.yaml").read_text())
    made = recovery.recovery().model_dump(mode="json", exclude={"id"})
    assert made["name"] == file["name"]
    assert made["description"] == file["description"]
    for key, value in file["trigger"].items():
        assert made["trigger"][key] == value, key
    for key, value in file["actions"][0].items():
        assert made["actions"][0][key] == value, key


def test_a_crash_is_told_by_whom_it_left_alive_only(tmp_path: Path) -> None:
    out = tmp_path / "told"
    to = {"type": "command", "command": ["sh", "-c", f"cat >> {out}"]}
    parameters = {"config": config(tmp_path, notify=[to]).model_dump(mode="json")}
    state: Any = SimpleNamespace(message="exit code -9", name="Crashed")
    here: Any = SimpleNamespace(id="1", name="brave-owl", parameters=parameters)
    recovery.record_start("1")
    recovery.tell_crash(flow=None, flow_run=here, state=state)
    assert not out.exists()
    there: Any = SimpleNamespace(id="2", name="brave-owl", parameters=parameters)
    recovery.tell_crash(flow=None, flow_run=there, state=state)
    message = json.loads(out.read_text())
    assert (message["outcome"], message["run"]) == ("failed", None)
    assert "its process died: exit code -9; flow run brave-owl" in message["reason"]
