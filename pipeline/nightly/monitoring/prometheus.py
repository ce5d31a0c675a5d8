"""A run in figures, in Prometheus' text format: for node_exporter's textfile collector."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

Summary = dict[str, Any]
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
    summary: Summary, *, last_published: datetime | None, not_notified: int = 0
) -> CollectorRegistry:
    """The gauges of a run.

    Args:
        summary: the run's summary; of a run that did not start, what is known of it.
        last_published: when the run that readers see was finished; None before the first.
        not_notified: notifications of this run that could not be sent.
    """
    found = _Gauges(summary["name"])
    status = summary["status"]
    found.add(
        "run_status", "1 for how the last run ended.", "status",
        {known: float(known == status) for known in sorted({*STATUSES, status})},
    )  # fmt: skip
    times = {at: summary[at] for at in ("started", "finished") if summary.get(at)}
    for at, value in times.items():
        when = datetime.fromisoformat(value).timestamp()
        found.add(f"run_{at}_timestamp_seconds", f"When the last run {at}.", "", {"": when})
    if last_published is not None:
        found.add(
            "last_published_timestamp_seconds", "When what readers see was finished.", "",
            {"": last_published.timestamp()},
        )  # fmt: skip
    found.add("run_seconds", "Wall time of the last run.", "", {"": summary.get("seconds", 0.0)})
    found.add("count", "Counts of the last run.", "what", summary["counts"])
    found.add("not_notified", "Notifications that were not sent.", "", {"": not_notified})
    _stages(found, summary)
    _recall(found, summary)
    _gates(found, summary)
    return found.registry


def _stages(found: _Gauges, summary: Summary) -> None:
    for unit in ("seconds", "rows", "bytes"):
        values = {stage["stage"]: stage[unit] for stage in summary.get("stages", [])}
        found.add(f"stage_{unit}", f"{unit.capitalize()} of each stage.", "stage", values)


def _recall(found: _Gauges, summary: Summary) -> None:
    measured = {kind: v for kind, v in summary.get("candidate_recall", {}).items() if v}
    for metric, key, meaning in (
        ("candidate_recall", "recall", "Share of the true near pairs that the search found."),
        ("candidate_recall_low", "low", "Lower end of its 95 % interval."),
    ):
        values = {kind: value[key] for kind, value in measured.items()}
        found.add(metric, meaning, "modality", values)


def _gates(found: _Gauges, summary: Summary) -> None:
    for metric, key, meaning in (
        ("gate_passed", "passed", "1 where the gate holds."),
        ("gate_value", "value", "What the gate measured."),
        ("gate_limit", "limit", "The limit it was held to."),
    ):
        rows = [gate for gate in summary.get("gates", []) if gate[key] is not None]
        found.add(metric, meaning, "gate", {gate["gate"]: float(gate[key]) for gate in rows})


def write_metrics(registry: CollectorRegistry, path: Path) -> None:
    """Write the gauges in one step: who reads at that moment sees the old file or the new one.

    Raises:
        OSError: the file cannot be written.
    """
    from prometheus_client import write_to_textfile

    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
