"""Clusters against true entities: B-cubed and pairwise, with intervals by entity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.arrays import Floats, Ints
from pipeline.evaluation.intervals import Estimate, bootstrap_draws, bootstrap_interval


@dataclass(frozen=True)
class ClusterMetrics:
    """Clusters against true entities.

    Attributes:
        records, clusters, entities: how many were compared.
        resamples, seed: of the bootstrap that the intervals are from.
    """

    bcubed_precision: Estimate
    bcubed_recall: Estimate
    bcubed_f1: Estimate
    pairwise_precision: Estimate
    pairwise_recall: Estimate
    pairwise_f1: Estimate
    records: int
    clusters: int
    entities: int
    resamples: int
    seed: int

    @property
    def bcubed(self) -> dict[str, Estimate]:
        """The B-cubed figures by the name a reader knows."""
        return {
            "precision": self.bcubed_precision,
            "recall": self.bcubed_recall,
            "F1": self.bcubed_f1,
        }


def measure_clusters(
    cluster: Ints, entity: Ints, *, seed: int, resamples: int = 1000
) -> ClusterMetrics:
    """B-cubed (Bagga and Baldwin, 1998) and pairwise precision, recall and F1.

    Pairwise precision is 1 where no pair is predicted, recall 1 where there is none to find.
    Intervals resample entities; a record keeps its cluster.

    Args:
        cluster: (n,) predicted cluster of each record.
        entity: (n,) true entity of each record.
    """
    clusters, cluster = np.unique(cluster, return_inverse=True)
    entities, entity = np.unique(entity, return_inverse=True)
    cell, place = np.unique(cluster * max(len(entities), 1) + entity, return_inverse=True)
    together = np.bincount(place, minlength=len(cell))[place].astype(float)
    predicted = np.bincount(cluster, minlength=len(clusters))[cluster].astype(float)
    true = np.bincount(entity, minlength=len(entities))[entity].astype(float)
    parts = np.stack(
        [together / predicted, together / true, np.ones(len(entity)), together - 1,
         predicted - 1, true - 1]
    )  # fmt: skip
    sums = np.stack([np.bincount(entity, weights=p, minlength=len(entities)) for p in parts], 1)
    value = _metrics(np.ones((1, len(entities))) @ sums)
    resampled = [
        _metrics(drawn @ sums)
        for drawn in bootstrap_draws(len(entities), resamples=resamples, seed=seed)
    ]
    found = {
        name: Estimate(
            float(one[0]), *bootstrap_interval(np.concatenate([part[name] for part in resampled]))
        )
        for name, one in value.items()
    }
    return ClusterMetrics(
        **found,
        records=len(entity),
        clusters=len(clusters),
        entities=len(entities),
        resamples=resamples,
        seed=seed,
    )


def _metrics(sums: Floats) -> dict[str, Floats]:
    """Metrics (b,) of weighted sums (b, 6): B-cubed precision and recall, records, pairs."""
    precise, recalled, records, hits, predicted, true = sums.T
    bcubed = precise / records, recalled / records
    pairwise = _ratio(hits, predicted), _ratio(hits, true)
    found = {}
    for name, (precision, recall) in (("bcubed", bcubed), ("pairwise", pairwise)):
        found[f"{name}_precision"], found[f"{name}_recall"] = precision, recall
        both = precision + recall
        found[f"{name}_f1"] = np.where(
            both > 0, 2 * precision * recall / np.where(both > 0, both, 1), 0.0
        )
    return found


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), 1.0), np.float64)
