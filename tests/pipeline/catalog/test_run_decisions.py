"""Release, discard, rollback: who may, what readers see after each, and what it says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.catalog import Catalog, RunSummary, Status
from pipeline.catalog.run_decisions import Decision, discard, free_name, release, rollback
from pipeline.catalog.runs import Run
from pipeline.catalog.summary.figures import HistoryEntry
from pipeline.errors import CatalogError
from pipeline.storage.schemas import CUT_LINKS

WORD = Decision("ann", datetime(2026, 5, 1, tzinfo=UTC), "looked at it")


def night(catalog: Catalog, name: str, status: Status = "published", *, started: int = 0) -> Run:
    """Write a table that holds the run's name, and record the run on what is published."""
    row = {"left_id": [name], "right_id": ["z"], "probability": [0.5], "reason": ["r"]}
    version = catalog.tables.replace("cut_links", pa.table(row).cast(CUT_LINKS))
    base = catalog.published()
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=started)
    summary = RunSummary(run=name, name="n", status=status, base=base.run if base else None)
    run = Run(name, at, at, status, {}, {"cut_links": version}, summary)
    catalog.publish(run)
    return run


def seen(catalog: Catalog) -> str:
    """What a reader reads."""
    (name,) = catalog.read("cut_links", run=catalog.run())["left_id"].to_pylist()
    return str(name)


def statuses(catalog: Catalog) -> dict[str, str]:
    return {run.run: run.status for run in reversed(catalog.runs())}


def test_a_held_run_is_released_in_one_commit_and_says_by_whom(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    night(catalog, "one")
    night(catalog, "two", "held")
    assert seen(catalog) == "one"
    before = catalog.tables._open("runs", None).version()
    released = release(catalog, "two", WORD)
    assert catalog.tables._open("runs", None).version() == before + 1
    assert seen(catalog) == "two"
    assert released.status == released.summary.status == "published"
    assert catalog.run("two").summary.history == (
        HistoryEntry("released", "ann", WORD.at.isoformat(), "looked at it"),
    )


def test_a_run_held_on_the_first_night_can_be_released(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    night(catalog, "one", "held")
    assert catalog.published() is None
    release(catalog, "one", WORD)
    assert seen(catalog) == "one"


def test_a_held_run_that_another_night_has_overtaken_is_refused(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    night(catalog, "one")
    night(catalog, "two", "held")
    night(catalog, "three")
    with pytest.raises(CatalogError, match=r"computed from one, and three is published now; .*run"):
        release(catalog, "two", WORD)
    night(catalog, "four", "held")
    rollback(catalog, "one", WORD)
    with pytest.raises(CatalogError, match="computed from three, and one is published now"):
        release(catalog, "four", WORD)
    assert release(catalog, "two", WORD).run == "two", "its base is what readers see again"
    assert seen(catalog) == "two"


def test_only_held_runs_are_released_or_discarded(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    night(catalog, "one")
    night(catalog, "two", "failed")
    night(catalog, "three", "held")
    discard(catalog, "three", WORD)
    assert statuses(catalog) == {"one": "published", "two": "failed", "three": "discarded"}
    for name, status in statuses(catalog).items():
        for decide in (release, discard):
            with pytest.raises(CatalogError, match=f"run {name} is {status}, not held"):
                decide(catalog, name, WORD)
    assert seen(catalog) == "one"


def test_rolling_back_and_forward(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    for name in ("one", "two", "three"):
        night(catalog, name)
    assert rollback(catalog, None, WORD).run == "two"
    assert seen(catalog) == "two"
    assert statuses(catalog) == {"one": "published", "two": "published", "three": "rolled_back"}
    assert catalog.run("three").summary.history[-1].action == "rolled back to two"
    rollback(catalog, "three", WORD)
    assert seen(catalog) == "three"
    rollback(catalog, "one", WORD)
    assert statuses(catalog) == {"one": "published", "two": "rolled_back", "three": "rolled_back"}
    four = night(catalog, "four")
    assert four.summary.base == "one", "the next night continues from it"
    assert seen(catalog) == "four"
    assert rollback(catalog, None, WORD).run == "one"


def test_nothing_to_roll_back_to_is_said(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    with pytest.raises(CatalogError, match="no published run to roll back"):
        rollback(catalog, None, WORD)
    night(catalog, "one")
    with pytest.raises(CatalogError, match="run one is the only published one"):
        rollback(catalog, None, WORD)
    with pytest.raises(CatalogError, match="run one is what readers see already"):
        rollback(catalog, "one", WORD)
    night(catalog, "two", "held")
    with pytest.raises(CatalogError, match=r"is held and never was .*; `gemel runs release two`"):
        rollback(catalog, "two", WORD)
    with pytest.raises(CatalogError, match="has no run 'nine'"):
        rollback(catalog, "nine", WORD)


def test_no_reader_is_sent_to_tables_that_are_gone(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    night(catalog, "one")
    night(catalog, "two")
    dropped = catalog.run("one")
    catalog.amend(replace(dropped.summary, tables_dropped="2026-04-01"))
    with pytest.raises(CatalogError, match="tables of run one were dropped on 2026-04-01"):
        rollback(catalog, None, WORD)
    assert seen(catalog) == "two"
    assert statuses(catalog) == {"one": "published", "two": "published"}


@pytest.mark.slow
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=6))
@settings(max_examples=15, deadline=None)
def test_the_order_of_runs_is_not_the_clock_s(
    tmp_path_factory: pytest.TempPathFactory, hours: list[int]
) -> None:
    catalog = Catalog(tmp_path_factory.mktemp("clock"))
    for number, hour in enumerate(hours):
        night(catalog, f"r{number}", started=hour)
    names = [f"r{number}" for number in range(len(hours))]
    assert [run.run for run in catalog.runs()] == names[::-1]
    assert seen(catalog) == names[-1]
    assert [run.number for run in catalog.runs()] == list(range(len(hours), 0, -1))
    rollback(catalog, None, WORD)
    assert seen(catalog) == names[-2]


def test_no_two_runs_share_a_name() -> None:
    assert free_name("a", []) == "a"
    assert free_name("a", ["a", "a-2", "b"]) == "a-3"
