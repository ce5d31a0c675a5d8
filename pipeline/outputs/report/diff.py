"""Word differences of two texts, cut to what is worth reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import Indel, Opcode

from pipeline.outputs.visible import make_visible

# One word, one sign, or one CJK character, with the blanks that follow it.
TOKEN = re.compile(
    r"([\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\ud7af]+|[^\w\s]|\w)(\s*)"
)
CONTEXT = 14  # unchanged words kept on each side of a difference
COMPARED = 4000  # words compared; the rest of a longer text is counted, not compared
SHOWN = 180  # words shown of one text
LONG_WORD = 240  # characters shown of one word


Words = Sequence[tuple[str, str]]  # word, blanks after it


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text: same as the other, added here, only in the other (gone), or left out."""

    kind: Literal["same", "added", "gone", "gap"]
    text: str


def plain_segments(text: str) -> tuple[Segment, ...]:
    """The beginning of a text, what is left out counted."""
    return _cut([Segment("same", text)], total=len(TOKEN.findall(text)))


def differences(text: str, *, other: str) -> tuple[Segment, ...]:
    """Return `text` in segments against `other`: words added, words gone, far-off rest as gaps.

    Words are aligned by their longest common subsequence, letters compared as they stand.
    """
    mine, theirs = TOKEN.findall(text), TOKEN.findall(other)
    uncompared = max(len(mine) - COMPARED, 0)
    mine, theirs = mine[:COMPARED], theirs[:COMPARED]
    steps = Indel.opcodes([word for word, _ in theirs], [word for word, _ in mine])
    segments = list(_segments(list(steps), mine=mine, theirs=theirs))
    return _cut(segments, total=len(mine) + uncompared, uncompared=uncompared)


def _segments(steps: Sequence[Opcode], *, mine: Words, theirs: Words) -> Iterator[Segment]:
    gone: list[str] = []
    added: list[str] = []
    for at, step in enumerate(steps):
        if step.tag != "equal":
            gone.append(_join(theirs[step.src_start : step.src_end]))
            added.append(_join(mine[step.dest_start : step.dest_end]))
            continue
        yield from _change("".join(gone), "".join(added))
        gone, added = [], []
        yield from _same(
            mine[step.dest_start : step.dest_end], first=at == 0, last=at == len(steps) - 1
        )
    yield from _change("".join(gone), "".join(added))


def _change(gone: str, added: str) -> Iterator[Segment]:
    """What went, then what came; a blank at the end is not part of the mark."""
    for kind, text in (("gone", gone), ("added", added)):
        word = text.rstrip()
        if word:
            yield Segment(kind, word)  # type: ignore[arg-type]
        if word != text:
            yield Segment("same", " ")


def _same(words: Words, *, first: bool, last: bool) -> Iterator[Segment]:
    """Unchanged words; those far from any difference become a gap."""
    head = 0 if first else CONTEXT
    tail = 0 if last else CONTEXT
    hidden = len(words) - head - tail
    if (first and last) or hidden <= CONTEXT:
        yield Segment("same", _join(words))
        return
    if head:
        yield Segment("same", _join(words[:head]))
    yield _gap(hidden)
    if tail:
        yield Segment("same", _join(words[-tail:]))


def _cut(segments: list[Segment], *, total: int, uncompared: int = 0) -> tuple[Segment, ...]:
    """Stop after `SHOWN` words and say how many follow."""
    shown: list[Segment] = []
    room = SHOWN
    for segment in segments:
        words = TOKEN.findall(segment.text) if segment.kind != "gap" else []
        if len(words) > room:
            if room:
                shown.append(Segment(segment.kind, make_visible(_join(words[:room]))))
            shown.append(_leave_out(total))
            return tuple(shown)
        room -= len(words)
        text = segment.text if segment.kind == "gap" else make_visible(_join(words) or segment.text)
        shown.append(Segment(segment.kind, text))
    if uncompared:
        shown.append(Segment("gap", f"… {uncompared:,} more words were not compared"))
    return tuple(shown)


def _join(words: Words) -> str:
    return "".join(_short(word) + (blanks[:2] and " ") for word, blanks in words)


def _short(word: str) -> str:
    return word if len(word) <= LONG_WORD else f"{word[:LONG_WORD]}…(+{len(word) - LONG_WORD:,})"


def _gap(count: int) -> Segment:
    return Segment("gap", f" … {count:,} same words … ")


def _leave_out(total: int) -> Segment:
    return Segment("gap", f" … cut here; the text has {total:,} words")
