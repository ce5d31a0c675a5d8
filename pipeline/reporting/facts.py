"""What a run's summary says, in the words the report and the terminal share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.reporting import formats

Summary = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure with its name and, where it helps, a note below."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether tonight is fine, in one line and one sentence."""

    fine: bool
    title: str
    detail: str
    commands: tuple[str, ...] = ()  # what to do next, ready to copy


def failed_gates(summary: Summary) -> list[dict[str, Any]]:
    """The gates that did not hold."""
    return [gate for gate in summary["gates"] if not gate["passed"]]


def verdict(summary: Summary) -> Verdict:
    """Judge by status and gates together: published with a failed gate is not fine."""
    failed, gates = failed_gates(summary), len(summary["gates"])
    published = summary["status"] == "published"
    if published and not failed:
        return Verdict(True, "Published", f"All {gates} gates passed. Readers see this run.")
    count = f"{len(failed)} of {gates} gates failed"
    if published:
        return Verdict(False, "Published despite failed gates", f"{count}. Readers see this run.")
    detail = f"{count}. Nothing was published: readers still see the last published run."
    commands = (f"gemel runs show {summary['run']}",)
    return Verdict(False, "Held", detail, commands)


def uncalibrated(summary: Summary) -> str:
    """What it means that a run is not calibrated, in a sentence or two."""
    stated = (
        "No labelled pairs set these thresholds: they are the encoders' stated defaults, and the "
        "probabilities are estimates."
    )
    if summary.get("labels"):
        return f"{stated} What they achieve on your labelled pairs is shown below."
    return f"{stated} The precision on your data is unknown: check a sample before acting on it."


def removable_share(summary: Summary) -> float:
    """Records that a removal list would name, as a share of all records."""
    counts = summary["counts"]
    return float(counts["removable"] / counts["records"]) if counts["records"] else 0.0


def run_facts(summary: Summary) -> list[Fact]:
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
            f"{formats.share(removable_share(summary))} of the records",
        ),
        Fact("Largest cluster", formats.count(counts["largest_cluster"]), "records"),
        *[
            Fact(f"Candidate recall, {kind}", formats.share(found["recall"]), _interval(found))
            for kind, found in recalls(summary)
        ],
        Fact("Cut links", formats.count(counts["cut_links"]), "kept out of clusters"),
    ]


def recalls(summary: Summary) -> list[tuple[str, dict[str, Any]]]:
    """Candidate recall of the modalities that were measured."""
    measured = summary["candidate_recall"]
    return [(kind, measured[kind]) for kind in ("text", "image") if measured[kind]]


def models(summary: Summary) -> list[Fact]:
    """The encoders, judge and index of the run, with thresholds."""
    model, index = summary["model"], summary["index"]
    encoders = [
        Fact(
            f"{kind.capitalize()} encoder",
            model[kind]["name"],
            f"fingerprint {model[kind]['fingerprint']}, search floor {model[kind]['floor']:g}, "
            f"index {index[kind] or 'none'}",
        )
        for kind in ("text", "image")
        if model[kind]
    ]
    limits = summary["thresholds"]
    thresholds = f"duplicate from {limits['accept']:g}, review from {limits['review']:g}"
    return [*encoders, Fact("Judge", model["judge"]), Fact("Thresholds", thresholds)]


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
