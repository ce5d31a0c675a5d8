"""Recall from labels: near the truth, and its interval holds it about as often as it says."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from pipeline.labels import estimate_recall, estimate_run
from pipeline.storage.schemas import LABELS
from tests.worlds.asked_pairs import ACCEPT, REVIEW, asked_pairs, keys


def world(seed: int) -> tuple[pa.Table, np.ndarray]:
    rng = np.random.default_rng(seed)
    same = rng.random(4000) < 0.3
    probability = np.where(same, rng.beta(6, 1.2, 4000), rng.beta(1, 5, 4000)).round(4)
    return asked_pairs(probability), same


def labels_of(pairs: pa.Table, same: np.ndarray, rows: np.ndarray, origin: str) -> pa.Table:
    told = keys(pairs)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return pa.Table.from_pylist(
        [
            {"left_id": told[row][0], "right_id": told[row][1], "by": "ann", "at": at,
             "label": "same" if same[row] else "different", "origin": origin}
            for row in rows
        ],
        schema=LABELS,
    )  # fmt: skip


def test_the_interval_holds_the_recall() -> None:
    inside, values = 0, []
    for seed in range(60):
        pairs, same = world(seed)
        accepted = pairs["probability"].to_numpy() >= np.float32(ACCEPT)
        rng = np.random.default_rng(seed + 1000)
        drawn = np.concatenate(
            [rng.choice(np.flatnonzero(accepted), 60), rng.choice(np.flatnonzero(~accepted), 150)]
        )
        labels = labels_of(pairs, same, np.unique(drawn), "audit")
        precision = estimate_run(pairs, labels, target=0.9)
        found = estimate_recall(pairs, labels, precision, review=REVIEW).recall
        assert found is not None
        truth = (same & accepted).sum() / same.sum()
        inside += found.low <= truth <= found.high
        values.append(found.value - truth)
    assert abs(np.mean(values)) < 0.02
    assert inside >= 55


def test_nothing_is_said_without_random_labels_of_the_others() -> None:
    pairs, same = world(0)
    rest = np.flatnonzero(pairs["probability"].to_numpy() < np.float32(ACCEPT))[:50]
    labels = labels_of(pairs, same, rest, "review")
    precision = estimate_run(pairs, labels, target=0.9)
    found = estimate_recall(pairs, labels, precision, review=REVIEW)
    assert found.recall is None
    assert "drawn at random" in found.sentence
