"""The outcome of a complete run: which records it joined, and what it decided about pairs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.catalog import Catalog, RunSummary
from pipeline.config.run import RunConfig
from pipeline.nightly.runner import run

# Nothing is held: what a run did is measured, however bold it was.
GATES = {"max_quarantined": 1, "max_removed": 1, "max_cluster": 1, "max_in_review": 1}
EVERY = ("confirmed", "review")


@dataclass(frozen=True)
class Outcome:
    """A run's summary and two of its tables, ids without the names of their sources."""

    summary: RunSummary
    pairs: pa.Table
    members: pa.Table

    @cached_property
    def cluster(self) -> dict[str, tuple[str, str]]:
        """Each record's cluster and its status."""
        columns = [self.members[name].to_pylist() for name in ("cluster_id", "status")]
        return dict(
            zip(self.members["record_id"].to_pylist(), zip(*columns, strict=True), strict=True)
        )

    def clusters(self, statuses: tuple[str, ...] = EVERY) -> list[list[str]]:
        """The members of each cluster of two or more."""
        found: dict[str, list[str]] = {}
        for name, (cluster, status) in self.cluster.items():
            if status in statuses:
                found.setdefault(cluster, []).append(name)
        return [members for members in found.values() if len(members) > 1]

    def together(self, pair: tuple[str, str], statuses: tuple[str, ...] = EVERY) -> bool:
        """Whether two records are in one cluster."""
        left, right = (self.cluster.get(name) for name in pair)
        return left is not None and left == right and left[1] in statuses

    def decisions(self, pairs: Iterable[tuple[str, str]]) -> list[str | None]:
        """What was decided about pairs; None where they were no candidates.

        The first of identical records stands for them all in the table of pairs.
        """
        leader, decided = self._decided
        ends = [tuple(sorted(leader.get(name, name) for name in pair)) for pair in pairs]
        return ["duplicate" if a == b else decided.get((a, b)) for a, b in ends]

    @cached_property
    def _decided(self) -> tuple[dict[str, str], dict[tuple[str, str], str]]:
        leader, decided = {}, {}
        columns = ("left_id", "right_id", "proposed_by", "decision")
        for left, right, by, decision in zip(
            *(self.pairs[name].to_pylist() for name in columns), strict=True
        ):
            if by == "exact":
                leader[right] = left
            else:
                decided[min(left, right), max(left, right)] = decision
        return leader, decided


def completed(settings: dict[str, Any], catalog: Path) -> Outcome:
    """Run a configuration on a new catalog and read what came out."""
    config = RunConfig.model_validate(
        {**settings, "catalog": str(catalog), "gates": {**GATES, **settings.get("gates", {})}}
    )
    summary = run(config)
    kept = Catalog(config.catalog)
    night = kept.runs()[0]
    pairs = kept.read(
        "pairs", run=night, columns=["left_id", "right_id", "proposed_by", "decision"]
    )
    members = kept.read("clusters", run=night, columns=["record_id", "cluster_id", "status"])
    for name in ("left_id", "right_id"):
        pairs = _stripped(pairs, name)
    return Outcome(summary, pairs, _stripped(members, "record_id"))


def _stripped(table: pa.Table, name: str) -> pa.Table:
    """The column without what stands before the first colon: the source's name."""
    bare = pa.array([one.split(":", 1)[1] for one in table[name].to_pylist()], pa.string())
    return table.set_column(table.column_names.index(name), name, bare)
