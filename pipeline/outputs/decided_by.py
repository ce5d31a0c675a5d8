"""Deciders of a run: who and what decided, in the words of report and terminal."""

from __future__ import annotations

from pipeline.catalog import RunSummary
from pipeline.outputs import formats
from pipeline.outputs.run_facts import Fact


def uncalibrated_words(summary: RunSummary) -> str:
    """What it means that a run is not calibrated, in a sentence or two."""
    stated = (
        f"No labelled pairs set these thresholds: they are {threshold_words(summary)}, and the "
        "probabilities are estimates."
    )
    if summary.labels:
        return f"{stated} What they achieve on your labelled pairs is shown below."
    return f"{stated} The precision on your data is unknown: check a sample before acting on it."


def threshold_words(summary: RunSummary) -> str:
    """Where the thresholds of a run without labels are from."""
    taught = self_calibration_words(summary)
    if not taught:
        return "stated defaults"
    return f"found on edited copies of the corpus' own records for {taught}, else stated defaults"


def self_calibration_words(summary: RunSummary) -> str:
    """The modalities whose thresholds edited copies gave."""
    return " and ".join(
        f"{kind}s" for kind, found in summary.state.self_calibrations.items() if found.rule
    )


def synthetic_words(summary: RunSummary) -> list[Fact]:
    """What edited copies said of the thresholds, by modality."""
    facts = []
    for kind, found in summary.state.self_calibrations.items():
        label = f"Threshold of {kind}s, from edited copies"
        rule = found.rule
        if not rule:
            facts.append(Fact(label, "the stated default", found.why or ""))
            continue
        expected = f"expected precision {formats.share(rule.precision)}"
        score = "cosine" if rule.level is None else "cosine above both sides' neighbourhoods"
        plain, normalised = (formats.share(share) for share in rule.gain)
        facts.append(
            Fact(
                label,
                f"{score} from {rule.accept:.3f}",
                f"{expected} (at least {formats.share(rule.precision_low)}), "
                f"{formats.share(rule.recall)} of {rule.made:,} copies; found at that "
                f"precision by the plain cosine {plain}, by this score {normalised}",
            )
        )
    return facts


def geometry_words(summary: RunSummary) -> str:
    """What laying pictures upon each other found; empty where it was not done."""
    found = summary.geometry
    if not found:
        return ""
    looked = f"{found.looked_at:,} pairs of pictures laid upon each other"
    return f"{looked}: {found.verified:,} are one picture, edited"


def low_information_words(summary: RunSummary) -> list[Fact]:
    """What has too little in it to be matched by an embedding alone."""
    pictures, texts = summary.counts.low_detail_images, summary.counts.short_texts
    if not pictures and not texts:
        return []
    value = f"{pictures:,} pictures, {texts:,} texts"
    note = "blank, plain or tiny ones and a few words: joined by identical content, not by cosines"
    return [Fact("Too little to match by an embedding", value, note)]


def cascade(summary: RunSummary) -> str:
    """What a cascade let through to its teacher; empty without one."""
    found = summary.cascade
    if not found:
        return ""
    choice = found.choice
    share = f"{formats.share(found.share_asked)} of the texts met the teacher"
    by = f"floor {choice.floor:g}, margin {choice.margin:g}"
    if not choice.measured:
        return f"{share}; {by} (stated: {choice.duplicates:,} duplicates in the sample)"
    bounds = f"{formats.share(choice.low)} to {formats.share(choice.high)}"
    return f"{share}; {by}, {formats.share(choice.recall)} of its duplicates kept ({bounds})"


def model_words(summary: RunSummary) -> list[Fact]:
    """The encoders, judge and index of the run, with thresholds."""
    models, index = summary.models, summary.index
    facts = []
    for kind, encoder in models.encoders():
        note = f"fingerprint {encoder.fingerprint}"
        if kind == "student":
            facts.append(Fact("Student before it", encoder.name, f"{note}; {cascade(summary)}"))
            continue
        searched = (index.text if kind == "text" else index.image) or "none"
        note = f"{note}, search floor {encoder.floor:g}, index {searched}"
        facts.append(Fact(f"{kind.capitalize()} encoder", encoder.name, note))
    limits = summary.thresholds
    thresholds = f"duplicate from {limits.accept:g}, review from {limits.review:g}"
    looked = geometry_words(summary)
    return [
        *facts,
        Fact("Judge", models.judge),
        Fact("Thresholds", thresholds),
        *low_information_words(summary),
        *synthetic_words(summary),
        *([Fact("Geometry", looked)] if looked else []),
    ]
