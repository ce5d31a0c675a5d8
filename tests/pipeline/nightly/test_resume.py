"""A run that was stopped goes on: the same name, the same tables, and nothing done twice."""

import logging
import os
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.catalog import Catalog
from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.catalog.vectors import VectorStore
from pipeline.config.run import RunConfig
from pipeline.encoders.text.toy import ToyTextEncoder
from pipeline.ingestion import records
from pipeline.nightly import publication, runner as nightly
from pipeline.nightly.stages import embed, ingest, score, search
from pipeline.nightly.state.stage import Stage
from tests.worlds.runs import pictures_in, rows_in, run_config, write_jsonl

pytestmark = pytest.mark.slow

STARTED = datetime(2026, 1, 1, 2, tzinfo=UTC)
NAME = "20260101T020000.000000Z"
LATER = datetime(2026, 1, 2, 2, tzinfo=UTC)
NAMES = "alpha bravo charlie delta echo foxtrot golf hotel india juliett kilo lima"
WORDS = NAMES.split()
NAMES_OF_STAGES = [stage.name for stage in nightly.STAGES]


class Killed(BaseException):
    """Stands for a kill -9: nothing of the run gets to clean up."""


def write(folder: Path, extra: int = 0) -> None:
    generator = random.Random(3)
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(30 + extra):
        text = " ".join(generator.choices(WORDS, k=12)) + f" case {number * 7919}"
        rows += [{"id": f"r{number}", "text": text}, {"id": f"n{number}", "text": text + " x"}]
    write_jsonl(folder / "in.jsonl", rows)
    for number in range(6):
        grid = np.random.default_rng(number // 2).integers(0, 255, (20, 20, 3), dtype=np.uint8)
        path = folder / "pictures" / f"{number}.png"
        if not path.exists():
            Image.fromarray(grid).resize((60 + number, 60)).save(path)
            # A file written moments before a run is not yet known by its time.
            os.utime(path, (1_700_000_000, 1_700_000_000.125))


def config(folder: Path, catalog: str = "catalog", **changes: Any) -> RunConfig:
    sources = rows_in(folder / "in.jsonl"), pictures_in(folder / "pictures")
    given = {"shard_rows": 25, "exports": [{"path": str(folder / f"{catalog}.csv")}], **changes}
    return run_config(folder / catalog, *sources, **given)


@contextmanager
def killed(holder: Any, name: str, *, after: int = 1, done: bool = False) -> Iterator[None]:
    """Stop at a call of a function, or just after it, and record nothing."""
    original, calls = getattr(holder, name), [0]

    def stop(*given: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == after and not done:
            raise Killed
        result = original(*given, **named)
        if calls[0] == after:
            raise Killed
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holder, name, stop)
        patch.setattr(publication, "record_failure", lambda *_, **__: "failed")
        with pytest.raises(Killed):
            yield


def tables(made: RunConfig) -> dict[str, Any]:
    catalog = Catalog(made.catalog)
    run = catalog.run()
    return {"run": run.run, **{name: catalog.read(name, run=run) for name in run.versions}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], RunSummary]:
    """The data, and the tables and counts of a run over it that nothing stopped."""
    folder = tmp_path_factory.mktemp("whole")
    write(folder)
    made = config(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "SHARD", 8)
        summary = nightly.run(made, started=STARTED)
    return folder, tables(made), summary


def at(stage: str) -> dict[str, Any]:
    """The call of `Stage` that begins a stage."""
    return {"after": NAMES_OF_STAGES.index(stage) + 1}


