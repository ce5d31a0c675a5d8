"""The short form of `make chaos`: a few disturbed runs, each of which has to come through."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent


def test_killed_and_broken_runs_come_through() -> None:
    command = [sys.executable, "tests/bench/nights/chaos.py", "--kills", "6", "--errors", "2",
               "--size", "20", "--seed", "5"]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "killed: 6 of 6 came through" in done.stdout
    assert "I/O errors: 2 of 2 came through" in done.stdout
