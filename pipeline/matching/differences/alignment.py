"""Alignment: where two token streams differ."""

from __future__ import annotations

from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from pipeline.matching.differences.kinds import FIRST_OPEN, Finding


class Span(NamedTuple):
    """Tokens start … stop of the left and of the right text, in one column (-1: of none)."""

    start: int
    stop: int
    from_: int
    to: int
    field: int


def align(one: str, other: str, left: int, right: int, field: int) -> list[Span]:
    """Spans that differ, those without an equal token between them as one."""
    spans: list[Span] = []
    for op in Levenshtein.opcodes(one, other):
        if op.tag == "equal":
            continue
        start, from_ = op.src_start + left, op.dest_start + right
        if spans and spans[-1].stop == start and spans[-1].to == from_:
            start, _, from_, _, _ = spans.pop()
        spans.append(Span(start, op.src_end + left, from_, op.dest_end + right, field))
    return spans


def group_spans(spans: list[Span], found: list[Finding], reach: int) -> list[tuple[int, int]]:
    """Runs of open spans of one column, at most `reach` equal tokens apart."""
    groups: list[tuple[int, int]] = []
    open_ = [place for place, item in enumerate(found) if item.kind >= FIRST_OPEN]
    for place in open_:
        if groups:
            first, last = groups[-1]
            near = spans[place].start - spans[last].stop <= reach
            if near and spans[place].field == spans[last].field:
                groups[-1] = (first, place)
                continue
        groups.append((place, place))
    return [group for group in groups if group[0] < group[1]]