POINTS = [
    *[(Stage, "__call__", stage) for stage in map(at, NAMES_OF_STAGES[:7])],
    (Stage, "__call__", {**at("publish"), "done": True}),
    (search, "search_shingles", {}),
    (score, "score_pairs", {"done": True}),
    (ingest, "build_records", {"after": 3}),
    (ingest, "arrange", {}),
    (VectorStore, "append", {"after": 3}),
    (VectorStore, "append", {"after": 3, "done": True}),
    (Catalog, "publish", {}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("holder", "name", "when"), POINTS, ids=lambda value: str(getattr(value, "__name__", value))
)
def test_a_stopped_run_ends_as_if_it_never_was(
    whole: Any, monkeypatch: pytest.MonkeyPatch, holder: Any, name: str, when: dict[str, Any],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    folder, expected, unstopped = whole
    ended = when == {**at("publish"), "done": True}
    monkeypatch.setattr(embed, "SHARD", 8)
    made = config(folder, re.sub(r"\W+", "-", request.node.name))
    with killed(holder, name, **when):
        nightly.run(made, started=STARTED)
    catalog = Catalog(made.catalog)
    assert catalog.published() is None or ended, "nothing half-done is to be seen"
    summary = nightly.run(made, started=LATER)
    if ended:
        # It was published and is left alone; the night that begins now is another.
        assert summary.run != NAME
        assert [run.status for run in catalog.runs()] == ["published", "published"]
        return
    assert tables(made) == expected
    assert summary.counts == unstopped.counts
    assert summary.attempts == 2
    assert [run.run for run in catalog.runs()] == [NAME]
    assert Path(made.exports[0].path).read_bytes() == (folder / "catalog.csv").read_bytes()
    assert catalog.unfinished() == []


def test_at_most_one_part_is_embedded_twice(whole: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _, unstopped = whole
    monkeypatch.setattr(embed, "SHARD", 8)
    made = config(folder, "parts")
    given: list[int] = []
    original = ToyTextEncoder.encode

    def counted(self: Any, items: Any) -> Any:
        taken = list(items)
        given.append(len(taken))
        return original(self, iter(taken))

    monkeypatch.setattr(ToyTextEncoder, "encode", counted)
    with killed(VectorStore, "append", after=4):
        nightly.run(made, started=STARTED)
    summary = nightly.run(made)
    assert sum(given) == unstopped.counts.texts_embedded + 8
    assert summary.counts.texts_embedded == unstopped.counts.texts_embedded


def test_a_failed_run_goes_on_in_its_own_row(whole: Any, broken: Any) -> None:
    folder, expected, _ = whole
    made = config(folder, "failed")
    with broken("cluster", OSError("No such file or directory")):
        with pytest.raises(OSError, match="No such file"):
            nightly.run(made, started=STARTED)
        with pytest.raises(OSError, match="No such file"):
            nightly.run(made)
    catalog = Catalog(made.catalog)
    (failed,) = catalog.runs()
    assert (failed.run, failed.status, failed.summary.stage) == (NAME, "failed", "cluster")
    summary = nightly.run(made)
    (only,) = catalog.runs()
    assert (only.run, only.status) == (NAME, "published")
    assert tables(made) == expected
    assert summary.attempts == 3
    assert len(summary.failures) == 2
    assert all("No such file" in failure for failure in summary.failures)


def test_what_was_published_gets_its_exports_and_a_new_night_begins(whole: Any) -> None:
    folder, expected, _ = whole
    made = config(folder, "late")
    with killed(Stage, "__call__", **at("export")):
        nightly.run(made, started=STARTED)
    out = Path(made.exports[0].path)
    assert not out.exists()
    assert tables(made) == expected
    summary = nightly.run(made, started=LATER)
    catalog = Catalog(made.catalog)
    first = catalog.run(NAME)
    assert first.summary.exports == {str(out): 66}
    assert Path(str(first.summary.report)).exists()
    assert [run.run for run in catalog.runs()] == [summary.run, NAME]
    assert summary.counts.texts_embedded == 0


def test_another_command_begins_a_run_of_its_own(
    whole: Any, caplog: pytest.LogCaptureFixture
) -> None:
    folder, _, _ = whole
    made = config(folder, "other")
    with killed(Stage, "__call__", **at("score")):
        nightly.run(made, started=STARTED)
    with caplog.at_level(logging.WARNING):
        summary = nightly.run(config(folder, "other", seed=1), started=LATER)
    assert summary.run == "20260102T020000.000000Z"
    assert summary.attempts == 1
    said = [f"the scratch of run {NAME}, another command's, is removed"]
    told = [r.getMessage() for r in caplog.records if r.name == "pipeline.nightly.resume"]
    assert told == said
    assert Catalog(made.catalog).unfinished() == []


def test_a_changed_delivery_is_another_run_that_reads_only_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    made = config(tmp_path)
    with killed(Stage, "__call__", **at("cluster")):
        nightly.run(made, started=STARTED)
    write(tmp_path, extra=3)
    built: list[str] = []
    original = records.build_records

    def counted(batch: Any, **options: Any) -> Any:
        built.append(options["source"])
        return original(batch, **options)

    monkeypatch.setattr(ingest, "build_records", counted)
    summary = nightly.run(made, started=LATER)
    assert built == ["s"], "two of the three portions and all pictures are as they were"
    assert (summary.run, summary.counts.records) == ("20260102T020000.000000Z", 72)
    seen = tables(made)["records"]
    assert seen["last_seen"].unique().to_pylist() == [LATER]
