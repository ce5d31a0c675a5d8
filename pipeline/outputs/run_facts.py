"""Facts of a run's summary, in the words the report and the terminal share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.candidates import Recall
from pipeline.catalog import RunCounts, RunSummary
from pipeline.evaluation import Estimate
from pipeline.outputs import formats

REASONS = 5  # told of what could not be read, the most frequent first
LAST = "Readers still see the last published run."


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure with its name and, where it helps, a note below."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Headline:
    """Whether tonight is fine, in one line and one sentence."""

    fine: bool
    title: str
    detail: str
    commands: tuple[str, ...] = ()  # what to do next, ready to copy


def responsible(summary: RunSummary) -> list[str]:
    """The clusters that made gates fail, each once."""
    return list(dict.fromkeys(one for gate in summary.failed_gates for one in gate.clusters))


def headline(summary: RunSummary) -> Headline:
    """Judge by status, gates and what was written: a run with anything amiss is not fine."""
    match summary.status:
        case "published":
            return _published(summary)
        case "failed":
            detail = f"Stopped in {summary.stage}: {summary.error}. {LAST}"
            return Headline(False, "Failed", detail)
        case "discarded" | "rolled_back" as status:
            title = "Discarded" if status == "discarded" else "Rolled back"
            return Headline(False, title, f"{decision_words(summary)}. {LAST}")
    detail = f"{_failed_count(summary)}. Nothing was published. {LAST}"
    return Headline(False, "Held", detail, next_commands(summary))


def next_commands(summary: RunSummary) -> tuple[str, ...]:
    """What to do with a held run, ready to copy."""
    place = f" --catalog {shlex.quote(summary.catalog)}" if summary.catalog else ""
    return tuple(f"gemel runs {do} {summary.run}{place}" for do in ("show", "release", "discard"))


def decision_words(summary: RunSummary) -> str:
    """The last thing a person decided about a run, by whom, when and why; empty without."""
    if not summary.history:
        return ""
    last = summary.history[-1]
    said = f"{last.action} by {last.by}, {formats.moment(last.at)}: {last.reason}"
    return said[0].upper() + said[1:]


def _published(summary: RunSummary) -> Headline:
    readers, told = "Readers see this run.", decision_words(summary)
    if summary.failed_gates and not told:
        detail = f"{_failed_count(summary)}. {readers}"
        return Headline(False, "Published despite failed gates", detail)
    gates = f"All {len(summary.gates)} gates passed"
    if summary.failed_gates:
        gates = _failed_count(summary)
    passed = f"{'. '.join(filter(None, (gates, told)))}. {readers}"
    amiss = unwritten_outputs(summary)
    if amiss:
        told = " ".join(f"Not written: {what} ({why})." for what, why in amiss)
        return Headline(False, "Published, not all written", f"{passed} {told}")
    return Headline(True, "Published", passed)


def _failed_count(summary: RunSummary) -> str:
    return f"{len(summary.failed_gates)} of {len(summary.gates)} gates failed"


def unwritten_outputs(summary: RunSummary) -> list[tuple[str, str]]:
    """What a recorded run could not write or do afterwards, each with its reason."""
    found = list(summary.exports_failed.items())
    if summary.report_failed:
        found.insert(0, ("the report", summary.report_failed))
    if summary.retention_failed:
        found.append(("removal of what no kept run needs", summary.retention_failed))
    if summary.error and not summary.failed:
        found.append(("the rest, stopped after publishing", summary.error))
    return found


def in_short(summary: RunSummary) -> str:
    """Why a run is not fine, in one short line; empty when it is."""
    if summary.failed:
        return f"{summary.stage}: {summary.error}"
    failed = [gate.title for gate in summary.failed_gates]
    failed = [decision_words(summary)] if summary.history else failed
    amiss = [f"not written: {what}: {why}" for what, why in unwritten_outputs(summary)]
    return "; ".join([*failed, *amiss])


def removable_share(summary: RunSummary) -> float:
    """Records that a removal list would name, as a share of all records."""
    counts = summary.counts
    return counts.removable / counts.records if counts.records else 0.0


def in_review(summary: RunSummary) -> str:
    """How many more would go with the clusters in review."""
    return f"{formats.count(summary.counts.removable_in_review)} more in clusters for review"


def list_run_facts(summary: RunSummary) -> list[Fact]:
    """The figures of the header, the most asked for first."""
    counts = summary.counts
    exact, near = counts.exact_duplicates, counts.duplicates
    return [
        Fact("Rows in", formats.count(counts.rows)),
        Fact("Records", formats.count(counts.records), _content(counts)),
        Fact("Quarantined", formats.count(counts.quarantined), _quarantined(counts)),
        Fact("Duplicate pairs", formats.count(near), f"{formats.count(exact)} exact duplicates"),
        Fact("For review", formats.count(counts.review), "pairs between the thresholds"),
        Fact("Clusters of 2+", formats.count(counts.duplicate_clusters), "groups of duplicates"),
        Fact(
            "Would be removed",
            formats.count(counts.removable),
            _removable(summary),
        ),
        Fact("Largest cluster", formats.count(counts.largest_cluster), "records"),
        *[
            Fact(f"Candidate recall, {kind}", formats.share(found.recall), _interval(found))
            for kind, found in summary.recall.items()
        ],
        *[
            Fact(f"Expected {name}", said, f"{within}, of the pairs in clusters, without labels")
            for name, (said, within) in expected_quality(summary).items()
        ],
        Fact("Cut links", formats.count(counts.cut_links), "kept out of clusters"),
        *(Fact("Sources", *said) for said in source_words(summary)),
    ]


def source_words(summary: RunSummary) -> list[tuple[str, str]]:
    """Sources that look duplicate-free or are not what they are set to be: what, and why."""
    told = []
    for found in summary.sources:
        own, of = formats.count(found.inside), formats.count(found.records)
        inside = f"{own} of {of} records have an accepted partner inside the source"
        if found.looks_duplicate_free:
            across = f"{formats.count(found.across)} across"
            advice = "set sources[].duplicate_free: true if that is so"
            told.append((f"{found.source} looks duplicate-free", f"{inside}, {across}: {advice}"))
        elif found.duplicate_free and found.inside:
            same = f"{formats.count(found.identical)} an identical one"
            told.append(
                (f"{found.source} may not be duplicate-free", f"{inside}, {same}: kept apart")
            )
    return told


def label_facts(summary: RunSummary) -> list[Fact]:
    """Quality on labelled pairs; empty when the run had none."""
    labels = summary.labels
    if not labels:
        return []
    clusters = labels.clusters
    kinds = f"{labels.positives:,} are duplicates; {labels.unknown:,} name unknown records"
    return [
        Fact("Precision", formats.share(labels.precision.value), _least(labels.precision)),
        Fact("Recall", formats.share(labels.recall.value), _least(labels.recall)),
        Fact("F1", f"{labels.f1:.3f}"),
        Fact("Average precision", f"{labels.average_precision:.3f}"),
        Fact(
            "Found as candidates",
            formats.share(labels.candidate_recall),
            "of the labelled duplicates",
        ),
        Fact("Labelled pairs", formats.count(labels.pairs), kinds),
        *(
            Fact(f"B-cubed {name}", formats.share(found.value), _least(found))
            for name, found in (clusters.bcubed.items() if clusters else ())
        ),
    ]


def expected_quality(summary: RunSummary) -> dict[str, tuple[str, str]]:
    """What a run without labels expects of the pairs in its clusters, and within what."""
    found = {} if summary.expected is None else vars(summary.expected)
    return {
        name: (formats.share(one.value), f"{formats.share(one.low)} to {formats.share(one.high)}")
        for name, one in found.items()
    }


def _removable(summary: RunSummary) -> str:
    return f"{formats.share(removable_share(summary))} of the records; {in_review(summary)}"


def _least(found: Estimate) -> str:
    return f"at least {formats.share(found.low)} with 95 % confidence"


def _interval(found: Recall) -> str:
    bounds = f"{formats.share(found.low)} to {formats.share(found.high)}"
    basis = f"{found.pairs:,} true pairs of {found.sampled:,} records"
    return f"95 % interval {bounds}; {basis}"


def _content(counts: RunCounts) -> str:
    return f"{counts.with_text:,} with text, {counts.with_image:,} with an image"


def unread_words(summary: RunSummary) -> list[tuple[str, str]]:
    """What could not be read, by reason with counts: rows, pictures beside a text, whole files."""
    told = []
    if summary.quarantine_reasons:
        told.append(("quarantined", _counted(summary.quarantine_reasons)))
    if summary.problems:
        said = f"{formats.count(sum(summary.problems.values()))} records by their text alone"
        told.append(("no picture", f"{said}: {_counted(summary.problems)}"))
    for source, kinds in summary.left_out.items():
        told.append(("not read", f"{source}: {_counted(kinds)} (no input of this source)"))
    return told


def _counted(reasons: Mapping[str, int]) -> str:
    """The most frequent reasons, with how often each was met."""
    order = sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0]))
    said = [f"{reason} ({formats.count(count)})" for reason, count in order[:REASONS]]
    return ", ".join([*said, *(["…"] if len(order) > REASONS else [])])


def _quarantined(counts: RunCounts) -> str:
    part = counts.quarantined / counts.rows if counts.rows else 0.0
    return f"{formats.share(part)} of the rows"
