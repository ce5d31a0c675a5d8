"""The sample's names: small, deterministic, and no spelling of two entities."""

import csv
from collections import Counter
from itertools import pairwise
from pathlib import Path

from pipeline.sample import write_sample
from pipeline.sample.names import names


def test_every_name_has_its_entity_and_no_two_entities_share_a_spelling(tmp_path: Path) -> None:
    folder = write_sample(tmp_path)
    rows = list(csv.DictReader((folder / "names.csv").read_text("utf-8").splitlines()))
    truth = list(csv.DictReader((folder / "name_clusters.csv").read_text("utf-8").splitlines()))
    assert [f"names:{row['id']}" for row in rows] == [row["record_id"] for row in truth]
    assert len({row["id"] for row in rows}) == len(rows) == len(names())
    entities: dict[str, set[str]] = {}
    for row, known in zip(rows, truth, strict=True):
        entities.setdefault(row["name"].casefold(), set()).add(known["cluster_id"])
    assert {len(found) for found in entities.values()} == {1}
    sizes = Counter(row["cluster_id"] for row in truth)
    assert set(sizes.values()) == {1, 2, 3, 4}
    assert 500 < len(rows) < 1000


def test_the_order_says_nothing_of_the_entities() -> None:
    found = [name.entity for name in names()]
    neighbours = sum(left == right for left, right in pairwise(found))
    assert neighbours < 10
