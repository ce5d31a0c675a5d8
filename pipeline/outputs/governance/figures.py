"""The figures of a governance report: what is plotted, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.outputs import formats
from pipeline.outputs.governance.document import Block, figure
from pipeline.outputs.governance.facts import CurvePoint, ReliabilityBin, ScoreFacts

ROWS = 21  # of the tables that stand for a curve


def precision_recall_figure(curve: Sequence[CurvePoint]) -> Block:
    """Precision over recall, each point one threshold."""
    points = sorted(((c.recall, c.precision) for c in curve), key=lambda p: (p[0], -p[1]))
    return figure(
        "Precision and recall",
        x="recall",
        y="precision",
        series=[{"name": "held-out pairs", "kind": "line", "points": [list(p) for p in points]}],
        columns=("Recall", "Precision"),
        rows=[(f"{r:.3f}", f"{p:.3f}") for r, p in _thin(points)],
    )


def reliability_figure(bins: Sequence[ReliabilityBin]) -> Block:
    """What the probabilities said against what was true; on the diagonal they are right."""
    return figure(
        "Reliability of the probabilities",
        x="stated probability",
        y="share that are duplicates",
        series=[
            {"name": "perfect", "kind": "guide", "points": [[0, 0], [1, 1]]},
            {"name": "measured", "kind": "line", "points": [[b.probability, b.same] for b in bins]},
            {"name": "", "kind": "points", "points": [[b.probability, b.same] for b in bins]},
        ],
        columns=("Stated", "Duplicates", "Pairs"),
        rows=[(f"{b.probability:.3f}", f"{b.same:.3f}", formats.count(b.pairs)) for b in bins],
    )


def training_curve_figure(name: str, history: Sequence[Mapping[str, Any]]) -> Block | None:
    """One value per epoch; None where there are fewer than two."""
    points = [[row["epoch"], row[name]] for row in history if row.get(name) is not None]
    if len(points) < 2:
        return None
    epochs, values = zip(*points, strict=True)
    low, high = min(values), max(values)
    room = (high - low) * 0.1 or abs(high) * 0.1 or 1.0
    words = name.replace("_", " ")
    return figure(
        f"Training: {words}",
        x="epoch",
        y=words,
        x_range=(epochs[0], epochs[-1]),
        y_range=(low - room, high + room),
        series=[
            {"name": words, "kind": "line", "points": points},
            {"name": "", "kind": "points", "points": points},
        ],
        columns=("Epoch", words),
        rows=[(f"{epoch:g}", f"{value:.4f}") for epoch, value in _thin(points)],
    )


def score_histograms_figure(facts: ScoreFacts, *, accept: float, review: float) -> Block:
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
            {"at": review, "label": f"review {review:.2f}"},
            {"at": accept, "label": f"accept {accept:.2f}"},
        ],
        columns=("Probability", "Same", "Different"),
        rows=[
            (f"{low:.2f} to {high:.2f}", formats.count(same), formats.count(different))
            for (low, high), same, different in zip(bins, facts.same, facts.different, strict=True)
            if same or different
        ],
    )


def _thin(points: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """At most ROWS points, first and last among them."""
    if len(points) <= ROWS:
        return list(points)
    step = (len(points) - 1) / (ROWS - 1)
    return [points[round(place * step)] for place in range(ROWS)]
