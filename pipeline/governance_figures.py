"""The figures of a governance report: what is plotted, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.document import Block, figure
from pipeline.governance_facts import ReliabilityBin, ScoreFacts, ThresholdFacts
from pipeline.reporting import formats

ROWS = 21  # of the tables that stand for a curve


def precision_recall(curve: Sequence[tuple[float, float]]) -> Block:
    """Precision over recall, from the highest scores to the lowest."""
    return figure(
        "Precision and recall",
        x="recall",
        y="precision",
        series=[{"name": "held-out pairs", "kind": "line", "points": [list(p) for p in curve]}],
        columns=("Recall", "Precision"),
        rows=[(f"{r:.3f}", f"{p:.3f}") for r, p in _thinned(curve)],
    )


def reliability(bins: Sequence[ReliabilityBin]) -> Block:
    """What the probabilities said against what was true; on the diagonal they are right."""
    return figure(
        "Reliability of the probabilities",
        x="stated probability",
        y="share that are duplicates",
        series=[
            {"name": "perfect", "kind": "guide", "points": [[0, 0], [1, 1]]},
            {"name": "measured", "kind": "line", "points": [[b.mean, b.share] for b in bins]},
            {"name": "", "kind": "points", "points": [[b.mean, b.share] for b in bins]},
        ],
        columns=("Stated", "Duplicates", "Pairs"),
        rows=[(f"{b.mean:.3f}", f"{b.share:.3f}", formats.count(b.pairs)) for b in bins],
    )


def training_curve(name: str, values: Sequence[float]) -> Block:
    """One value per epoch."""
    low, high = min(values), max(values)
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    points = [[epoch, value] for epoch, value in enumerate(values, start=1)]
    words = name.replace("_", " ")
    return figure(
        f"Training: {words}",
        x="epoch",
        y=words,
        x_range=(1, max(len(values), 2)),
        y_range=(low - room, high + room),
        series=[
            {"name": words, "kind": "line", "points": points},
            {"name": "", "kind": "points", "points": points},
        ],
        columns=("Epoch", words),
        rows=[(str(epoch), f"{value:.4f}") for epoch, value in _thinned(points)],
    )


def score_histograms(facts: ScoreFacts, thresholds: ThresholdFacts) -> Block:
    """Held-out pairs per probability, both classes side by side."""
    bins = list(zip(facts.edges[:-1], facts.edges[1:], strict=True))
    bars = []
    for place, (name, counts) in enumerate(
        (("labelled the same", facts.same), ("labelled different", facts.different))
    ):
        shift = [(low + (high - low) * place / 2, (high - low) / 2) for low, high in bins]
        points = [[x, x + width, n] for (x, width), n in zip(shift, counts, strict=True)]
        bars.append({"name": name, "kind": "bars", "points": points})
    return figure(
        "Scores by class",
        x="probability",
        y="pairs",
        x_range=(facts.edges[0], facts.edges[-1]),
        y_range=(0, max(*facts.same, *facts.different, 1)),
        log=True,
        series=bars,
        marks=[
            {"at": thresholds.review, "label": f"review {thresholds.review:.2f}"},
            {"at": thresholds.accept, "label": f"accept {thresholds.accept:.2f}"},
        ],
        columns=("Probability", "Same", "Different"),
        rows=[
            (f"{low:.2f} to {high:.2f}", formats.count(same), formats.count(different))
            for (low, high), same, different in zip(bins, facts.same, facts.different, strict=True)
            if same or different
        ],
    )


def _thinned(points: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """At most ROWS points, first and last among them."""
    if len(points) <= ROWS:
        return list(points)
    step = (len(points) - 1) / (ROWS - 1)
    return [points[round(place * step)] for place in range(ROWS)]
