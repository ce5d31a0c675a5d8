"""Rivals of answered pairs."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline.training.data.rivals import beaten_pairs

PAIRS = pa.table(
    {
        "left_id": ["a:1", "a:1", "a:2", "a:4"],
        "right_id": ["b:1", "b:2", "b:2", "a:5"],
        "probability": pa.array([0.9, 0.6, 0.3, 1.0], pa.float32()),
        "proposed_by": ["near", "near", "near", "exact"],
        "reason": ["", "", "", ""],
    }
)
ROWS = ["a:1", "a:2", "a:4", "a:5", "b:1", "b:2"]
APART = pa.table({"record_id": ROWS, "cluster_id": ROWS})


@pytest.mark.parametrize(
    ("pair", "beaten"),
    [
        (("a:1", "b:1"), False),  # the best of both
        (("a:1", "b:2"), True),  # a:1 has a better one
        (("b:2", "a:2"), True),  # b:2 has, either way round
        (("a:4", "b:1"), True),  # not proposed, and b:1 has one
        (("a:4", "a:9"), False),  # neither has any
    ],
)
def test_a_pair_is_beaten_by_a_likelier_one_of_its_records(
    pair: tuple[str, str], beaten: bool
) -> None:
    found = beaten_pairs(PAIRS, APART, pa.array([pair[0]]), pa.array([pair[1]]))
    assert found.tolist() == [beaten]


def test_a_pair_that_was_joined_is_not_beaten() -> None:
    joined = pa.table({"record_id": ROWS, "cluster_id": ["c"] * len(ROWS)})
    found = beaten_pairs(PAIRS, joined, pa.array(["a:1"]), pa.array(["b:2"]))
    assert found.tolist() == [False]
