"""What a report shows of a run, and what it says it leaves out."""

from __future__ import annotations

import math

import pyarrow as pa
import pytest

from pipeline.config.outputs import ReportSettings
from pipeline.outputs.report import figures, selection
from pipeline.outputs.report.build import build_report
from pipeline.storage.schemas import CLUSTERS


def report(summary, tables, *, seed=0, **values):
    return build_report(summary=summary, settings=ReportSettings(**values), seed=seed, **tables)


@pytest.fixture
def many(build):
    """Sixty clusters: the first the largest (29 members), the last the weakest (0.41)."""
    rows = []
    for number in range(60):
        members = {
            f"s:{number:02}-{m:02}": 1 - (number + m / 100) / 100
            for m in range(1, 30 if number == 0 else 2)
        }
        rows += build["cluster"](f"s:{number:02}", members)
    return pa.Table.from_pylist(rows, CLUSTERS)


def test_members_follow_their_representative_by_probability(summary, tables):
    lamp = report(summary, tables).clusters[0]
    assert [m.record_id for m in lamp.members] == ["shop:1", "shop:2", "feed:3"]
    assert lamp.members[2].evidence.scores[0] == ("text cosine", "0.930")
    assert [a.name for a in lamp.members[2].attributes if a.differs] == ["price"]
    assert len(lamp.cuts) == 1


def test_sample_is_largest_weakest_and_seeded_random(many):
    chosen = selection.choose_clusters(many, n=12, seed=1)
    assert chosen.total == 60
    assert len(chosen.groups) == 12
    assert next(iter(chosen.groups)) == "c-s:00"
    assert "weakest" in chosen.groups["c-s:59"]
    assert chosen == selection.choose_clusters(
        many.take(list(range(len(many)))[::-1]), n=12, seed=1
    )
    assert chosen != selection.choose_clusters(many, n=12, seed=2)


@pytest.mark.parametrize("n", [1, 2, 3, 60, 500])
def test_sample_never_exceeds_what_was_asked_or_is_there(many, n):
    assert len(selection.choose_clusters(many, n=n, seed=0).groups) == min(n, 60)


def test_large_clusters_are_cut_and_counted(summary, tables, many):
    shown = report(summary, tables | {"clusters": many}, members=5).clusters[0]
    assert (len(shown.members), shown.hidden, shown.size) == (5, 25, 30)
    assert shown.members[0].note == "this record is not in the records table"


def test_borderline_pairs_stand_at_their_nearer_threshold(summary, tables):
    found = {(p.left.record_id, p.right.record_id): p for p in report(summary, tables).pairs}
    assert len(found) == 5
    nearest = found["pics:a/6.jpg", "pics:b/7.jpg"]
    assert (nearest.threshold, nearest.side, nearest.distance) == ("accept", "above", "0.0050")
    assert found["shop:1", "shop:8"].side == "below"
    assert found["feed:3", "shop:8"].threshold == "review"


def test_a_score_equal_to_the_threshold_is_above_it(build):
    pairs = build["tables_of"](records=[], pairs=[build["pair"]("a", "b", probability=0.9)])[
        "pairs"
    ]
    above = selection.nearest_pairs(pairs, threshold=0.9, between=(0.9, math.inf), n=3)
    below = selection.nearest_pairs(pairs, threshold=0.9, between=(0.5, 0.9), n=3)
    assert (len(above), len(below)) == (1, 0)


def test_thumbnails_stop_at_the_limit_and_are_counted(summary, tables):
    heavy = b"\xff\xd8\xff" + bytes(400_000)
    rows = [row | {"thumbnail": heavy} for row in tables["records"].to_pylist()]
    records = pa.Table.from_pylist(rows, tables["records"].schema)
    data = report(summary, tables | {"records": records}, max_bytes=1_200_000)
    assert data.thumbnails == 2
    assert data.thumbnails_left_out > 5
    notes = [m.image_note for c in data.clusters for m in c.members if m.image is None]
    assert all("size limit" in note for note in notes)


@pytest.mark.parametrize(
    ("true", "note"),
    [
        (None, "1600 × 1200 px"),
        (1500.0, "1600 × 1200 px"),
        (640.4, "1600 × 1200 px, detail for 640"),
    ],
)
def test_the_size_of_an_enlarged_picture_comes_with_that_of_its_detail(summary, tables, true, note):
    rows = [row | {"image_effective_side": true} for row in tables["records"].to_pylist()]
    records = pa.Table.from_pylist(rows, tables["records"].schema)
    lamp = report(summary, tables | {"records": records}).clusters[0]
    assert lamp.members[0].image_note == note


def test_quarantine_is_grouped_most_frequent_first(summary, tables):
    first, second = report(summary, tables).quarantine
    assert (first.reason, first.count, len(first.rows)) == ("neither text nor image", 2, 2)
    assert second.count == 1
    assert len(report(summary, tables, quarantine=1).quarantine) == 1


def test_cluster_sizes_are_plotted_in_doubling_steps():
    figure = figures.cluster_sizes([1, 2, 3, 4, 5, 1000], [9, 5, 2, 1, 1, 1])
    bars = {bar.label: bar.count for bar in figure.bars if bar.count}
    assert bars == {"2": 5, "3–4": 3, "5–8": 1, "513–1,024": 1}


def test_histogram_colours_follow_the_thresholds():
    figure = figures.score_histogram([0, 0.5, 0.9, 1], [100, 10, 1], accept=0.9, review=0.5)
    assert [bar.kind for bar in figure.bars] == ["no", "ask", "yes"]
    heights = [bar.height for bar in figure.bars]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] > 5
