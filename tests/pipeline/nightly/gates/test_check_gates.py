"""Two nights of a real run: what holds the second, what the report then shows, and its release."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.registry.judge import judge_fingerprint
from pipeline.catalog.run_decisions import Decision, discard
from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.config.run import RunConfig
from pipeline.errors import CatalogError, ConfigError, DamagedTableError
from pipeline.evaluation.calibration.calibration import Calibration
from pipeline.evaluation.calibration.calibrator import Calibrator, CalibratorChoice
from pipeline.evaluation.calibration.thresholds import Threshold
from pipeline.nightly import operate
from pipeline.nightly.gates import differences
from pipeline.nightly.gates.check import problems
from pipeline.nightly.operate import release_run
from tests.worlds.runs import rows_in, run_config, write_jsonl

pytestmark = pytest.mark.slow

FEW = {"ignore_below": 2, "small_cluster": 3}
WORDS = (
    "amber", "birch", "cedar", "dune", "ember", "fjord",
    "grove", "heath", "islet", "jetty", "knoll", "lagoon",
)  # fmt: skip


def text(number: int) -> str:
    return f"{WORDS[number % 12]} {WORDS[number * 5 % 11]} house {number * 7919} on the old hill"


def write(path: Path, rows: dict[str, str]) -> None:
    write_jsonl(path, ({"id": key, "text": text} for key, text in rows.items()))


def config(folder: Path, **changes: Any) -> RunConfig:
    sources = [rows_in(folder / f"{name}.jsonl", name=name) for name in ("a", "b")]
    export = {"what": "removals", "format": "jsonl", "path": str(folder / "out.jsonl")}
    given = {"gates": FEW, "exports": [export], **changes}
    return run_config(folder / "catalog", *sources, **given)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two sources of 40 and 20 distinct texts."""
    write(tmp_path / "a.jsonl", {f"{n}": text(n) for n in range(40)})
    write(tmp_path / "b.jsonl", {f"{n}": text(n) for n in range(40, 60)})
    return tmp_path


def failed(summary: RunSummary) -> list[str]:
    return [gate.title for gate in summary.gates if not gate.passed]


def copies(folder: Path, count: int) -> None:
    """Another delivery of b, with so many copies of one of its texts."""
    rows = {f"{n}": text(n) for n in range(40, 60)} | {f"x{n}": text(41) for n in range(count)}
    write(folder / "b.jsonl", rows)


def test_a_second_equal_night_is_published_and_compared(folder: Path) -> None:
    first, second = run(config(folder)), run(config(folder))
    assert failed(first) == failed(second) == []
    messages = {gate.title: gate.message for gate in second.gates}
    assert "first night" not in " ".join(messages.values())
    assert messages["newly removable, share of records"].startswith("0 not named last night")
    assert (first.base, second.base) == (None, first.run)


def test_a_night_that_would_remove_too_much_is_held_and_shows_where(folder: Path) -> None:
    published = run(config(folder))
    copies(folder, 9)
    held = run(config(folder))
    assert held.status == "held"
    assert failed(held) == [
        "newly removable, share of records",
        "newly removable, worst source",
        "newly removable against last night's list",
        "growth of a cluster",
    ]
    (cluster,) = {tuple(gate.clusters) for gate in held.gates if not gate.passed}
    catalog = Catalog(held.catalog)
    assert catalog.run().run == published.run
    table = catalog.read("clusters", run=catalog.run(held.run))
    largest = table.filter([size == 10 for size in table["size"].to_pylist()])
    assert set(largest["cluster_id"].to_pylist()) == set(cluster)
    assert (folder / "out.jsonl").read_text() == "", "a held run exports nothing"
    page = Path(str(held.report)).read_text()
    for word in ("show", "release", "discard"):
        assert f"gemel runs {word} {held.run} --catalog {held.catalog}" in page
    assert f"Cluster <code>{cluster[0]}</code>" in page
    assert 'data-tags="gate' in page


def test_a_source_that_lost_rows_is_held(folder: Path) -> None:
    run(config(folder))
    write(folder / "b.jsonl", {f"{n}": text(n) for n in range(40, 50)})
    held = run(config(folder))
    assert failed(held) == ["rows missing against last night"]
    fine = config(folder, gates={**FEW, "max_shrinkage": 0.5})
    assert failed(run(fine)) == []


