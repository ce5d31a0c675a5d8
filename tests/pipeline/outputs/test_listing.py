"""The list of all clusters, and why those in review are: what a page of any size can search."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest

from pipeline.config.outputs import ReportSettings
from pipeline.outputs.exporters.groups import doubts, least_sure
from pipeline.outputs.report.build import build_report
from pipeline.outputs.report.html import render_report
from pipeline.outputs.report.listing import as_data, list_clusters
from pipeline.outputs.report.members import file_link
from pipeline.outputs.report.morning import morning_markdown
from pipeline.storage.schemas import CLUSTERS, CUT_LINKS, PAIRS, RECORDS


@pytest.fixture
def clusters(build):
    """Three clusters in review, by their kept record, and the pairs and cut links of two."""
    rows = [
        *build["cluster"]("s:a", {"s:b": 0.9, "s:c": 0.8}, status="review"),
        *build["cluster"]("s:d", {"s:e": 0.7}, status="review"),
        *build["cluster"]("s:f", {"s:g": 0.6}, status="review"),
    ]
    return pa.Table.from_pylist(rows, CLUSTERS)


def pairs(build):
    rows = [
        build["pair"]("s:a", "s:b", probability=0.9, confirmed=False, reason="a typo"),
        build["pair"]("s:a", "s:c", probability=0.8, confirmed=False, reason="a word differs",
                      differences="`red` against `rot`"),
        build["pair"]("s:b", "s:c", probability=0.5),
        build["pair"]("s:d", "s:z", probability=0.1, confirmed=False),
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, PAIRS)


def test_the_least_sure_pair_or_a_cut_link_says_why_a_cluster_is_in_review(build, clusters):
    cut = pa.Table.from_pylist(
        [{"left_id": "s:e", "right_id": "s:q", "probability": 0.9, "reason": "not alike"}],
        CUT_LINKS,
    )
    found = doubts(clusters, pairs(build), cut)
    assert found == {
        "c-s:a": "look first: a word differs, but differ: `red` against `rot`",
        "c-s:d": "look first: a link to another group was cut: not alike",
    }


def test_a_table_of_pairs_may_be_looked_at_part_by_part(build, clusters):
    table = pairs(build)
    parts = pa.concat_tables(least_sure(clusters, table[n : n + 1]) for n in range(len(table)))
    again = parts.select(table.column_names)
    assert least_sure(clusters, again).to_pylist() == least_sure(clusters, table).to_pylist()


def test_every_cluster_has_a_line_and_hostile_words_end_no_element(build, clusters):
    bad = "</script><script>alert(1)</script> & more"
    records = build["tables_of"](records=[build["record"]("s:a", bad)])["records"]
    listed = list_clusters(clusters, records, (), n=2)
    assert [(c.cluster_id, c.size, c.number) for c in listed] == [("c-s:a", 3, 0), ("c-s:f", 2, 0)]
    data = as_data(listed)
    assert not set("<>&") & set(data)
    (first, second) = json.loads(data)
    assert first[5:7] == [bad, ["s:a", "s:b", "s:c"]]
    assert second[5] == "s:f", "a record without a text is named by its id"


def test_the_report_lists_what_it_does_not_show_in_full(summary, tables):
    data = build_report(summary=summary, settings=ReportSettings(clusters=1), seed=0, **tables)
    assert len(data.clusters) == 1 < len(data.listed) == data.clusters_total
    assert [line.number for line in data.listed].count(1) == 1
    page = render_report(data)
    assert "All clusters" in page
    none = build_report(summary=summary, settings=ReportSettings(listed=0), seed=0, **tables)
    assert "All clusters" not in render_report(none)


@pytest.mark.parametrize(
    ("uri", "link"),
    [
        ("/data/a b.png", "file:///data/a%20b.png"), ("https://x.example/a.png", None),
        ("javascript:alert(1)", ""), ("data:text/html,x", ""), ("s3://bucket/a.png", ""),
        ("a.png", ""), (None, ""), ("/data/\u202egnp.exe", ""),
    ],
)  # fmt: skip
def test_a_picture_is_linked_where_a_browser_finds_it_and_nothing_runs(uri, link):
    assert file_link(uri) == (uri if link is None else link or None)


def test_the_morning_page_says_the_verdict_the_gates_and_ten_examples(summary, tables, build):
    hostile = build["record"]("shop:1", "| # [x](javascript:alert(1)) <b>")
    rows = [hostile if r["record_id"] == "shop:1" else r for r in tables["records"].to_pylist()]
    tables = tables | {"records": pa.Table.from_pylist(rows, RECORDS)}
    data = build_report(summary=summary, settings=ReportSettings(), seed=0, **tables)
    page = morning_markdown(data, report="/x/report.html")
    assert "## Published" in page
    assert "gates passed." in page
    assert "- The report: /x/report.html" in page
    assert r"\[x\](javascript:alert(1)) \<b\>" in page
    assert "The first run of this catalog" in page
    held = replace(summary, status="held", gates=(replace(summary.gates[0], passed=False),))
    assert "gemel runs release" in morning_markdown(replace(data, summary=held), report="/x/r")
