"""Splits: nothing leaks, shares come out, given splits stay, the order says nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from pipeline.config.finetune import SplitSettings
from pipeline.ingestion import content_hash
from pipeline.labels.labelled_pairs import (
    SPLITS,
    LabelFacts,
    LabelledPairs,
    LeakExample,
    Leaks,
    SplitFacts,
)
from pipeline.storage import from_json, to_json
from pipeline.storage.schemas import RECORDS
from pipeline.training.data.splits import check_leaks, entities, record_splits, split_pairs

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def labelled(
    texts: list[str], rows: list[tuple[int, int, bool]], split: list[str] | None = None
) -> LabelledPairs:
    """Pairs over records of these texts, sorted and each once; `split` goes with `rows`."""
    unique: dict[tuple[int, int], tuple[bool, str]] = {}
    for i, (a, b, same) in enumerate(rows):
        unique.setdefault((min(a, b), max(a, b)), (same, split[i] if split else ""))
    keys = sorted(unique)
    count = len(texts)
    base: dict[str, Any] = {
        "record_id": [f"s:{i:04}" for i in range(count)],
        "source": ["s"] * count,
        "location": [f"f:{i}" for i in range(count)],
        "text": texts,
        "text_hash": content_hash(pa.array(texts, pa.string())),
    }
    columns = {
        name: base.get(name, [[] if name in ("fields", "attributes") else None] * count)
        for name in RECORDS.names
    }
    return LabelledPairs(
        records=pa.table(columns, schema=RECORDS),
        left=np.array([key[0] for key in keys], np.int64),
        right=np.array([key[1] for key in keys], np.int64),
        grade=np.array([float(unique[key][0]) for key in keys]),
        origin=np.array(["given"] * len(keys)),
        split=np.array([unique[key][1] for key in keys], dtype="<U5"),
        slices={"s": np.array([f"{a}" for a, _ in keys])},
        facts=LabelFacts(rows=len(rows)),
    )


def split_facts(pairs: LabelledPairs) -> SplitFacts:
    assert pairs.facts.split is not None
    return pairs.facts.split


def permuted(pairs: LabelledPairs, order: np.ndarray) -> LabelledPairs:
    names = ("left", "right", "grade", "origin", "split")
    return replace(
        pairs,
        slices={name: values[order] for name, values in pairs.slices.items()},
        **{name: getattr(pairs, name)[order] for name in names},
    )


def as_dict(pairs: LabelledPairs) -> dict[tuple[int, int], str]:
    return {
        (a, b): split
        for a, b, split in zip(
            pairs.left.tolist(), pairs.right.tolist(), pairs.split.tolist(), strict=True
        )
    }


edges = st.lists(
    st.tuples(st.integers(0, 19), st.integers(0, 19), st.booleans()).filter(lambda e: e[0] != e[1]),
    min_size=1,
    max_size=40,
)
texts = st.lists(st.integers(0, 30).map(str), min_size=20, max_size=20)


@settings(max_examples=100, deadline=None)
@given(texts, edges, st.integers(0, 3), st.randoms())
def test_nothing_leaks_whatever_the_order(
    texts: list[str], rows: list[Any], seed: int, random: object
) -> None:
    pairs = labelled(texts, rows)
    done = split_pairs(pairs, SplitSettings(), seed=seed)
    leaks = check_leaks(done)
    assert leaks.clean
    assert set(done.split) <= set(SPLITS)
    facts = split_facts(done)
    assert facts.dropped == len(pairs.left) - len(done.left)
    assert facts.dropped_positives == 0
    assert done.same.sum() == pairs.same.sum()
    order = list(range(len(pairs.left)))
    random.shuffle(order)  # type: ignore[attr-defined]
    again = split_pairs(permuted(pairs, np.array(order)), SplitSettings(), seed=seed)
    assert as_dict(again) == as_dict(done)
    parts = record_splits(done, SplitSettings(), seed=seed)
    everywhere = np.concatenate([parts[name] for name in SPLITS])
    assert sorted(everywhere) == list(range(20))  # each record in one split
    entity = entities(done)
    home = {name: set(entity[rows]) for name, rows in parts.items()}
    assert not home["train"] & home["test"]
    assert from_json(SplitFacts, to_json(facts)) == facts
    assert from_json(Leaks, to_json(leaks)) == leaks


@settings(max_examples=60, deadline=None)
@given(texts, edges)
def test_entities_equal_networkx(texts: list[str], rows: list[Any]) -> None:
    pairs = labelled(texts, rows)
    graph = nx.Graph()
    graph.add_nodes_from(range(20))
    graph.add_edges_from(
        (a, b) for a, b, s in zip(pairs.left, pairs.right, pairs.same, strict=True) if s
    )
    graph.add_edges_from((i, j) for i in range(20) for j in range(i) if texts[i] == texts[j])
    expected = {frozenset(part) for part in nx.connected_components(graph)}
    found = entities(pairs)
    assert {frozenset(np.flatnonzero(found == e).tolist()) for e in np.unique(found)} == expected


def test_shares_come_out_and_few_negatives_are_lost() -> None:
    random = np.random.default_rng(0)
    entity = np.repeat(np.arange(300), 2)
    rows = [(2 * i, 2 * i + 1, True) for i in range(300)]
    # Negatives among neighbours: one component of everything, with local structure.
    rows += [
        (i, (i + int(step)) % 600, False) for i in range(600) for step in random.integers(2, 12, 3)
    ]
    pairs = labelled([str(i) for i in range(600)], rows)
    done = split_pairs(pairs, SplitSettings(), seed=0)
    parts = split_facts(done).parts
    assert [parts[name].positives for name in SPLITS] == pytest.approx([180, 60, 60], abs=6)
    share = [parts[name].pairs / len(done.left) for name in SPLITS]
    assert share == pytest.approx([0.6, 0.2, 0.2], abs=0.05)
    assert split_facts(done).dropped < 0.12 * len(pairs.left)
    assert (entities(done) == entity).all()
    other = split_pairs(pairs, SplitSettings(), seed=1)
    assert as_dict(other) != as_dict(done)


def test_small_groups_lose_nothing() -> None:
    rows = [(4 * i, 4 * i + 1, True) for i in range(100)]
    rows += [(4 * i + 1, 4 * i + 2, False) for i in range(100)]
    pairs = labelled([str(i) for i in range(400)], rows)
    done = split_pairs(pairs, SplitSettings(valid=0.25, test=0), seed=0)
    facts = split_facts(done)
    assert facts.dropped == 0
    assert [facts.parts[name].pairs for name in SPLITS] == [150, 50, 0]


def test_given_splits_stay_and_their_leaks_are_told() -> None:
    rows = [(0, 1, True), (1, 2, False), (3, 4, True), (5, 6, False)]
    pairs = labelled(["a", "b", "c", "d", "e", "c", "g"], rows, ["train", "test", "valid", "test"])
    done = split_pairs(pairs, SplitSettings(), seed=0)
    assert as_dict(done) == as_dict(pairs)
    leaks = check_leaks(done)
    assert not leaks.clean
    assert leaks.records.count == 1
    assert leaks.records.examples == (LeakExample("s:0001", ("train", "test")),)
    assert leaks.records.between == {"train/valid": 0, "train/test": 1, "valid/test": 0}
    assert leaks.contents.count == 1
    assert leaks.entities.count == 1
    assert split_facts(done).given == 4


def test_pairs_without_a_split_follow_their_entities() -> None:
    rows = [(0, 1, True), (1, 2, True), (2, 9, False), (3, 4, True), (4, 5, True), (6, 7, True),
            (7, 8, False)]  # fmt: skip
    given = ["test", "", "", "train", "", "", ""]
    pairs = labelled([str(i) for i in range(10)], rows, given)
    done = split_pairs(pairs, SplitSettings(), seed=0)
    found = as_dict(done)
    assert found[(1, 2)] == found[(0, 1)] == "test"
    assert found[(4, 5)] == "train"
    assert check_leaks(done).clean
    # An entity that is given in two splits has no home for further pairs.
    leaking = labelled(
        [str(i) for i in range(4)],
        [(0, 1, True), (1, 2, True), (0, 2, True), (2, 3, False)],
        ["train", "test", "", ""],
    )
    done = split_pairs(leaking, SplitSettings(), seed=0)
    assert as_dict(done) == {(0, 1): "train", (1, 2): "test"}
    assert split_facts(done).dropped_of_leaking_entities == 2


def test_valid_is_carved_out_of_train_where_none_is_given() -> None:
    rows = [(2 * i, 2 * i + 1, True) for i in range(50)] + [(0, 2, False), (1, 99, False)]
    split = ["train"] * 40 + ["test"] * 10 + ["train", "test"]
    pairs = labelled([str(i) for i in range(100)], rows, split)
    done = split_pairs(pairs, SplitSettings(valid=0.25), seed=0)
    facts = split_facts(done)
    assert facts.valid_taken_from_train
    before, after = as_dict(pairs), as_dict(done)
    assert {k for k, v in after.items() if v == "test"} == {
        k for k, v in before.items() if v == "test"
    }
    assert facts.parts["valid"].positives == 10
    assert check_leaks(done).records.between["train/valid"] == 0
