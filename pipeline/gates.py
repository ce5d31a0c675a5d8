"""What must hold before a run is published."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pipeline.config import GateSettings


@dataclass(frozen=True)
class Gate:
    """One check: its value, the limit in the config, and what it means."""

    gate: str
    passed: bool
    value: float
    limit: float
    message: str


def check_gates(
    counts: dict[str, int], recall: dict[str, dict[str, float] | None], settings: GateSettings
) -> list[Gate]:
    """Check a run's counts and measured candidate recall against the limits."""
    kept = counts["records"] + counts["quarantined"]
    quarantined = counts["quarantined"] / max(counts["rows"], 1)
    gates = [
        Gate(
            "rows in = records + quarantine",
            counts["rows"] == kept,
            float(kept),
            float(counts["rows"]),
            f"{counts['rows']:,} rows read, {kept:,} accounted for",
        ),
        Gate(
            "share of rows quarantined",
            quarantined <= settings.max_quarantined,
            quarantined,
            settings.max_quarantined,
            f"{counts['quarantined']:,} of {counts['rows']:,} rows could not be used",
        ),
    ]
    for modality, measured in recall.items():
        if measured is None or not measured["pairs"]:
            continue
        gates.append(
            Gate(
                f"candidate recall, {modality}",
                measured["recall"] >= settings.min_candidate_recall,
                measured["recall"],
                settings.min_candidate_recall,
                f"of {measured['pairs']:.0f} true near pairs of {measured['sampled']:.0f} sampled "
                "contents, found by brute force",
            )
        )
    return gates


def as_rows(gates: list[Gate]) -> list[dict[str, Any]]:
    """The gates as plain dictionaries."""
    return [asdict(gate) for gate in gates]
