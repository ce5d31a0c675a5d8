"""Readings of pairs: two token streams laid side by side, and every span that differs read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.matching.differences.alignment import Span, align, group_spans
from pipeline.matching.differences.fields import FIRST
from pipeline.matching.differences.frames import goes_on, is_closing, is_prefix
from pipeline.matching.differences.items import Token, token
from pipeline.matching.differences.kinds import (
    BARE,
    FIRST_OPEN,
    NOTHING,
    Finding,
    Kind,
    level_of,
    said,
)
from pipeline.matching.differences.language.word_lists import word_lists
from pipeline.matching.differences.spans import SpanComparison
from pipeline.matching.differences.token_stream import COLON, TokenStreams
from pipeline.matching.differences.writings import LONGEST, compare_coarsely

AROUND = 3  # equal tokens beside a span that it is read with, a second time
APART = 4  # equal tokens between two spans that are read as one
SHORT = 12  # tokens of texts that are always read word by word
UNLIKE = 0.3  # share of equal tokens below which longer texts are compared coarsely
LONGEST_REGION = 60  # tokens between the first and the last of spans that are read as one
# Kinds of a span that may turn out to be harmless beside what stands around it.
WIDENED = (
    Kind.NEGATION
    | Kind.WORD
    | Kind.NUMBER
    | Kind.DATE
    | Kind.UNIT
    | Kind.CODE
    | Kind.SIGN
    | Kind.CLASS
)
MOST_SPANS = 12  # open spans of a pair that are read with what stands around them
FEW_SPANS = 3  # likewise where one says the opposite of the other
TITLE = 30  # tokens of a title at most
LIGHT = 0.2  # share of a title's words that say nothing by themselves
SHOWN = 3  # spans that are told
SAME_WORDS = 0.75  # share of tokens that both have from which one text is the other, reordered

Sides = tuple[tuple[Token, ...], tuple[Token, ...]]


class Reading(NamedTuple):
    """What differs between two texts; see `Differences`."""

    level: int
    verbatim: float
    kind: int
    spans: str
    columns: frozenset[int]


class Tokens(dict[str, Token]):
    """The tokens of a portion of texts by the characters that stand for them, as they are asked."""

    def __init__(self, streams: TokenStreams) -> None:
        self._streams = streams

    def __missing__(self, letter: str) -> Token:
        found = self[letter] = token(*self._streams.token(letter))
        return found


class PairReader:
    """Reads pairs of a portion of texts.

    Args:
        comparison: of spans; it remembers what it read in other portions.
        names: of the columns that the letters from `FIRST` on stand for.
    """

    def __init__(
        self, streams: TokenStreams, comparison: SpanComparison, names: tuple[str, ...]
    ) -> None:
        self.streams = streams
        self.names = names
        self.comparison = comparison
        self._token = Tokens(streams).__getitem__
        self._fields = streams.letters({chr(FIRST + place): place for place in range(len(names))})
        self._known_columns: dict[int, dict[int, tuple[int, int]]] = {}
        self._titles: dict[int, bool] = {}

    def read(self, left: int, right: int) -> Reading:
        """What differs between two texts of the portion."""
        one, other = self.streams.folded[left], self.streams.folded[right]
        spans = self._spans(left, right)
        aware = bool(self.streams.accented[left] and self.streams.accented[right])
        sides = [self._tokens(left, right, span) for span in spans]
        if self._unlike(one, other, spans):
            found = [compare_coarsely(*side) for side in sides]
            return self._reading(left, right, spans, found)
        found = [
            compare_coarsely(*side)
            if min(map(len, side)) > LONGEST
            else self.comparison.find(*side, aware=aware)
            for side in sides
        ]
        open_ = [place for place, item in enumerate(found) if item.kind >= FIRST_OPEN]
        decided = any(item.kind & (Kind.OPPOSITE | Kind.NEGATION) for item in found)
        few = len(open_) <= (FEW_SPANS if decided else MOST_SPANS)
        if open_ and few:
            self._read_again(left, right, spans, sides, found, open_, aware=aware)
        return self._reading(left, right, spans, found)

    def _reading(self, left: int, right: int, spans: list[Span], found: list[Finding]) -> Reading:
        total = len(self.streams.folded[left]) + len(self.streams.folded[right])
        kind, lost = NOTHING, 0
        for span, item in zip(spans, found, strict=True):
            kind |= item.kind
            if item.kind >= FIRST_OPEN:
                start, stop, from_, to, _ = span
                lost += stop - start + to - from_
        if kind & Kind.MOVED:
            still = lost - self._kept(left, right, spans, found)
            # The same words in another order, not two descriptions that share some.
            lost = still if still <= (1 - SAME_WORDS) * total else lost
        verbatim = 1 - lost / total if total else 1.0
        columns = frozenset(
            span.field
            for span, item in zip(spans, found, strict=True)
            if item.kind >= FIRST_OPEN and not item.kind & Kind.MISSING
        )
        level = level_of(kind)
        if kind & Kind.MISSING and len({*self._columns(left)} & {*self._columns(right)}) < 2:
            kind |= BARE
        return Reading(level, verbatim, kind, self._told(spans, found), columns)

    def _kept(self, left: int, right: int, spans: list[Span], found: list[Finding]) -> int:
        """How many tokens of open spans both texts have, in another place."""
        one, other = self.streams.folded[left], self.streams.folded[right]
        gone: Counter[str] = Counter()
        come: Counter[str] = Counter()
        for span, item in zip(spans, found, strict=True):
            if item.kind >= FIRST_OPEN:
                gone.update(one[span.start : span.stop])
                come.update(other[span.from_ : span.to])
        return 2 * (gone & come).total()

    @staticmethod
    def _unlike(one: str, other: str, spans: list[Span]) -> bool:
        """Whether two texts are two descriptions rather than one with changes."""
        longest = max(len(one), len(other))
        if longest <= SHORT:
            return False
        kept = len(one)
        for start, stop, _, _, _ in spans:
            kept -= stop - start
        return kept < UNLIKE * longest

    def _spans(self, left: int, right: int) -> list[Span]:
        one, other = self.streams.folded[left], self.streams.folded[right]
        if not self.names:
            return align(one, other, 0, 0, -1)
        spans = []
        mine, theirs = self._columns(left), self._columns(right)
        for field in sorted({*mine, *theirs}):
            a, b = mine.get(field, (0, 0)), theirs.get(field, (0, 0))
            if one[a[0] : a[1]] != other[b[0] : b[1]]:
                spans += align(one[a[0] : a[1]], other[b[0] : b[1]], a[0], b[0], field)
        return spans

    def _columns(self, text: int) -> dict[int, tuple[int, int]]:
        """Where the tokens of each column lie."""
        known = self._known_columns.get(text)
        if known is None:
            seen = self.streams.seen[text]
            fields = self._fields
            edges = [(at, fields[letter]) for at, letter in enumerate(seen) if letter in fields]
            stops = [place for place, _ in edges[1:]] + [len(seen)]
            known = self._known_columns[text] = {
                field: (place + 1, stop)
                for (place, field), stop in zip(edges, stops, strict=True)
                if stop > place + 1
            }
        return known

    def _tokens(self, left: int, right: int, span: Span) -> Sides:
        start, stop, from_, to, _ = span
        seen = self.streams.seen
        return (
            tuple(map(self._token, seen[left][start:stop])),
            tuple(map(self._token, seen[right][from_:to])),
        )

    def _read_again(
        self,
        left: int,
        right: int,
        spans: list[Span],
        sides: list[Sides],
        found: list[Finding],
        open_: list[int],
        *,
        aware: bool,
    ) -> None:
        """Look at open spans with what stands around them, and at all together."""
        self._frames(left, right, spans, sides, found, open_)
        for place in open_:
            if found[place].kind & WIDENED and _may_join(*sides[place]):
                wide = self._widened(left, right, spans, place, place)
                again = self.comparison.find(*self._tokens(left, right, wide), aware=aware)
                # A number is told with its unit.
                told = again.level == found[place].level and again.kind & Kind.NUMBER
                if again.level < found[place].level or told:
                    found[place] = again
        self._together(left, right, spans, found, aware=aware)
        self._columns_exchanged(left, right, spans, found)

    def _frames(
        self,
        left: int,
        right: int,
        spans: list[Span],
        sides: list[Sides],
        found: list[Finding],
        open_: list[int],
    ) -> None:
        """Prefixes, closing lines and cut ends."""
        ends = len(self.streams.folded[left]), len(self.streams.folded[right])
        for place in {open_[0], open_[-1]}:
            span, (one, other) = spans[place], sides[place]
            alone = one or other if not (one and other) else ()
            first = span.start == 0 and span.from_ == 0 and span.field < 0
            last = span.stop == ends[0] and span.to == ends[1]
            if (alone and ((first and is_prefix(alone)) or (last and is_closing(alone)))) or (
                (last and self.streams.cut[left] and goes_on(one, other))
                or (last and self.streams.cut[right] and goes_on(other, one))
            ):
                found[place] = Finding(Kind.FRAME)

    def _widened(self, left: int, right: int, spans: list[Span], first: int, last: int) -> Span:
        """Spans first … last as one, with the equal tokens around."""
        start, from_ = spans[first].start, spans[first].from_
        stop, to = spans[last].stop, spans[last].to
        field = spans[first].field
        floor = (
            spans[first - 1].stop
            if first and spans[first - 1].field == field
            else self._edge(left, start, field)
        )
        before = min(AROUND, start - floor)
        ceiling = (
            spans[last + 1].start
            if last + 1 < len(spans) and spans[last + 1].field == field
            else self._end(left, stop, field)
        )
        after = min(AROUND, ceiling - stop)
        return Span(start - before, stop + after, from_ - before, to + after, field)

    def _edge(self, text: int, place: int, field: int) -> int:
        if field < 0:
            return 0
        return self._columns(text).get(field, (place, place))[0]

    def _end(self, text: int, place: int, field: int) -> int:
        if field < 0:
            return len(self.streams.folded[text])
        return self._columns(text).get(field, (place, place))[1]

    def _together(
        self, left: int, right: int, spans: list[Span], found: list[Finding], *, aware: bool
    ) -> None:
        """Read neighbouring open spans as one: dates, names and attributes in another order."""
        if sum(item.kind >= FIRST_OPEN for item in found) < 2:
            return
        title = self._is_title(left) and self._is_title(right)
        for reach in (APART, 10**6):
            groups = group_spans(spans, found, reach)
            for first, last in groups:
                if reach > APART and not self._shares(left, right, spans[first : last + 1]):
                    continue
                wide = self._widened(left, right, spans, first, last)
                if wide.stop - wide.start > LONGEST_REGION:
                    continue
                region = self._tokens(left, right, wide)
                again = self.comparison.find(*region, aware=aware, title=title)
                if again.level == 0:
                    found[first : last + 1] = [again] * (last + 1 - first)
                elif (
                    again.kind & Kind.MOVED and not _strongest(found[first : last + 1]) & Kind.MOVED
                ):
                    found[first] = Finding(found[first].kind | Kind.MOVED, *found[first][1:])

    def _shares(self, left: int, right: int, spans: list[Span]) -> bool:
        """Whether a token that is gone in one place comes in another."""
        one, other = self.streams.folded[left], self.streams.folded[right]
        gone = {token for span in spans for token in one[span.start : span.stop]}
        return any(token in gone for span in spans for token in other[span.from_ : span.to])

    def _columns_exchanged(
        self, left: int, right: int, spans: list[Span], found: list[Finding]
    ) -> None:
        """Values that changed their column, and columns that one record lacks."""
        if not self.names:
            return
        mine, theirs = self._columns(left), self._columns(right)
        one, other = self.streams.folded[left], self.streams.folded[right]
        gone = {one[span.start : span.stop]: span.field for span in spans if span.stop > span.start}
        for place, span in enumerate(spans):
            come = other[span.from_ : span.to]
            if come and gone.get(come, span.field) != span.field:
                found[place] = Finding(found[place].kind | Kind.MOVED, *found[place][1:])
            elif found[place].level and (span.field not in mine or span.field not in theirs):
                found[place] = Finding(Kind.MISSING, *found[place][1:])
        come_by = {
            other[span.from_ : span.to]: span.field for span in spans if span.to > span.from_
        }
        for place, span in enumerate(spans):
            text = one[span.start : span.stop]
            if text and come_by.get(text, span.field) != span.field:
                found[place] = Finding(found[place].kind | Kind.MOVED, *found[place][1:])

    def _is_title(self, text: int) -> bool:
        """A few words, hardly one of them without a content of its own."""
        known = self._titles.get(text)
        if known is None:
            known = len(self.streams.seen[text]) <= TITLE and self._reads_as_title(text)
            self._titles[text] = known
        return known

    def _reads_as_title(self, text: int) -> bool:
        tokens = list(map(self.streams.token, self.streams.seen[text]))
        words, looks = [word for word, _ in tokens], [look for _, look in tokens]
        light = sum(word.lower() in word_lists().function for word in words)
        named = sum(bool(look & COLON) for look in looks)
        telling = any(word[-1].isdigit() for word in words) or 2 * sum(
            word[:1].isupper() for word in words
        ) > len(words)
        return light <= LIGHT * len(words) and named < 2 and telling

    def _told(self, spans: list[Span], found: list[Finding]) -> str:
        told = [
            (-int.bit_length(item.kind), place)
            for place, item in enumerate(found)
            if item.kind >= FIRST_OPEN
        ]
        if not told:
            return ""
        parts = []
        for _, place in sorted(told)[:SHOWN]:
            field = spans[place].field
            parts.append(said(found[place]) + (f" in *{self.names[field]}*" if field >= 0 else ""))
        return "; ".join(dict.fromkeys(parts))


def _may_join(left: Sequence[Token], right: Sequence[Token]) -> bool:
    """Whether what stands around two spans can change what they say."""
    return any(item.joins for item in (*left, *right))


def _strongest(found: list[Finding]) -> int:
    kind = NOTHING
    for item in found:
        kind |= item.kind
    return kind
