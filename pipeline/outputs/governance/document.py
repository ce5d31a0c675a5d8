"""A report as sections of blocks, plain JSON: what Markdown and HTML are both rendered from.

A section has `id`, `title` and `blocks`. A block has `kind`: 'text' and 'warning' with `text`;
'list' with `items`; 'table' with `columns`, `rows` (of strings) and `numeric` (a flag per column);
'figure' with `title`, `x`, `y`, `x_range`, `y_range`, `log` (counts on a logarithmic axis),
`series` (name, kind 'line', 'guide', 'points' or 'bars', points; a bar is [start, end, height]),
`marks` (at, label), and the columns and rows of its numbers as a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pipeline.outputs.visible import make_visible

Block = dict[str, Any]


def text(words: str) -> Block:
    """A paragraph."""
    return {"kind": "text", "text": words}


def warning(words: str) -> Block:
    """A paragraph that must not be overlooked."""
    return {"kind": "warning", "text": words}


def bullets(items: Iterable[str]) -> Block:
    """A list."""
    return {"kind": "list", "items": list(items)}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> Block:
    """A table whose first `words` columns are text and whose others are numbers."""
    numeric = [place >= words for place in range(len(columns))]
    return {
        "kind": "table",
        "columns": list(columns),
        "rows": [list(row) for row in rows],
        "numeric": numeric,
    }


def figure(
    title: str,
    *,
    x: str,
    y: str,
    series: Sequence[dict[str, Any]],
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    x_range: tuple[float, float] = (0, 1),
    y_range: tuple[float, float] = (0, 1),
    log: bool = False,
    marks: Sequence[dict[str, Any]] = (),
) -> Block:
    """A plot with its numbers."""
    numbers = table(columns, rows, words=0)
    return {
        **numbers, "kind": "figure", "title": title, "x": x, "y": y, "x_range": list(x_range),
        "y_range": list(y_range), "log": log, "series": list(series), "marks": list(marks),
    }  # fmt: skip


def section(name: str, title: str, *blocks: Block | None) -> dict[str, Any]:
    """A section; blocks that are None are left out."""
    return {"id": name, "title": title, "blocks": [block for block in blocks if block]}


def clean(value: Any) -> Any:
    """The same with every string on one line and hidden characters spelled out."""
    if isinstance(value, str):
        return make_visible(" ".join(value.split()))
    if isinstance(value, dict):
        return {make_visible(str(key)): clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value
