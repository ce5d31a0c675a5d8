"""The report file: complete, offline, and deaf to whatever a record says."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pytest

from pipeline.candidates import CascadeThresholds
from pipeline.catalog import CascadeCounts, Gate, RunSummary, UsedEncoder, UsedModels
from pipeline.config.outputs import ReportSettings
from pipeline.evaluation import ScoreHistogram
from pipeline.outputs.report.build import build_report
from pipeline.outputs.report.html import render_report
from pipeline.storage.schemas import CLUSTERS, CUT_LINKS, PAIRS, QUARANTINE, RECORDS

HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' autofocus onfocus='alert(1)",
    "javascript:alert(1)",
    "</style><style>*{display:none}",
    "{{ 7*7 }}{% raw %}",
    "-->]]><svg onload=alert(1)>",
    "abc\u202egpj.exe\x00\x1b[31m\u2066",
]
TAGS = {"img", "script", "style", "svg", "iframe", "object", "embed", "link", "base", "form"}


class Page(HTMLParser):
    """Collects tags with their attributes and the text between them."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.words, self.inside = [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside not in ("script", "style"):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", "".join(self.words))


def report(summary, tables, **values):
    return build_report(summary=summary, settings=ReportSettings(**values), seed=0, **tables)


@pytest.fixture
def page(summary, tables):
    html = render_report(report(summary, tables))
    if folder := os.environ.get("GEMEL_SHOW"):
        with open(f"{folder}/published.html", "w", encoding="utf-8") as file:
            file.write(html)
    return html


def test_what_an_operator_must_see_is_there(page):
    text = Page(page).text
    for words in (
        "Published", "UNCALIBRATED", "all-MiniLM-L6-v2", "Desk lamp LX-200", "longest text",
        "no direct evidence to the representative", "neither text nor image", "1600 × 1200 px",
        "identical text and image: grouped before scoring", "Nothing was deleted",
        "Not for identifying people", "9,342", "gemel 0.1.0",
        "7.8 % of the records; 215 more in clusters for review",
        "review: not in the removal list unless include_review is set",
    ):  # fmt: skip
        assert words in text, words


def test_differences_are_marked(page):
    assert "<ins>polished</ins> brass" in page
    assert "<del>8</del> <ins>9</ins> W" in page
    assert re.search(r"… \d+ same words …", page)


def test_held_run_says_why_and_what_to_do(held, tables):
    html = render_report(report(held, tables))
    if folder := os.environ.get("GEMEL_SHOW"):
        with open(f"{folder}/held.html", "w", encoding="utf-8") as file:
            file.write(html)
    text = Page(html).text
    assert "1 of 2 gates failed" in text
    assert "gemel runs show" in text
    assert "UNCALIBRATED" not in text
    assert "at least 97.8 % with 95 % confidence" in text


def test_what_could_not_be_written_is_in_the_verdict(unwritten, tables):
    text = Page(render_report(report(unwritten, tables))).text
    assert "Published, not all written" in text
    assert "Not written: /out/removals.csv (cannot write" in text


def test_nothing_is_fetched(page):
    for tag, attributes in Page(page).tags:
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            value = attributes.get(name, "#")
            assert value.startswith(("#", "data:image/jpeg;base64,")), (tag, value)
    assert "url(" not in page
    assert "@import" not in page


def test_policy_names_the_one_script(page):
    (script,) = re.findall(r"<script>(.*)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Security-Policy" content="([^"]*)"', page)
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert page.count("<script") == 2
    assert '<script type="application/json" id="all-data">' in page, "data, which no browser runs"


@pytest.mark.parametrize("bad", HOSTILE)
def test_records_cannot_inject(bad, summary, build):
    one, two = f"s:{bad}", f"s:2{bad}"
    ids = sorted((one, two))
    values = {"attributes": [(bad, bad)], "image_uri": bad, "source": bad, "colour": "red"}
    tables = build["tables_of"](
        records=[build["record"](one, bad, **values), build["record"](two, bad + " x", **values)],
        pairs=[build["pair"](*ids, probability=0.95, reason=bad, proposed_by=bad)],
        clusters=[
            row | {"keeper_reason": bad, "cluster_id": bad, "status": bad, "evidence": bad}
            for row in build["cluster"](one, {two: 0.95})
        ],
        cut_links=[{"left_id": ids[0], "right_id": ids[1], "probability": 0.9, "reason": bad}],
        quarantine=[{"source": bad, "location": bad, "reason": bad, "raw": bad}],
    )
    harmless = Page(render_report(report(summary, _renamed(tables))))
    gate = Gate("x", bad, passed=False, value=1.0, limit=0.0, message=bad)
    html = render_report(report(replace(summary, run=bad, gates=(gate,)), tables))
    page = Page(html)
    count = lambda found: sum(tag in TAGS for tag, _ in found.tags)  # noqa: E731
    assert count(page) == count(harmless)
    assert not any(name.startswith("on") for _, found in page.tags for name in found)
    assert "49" not in re.findall(r"<code>s:(.*?)</code>", html)
    assert not re.search("[\x00\x1b\u202e\u2066]", html)


