"""Retention: what is kept, what goes, and that nothing a kept run needs ever does."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.catalog import Catalog, RunSummary, Status, UsedEncoder, UsedModels
from pipeline.catalog.retention import plan_pruning, prune
from pipeline.catalog.run_decisions import Decision, rollback
from pipeline.catalog.runs import Run
from pipeline.errors import CatalogError
from pipeline.storage.schemas import CUT_LINKS, RECORDS, vector_schema

NOW = datetime(2026, 6, 1, tzinfo=UTC)
STATUSES = ("published", "held", "failed", "discarded", "rolled_back")


def records(*hashes: str) -> pa.Table:
    columns = {field.name: pa.nulls(len(hashes), field.type) for field in RECORDS}
    ids = pa.array([f"s:{one}" for one in hashes], pa.string())
    columns |= dict.fromkeys(("record_id", "source", "location"), ids)
    return pa.table(columns | {"text_hash": pa.array(hashes, pa.string())}, schema=RECORDS)


def add_vectors(catalog: Catalog, encoder: str, *hashes: str) -> None:
    """One part with the hashes that the store lacks."""
    store = catalog.vectors(encoder)
    new = sorted(set(hashes) - set(store.hashes().to_pylist()))
    if new:
        vectors = pa.FixedSizeListArray.from_arrays(
            pa.array(np.ones(2 * len(new)), pa.float32()), 2
        )
        columns = [pa.array(new), vectors, pa.array([1] * len(new), pa.int32())]
        store.append(pa.table(columns, schema=vector_schema(2)))


def night(
    catalog: Catalog, name: str, *hashes: str, status: Status = "published", days: float = 0,
    encoder: str = "e", cuts: bool = True,
) -> None:  # fmt: skip
    """A run that ended so many days ago, its records' vectors stored, its folder made."""
    versions = {"records": catalog.tables.replace("records", records(*hashes))}
    last = catalog.runs()[:1]
    if cuts or not last:
        row = {"left_id": [name], "right_id": ["z"], "probability": [0.5], "reason": ["r"]}
        versions["cut_links"] = catalog.tables.replace("cut_links", pa.table(row).cast(CUT_LINKS))
    else:
        versions["cut_links"] = last[0].versions["cut_links"]  # nothing changed: not written anew
    add_vectors(catalog, encoder, *hashes)
    base, at = catalog.published(), NOW - timedelta(days=days)
    summary = RunSummary(
        run=name, name="n", status=status, base=base.run if base else None,
        models=UsedModels(text=UsedEncoder("toy", encoder)),
    )  # fmt: skip
    catalog.publish(Run(name, at, at, status, {}, versions, summary))


def content(catalog: Catalog, run: Run) -> tuple[list[str], list[str]]:
    return (
        sorted(catalog.read("records", run=run)["text_hash"].to_pylist()),
        catalog.read("cut_links", run=run)["left_id"].to_pylist(),
    )


def names(runs: tuple[Run, ...]) -> list[str]:
    return [run.run for run in runs]


def files(catalog: Catalog, table: str) -> int:
    return len(list((Path(str(catalog.root)) / "tables" / table).glob("*.parquet")))


