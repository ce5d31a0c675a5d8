"""What is counted of judged pairs."""

import numpy as np
import pyarrow as pa
import pytest

from pipeline.candidates.candidate_pairs import CandidatePairs, ProposedBy
from pipeline.matching.decision_counts import DecisionCounts
from pipeline.matching.duplicate_free import ONE_SOURCE


def rows(
    probability: list[float], decision: list[str], contradicts: list[bool],
    reason: list[str] | None = None,
) -> pa.RecordBatch:  # fmt: skip
    return pa.record_batch(
        {
            "probability": pa.array(probability, pa.float32()),
            "decision": pa.array(decision, pa.string()),
            "reason": pa.array(reason or [""] * len(decision), pa.string()),
            "contradicts": pa.array(contradicts),
            "confirmed": pa.array([word == "duplicate" for word in decision]),
            "difference": pa.nulls(len(decision), pa.string()),
            "threshold": pa.array([0.9] * len(decision), pa.float32()),
        }
    )


def candidates(key: list[int], proposed_by: list[int]) -> CandidatePairs:
    return CandidatePairs(np.array(key), np.array(proposed_by, np.uint8), np.full(len(key), np.nan))


def test_links_and_counts_of_two_batches() -> None:
    tally = DecisionCounts()
    first = rows([0.95, 0.3, 0.6], ["duplicate", "distinct", "review"], [False, False, True])
    tally.add(
        candidates(
            [1, 12, 23], [ProposedBy.TEXT, ProposedBy.IMAGE, ProposedBy.TEXT | ProposedBy.IMAGE]
        ),
        first,
        10,
    )
    tally.add(candidates([34], [ProposedBy.LEXICAL]), rows([0.7], ["review"], [False]), 10)
    assert dict(tally.decisions) == {"duplicate": 1, "distinct": 1, "review": 2}
    assert tally.histogram.sum() == 4
    links = tally.arrays()
    assert links["left"].tolist() == [0, 1, 2, 3]
    assert links["right"].tolist() == [1, 2, 3, 4]
    assert links["probability"].tolist() == [0.95, 0.3, 0.6, 0.7]
    assert links["proposed_by"].tolist() == [1, 4, 5, 2]
    assert links["accepted"].tolist() == [True, False, False, False]
    assert links["apart"].tolist() == [False, True, True, False]
    # Counted from the accept threshold; where text and picture contradict, nothing speaks for it.
    assert links["odds"].tolist() == pytest.approx([0.747, -3.045, -np.inf, -1.35], abs=1e-3)
    assert links["odds"].dtype == np.float32


def test_what_only_a_duplicate_free_source_keeps_apart_is_still_a_link() -> None:
    tally = DecisionCounts()
    reason = [f"texts agree, but {ONE_SOURCE}", ONE_SOURCE, "numbers differ"]
    tally.add(candidates([1, 2, 3], [1, 1, 1]), rows([0.9] * 3, ["distinct"] * 3, [False] * 3,
              reason), 10)  # fmt: skip
    assert dict(tally.decisions) == {"distinct": 3}
    assert tally.arrays()["accepted"].tolist() == [True, False, False]
    assert tally.arrays()["apart"].tolist() == [False, False, True]


def test_nothing_judged_has_no_links() -> None:
    assert [len(column) for column in DecisionCounts().arrays().values()] == [0] * 8


def test_a_pair_that_a_difference_holds_speaks_against_its_group() -> None:
    tally = DecisionCounts()
    told = rows([0.89, 0.95], ["review", "duplicate"], [False, False])
    told = told.set_column(
        told.schema.get_field_index("difference"), "difference", pa.array(["decisive", "decisive"])
    )
    told = told.set_column(
        told.schema.get_field_index("confirmed"), "confirmed", pa.array([False, False])
    )
    tally.add(candidates([1, 2], [1, 1]), told, 10)
    links = tally.arrays()
    assert links["odds"].tolist() == pytest.approx([-4.0, 0.747], abs=1e-3)
    assert links["apart"].tolist() == [True, False]
    assert links["unsure"].tolist() == [False, True]
