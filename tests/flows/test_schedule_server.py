"""A real Prefect server and worker on loopback: deployed, triggered, overlapped, killed, recovered.

The tests go in order: the first leaves a night whose worker and process were killed, which the
server takes a minute to notice; the last looks what became of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
import yaml

from pipeline.catalog import Catalog
from pipeline.sample import write_sample

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "flows" / "README.md").read_text(encoding="utf-8")
_, _, EVERY_NIGHT = README.partition("\n## Every night\n")
BLOCKS = re.findall(
    r"^```sh\n(.*?)^```", EVERY_NIGHT.partition("\n## ")[0], re.DOTALL | re.MULTILINE
)
# The README's own commands set the server up here.
LINES = [line for block in BLOCKS for line in block.splitlines()]
EXPORTED = dict(line.removeprefix("export ").split("=", 1) for line in LINES if "export " in line)
SERVER, POOL, DEPLOY, RECOVERY, WORKER, TRIGGER = (
    line.split() for line in LINES if line.startswith("prefect ")
)
pytestmark = [pytest.mark.slow, pytest.mark.flow]
PATIENCE = 180  # seconds until a wait is given up: the machine may be busy
# Half a day away, at a full hour: no night of the schedule falls due while the tests run.
DUE = (datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(hours=12)).replace(minute=0)


@dataclass
class Prefect:
    """A server with its home in a folder, the processes started for it, and its API."""

    folder: Path
    api: str
    env: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start a command in the background, its output in a file."""
        log = (self.folder / f"process{len(self.started)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=self.folder, env=self.env, stdout=log, stderr=log,
            start_new_session=True,
            # A shell that runs the tests in the background has its children ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        self.started.append(process)
        return process

    def call(self, *words: str) -> str:
        """Run a command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=self.folder, env=self.env, check=False,
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def get(self, path: str) -> Any:
        """Read from the API."""
        return self.ask("GET", path).raise_for_status().json()

    def post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        """Post to the API."""
        return self.ask("POST", path, json=body)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Call the API; like Prefect's own client again when SQLite was busy (503)."""
        for _ in range(5):
            answer = httpx.request(method, f"{self.api}{path}", timeout=60, **more)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(2)
        return answer

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment of the nightly flow."""
        found: dict[str, Any] = self.get(f"/deployments/name/gemel-nightly/{name}")
        return found

    def has(self, name: str) -> bool:
        """Whether there is a deployment of that name."""
        return self.ask("GET", f"/deployments/name/gemel-nightly/{name}").is_success

    def trigger(self, name: str) -> str:
        """Ask for a run now; its id."""
        path = f"/deployments/{self.deployment(name)['id']}/create_flow_run"
        made = self.post(path, {"state": {"type": "SCHEDULED"}}).raise_for_status().json()
        return str(made["id"])

    def state(self, run: str) -> dict[str, Any]:
        """The state of a flow run."""
        found: dict[str, Any] = self.get(f"/flow_runs/{run}")["state"]
        return found

    def ended(self, run: str) -> dict[str, Any]:
        """Wait until a flow run has ended; its state."""
        final = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
        waiting(lambda: self.state(run)["type"] in final, f"{run} ends: {self.state(run)}")
        return self.state(run)

    def worker(self) -> subprocess.Popen[bytes]:
        """Start a worker on the pool."""
        return self.start(*WORKER)


def waiting(condition: Callable[[], Any], what: str) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"waited in vain: {what}"
        time.sleep(0.3)


def below(pid: int) -> list[int]:
    """The processes that a process has started, and theirs."""
    done = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    found = [int(line) for line in done.stdout.split()]
    return found + [deeper for child in found for deeper in below(child)]


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def write_rows(folder: Path, rows: int) -> None:
    """Texts that are no copies; the fewer, the quicker is the night."""
    lines = [f'{{"id": {n}, "text": "number {n * 7919} of {n * 104729} and {n * n}"}}\n'
             for n in range(rows)]  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(lines))


def hold(folder: Path) -> None:
    """Make the nights of `held` and `lost` long: they compare 40,000 texts by brute force."""
    write_rows(folder, 40_000)


def at_work(folder: Path, name: str) -> bool:
    """Whether the newest night of a catalog has come to its search."""
    logs = sorted((folder / name / "runs").glob("*/log.jsonl"))
    return bool(logs) and '"stage":"search"' in logs[-1].read_text()


def deployments(folder: Path) -> dict[str, Any]:
    """configs/prefect.yaml with quick encoders, and two more deployments of long nights."""
    file: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "prefect.yaml").read_text())
    (nightly,) = file["deployments"]
    (schedule,) = nightly["schedules"]
    schedule["cron"] = schedule["cron"].replace(" 2 ", f" {DUE.hour} ")
    toy = {"text_encoder": {"type": "toy"}, "image_encoder": {"type": "toy_image"}}
    nightly["parameters"]["config"] |= toy
    source = {"name": "s", "type": "jsonl", "path": str(folder / "rows.jsonl"),
              "columns": {"id": "id", "text": "text"}}  # fmt: skip
    append = f"cat >> {folder}/told.jsonl; echo >> {folder}/told.jsonl"
    for name in ("held", "lost"):
        config = {
            "name": name, "catalog": str(folder / name), "sources": [source], **toy,
            "index": {"type": "exact"},
            "notify": [{"type": "command", "command": ["sh", "-c", append]}],
        }  # fmt: skip
        file["deployments"].append(
            {**nightly, "name": name, "schedules": [], "parameters": {"config": config}}
        )
    return file


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prefect]:
    """A server, a pool and the deployments, made as the README says."""
    folder = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env |= {
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(folder / "home"),
        **EXPORTED,
        "PREFECT_API_URL": EXPORTED["PREFECT_API_URL"].replace("4200", str(port)),
        # What is a matter of seconds and minutes in the night is one of seconds here.
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    found = Prefect(folder, env["PREFECT_API_URL"], env)
    write_sample(folder / ".gemel" / "sample-data")
    (folder / "configs").mkdir()
    (folder / "configs" / "prefect.yaml").write_text(yaml.safe_dump(deployments(folder)))
    recovery = yaml.safe_load((ROOT / "configs" / "prefect_recovery.yaml").read_text())
    recovery["trigger"]["within"] = 45
    (folder / "configs" / "prefect_recovery.yaml").write_text(yaml.safe_dump(recovery))
    try:
        found.start(*SERVER, "--port", str(port))
        waiting(lambda: answers(found), "the server answers")
        for command in (POOL, DEPLOY, RECOVERY):
            found.call(*command)
        yield found
    finally:
        for process in reversed(found.started):
            alive = [process.pid, *below(process.pid)] if process.poll() is None else []
            kill(*alive)
            process.wait()


def answers(prefect: Prefect) -> bool:
    try:
        return bool(prefect.get("/health"))
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def lost(prefect: Prefect) -> str:
    """A night whose worker and process were killed while it searched."""
    hold(prefect.folder)
    worker = prefect.worker()
    run = prefect.trigger("lost")
    waiting(lambda: at_work(prefect.folder, "lost"), "the night is at its search")
    kill(worker.pid, *below(worker.pid))
    worker.wait()
    return run


@pytest.fixture(scope="module")
def worker(prefect: Prefect, lost: str) -> subprocess.Popen[bytes]:
    """The worker that goes on."""
    return prefect.worker()


def test_the_deployment_is_what_the_file_says(prefect: Prefect, lost: str) -> None:
    found = prefect.deployment("nightly")
    assert found["entrypoint"] == "flows.nightly.nightly"
    assert found["global_concurrency_limit"]["limit"] == 1
    assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    (schedule,) = found["schedules"]
    assert schedule["schedule"]["cron"] == f"0 {DUE.hour} * * *"
    assert (schedule["schedule"]["timezone"], schedule["active"]) == ("Europe/Berlin", True)
    assert found["enforce_parameter_schema"] is True
    form = found["parameter_openapi_schema"]["definitions"]
    assert form["RunConfig"]["properties"]["catalog"]["description"]
    assert form["RunConfig"]["additionalProperties"] is False
    assert form["JudgeSettings"]["properties"]["accept"]["anyOf"][0]["maximum"] == 1
    assert prefect.state(lost)["type"] == "RUNNING"  # nobody could say that it is gone


def test_a_cron_deployment_has_its_runs_scheduled(prefect: Prefect) -> None:
    """With SQLAlchemy 2.1 everything else works and this list stays empty."""
    body = {
        "deployments": {"id": {"any_": [prefect.deployment("nightly")["id"]]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
        "sort": "EXPECTED_START_TIME_ASC",
    }
    waiting(lambda: prefect.post("/flow_runs/filter", body).json(), "runs are scheduled")
    first = prefect.post("/flow_runs/filter", body).json()[0]
    assert first["state"]["name"] == "Scheduled"
    due = datetime.fromisoformat(first["expected_start_time"])
    assert due.astimezone(UTC).strftime("%H:%M") == DUE.astimezone(UTC).strftime("%H:%M")


def test_what_the_form_would_refuse_is_refused_before_there_is_a_run(prefect: Prefect) -> None:
    path = f"/deployments/{prefect.deployment('nightly')['id']}/create_flow_run"
    config = prefect.deployment("nightly")["parameters"]["config"]
    for wrong, said in (({"treshold": 1}, "treshold"), ({"judge": {"accept": 7}}, "maximum")):
        answer = prefect.post(path, {"parameters": {"config": {**config, **wrong}}})
        assert answer.is_client_error
        assert said in answer.text


def test_a_triggered_night_completes_and_leaves_its_artifacts(
    prefect: Prefect, worker: subprocess.Popen[bytes]
) -> None:
    prefect.call(*TRIGGER)
    body = {"deployments": {"id": {"any_": [prefect.deployment("nightly")["id"]]}},
            "sort": "EXPECTED_START_TIME_ASC", "limit": 1}  # fmt: skip
    run = prefect.post("/flow_runs/filter", body).json()[0]["id"]
    assert prefect.ended(run)["type"] == "COMPLETED"
    published = Catalog(prefect.folder / ".gemel" / "sample", create=False).run()
    words = prefect.get("/artifacts/gemel-summary/latest")
    assert words["flow_run_id"] == run
    assert published.run in words["description"]
    assert f"| Records | {published.summary.counts.records} |" in words["data"]
    assert str(published.summary.report) in words["data"]
    assert float(prefect.get("/artifacts/gemel-progress/latest")["data"]) == 100.0


def test_an_overlapping_night_is_cancelled_and_a_killed_one_is_told_and_frees_its_slot(
    prefect: Prefect, worker: subprocess.Popen[bytes]
) -> None:
    hold(prefect.folder)
    first = prefect.trigger("held")
    waiting(lambda: at_work(prefect.folder, "held"), "the night is at its search")
    second = prefect.ended(prefect.trigger("held"))
    assert (second["type"], second["message"]) == (
        "CANCELLED",
        "Deployment concurrency limit reached.",
    )
    assert prefect.state(first)["type"] == "RUNNING"

    kill(*below(worker.pid))
    assert prefect.ended(first)["type"] == "CRASHED"
    told = prefect.folder / "told.jsonl"
    waiting(told.exists, "the worker tells of the crash")
    (message,) = [json.loads(line) for line in told.read_text().splitlines()]
    assert (message["name"], message["outcome"]) == ("held", "failed")
    assert "its process died" in message["reason"]

    write_rows(prefect.folder, 50)
    assert prefect.ended(prefect.trigger("held"))["type"] == "COMPLETED"
    assert Catalog(prefect.folder / "held", create=False).run().summary.counts.records == 50


def test_gemel_schedule_serves_until_it_is_stopped_and_then_pauses(
    prefect: Prefect, worker: subprocess.Popen[bytes]
) -> None:
    write_rows(prefect.folder, 50)
    config = deployments(prefect.folder)["deployments"][1]["parameters"]["config"]
    config |= {"name": "served", "catalog": "served"}
    (prefect.folder / "served.yaml").write_text(yaml.safe_dump(config))
    serving = prefect.start("flows.cli.main", "schedule", "served.yaml", "--cron", "0 3 * * *")
    waiting(lambda: prefect.has("served") or serving.poll() is not None, "it is served")
    found = prefect.deployment("served")
    assert found["global_concurrency_limit"]["limit"] == 1
    assert found["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert found["parameters"]["config"]["catalog"] == str(prefect.folder / "served")
    assert [one["schedule"]["cron"] for one in found["schedules"]] == ["0 3 * * *"]
    assert prefect.ended(prefect.trigger("served"))["type"] == "COMPLETED"
    assert Catalog(prefect.folder / "served", create=False).run().status == "published"
    serving.send_signal(signal.SIGINT)
    serving.wait(PATIENCE)
    assert prefect.deployment("served")["paused"] is True


def test_a_night_that_was_lost_with_its_worker_is_noticed_and_the_next_one_completes(
    prefect: Prefect, lost: str, worker: subprocess.Popen[bytes]
) -> None:
    state = prefect.ended(lost)
    assert (state["type"], "process is gone" in state["message"]) == ("CRASHED", True)
    write_rows(prefect.folder, 50)
    assert prefect.ended(prefect.trigger("lost"))["type"] == "COMPLETED"
    assert Catalog(prefect.folder / "lost", create=False).run().summary.counts.records == 50
