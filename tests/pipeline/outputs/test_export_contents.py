"""What each export holds, and that the order of the input leaves no trace."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.config.outputs import FORMATS
from pipeline.outputs.exporters import contents, open_exporter
from pipeline.storage.schemas import CLUSTERS, PAIRS, RECORDS


def record(record_id, **values):
    row = dict.fromkeys(RECORDS.names)
    return (
        row
        | {"record_id": record_id, "source": record_id.split(":")[0], "location": "f:1"}
        | values
    )


def member(record_id, representative, *, size=2, probability=1.0, status="confirmed"):
    return {
        "record_id": record_id,
        "cluster_id": f"c-{representative}",
        "size": size,
        "representative": representative,
        "probability_to_representative": probability,
        "cohesion": 0.5,
        "status": status,
        "evidence": "text",
        "keeper_reason": "longest text",
        "same_thing": False,
    }


def pair(left, right, *, probability=0.95, reason="near copy"):
    row = dict.fromkeys(PAIRS.names) | {"left_id": left, "right_id": right}
    row |= {"exact_text": False, "exact_image": False, "contradicts": False}
    row |= {"probability": probability}
    row |= {"confirmed": True, "decision": "duplicate", "reason": reason, "model": "m"}
    row |= {"proposed_by": "text"}
    return row | {"threshold": 0.9, "run": "r", "text_cosine": 0.9}


@pytest.fixture
def tables():
    records = [
        record("a:1", text_hash="t1", fields=[("title", "Lamp")], attributes=[("price", "")]),
        record("a:2", fields=[("title", "Lamp!")], attributes=[("price", "9"), ("brand", "X")]),
        record("b:1:x", text_hash="t1", fields=[("title", "")], attributes=[("price", "8")]),
        record("b:2", attributes=[("title", "attribute"), ("key", "clash")], image_uri="p.jpg"),
    ]
    clusters = [
        member("a:1", "a:1", size=3),
        member("a:2", "a:1", size=3, probability=0.9),
        member("b:1:x", "a:1", size=3, probability=1.0),
        member("b:2", "b:2", size=1),
    ]
    pairs = [pair("a:1", "a:2"), pair("a:2", "b:2", probability=0.2)]
    return (
        pa.Table.from_pylist(records, RECORDS),
        pa.Table.from_pylist(clusters, CLUSTERS),
        pa.Table.from_pylist(pairs, PAIRS),
    )


def rows(found):
    schema, batches = found
    return pa.Table.from_batches(batches, schema).to_pylist()


def test_clusters_hold_every_record_once_unless_told(tables):
    found = rows(contents.export_clusters(tables[1]))
    assert [row["record_id"] for row in found] == ["a:1", "a:2", "b:1:x", "b:2"]
    found = rows(contents.export_clusters(tables[1], min_size=2))
    assert [row["record_id"] for row in found] == ["a:1", "a:2", "b:1:x"]
    assert rows(contents.export_clusters(tables[1], min_size=4)) == []


def test_clusters_above_a_probability_describe_what_is_left(tables):
    found = rows(contents.export_clusters(tables[1], min_probability=0.95))
    assert [(row["record_id"], row["size"], row["cohesion"]) for row in found] == [
        ("a:1", 2, 1.0),
        ("b:1:x", 2, 1.0),
        ("b:2", 1, 1.0),
    ]
    alone = pa.Table.from_pylist([member("a:1", "a:1"), member("a:2", "a:1", probability=0.5)])
    found = rows(contents.export_clusters(alone.cast(CLUSTERS), min_probability=0.6))
    assert [(row["record_id"], row["size"], row["cohesion"]) for row in found] == [("a:1", 1, 1.0)]
    # What is left is counted first: no cluster is larger than the file shows.
    assert (
        rows(contents.export_clusters(alone.cast(CLUSTERS), min_probability=0.6, min_size=2)) == []
    )


def test_probability_is_compared_as_stored(tables):
    assert len(rows(contents.export_clusters(tables[1], min_probability=0.9, min_size=2))) == 3


def test_pairs_keep_rejected_ones_unless_told(tables):
    assert len(rows(contents.export_pairs(tables[2]))) == 2
    assert [row["right_id"] for row in rows(contents.export_pairs(tables[2], 0.5))] == ["a:2"]


def test_survivors_have_the_columns_of_the_source(tables):
    records, clusters, _ = tables
    found = rows(contents.export_survivors(records, clusters))
    assert list(found[0]) == [
        "record_id", "source", "key", "title", "price", "title_attribute", "brand",
        "key_attribute", "timestamp", "image_uri", "cluster_id", "size",
    ]  # fmt: skip
    assert [row["key"] for row in found] == ["1", "2"]
    assert (found[0]["title"], found[0]["price"], found[0]["brand"]) == ("Lamp", None, None)
    assert (found[1]["key_attribute"], found[1]["title"]) == ("clash", None)
    assert found[1]["title_attribute"] == "attribute"


def test_survivors_filled_from_the_most_probable_member(tables):
    records, clusters, _ = tables
    lamp = rows(contents.export_survivors(records, clusters, merge_attributes=True))[0]
    assert (lamp["title"], lamp["price"], lamp["brand"]) == ("Lamp", "8", "X")
    assert (lamp["record_id"], lamp["size"]) == ("a:1", 3)


def test_removals_carry_their_evidence(tables):
    near, exact = rows(contents.export_removals(*tables))
    assert (near["record_id"], near["kept"], near["source"]) == ("a:2", "a:1", "a")
    assert near["reason"] == "longest text; near copy"
    assert near["text_cosine"] == pytest.approx(0.9)
    assert (exact["record_id"], exact["key"]) == ("b:1:x", "1:x")
    assert (exact["exact_text"], exact["exact_image"], exact["text_cosine"]) == (True, False, None)
    assert "identical to the kept record" in exact["reason"]


def test_survivors_are_filled_only_by_those_that_go(tables):
    records, clusters, _ = tables
    doubted = pa.Table.from_pylist(
        [row | {"status": "review"} for row in clusters.to_pylist()], CLUSTERS
    )
    found = rows(contents.export_survivors(records, doubted, merge_attributes=True))
    assert [row["record_id"] for row in found] == ["a:1", "a:2", "b:1:x", "b:2"]
    assert (found[0]["price"], found[0]["brand"]) == (None, None)
    told = contents.export_survivors(records, doubted, merge_attributes=True, include_review=True)
    assert [row["brand"] for row in rows(told)] == ["X", None]
    lamp, less_sure = rows(
        contents.export_survivors(records, clusters, merge_attributes=True, min_probability=0.95)
    )[:2]
    assert (lamp["price"], lamp["brand"]) == ("8", None)
    assert (less_sure["record_id"], less_sure["brand"]) == ("a:2", "X")


def test_members_of_clusters_in_review_are_removed_only_when_told(tables):
    records, clusters, pairs = tables
    doubted = pa.Table.from_pylist(
        [row | {"status": "review"} for row in clusters.to_pylist()], CLUSTERS
    )
    assert rows(contents.export_removals(records, doubted, pairs)) == []
    listed = rows(contents.export_removals(records, doubted, pairs, include_review=True))
    assert [(row["record_id"], row["status"]) for row in listed] == [
        ("a:2", "review"),
        ("b:1:x", "review"),
    ]
    assert {row["status"] for row in rows(contents.export_removals(*tables))} == {"confirmed"}


@st.composite
def decided(draw):
    """Tables as a run leaves them: clusters of one to four records, confirmed or in review."""
    sizes = draw(st.lists(st.integers(1, 4), max_size=8))
    members = []
    for number, size in enumerate(sizes):
        ids = [f"s:{number}-{n}" for n in range(size)]
        kept = draw(st.sampled_from(ids))
        status = draw(st.sampled_from(["confirmed", "review"])) if size > 1 else "confirmed"
        for one in ids:
            probability = 1.0 if one == kept else draw(st.sampled_from([0.9, 0.95, 0.99, 1.0]))
            members.append(member(one, kept, size=size, probability=probability, status=status))
    clusters = pa.Table.from_pylist(draw(st.permutations(members)), CLUSTERS)
    ids = draw(st.permutations([row["record_id"] for row in members]))
    return pa.Table.from_pylist([record(one) for one in ids], RECORDS), clusters


@pytest.mark.slow
@given(decided(), st.booleans(), st.none() | st.sampled_from([0.0, 0.9, 0.95, 0.97, 1.0]))
@settings(max_examples=150, deadline=None)
def test_survivors_and_removals_are_complements(tables, include_review, min_probability):
    records, clusters = tables
    options = {"include_review": include_review, "min_probability": min_probability}
    stay = rows(contents.export_survivors(records, clusters, **options))
    go = rows(contents.export_removals(records, clusters, PAIRS.empty_table(), **options))
    merged = rows(contents.export_survivors(records, clusters, merge_attributes=True, **options))
    staying, going = [row["record_id"] for row in stay], [row["record_id"] for row in go]
    assert sorted(staying + going) == sorted(records["record_id"].to_pylist())
    assert [row["record_id"] for row in merged] == staying
    assert {row["kept"] for row in go} <= set(staying)
    assert include_review or all(row["status"] == "confirmed" for row in go)
    if min_probability is not None:
        least = np.float32(min_probability)
        assert all(row["probability_to_representative"] >= least for row in go)


def everything(records, clusters, pairs):
    yield contents.export_clusters(clusters, min_probability=0.5)
    yield contents.export_pairs(pairs, 0.1)
    yield contents.export_survivors(records, clusters, merge_attributes=True)
    yield contents.export_removals(records, clusters, pairs)


@pytest.mark.parametrize("kind", FORMATS)
def test_order_and_chunks_of_the_input_leave_no_trace(tables, kind, tmp_path):
    rng = np.random.default_rng(0)
    shuffled = [
        pa.concat_tables([t.take(pa.array([i])) for i in rng.permutation(len(t))]) for t in tables
    ]
    for number, found in enumerate(zip(everything(*tables), everything(*shuffled), strict=True)):
        files = [tmp_path / f"{number}-{side}" for side in ("given", "shuffled")]
        for (schema, batches), file in zip(found, files, strict=True):
            open_exporter(kind).write(batches, schema, path=str(file))
        assert files[0].read_bytes() == files[1].read_bytes()


def test_empty_tables(tables):
    for schema, batches in everything(*(t.slice(0, 0) for t in tables)):
        assert sum(batch.num_rows for batch in batches) == 0
        assert len(schema) > 5


def test_two_hundred_thousand_records_take_seconds():
    n = 200_000
    ids = pa.array(np.char.add("s:", np.arange(n).astype("U7")))
    maps = pa.MapArray.from_arrays(
        pa.array(np.arange(0, 3 * n + 1, 3), pa.int32()),
        pa.array(np.tile(["brand", "name", "price"], n)),
        pa.array(np.arange(3 * n).astype("U7")),
    )
    given = {"record_id": ids, "source": pa.array(["s"] * n), "attributes": maps}
    records = pa.table(
        {f.name: given.get(f.name, pa.nulls(n, f.type)) for f in RECORDS}, schema=RECORDS
    )
    kept = ids.take(pa.array(np.arange(n) // 2 * 2))
    floats = pa.array(np.ones(n, np.float32))
    words, sure = pa.array(["w"] * n), pa.array(["confirmed"] * n)
    clusters = pa.table(
        [
            ids,
            kept,
            pa.array([2] * n, pa.int32()),
            kept,
            floats,
            floats,
            sure,
            words,
            words,
            pa.array(np.zeros(n, bool)),
        ],
        schema=CLUSTERS,
    )
    start = time.perf_counter()
    found = contents.export_survivors(records, clusters, merge_attributes=True)
    assert sum(batch.num_rows for batch in found[1]) == n // 2
    removed = contents.export_removals(records, clusters, PAIRS.empty_table())
    assert sum(batch.num_rows for batch in removed[1]) == n // 2
    assert time.perf_counter() - start < 15
