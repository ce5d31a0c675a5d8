"""Labelled pairs of the sample, derived from what is known about each record.

Records of one `entity` are duplicates, every pair of them. Records of one `family` but of
different entities are the near misses: another size, year, volume, order number. Pairs outside
a family carry no label; within the sample all of them are different, except the two views of one
motorcycle, which are neither and have no family for that reason.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from itertools import combinations

from pipeline.sample import texts
from pipeline.sample.pictures import manifest

PHOTOS = "photos/"


@dataclass(frozen=True)
class Known:
    """One record and the truth about it; an empty family stands for no near misses."""

    record_id: str
    entity: str
    family: str


def known_records() -> Iterator[Known]:
    """Yield every good record of the sample with its entity, unique within its source."""
    for row in texts.products():
        yield Known(f"shop:{row['sku']}", f"shop/{row['entity']}", _family("shop", row))
    for row in texts.tickets():
        yield Known(f"support:{row['id']}", f"support/{row['entity']}", _family("support", row))
    for row in manifest():
        if row["path"].startswith(PHOTOS):
            key = row["path"].removeprefix(PHOTOS)
            yield Known(f"photos:{key}", f"photos/{row['entity']}", _family("photos", row))


def labelled_pairs() -> list[tuple[str, str, int]]:
    """Return (left_id, right_id, label), left before right, sorted, each pair once."""
    records = list(known_records())
    same = {_ordered(a, b): 1 for a, b in _pairs(records, by="entity")}
    near = {_ordered(a, b): 0 for a, b in _pairs(records, by="family") if a.entity != b.entity}
    return sorted((left, right, label) for (left, right), label in {**near, **same}.items())


def labels_file() -> bytes:
    """Return `labels.csv` as written: left_id, right_id, label (1 duplicate, 0 different)."""
    target = StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(("left_id", "right_id", "label"))
    writer.writerows(labelled_pairs())
    return target.getvalue().encode("utf-8")


def _family(source: str, row: dict[str, str]) -> str:
    return f"{source}/{row['family']}" if row["family"] else ""


def _pairs(records: Iterable[Known], *, by: str) -> Iterator[tuple[Known, Known]]:
    groups: dict[str, list[Known]] = defaultdict(list)
    for record in records:
        if name := getattr(record, by):
            groups[name].append(record)
    for group in groups.values():
        yield from combinations(group, 2)


def _ordered(a: Known, b: Known) -> tuple[str, str]:
    left, right = sorted((a.record_id, b.record_id))
    return left, right