@pytest.mark.parametrize("more", [9, 14])
def test_a_release_for_a_known_reason_holds_until_its_day(folder: Path, more: int) -> None:
    run(config(folder))
    copies(folder, 9)
    held = run(config(folder))
    catalog = Catalog(held.catalog)
    today = datetime.now(UTC).date()
    with pytest.raises(ConfigError, match="is over: give today or a later day"):
        release_run(catalog, held.run, by="ann", reason="x", until=today - timedelta(days=1))
    release_run(catalog, held.run, by="ann", reason="the new shop", until=today)
    rows = {f"{n}": text(n) for n in range(40, 60)} | {f"x{n}": text(41) for n in range(9)}
    write(folder / "b.jsonl", rows | {f"y{n}": text(42) for n in range(more)})
    night = run(config(folder))
    assert night.status == ("published" if more == 9 else "held")
    told = {gate.title: gate for gate in night.gates}["newly removable, worst source"]
    assert told.passed is (more == 9)
    if told.passed:
        assert f"until {today} by ann: the new shop" in told.message
        assert told.value is not None
        assert told.limit is not None
        assert told.value > told.limit


def test_ids_that_another_type_of_column_writes_otherwise_hold_the_run(folder: Path) -> None:
    run(config(folder))
    write(folder / "b.jsonl", {f"{n}.0": text(n) for n in range(40, 60)})
    held = run(config(folder))
    assert failed(held) == ["ids written otherwise than last night"]
    (message,) = (gate.message for gate in held.gates if not gate.passed)
    assert message.startswith("20 of 60 ids, such as b:40 as b:40.0")


def test_a_damaged_last_night_is_said_and_nothing_is_published(folder: Path) -> None:
    first = run(config(folder))
    catalog = Catalog(first.catalog)
    version = catalog.run().versions["clusters"]
    for path in catalog.tables.dataset("clusters", version=version).files:
        Path(path).write_bytes(b"cut short")
    with pytest.raises(DamagedTableError, match="'clusters'"):
        run(config(folder))
    assert [found.status for found in catalog.runs()] == ["failed", "published"]


