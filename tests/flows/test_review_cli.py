"""`gemel review` as a process: it listens on loopback, answers its link, and ends by Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from pipeline import run
from pipeline.catalog import Catalog
from tests.worlds import command_line
from tests.worlds.runs import OPEN_GATES, rows_in, run_config, write_walks


@pytest.mark.slow
def test_the_page_is_served_until_ctrl_c(tmp_path: Path) -> None:
    source = rows_in(write_walks(tmp_path / "in.jsonl"))
    run(run_config(tmp_path / "catalog", source, gates=OPEN_GATES, threads=1))
    kept = Catalog(tmp_path / "catalog", create=False)
    row = kept.read("clusters", run=kept.runs()[0]).to_pylist()[0]
    command = [sys.executable, "-m", "flows.cli.main", "review", "--no-open", "--by", "ann",
               "--catalog", str(tmp_path / "catalog"), "--cluster", row["record_id"]]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as served:
        assert served.stdout
        link = served.stdout.readline().strip()
        assert link.startswith("http://127.0.0.1:")
        assert link.endswith(f"#/cluster/{row['cluster_id']}")
        with httpx.Client(follow_redirects=True, timeout=60) as browser:
            assert browser.get(link).status_code == 200
            address = link.partition("/?")[0]
            state = browser.get(f"{address}/api/state").json()
            assert state["by"] == "ann"
            assert state["counts"]["records"] == 8
            (item, *_) = browser.get(f"{address}/api/next").json()["items"]
            body = {"left": item["left"]["id"], "right": item["right"]["id"], "label": "same",
                    "seen": item["seen"]}  # fmt: skip
            saved = browser.post(f"{address}/api/answer", json=body, headers={"Origin": address})
            assert saved.json()["saved"]["label"] == "same"
            assert browser.get(f"{address}/api/state", headers={"Host": "x"}).status_code == 403
        served.send_signal(signal.SIGINT)
        assert served.wait(30) == 0
        assert served.stderr
        assert "Traceback" not in served.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--catalog", "nowhere"], "there is no catalog at nowhere"),
        (["--target", "2"], "a precision lies between 0 and 1"),
        (["missing.yaml"], "missing.yaml"),
    ],
)
def test_what_cannot_be_opened_is_one_sentence(
    arguments: list[str], words: str, tmp_path: Path
) -> None:
    said = command_line.gemel("review", "--no-open", *arguments, cwd=tmp_path)
    assert said.code == 2
    assert words in said.err
    assert len(said.err.strip().splitlines()) == 1
