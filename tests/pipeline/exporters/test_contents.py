"""What each export holds, and that the order of the input leaves no trace."""

from __future__ import annotations

import time

import numpy as np
import pyarrow as pa
import pytest

from pipeline.exporters import FORMATS, contents, open_exporter
from pipeline.schemas import CLUSTERS, PAIRS, RECORDS


def record(record_id, **values):
    row = dict.fromkeys(RECORDS.names)
    return (
        row
        | {"record_id": record_id, "source": record_id.split(":")[0], "location": "f:1"}
        | values
    )


def member(record_id, representative, *, size=2, probability=1.0):
    return {
        "record_id": record_id,
        "cluster_id": f"c-{representative}",
        "size": size,
        "representative": representative,
        "probability_to_representative": probability,
        "cohesion": 0.5,
        "status": "confirmed",
        "evidence": "text",
        "keeper_reason": "longest text",
    }


def pair(left, right, *, probability=0.95, reason="near copy"):
    row = dict.fromkeys(PAIRS.names) | {"left_id": left, "right_id": right}
    row |= {"exact_text": False, "exact_image": False, "probability": probability}
    row |= {"decision": "duplicate", "reason": reason, "stage": "text", "model": "m"}
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


def test_clusters_are_the_duplicate_ones(tables):
    found = rows(contents.clusters(tables[1]))
    assert [row["record_id"] for row in found] == ["a:1", "a:2", "b:1:x"]


def test_clusters_above_a_probability_describe_what_is_left(tables):
    found = rows(contents.clusters(tables[1], 0.95))
    assert [(row["record_id"], row["size"], row["cohesion"]) for row in found] == [
        ("a:1", 2, 1.0),
        ("b:1:x", 2, 1.0),
    ]


def test_probability_is_compared_as_stored(tables):
    assert len(rows(contents.clusters(tables[1], 0.9))) == 3


def test_pairs_keep_rejected_ones_unless_told(tables):
    assert len(rows(contents.pairs(tables[2]))) == 2
    assert [row["right_id"] for row in rows(contents.pairs(tables[2], 0.5))] == ["a:2"]


def test_survivors_have_the_columns_of_the_source(tables):
    records, clusters, _ = tables
    found = rows(contents.survivors(records, clusters))
    assert list(found[0]) == [
        "record_id", "source", "key", "brand", "key_attribute", "price", "title",
        "title_attribute", "timestamp", "image_uri", "cluster_id", "size",
    ]  # fmt: skip
    assert [row["key"] for row in found] == ["1", "2"]
    assert (found[0]["title"], found[0]["price"], found[0]["brand"]) == ("Lamp", None, None)
    assert (found[1]["key_attribute"], found[1]["title"]) == ("clash", None)
    assert found[1]["title_attribute"] == "attribute"


def test_survivors_filled_from_the_most_probable_member(tables):
    records, clusters, _ = tables
    lamp = rows(contents.survivors(records, clusters, merge_attributes=True))[0]
    assert (lamp["title"], lamp["price"], lamp["brand"]) == ("Lamp", "8", "X")
    assert (lamp["record_id"], lamp["size"]) == ("a:1", 3)


def test_removals_carry_their_evidence(tables):
    near, exact = rows(contents.removals(*tables))
    assert (near["record_id"], near["kept"], near["source"]) == ("a:2", "a:1", "a")
    assert near["reason"] == "longest text; near copy"
    assert near["text_cosine"] == pytest.approx(0.9)
    assert (exact["record_id"], exact["key"]) == ("b:1:x", "1:x")
    assert (exact["exact_text"], exact["exact_image"], exact["text_cosine"]) == (True, False, None)
    assert "identical to the kept record" in exact["reason"]


def everything(records, clusters, pairs):
    yield contents.clusters(clusters, 0.5)
    yield contents.pairs(pairs, 0.1)
    yield contents.survivors(records, clusters, merge_attributes=True)
    yield contents.removals(records, clusters, pairs)


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
    words = pa.array(["w"] * n)
    clusters = pa.table(
        [ids, kept, pa.array([2] * n, pa.int32()), kept, floats, floats, words, words, words],
        schema=CLUSTERS,
    )
    start = time.perf_counter()
    found = contents.survivors(records, clusters, merge_attributes=True)
    assert sum(batch.num_rows for batch in found[1]) == n // 2
    removed = contents.removals(records, clusters, PAIRS.empty_table())
    assert sum(batch.num_rows for batch in removed[1]) == n // 2
    assert time.perf_counter() - start < 15
