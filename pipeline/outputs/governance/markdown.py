"""Sections of blocks (see `document`) as Markdown that no text of a record can change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, assert_never

from pipeline.outputs.governance.document import Block

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


def to_markdown(title: str, sections: Iterable[dict[str, Any]]) -> str:
    """Render a document."""
    parts = [f"# {_heading(title)}"]
    for item in sections:
        parts.append(f"## {_heading(item['title'])}")
        parts += [_block(block) for block in item["blocks"]]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block["kind"]:
        case "text":
            return markdown_line(block["text"])
        case "warning":
            return f"> **Warning.** {escape_markdown(block['text'])}"
        case "list":
            return "\n".join(f"- {markdown_line(item)}" for item in block["items"])
        case "table":
            return _table(block)
        case "figure":
            return f"### {_heading(block['title'])}\n\n{_table(block)}"
    assert_never(block["kind"])


def _table(block: Block) -> str:
    rule = ["---:" if number else "---" for number in block["numeric"]]
    rows = [_row(escape_markdown(cell) for cell in row) for row in block["rows"]]
    return "\n".join([_row(escape_markdown(name) for name in block["columns"]), _row(rule), *rows])


def _row(cells: Iterable[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
