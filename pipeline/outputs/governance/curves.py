"""Plots: the figures of a document (`outputs.documents`) in pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipeline.outputs.documents import document
from pipeline.outputs.documents.document import Figure
from pipeline.outputs.report.figures import Bar, Mark

WIDTH, HEIGHT = 560, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 16, 34, 46


@dataclass(frozen=True, slots=True)
class Series:
    """One line (SVG points), its dots, or its bars; `place` picks the colour."""

    name: str
    kind: str
    place: int
    line: str = ""
    dots: tuple[tuple[float, float], ...] = ()
    bars: tuple[Bar, ...] = ()


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure ready to draw."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    columns: tuple[Mark, ...]
    rows: tuple[Mark, ...]
    lines: tuple[Mark, ...]

    @property
    def legend(self) -> tuple[Series, ...]:
        """The series to name; a single one needs no name."""
        named = tuple(series for series in self.series if series.name)
        return named if len(named) > 1 else ()


def plot(figure: Figure) -> Plot:
    """Scale a figure's numbers to pixels."""
    across = _Axis(*figure.x_range, start=LEFT, end=WIDTH - RIGHT)
    up = _Axis(*figure.y_range, start=HEIGHT - BOTTOM, end=TOP, log=figure.log)
    return Plot(
        figure.title,
        figure.x,
        figure.y,
        tuple(_series(item, place, across, up) for place, item in enumerate(figure.series)),
        across.ticks(),
        up.ticks(),
        tuple(Mark(across.at(mark.at), mark.label) for mark in figure.marks),
    )


def _series(item: document.Series, place: int, across: _Axis, up: _Axis) -> Series:
    name, kind, points = item.name, item.kind, item.points
    if kind == "bars":
        floor = HEIGHT - BOTTOM
        bars = []
        for start, end, count in points:
            x, y = across.at(start), up.at(count)
            width = max(across.at(end) - x - 0.5, 1)
            label = f"{name}, {start:.2f} to {end:.2f}"
            bars.append(Bar(x, y, round(width, 1), round(floor - y, 1), label, int(count)))
        return Series(name, kind, place, bars=tuple(bars))
    dots = tuple((across.at(point[0]), up.at(point[1])) for point in points)
    return Series(name, kind, place, " ".join(f"{x},{y}" for x, y in dots), dots)


class _Axis:
    """Values to pixels, linear or, for counts, logarithmic with room for a count of one."""

    def __init__(
        self, low: float, high: float, *, start: float, end: float, log: bool = False
    ) -> None:
        self.low, self.high, self.start, self.end, self.log = low, high, start, end, log
        self.whole = isinstance(low, int) and isinstance(high, int) and high > 1
        self.top = max(1, math.ceil(math.log10(max(high, 1)))) if log else 0

    def at(self, value: float) -> float:
        """Pixels of a value."""
        if self.log:
            share = (math.log10(value) + 0.25) / (self.top + 0.25) if value > 0 else 0.0
        else:
            share = (value - self.low) / ((self.high - self.low) or 1)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> tuple[Mark, ...]:
        """Round values across the axis."""
        if self.log:
            return tuple(Mark(self.at(10**n), f"{10**n:,}") for n in range(self.top + 1))
        step = _round_step((self.high - self.low) / 5)
        if self.whole:
            step = max(1.0, round(step))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step)))
        return tuple(
            Mark(self.at(n * step), f"{n * step:.{digits}f}") for n in range(first, last + 1)
        )


def _round_step(step: float) -> float:
    """The next of 1, 2, 5 times a power of ten."""
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))
