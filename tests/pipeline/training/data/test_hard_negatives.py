"""Mined pairs against brute force: the nearest of other entities, and nothing suspected."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pipeline.config.finetune import NegativeSettings
from pipeline.labels.labelled_pairs import SPLITS, LabelFacts, LabelledPairs
from pipeline.storage.schemas import RECORDS
from pipeline.training.data.hard_negatives import add_mined, draw
from tests.worlds.vectors import random_vectors

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNT = 36


def records() -> pa.Table:
    rows: list[dict[str, Any]] = [
        {
            "record_id": f"s:{number:03}", "source": "s", "key": str(number),
            "text": f"text {number}", "text_hash": f"{number:03}",
            "attributes": [("colour", ("red", "blue")[number % 2])], "first_seen": NOW,
            "last_seen": NOW, "location": str(number),
        }
        for number in range(COUNT)
    ]  # fmt: skip
    columns = {
        field.name: pa.array([row.get(field.name) for row in rows], field.type) for field in RECORDS
    }
    return pa.table(columns)


def vectors(seed: int = 0) -> np.ndarray:
    """Few dimensions, so that neighbours are near; row 5 has no content, 7 equals 20."""
    found = random_vectors(COUNT, 4, seed=seed)
    found[5] = 0
    found[7] = found[20]
    return found


ENTITY = np.arange(COUNT) // 2  # records 2e and 2e + 1 are one entity
SPLIT = np.array([SPLITS[entity % 3] for entity in ENTITY])
USABLE = {name: np.flatnonzero(name == SPLIT) for name in SPLITS}


def labelled(*extra: tuple[int, int, float]) -> LabelledPairs:
    same = [(2 * e, 2 * e + 1, 1.0) for e in range(COUNT // 2)]
    left, right, grade = zip(*sorted([*same, *extra]), strict=True)
    rows = np.array(left)
    return LabelledPairs(
        records(), rows, np.array(right), np.array(grade), np.full(len(rows), "given"),
        SPLIT[rows], {"colour": np.full(len(rows), "given colour")}, LabelFacts(rows=len(rows)),
    )  # fmt: skip


def brute(split: str, settings: NegativeSettings, given: set[tuple[int, int]]) -> Any:
    held = [row for row in USABLE[split] if vectors()[row].any()]
    wanted, suspected = set(), 0
    for row in held:
        others = []
        for other in held:
            if ENTITY[row] == ENTITY[other]:
                continue
            cosine = float(np.round(vectors()[row] @ vectors()[other], 5))
            if not settings.closed_world and cosine >= settings.suspect_cosine:
                suspected += 1
                continue
            others.append((-cosine, other))
        for _, other in sorted(others)[: settings.mined]:
            wanted.add((min(row, other), max(row, other)))
    return {(int(a), int(b)) for a, b in wanted} - given, suspected


def found(pairs: LabelledPairs, split: str) -> set[tuple[int, int]]:
    part = [place for place in pairs.part(split) if pairs.origin[place] == "mined"]
    return {(int(pairs.left[place]), int(pairs.right[place])) for place in part}


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("mined", [1, 3, 100])
def test_the_nearest_of_other_entities_as_brute_force_finds_them(closed: bool, mined: int) -> None:
    settings = NegativeSettings(mined=mined, suspect_cosine=0.9, closed_world=closed)
    given = labelled()
    out = add_mined(given, vectors(), ENTITY, USABLE, settings)
    for split in SPLITS:
        wanted, suspected = brute(split, settings, set())
        assert found(out, split) == wanted
        assert wanted
        facts = out.facts.mined[split]
        assert facts.mined == len(wanted)
        assert facts.suspected == (0 if closed else suspected)
    assert closed or sum(row.suspected for row in out.facts.mined.values()) > 0
    made = out.origin == "mined"
    assert (ENTITY[out.left[made]] != ENTITY[out.right[made]]).all()
    assert (out.grade[made] == 0).all()
    assert (out.left < out.right).all()
    keys = list(zip(out.left.tolist(), out.right.tolist(), strict=True))
    assert keys == sorted(set(keys))
    assert out.facts.rows == given.facts.rows


def test_a_split_with_given_negatives_is_left_alone_in_an_open_world() -> None:
    pairs = labelled((0, 7, 0.0))  # entities 0 and 3: both train
    settings = NegativeSettings(mined=2)
    out = add_mined(pairs, vectors(), ENTITY, USABLE, settings)
    assert set(out.facts.mined) == {"valid", "test"}
    assert len(out.part("train")) == len(pairs.part("train"))
    closed = NegativeSettings(mined=100, closed_world=True)
    out = add_mined(pairs, vectors(), ENTITY, USABLE, closed)
    wanted, _ = brute("train", closed, {(0, 7)})
    assert found(out, "train") == wanted
    assert out.facts.mined["train"].given == 1


def test_mined_pairs_have_the_slices_of_their_records() -> None:
    out = add_mined(labelled(), vectors(), ENTITY, USABLE, NegativeSettings(mined=3))
    colour = {0: "red", 1: "blue"}
    for place in np.flatnonzero(out.origin == "mined"):
        sides = sorted({colour[out.left[place] % 2], colour[out.right[place] % 2]})
        assert out.slices["colour"][place] == " | ".join(sides)
    assert (out.slices["colour"][out.origin == "given"] == "given colour").all()


def test_nothing_to_mine_changes_no_pair() -> None:
    pairs = labelled()
    for settings in (NegativeSettings(mined=0), NegativeSettings(suspect_cosine=0.0, mined=2)):
        alone = vectors() if not settings.mined else np.abs(vectors())
        out = add_mined(pairs, alone, ENTITY, USABLE, settings)
        assert len(out.left) == len(pairs.left)
        assert all(row.mined == 0 for row in out.facts.mined.values())


def test_the_order_of_the_usable_rows_changes_nothing() -> None:
    settings = NegativeSettings(mined=2, suspect_cosine=0.99)
    out = add_mined(labelled(), vectors(), ENTITY, USABLE, settings)
    turned = {name: rows[::-1].copy() for name, rows in reversed(USABLE.items())}
    again = add_mined(labelled(), vectors(), ENTITY, turned, settings)
    assert np.array_equal(out.left, again.left)
    assert np.array_equal(out.right, again.right)


def test_no_pair_crosses_a_split() -> None:
    settings = NegativeSettings(mined=5, closed_world=True)
    out = add_mined(labelled(), vectors(), ENTITY, USABLE, settings)
    assert (SPLIT[out.left] == out.split).all()
    assert (SPLIT[out.right] == out.split).all()


def test_mining_is_bounded_and_says_so() -> None:
    settings = NegativeSettings(mined=3, max_records=6)
    first = add_mined(labelled(), vectors(), ENTITY, USABLE, settings, seed=1)
    again = add_mined(labelled(), vectors(), ENTITY, USABLE, settings, seed=1)
    for split in SPLITS:
        facts = first.facts.mined[split]
        assert facts.searched == 6 < facts.records
        rows = np.unique(np.array(sorted(found(first, split))))
        assert 0 < len(rows) <= 6
        assert found(first, split) == found(again, split)


def test_records_of_labelled_pairs_are_drawn_first() -> None:
    rows = np.arange(0, 100, 2)
    named = np.array([4, 90])
    kept = draw(rows, named, most=10, seed=0)
    assert len(kept) == 10
    assert set(named) <= set(kept)
    assert np.all(np.diff(kept) > 0)
    assert set(kept) != set(draw(rows, named, most=10, seed=1))
    assert draw(rows, named, most=50, seed=0) is rows
