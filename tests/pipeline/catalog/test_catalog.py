"""The catalog: tables, versions, vectors, runs, one writer."""

import json
import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline import run
from pipeline.catalog import Catalog, RunSummary, Status
from pipeline.catalog.runs import Run
from pipeline.catalog.tables import SCHEMA
from pipeline.config import RunConfig
from pipeline.errors import CatalogError
from pipeline.storage.schemas import CUT_LINKS, vector_schema


def cuts(*ids: str) -> pa.Table:
    return pa.table(
        {"left_id": list(ids), "right_id": ["z"] * len(ids), "probability": [0.5] * len(ids),
         "reason": ["r"] * len(ids)}
    ).cast(CUT_LINKS)  # fmt: skip


def a_run(name: str, *, status: Status, versions: dict[str, int], hour: int) -> Run:
    started = datetime(2026, 1, 1, hour, tzinfo=UTC)
    summary = RunSummary(run=name, name="n", status=status, attempts=hour + 1)
    return Run(name, started, started + timedelta(minutes=1), status, {}, versions, summary)


def test_a_run_reads_the_versions_it_published(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    first = catalog.tables.replace("cut_links", cuts("a"))
    catalog.publish(a_run("one", status="published", versions={"cut_links": first}, hour=1))
    second = catalog.tables.replace("cut_links", cuts("b", "c"))
    assert catalog.read("cut_links", run=catalog.run())["left_id"].to_pylist() == ["a"]
    catalog.publish(a_run("two", status="held", versions={"cut_links": second}, hour=2))
    assert catalog.run().run == "one", "a held run is not what readers see"
    assert [run.run for run in catalog.runs()] == ["two", "one"]
    held = catalog.run("two")
    assert catalog.read("cut_links", run=held)["left_id"].to_pylist() == ["b", "c"]
    assert catalog.run("one").summary.attempts == 2


def test_what_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="there is no catalog"):
        Catalog(tmp_path / "absent", create=False)
    catalog = Catalog(tmp_path)
    with pytest.raises(CatalogError, match="no published run"):
        catalog.run()
    with pytest.raises(CatalogError, match="no table 'records' at version 0"):
        catalog.tables.read("records", version=0)
    catalog.publish(a_run("one", status="failed", versions={}, hour=1))
    with pytest.raises(CatalogError, match=r"no published run; its runs: one \(failed\)"):
        catalog.run()
    for look in (catalog.read, catalog.dataset):
        with pytest.raises(CatalogError, match="run one is failed and has no table 'clusters'"):
            look("clusters", run=catalog.run("one"))


def test_a_table_cannot_be_read_without_a_version(tmp_path: Path) -> None:
    """The newest version may be a held run's: nobody gets it by leaving something out."""
    catalog = Catalog(tmp_path)
    catalog.tables.replace("cut_links", cuts("a"))
    for look in (catalog.tables.read, catalog.tables.dataset):
        with pytest.raises(TypeError, match="version"):
            look("cut_links")  # type: ignore[call-arg]


def test_a_summary_is_amended_and_nothing_else(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    first, second = (
        a_run(name, status="published", versions={"cut_links": hour}, hour=hour)
        for hour, name in enumerate(("one", "two"))
    )
    catalog.publish(first)
    catalog.publish(second)
    said = replace(first.summary, error="it's \"so\"; -- \\ 'é'")
    catalog.amend(said)
    assert catalog.run("one") == replace(first, summary=said)
    assert catalog.runs() == [second, replace(first, summary=said)]
    assert json.loads((tmp_path / "runs" / "one" / "summary.json").read_text()) == said.to_json()
    with pytest.raises(CatalogError, match="no run 'three'"):
        catalog.amend(replace(said, run="three"))


def test_vectors_are_stored_once_and_whole(tmp_path: Path) -> None:
    store = Catalog(tmp_path).vectors("abc")
    assert len(store.hashes()) == 0
    values = np.eye(4, dtype=np.float32)
    table = pa.table(
        [
            pa.array(["h1", "h2", "h3", "h4"]),
            pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 4),
            pa.array([1, 1, 2, 1], pa.int32()),
        ],
        schema=vector_schema(4),
    )
    store.append(table)
    store.append(table)
    assert sorted(store.hashes().to_pylist()) == ["h1", "h2", "h3", "h4"]
    back = pa.Table.from_batches(list(store.parts()))
    assert back.equals(table)
    (tmp_path / "vectors/abc/part-zz-zz-1.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(CatalogError, match="embedded again"):
        list(store.parts())
    assert pa.Table.from_batches(list(store.parts())).equals(table), "the sound part stays"


def _hold(root: str, taken: object, leave: object) -> None:
    with Catalog(root).writer():
        taken.set()  # type: ignore[attr-defined]
        leave.wait(20)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_second_writer_is_refused_and_a_dead_one_is_no_obstacle(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    taken, leave = spawn.Event(), spawn.Event()
    other = spawn.Process(target=_hold, args=(str(tmp_path), taken, leave))
    other.start()
    assert taken.wait(30)
    with pytest.raises(CatalogError, match="another run"), Catalog(tmp_path).writer():
        pass
    other.kill()
    other.join()
    with Catalog(tmp_path).writer():
        pass


@pytest.mark.slow
def test_tables_of_another_schema_version_are_refused_with_what_to_do(
    nights: Catalog, configured: Callable[..., RunConfig]
) -> None:
    log = next(Path((nights.root / "tables" / "runs" / "_delta_log").path).glob("*0.json"))
    assert SCHEMA in log.read_text()
    log.write_text(log.read_text().replace(SCHEMA, "Gemel, schema version 999"))
    said = "schema version 999.* move the catalog away and run again"
    with pytest.raises(CatalogError, match=said):
        nights.runs()
    with pytest.raises(CatalogError, match=said):
        run(configured(12))


def test_the_summary_of_another_version_is_refused_with_what_to_do() -> None:
    plain = RunSummary(run="one", name="n", status="published").to_json()
    assert RunSummary.from_json(plain).run == "one"
    with pytest.raises(CatalogError, match="use the Gemel that wrote it, or move the catalog away"):
        RunSummary.from_json({**plain, "schema_version": 0})
    with pytest.raises(CatalogError, match="summary of run one is damaged"):
        RunSummary.from_json({**plain, "counts": {"rows": "many"}})
