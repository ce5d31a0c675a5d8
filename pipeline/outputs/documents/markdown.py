"""Sections of blocks (see `document`) as Markdown that no text of a record can change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import assert_never

from pipeline.outputs.documents.document import Block, Bullets, Figure, Section, Table, Text

# Whatever starts markup inside a line in CommonMark, GitHub's tables, strike-through and formulas.
_INSIDE = re.compile(r"([\\`*_\[\]<>&|~$]|(?<=:)(?=//)|(?<=www)(?=\.)|(?<=\w)(?=@))")
# What makes a line a heading, a list, a rule, a quotation or an underlined heading.
_START = re.compile(r"^(\d{0,9})([-+=#.)])")


def escape_markdown(text: str) -> str:
    """One line of text that Markdown shows as it stands, inside a line or a table's cell."""
    return _INSIDE.sub(r"\\\1", " ".join(text.split()))


def markdown_line(text: str) -> str:
    """The same where a line starts."""
    return _START.sub(r"\1\\\2", escape_markdown(text))


def _heading(text: str) -> str:
    """The same as a heading, which would drop # at its end."""
    return re.sub(r"(?<= )#+$", r"\\\g<0>", markdown_line(text))


def to_markdown(title: str, sections: Iterable[Section]) -> str:
    """Render a document."""
    parts = [f"# {_heading(title)}"]
    for item in sections:
        parts.append(f"## {_heading(item.title)}")
        parts += [_block(block) for block in item.blocks]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Text(text=words, kind="text"):
            return markdown_line(words)
        case Text(text=words):
            return f"> **Warning.** {escape_markdown(words)}"
        case Bullets(items=items):
            return "\n".join(f"- {markdown_line(item)}" for item in items)
        case Table():
            return _table(block)
        case Figure(title=title):
            return f"### {_heading(title)}\n\n{_table(block)}"
    assert_never(block)


def _table(block: Table | Figure) -> str:
    rule = ["---:" if number else "---" for number in block.numeric]
    rows = [_row(escape_markdown(cell) for cell in row) for row in block.rows]
    return "\n".join([_row(escape_markdown(name) for name in block.columns), _row(rule), *rows])


def _row(cells: Iterable[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
