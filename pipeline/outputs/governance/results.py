"""Sections on how the model decides and where it fails, one per function."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pipeline.catalog import GateCheck
from pipeline.evaluation import (
    Calibration,
    Drift,
    ErrorRate,
    ErrorRates,
    GroupRates,
    ModelMetrics,
    Rate,
    SliceRates,
    Threshold,
    WorstToBest,
)
from pipeline.outputs import formats
from pipeline.outputs.documents.document import (
    Block,
    Section,
    Text,
    bullets,
    section,
    table,
    text,
    warning,
)
from pipeline.outputs.governance import figures
from pipeline.outputs.governance.facts import ErrorFacts, ErrorPair, ScoreFacts
from pipeline.outputs.model_results import ModelComparison, few_label_words

RATES: dict[Rate, str] = {
    "false_match_rate": "false match rate",
    "false_non_match_rate": "false non-match rate",
}
GENERAL_LIMITS = (
    "The figures hold for records like the labelled ones. They say nothing about another source, "
    "language or time until pairs from there are labelled.",
    "A labelled pair is somebody's judgement: errors of the labels are in every figure here.",
    "The thresholds belong to this version alone; another version has its own.",
    "Results are suggestions; nothing is deleted, and a keeper is for a person to confirm.",
)


def thresholds(facts: Calibration, measured: ModelMetrics) -> Section:
    """Where decisions fall, why there, and whether the probabilities are right."""
    accept, review = facts.accept, facts.review
    rows = [
        ("Accept threshold", accept.value),
        ("Precision at accept", accept.precision),
        ("Its lower bound", accept.precision_low),
        ("Recall at accept", accept.recall),
        ("Review threshold", review.value),
        ("Recall at review", review.recall),
        ("Lower bound of that recall", review.recall_low),
        ("Brier score, held-out pairs", measured.calibration.brier),
        ("Expected calibration error, held-out pairs", measured.calibration.ece_equal_mass),
    ]
    return section(
        "threshold",
        "Thresholds and calibration",
        *([_few_labels(accept)] if facts.rule == "few_labels" else []),
        _accept(accept, facts.rule),
        _review(review),
        text(f"Probabilities were calibrated by {facts.chosen.chosen}."),
        *(text(words) for words in facts.unreachable),
        table(("Figure", "Value"), [(name, f"{value:.4f}") for name, value in rows]),
        figures.reliability_figure(measured.reliability) if measured.reliability else None,
    )


def quality(
    facts: ModelMetrics, comparison: ModelComparison | None, gate: Sequence[GateCheck]
) -> Section:
    """How good it is on the held-out pairs, and against whom."""
    measured = [
        (name.replace("_", " "), f"{m.value:.4f}", f"{m.low:.4f} to {m.high:.4f}")
        for name, m in vars(facts.metrics).items()
    ]
    checks = [("passed" if check.passed else "FAILED", check.name, check.message) for check in gate]
    return section(
        "quality",
        "Quality on held-out pairs",
        text(
            f"Measured on {formats.count(facts.pairs)} pairs held out from training and "
            f"calibration, {formats.count(facts.positives)} of them duplicates."
        ),
        _elsewhere(facts),
        table(("Metric", "Value", "95 % interval"), measured),
        *(_compared(comparison) if comparison else ()),
        table(("Gate", "Check", "What it says"), checks, words=3) if checks else None,
        figures.precision_recall_figure(facts.curve) if facts.curve else None,
    )


def failures(facts: ErrorRates) -> Section:
    """On whom the failures fall."""
    overall = [(words, *_rate(facts.overall.rate(name))) for name, words in RATES.items()]
    return section(
        "failures",
        "Failure rates at the accept threshold",
        text(
            "False match rate: share of the pairs labelled different that are accepted. False "
            "non-match rate: share of the pairs labelled the same that are not. Intervals are "
            "Wilson's, 95 %."
        ),
        table(("Rate", "Failures", "Pairs", "Value", "95 % interval"), overall),
        *(block for name, part in facts.slices.items() for block in _slices(name, part)),
        None
        if facts.slices
        else text("No slices were named: failures are not told apart by group."),
        *(
            warning(words)
            for name, part in facts.slices.items()
            for words in _warnings(name, part, facts)
        ),
    )


def errors(facts: ErrorFacts | None) -> Section:
    """The worst single decisions."""
    title = "The worst errors"
    if facts is None:
        return section("errors", title, text("No errors were recorded."))
    columns = ("Probability", "Left", "Left text", "Right", "Right text")
    blocks: list[Block] = []
    for name, found in (
        ("Highest-scored pairs that are labelled different", facts.false_matches),
        ("Lowest-scored pairs that are labelled the same", facts.missed),
    ):
        blocks.append(text(f"{name}:" if found else f"{name}: none."))
        if found:
            blocks.append(table(columns, [_error(pair) for pair in found], words=5))
    return section("errors", title, *blocks)


def scores(facts: ScoreFacts | None, calibration: Calibration, moved: Drift | None) -> Section:
    """How scores are distributed, and whether they have moved since training."""
    says = moved.words if moved else "Every run compares its scores with those of training."
    alarm = moved is not None and moved.level in ("moved", "drifted")
    figure = None
    if facts:
        figure = figures.score_histograms_figure(
            facts, accept=calibration.accept.value, review=calibration.review.value
        )
    return section(
        "scores",
        "Scores and their drift",
        warning(says) if alarm else text(says),
        _drift(moved) if moved else None,
        figure,
    )


def limits(own: Sequence[str]) -> Section:
    """What the figures do not say."""
    return section("limits", "Limits", bullets((*own, *GENERAL_LIMITS)))


def _few_labels(facts: Threshold) -> Text:
    """What is known, what is estimated, and what more answers would bring."""
    told = "; ".join(f"{label}: {words}" for label, words in few_label_words(facts))
    return text(f"Few labels. {told[0].upper()}{told[1:]}.")


def _elsewhere(facts: ModelMetrics) -> Text | None:
    """Says so where the figures are of another threshold."""
    if facts.measured_at is None:
        return None
    return warning(
        "The thresholds of this version are new, its held-out figures are not: precision, recall, "
        f"F1 and the failure rates were measured at {facts.measured_at.accept:.4f}, the accept "
        f"threshold of {facts.measured_at.model}. `gemel calibrate` with the test pairs measures "
        "them anew."
    )


# --- words -------------------------------------------------------------------------------------


def _accept(facts: Threshold, rule: str) -> Text:
    size = "" if facts.independent is None else f", effective sample size {facts.independent:.0f}"
    bound = (
        f"precision {facts.precision:.4f}, one-sided {100 * facts.confidence:g} % lower bound "
        f"{facts.precision_low:.4f}, from {formats.count(facts.accepted)} labelled pairs at or "
        f"above it{size}"
    )
    balanced = rule == "balanced"
    how = "the score of the greatest F1 on the validation pairs" if balanced else "the lowest score"
    if facts.met and balanced:
        return text(f"Accept at {facts.value:.4f}: {how} ({bound}).")
    if facts.met:
        return text(
            f"Accept at {facts.value:.4f}: {how} at which the precision's lower bound meets the "
            f"target of {facts.target:.4f} ({bound})."
        )
    where = {
        "balanced": how,
        "few_labels": "the threshold of the judge without labels, which the answers corrected",
    }.get(rule, "where the bound is best")
    return warning(
        f"The target precision of {facts.target:.4f} was not shown by these labels. Accept is at "
        f"{facts.value:.4f}, {where} ({bound})."
    )


def _review(facts: Threshold) -> Text:
    known = f"{formats.count(facts.positives)} labelled duplicates"
    if facts.met:
        return text(
            f"Review from {facts.value:.4f}: the recall's lower bound there, "
            f"{facts.recall_low:.4f} from {known}, meets the target of {facts.target:.4f}."
        )
    return warning(
        f"Too few labels ({known}) to show the target recall; review starts at "
        f"{facts.value:.4f}, where its bound is {facts.recall_low:.4f}."
    )


def _compared(facts: ModelComparison) -> Iterator[Block]:
    yield text(f"Against {facts.against}, on the same pairs, by a paired bootstrap:")
    rows = [
        (name.replace("_", " "), f"{m.first:.4f}", f"{m.second:.4f}", f"{m.difference:+.4f}",
         f"{m.low:+.4f} to {m.high:+.4f}")
        for name, m in facts.metrics.items()
    ]  # fmt: skip
    yield table(("Metric", "Before", "This model", "Difference", "95 % interval"), rows)


def _slices(attribute: str, facts: SliceRates) -> Iterator[Block]:
    rows = [
        (f"{value} ({rate.note})" if rate.note else value, words, *_rate(rate))
        for value, rates in facts.values.items()
        for rate, words in _each(rates)
    ]
    columns = (attribute, "Rate", "Failures", "Pairs", "Value", "95 % interval")
    yield table(columns, rows, words=2)
    yield bullets(
        f"{words} by {attribute}: {_ratio(facts.worst_to_best[name])}"
        for name, words in RATES.items()
    )


def _each(rates: GroupRates) -> Iterator[tuple[ErrorRate, str]]:
    for name, words in RATES.items():
        yield rates.rate(name), words


def _rate(rate: ErrorRate) -> tuple[str, str, str, str]:
    if not rate.n:
        return "0", "0", "no pairs", ""
    interval = f"{formats.share(rate.low)} to {formats.share(rate.high)}"
    return formats.count(rate.errors), formats.count(rate.n), formats.share(rate.value), interval


def _ratio(ratio: WorstToBest | None) -> str:
    if ratio is None:
        return "fewer than two slices are large enough to compare."
    between = f"worst slice {ratio.worst}, best {ratio.best}"
    if ratio.ratio is None:
        return f"{between}, which has no failure; no ratio."
    return f"{between}, ratio {ratio.ratio:.2f}."


def _warnings(attribute: str, facts: SliceRates, whole: ErrorRates) -> Iterator[str]:
    """What must not be overlooked: slices too small to tell, slices that fail more than all do."""
    for name, words in RATES.items():
        rates = {value: both.rate(name) for value, both in facts.values.items()}
        if small := [value for value, rate in rates.items() if rate.note]:
            yield (
                f"{attribute}: {', '.join(small)} {'has' if len(small) == 1 else 'have'} fewer "
                f"than {whole.min_slice} pairs for the {words}: too small to tell, whatever it "
                "shows."
            )
        general = whole.overall.rate(name).value
        for value, rate in rates.items():
            if not rate.note and rate.low > general:
                yield (
                    f"{attribute} {value}: the {words} is {formats.share(rate.value)}, overall "
                    f"{formats.share(general)}, below the slice's whole 95 % interval."
                )


def _error(pair: ErrorPair) -> tuple[str, ...]:
    left, right = pair.left_text or "", pair.right_text or ""
    return f"{pair.probability:.4f}", pair.left_id, left, pair.right_id, right


def _drift(moved: Drift) -> Block:
    rows = [
        ("Population stability index", f"{moved.psi:.4f}"),
        ("Kolmogorov-Smirnov distance", f"{moved.ks:.4f}"),
        ("Pairs", formats.count(moved.pairs)),
        ("Pairs in training", formats.count(moved.train_pairs)),
    ]
    return table(("Drift", "Value"), rows)
