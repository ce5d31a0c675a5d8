"""The end of a run on the terminal: thirty lines at most, readable without colour."""

from __future__ import annotations

from typing import Any

from rich.console import Console

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


def summary_lines(summary: dict[str, Any]) -> list[str]:
    """Return at most 30 aligned lines: verdict, what failed, figures, stages, report path."""
    head = [*_verdict(summary), *_failures(summary), *_gates(summary), *_next(summary)]
    # A run that failed has no figures: it never came to them.
    head += [*_figures(summary), *_labels(summary)] if summary["counts"] else []
    head += [line for model in registered_lines(summary) for line in _model(model)]
    head += [_line("repaired", said) for said in summary.get("repaired", ())[:LISTED]]
    report = [_line("report", summary["report"])] if summary.get("report") else []
    room = LINES - len(head) - len(report)
    lines = [*head, *_stages(summary, room=room), *report]
    # One line each, whatever line feeds a message carries.
    return [make_visible(" ".join(line.splitlines())) for line in lines]


def registered_lines(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """The registered models that judged a run."""
    found: list[dict[str, Any]] = (summary.get("model") or {}).get("registered") or []
    return found


def _model(model: dict[str, Any]) -> list[str]:
    """A model in two lines: what its threshold promises, and whether tonight still is like that."""
    bound = formats.share(model["precision_low"])
    kept = "" if model["met"] else f", below its target of {formats.share(model['target'])}"
    moved = model["drift"]
    return [
        _line("model", f"{model['model']}: precision ≥ {bound} on its labels{kept}"),
        _line("drift", f"{moved['level']} (PSI {moved['psi']:.2f}): {moved['words']}"),
    ]


def run_row(summary: dict[str, Any]) -> dict[str, Any]:
    """A run in one row: what `gemel runs list` shows; a run that failed has no counts."""
    return {
        "run": summary["run"],
        "status": summary["status"],
        **{name: summary["counts"].get(name) for name in COLUMNS},
        "seconds": round(summary["seconds"], 1),
        "reason": run_facts.in_short(summary),
    }


def run_lines(rows: list[dict[str, Any]]) -> list[str]:
    """The rows of `run_row` below a header, in columns."""
    heads = "".join(f"{head:>12}" for head in (*COLUMNS.values(), "s"))
    lines = [f"{'run':<24}{'status':<12}{heads}"]
    for row in rows:
        counts = ["" if row[name] is None else f"{row[name]:,}" for name in COLUMNS]
        numbers = "".join(f"{cell:>12}" for cell in (*counts, f"{row['seconds']:,.1f}"))
        reason = make_visible(" ".join(row["reason"].split()), limit=REASON)
        lines.append(f"{row['run']:<24}{row['status']:<12}{numbers}  {reason}".rstrip())
    return lines


def prune_lines(found: dict[str, Any], *, dry_run: bool) -> list[str]:
    """What `gemel runs prune` removed, or would remove."""
    word, went = ("would be dropped", "would go") if dry_run else ("dropped", "went")
    lines = [
        f"kept: {len(found['kept']):,} runs (the newest {found['keep']:,} published, those of the "
        f"last {found['days']:g} days, held ones)",
        f"{word}: {', '.join(found['dropped']) or 'no run'}",
        f"files of tables that {went}: {found['files']:,}",
    ]
    if not dry_run:
        encoders = ", ".join(found["encoders"])
        lines.append(f"vectors that went: {found['vectors']:,}")
        lines += [f"encoders that went: {encoders}"] if encoders else []
    return [*lines, *([f"vectors wait: {found['waiting']}"] if found["waiting"] else [])]


def print_summary(summary: dict[str, Any], console: Console) -> None:
    """Print the lines as they are: no markup, no colour, no wrapping inside a word."""
    for line in summary_lines(summary):
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


def _line(label: str, value: object) -> str:
    return f"{label:<{LABEL}}{value}"


def _verdict(summary: dict[str, Any]) -> list[str]:
    found = run_facts.headline(summary)
    calibrated = summary.get("calibrated", True)
    mark = "" if calibrated else "   [UNCALIBRATED]"
    took = formats.duration(summary["seconds"])
    lines = [f"{found.title.upper()}   run {summary['run']}   {took}{mark}"]
    if not calibrated:
        known = "measured on the labels below" if summary.get("labels") else "unknown here"
        taught = decided_by.self_calibration_words(summary)
        of = f"found on edited copies ({taught})" if taught else "stated defaults"
        lines.append(_line("", f"thresholds are {of}; precision is {known}"))
    if summary.get("history"):
        lines.append(_line("decided", run_facts.decision_words(summary)))
    if summary.get("tables_dropped"):
        lines.append(_line("", f"its tables were dropped {summary['tables_dropped'][:10]}"))
    return lines


def _failures(summary: dict[str, Any]) -> list[str]:
    """What stopped the run, or what it could not write once it was published."""
    if summary["status"] == "failed":
        return [
            _line("stopped in", summary["stage"]),
            _line("error", summary["error"]),
            _line("", run_facts.LAST),
        ]
    amiss = run_facts.unwritten_outputs(summary)
    lines = [_line("NOT WRITTEN", f"{what}: {why}") for what, why in amiss[:LISTED]]
    untold = {**summary.get("not_notified", {}), **summary.get("metrics_failed", {})}
    lines += [*_more(len(amiss)), *(_line("NOT TOLD", f"{to}: {untold[to]}") for to in untold)]
    return lines


def _more(count: int) -> list[str]:
    return [_line("", f"and {count - LISTED} more")] if count > LISTED else []


def _gates(summary: dict[str, Any]) -> list[str]:
    """Failed gates one by one, first; those that passed in one line."""
    if not summary["gates"]:
        return []
    failed = run_facts.failed_gates(summary)
    lines = [
        _line(
            "gate FAILED",
            f"{gate['gate']}: {formats.number(gate['value'])} "
            f"(limit {formats.number(gate['limit'])}) {gate['message'][:90]}{_responsible(gate)}",
        )
        for gate in failed[:LISTED]
    ]
    passed = len(summary["gates"]) - len(failed)
    return [
        *lines,
        *_more(len(failed)),
        _line("gates", f"{passed} of {len(summary['gates'])} passed"),
    ]


def _responsible(gate: dict[str, Any]) -> str:
    """The clusters that made a gate fail, the first few; older runs name none."""
    ids = gate.get("clusters") or []
    return f"; see {', '.join(ids[:SEEN])}" if ids else ""


def _next(summary: dict[str, Any]) -> list[str]:
    return [_line("next", command) for command in run_facts.headline(summary).commands]


def _figures(summary: dict[str, Any]) -> list[str]:
    counts = summary["counts"]
    removable = f"{counts['removable']:,} ({formats.share(run_facts.removable_share(summary))})"
    more = run_facts.in_review(summary)
    lines = [
        _line("rows", f"{counts['rows']:,} in, {counts['quarantined']:,} quarantined"),
        _line(
            "records",
            f"{counts['records']:,} ({counts['with_text']:,} text, {counts['with_image']:,} image)",
        ),
        _line(
            "pairs",
            f"{counts['duplicates']:,} duplicate, {counts['review']:,} for review, "
            f"of {counts['candidates']:,} candidates",
        ),
        _line(
            "clusters",
            f"{counts['duplicate_clusters']:,} of 2+, largest {counts['largest_cluster']:,}; "
            f"{counts['cut_links']:,} links cut",
        ),
        _line("removable", "; ".join(filter(None, [removable, more, "nothing is deleted"]))),
    ]
    told = (
        ("changes", change_words.record_words(summary), "records: "),
        ("", change_words.cluster_words(summary), "clusters of 2+: "),
        ("verdicts", change_words.verdict_words(summary), ""),
    )
    lines += [_line(label, f"{what}{words}") for label, words, what in told if words]
    if decided_by.geometry_words(summary):
        lines.append(_line("geometry", decided_by.geometry_words(summary)))
    for kind, found in run_facts.recall_words(summary):
        bounds = f"{formats.share(found['low'])} to {formats.share(found['high'])}"
        lines.append(_line("recall", f"{formats.share(found['recall'])} {kind} ({bounds})"))
    late = decided_by.cascade(summary)
    return [*lines, _line("cascade", late)] if late else lines


def _labels(summary: dict[str, Any]) -> list[str]:
    labels = summary.get("labels")
    if not labels:
        return []
    precision, recall = (
        f"{name} {formats.share(labels[name])} (≥ {formats.share(labels[f'{name}_low'])})"
        for name in ("precision", "recall")
    )
    return [_line("labels", f"{precision}, {recall}, {labels['pairs']:,} pairs")]


def _stages(summary: dict[str, Any], *, room: int) -> list[str]:
    """Seconds per stage, slowest kept when there is no room for all."""
    stages = summary["stages"]
    if room < 1:
        return []
    kept = sorted(stages, key=lambda stage: -stage["seconds"])[
        : room if len(stages) <= room else room - 1
    ]
    lines = [
        _line("stage", f"{stage['stage']:<16}{stage['seconds']:>9.1f} s {stage['rows']:>12,} rows")
        for stage in stages
        if stage in kept
    ]
    left = len(stages) - len(kept)
    return [*lines, _line("stage", f"{left} faster ones not listed")] if left else lines
