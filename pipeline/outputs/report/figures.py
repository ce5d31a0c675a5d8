"""The report's two plots as inline SVG. Only numbers enter them, never a record's text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 640, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 26, 40


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar in pixels, with what it stands for."""

    x: float
    y: float
    width: float
    height: float
    label: str
    count: int
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A tick or a line: its position in pixels and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Figure:
    """Bars over a logarithmic count axis, ready to draw."""

    bars: tuple[Bar, ...]
    rows: tuple[Mark, ...]
    columns: tuple[Mark, ...]
    lines: tuple[Mark, ...]

    @property
    def empty(self) -> bool:
        """Nothing to draw."""
        return not any(bar.count for bar in self.bars)


def score_histogram(
    edges: Sequence[float], counts: Sequence[int], *, accept: float, review: float
) -> Figure:
    """Pairs per probability (0 … 1), with both thresholds drawn."""
    scale = _Scale(max(counts, default=0))
    bars = []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        middle = (low + high) / 2
        kind = "yes" if middle >= accept else "ask" if middle >= review else "no"
        label = f"{low:.2f} to {high:.2f}"
        bars.append(_bar(_x(low), _x(high), count=count, scale=scale, label=label, kind=kind))
    columns = tuple(Mark(_x(tick), f"{tick:.1f}") for tick in (0, 0.2, 0.4, 0.6, 0.8, 1))
    lines = (Mark(_x(review), f"review {review:g}"), Mark(_x(accept), f"accept {accept:g}"))
    return Figure(tuple(bars), scale.ticks, columns, lines)


def cluster_sizes(sizes: Sequence[int], counts: Sequence[int]) -> Figure:
    """Clusters of two or more per size, sizes in doubling steps: 2, 3-4, 5-8, …"""
    steps: dict[int, int] = {}
    for size, count in zip(sizes, counts, strict=True):
        if size > 1:
            step = math.ceil(math.log2(size))
            steps[step] = steps.get(step, 0) + count
    last = max(steps, default=1)
    scale = _Scale(max(steps.values(), default=0))
    slot = (WIDTH - LEFT - RIGHT) / max(last, 6)
    bars, columns = [], []
    for step in range(1, last + 1):
        label = "2" if step == 1 else f"{2 ** (step - 1) + 1:,}–{2**step:,}"
        x = LEFT + (step - 1) * slot
        count = steps.get(step, 0)
        bars.append(_bar(x + 4, x + slot - 3, count=count, scale=scale, label=label))
        every = max(1, math.ceil(last / 8))
        if (step - 1) % every == 0:
            columns.append(Mark(x + slot / 2, label))
    return Figure(tuple(bars), scale.ticks, tuple(columns), ())


class _Scale:
    """Counts to heights: logarithmic, with room for a count of one."""

    def __init__(self, most: int) -> None:
        self.top = max(1, math.ceil(math.log10(most))) if most > 0 else 1
        marks = [Mark(self.y(10**power), f"{10**power:,}") for power in range(self.top + 1)]
        self.ticks = tuple(marks[:: max(1, math.ceil(len(marks) / 6))])

    def y(self, count: int) -> float:
        """Pixels from the top; nothing is on the floor, one is visibly above it."""
        floor, share = HEIGHT - BOTTOM, 0.0
        if count > 0:
            share = (math.log10(count) + 0.25) / (self.top + 0.25)
        return round(floor - share * (floor - TOP), 1)


def _x(probability: float) -> float:
    return round(LEFT + probability * (WIDTH - LEFT - RIGHT), 1)


def _bar(start: float, end: float, *, count: int, scale: _Scale, label: str, kind: str = "") -> Bar:
    y = scale.y(count)
    width = max(end - start - 1, 1)
    return Bar(start, y, round(width, 1), round(HEIGHT - BOTTOM - y, 1), label, count, kind)
