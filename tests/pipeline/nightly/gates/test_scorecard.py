"""The scorecard: when labels form entities, which B-cubed is told of."""

import numpy as np

from pipeline.nightly.gates.scorecard import entities_of


def entities(pairs: list[tuple[int, int, bool]], cluster: list[int]) -> list[int] | None:
    left, right, same = (np.array(column) for column in zip(*pairs, strict=True))
    found = entities_of(left, right, same, np.array(cluster))
    return None if found is None else [int(entity) for entity in found]


def test_entities_are_what_the_duplicates_join_and_others_are_left_out() -> None:
    found = entities([(0, 1, True), (1, 2, True), (3, 4, True)], [0, 0, 0, 1, 2, 3])
    assert found is not None
    assert len(set(found[:3])) == 1
    assert found[3] == found[4] != found[0]
    assert found[5] == -1, "no label names it"


def test_two_entities_in_one_cluster_must_be_labelled_different() -> None:
    tied = [(0, 1, True), (2, 3, True)]
    assert entities(tied, [0, 0, 0, 1]) is None, "nobody has said whether 1 and 2 are one"
    assert entities([*tied, (3, 0, False)], [0, 0, 0, 1]) is not None, "any pair of both says so"
    assert entities(tied, [0, 0, 1, 1]) is not None


def test_labels_without_a_duplicate_form_none() -> None:
    assert entities([(0, 1, False)], [0, 0]) is None
