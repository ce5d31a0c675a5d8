"""Frames: what is put around a text and says nothing: reply prefixes, closing lines, a cut end."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from pipeline.matching.comparison.folding import fold, plain
from pipeline.matching.differences.items import Token
from pipeline.matching.differences.language.word_lists import lines

LONGEST_CLOSING = 80  # tokens


@cache
def frames() -> dict[str, list[tuple[str, ...]]]:
    """The list of the package: prefixes, greetings and how closing lines open."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for line in lines("frames"):
        kind, _, words = line.partition(": ")
        found.setdefault(kind, []).append(tuple(plain(fold(word)) for word in words.split()))
    return found


def is_prefix(tokens: Sequence[Token]) -> bool:
    """Whether tokens that open one text only are reply prefixes or a greeting."""
    words = [item.bare for item in tokens]
    if all(word in frames()["prefix"][0] for word in words):
        return True
    return len(words) <= 3 and words[0] in frames()["greeting"][0]


def is_closing(tokens: Sequence[Token]) -> bool:
    """Whether tokens that close one text only are a signature or a disclaimer."""
    if len(tokens) > LONGEST_CLOSING:
        return False
    words = tuple(item.bare for item in tokens)
    if not any(words[: len(line)] == line for line in frames()["closing"]):
        return False
    return not any(letter.isdigit() for word in words for letter in word)


def goes_on(short: Sequence[Token], long: Sequence[Token]) -> bool:
    """Whether the end of a cut text is how the end of the other begins."""
    cut, whole = ("".join(item.bare for item in side) for side in (short, long))
    return whole.startswith(cut)
