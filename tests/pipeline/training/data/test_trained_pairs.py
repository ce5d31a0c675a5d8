"""What a model has seen: known by content or by id, whichever is still the same."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipeline.labels.labelled_pairs import LabelFacts, LabelledPairs
from pipeline.storage.schemas import RECORDS
from pipeline.training.data.trained_pairs import SPLIT_TABLE, TOUCHES, TrainedPairs, split_table

NOW = datetime(2026, 1, 1, tzinfo=UTC)
COUNT = 8


def records(prefix: str = "s", text: str = "h") -> pa.Table:
    rows = [
        {"record_id": f"{prefix}:{n}", "source": prefix, "text_hash": f"{text}{n}",
         "first_seen": NOW, "last_seen": NOW}
        for n in range(COUNT)
    ]  # fmt: skip
    columns = {f.name: pa.array([row.get(f.name) for row in rows], f.type) for f in RECORDS}
    return pa.table(columns)


def pairs(rows: list[tuple[int, int, str]], known: pa.Table) -> LabelledPairs:
    left, right, split = (np.array(column) for column in zip(*rows, strict=True))
    grade = np.ones(len(rows))
    return LabelledPairs(
        known, left, right, grade, np.full(len(rows), "given"), split, {}, LabelFacts()
    )


MADE = [(0, 1, "train"), (1, 2, "train"), (3, 4, "valid"), (1, 5, "test")]
TABLE = split_table(pairs(MADE, records()), np.array([0, 1, 2, 7]))


def asked(known: pa.Table) -> list[str]:
    rows = [
        (0, 1, ""),
        (3, 4, ""),
        (1, 5, ""),
        (0, 6, ""),
        (1, 6, ""),
        (5, 6, ""),
        (6, 7, "valid"),
        (3, 6, "valid"),
    ]
    return [str(split) for split in TrainedPairs.of(TABLE).splits(pairs(rows, known))]


def test_pairs_are_known_by_content_and_by_id() -> None:
    wanted = ["train", "valid", "test", TOUCHES, TOUCHES, TOUCHES, TOUCHES, "valid"]
    assert asked(records()) == wanted
    assert asked(records(prefix="other")) == wanted
    assert asked(records(text="changed")) == wanted
    assert asked(records(prefix="other", text="changed")) == [*[""] * 6, "valid", "valid"]


def test_the_table_is_the_same_in_any_order_and_shows_no_text() -> None:
    turned = pairs(MADE[::-1], records())
    assert split_table(turned, np.array([7, 2, 1, 0])).equals(TABLE)
    assert TABLE.schema == SPLIT_TABLE
    assert all(len(key) == 16 for key in TABLE["left"].to_pylist())


def test_a_pair_in_two_splits_counts_as_trained_on() -> None:
    both = pairs([(0, 1, "train"), (3, 4, "test")], records())
    twins = records().set_column(
        RECORDS.get_field_index("text_hash"), RECORDS.field("text_hash"),
        pa.array(["h0", "h1", "h2", "h0", "h1", "h5", "h6", "h7"]),
    )  # fmt: skip
    seen = TrainedPairs.of(split_table(replace(both, records=twins), np.array([0, 1])))
    assert seen.splits(pairs([(3, 4, "")], twins)).tolist() == ["train"]
