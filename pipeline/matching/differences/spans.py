"""Spans that differ: what two short runs of tokens are to each other."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.matching.comparison.folding import plain, regional
from pipeline.matching.differences.items import (
    CODE,
    DATE,
    FUNCTION,
    NEGATION,
    QUANTITY,
    SIGN,
    TIME,
    UNIT,
    WORD,
    Item,
    Token,
    exclude_each_other,
    has_point,
    is_unit,
    itemise,
    share_class,
)
from pipeline.matching.differences.kinds import NOTHING, Finding, Kind
from pipeline.matching.differences.language.quantities import readings
from pipeline.matching.differences.language.spelling import (
    accents_matter,
    deny_each_other,
    inflected,
    marks_conflict,
    mistyped,
    romanised,
    same_writing,
    shortened,
)
from pipeline.matching.differences.language.vocabulary import Vocabulary
from pipeline.matching.differences.language.word_lists import word_lists
from pipeline.matching.differences.order import order_kind
from pipeline.matching.differences.token_stream import POINT
from pipeline.matching.differences.writings import same_letters, same_phone

HARMLESS_SIGNS = frozenset("&@*†‡§©®™➤►▪■●★☆_")
MOST_KEPT = 1 << 16  # findings that are remembered
MOST_LIGHT = 2  # words of no content on a side that are held against each other
UNITS_THAT_COUNT = frozenset({"%", "‰"})
Tokens = tuple[Token, ...]


class SpanComparison:
    """Compares spans of tokens that stand in one place of two texts.

    Args:
        words: which words exist.
    """

    def __init__(self, words: Vocabulary) -> None:
        self.words = words
        self.read = 0  # spans, those of equal tokens once
        self._found: dict[tuple[Tokens, Tokens, bool, bool], Finding] = {}
        self._rests: dict[tuple[tuple[Item, ...], tuple[Item, ...], bool], Finding] = {}
        self._seen: dict[tuple[str, str, int, int, bool], int | None] = {}

    def find(
        self, left: Tokens, right: Tokens, *, aware: bool = False, title: bool = False
    ) -> Finding:
        """What `compare` says, remembered by what stands in the spans."""
        key = (left, right, aware, title)
        found = self._found.get(key)
        if found is None:
            if len(self._found) >= MOST_KEPT:
                self._found.clear()
            self.read += 1
            found = self._found[key] = self.compare(left, right, aware=aware, title=title)
        return found

    def compare(self, left: Tokens, right: Tokens, *, aware: bool, title: bool) -> Finding:
        """What two spans are to each other; either may be empty.

        Args:
            aware: both texts write accents elsewhere, so that a missing one may mean something.
            title: the texts are titles, whose words may stand in any order.
        """
        if left and right:
            if same_letters(left, right, aware=aware):
                return Finding(Kind.SPELLING)
            if same_phone(left, right):
                return Finding(Kind.FORMAT)
        one, other = itemise(left), itemise(right)
        gone, come, kind = match_items(one, other, title=title)
        accented = self._accents(one, other, aware=aware)
        if accented:
            kind |= Kind.WORD
        if gone or come:
            rest = self._compare_rest(tuple(gone), tuple(come), aware=aware)
            return Finding(kind | rest.kind, rest.gone, rest.come) if kind else rest
        return Finding(kind, *accented)

    def _compare_rest(
        self, gone: tuple[Item, ...], come: tuple[Item, ...], *, aware: bool
    ) -> Finding:
        """What items without an equal one are to each other, remembered: a span and the same
        span with what stands around it mostly leave the same ones.
        """
        key = (gone, come, aware)
        found = self._rests.get(key)
        if found is None:
            lone, added, kind = self._pair_up(gone, come, aware=aware)
            for item in (*lone, *added):
                kind |= self._alone(item)
            if len(self._rests) >= MOST_KEPT:
                self._rests.clear()
            found = self._rests[key] = Finding(kind, _shown(gone), _shown(come))
        return found

    def _accents(self, one: list[Item], other: list[Item], *, aware: bool) -> tuple[str, ...]:
        """Two words that are equal without their accents and may be two with them, if any."""
        # Only a word with an accent is equal to another without.
        if all(item.exact.isascii() for item in (*one, *other)):
            return ()
        exact = {item.exact for item in one} ^ {item.exact for item in other}
        written: dict[str, str] = {}
        for word in sorted(exact):
            rival = written.setdefault(plain(word), word)
            if rival != word and (
                marks_conflict(word, rival) or (aware and accents_matter(word, rival, self.words))
            ):
                return (word, rival) if word in {item.exact for item in one} else (rival, word)
        return ()

    def _pair_up(
        self, gone: Sequence[Item], come: Sequence[Item], *, aware: bool
    ) -> tuple[list[Item], list[Item], int]:
        """Pair what is left over, the light words last."""
        kind = NOTHING
        heavy = [[item for item in items if item.sort != FUNCTION] for items in (gone, come)]
        light = [[item for item in items if item.sort == FUNCTION] for items in (gone, come)]
        taken: set[int] = set()
        lone = []
        for item in heavy[0]:
            at, found = self._counterpart(item, heavy[1], taken, aware=aware)
            if at >= 0:
                taken.add(at)
            elif self._counterpart(item, light[1], set(), aware=aware)[0] < 0:
                lone.append(item)
            kind |= found
        added = [
            item
            for place, item in enumerate(heavy[1])
            if place not in taken and self._counterpart(item, light[0], set(), aware=aware)[0] < 0
        ]
        while lone and added:
            kind |= self.compare_items(lone.pop(0), added.pop(0), aware=aware)
        if len(gone) == len(come) == len(light[0]) == len(light[1]) == 1:
            kind |= Kind.CLASS if share_class(gone[0], come[0]) else NOTHING
        few = max(len(light[0]), len(light[1])) <= MOST_LIGHT
        for one in light[0] if few else ():
            for other in light[1]:
                if exclude_each_other(one, other):
                    kind |= Kind.OPPOSITE
                if one.capital and other.capital and share_class(one, other):
                    kind |= Kind.CLASS
        if light[0] or light[1]:
            kind |= Kind.FUNCTION
        return lone, added, kind

    def _counterpart(
        self, item: Item, others: list[Item], taken: set[int], *, aware: bool
    ) -> tuple[int, int]:
        """The first item that is another spelling of this one."""
        first, last = item.exact[:1], item.exact[-1:]
        for place, other in enumerate(others):
            near = other.exact[:1] == first or other.exact[-1:] == last
            if near and place not in taken:
                kind = self.same_word(item, other, aware=aware)
                if kind is not None:
                    return place, kind
        return -1, NOTHING

    def same_word(self, one: Item, other: Item, *, aware: bool) -> int | None:
        """The harmless kind of difference of two words that are one, None where they are two."""
        if one.sort not in (WORD, FUNCTION) or other.sort not in (WORD, FUNCTION):
            return None
        key = (one.text, other.text, one.look & POINT, other.look & POINT, aware)
        if key not in self._seen:
            if len(self._seen) >= MOST_KEPT:
                self._seen.clear()
            self._seen[key] = self._same_word(one, other, aware=aware)
        return self._seen[key]

    def _same_word(self, one: Item, other: Item, *, aware: bool) -> int | None:
        a, b = one.exact, other.exact
        if (a[:1] != b[:1] and a[-1:] != b[-1:]) or " " in a or " " in b:
            return None
        if same_writing(a, b):
            return None if aware and accents_matter(a, b, self.words) else Kind.SPELLING
        if deny_each_other(plain(a), plain(b)) or exclude_each_other(one, other):
            return None
        points = has_point(one), has_point(other)
        if points == (True, False) and shortened(plain(a), plain(b), point=True):
            return Kind.ABBREVIATION
        if points == (False, True) and shortened(plain(b), plain(a), point=True):
            return Kind.ABBREVIATION
        name = one.capital or other.capital
        if len(a) > 3 and len(b) > 3:
            if regional(plain(a)) == regional(plain(b)):
                return Kind.SPELLING
            if name and romanised(plain(a)) == romanised(plain(b)):
                return Kind.SPELLING
        if not (one.capital or other.capital) and inflected(a, b):
            return Kind.WORDING
        return Kind.SPELLING if mistyped(a, b, self.words, name=name) else None

    def compare_items(self, one: Item, other: Item, *, aware: bool) -> int:
        """The kind of a difference of two items that stand in one place."""
        sorts = {one.sort, other.sort}
        if sorts == {QUANTITY} and same_without_unit(one, other):
            return Kind.FORMAT
        spelled = QUANTITY in sorts and one.exact.isalpha() and other.exact.isalpha()
        if spelled and mistyped(one.exact, other.exact, self.words, name=False):
            return Kind.SPELLING
        for sort, kind in (
            (QUANTITY, Kind.NUMBER), (DATE, Kind.DATE), (TIME, Kind.DATE), (CODE, Kind.CODE),
            (UNIT, Kind.UNIT), (SIGN, Kind.SIGN),
        ):  # fmt: skip
            if sort in sorts:
                return kind
        if NEGATION in sorts:
            return Kind.WORDING if one.sort == other.sort else Kind.NEGATION
        same = self.same_word(one, other, aware=aware)
        if same is not None:
            return same
        if deny_each_other(plain(one.exact), plain(other.exact)):
            return Kind.OPPOSITE
        if exclude_each_other(one, other):
            return Kind.OPPOSITE
        if share_class(one, other):
            return Kind.CLASS
        if is_unit(one.folded) and is_unit(other.folded):
            return Kind.UNIT
        if one.inside and other.inside:
            return Kind.NAME
        if {one.folded, other.folded} & word_lists().heads:
            return Kind.HEAD
        return Kind.WORD

    def _alone(self, item: Item) -> int:
        """The kind of an item that only one span has."""
        word = item.folded
        match item.sort:
            case "q" | "c":
                return Kind.NUMBER if item.sort == QUANTITY else Kind.CODE
            case "d" | "t":
                return Kind.DATE
            case "u":
                return Kind.UNIT if word in UNITS_THAT_COUNT else Kind.FORMAT
            case "s":
                return Kind.FORMAT if word in HARMLESS_SIGNS else Kind.SIGN
            case "n":
                return Kind.NEGATION
            case "g":
                return Kind.FUNCTION
        if word in word_lists().heads:
            return Kind.HEAD
        if any(isinstance(key, tuple) and key[0] == "m" for key in item.keys):
            return Kind.CLASS
        if item.inside:
            return Kind.NAME
        return Kind.WORD


def match_items(
    one: list[Item], other: list[Item], *, title: bool
) -> tuple[list[Item], list[Item], int]:
    """Take away what both sides have; what is left, and whether the order changed."""
    same, shorter = 0, min(len(one), len(other))
    while same < shorter and one[same] is other[same]:
        same += 1
    matched = [item for item in one[:same] if item.sort != FUNCTION]
    places = list(range(-len(matched), 0))
    open_ = list(enumerate(other[same:]))  # what nothing has been matched to
    known = frozenset().union(*[rival.keys for _, rival in open_])
    gone: list[Item] = []
    kind = NOTHING
    for item in one[same:]:
        keys = item.keys
        if keys.isdisjoint(known):
            gone.append(item)
            continue
        at = next(
            (
                at
                for at, (_, rival) in enumerate(open_)
                if item is rival or not keys.isdisjoint(rival.keys)
            ),
            -1,
        )
        if at < 0:
            gone.append(item)
            continue
        place, rival = open_.pop(at)
        if item.sort != FUNCTION:
            places.append(place)
            matched.append(item)
        if item is not rival and item.text != rival.text:
            kind |= _said_otherwise(item, rival)
    come = [item for _, item in open_]
    if places != sorted(places):
        moved = sorted(place for place in places if place >= 0)
        there = [*matched[: -len(moved)], *(other[same + place] for place in moved)]
        kind |= order_kind(matched, there, places, title=title)
    return gone, come, kind


def same_without_unit(one: Item, other: Item) -> bool:
    """Whether one number has a unit, and the other is the same without."""
    bare = [
        any(isinstance(key, tuple) and key[2] == "" for key in item.keys) for item in (one, other)
    ]
    if bare[0] == bare[1] or any(
        ("percent" in map(str, key))
        for item in (one, other)
        for key in item.keys
        if isinstance(key, tuple)
    ):
        return False
    numbers = ([word for word in item.text.split() if word[-1:].isdigit()] for item in (one, other))
    first, second = (readings(words[0]) if words else frozenset() for words in numbers)
    return not first.isdisjoint(second)


def _said_otherwise(one: Item, other: Item) -> int:
    if one.sort in (QUANTITY, DATE, TIME, CODE):
        return Kind.FORMAT
    shared = {key[0] for key in one.keys & other.keys if isinstance(key, tuple)}
    if "w" in shared or "n" in shared:
        return Kind.SPELLING
    return Kind.ABBREVIATION if "a" in shared else Kind.WORDING


def _shown(items: Sequence[Item]) -> str:
    return " ".join(item.text for item in items)
