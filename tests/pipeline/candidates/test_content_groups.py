"""Units and the pairs they are proposed for."""

import numpy as np
import pyarrow as pa

from pipeline.candidates.candidate_pairs import ProposedBy, propose
from pipeline.candidates.content_groups import make_groups

NONE = (np.zeros(0, np.int64), np.zeros(0, np.int64))
NO_LEXICAL = (*NONE, np.zeros(0, np.float32))


def records(rows: list[tuple[str | None, str | None]], tokens: int = 9) -> pa.Table:
    return pa.table(
        {
            "text_hash": pa.array([text for text, _ in rows], pa.string()),
            "image_hash": pa.array([image for _, image in rows], pa.string()),
            "word_count": pa.array([tokens] * len(rows), pa.int32()),
            "image_detail": pa.array([0.5 if image else None for _, image in rows], pa.float32()),
        }
    )


def units(rows: list[tuple[str | None, str | None]], tokens: int = 9):
    leader = np.array([rows.index(row) for row in rows])
    return make_groups(records(rows, tokens), leader, min_tokens=4, min_detail=0.1)


def pairs(candidates, count: int) -> dict[tuple[int, int], int]:
    left, right = np.divmod(candidates.key, count)
    return {
        (int(a), int(b)): int(s)
        for a, b, s in zip(left, right, candidates.proposed_by, strict=True)
    }


def test_equal_contents_are_one_unit_and_shared_ones_a_star() -> None:
    made = units([("a", "x"), ("a", "x"), ("a", "y"), ("a", None), ("b", "x")])
    assert made.rows.tolist() == [0, 2, 3, 4]
    assert made.group_of_record.tolist() == [0, 0, 1, 2, 3]
    found = pairs(propose(made, text=NONE, lexical=NO_LEXICAL, rare_words=NONE, image=NONE), 4)
    assert found == {(0, 1): ProposedBy.TEXT, (0, 2): ProposedBy.TEXT, (0, 3): ProposedBy.IMAGE}


def test_tiny_equal_texts_under_two_pictures_propose_nothing() -> None:
    made = units([("a", "x"), ("a", "y"), ("a", None)], tokens=1)
    found = pairs(propose(made, text=NONE, lexical=NO_LEXICAL, rare_words=NONE, image=NONE), 3)
    assert found == {(0, 2): ProposedBy.TEXT}


def test_a_pair_of_contents_reaches_every_unit_that_has_them() -> None:
    made = units([("a", "x"), ("a", "y"), ("b", None), ("c", None)])
    near = (np.array([0, 1]), np.array([1, 2]))
    lexical = (np.array([0]), np.array([1]), np.array([0.8], np.float32))
    candidates = propose(made, text=near, lexical=lexical, rare_words=NONE, image=NONE)
    found = pairs(candidates, 4)
    assert found == {
        (0, 1): ProposedBy.TEXT,
        (0, 2): ProposedBy.TEXT | ProposedBy.LEXICAL,
        (1, 2): ProposedBy.TEXT | ProposedBy.LEXICAL,
        (2, 3): ProposedBy.TEXT,
    }
    score = dict(zip(found, candidates.lexical.tolist(), strict=True))
    assert abs(score[(0, 2)] - 0.8) < 1e-6
    assert np.isnan(score[(2, 3)])


def test_poor_pictures_are_left_to_their_hash() -> None:
    table = records([("a", "x"), ("b", "x")])
    poor = table.set_column(3, "image_detail", pa.array([0.0, 0.0], pa.float32()))
    made = make_groups(poor, np.array([0, 1]), min_tokens=4, min_detail=0.1)
    assert made.image.tolist() == [-1, -1]
    assert len(propose(made, text=NONE, lexical=NO_LEXICAL, rare_words=NONE, image=NONE).key) == 0
