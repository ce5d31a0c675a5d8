"""Runs over duplicate-free sources: what is joined, what is told, and night by night the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline import run
from pipeline.catalog import Catalog
from pipeline.catalog.summary.run_summary import RunSummary
from pipeline.nightly.labelling import suggest_labels
from pipeline.outputs.terminal import summary_lines
from tests.worlds.runs import OPEN_GATES, rows_in, run_config, write_jsonl

TEXT = "the quick brown fox number {} jumps over the lazy dog of farm {} near the river"
Shops = dict[str, dict[str, str]]  # source -> key -> text
LEFT_OUT = {"run", "first_seen", "last_seen"}


def text(number: int) -> str:
    return TEXT.format(number * 7919, number * 104729)


def night(folder: Path, shops: Shops, *, free: str = "", at: str = "catalog",
          full: bool = False) -> RunSummary:  # fmt: skip
    """One run over shops; the rows are in the order given."""
    sources = []
    for name, rows in shops.items():
        path = write_jsonl(
            folder / f"{name}.jsonl", [{"id": key, "text": said} for key, said in rows.items()]
        )
        sources.append(rows_in(path, name=name, duplicate_free=name in free))
    summary: RunSummary = run(run_config(folder / at, *sources, gates=OPEN_GATES), full=full)
    return summary


def tables(folder: Path, at: str = "catalog") -> dict[str, list[dict[str, Any]]]:
    catalog = Catalog(folder / at)
    out = {}
    for name in ("pairs", "clusters", "cut_links"):
        table = catalog.read(name, run=catalog.run())
        table = table.drop_columns([c for c in table.column_names if c in LEFT_OUT])
        out[name] = sorted(table.to_pylist(), key=lambda row: json.dumps(row, default=str))
    return out


def joined(found: dict[str, list[dict[str, Any]]]) -> set[frozenset[str]]:
    groups: dict[str, set[str]] = {}
    for row in found["clusters"]:
        groups.setdefault(row["cluster_id"], set()).add(row["record_id"])
    return {frozenset(one) for one in groups.values() if len(one) > 1}


SHOPS: Shops = {
    "a": {"1": text(1), "2": text(1) + "!", "3": text(2), "4": text(2)},
    "b": {"1": text(1) + "!", "2": text(1), "3": text(2), "4": text(3)},
}


@pytest.mark.slow
def test_no_two_of_a_source_are_joined_and_a_person_sees_why(tmp_path: Path) -> None:
    night(tmp_path, SHOPS)
    all_of = frozenset({"a:1", "a:2", "b:1", "b:2"})
    assert joined(tables(tmp_path)) == {all_of, frozenset({"a:3", "a:4", "b:3"})}
    summary = night(tmp_path, SHOPS, free="ab")
    found = tables(tmp_path)
    assert joined(found) == {
        frozenset({"a:1", "b:2"}), frozenset({"a:2", "b:1"}), frozenset({"a:3", "b:3"}),
    }  # fmt: skip
    pairs = {(row["left_id"], row["right_id"]): row for row in found["pairs"]}
    near, same = pairs["a:1", "a:2"], pairs["a:3", "a:4"]
    assert (near["decision"], same["decision"]) == ("distinct", "distinct")
    assert near["probability"] >= near["threshold"]
    assert near["reason"] == "texts agree, but two records of one duplicate-free source"
    assert same["reason"] == "identical text, but two records of one duplicate-free source"
    cut = {(row["left_id"], row["right_id"]): row["reason"] for row in found["cut_links"]}
    assert cut["a:1", "a:2"] == "source a is duplicate-free: a:1 and a:2 are two records of it"
    assert "though identical" in cut["a:3", "a:4"]
    lines = "\n".join(summary_lines(summary))
    assert "a may not be duplicate-free (4 of 4 records have an accepted partner inside" in lines
    report = Path(str(summary.report)).read_text()
    assert "source a is duplicate-free: a:1 and a:2 are two records of it" in report
    assert "a may not be duplicate-free" in report
    sheet = tmp_path / "sheet.jsonl"
    catalog = Catalog(tmp_path / "catalog")
    suggest_labels(catalog, catalog.run(), n=50, seed=0, out=sheet)
    asked = [json.loads(line) for line in sheet.read_text().splitlines()]
    assert asked
    assert all(row["left_id"][0] != row["right_id"][0] for row in asked)


@pytest.mark.slow
def test_night_by_night_in_any_order_is_one_run_over_all(tmp_path: Path) -> None:
    night(tmp_path, {"a": SHOPS["a"], "b": {"4": text(3)}}, free="ab")
    second = night(tmp_path, SHOPS, free="ab")
    assert second.reused.standing > 0
    changed = {"b": {**SHOPS["b"], "1": text(2) + "?"}, "a": {**SHOPS["a"], "5": text(3)}}
    del changed["a"]["1"]
    night(tmp_path, changed, free="ab")
    by_night = tables(tmp_path)
    backwards = {name: dict(reversed(rows.items())) for name, rows in reversed(changed.items())}
    anew = night(tmp_path, backwards, free="ba", full=True)
    assert anew.reused.standing == 0
    assert tables(tmp_path) == by_night
    # The promise taken back: all is judged and clustered again.
    back = night(tmp_path, changed)
    assert back.reused.standing == 0
    without = tables(tmp_path)
    night(tmp_path, changed, full=True)
    assert tables(tmp_path) == without
    assert joined(without) != joined(by_night)


@pytest.mark.parametrize("free", ["", "ab"])
def test_rows_of_one_column_of_several_are_not_confirmed_by_it(tmp_path: Path, free: str) -> None:
    """Of two lists that hold each thing once, rows that are a street alone may be two things."""
    row = {"id": "2", "name": "the old mill by the river", "street": text(2)}
    rows = [{"id": "1", "name": None, "street": text(1)}, row]
    sources = [
        rows_in(
            write_jsonl(tmp_path / f"{name}.jsonl", rows), name=name, duplicate_free=bool(free),
            columns={"id": "id", "text": ["name", "street"]},
        )
        for name in "ab"
    ]  # fmt: skip
    run(run_config(tmp_path / "catalog", *sources, gates=OPEN_GATES))
    status = {row["record_id"]: row["status"] for row in tables(tmp_path)["clusters"]}
    assert status == {
        "a:1": "review" if free else "confirmed", "b:1": "review" if free else "confirmed",
        "a:2": "confirmed", "b:2": "confirmed",
    }  # fmt: skip
    pairs = {row["left_id"]: row for row in tables(tmp_path)["pairs"]}
    assert pairs["a:1"]["confirmed"] is not bool(free)
    assert pairs["a:1"]["reason"].startswith("identical text")


@pytest.mark.slow
def test_sources_that_look_duplicate_free_are_named(tmp_path: Path) -> None:
    many = {str(n): text(n + 10) for n in range(120)}
    shops = {"a": many, "b": {key: said + "!" for key, said in many.items()}}
    summary = night(tmp_path, shops)
    assert [found.looks_duplicate_free for found in summary.sources] == [True, True]
    assert (
        "sources     a looks duplicate-free (0 of 120 records have an accepted partner inside the "
        "source, 120 across: set sources[].duplicate_free: true if that is so)"
    ) in summary_lines(summary)
    told = night(tmp_path, shops, free="ab")
    assert not any(line.startswith("sources") for line in summary_lines(told))
