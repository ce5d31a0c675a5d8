"""Nights on one catalog: ids that stay, events that replay, verdicts that hold."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import run
from pipeline.catalog import Catalog, RecordChanges
from pipeline.catalog.events import event_line, events_of
from pipeline.catalog.runs import Run
from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.clustering.events import replay
from pipeline.errors import CatalogError
from pipeline.storage.schemas import LABELS
from tests.worlds.runs import rows_in, run_config

TEXT = "the quick brown fox number {} jumps over the lazy dog of farm {} near the river"
Texts = dict[str, str]


def night(folder: Path, texts: Texts, *, full: bool = False, **changes: Any) -> RunSummary:
    """One run over records; their lines are in the order given."""
    path = folder / "in.csv"
    path.write_text("id,text\n" + "".join(f"{i},{t}\n" for i, t in texts.items()))
    settings = run_config(folder / "catalog", rows_in(path, "csv"), **changes)
    summary: RunSummary = run(settings, full=full)
    return summary


def say(folder: Path, left: str, right: str, label: str) -> None:
    row = {"left_id": f"s:{left}", "right_id": f"s:{right}", "label": label, "by": "ann",
           "at": datetime.now(UTC), "origin": "review", "note": None}  # fmt: skip
    Catalog(folder / "catalog").tables.append("labels", pa.Table.from_pylist([row], LABELS))


def mapping(catalog: Catalog, of: Run) -> pa.Table:
    table = catalog.read("clusters", run=of).sort_by("record_id")
    return pa.table({name: table[name] for name in ("record_id", "cluster_id")})


def clusters(folder: Path) -> dict[str, dict[str, Any]]:
    catalog = Catalog(folder / "catalog")
    rows = catalog.read("clusters", run=catalog.run()).to_pylist()
    return {row["record_id"][2:]: row for row in rows}


def near(number: int) -> Texts:
    """Two near copies and an exact one of the first."""
    text = TEXT.format(number * 7919, number * 104729)
    return {f"a{number}": text, f"b{number}": text + "!", f"c{number}": text}


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, list[Run]]:
    """A cluster grows, one loses a member, one goes, one comes; and a night without changes."""
    folder = tmp_path_factory.mktemp("nights")
    texts = {**near(1), **near(2), **near(3), "z": TEXT.format(11, 13)}
    night(folder, texts)
    texts |= {"d1": texts["a1"] + "?", **near(4)}
    del texts["b2"], texts["z"]
    texts = {i: t for i, t in texts.items() if not i.endswith("3")}
    night(folder, texts)
    night(folder, dict(reversed(texts.items())))
    catalog = Catalog(folder / "catalog")
    return catalog, catalog.runs()[::-1]


@pytest.mark.slow
def test_each_night_s_events_replay_to_its_clusters(nights: tuple[Catalog, list[Run]]) -> None:
    catalog, runs = nights
    current = mapping(catalog, runs[0]).slice(0, 0)
    for one in runs:
        current = replay(events_of(catalog, one), current)
        assert current.equals(mapping(catalog, one))
    assert [one.run for one in event_line(catalog, runs[2])] == [one.run for one in runs]


def test_what_changed_is_in_the_summary(nights: tuple[Catalog, list[Run]]) -> None:
    _, (first, second, third) = nights
    assert first.summary.changes.base is None
    assert first.summary.changes.clusters["new"] == 3
    told = second.summary.changes
    assert told.base == first.run
    assert told.records == RecordChanges(4, 0, 5)
    assert told.clusters == {
        "new": 1, "grown": 1, "shrunk": 1, "merged": 0, "split": 0, "changed": 0, "dissolved": 1,
    }  # fmt: skip
    assert told.events == {"born": 1, "died": 2, "grown": 1, "shrunk": 1}
    assert third.summary.changes.events == {}
    assert third.summary.changes.records == RecordChanges()


def test_the_feed_since_a_run_is_every_later_run_s_events(
    nights: tuple[Catalog, list[Run]],
) -> None:
    catalog, (first, second, third) = nights
    feed = events_of(catalog, third, since=first.run)
    assert feed.equals(events_of(catalog, second))
    assert len(events_of(catalog, third, since=third.run)) == 0
    both = events_of(catalog, second, since=first.run)
    assert replay(both, mapping(catalog, first)).equals(mapping(catalog, third))
    with pytest.raises(CatalogError, match="'nothing' is not known and did not lead to run"):
        events_of(catalog, third, since="nothing")
    with pytest.raises(CatalogError, match="did not lead to run"):
        events_of(catalog, first, since=third.run)


@pytest.mark.slow
def test_a_run_that_was_held_has_no_part_in_the_next_night_s_changes(tmp_path: Path) -> None:
    night(tmp_path, near(1))
    held = night(tmp_path, {**near(1), **near(2)}, gates={"max_quarantined": 0.0}, sources=[
        {"type": "csv", "name": "s", "path": str(tmp_path / "in.csv"),
         "columns": {"id": "id", "text": "text"}},
        {"type": "csv", "name": "t", "path": str(bad(tmp_path)),
         "columns": {"id": "id", "text": "text"}},
    ])  # fmt: skip
    assert held.status == "held"
    last = night(tmp_path, {**near(1), **near(3)})
    catalog = Catalog(tmp_path / "catalog")
    third, second, first = catalog.runs()
    assert last.changes.base == first.run
    feed = events_of(catalog, third, since=first.run)
    assert set(feed["run"].to_pylist()) == {third.run}
    assert replay(feed, mapping(catalog, first)).equals(mapping(catalog, third))
    with pytest.raises(CatalogError, match="is held and did not lead"):
        events_of(catalog, third, since=second.run)


def bad(folder: Path) -> Path:
    path = folder / "bad.csv"
    path.write_text("id,text\nq,\nr,one two three four five six\n")
    return path


@pytest.mark.slow
def test_verdicts_hold_night_after_night_and_in_a_full_run(tmp_path: Path) -> None:
    texts = {**near(1), **near(2), "lone": TEXT.format("one", "two")}
    night(tmp_path, texts)
    before = clusters(tmp_path)
    assert len({before[i]["cluster_id"] for i in ("a1", "b1", "c1")}) == 1
    say(tmp_path, "c1", "b1", "different")
    say(tmp_path, "lone", "b2", "same")
    say(tmp_path, "lone", "gone", "same")
    summary = night(tmp_path, texts)
    after = clusters(tmp_path)
    # What a person said of one copy holds for the other, whose content is the same.
    assert after["a1"]["cluster_id"] == after["c1"]["cluster_id"] == before["a1"]["cluster_id"]
    assert after["b1"]["size"] == 1
    assert after["lone"]["cluster_id"] == after["a2"]["cluster_id"] == before["a2"]["cluster_id"]
    assert "verdict" in after["lone"]["evidence"]
    facts = summary.verdicts
    assert (facts.same, facts.different, facts.unknown) == (1, 1, 1)
    assert summary.changes.clusters["grown"] == summary.changes.clusters["shrunk"] == 1
    catalog = Catalog(tmp_path / "catalog")
    read = catalog.run().versions["labels"]
    assert len(catalog.tables.read("labels", version=read)) == 3
    reasons = catalog.read("cut_links", run=catalog.run())["reason"].to_pylist()
    assert [reason.split(" (by ann, at ")[0] for reason in reasons] == ["verdict: different"]
    again = night(tmp_path, {**texts, "e1": texts["a1"] + "?"}, full=True)
    rows = clusters(tmp_path)
    assert rows["e1"]["cluster_id"] in {rows["a1"]["cluster_id"], rows["b1"]["cluster_id"]}
    assert rows["a1"]["cluster_id"] != rows["b1"]["cluster_id"]
    assert again.changes.records.new == 1


def test_a_stage_done_twice_tells_its_events_once(tmp_path: Path) -> None:
    night(tmp_path, near(1))
    catalog = Catalog(tmp_path / "catalog")
    only = catalog.run()
    told = events_of(catalog, only)
    version = catalog.tables.replace_run("events", told, run=only.run)
    assert catalog.tables.read("events", version=version).num_rows == len(told)


def test_a_person_chooses_the_record_to_keep_and_takes_it_back(tmp_path: Path) -> None:
    texts = {**near(1), **near(2)}
    night(tmp_path, texts)
    first = clusters(tmp_path)
    usual = first["a1"]["representative"]
    wanted = next(name for name in ("a1", "b1", "c1") if f"s:{name}" != usual)
    say(tmp_path, wanted, wanted, "keep")
    night(tmp_path, texts)
    kept = clusters(tmp_path)
    assert {kept[name]["representative"] for name in ("a1", "b1", "c1")} == {f"s:{wanted}"}
    assert kept["a1"]["keeper_reason"] == "a person chose it"
    assert kept["a1"]["cluster_id"] == first["a1"]["cluster_id"]
    assert {name: kept[name] for name in near(2)} == {name: first[name] for name in near(2)}
    night(tmp_path, texts, full=True)
    assert clusters(tmp_path) == kept, "computed anew it is the same"
    say(tmp_path, wanted, wanted, "withdrawn")
    night(tmp_path, texts)
    assert clusters(tmp_path) == first


def test_a_withdrawn_verdict_binds_no_more(tmp_path: Path) -> None:
    texts = near(1)
    night(tmp_path, texts)
    first = clusters(tmp_path)
    say(tmp_path, "a1", "b1", "different")
    summary = night(tmp_path, texts)
    assert summary.verdicts.different == 1
    assert clusters(tmp_path)["a1"]["cluster_id"] != clusters(tmp_path)["b1"]["cluster_id"]
    say(tmp_path, "a1", "b1", "withdrawn")
    summary = night(tmp_path, texts)
    assert (summary.verdicts.different, summary.verdicts.unsure) == (0, 0)
    assert clusters(tmp_path) == first
