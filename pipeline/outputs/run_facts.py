"""Facts of a run's summary, in the words the report and the terminal share."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from pipeline.outputs import formats

Summary = dict[str, Any]
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


def failed_gates(summary: Summary) -> list[dict[str, Any]]:
    """The gates that did not hold."""
    return [gate for gate in summary["gates"] if not gate["passed"]]


def responsible(summary: Summary) -> list[str]:
    """The clusters that made gates fail, each once; runs of an older Gemel name none."""
    ids = (one for gate in failed_gates(summary) for one in gate.get("clusters", ()))
    return list(dict.fromkeys(ids))


def headline(summary: Summary) -> Headline:
    """Judge by status, gates and what was written: a run with anything amiss is not fine."""
    match summary["status"]:
        case "published":
            return _published(summary)
        case "failed":
            detail = f"Stopped in {summary['stage']}: {summary['error']}. {LAST}"
            return Headline(False, "Failed", detail)
        case "discarded" | "rolled_back" as status:
            title = "Discarded" if status == "discarded" else "Rolled back"
            return Headline(False, title, f"{decision_words(summary)}. {LAST}")
    detail = f"{_failed_count(summary)}. Nothing was published. {LAST}"
    return Headline(False, "Held", detail, next_commands(summary))


def next_commands(summary: Summary) -> tuple[str, ...]:
    """What to do with a held run, ready to copy."""
    place = f" --catalog {shlex.quote(summary['catalog'])}" if summary.get("catalog") else ""
    return tuple(
        f"gemel runs {do} {summary['run']}{place}" for do in ("show", "release", "discard")
    )


def decision_words(summary: Summary) -> str:
    """The last thing a person decided about a run, by whom, when and why; empty without."""
    history = summary.get("history") or []
    if not history:
        return ""
    last = history[-1]
    said = f"{last['action']} by {last['by']}, {formats.moment(last['at'])}: {last['reason']}"
    return said[0].upper() + said[1:]


def _published(summary: Summary) -> Headline:
    readers, told = "Readers see this run.", decision_words(summary)
    if failed_gates(summary) and not told:
        detail = f"{_failed_count(summary)}. {readers}"
        return Headline(False, "Published despite failed gates", detail)
    gates = f"All {len(summary['gates'])} gates passed"
    if failed_gates(summary):
        gates = _failed_count(summary)
    passed = f"{'. '.join(filter(None, (gates, told)))}. {readers}"
    amiss = unwritten_outputs(summary)
    if amiss:
        told = " ".join(f"Not written: {what} ({why})." for what, why in amiss)
        return Headline(False, "Published, not all written", f"{passed} {told}")
    return Headline(True, "Published", passed)


def _failed_count(summary: Summary) -> str:
    return f"{len(failed_gates(summary))} of {len(summary['gates'])} gates failed"


def unwritten_outputs(summary: Summary) -> list[tuple[str, str]]:
    """What a recorded run could not write or do afterwards, each with its reason."""
    found = list(summary.get("exports_failed", {}).items())
    if summary.get("report_failed"):
        found.insert(0, ("the report", summary["report_failed"]))
    if summary.get("retention_failed"):
        found.append(("removal of what no kept run needs", summary["retention_failed"]))
    if summary.get("error") and summary["status"] != "failed":
        found.append(("the rest, stopped after publishing", summary["error"]))
    return found


def in_short(summary: Summary) -> str:
    """Why a run is not fine, in one short line; empty when it is."""
    if summary["status"] == "failed":
        return f"{summary['stage']}: {summary['error']}"
    failed = [gate["gate"] for gate in failed_gates(summary)]
    failed = [decision_words(summary)] if summary.get("history") else failed
    amiss = [f"not written: {what}: {why}" for what, why in unwritten_outputs(summary)]
    return "; ".join([*failed, *amiss])


def removable_share(summary: Summary) -> float:
    """Records that a removal list would name, as a share of all records."""
    counts = summary["counts"]
    return float(counts["removable"] / counts["records"]) if counts["records"] else 0.0


def in_review(summary: Summary) -> str:
    """How many more would go with the clusters in review; empty where a run did not count them."""
    more = summary["counts"].get("removable_in_review")
    return "" if more is None else f"{formats.count(more)} more in clusters for review"


def list_run_facts(summary: Summary) -> list[Fact]:
    """The figures of the header, the most asked for first."""
    counts = summary["counts"]
    exact, near = counts["exact_duplicates"], counts["duplicates"]
    return [
        Fact("Rows in", formats.count(counts["rows"])),
        Fact("Records", formats.count(counts["records"]), _content(counts)),
        Fact("Quarantined", formats.count(counts["quarantined"]), _quarantined(counts)),
        Fact("Duplicate pairs", formats.count(near), f"{formats.count(exact)} exact duplicates"),
        Fact("For review", formats.count(counts["review"]), "pairs between the thresholds"),
        Fact("Clusters of 2+", formats.count(counts["duplicate_clusters"]), "groups of duplicates"),
        Fact(
            "Would be removed",
            formats.count(counts["removable"]),
            _removable(summary),
        ),
        Fact("Largest cluster", formats.count(counts["largest_cluster"]), "records"),
        *[
            Fact(f"Candidate recall, {kind}", formats.share(found["recall"]), _interval(found))
            for kind, found in recall_words(summary)
        ],
        Fact("Cut links", formats.count(counts["cut_links"]), "kept out of clusters"),
    ]


def recall_words(summary: Summary) -> list[tuple[str, dict[str, Any]]]:
    """Candidate recall of the modalities that were measured."""
    measured = summary["candidate_recall"]
    return [(kind, measured[kind]) for kind in ("text", "image") if measured[kind]]


def label_facts(summary: Summary) -> list[Fact]:
    """Quality on labelled pairs; empty when the run had none."""
    labels = summary.get("labels")
    if not labels:
        return []
    kinds = f"{labels['positives']:,} are duplicates; {labels['unknown']:,} name unknown records"
    return [
        Fact("Precision", formats.share(labels["precision"]), _least(labels["precision_low"])),
        Fact("Recall", formats.share(labels["recall"]), _least(labels["recall_low"])),
        Fact("F1", f"{labels['f1']:.3f}"),
        Fact("Average precision", f"{labels['average_precision']:.3f}"),
        Fact(
            "Found as candidates",
            formats.share(labels["candidate_recall"]),
            "of the labelled duplicates",
        ),
        Fact("Labelled pairs", formats.count(labels["pairs"]), kinds),
    ]


def _removable(summary: Summary) -> str:
    share = f"{formats.share(removable_share(summary))} of the records"
    more = in_review(summary)
    return f"{share}; {more}" if more else share


def _least(low: float) -> str:
    return f"at least {formats.share(low)} with 95 % confidence"


def _interval(found: dict[str, Any]) -> str:
    bounds = f"{formats.share(found['low'])} to {formats.share(found['high'])}"
    basis = f"{found['pairs']:,} true pairs of {found['sampled']:,} records"
    return f"95 % interval {bounds}; {basis}"


def _content(counts: dict[str, int]) -> str:
    return f"{counts['with_text']:,} with text, {counts['with_image']:,} with an image"


def _quarantined(counts: dict[str, int]) -> str:
    part = counts["quarantined"] / counts["rows"] if counts["rows"] else 0.0
    return f"{formats.share(part)} of the rows"
