"""Tonight's differences, in the words of the terminal and in the report."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from pipeline.catalog.summary.figures import (
    Changes,
    Contradiction,
    RecordChanges,
    SaidPair,
    VerdictCounts,
)
from pipeline.clustering.events import cluster_changes, cluster_events
from pipeline.config.outputs import ReportSettings
from pipeline.outputs.change_words import RECORDS, choose_changes
from pipeline.outputs.report.build import build_report
from pipeline.outputs.report.changes import show_changes
from pipeline.outputs.report.html import render_report
from pipeline.outputs.report.members import Thumbnails
from pipeline.outputs.terminal import summary_lines

BEFORE = {"A": "ab", "B": "cd", "C": "efgh", "D": "ij", "S": "s"}
AFTER = {"A": "abcd", "C": "ef", "N": "gh", "S": "st"}


def mapping(clusters: dict[str, str]) -> pa.Table:
    pairs = [(f"s:{r}", name) for name, members in clusters.items() for r in members]
    return pa.table({"record_id": [r for r, _ in pairs], "cluster_id": [c for _, c in pairs]})


@pytest.fixture
def told():
    return cluster_events(mapping(BEFORE), mapping(AFTER), run="r2")


@pytest.fixture
def changed(summary, told):
    changes = Changes("r1", RecordChanges(1, 0, 2), cluster_changes(told))
    pair = SaidPair("s:a", "s:<b>", "same", "by ann, at 2026-01-01 00:00Z")
    verdicts = VerdictCounts(
        same=3, different=2, unknown=1, contradictions=1,
        contradictory=(Contradiction(pair, pair),),
    )  # fmt: skip
    return replace(summary, changes=changes, verdicts=verdicts)


def show(told, rows, clusters):
    return show_changes(choose_changes(told, clusters), rows, Thumbnails(max_bytes=1000))


def test_the_terminal_tells_the_differences_in_three_lines(changed, summary):
    lines = summary_lines(changed)
    assert len(lines) <= 30
    assert "changes     records: 1 new, 2 deleted" in lines
    assert "            clusters of 2+: 1 new, 1 merged, 1 split, 1 dissolved" in lines
    said = "3 same, 2 different, 1 on records that are gone, 1 CONTRADICTORY (listed in the report)"
    assert f"verdicts    {said}" in lines
    assert not any(line.startswith(("changes", "verdicts")) for line in summary_lines(summary))
    first = replace(changed, changes=Changes(), verdicts=VerdictCounts())
    assert not any(line.startswith(("changes", "verdicts")) for line in summary_lines(first))
    quiet = Changes("r1", RecordChanges(), {"new": 0})
    assert "changes     records: none" in summary_lines(replace(changed, changes=quiet))


def test_the_largest_changes_come_with_their_records(told):
    rows = {"s:c": {"text": "a  kettle"}, "s:a": {"text": "a pot"}}
    clusters = mapping(AFTER).append_column("representative", pa.array(["s:c"] * 10))
    shown = show(told, rows, clusters)
    assert [(c.kind, c.cluster_id, c.size_before, c.size_after) for c in shown] == [
        ("merged", "A", 2, 4), ("split", "C", 4, 2), ("new", "S", 1, 2),
        ("dissolved", "D", 2, 0),
    ]  # fmt: skip
    merged, split = shown[:2]
    assert [(m.role, m.record_id, m.text) for m in merged.moved] == [
        ("stays", "s:a", "a pot"), ("joined", "s:c", "a kettle"),
        ("joined", "s:d", "no longer among the records"),
    ]  # fmt: skip
    assert (merged.others, split.others) == (("B",), ("N",))
    many = {"A": "ab"}, {"A": "abcdefghijklmnop"}
    heads = mapping(many[1]).append_column("representative", pa.array(["s:b"] * 16))
    (grown,) = show(cluster_events(mapping(many[0]), mapping(many[1]), run="r"), {}, heads)
    assert (len(grown.moved), grown.hidden) == (1 + RECORDS, 14 - RECORDS)
    assert grown.moved[0].record_id == "s:b"


def test_the_report_has_them_and_the_contradictions(changed, told, tables):
    def html(summary):
        data = build_report(
            summary=summary, settings=ReportSettings(), seed=0, events=told, **tables
        )
        return render_report(data)

    page = html(changed)
    assert 'id="changes"' in page
    assert "1 new, 1 merged, 1 split, 1 dissolved" in page
    assert "Merged: clusters that became one" in page
    assert "s:&lt;b&gt;" in page
    assert page.count("<details") == page.count("</details>")
    first = html(replace(changed, changes=Changes(), verdicts=VerdictCounts()))
    assert 'id="changes"' not in first
    assert 'id="contradictions"' not in first
