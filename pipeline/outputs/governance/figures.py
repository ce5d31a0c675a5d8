"""The figures of a governance report: what is plotted, and the same numbers as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pipeline.evaluation import CurvePoint, ReliabilityBin
from pipeline.outputs import formats
from pipeline.outputs.documents.document import Figure, PlotMark, Point, Series, figure
from pipeline.outputs.governance.facts import ScoreFacts
from pipeline.outputs.model_results import Epoch

ROWS = 21  # of the tables that stand for a curve

Curve = Literal["train_loss", "valid_loss", "valid_average_precision"]


def precision_recall_figure(curve: Sequence[CurvePoint]) -> Figure:
    """Precision over recall, each point one threshold."""
    points = sorted(((c.recall, c.precision) for c in curve), key=lambda p: (p[0], -p[1]))
    return figure(
        "Precision and recall",
        x="recall",
        y="precision",
        series=[Series("held-out pairs", "line", tuple(points))],
        columns=("Recall", "Precision"),
        rows=[(f"{r:.3f}", f"{p:.3f}") for r, p in _thin(points)],
    )


def reliability_figure(bins: Sequence[ReliabilityBin]) -> Figure:
    """What the probabilities said against what was true; on the diagonal they are right."""
    points = tuple((b.probability, b.same) for b in bins)
    return figure(
        "Reliability of the probabilities",
        x="stated probability",
        y="share that are duplicates",
        series=[
            Series("perfect", "guide", ((0, 0), (1, 1))),
            Series("measured", "line", points),
            Series("", "points", points),
        ],
        columns=("Stated", "Duplicates", "Pairs"),
        rows=[(f"{b.probability:.3f}", f"{b.same:.3f}", formats.count(b.pairs)) for b in bins],
    )


def training_curve_figure(name: Curve, history: Sequence[Epoch]) -> Figure | None:
    """One value per epoch; None where there are fewer than two."""
    values_of = ((row.epoch, getattr(row, name)) for row in history)
    points = tuple((epoch, value) for epoch, value in values_of if value is not None)
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
            Series(words, "line", points),
            Series("", "points", points),
        ],
        columns=("Epoch", words),
        rows=[(f"{epoch:g}", f"{value:.4f}") for epoch, value in _thin(points)],
    )


def score_histograms_figure(facts: ScoreFacts, *, accept: float, review: float) -> Figure:
    """Held-out pairs per probability, both classes side by side."""
    bins = list(zip(facts.edges[:-1], facts.edges[1:], strict=True))
    bars = []
    for place, (name, counts) in enumerate(
        (("labelled the same", facts.same), ("labelled different", facts.different))
    ):
        shift = [(low + (high - low) * place / 2, (high - low) / 2) for low, high in bins]
        points = tuple((x, x + width, n) for (x, width), n in zip(shift, counts, strict=True))
        bars.append(Series(name, "bars", points))
    return figure(
        "Scores by class",
        x="probability",
        y="pairs",
        x_range=(facts.edges[0], facts.edges[-1]),
        y_range=(0, max(*facts.same, *facts.different, 1)),
        log=True,
        series=bars,
        marks=[
            PlotMark(review, f"review {review:.2f}"),
            PlotMark(accept, f"accept {accept:.2f}"),
        ],
        columns=("Probability", "Same", "Different"),
        rows=[
            (f"{low:.2f} to {high:.2f}", formats.count(same), formats.count(different))
            for (low, high), same, different in zip(bins, facts.same, facts.different, strict=True)
            if same or different
        ],
    )


def _thin(points: Sequence[Point]) -> list[Point]:
    """At most ROWS points, first and last among them."""
    if len(points) <= ROWS:
        return list(points)
    step = (len(points) - 1) / (ROWS - 1)
    return [points[round(place * step)] for place in range(ROWS)]
