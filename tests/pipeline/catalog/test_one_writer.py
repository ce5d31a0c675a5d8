"""One writer, many readers: starts that meet, a lock that was removed, reading while writing."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.config.run import RunConfig
from pipeline.errors import CatalogError, LostLockError

pytestmark = pytest.mark.slow


def test_of_two_runs_started_together_one_works_and_one_says_why_not(
    two_starts: ModuleType, tmp_path: Path
) -> None:
    found = two_starts.repeat(tmp_path, str(tmp_path / "catalog"), tries=1)
    assert sum(found.values()) == 1


def test_a_killed_writer_leaves_the_lock_free_and_its_note_misleads_nobody(
    tmp_path: Path,
) -> None:
    script = (
        "import sys, time\nfrom pipeline.catalog import Catalog\n"
        f"with Catalog({str(tmp_path)!r}).writer():\n"
        f"    Catalog({str(tmp_path)!r}).name_writer('tonight')\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert other.stdout is not None
    assert other.stdout.readline() == b"held\n"
    with (
        pytest.raises(CatalogError, match=rf"run tonight, process {other.pid} on .*, since 20"),
        Catalog(tmp_path).writer(),
    ):
        pass
    other.send_signal(signal.SIGKILL)
    other.wait()
    with Catalog(tmp_path).writer():
        note = json.loads((tmp_path / "writer.owner.json").read_text())
        assert note["pid"] == os.getpid()
    assert not (tmp_path / "writer.owner.json").exists()


def test_a_run_whose_lock_was_removed_does_not_publish(
    nights: Catalog, configured: Callable[..., RunConfig]
) -> None:
    last = nights.run()
    with nights.writer():
        (nights.local / "writer.lock").unlink()
        with pytest.raises(LostLockError, match="nothing is published"):
            nights.publish(last)
    assert nights.runs()[0] == last
    assert len(nights.runs()) == 2
    assert run(configured(15)).status == "published"


def test_readers_see_one_night_or_the_other_and_never_wait(
    nights: Catalog, configured: Callable[..., RunConfig]
) -> None:
    """Each night has another number of records; a mixture would have two."""
    ended = threading.Event()
    seen: list[tuple[str, int]] = []
    mixed: list[str] = []

    def read() -> None:
        while not ended.is_set():
            reader = Catalog(nights.local, create=False)
            published = reader.run()
            ids = {
                table: set(reader.read(table, run=published)["record_id"].to_pylist())
                for table in ("records", "clusters")
            }
            pairs = reader.read("pairs", run=published)
            named = {*pairs["left_id"].to_pylist(), *pairs["right_id"].to_pylist()}
            if ids["records"] != ids["clusters"] or not named <= ids["records"]:
                mixed.append(published.run)
            seen.append((published.run, len(ids["records"])))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        names = [run(configured(count)).run for count in (30, 9, 21)]
        while seen[-1][0] != names[-1]:
            time.sleep(0.01)
    finally:
        ended.set()
        thread.join()
    assert not mixed
    counts = dict(seen)
    assert counts[names[-1]] == 28
    assert len(seen) > len(counts) >= 2, "the reader was kept waiting"
