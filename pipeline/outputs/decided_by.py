"""Deciders of a run: who and what decided, in the words of report and terminal."""

from __future__ import annotations

from typing import Any

from pipeline.outputs import formats
from pipeline.outputs.run_facts import Fact, Summary


def uncalibrated_words(summary: Summary) -> str:
    """What it means that a run is not calibrated, in a sentence or two."""
    stated = (
        f"No labelled pairs set these thresholds: they are {threshold_words(summary)}, and the "
        "probabilities are estimates."
    )
    if summary.get("labels"):
        return f"{stated} What they achieve on your labelled pairs is shown below."
    return f"{stated} The precision on your data is unknown: check a sample before acting on it."


def threshold_words(summary: Summary) -> str:
    """Where the thresholds of a run without labels are from."""
    taught = self_calibration_words(summary)
    if not taught:
        return "the encoders' stated defaults"
    return f"found on edited copies of the corpus' own records for {taught}, else stated defaults"


def self_calibration_words(summary: Summary) -> str:
    """The modalities whose thresholds edited copies gave."""
    found = _synthetic(summary).items()
    return " and ".join(f"{kind}s" for kind, facts in found if facts["rule"])


def synthetic_words(summary: Summary) -> list[Fact]:
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


def geometry_words(summary: Summary) -> str:
    """What laying pictures upon each other found; empty where it was not done."""
    found = summary.get("geometry")
    if not found:
        return ""
    looked = f"{found['looked_at']:,} pairs of pictures laid upon each other"
    return f"{looked}: {found['verified']:,} are one picture, edited"


def low_information_words(summary: Summary) -> list[Fact]:
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


def model_words(summary: Summary) -> list[Fact]:
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
    looked = [Fact("Geometry", geometry_words(summary))] if geometry_words(summary) else []
    judge = [
        Fact("Judge", model["judge"]),
        Fact("Thresholds", thresholds),
        *low_information_words(summary),
    ]
    return [*encoders, *judge, *synthetic_words(summary), *looked]
