"""Documents as sections of blocks, what Markdown, HTML and JSON are all rendered from.

Every text in a block is on one line, its hidden characters spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.outputs.visible import make_visible

Point = tuple[float, ...]  # (x, y); of bars (start, end, height)


@dataclass(frozen=True)
class Text:
    """A paragraph; a warning must not be overlooked."""

    text: str
    kind: Literal["text", "warning"] = "text"


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: tuple[str, ...]
    kind: Literal["list"] = "list"


@dataclass(frozen=True)
class Table:
    """A table; `numeric` says of each column whether it holds numbers."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    kind: Literal["table"] = "table"


@dataclass(frozen=True)
class Series:
    """Points of a figure that belong together; one without a name has no legend."""

    name: str
    kind: Literal["line", "guide", "points", "bars"]
    points: tuple[Point, ...]


@dataclass(frozen=True)
class PlotMark:
    """A labelled place on the x axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Figure:
    """A plot, and its numbers as a table; `log`: counts on a logarithmic axis."""

    title: str
    x: str
    y: str
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log: bool
    series: tuple[Series, ...]
    marks: tuple[PlotMark, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...]
    kind: Literal["figure"] = "figure"


Block = Text | Bullets | Table | Figure


@dataclass(frozen=True)
class Section:
    """Blocks under one title; `id` is its anchor in HTML."""

    id: str
    title: str
    blocks: tuple[Block, ...]

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures among the blocks."""
        return tuple(block for block in self.blocks if isinstance(block, Figure))


def text(words: str) -> Text:
    """A paragraph."""
    return Text(clean(words))


def warning(words: str) -> Text:
    """A paragraph that must not be overlooked."""
    return Text(clean(words), "warning")


def bullets(items: Iterable[str]) -> Bullets:
    """A list."""
    return Bullets(_line(items))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> Table:
    """A table whose first `words` columns are text and whose others are numbers."""
    numeric = tuple(place >= words for place in range(len(columns)))
    return Table(_line(columns), tuple(_line(row) for row in rows), numeric)


def figure(
    title: str,
    *,
    x: str,
    y: str,
    series: Sequence[Series],
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    x_range: tuple[float, float] = (0, 1),
    y_range: tuple[float, float] = (0, 1),
    log: bool = False,
    marks: Sequence[PlotMark] = (),
) -> Figure:
    """A plot with its numbers."""
    numbers = table(columns, rows, words=0)
    return Figure(
        clean(title), clean(x), clean(y), x_range, y_range, log, tuple(series), tuple(marks),
        numbers.columns, numbers.rows, numbers.numeric,
    )  # fmt: skip


def section(name: str, title: str, *blocks: Block | None) -> Section:
    """A section; blocks that are None are left out."""
    return Section(name, title, tuple(block for block in blocks if block))


def clean(words: str) -> str:
    """The same on one line, hidden characters spelled out."""
    return make_visible(" ".join(words.split()))


def _line(cells: Iterable[str]) -> tuple[str, ...]:
    return tuple(clean(cell) for cell in cells)
