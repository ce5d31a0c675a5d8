"""The summary of a run: what the report, the terminal, the metrics and the next night read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pipeline.candidates import Recall
from pipeline.catalog.summary.figures import (
    CascadeCounts,
    Changes,
    ClusterSizes,
    Gate,
    GeometryCounts,
    HistoryEntry,
    NightState,
    PerModality,
    Pruned,
    Reuse,
    RunCounts,
    SourceMatches,
    StageRow,
    Thresholds,
    UsedModels,
    VerdictCounts,
)
from pipeline.errors import CatalogError
from pipeline.evaluation import ExpectedQuality, RunQuality, ScoreHistogram
from pipeline.storage import from_plain, to_plain

Status = Literal["published", "held", "failed", "discarded", "rolled_back"]

# One higher whenever a field changes its name, type or meaning.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """All that is told of a run. A run that failed has its heading; the rest of it is empty.

    Attributes:
        run: its name; None where it failed before it had one.
        base: the run that was published when it began.
        started, finished: ISO 8601, UTC; empty where nobody knows.
        error: what stopped it; `stage`: where, of a failed run.
        recall: of the candidates, by modality. index: what searched each modality, in words.
        sources: by name. expected: quality of a run without labels, as far as it can know.
        state: for the next night. repaired: damaged parts made again, in words.
        versions: of Gemel and the packages that decide.
        report, exports: path, and path -> rows; *_failed: why one could not be written.
        not_notified, metrics_failed: who could not be told, what not be written, and why.
        attempts, failures: of a run that was stopped and went on, and how it failed before.
        history: what people decided about it. tables_dropped: when its tables went.
    """

    run: str | None
    name: str
    status: Status
    catalog: str = ""
    base: str | None = None
    started: str = ""
    finished: str = ""
    seconds: float = 0.0
    error: str | None = None
    stage: str | None = None
    calibrated: bool = True
    counts: RunCounts = field(default_factory=RunCounts)
    thresholds: Thresholds = field(default_factory=Thresholds)
    models: UsedModels = field(default_factory=UsedModels)
    recall: PerModality[Recall] = field(default_factory=PerModality)
    index: PerModality[str] = field(default_factory=PerModality)
    cascade: CascadeCounts | None = None
    geometry: GeometryCounts | None = None
    gates: tuple[Gate, ...] = ()
    stages: tuple[StageRow, ...] = ()
    histogram: ScoreHistogram = field(default_factory=ScoreHistogram)
    cluster_sizes: ClusterSizes = field(default_factory=ClusterSizes)
    reused: Reuse = field(default_factory=Reuse)
    changes: Changes = field(default_factory=Changes)
    verdicts: VerdictCounts = field(default_factory=VerdictCounts)
    sources: tuple[SourceMatches, ...] = ()
    labels: RunQuality | None = None
    expected: ExpectedQuality | None = None
    quarantine_reasons: dict[str, int] = field(default_factory=dict)
    problems: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, dict[str, int]] = field(default_factory=dict)
    repaired: tuple[str, ...] = ()
    state: NightState = field(default_factory=NightState)
    versions: dict[str, str] = field(default_factory=dict)
    report: str | None = None
    report_failed: str | None = None
    exports: dict[str, int] = field(default_factory=dict)
    exports_failed: dict[str, str] = field(default_factory=dict)
    retention: Pruned | None = None
    retention_failed: str | None = None
    not_notified: dict[str, str] = field(default_factory=dict)
    metrics_failed: dict[str, str] = field(default_factory=dict)
    attempts: int = 1
    failures: tuple[str, ...] = ()
    history: tuple[HistoryEntry, ...] = ()
    tables_dropped: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it did not come to its figures: they are empty."""
        return self.status == "failed"

    @property
    def failed_gates(self) -> tuple[Gate, ...]:
        """The gates that did not hold."""
        return tuple(gate for gate in self.gates if not gate.passed)

    @property
    def told_counts(self) -> dict[str, int]:
        """The counts by their names; empty where the run failed."""
        return {} if self.failed else dict(vars(self.counts))

    def to_json(self) -> dict[str, Any]:
        """As plain values, with the version of their form."""
        return {"schema_version": VERSION, **to_plain(self)}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> RunSummary:
        """Read what `to_json` gave.

        Raises:
            CatalogError: it is of another version, or damaged.
        """
        version = plain.get("schema_version")
        if version != VERSION:
            raise CatalogError(
                f"the summary of run {plain.get('run')} has the form {version}, this Gemel reads "
                f"{VERSION}: use the Gemel that wrote it, or move the catalog away and run again"
            )
        try:
            return from_plain(cls, plain)
        except ValueError as error:
            raise CatalogError(
                f"the summary of run {plain.get('run')} is damaged: {error}"
            ) from error
