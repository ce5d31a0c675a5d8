"""What a run's summary says, in the words the report and the terminal share."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

from pipeline.reporting import formats

Summary = dict[str, Any]
LAST = "Readers still see the last published run."


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


def responsible(summary: Summary) -> list[str]:
    """The clusters that made gates fail, each once; runs of an older Gemel name none."""
    ids = (one for gate in failed_gates(summary) for one in gate.get("clusters", ()))
    return list(dict.fromkeys(ids))


def verdict(summary: Summary) -> Verdict:
    """Judge by status, gates and what was written: a run with anything amiss is not fine."""
    match summary["status"]:
        case "published":
            return _published(summary)
        case "failed":
            detail = f"Stopped in {summary['stage']}: {summary['error']}. {LAST}"
            return Verdict(False, "Failed", detail)
        case "discarded" | "rolled_back" as status:
            title = "Discarded" if status == "discarded" else "Rolled back"
            return Verdict(False, title, f"{decision(summary)}. {LAST}")
    detail = f"{_failed_count(summary)}. Nothing was published. {LAST}"
    return Verdict(False, "Held", detail, commands(summary))


def commands(summary: Summary) -> tuple[str, ...]:
    """What to do with a held run, ready to copy."""
    place = f" --catalog {shlex.quote(summary['catalog'])}" if summary.get("catalog") else ""
    return tuple(
        f"gemel runs {do} {summary['run']}{place}" for do in ("show", "release", "discard")
    )


def decision(summary: Summary) -> str:
    """The last thing a person decided about a run, by whom, when and why; empty without."""
    history = summary.get("history") or []
    if not history:
        return ""
    last = history[-1]
    said = f"{last['action']} by {last['by']}, {formats.moment(last['at'])}: {last['reason']}"
    return said[0].upper() + said[1:]


def _published(summary: Summary) -> Verdict:
    readers, told = "Readers see this run.", decision(summary)
    if failed_gates(summary) and not told:
        detail = f"{_failed_count(summary)}. {readers}"
        return Verdict(False, "Published despite failed gates", detail)
    gates = f"All {len(summary['gates'])} gates passed"
    if failed_gates(summary):
        gates = _failed_count(summary)
    passed = f"{'. '.join(filter(None, (gates, told)))}. {readers}"
    amiss = unwritten(summary)
    if amiss:
        told = " ".join(f"Not written: {what} ({why})." for what, why in amiss)
        return Verdict(False, "Published, not all written", f"{passed} {told}")
    return Verdict(True, "Published", passed)


def _failed_count(summary: Summary) -> str:
    return f"{len(failed_gates(summary))} of {len(summary['gates'])} gates failed"


def unwritten(summary: Summary) -> list[tuple[str, str]]:
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
    failed = [decision(summary)] if summary.get("history") else failed
    amiss = [f"not written: {what}: {why}" for what, why in unwritten(summary)]
    return "; ".join([*failed, *amiss])


def uncalibrated(summary: Summary) -> str:
    """What it means that a run is not calibrated, in a sentence or two."""
    stated = (
        f"No labelled pairs set these thresholds: they are {threshold_source(summary)}, and the "
        "probabilities are estimates."
    )
    if summary.get("labels"):
        return f"{stated} What they achieve on your labelled pairs is shown below."
    return f"{stated} The precision on your data is unknown: check a sample before acting on it."


def threshold_source(summary: Summary) -> str:
    """Where the thresholds of a run without labels are from."""
    taught = self_taught(summary)
    if not taught:
        return "the encoders' stated defaults"
    return f"found on edited copies of the corpus' own records for {taught}, else stated defaults"


def self_taught(summary: Summary) -> str:
    """The modalities whose thresholds edited copies gave."""
    found = _synthetic(summary).items()
    return " and ".join(f"{kind}s" for kind, facts in found if facts["rule"])


def synthetic(summary: Summary) -> list[Fact]:
    """What edited copies said of the thresholds, by modality."""
    facts = []
    for kind, found in _synthetic(summary).items():
        label = f"Threshold of {kind}s, from edited copies"
        rule = found["rule"]
        if not rule:
            facts.append(Fact(label, "the stated default", found["why"]))
            continue
        expected = f"expected precision {formats.share(rule['precision'])}"
        score = "cosine" if rule["level"] is None else "cosine above both sides' neighbourhoods"
        plain, normalised = (formats.share(share) for share in rule["gain"])
        facts.append(
            Fact(
                label,
                f"{score} from {rule['accept']:.3f}",
                f"{expected} (at least {formats.share(rule['precision_low'])}), "
                f"{formats.share(rule['recall'])} of {rule['made']:,} copies; found at that "
                f"precision by the plain cosine {plain}, by this score {normalised}",
            )
        )
    return facts


def geometry(summary: Summary) -> str:
    """What laying pictures upon each other found; empty where it was not done."""
    found = summary.get("geometry")
    if not found:
        return ""
    looked = f"{found['looked_at']:,} pairs of pictures laid upon each other"
    return f"{looked}: {found['verified']:,} are one picture, edited"


def poor(summary: Summary) -> list[Fact]:
    """What has too little in it to be matched by an embedding alone."""
    pictures, texts = (
        summary.get("counts", {}).get(name, 0) for name in ("low_detail_images", "short_texts")
    )
    if not pictures and not texts:
        return []
    value = f"{pictures:,} pictures, {texts:,} texts"
    note = "blank, plain or tiny ones and a few words: joined by identical content, not by cosines"
    return [Fact("Too little to match by an embedding", value, note)]


def _synthetic(summary: Summary) -> dict[str, Any]:
    return dict(summary.get("state", {}).get("synthetic") or {})


def removable_share(summary: Summary) -> float:
    """Records that a removal list would name, as a share of all records."""
    counts = summary["counts"]
    return float(counts["removable"] / counts["records"]) if counts["records"] else 0.0


def in_review(summary: Summary) -> str:
    """How many more would go with the clusters in review; empty where a run did not count them."""
    more = summary["counts"].get("removable_in_review")
    return "" if more is None else f"{formats.count(more)} more in clusters for review"


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
            _removable(summary),
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


def cascade(summary: Summary) -> str:
    """What a cascade let through to its teacher; empty without one."""
    found = summary.get("cascade")
    if not found:
        return ""
    share = f"{formats.share(found['share_asked'])} of the texts met the teacher"
    by = f"floor {found['floor']:g}, margin {found['margin']:g}"
    if not found["measured"]:
        return f"{share}; {by} (stated: {found['duplicates']:,} duplicates in the sample)"
    bounds = f"{formats.share(found['low'])} to {formats.share(found['high'])}"
    return f"{share}; {by}, {formats.share(found['recall'])} of its duplicates kept ({bounds})"


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
    if model.get("student"):
        name, fingerprint = (model["student"][key] for key in ("name", "fingerprint"))
        note = f"fingerprint {fingerprint}; {cascade(summary)}"
        encoders.insert(1, Fact("Student before it", name, note))
    limits = summary["thresholds"]
    thresholds = f"duplicate from {limits['accept']:g}, review from {limits['review']:g}"
    looked = [Fact("Geometry", geometry(summary))] if geometry(summary) else []
    judge = [Fact("Judge", model["judge"]), Fact("Thresholds", thresholds), *poor(summary)]
    return [*encoders, *judge, *synthetic(summary), *looked]


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
