"""Scored pairs as a judge would leave them, from probabilities alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.clustering.links import Links
from pipeline.matching.judge import log_odds

ACCEPT, REVIEW = 0.7, 0.5


def scored(left: Any, right: Any, probability: Any, *, by: int = 1, apart: Any = None) -> Links:
    """Links of sorted pairs; those below `REVIEW` are distinct, and those that are told `apart`."""
    p = np.asarray(probability, float)
    odds = (log_odds(p) - log_odds(np.array(ACCEPT))).astype(np.float32)
    distinct = p < REVIEW if apart is None else np.asarray(apart, bool)
    return Links.of(
        left=np.asarray(left, np.int64), right=np.asarray(right, np.int64), probability=p,
        proposed_by=np.full(len(p), by, np.uint8), odds=odds, accepted=p >= ACCEPT, apart=distinct,
    )  # fmt: skip


def scored_pairs(given: Sequence[tuple[int, int, float]], *, by: int = 1) -> Links:
    """Links of pairs with their probabilities, in any order."""
    pairs = sorted(given)
    return scored(*([p[n] for p in pairs] for n in range(3)), by=by)