def test_what_is_kept_and_why(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    every: tuple[Status, ...] = (
        "published", "held", "published", "failed", "discarded", "published", "published",
    )  # fmt: skip
    for number, status in enumerate(every):
        night(catalog, f"r{number}", "a", status=status, days=40 - number)
    found = plan_pruning(catalog.runs(), keep=1, days=0, now=NOW)
    assert names(found.kept) == ["r6", "r5", "r1"], "what readers see, its base, what is held"
    assert names(found.dropped) == ["r4", "r3", "r2", "r0"]
    assert names(plan_pruning(catalog.runs(), keep=3, days=0, now=NOW).kept) == [
        "r6",
        "r5",
        "r2",
        "r1",
    ]
    young = plan_pruning(catalog.runs(), keep=1, days=37, now=NOW)
    assert names(young.kept) == ["r6", "r5", "r4", "r3", "r1"]


def test_dropped_runs_give_back_tables_vectors_and_folder_and_keep_their_row(
    tmp_path: Path,
) -> None:
    catalog = Catalog(tmp_path)
    night(catalog, "one", "a", "b", days=90)
    night(catalog, "two", "b", "c", days=80)
    night(catalog, "three", "c", "d", days=70)
    assert (files(catalog, "records"), files(catalog, "cut_links")) == (3, 3)
    (tmp_path / "runs" / "one" / "report.html").write_text("x")
    found = prune(catalog, keep=1, days=30, now=NOW)
    assert (found.kept, found.dropped) == (("three", "two"), ("one",))
    assert (files(catalog, "records"), files(catalog, "cut_links")) == (2, 2)
    assert found.vectors == 1
    assert sorted(catalog.vectors("e").hashes().to_pylist()) == ["b", "c", "d"]
    assert not (tmp_path / "runs" / "one").exists()
    assert content(catalog, catalog.run("two")) == (["b", "c"], ["two"])
    one = catalog.run("one")
    assert (one.status, one.summary.tables_dropped) == ("published", NOW.isoformat())
    for look in (catalog.read, catalog.dataset):
        with pytest.raises(CatalogError, match="the tables of run one were dropped on 2026-06-01"):
            look("records", run=one)
    with pytest.raises(CatalogError, match="were dropped"):
        rollback(catalog, "one", Decision("ann", NOW, "r"))


def test_a_dry_run_says_the_same_and_changes_nothing(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    for number in range(4):
        night(catalog, f"r{number}", "a", days=90 - number)
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    runs = catalog.runs()
    said = prune(catalog, keep=1, days=0, now=NOW, dry_run=True)
    assert (sorted(str(path) for path in tmp_path.rglob("*")), catalog.runs()) == (before, runs)
    done = prune(catalog, keep=1, days=0, now=NOW)
    assert said.files == done.files == 4
    assert said.dropped == done.dropped == ("r1", "r0")
    again = prune(catalog, keep=1, days=0, now=NOW)
    assert (again.files, again.dropped, again.vectors) == (0, (), 0)


def test_a_killed_prune_is_ended_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = Catalog(tmp_path)
    for number in range(4):
        night(catalog, f"r{number}", f"h{number}", days=90 - number)

    def stop(*_given: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(catalog.tables), "vacuum", stop)
        with pytest.raises(KeyboardInterrupt):
            prune(catalog, keep=1, days=0, now=NOW)
    with pytest.raises(CatalogError, match="were dropped"):
        content(catalog, catalog.run("r0"))
    prune(catalog, keep=1, days=0, now=NOW, slack=0)
    assert files(catalog, "records") == 2
    assert sorted(catalog.vectors("e").hashes().to_pylist()) == ["h2", "h3"]
    assert not (tmp_path / "runs" / "r0").exists()


def test_an_encoder_that_no_kept_run_used_goes_with_its_index(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    night(catalog, "one", "a", encoder="old", days=90)
    catalog.index_folder("text", "old")
    night(catalog, "two", "a", encoder="new", days=80)
    night(catalog, "three", "a", encoder="new", days=70)
    found = prune(catalog, keep=1, days=0, now=NOW)
    assert found.encoders == ("old",)
    assert catalog.stored_encoders() == ["new"]
    assert not (tmp_path / "indexes" / "text" / "old").exists()
    assert catalog.vectors("new").hashes().to_pylist() == ["a"]


def test_the_vectors_wait_while_a_fine_tune_reads_them(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    for number in range(3):
        night(catalog, f"r{number}", f"h{number}", days=90 - number)
    with catalog.trainer():
        found = prune(catalog, keep=1, days=0, now=NOW)
    assert "another fine-tune is under way" in str(found.waiting)
    assert len(catalog.vectors("e").hashes()) == 3
    assert files(catalog, "records") == 2


def test_the_vectors_of_a_part_stay_where_few_are_of_no_use(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    add_vectors(catalog, "e", *(f"{number:03d}" for number in range(20)))
    store = catalog.vectors("e")
    most = pa.array([f"{number:03d}" for number in range(18)])
    assert store.keep(most, slack=0.1) == 0
    assert store.keep(most) == 2
    assert sorted(store.hashes().to_pylist()) == most.to_pylist()
    assert store.keep(pa.array([], pa.string())) == 18
    assert len(store.hashes()) == 0


def test_kept_versions_outlive_delta_s_own_forgetting(tmp_path: Path) -> None:
    """At some commits Delta deletes the part of its log that is a month old."""
    from deltalake import DeltaTable

    catalog = Catalog(tmp_path)
    night(catalog, "old", "a", status="held", days=400)
    prune(catalog, keep=1, days=0, now=NOW)
    log = tmp_path / "tables" / "records" / "_delta_log"
    DeltaTable(str(log.parent)).alter.set_table_properties({"delta.checkpointInterval": "2"})
    for number in range(6):
        night(catalog, f"r{number}", "b")
        for path in log.iterdir():
            os.utime(path, (time.time() - 90 * 86_400,) * 2)
    assert list(log.glob("*.checkpoint.parquet"))
    assert content(catalog, catalog.run("old")) == (["a"], ["old"])


nights = st.lists(
    st.tuples(
        st.sampled_from(STATUSES),
        st.floats(0, 100),
        st.sets(st.sampled_from("abcdefgh"), min_size=1, max_size=4),
        st.sampled_from(["e", "f"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=7,
)


@pytest.mark.slow
@given(nights, st.integers(1, 4), st.floats(0, 60), st.sampled_from([0.0, 0.1, 0.5]))
@settings(max_examples=25, deadline=None)
def test_nothing_a_kept_run_needs_is_ever_removed(
    tmp_path_factory: pytest.TempPathFactory,
    made: list[tuple[Status, float, set[str], str, bool]],
    keep: int,
    days: float,
    slack: float,
) -> None:
    root = tmp_path_factory.mktemp("prune")
    catalog = Catalog(root)
    wanted: dict[str, tuple[list[str], str]] = {}
    for number, (status, age, hashes, encoder, cuts) in enumerate(made):
        name = f"r{number}"
        night(catalog, name, *sorted(hashes), status=status, days=age, encoder=encoder, cuts=cuts)
        wanted[name] = (sorted(hashes), encoder)
        if number % 2:
            prune(catalog, keep=keep, days=days, now=NOW, slack=slack)
    before = {run.run: content(catalog, run) for run in plan_pruning(
        catalog.runs(), keep=keep, days=days, now=NOW).kept}  # fmt: skip
    found = prune(catalog, keep=keep, days=days, now=NOW, slack=slack)
    assert set(found.kept) == set(before)
    for name, seen in before.items():
        assert content(catalog, catalog.run(name)) == seen
        kept, by = wanted[name]
        assert set(kept) <= set(catalog.vectors(by).hashes().to_pylist())
    reader = catalog.published()
    if reader is not None:
        assert reader.run in before
        base = reader.summary.base
        assert base is None or base in before or catalog.run(base).summary.tables_dropped
    assert {run.run for run in catalog.runs()} == {f"r{n}" for n in range(len(made))}
    assert {run.run for run in catalog.runs() if run.status == "held"} <= set(before)
