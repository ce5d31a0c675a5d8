"""The end of a run on the terminal: thirty lines at most, readable without colour."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from pipeline.catalog import Gate, Pruned, RunSummary, UsedModel
from pipeline.config import RetentionSettings
from pipeline.outputs import change_words, decided_by, formats, run_facts
from pipeline.outputs.visible import make_visible

LINES = 30
LABEL = 12  # columns of the label
LISTED = 5  # failures of one kind listed
SEEN = 3  # clusters named with a failed gate
REASON = 120  # characters of a reason in a list of runs
COLUMNS = {
    "records": "records",
    "duplicate_clusters": "clusters>1",
    "removable": "removable",
    "removable_in_review": "in review",
}


def summary_lines(summary: RunSummary) -> list[str]:
    """Return at most 30 aligned lines: verdict, what failed, figures, stages, report path."""
    head = [*_verdict(summary), *_failures(summary), *_gates(summary), *_next(summary)]
    # A run that failed has no figures: it never came to them.
    head += [] if summary.failed else [*_figures(summary), *_labels(summary)]
    head += [line for model in summary.models.registered for line in _model(model)]
    head += [_line("repaired", said) for said in summary.repaired[:LISTED]]
    report = [_line("report", summary.report)] if summary.report else []
    room = LINES - len(head) - len(report)
    lines = [*head, *_stages(summary, room=room), *report]
    # One line each, whatever line feeds a message carries.
    return [make_visible(" ".join(line.splitlines())) for line in lines]


def _model(model: UsedModel) -> list[str]:
    """A model in two lines: what its threshold promises, and whether tonight still is like that."""
    bound = formats.share(model.precision_low)
    kept = "" if model.met else f", below its target of {formats.share(model.target)}"
    moved = model.drift
    return [
        _line("model", f"{model.model}: precision ≥ {bound} on its labels{kept}"),
        _line("drift", f"{moved.level} (PSI {moved.psi:.2f}): {moved.words}"),
    ]


def run_row(summary: RunSummary) -> dict[str, str | int | float | None]:
    """A run in one row: what `gemel runs list` shows; a run that failed has no counts."""
    return {
        "run": summary.run,
        "status": summary.status,
        **{name: summary.told_counts.get(name) for name in COLUMNS},
        "seconds": round(summary.seconds, 1),
        "reason": run_facts.in_short(summary),
    }


def run_lines(summaries: Sequence[RunSummary]) -> list[str]:
    """The rows of `run_row` below a header, in columns."""
    heads = "".join(f"{head:>12}" for head in (*COLUMNS.values(), "s"))
    lines = [f"{'run':<24}{'status':<12}{heads}"]
    for summary in summaries:
        found = summary.told_counts
        counts = [f"{found[name]:,}" if found else "" for name in COLUMNS]
        numbers = "".join(f"{cell:>12}" for cell in (*counts, f"{summary.seconds:,.1f}"))
        reason = make_visible(" ".join(run_facts.in_short(summary).split()), limit=REASON)
        lines.append(f"{summary.run:<24}{summary.status:<12}{numbers}  {reason}".rstrip())
    return lines


def prune_lines(limits: RetentionSettings, found: Pruned, *, dry_run: bool) -> list[str]:
    """What `gemel runs prune` removed, or would remove."""
    word, went = ("would be dropped", "would go") if dry_run else ("dropped", "went")
    lines = [
        f"kept: {len(found.kept):,} runs (the newest {limits.runs:,} published, those of the "
        f"last {limits.days:g} days, held ones)",
        f"{word}: {', '.join(found.dropped) or 'no run'}",
        f"files of tables that {went}: {found.files:,}",
    ]
    if not dry_run:
        encoders = ", ".join(found.encoders)
        lines.append(f"vectors that went: {found.vectors:,}")
        lines += [f"encoders that went: {encoders}"] if encoders else []
    return [*lines, *([f"vectors wait: {found.waiting}"] if found.waiting else [])]


def print_summary(summary: RunSummary, console: Console) -> None:
    """Print the lines as they are: no markup, no colour, no wrapping inside a word."""
    for line in summary_lines(summary):
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _line(label: str, value: object) -> str:
    return f"{label:<{LABEL}}{value}"


def _verdict(summary: RunSummary) -> list[str]:
    found = run_facts.headline(summary)
    mark = "" if summary.calibrated else "   [UNCALIBRATED]"
    took = formats.duration(summary.seconds)
    lines = [f"{found.title.upper()}   run {summary.run}   {took}{mark}"]
    if not summary.calibrated:
        known = "estimated below" if summary.expected else "unknown here"
        known = "measured on the labels below" if summary.labels else known
        taught = decided_by.self_calibration_words(summary)
        of = f"found on edited copies ({taught})" if taught else "stated defaults"
        lines.append(_line("", f"thresholds are {of}; precision is {known}"))
    if summary.history:
        lines.append(_line("decided", run_facts.decision_words(summary)))
    if summary.tables_dropped:
        lines.append(_line("", f"its tables were dropped {summary.tables_dropped[:10]}"))
    return lines


def _failures(summary: RunSummary) -> list[str]:
    """What stopped the run, or what it could not write once it was published."""
    if summary.failed:
        return [
            _line("stopped in", summary.stage),
            _line("error", summary.error),
            _line("", run_facts.LAST),
        ]
    amiss = run_facts.unwritten_outputs(summary)
    lines = [_line("NOT WRITTEN", f"{what}: {why}") for what, why in amiss[:LISTED]]
    untold = {**summary.not_notified, **summary.metrics_failed}
    lines += [*_more(len(amiss)), *(_line("NOT TOLD", f"{to}: {untold[to]}") for to in untold)]
    return lines


def _more(count: int) -> list[str]:
    return [_line("", f"and {count - LISTED} more")] if count > LISTED else []


def _gates(summary: RunSummary) -> list[str]:
    """Failed gates one by one, first; those that passed in one line."""
    if not summary.gates:
        return []
    failed = summary.failed_gates
    lines = [
        _line(
            "gate FAILED",
            f"{gate.title}: {formats.number(gate.value)} "
            f"(limit {formats.number(gate.limit)}) {gate.message[:90]}{_responsible(gate)}",
        )
        for gate in failed[:LISTED]
    ]
    passed = len(summary.gates) - len(failed)
    return [
        *lines,
        *_more(len(failed)),
        _line("gates", f"{passed} of {len(summary.gates)} passed"),
    ]


def _responsible(gate: Gate) -> str:
    """The clusters that made a gate fail, the first few."""
    return f"; see {', '.join(gate.clusters[:SEEN])}" if gate.clusters else ""


def _next(summary: RunSummary) -> list[str]:
    return [_line("next", command) for command in run_facts.headline(summary).commands]


def _figures(summary: RunSummary) -> list[str]:
    counts = summary.counts
    removable = f"{counts.removable:,} ({formats.share(run_facts.removable_share(summary))})"
    more = run_facts.in_review(summary)
    lines = [
        _line("rows", f"{counts.rows:,} in, {counts.quarantined:,} quarantined"),
        *(_line(label, words) for label, words in run_facts.unread_words(summary)),
        _line(
            "records",
            f"{counts.records:,} ({counts.with_text:,} text, {counts.with_image:,} image)",
        ),
        _line(
            "pairs",
            f"{counts.duplicates:,} duplicate, {counts.review:,} for review, "
            f"of {counts.candidates:,} candidates",
        ),
        _line(
            "clusters",
            f"{counts.duplicate_clusters:,} of 2+, largest {counts.largest_cluster:,}; "
            f"{counts.cut_links:,} links cut",
        ),
        _line("removable", "; ".join(filter(None, [removable, more, "nothing is deleted"]))),
    ]
    told = (
        ("changes", change_words.record_words(summary.changes), "records: "),
        ("", change_words.cluster_words(summary.changes), "clusters of 2+: "),
        ("verdicts", change_words.verdict_words(summary.verdicts), ""),
    )
    lines += [_line(label, f"{what}{words}") for label, words, what in told if words]
    sources = run_facts.source_words(summary)[:LISTED]
    lines += [_line("sources", f"{what} ({why})") for what, why in sources]
    if decided_by.geometry_words(summary):
        lines.append(_line("geometry", decided_by.geometry_words(summary)))
    if expected := run_facts.expected_quality(summary):
        said = ", ".join(f"{name} {one} ({within})" for name, (one, within) in expected.items())
        lines.append(_line("expected", said))
    for kind, found in summary.recall.items():
        bounds = f"{formats.share(found.low)} to {formats.share(found.high)}"
        lines.append(_line("recall", f"{formats.share(found.recall)} {kind} ({bounds})"))
    late = decided_by.cascade(summary)
    return [*lines, _line("cascade", late)] if late else lines


def _labels(summary: RunSummary) -> list[str]:
    labels = summary.labels
    if not labels:
        return []
    precision, recall = (
        f"{name} {formats.share(found.value)} (≥ {formats.share(found.low)})"
        for name, found in (("precision", labels.precision), ("recall", labels.recall))
    )
    lines = [_line("labels", f"{precision}, {recall}, {labels.pairs:,} pairs")]
    if clusters := labels.clusters:
        said = (f"{name} {formats.share(found.value)}" for name, found in clusters.bcubed.items())
        lines.append(_line("B-cubed", f"{', '.join(said)}, {clusters.entities:,} entities"))
    return lines


def _stages(summary: RunSummary, *, room: int) -> list[str]:
    """Seconds per stage, slowest kept when there is no room for all."""
    stages = summary.stages
    if room < 1:
        return []
    kept = sorted(stages, key=lambda row: -row.seconds)[: room if len(stages) <= room else room - 1]
    lines = [
        _line("stage", f"{row.stage:<16}{row.seconds:>9.1f} s {row.rows:>12,} rows")
        for row in stages
        if row in kept
    ]
    left = len(stages) - len(kept)
    return [*lines, _line("stage", f"{left} faster ones not listed")] if left else lines
