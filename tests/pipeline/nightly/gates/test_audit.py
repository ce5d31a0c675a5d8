"""Audit pairs: which count, and which a run decided otherwise."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipeline.evaluation.pair_metrics import GoldPairs
from pipeline.nightly.gates.audit import audit_clusters, audit_pairs
from pipeline.storage.schemas import LABELS


def labels(*pairs: tuple[str, str, bool]) -> GoldPairs:
    left, right, same = zip(*pairs, strict=True) if pairs else ((), (), ())
    return GoldPairs(
        pa.array(left, pa.string()), pa.array(right, pa.string()), np.array(same, bool)
    )


def verdicts(*rows: tuple[str, str, str, str]) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {"left_id": left, "right_id": right, "label": label, "by": "p", "origin": origin,
             "at": datetime(2026, 1, 1, hour, tzinfo=UTC)}
            for hour, (left, right, label, origin) in enumerate(rows)
        ],
        LABELS,
    )  # fmt: skip


def known(found: GoldPairs) -> dict[tuple[str, str], bool]:
    pairs = zip(found.left.to_pylist(), found.right.to_pylist(), strict=True)
    return dict(zip(pairs, found.same.tolist(), strict=True))


def test_the_latest_verdict_on_an_audited_pair_counts() -> None:
    given = labels(("a", "b", True), ("d", "c", False))
    said = verdicts(
        ("b", "a", "different", "review"),  # of a pair in the file
        ("e", "f", "same", "audit"),
        ("f", "e", "different", "import"),  # a later word on an audited pair
        ("g", "h", "same", "import"),  # never audited
        ("i", "j", "same", "audit"),
        ("i", "j", "unsure", "review"),
    )
    assert known(audit_pairs(given, said)) == {
        ("a", "b"): False, ("c", "d"): False, ("e", "f"): False,
    }  # fmt: skip
    assert known(audit_pairs(None, None)) == {}


def test_wrong_merges_come_before_missed_ones_and_the_absent_say_nothing() -> None:
    clusters = pa.table({"record_id": ["a", "b", "c", "d"], "cluster_id": ["c1", "c1", "c2", "c3"]})
    found = audit_clusters(
        labels(("a", "b", False), ("c", "d", True), ("a", "c", False), ("a", "gone", True)),
        clusters,
    )
    assert (found.pairs, found.unknown, round(found.right, 3)) == (3, 1, 0.333)
    assert [(w.left_id, w.label, w.cluster_id) for w in found.wrong] == [
        ("a", "different", "c1"), ("c", "same", "c2"),
    ]  # fmt: skip
    none = audit_clusters(labels(("x", "y", True)), clusters)
    assert (none.pairs, none.unknown, none.wrong) == (0, 1, ())
