"""Kinds of differences, and the findings that carry them."""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

LONGEST_SHOWN = 80  # characters of a span
HARMLESS, DOUBTFUL, DECISIVE = 0, 1, 2


class Kind(IntEnum):
    """What a difference is, a bit each: the first are harmless, `WORD` and `MISSING` open, the
    rest decide. Not a flag of `enum`, whose sums are slow.
    """

    FORMAT = 1 << 0  # one value in two formats
    SPELLING = 1 << 1  # accents, hyphens, typos, transliterations
    ABBREVIATION = 1 << 2
    WORDING = 1 << 3  # a synonym, or another inflection
    FUNCTION = 1 << 4  # words without a content of their own
    ORDER = 1 << 5  # the same in another order that does not matter
    FRAME = 1 << 6  # reply prefixes, signatures, a cut end
    WORD = 1 << 7  # a content word that nothing classifies
    MISSING = 1 << 8  # a column that one record lacks
    NUMBER = 1 << 9
    UNIT = 1 << 10
    DATE = 1 << 11
    CODE = 1 << 12
    SIGN = 1 << 13  # plus and minus, symbols, emoji
    NEGATION = 1 << 14
    OPPOSITE = 1 << 15
    CLASS = 1 << 16  # two of one closed class: colours, sizes, weekdays
    NAME = 1 << 17
    HEAD = 1 << 18  # a word that makes another thing of what it stands beside
    MOVED = 1 << 19  # the same words in an order, or a column, that says something else


OPEN = Kind.WORD | Kind.MISSING
NOTHING = 0
# Beside the kinds: a column is missing, and what both records say is one column at most.
BARE = 1 << 20
SAID: dict[int, str] = {
    Kind.WORD: "word",
    Kind.MISSING: "missing",
    Kind.NUMBER: "number",
    Kind.UNIT: "unit",
    Kind.DATE: "date",
    Kind.CODE: "code",
    Kind.SIGN: "sign",
    Kind.NEGATION: "negation",
    Kind.OPPOSITE: "opposite",
    Kind.CLASS: "one of a kind",
    Kind.NAME: "name",
    Kind.HEAD: "another thing",
    Kind.MOVED: "order",
}


def kinds_in(bits: int) -> list[Kind]:
    """The kinds whose bits are set."""
    return [kind for kind in Kind if bits & kind]


def level_of(kind: int) -> int:
    """The verdict on a difference of some kinds."""
    if kind >= Kind.NUMBER:
        return DECISIVE
    return DOUBTFUL if kind & OPEN else HARMLESS


FIRST_OPEN = int(Kind.WORD)  # all harmless kinds are below


class Finding(NamedTuple):
    """What two spans of tokens are to each other.

    Attributes:
        kind: all kinds found. gone, come: what the left and the right span have of their own.
    """

    kind: int
    gone: str = ""
    come: str = ""

    @property
    def level(self) -> int:
        """0 harmless, 1 doubtful, 2 decisive."""
        return level_of(self.kind)


@lru_cache(1 << 14)
def said(finding: Finding) -> str:
    """A finding for a person: `10 mg` against `5 mg` (number)."""
    label = SAID.get(1 << finding.kind.bit_length() >> 1, "wording")
    gone, come = _cut(finding.gone), _cut(finding.come)
    if gone and come:
        return f"`{gone}` against `{come}` ({label})"
    return f"`{gone or come}` on one side only ({label})"


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
