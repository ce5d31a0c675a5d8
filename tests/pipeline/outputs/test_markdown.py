"""Markdown in which no text of a record is markup, read back by a CommonMark parser."""

import html
import re

import pytest
from hypothesis import example, given, settings, strategies as st
from markdown_it import MarkdownIt

from pipeline.outputs.documents.document import Block, bullets, section, table, text, warning
from pipeline.outputs.documents.markdown import to_markdown

PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
NASTY = [
    "# heading", "- item", "1. item", "12) item", "+ item", "> quote", "***", "---", "===", "~~~",
    "```", "`code`", "*a* _b_ __c__", "[x](javascript:alert(1))", "![x](http://evil/y.png)",
    "<script>alert(1)</script>", "<!-- x", "&lt;b&gt; &amp; &#60;", "a | b \\| c \\\\| d", "\\",
    "http://evil.com", "~~gone~~", "$x$", "    indented", "\tcode", "[ref]: http://evil", "<a@b.c>",
    "{{ 7*7 }}", "| a | b |", "=HYPERLINK(1)",
]  # fmt: skip
TAGS = {"h1", "h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong",
        "blockquote"}  # fmt: skip


def shown(words):
    """The document's tags, and its text without them."""
    blocks: list[Block] = [
        text(words), bullets([words]), table((words,), [[words]]), warning(words)
    ]  # fmt: skip
    page = PARSER.render(to_markdown(words, [section("x", words, *blocks)]))
    tags = {tag.lower() for tag in re.findall(r"</?([a-zA-Z!][a-zA-Z0-9]*)", page)}
    body = html.unescape(re.sub(r"<[^>]*>", "\n", page))
    return tags, [row for row in (" ".join(part.split()) for part in body.split("\n")) if row]


@pytest.mark.parametrize("words", NASTY)
def test_markup_stays_text(words):
    tags, rows = shown(words)
    plain = " ".join(words.split())
    assert tags <= TAGS
    assert rows == [plain] * 6 + ["Warning.", plain]


@example("0. 0")
@example("1 #")
@example("_0_ *0*|")
@settings(deadline=None)
@given(
    st.text(st.sampled_from("ab1.) #*_-+=`~|\\<>[]()!&;:/$@{}\"'\n\t"), min_size=1).filter(
        str.strip
    )
)
def test_any_text_stays_text(words):
    tags, rows = shown(words)
    assert tags <= TAGS
    plain = " ".join(words.split())
    assert rows == [plain] * 6 + ["Warning.", plain]
