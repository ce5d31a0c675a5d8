"""Terminal lines of fine-tunes, evaluations and models."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.catalog import ModelRow
from pipeline.evaluation import PairMetrics, Threshold
from pipeline.labels import Leaks, SplitSize
from pipeline.outputs.model_results import (
    EvaluationSummary,
    FinetunePlan,
    FinetuneSummary,
    RecalibrationSummary,
    ViewTrainingSummary,
    few_label_words,
)

CORRECTS = (
    "few labels  the judge that a run has without labels is corrected by them; no encoder is "
    "trained (judge.few_labels)"
)
NAMES = {
    "average_precision": "average precision",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "recall_at_precision_90": "recall at precision 0.90",
    "recall_at_precision_95": "recall at precision 0.95",
    "recall_at_precision_99": "recall at precision 0.99",
}


def plan_lines(plan: FinetunePlan) -> list[str]:
    """What a dry run of a fine-tune says."""
    lines = [
        f"model       {plan.name}, for {plan.purpose}, into {plan.catalog}",
        f"records     {plan.records:,}",
        *_splits(plan.splits),
        f"leaks       {_leaks(plan.leaks)}",
        CORRECTS
        if plan.corrects
        else f"encoder     {plan.encoder}, {'trained' if plan.trains_encoder else 'as it is'}",
        "nothing was trained or written",
    ]
    return lines


def view_lines(facts: ViewTrainingSummary) -> list[str]:
    """What training on views says; of a dry run what it would learn from."""
    lines = [
        f"model       {facts.name}, for {facts.purpose}, without labels",
        f"{facts.views:<11} {facts.records:,} distinct of {facts.read:,} read, "
        f"{facts.rejected:,} rows refused",
        f"learned     from {facts.trained_on:,}; {facts.held_back:,} held back, whole groups",
    ]
    if not facts.history:
        return [*lines, "nothing was trained or written"]
    if facts.unreadable:
        lines.append(f"unreadable  {facts.unreadable:,} pictures")
    for name, found in facts.held_back_figures.items():
        lines.append(
            f"{name:<11} average precision {found.average_precision:.3f}, recall at precision "
            f"0.999 {found.recall_at_precision_999:.3f} between views of those held back"
        )
    return [*lines, f"written     {facts.out}"]


def _splits(parts: dict[str, SplitSize]) -> list[str]:
    return [
        f"{name:<11} {part.pairs:,} pairs, {part.positives:,} duplicates, {part.records:,} records"
        for name, part in parts.items()
    ]


def _leaks(leaks: Leaks) -> str:
    found = [
        f"{leak.count:,} of {leak.of:,} {kind}" for kind, leak in vars(leaks).items() if leak.count
    ]
    return f"{'; '.join(found)} occur in two splits" if found else "none"


def finetune_lines(summary: FinetuneSummary) -> list[str]:
    """The summary of a fine-tune."""
    accept = summary.thresholds.accept
    compared = summary.comparison
    gain = compared.metrics["average_precision"]
    judge = summary.judge
    kind = f"{judge.kind} over {judge.features} features"
    corrected = judge.penalty is not None
    told = few_label_words(accept) if corrected else []
    where = "answers" if corrected else "validation pairs"
    state = "PROMOTED" if summary.promoted else "NOT PROMOTED"
    lines = [
        f"{state}   {summary.model}",
        f"judge       {judge.words if corrected else kind}",
        *([CORRECTS] if corrected else []),
        *(f"{label:<12}{words}" for label, words in told),
        *metric_lines(summary.metrics, f"on the {summary.held_out} pairs"),
        precision_line(accept),
        f"balanced    F1 {summary.balanced.metrics.f1.value:.3f} at "
        f"{summary.balanced.threshold:.4f}",
        f"accept      {accept.value:.4f}: precision {accept.precision:.3f} on the {where}, "
        f"of the rule {summary.thresholds.rule}",
        *(f"            {text}" for text in summary.thresholds.unreachable),
        f"calibrated  expected calibration error "
        f"{summary.calibration.ece_equal_mass:.3f}, Brier "
        f"{summary.calibration.brier:.4f}",
        f"against     {compared.against}: average precision {gain.first:.3f} → "
        f"{gain.second:.3f} ({gain.low:+.3f} to {gain.high:+.3f})",
    ]
    lines += [
        f"gate        {'ok  ' if check.passed else 'FAIL'} {check.name}: {check.message}"
        for check in summary.gate
    ]
    return [*lines, f"report      {summary.report}"]


def precision_line(accept: Threshold) -> str:
    """One line on what is known of the precision at an accept threshold."""
    bound = (
        f"precision at least {accept.precision_low:.3f} with {accept.confidence:.0%} "
        f"confidence at {accept.value:.4f}"
    )
    if accept.met:
        return f"target      {accept.target:.3f} shown: {bound}"
    return f"target      {accept.target:.3f} NOT SHOWN: {bound}"


def left_out_lines(made: RecalibrationSummary) -> list[str]:
    """Which pairs did not calibrate, and what the figures of a recalibrated version are of."""
    out, old = made.left_out, made.measured_at
    lines = [
        f"left out: {out.trained:,} pairs it was trained on, {out.touching:,} new ones "
        f"that touch a record of its training or test, {out.held_out:,} of its test"
    ]
    if old:
        return [
            *lines,
            f"its figures are {old.model}'s, at {old.accept:.4f}: no test pair given",
        ]
    return [*lines, f"measured on the {out.held_out:,} test pairs at the new threshold"]


def metric_lines(metrics: PairMetrics, where: str) -> list[str]:
    """Each metric with its interval."""
    width = max(map(len, NAMES.values()))
    lines = [f"{where} (95 % intervals by entity)"]
    lines += [
        f"  {NAMES[name]:<{width}}  {m.value:.3f}  ({m.low:.3f} to {m.high:.3f})"
        for name, m in vars(metrics).items()
        if name in NAMES
    ]
    return lines


def evaluation_lines(found: EvaluationSummary) -> list[str]:
    """One model's metrics, or two models' side by side."""
    lines = [f"{found.pairs:,} labelled pairs"]
    for reference, measured in found.models.items():
        where = f"{reference}, accept at {measured.accept:.4f}"
        lines += metric_lines(measured.metrics, where)
    if found.comparison:
        first, second = found.models
        lines.append(f"{first} less {second} (paired bootstrap)")
        lines += [
            f"  {NAMES[name]:<26}{row.difference:+.3f}  ({row.low:+.3f} to {row.high:+.3f})"
            for name, row in found.comparison.items()
            if name in NAMES
        ]
    return lines


def model_lines(rows: Sequence[ModelRow]) -> list[str]:
    """The registry as a table."""
    lines = [f"{'model':<28}{'champion':<10}{'AP':>7}{'F1':>7}  purpose"]
    for row in rows:
        mark = "yes" if row.champion else ""
        figures = "".join(
            f"{'' if value is None else format(value, '.3f'):>7}"
            for value in (row.average_precision, row.f1)
        )
        lines.append(
            f"{row.model:<28}{mark:<10}{figures}  {row.purpose or ''}"
            + (f"  DAMAGED: {row.problem}" if row.problem else "")
        )
    return lines
