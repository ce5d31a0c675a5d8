"""Gates: what must hold before a run is published. A figure that is unknown fails its gate."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date

from pipeline.candidates import Recall
from pipeline.catalog import CascadeCounts, Gate, HistoryEntry, PerModality, Run, RunCounts
from pipeline.config import GateSettings
from pipeline.nightly.gates.audit import Audit
from pipeline.nightly.gates.differences import SHOWN

# Gates that no release allows for another night.
NEVER = frozenset({"rows-accounted-for", "model-and-threshold", "audit-pairs"})
PAIRS = 3  # wrong audit pairs named


def closed_gates(gate: str, title: str, check: Callable[[], Iterable[Gate]]) -> list[Gate]:
    """The gates of a check; one that fails, with the reason, where the check cannot be made."""
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001 - whatever it is, nothing unchecked is published
        said = f"could not be computed: {error or type(error).__name__}"
        return [Gate(gate, title, False, None, None, said)]


def allow_known(gates: Iterable[Gate], runs: Iterable[Run], *, today: date) -> list[Gate]:
    """The gates; one that fails no worse than in a run that was released until a day passes.

    Args:
        runs: of the catalog; the history of each says who released it, why and until when.
    """
    known: dict[str, list[tuple[float, HistoryEntry]]] = {}
    for run in runs:
        for entry in run.summary.history:
            if entry.action != "released" or (entry.until or "") < today.isoformat():
                continue
            for gate in run.summary.failed_gates:
                if gate.value is not None and gate.id not in NEVER:
                    known.setdefault(gate.id, []).append((gate.value, entry))
    return [_allowed(gate, known.get(gate.id, [])) for gate in gates]


def _allowed(gate: Gate, known: list[tuple[float, HistoryEntry]]) -> Gate:
    if gate.passed or gate.value is None or gate.limit is None or not known:
        return gate
    low = gate.value < gate.limit  # it fails for being too low
    value, entry = (min if low else max)(known, key=lambda one: one[0])
    if (gate.value < value) if low else (gate.value > value):
        return gate
    said = f"allowed to {value:.4g} until {entry.until} by {entry.by}: {entry.reason}"
    return replace(gate, passed=True, message=f"{gate.message}; {said}")


def count_gates(counts: RunCounts, settings: GateSettings) -> list[Gate]:
    """Every row is accounted for, and few are quarantined."""
    kept = counts.records + counts.quarantined
    quarantined = counts.quarantined / max(counts.rows, 1)
    return [
        Gate(
            "rows-accounted-for",
            "rows in = records + quarantine",
            counts.rows == kept,
            float(kept),
            float(counts.rows),
            f"{counts.rows:,} rows read, {kept:,} accounted for",
        ),
        Gate(
            "rows-quarantined",
            "share of rows quarantined",
            quarantined <= settings.max_quarantined,
            quarantined,
            settings.max_quarantined,
            f"{counts.quarantined:,} of {counts.rows:,} rows could not be used",
        ),
    ]


def recall_gates(recall: PerModality[Recall], settings: GateSettings) -> Iterable[Gate]:
    """Candidate recall of each modality that has near pairs."""
    for modality, measured in recall.items():
        if not measured.pairs:
            continue
        yield Gate(
            f"candidate-recall-{modality}",
            f"candidate recall, {modality}",
            measured.recall >= settings.min_candidate_recall,
            measured.recall,
            settings.min_candidate_recall,
            f"of {measured.pairs:.0f} true near pairs of {measured.sampled:.0f} sampled "
            "contents, found by brute force",
        )


def cascade_gates(late: CascadeCounts | None, settings: GateSettings) -> Iterable[Gate]:
    """Share of the teacher's duplicates that its student lets through, where it was measured."""
    if late and late.choice.measured:
        yield Gate(
            "duplicates-past-student",
            "duplicates past the student",
            late.choice.recall >= settings.min_candidate_recall,
            late.choice.recall,
            settings.min_candidate_recall,
            f"of {late.choice.duplicates:,} duplicates of {late.choice.texts:,} sampled texts, "
            f"judged with the teacher's vectors in run {late.measured_in}",
        )


def model_gate(problems: dict[str, str | None], settings: GateSettings) -> Gate:
    """Every model judged with its own encoder and thresholds.

    Args:
        problems: reference of each pinned model -> what does not belong together; None: all does.
    """
    names = "model-and-threshold", "model and threshold belong together"
    wrong = [f"{model}: {said}" for model, said in problems.items() if said]
    if problems:
        message = "; ".join(wrong) or f"{', '.join(problems)}: thresholds are its own"
        return Gate(*names, not wrong, float(len(wrong)), 0.0, message)
    said = "no model: stated defaults judge, uncalibrated"
    if settings.require_calibrated:
        return Gate(*names, False, 1.0, 0.0, f"{said}, and gates.require_calibrated is set")
    return Gate(*names, True, 0.0, 0.0, said)


def audit_gate(found: Audit, settings: GateSettings) -> Gate:
    """The audit pairs are decided as a person did."""
    joined = sum(wrong.label == "different" for wrong in found.wrong)
    told = [f"{len(found.wrong):,} of {found.pairs:,} pairs decided otherwise"]
    if found.wrong:
        told.append(f"{joined:,} joined, {len(found.wrong) - joined:,} kept apart")
        named = [f"{w.left_id} | {w.right_id} ({w.label})" for w in found.wrong[:PAIRS]]
        told.append(f"such as {', '.join(named)}")
    if found.unknown:
        told.append(f"{found.unknown:,} name records that are not there")
    return Gate(
        "audit-pairs",
        "audit pairs decided right",
        found.pairs > 0 and found.right >= settings.min_audit_right,
        found.right if found.pairs else None,
        settings.min_audit_right,
        "; ".join(told),
        tuple(dict.fromkeys(wrong.cluster_id for wrong in found.wrong))[:SHOWN],
    )