def _renamed(tables):
    """The same tables with every hostile text made a plain word, for comparison."""
    plain = {}
    for name, table in tables.items():
        rows = table.to_pylist()
        for row in rows:
            for column, value in row.items():
                if isinstance(value, str) and not column.endswith("hash"):
                    row[column] = _word(value)
            if row.get("attributes"):
                row["attributes"] = [("a", "b")]
        plain[name] = pa.Table.from_pylist(rows, table.schema)
    return plain


def _word(value):
    starts = value.startswith("s:2")
    return value if value in ("duplicate",) else "s:two" if starts else "s:one"


def test_hidden_characters_are_spelled_out(summary, build):
    tables = build["tables_of"](
        records=[build["record"]("s:a\u202eb", "nul \x00 here"), build["record"]("s:c", "x")],
        clusters=build["cluster"]("s:a\u202eb", {"s:c": 0.9}),
    )
    html = render_report(report(summary, tables))
    assert "s:a⟨U+202E⟩b" in html
    assert "nul ⟨U+0000⟩" in html


def test_a_preview_that_is_no_jpeg_is_not_embedded(summary, build):
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"
    tables = build["tables_of"](
        records=[build["record"]("s:1", thumbnail=svg), build["record"]("s:2", "x")],
        clusters=build["cluster"]("s:1", {"s:2": 0.9}),
    )
    html = render_report(report(summary, tables))
    assert "the preview is not a JPEG" in html
    assert "data:image" not in html


def test_empty_run_renders(build):
    summary = replace(
        RunSummary(run="r", name="n", status="published"),
        histogram=ScoreHistogram((0.0, 0.5, 1.0), (0, 0)),
        models=UsedModels(judge="default"),
    )
    text = Page(render_report(report(summary, build["tables_of"](records=[])))).text
    assert "No cluster has two records or more" in text
    assert "Every row became a record" in text


def test_order_of_the_tables_leaves_no_trace(summary, tables, page):
    turned = {name: table.take(list(range(len(table)))[::-1]) for name, table in tables.items()}
    assert render_report(report(summary, turned)) == page


@pytest.mark.slow
def test_hundred_thousand_clusters_stay_small_and_fast(summary, tables):
    large = _large(250_000, thumbnail=tables["records"]["thumbnail"][0].as_py())
    start = time.perf_counter()
    html = render_report(report(summary, large, clusters=2000, members=12, pairs=400))
    assert time.perf_counter() - start < 20
    if folder := os.environ.get("GEMEL_SHOW"):
        with open(f"{folder}/large.html", "w", encoding="utf-8") as file:
            file.write(html)
    assert len(html.encode()) < 28_000_000  # 2,000 clusters in full, 20,000 listed
    assert "of 125,000 clusters" in html


def _large(n, *, thumbnail):
    number = np.arange(n)
    ids = pa.array(np.char.add("s:", np.char.zfill(number.astype("U7"), 7)))
    texts = pa.array(
        [f"Item {i // 2} in colour {i % 7}, a text of usual length " * 3 for i in range(n)]
    )
    given = {"record_id": ids, "source": pa.array(["s"] * n), "text": texts}
    given |= {"location": ids, "thumbnail": pa.array([thumbnail * 3] * n)}
    records = {f.name: given.get(f.name, pa.nulls(n, f.type)) for f in RECORDS}
    kept = ids.take(pa.array(number // 2 * 2))
    chance = pa.array(np.where(number % 2, 0.5 + number / n / 2, 1), pa.float32())
    words, size = pa.array(["text"] * n), pa.array([2] * n, pa.int32())
    clusters = [ids, kept, size, kept, chance, chance, words, words, words]
    clusters += [pa.array(np.zeros(n, bool))]
    half = n // 2
    given = {"left_id": ids[::2], "right_id": ids[1::2], "probability": chance.take(number[1::2])}
    given |= {"threshold": chance[:half]}
    given |= dict.fromkeys(("exact_text", "exact_image"), pa.array([False] * half))
    given |= dict.fromkeys(("decision", "reason", "proposed_by", "model", "run"), words[:half])
    pairs = {f.name: given.get(f.name, pa.nulls(half, f.type)) for f in PAIRS}
    return {
        "records": pa.table(records, schema=RECORDS),
        "pairs": pa.table(pairs, schema=PAIRS),
        "clusters": pa.table(clusters, schema=CLUSTERS),
        "cut_links": CUT_LINKS.empty_table(),
        "quarantine": QUARANTINE.empty_table(),
    }


def test_a_cascade_names_its_student(summary, tables):
    models = replace(summary.models, student=UsedEncoder("static-256", "5a7c"))
    choice = CascadeThresholds(
        floor=0.78, margin=0.12, recall=0.991, low=0.962, high=0.998, texts=500, duplicates=210,
        judged=900, measured=True,
    )  # fmt: skip
    late = CascadeCounts(choice, "r", 1000, 123, 0.123, 123, 0)
    summary = replace(summary, models=models, cascade=late)
    text = Page(render_report(report(summary, tables))).text
    assert "Student before it" in text
    assert "12.3 % of the texts met the teacher" in text
