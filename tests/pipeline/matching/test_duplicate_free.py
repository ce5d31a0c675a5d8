"""Pairs inside a duplicate-free source are not accepted; their probability stays."""

import pyarrow as pa

from pipeline.matching.duplicate_free import judged_across, keep_promises

PAIRS = pa.record_batch(
    {
        "left_id": ["a:1", "a:1", "a:2", "ab:1", "b:1:a", "b:2"],
        "right_id": ["a:2", "b:1:a", "a:3", "ab:2", "b:2", "c:1"],
        "probability": pa.array([0.95, 0.95, 0.6, 0.95, 0.1, 0.95], pa.float32()),
        "decision": ["duplicate", "duplicate", "review", "duplicate", "distinct", "duplicate"],
        "reason": ["texts agree", "texts agree", "few words", "identical text", "far", "agree"],
    }
)


def test_only_pairs_of_one_such_source_are_decided_otherwise() -> None:
    found = keep_promises(PAIRS, ("a", "b")).to_pylist()
    assert [row["decision"] for row in found] == [
        "distinct", "duplicate", "distinct", "duplicate", "distinct", "duplicate",
    ]  # fmt: skip
    assert [row["reason"] for row in found] == [
        "texts agree, but two records of one duplicate-free source",
        "texts agree",
        "two records of one duplicate-free source",
        "identical text",
        "far",
        "agree",
    ]
    assert [row["probability"] for row in found] == PAIRS["probability"].to_pylist()


def test_nothing_changes_without_such_a_source_or_without_pairs() -> None:
    assert keep_promises(PAIRS, ()) is PAIRS
    assert keep_promises(PAIRS, ("c",)).equals(PAIRS)
    assert keep_promises(PAIRS.slice(0, 0), ("a",)).num_rows == 0


def test_persons_are_not_asked_about_them() -> None:
    pairs = pa.Table.from_batches([keep_promises(PAIRS, ("a",))])
    assert judged_across(pairs)["left_id"].to_pylist() == ["a:1", "ab:1", "b:1:a", "b:2"]
