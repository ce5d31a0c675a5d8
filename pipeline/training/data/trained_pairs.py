"""Trained pairs: what a model was trained on, so that these pairs never calibrate it.

Pairs are known by the contents of their records and by their ids: either may change in between.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pipeline.arrays import Rows, Words
from pipeline.errors import ModelError
from pipeline.labels import SPLITS, LabelledPairs

SPLIT_TABLE = pa.schema(
    [
        pa.field("left", pa.string(), nullable=False),  # see `keys_of`
        pa.field("right", pa.string()),  # null: a record that training may have drawn negatives of
        pa.field("split", pa.string(), nullable=False),
    ]
)
TOUCHES = "touches"


def keys_of(records: pa.Table) -> tuple[Words, Words]:
    """(n,) what is known of each record's content and of its id, 16 hex digits each.

    Records of inline labels have no id but their content.
    """
    texts, images, ids = (
        records[name].to_pylist() for name in ("text_hash", "image_hash", "record_id")
    )
    contents = zip(texts, images, strict=True)
    return (
        np.array([_digest(f"content\0{text}\0{image}") for text, image in contents], "U16"),
        np.array([_digest(f"id\0{name}") for name in ids], "U16"),
    )


def split_table(pairs: LabelledPairs, trainable: Rows) -> pa.Table:
    """The split of every pair, and every record that training may have used, sorted.

    Args:
        trainable: rows of the records that training could draw negatives from.
    """
    rows: set[tuple[str, str | None, str]] = set()
    for keys in keys_of(pairs.records):
        sides = (side.tolist() for side in _order(keys[pairs.left], keys[pairs.right]))
        rows.update(zip(*sides, pairs.split.tolist(), strict=True))
        rows.update((key, None, "train") for key in keys[trainable].tolist())
    order = sorted(rows, key=lambda row: (row[0], row[1] or "", row[2]))
    columns = zip(*order, strict=True) if order else ((), (), ())
    return pa.table(
        dict(zip(SPLIT_TABLE.names, (list(column) for column in columns), strict=True)),
        SPLIT_TABLE,
    )


@dataclass(frozen=True)
class TrainedPairs:
    """Which pairs and records a model was trained on.

    Attributes:
        pairs: keys of a pair -> its split; the earliest of train, valid, test where it was in
            several.
        apart: keys of records that training or test has used and no validation pair: a new pair
            of one is no more independent of them than they are.
    """

    pairs: dict[tuple[str, str], str]
    apart: frozenset[str]

    @classmethod
    def of(cls, table: pa.Table) -> TrainedPairs:
        """Read what `split_table` made.

        Raises:
            ModelError: the table is another.
        """
        if table.schema.names != SPLIT_TABLE.names:
            raise ModelError(f"a model's split has the columns {table.schema.names}; it is damaged")
        found: dict[tuple[str, str], str] = {}
        used: set[str] = set()
        held: set[str] = set()
        for left, right, split in zip(*(column.to_pylist() for column in table), strict=True):
            (held if split == "valid" else used).update((left, right or left))
            if right is not None:
                known = found.get((left, right), split)
                found[left, right] = min(known, split, key=SPLITS.index)
        return cls(found, frozenset(used - held))

    def splits(self, pairs: LabelledPairs) -> Words:
        """(p,) 'train', 'valid' or 'test' of a pair it knows; TOUCHES where a side is `apart`.

        A pair that it does not know keeps the split its labels name, or ''.
        """
        found = [""] * len(pairs.left)
        touched = np.zeros(len(pairs.left), bool)
        for keys in keys_of(pairs.records):
            known = np.array([key in self.apart for key in keys.tolist()], bool)
            touched |= known[pairs.left] | known[pairs.right]
            sides = (side.tolist() for side in _order(keys[pairs.left], keys[pairs.right]))
            for place, pair in enumerate(zip(*sides, strict=True)):
                split = self.pairs.get(pair, "")
                found[place] = min(
                    filter(None, (found[place], split)), key=SPLITS.index, default=""
                )
        own = np.where(touched, TOUCHES, pairs.split)
        return np.where(np.array(found) != "", found, own)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _order(one: Words, other: Words) -> tuple[Words, Words]:
    return np.where(one <= other, one, other), np.where(one <= other, other, one)
