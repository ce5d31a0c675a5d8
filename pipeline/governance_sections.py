"""The sections of a governance report, one function each: facts in, blocks out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pipeline import governance_figures as figures
from pipeline.document import bullets, section, table, text, warning
from pipeline.failures import RATES, words
from pipeline.governance_facts import (
    ErrorFacts,
    ErrorPair,
    FailureFacts,
    GovernanceFacts,
    Measure,
    ModelFacts,
    PairFacts,
    QualityFacts,
    ScoreFacts,
    SplitFacts,
    ThresholdFacts,
    TrainingFacts,
)
from pipeline.reporting import formats
from pipeline.train_config import REFUSED_PURPOSES

Section = dict[str, Any]

REFUSALS = {
    "identifying people": "Identification of people, from names, faces or any other record. A "
    "score says that two records are alike, never that two persons are one.",
    "access control": "Access control and authentication: nobody may be let in or kept out by it.",
    "admitting people": "Admission: nobody may be admitted, refused or ranked by it.",
}
GENERAL_LIMITS = (
    "The figures hold for records like the labelled ones. They say nothing about another source, "
    "language or time until pairs from there are labelled.",
    "A labelled pair is somebody's judgement: errors of the labels are in every figure here.",
    "The thresholds belong to this version alone; another version has its own.",
    "Results are suggestions; nothing is deleted, and a keeper is for a person to confirm.",
)


def model(facts: ModelFacts) -> Section:
    """What the model is."""
    known = {
        "Name": facts.name,
        "Version": facts.version,
        "Purpose": facts.purpose,
        "Encoder": facts.encoder,
        "Judge": facts.judge,
        "Started from": facts.parent,
        "Created": facts.created,
    }
    rows = [(name, value) for name, value in known.items() if value]
    says = (
        "A Siamese encoder turns each record into a vector, a judge turns the evidence on a pair "
        "of records into the probability that they are duplicates."
    )
    return section(
        "model", "What the model is", text(says), table(("Fact", "Value"), rows, words=2)
    )


def use(facts: ModelFacts) -> Section:
    """What it may be used for."""
    purpose = (
        facts.intended_use or f"Finding duplicate and near-duplicate records: {facts.purpose}."
    )
    return section("use", "Intended use", text(purpose))


def out_of_scope() -> Section:
    """What it may not be used for, by name."""
    uses = dict.fromkeys(REFUSED_PURPOSES.values())
    return section(
        "out-of-scope",
        "Out of scope",
        text("These uses are refused, and so is a configuration that declares one of them:"),
        bullets(REFUSALS.get(name, f"{name.capitalize()}.") for name in uses),
    )


def data(facts: Mapping[str, Any]) -> Section:
    """The labels read, what was dropped and how contradictions were settled."""
    rules = [value for path, value in _flat(facts) if path[-1] == "rule"]
    rows = [
        (", ".join(path).replace("_", " "), _shown(value))
        for path, value in _flat(facts)
        if not isinstance(value, list) and path[-1] != "rule"
    ]
    examples = [
        f"{', '.join(path[:-1]).replace('_', ' ')}: {_example(item)}"
        for path, value in _flat(facts)
        if path[-1] == "examples"
        for item in value[:5]
    ]
    return section(
        "data",
        "Labels",
        table(("Read", "Count"), rows),
        *(text(f"How conflicts were resolved: {rule}") for rule in rules),
        text("Examples of what was dropped or contradictory:") if examples else None,
        bullets(examples) if examples else None,
    )


def pairs(facts: PairFacts) -> Section:
    """How positives and negatives came to be."""
    groups = (
        ("positive", facts.positives),
        ("negative", facts.negatives),
        ("excluded from the negatives", facts.excluded),
    )
    rows = [
        (kind, origin.replace("_", " "), formats.count(count))
        for kind, origins in groups
        for origin, count in origins.items()
    ]
    return section(
        "pairs",
        "Pair construction",
        table(("Kind", "Origin", "Pairs"), rows, words=2),
        text(facts.note) if facts.note else None,
    )


def split(facts: SplitFacts) -> Section:
    """How pairs were divided, and whether anything is in two parts."""
    rows = [
        (
            name,
            formats.count(part.pairs),
            formats.count(part.positives),
            "" if part.records is None else formats.count(part.records),
        )
        for name, part in facts.parts.items()
    ]
    leaks = {
        kind: found["count"]
        for kind, found in facts.leaks.items()
        if isinstance(found, Mapping) and found.get("count")
    }
    clean = "Leak check: no record, content or entity is in two splits."
    found = ", ".join(f"{formats.count(count)} {kind}" for kind, count in leaks.items())
    return section(
        "splits",
        "Splits and leak check",
        text(facts.how),
        table(("Split", "Pairs", "Duplicates", "Records"), rows),
        warning(f"Leak check: {found} in two splits; the held-out figures may be too good.")
        if leaks
        else text(clean),
    )


def training(facts: TrainingFacts | None) -> Section:
    """How the encoder was trained."""
    if facts is None:
        return section("training", "Training", text("The encoder was not trained, only the judge."))
    known = {
        **{name.replace("_", " "): value for name, value in facts.settings.items()},
        "seed": facts.seed,
        "best epoch": facts.best_epoch,
        "time": None if facts.seconds is None else formats.duration(facts.seconds),
        "device": facts.device,
        **facts.versions,
    }
    rows = [(name, _shown(value)) for name, value in known.items() if value is not None]
    return section(
        "training",
        "Training",
        table(("Setting", "Value"), rows, words=2),
        *(figures.training_curve(name, values) for name, values in facts.curves.items() if values),
    )


def threshold(facts: ThresholdFacts) -> Section:
    """Where decisions fall, and why there."""
    bound = (
        f"one-sided {100 * facts.confidence:g} % lower bound {facts.precision_low:.4f}, from "
        f"{formats.count(facts.pairs)} labelled pairs at or above it"
    )
    if facts.reachable:
        reason = text(
            f"Accept at {facts.accept:.4f}: the lowest score at which the precision's lower bound "
            f"meets the target of {facts.target_precision:.4f} (precision {facts.precision:.4f}, "
            f"{bound})."
        )
    else:
        reason = warning(
            f"The target precision of {facts.target_precision:.4f} is not reachable with these "
            f"labels. Accept is at {facts.accept:.4f}, where the bound is best (precision "
            f"{facts.precision:.4f}, {bound})."
        )
    known = {
        "Accept threshold": facts.accept,
        "Review threshold": facts.review,
        "Target precision": facts.target_precision,
        "Precision at accept": facts.precision,
        "Its lower bound": facts.precision_low,
        "Target recall at review": facts.target_recall,
        "Recall at review": facts.recall,
        "Its lower bound (recall)": facts.recall_low,
        "Brier score": facts.brier,
        "Expected calibration error": facts.calibration_error,
    }
    rows = [(name, f"{value:.4f}") for name, value in known.items() if value is not None]
    return section(
        "threshold",
        "Thresholds and calibration",
        reason,
        text(f"Probabilities were calibrated by {facts.method}.") if facts.method else None,
        text(facts.note) if facts.note else None,
        table(("Figure", "Value"), rows),
        figures.reliability(facts.reliability) if facts.reliability else None,
    )


def quality(facts: QualityFacts | None) -> Section:
    """How good it is on the held-out pairs, and against whom."""
    title = "Quality on held-out pairs"
    if facts is None:
        return section("quality", title, text("No held-out pairs were evaluated."))
    rows = [
        (name.replace("_", " "), f"{m.value:.4f}", _interval(m))
        for name, m in facts.metrics.items()
    ]
    gate = [
        ("passed" if row["passed"] else "FAILED", row["name"], row["message"]) for row in facts.gate
    ]
    return section(
        "quality",
        title,
        text(f"Measured on the split {facts.split}."),
        table(("Metric", "Value", "95 % interval"), rows),
        text(_comparison(facts.comparison)) if facts.comparison else None,
        table(("Gate", "Check", "What it says"), gate, words=3) if gate else None,
        figures.precision_recall(facts.curve) if facts.curve else None,
    )


def failures(rates: dict[str, Any], facts: FailureFacts) -> Section:
    """On whom the failures fall."""
    overall = [(words(name), *_rate(rates["overall"][name])) for name in RATES]
    slices = [
        block
        for attribute, values in rates["slices"].items()
        for block in (
            table(
                (attribute, "Rate", "Failures", "Pairs", "Value", "95 % interval"),
                [
                    (
                        f"{value} (too small to tell)" if rate[name]["small"] else value,
                        words(name),
                        *_rate(rate[name]),
                    )
                    for value, rate in values.items()
                    for name in RATES
                ],
                words=2,
            ),
            bullets(_ratio(attribute, name, rates["ratios"][attribute][name]) for name in RATES),
        )
    ]
    return section(
        "failures",
        "Failure rates at the accept threshold",
        text(
            "False match rate: share of the pairs labelled different that are accepted. False "
            "non-match rate: share of the pairs labelled the same that are not. Intervals are "
            "Wilson's, 95 %."
        ),
        table(("Rate", "Failures", "Pairs", "Value", "95 % interval"), overall),
        *slices,
        None if slices else text("No slices were named: failures are not told apart by group."),
        *(warning(words) for words in rates["warnings"]),
    )


def errors(facts: ErrorFacts | None) -> Section:
    """The worst single decisions."""
    title = "The worst errors"
    if facts is None:
        return section("errors", title, text("No errors were recorded."))
    columns = ("Probability", "Left", "Left text", "Right", "Right text")
    blocks = []
    for name, found in (
        ("Highest-scored pairs that are labelled different", facts.false_matches),
        ("Lowest-scored pairs that are labelled the same", facts.missed),
    ):
        blocks.append(text(f"{name}:" if found else f"{name}: none."))
        if found:
            blocks.append(table(columns, [_error(pair) for pair in found], words=5))
    return section("errors", title, *blocks)


def scores(
    facts: ScoreFacts | None, thresholds: ThresholdFacts, moved: dict[str, Any] | None
) -> Section:
    """How scores are distributed, and whether they have moved since training."""
    rows = (
        [
            ("Population stability index", f"{moved['psi']:.4f}"),
            ("Kolmogorov-Smirnov distance", f"{moved['ks']:.4f}"),
            ("Pairs", formats.count(moved["pairs"])),
            ("Pairs in training", formats.count(moved["train_pairs"])),
        ]
        if moved
        else []
    )
    alarm = moved is not None and moved["level"] in ("moved", "drifted")
    says = moved["words"] if moved else "Every run compares its scores with those of training."
    return section(
        "scores",
        "Scores and their drift",
        figures.score_histograms(facts, thresholds) if facts else None,
        warning(says) if alarm else text(says),
        table(("Drift", "Value"), rows) if rows else None,
    )


def limits(facts: GovernanceFacts) -> Section:
    """What the figures do not say."""
    return section("limits", "Limits", bullets((*facts.limits, *GENERAL_LIMITS)))


# --- words -------------------------------------------------------------------------------------


def _flat(facts: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Leaves of nested facts with their paths, but for per-file entries and the split."""
    for name, value in facts.items():
        if not path and name in ("entries", "split"):
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, (*path, str(name)))
        else:
            yield (*path, str(name)), value


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return formats.count(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _example(item: Any) -> str:
    if isinstance(item, Mapping):
        return ", ".join(f"{name} {_listed(value)}" for name, value in item.items())
    return str(item)


def _listed(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(str(part) for part in value)
    return "none" if value is None else str(value)


def _interval(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return ""
    return f"{measure.low:.4f} to {measure.high:.4f}"


def _comparison(facts: Mapping[str, Any]) -> str:
    interval = f"{facts['low']:+.4f} to {facts['high']:+.4f}"
    metric = str(facts.get("metric", "the metric")).replace("_", " ")
    return (
        f"Against {facts.get('against', 'the model before it')}, on the same pairs: {metric} "
        f"{facts['difference']:+.4f} (95 % interval {interval}, paired bootstrap)."
    )


def _rate(rate: Mapping[str, Any]) -> tuple[str, str, str, str]:
    if rate["value"] is None:
        return "0", "0", "no pairs", ""
    interval = f"{formats.share(rate['low'])} to {formats.share(rate['high'])}"
    shown = formats.share(rate["value"])
    return formats.count(rate["wrong"]), formats.count(rate["n"]), shown, interval


def _ratio(attribute: str, name: str, ratio: Mapping[str, Any]) -> str:
    if ratio["worst"] is None:
        return f"{words(name)} by {attribute}: fewer than two slices are large enough to compare."
    between = f"worst slice {ratio['worst']}, best {ratio['best']}"
    if ratio["ratio"] is None:
        return f"{words(name)} by {attribute}: {between}, which has no failure; no ratio."
    return f"{words(name)} by {attribute}: {between}, ratio {ratio['ratio']:.2f}."


def _error(pair: ErrorPair) -> tuple[str, ...]:
    left, right = pair.left_text or "", pair.right_text or ""
    return f"{pair.probability:.4f}", pair.left_id, left, pair.right_id, right
