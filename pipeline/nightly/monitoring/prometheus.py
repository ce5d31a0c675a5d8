"""A run in figures, in Prometheus' text format: for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.catalog import RunSummary

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

STATUSES = ("published", "held", "failed")


class _Gauges:
    """Gauges of one registry; every sample carries the configuration's name."""

    def __init__(self, name: str) -> None:
        from prometheus_client import CollectorRegistry

        self.registry, self.name = CollectorRegistry(), name

    def add(self, metric: str, meaning: str, label: str, values: Mapping[str, float]) -> None:
        """A gauge with one sample per value of a label; an empty label names one sample."""
        from prometheus_client import Gauge

        labels = ["name", label] if label else ["name"]
        gauge = Gauge(f"gemel_{metric}", meaning, labels, registry=self.registry)
        for key, value in sorted(values.items()):
            gauge.labels(*([self.name, key] if label else [self.name])).set(value)


def gauges(
    summary: RunSummary, *, last_published: datetime | None, not_notified: int = 0
) -> CollectorRegistry:
    """The gauges of a run.

    Args:
        summary: the run's summary; of a run that did not start, what is known of it.
        last_published: when the run that readers see was finished; None before the first.
        not_notified: notifications of this run that could not be sent.
    """
    found = _Gauges(summary.name)
    status = summary.status
    found.add(
        "run_status", "1 for how the last run ended.", "status",
        {known: float(known == status) for known in sorted({*STATUSES, status})},
    )  # fmt: skip
    times = {"started": summary.started, "finished": summary.finished}
    for at, value in ((at, value) for at, value in times.items() if value):
        when = datetime.fromisoformat(value).timestamp()
        found.add(f"run_{at}_timestamp_seconds", f"When the last run {at}.", "", {"": when})
    if last_published is not None:
        found.add(
            "last_published_timestamp_seconds", "When what readers see was finished.", "",
            {"": last_published.timestamp()},
        )  # fmt: skip
    found.add("run_seconds", "Wall time of the last run.", "", {"": summary.seconds})
    found.add("count", "Counts of the last run.", "what", summary.told_counts)
    found.add("not_notified", "Notifications that were not sent.", "", {"": not_notified})
    _stages(found, summary)
    _recall(found, summary)
    _gates(found, summary)
    return found.registry


def _stages(found: _Gauges, summary: RunSummary) -> None:
    for unit in ("seconds", "rows", "bytes"):
        values = {row.stage: getattr(row, unit) for row in summary.stages}
        found.add(f"stage_{unit}", f"{unit.capitalize()} of each stage.", "stage", values)


def _recall(found: _Gauges, summary: RunSummary) -> None:
    for metric, key, meaning in (
        ("candidate_recall", "recall", "Share of the true near pairs that the search found."),
        ("candidate_recall_low", "low", "Lower end of its 95 % interval."),
    ):
        values = {str(kind): getattr(value, key) for kind, value in summary.recall.items()}
        found.add(metric, meaning, "modality", values)


def _gates(found: _Gauges, summary: RunSummary) -> None:
    for metric, key, meaning in (
        ("gate_passed", "passed", "1 where the gate holds."),
        ("gate_value", "value", "What the gate measured."),
        ("gate_limit", "limit", "The limit it was held to."),
    ):
        values = {gate.id: getattr(gate, key) for gate in summary.gates}
        known = {gate: float(value) for gate, value in values.items() if value is not None}
        found.add(metric, meaning, "gate", known)


def write_metrics(registry: CollectorRegistry, path: Path) -> None:
    """Write the gauges in one step: who reads at that moment sees the old file or the new one.

    Raises:
        OSError: the file cannot be written.
    """
    from prometheus_client import write_to_textfile

    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
