"""Check of the gates: what each needs is read, of this run and the previous one. SHELL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrays import as_strings
from pipeline.candidates import Recall
from pipeline.catalog import (
    CascadeCounts,
    Gate,
    PerModality,
    RegisteredJudge,
    RunCounts,
    judge_fingerprint,
)
from pipeline.errors import ConfigError
from pipeline.labels import read_labels
from pipeline.nightly.gates import against_previous_run, differences, gates
from pipeline.nightly.gates.audit import audit_clusters, audit_pairs
from pipeline.nightly.gates.gates import closed_gates
from pipeline.nightly.state.context import RunContext
from pipeline.nightly.state.embedded import judging_encoder
from pipeline.nightly.state.rules import models_of

CLUSTERS = ["record_id", "cluster_id", "size", "representative", "status", "same_thing"]
BySource = dict[str, dict[str, int]]


@dataclass(frozen=True)
class _RunPair:
    """Tonight's tables and last night's, read when a gate first asks; both None on the first."""

    context: RunContext
    versions: dict[str, int]

    def _tonight(self, name: str, columns: list[str]) -> pa.Table:
        tables = self.context.catalog.tables
        return tables.read(name, version=self.versions[name], columns=columns)

    def _before(self, name: str, columns: list[str]) -> pa.Table:
        catalog = self.context.catalog
        return catalog.read(name, run=catalog.run(self.context.base), columns=columns)

    @cached_property
    def clusters(self) -> pa.Table:
        """Tonight's clusters."""
        return self._tonight("clusters", CLUSTERS)

    @cached_property
    def clusters_before(self) -> pa.Table | None:
        """Last night's clusters."""
        return self._before("clusters", CLUSTERS) if self.context.base else None

    @cached_property
    def sources(self) -> BySource:
        """Tonight's rows, quarantined rows and records by source."""
        return _by_source(self._tonight)

    @cached_property
    def sources_before(self) -> BySource | None:
        """The same of last night."""
        return _by_source(self._before) if self.context.base else None


def check_gates(
    context: RunContext,
    *,
    counts: RunCounts,
    recall: PerModality[Recall],
    cascade: CascadeCounts | None,
    versions: dict[str, int],
) -> list[Gate]:
    """Check a finished run's tables, counts and models against the configured limits.

    Args:
        versions: table -> version that the run wrote.
    """
    settings, both = context.config.gates, _RunPair(context, versions)
    checks: dict[tuple[str, str], Callable[[], Iterable[Gate]]] = {
        ("rows", "rows and quarantine"): lambda: gates.count_gates(counts, settings),
        ("candidate-recall", "candidate recall"): lambda: gates.recall_gates(recall, settings),
        ("duplicates-past-student", "duplicates past the student"): lambda: gates.cascade_gates(
            cascade, settings
        ),
        ("sources", "sources against last night"): lambda: _of_sources(both),
        ("ids-rewritten", "ids written otherwise than last night"): lambda: [_of_ids(both)],
        ("removals", "removals"): lambda: _of_removals(both),
        ("clusters", "clusters"): lambda: _of_clusters(both),
        ("records-in-review", "records in review"): lambda: _of_review(both),
        ("model-and-threshold", "model and threshold belong together"): lambda: [
            gates.model_gate(problems(models_of(context), _prints(context)), settings)
        ],
        ("audit-pairs", "audit pairs decided right"): lambda: _of_audit(both),
    }
    found = [gate for names, check in checks.items() for gate in closed_gates(*names, check)]
    return gates.allow_known(found, context.catalog.runs(), today=context.started.date())


def _of_sources(both: _RunPair) -> Iterable[Gate]:
    config, before = both.context.config, both.sources_before
    return against_previous_run.source_gates(
        both.sources["rows"],
        both.sources["bad"],
        None if before is None else before["rows"],
        complete=[source.name for source in config.sources if source.complete],
        settings=config.gates,
    )


def _of_ids(both: _RunPair) -> Gate:
    before, settings = both.clusters_before, both.context.config.gates
    ids = as_strings(both.clusters["record_id"])
    earlier = ids.slice(0, 0) if before is None else as_strings(before["record_id"])
    found = differences.rewritten_ids(earlier, ids)
    return against_previous_run.id_gate(found, first=before is None, settings=settings)


def _of_removals(both: _RunPair) -> Iterable[Gate]:
    before = both.clusters_before
    none = both.clusters.slice(0, 0)
    return against_previous_run.removal_gates(
        differences.count_removals(both.clusters, none if before is None else before),
        both.sources["records"],
        first=before is None,
        settings=both.context.config.gates,
    )


def _of_clusters(both: _RunPair) -> Iterable[Gate]:
    settings, clusters = both.context.config.gates, both.clusters
    return against_previous_run.cluster_gates(
        differences.cluster_growths(clusters, both.clusters_before, above=settings.small_cluster),
        largest=pc.max(clusters["size"]).as_py() or 0,
        records=len(clusters),
        first=both.clusters_before is None,
        settings=settings,
    )


def _of_review(both: _RunPair) -> Iterable[Gate]:
    settings, records = both.context.config.gates, len(both.clusters)
    waiting, ids = differences.count_in_review(both.clusters)
    yield against_previous_run.review_gate(waiting, ids, records=records, settings=settings)


def _of_audit(both: _RunPair) -> Iterable[Gate]:
    """The gate of the audit pairs; none where there are no such pairs to keep."""
    settings, tables = both.context.config.gates, both.context.catalog.tables
    labels = read_labels(settings.audit) if settings.audit else None
    pairs = audit_pairs(labels, tables.labels())
    if labels is not None or len(pairs.same):
        yield gates.audit_gate(audit_clusters(pairs, both.clusters), settings)


def _by_source(read: Callable[[str, list[str]], pa.Table]) -> BySource:
    """Rows, quarantined rows ('bad') and records by source, deleted records left out."""
    records = read("records", ["source", "deleted"])
    there = records.filter(pc.invert(pc.fill_null(records["deleted"], False)))["source"]
    bad = read("quarantine", ["source"])["source"]
    return {
        "rows": differences.rows_by_source(there, bad),
        "bad": differences.rows_by_source(bad),
        "records": differences.rows_by_source(there),
    }


def _prints(context: RunContext) -> dict[str, str | None]:
    """Fingerprint of the encoder that each modality was judged by; None: nothing met it."""
    encoders = {kind: judging_encoder(context, kind) for kind in ("text", "image")}
    return {kind: encoder.fingerprint if encoder else None for kind, encoder in encoders.items()}


def problems(
    models: tuple[RegisteredJudge, ...], prints: Mapping[str, str | None]
) -> dict[str, str | None]:
    """What of each pinned model does not belong together; None: encoder and thresholds do.

    Args:
        prints: fingerprint of the encoder that judged each modality.
    """
    found: dict[str, str | None] = {}
    for model in models:
        used = prints[model.modality]
        own = model.model.facts.encoder_fingerprint
        found[model.model.reference] = None
        if used is not None and used != own:
            found[model.model.reference] = f"embedded by the encoder {used}, calibrated with {own}"
            continue
        try:
            model.rule.calibration.require_model(judge_fingerprint(own, model.model.folder))
        except ConfigError as error:
            found[model.model.reference] = str(error)
    return found