def test_what_cannot_be_compared_is_not_published(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(config(folder))

    def unreadable(*_given: object, **_named: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(differences, "count_removals", unreadable)
    monkeypatch.setattr(differences, "cluster_growths", unreadable)
    held = run(config(folder))
    assert held.status == "held"
    assert failed(held) == ["removals", "clusters"]
    assert all("could not be computed" in g.message for g in held.gates if not g.passed)
    assert Path(str(held.report)).exists()


def test_audit_pairs_of_a_file_are_held_to(folder: Path) -> None:
    copies(folder, 1)
    (folder / "audit.csv").write_text("left_id,right_id,label\nb:41,b:x0,1\na:1,a:2,0\n")
    kept = {**FEW, "max_removed": 1, "audit": str(folder / "audit.csv")}
    assert run(config(folder, gates=kept)).status == "published"
    (folder / "audit.csv").write_text("left_id,right_id,label\nb:41,b:x0,0\na:1,a:2,0\n")
    held = run(config(folder, gates=kept))
    assert failed(held) == ["audit pairs decided right"]
    assert "b:41 | b:x0 (different)" in str(held.gates)


def test_a_run_that_must_be_calibrated_is_held_without_a_model(folder: Path) -> None:
    held = run(config(folder, gates={**FEW, "require_calibrated": True}))
    assert failed(held) == ["model and threshold belong together"]


def test_a_released_run_is_reported_and_exported_as_any_other(folder: Path) -> None:
    run(config(folder))
    copies(folder, 9)
    held = run(config(folder))
    catalog = Catalog(held.catalog)
    summary = operate.release_run(catalog, held.run, by="ann", reason="a new supplier")
    assert catalog.run().summary == summary
    assert (summary.status, summary.exports) == ("published", {str(folder / "out.jsonl"): 9})
    assert len((folder / "out.jsonl").read_text().splitlines()) == 9
    page = Path(str(summary.report)).read_text()
    assert "<title>Gemel" in page
    assert "Released by ann" in page
    assert "a new supplier" in page
    again = run(config(folder))
    assert (again.status, again.base) == ("published", held.run)
    back = operate.rollback_run(catalog, None, by="bob", reason="looks wrong")
    assert (back.run, back.exports) == (held.run, {str(folder / "out.jsonl"): 9})
    assert run(config(folder)).base == held.run


def test_who_decides_waits_for_the_run_under_way(folder: Path) -> None:
    run(config(folder))
    catalog = Catalog(folder / "catalog")
    by: dict[str, Any] = {"by": "ann", "reason": "r"}
    with catalog.writer():
        for act in (
            lambda: operate.release_run(catalog, "x", **by),
            lambda: operate.discard_run(catalog, "x", **by),
            lambda: operate.rollback_run(catalog, None, **by),
            lambda: operate.prune_runs(catalog, runs=1, days=0, dry_run=True),
        ):
            with pytest.raises(CatalogError, match="another run is writing"):
                act()


def test_a_discarded_run_is_not_what_the_next_night_starts_from(folder: Path) -> None:
    first = run(config(folder))
    copies(folder, 9)
    held = run(config(folder))
    catalog = Catalog(held.catalog)
    discard(catalog, held.run, Decision("ann", catalog.run(held.run).finished, "cut short"))
    write(folder / "b.jsonl", {f"{n}": text(n) for n in range(40, 60)})
    again = run(config(folder))
    assert (again.status, again.base) == ("published", first.run)


def test_every_published_night_drops_what_its_retention_does_not_keep(folder: Path) -> None:
    settings = config(folder, retention={"runs": 2, "days": 0})
    summaries = [run(settings) for _ in range(4)]
    catalog = Catalog(folder / "catalog")
    last = catalog.run()
    assert last.summary == summaries[-1]
    assert last.summary.retention is not None
    assert last.summary.retention.dropped == (summaries[1].run,)
    for summary in summaries[:2]:
        with pytest.raises(CatalogError, match="were dropped"):
            catalog.read("clusters", run=catalog.run(summary.run))
    for summary in summaries[2:]:
        for table in last.versions:
            assert catalog.read(table, run=catalog.run(summary.run)) is not None
    assert len(list((folder / "catalog" / "tables" / "records").glob("*.parquet"))) == 2
    assert len(list((folder / "catalog" / "runs").iterdir())) == 2


def test_a_retention_that_fails_is_told_and_the_run_stands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipeline.nightly import deliver

    def full(*_given: object, **_options: object) -> None:
        raise OSError("read-only")

    monkeypatch.setattr(deliver, "prune", full)
    summary = run(config(folder))
    assert summary.status == "published"
    assert summary.retention_failed == "OSError: read-only"


def registered(folder: Path, *, calibrated_for: str | None = None) -> Any:
    """What the gate looks at of a pinned model of texts that was made with the encoder 'e1'."""
    (folder / "judge").mkdir(exist_ok=True)
    (folder / "judge" / "judge.json").write_text("{}")
    own = calibrated_for or judge_fingerprint("e1", folder)
    chosen = CalibratorChoice("platt", "", 5, {})
    edge = Threshold(0.9, "precision", 1, 0.9, 1, 0.9, 9, 9, 9, 0.9, 0.95, True)
    calibration = Calibration(
        "m", "v0001", own, Calibrator("platt", (), 1, 0), edge, edge, chosen, "balanced", ()
    )
    model = SimpleNamespace(
        reference="m/v0001", facts=SimpleNamespace(encoder_fingerprint="e1"), folder=folder
    )
    return SimpleNamespace(
        model=model, modality="text", rule=SimpleNamespace(calibration=calibration)
    )


def test_a_model_that_judged_with_another_s_encoder_or_thresholds_is_found(
    tmp_path: Path,
) -> None:
    tonight = {"text": "e1", "image": None}
    whole = registered(tmp_path)
    assert problems((whole,), tonight) == {"m/v0001": None}
    assert problems((whole,), {"text": None, "image": None}) == {"m/v0001": None}
    other = problems((whole,), tonight | {"text": "e2"})
    assert other == {"m/v0001": "embedded by the encoder e2, calibrated with e1"}
    said = problems((registered(tmp_path, calibrated_for="f"),), tonight)["m/v0001"]
    assert "the thresholds of m version v0001 belong to the fingerprint f" in str(said)
    assert problems((), tonight) == {}
