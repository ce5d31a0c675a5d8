"""Two texts marked against each other in full: what differs in either, and what may be folded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Indel

from pipeline.outputs.report.diff import COMPARED, CONTEXT, TOKEN
from pipeline.outputs.visible import make_visible

FOLDED = 40  # equal words from which a stretch is folded, some of its ends left standing

Kind = Literal["same", "minor", "differs"]
Words = list[tuple[str, str]]  # word, blanks after it


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of one text.

    Attributes:
        mark: same as in the other; minor: but for case, blanks or signs; differs.
        fold: a long stretch that is the same in both. words: in it.
    """

    text: str
    mark: Kind
    fold: bool = False
    words: int = 0


def mark_sides(left: str, right: str) -> tuple[list[Mark], list[Mark]]:
    """Mark two texts against each other; the stretches of each, joined, are that text, visible.

    Words are aligned by their longest common subsequence, in lower case. Beyond the first 4,000
    words the rest is compared as a whole.
    """
    heads = _lead(left), _lead(right)
    one, other = TOKEN.findall(left), TOKEN.findall(right)
    rest = ["".join(map("".join, words[COMPARED:])) for words in (one, other)]
    one, other = one[:COMPARED], other[:COMPARED]
    steps = Indel.opcodes([w.casefold() for w, _ in one], [w.casefold() for w, _ in other])
    sides: tuple[list[Mark], list[Mark]] = ([], [])
    for step in steps:
        parts = one[step.src_start : step.src_end], other[step.dest_start : step.dest_end]
        if step.tag == "equal":
            _equal(sides, *parts)
        else:
            for side, words in zip(sides, parts, strict=True):
                kind: Kind = "differs" if any(w[0].isalnum() for w, _ in words) else "minor"
                _add(side, words, kind)
    for side, tail in zip(sides, rest, strict=True):
        if tail:
            side.append(Mark(tail, "same" if rest[0] == rest[1] else "differs"))
    return _finished(sides[0], heads[0]), _finished(sides[1], heads[1])


def _lead(text: str) -> str:
    """Blanks before the first word."""
    return text[: len(text) - len(text.lstrip())]


def _equal(sides: tuple[list[Mark], list[Mark]], one: Words, other: Words) -> None:
    """Words that are the same but for their case."""
    start = 0
    for place in range(1, len(one) + 1):
        alike = one[start][0] == other[start][0]
        if place < len(one) and (one[place][0] == other[place][0]) == alike:
            continue
        for side, words in zip(sides, (one, other), strict=True):
            _add(side, words[start:place], "same" if alike else "minor")
        start = place


def _add(side: list[Mark], words: Words, kind: Kind) -> None:
    """Add words to a side; blanks behind a mark are no part of it."""
    if not words:
        return
    text = "".join(word + blanks for word, blanks in words)
    bare = text.rstrip() if kind != "same" else text
    _join(side, Mark(bare, kind, words=len(words)))
    if bare != text:
        _join(side, Mark(text[len(bare) :], "same"))


def _join(side: list[Mark], mark: Mark) -> None:
    if side and side[-1].mark == mark.mark:
        last = side.pop()
        mark = Mark(last.text + mark.text, mark.mark, words=last.words + mark.words)
    side.append(mark)


def _finished(side: list[Mark], lead: str) -> list[Mark]:
    """Visible, long equal stretches folded but for their ends beside a difference."""
    if lead:
        side = [Mark(lead, "same"), *side]
    found: list[Mark] = []
    for place, mark in enumerate(side):
        if mark.mark != "same" or mark.words < FOLDED + 2 * CONTEXT or len(side) == 1:
            found.append(mark)
            continue
        words = TOKEN.findall(mark.text)
        first = 0 if place == 0 else CONTEXT
        last = len(words) if place == len(side) - 1 else len(words) - CONTEXT
        blank = _lead(mark.text)
        for part, fold in (
            (words[:first], False),
            (words[first:last], True),
            (words[last:], False),
        ):
            if part:
                text = blank + "".join(map("".join, part))
                found.append(Mark(text, "same", fold=fold, words=len(part)))
                blank = ""
    return [Mark(make_visible(m.text), m.mark, m.fold, m.words) for m in found]
