"""Items: what tokens say, one a number, date, name, phrase or sign, with all it is equal to."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from pipeline.matching.comparison.folding import fold, plain
from pipeline.matching.differences.language.dates import (
    DATE_WORDS,
    TIMES,
    months,
    read_date,
    read_time,
)
from pipeline.matching.differences.language.quantities import (
    QUANTITY_WORDS,
    number_words,
    read_quantity,
)
from pipeline.matching.differences.language.word_lists import LONGEST_PHRASE, word_lists
from pipeline.matching.differences.token_stream import POINT, STARTS

Keys = frozenset[object]
QUANTITY, DATE, TIME, CODE, SIGN, UNIT, NEGATION, FUNCTION, WORD, CHARACTER = "qdtcsungwk"
_VERSION = re.compile(r"v(?:er)?\.?(\d.*)")
_ORDINAL = re.compile(r"(\d{1,3})(?:st|nd|rd|th|e|er|ème|º|ª)")
_NUMBER_MARKS = frozenset({"no", "nr", "num", "nº", "n", "#", "№", "number", "nos"})
_WORDS_OF_ONE_LETTER = frozenset("AIOYEAВИСКОУЯ")
_BEGINNERS = _NUMBER_MARKS | {"version", "v", "ver", "minus", "negative"}
SHORTEST_STEM = 4  # letters of a word that is looked up without its ending
_PERIOD_UNITS = frozenset({"time", "month"})


@dataclass(frozen=True, eq=False, slots=True)
class Item:
    """One thing that a text says; what a token says by itself is one object, wherever it stands.

    Attributes:
        sort: one of the letters above. keys: equal items share one. text: as it is written.
        folded: the first word, plain. exact: all of it, folded. look: bits of the first token.
        capital: begins with one.
    """

    sort: str
    keys: Keys
    text: str
    folded: str = ""
    exact: str = ""
    look: int = 0
    capital: bool = False

    @property
    def inside(self) -> bool:
        """A capitalised word that does not begin a sentence."""
        return self.capital and not self.look & STARTS


Make = Callable[[int, str, Keys], tuple[int, Item]]


@dataclass(frozen=True, eq=False, slots=True)
class Token:
    """A token with all that is known of it alone; equal tokens are one object, as `token` gives it.

    Attributes:
        word: as it is written. look: bits of what is seen beside it. bare: folded and plain.
        item: what it says by itself. value: whether it can begin a number, a date or a time.
        goes_on: whether it can go on with one. opens: words that make a phrase behind it.
        in_phrase: whether phrases of several words have it.
        joins: whether it may say something else together with its neighbours.
        letters: of it, folded, without hyphens and points; None where the next may change them.
        phone: its digits, where it has nothing else but what parts them in telephone numbers.
    """

    word: str
    look: int
    bare: str
    item: Item
    value: bool
    goes_on: bool
    opens: frozenset[str]
    in_phrase: bool
    joins: bool
    letters: str | None
    phone: str | None


@lru_cache(1 << 16)
def token(word: str, look: int) -> Token:
    """The token of a word and of what is seen beside it."""
    written = bare(word)
    value = begins_value(written)
    joined = word.strip("+-").replace("-", "").replace(".", "").replace("/", "")
    return Token(
        word=word,
        look=look,
        bare=written,
        item=_read([word], [written], 0, look)[1],
        value=value,
        goes_on=value or written in _going_on(),
        opens=word_lists().openers.get(written, frozenset()),
        in_phrase=written in word_lists().phrase_words,
        joins=joins_others(written),
        letters=fold(word).replace("-", "").replace(".", "") if word.isascii() else None,
        phone="".join(c for c in fold(word) if c.isdigit()) if joined.isdigit() else None,
    )


@cache
def _going_on() -> frozenset[str]:
    """Plain words that can go on with a value that others began."""
    units = number_words().units
    squares = {unit[:-1] for unit in units if unit[-1:] in ("²", "³")}
    return frozenset({*units, *squares, *DATE_WORDS, *QUANTITY_WORDS})


def itemise(tokens: Sequence[Token]) -> list[Item]:
    """Read tokens, the longest thing that begins at each first."""
    items: list[Item] = []
    place, last = 0, len(tokens) - 1
    while place <= last:
        here = tokens[place]
        if place == last or not (here.value or here.opens):
            items.append(here.item)
            place += 1
            continue
        following = tokens[place + 1]
        if not ((here.value and following.goes_on) or following.bare in here.opens):
            items.append(here.item)
            place += 1
            continue
        stop = place + 2
        while stop <= last and (tokens[stop].goes_on or tokens[stop].in_phrase):
            stop += 1
        count, item = _read_run(tuple(tokens[place:stop]))
        items.append(item)
        place += max(count, 1)
    return items


@lru_cache(1 << 16)
def bare(word: str) -> str:
    """A word folded and plain."""
    return plain(fold(word))


@lru_cache(1 << 16)
def begins_value(word: str) -> bool:
    """Whether a plain word can begin a number, a date, a time or a version."""
    if not word.isalpha() and (not any(map(str.isalpha, word)) or any(map(str.isdigit, word))):
        return True
    return word in _beginners()


@cache
def _beginners() -> frozenset[str]:
    numbers = number_words()
    return frozenset({*numbers.cardinal, *numbers.currencies, *months(), *TIMES, *_BEGINNERS})


def joins_others(word: str) -> bool:
    """Whether a plain word may say something else together with its neighbours."""
    return begins_value(word) or word in number_words().units or word in word_lists().joiners


@lru_cache(1 << 15)
def _read_run(tokens: tuple[Token, ...]) -> tuple[int, Item]:
    """What begins at the first of some tokens, behind which nothing goes on."""
    return _read([item.word for item in tokens], [item.bare for item in tokens], 0, tokens[0].look)


# The same item is one object, so that what is made of items can be remembered.
_item = lru_cache(1 << 16)(Item)


def _read(written: Sequence[str], words: list[str], place: int, look: int) -> tuple[int, Item]:
    word = written[place]

    def made(count: int, sort: str, keys: Keys) -> tuple[int, Item]:
        text = word if count == 1 else " ".join(written[place : place + count])
        return count, _item(sort, keys, text, words[place], fold(text), look, word[:1].isupper())

    if not begins_value(words[place]):
        return _read_words(word, look, words, place, made)
    date = read_date(words, place)
    if date:
        return made(date[0], DATE, date[1])
    time = read_time(words, place)
    if time:
        return made(time[0], TIME, time[1])
    version = _VERSION.fullmatch(words[place])
    if version:
        return made(1, CODE, frozenset({("v", version[1])}))
    if (
        words[place] in ("version", "v", "ver")
        and place + 1 < len(words)
        and words[place + 1][:1].isdigit()
    ):
        return made(2, CODE, frozenset({("v", words[place + 1])}))
    quantity = read_quantity(words, place)
    if quantity and not (
        quantity[2] in _PERIOD_UNITS and quantity[0] == 1 and words[place].isalpha()
    ):
        return made(quantity[0], QUANTITY, quantity[1])
    return _read_words(word, look, words, place, made)


def _read_words(raw: str, look: int, words: list[str], place: int, made: Make) -> tuple[int, Item]:
    word, lists = words[place], word_lists()
    if not word.isalpha():
        ordinal = _ORDINAL.fullmatch(word)
        if ordinal:
            return made(1, QUANTITY, frozenset({("o", int(ordinal[1]), "")}))
        if any(map(str.isdigit, word)):
            return made(1, CODE, frozenset({("c", re.sub(r"[-./]", "", word))}))
    if len(raw) == 1 and raw.isupper() and not (look & STARTS and raw in _WORDS_OF_ONE_LETTER):
        # An initial before a point; else what tells one gate, plan or vitamin from another.
        sort = WORD if look & POINT else CODE
        return made(1, sort, frozenset({("c", word), ("w", word)}) | phrase_keys((word,)))
    if word in _NUMBER_MARKS and _is_number(words, place + 1):
        return made(1, FUNCTION, frozenset({("n", "number")}))
    longest = min(LONGEST_PHRASE, len(words) - place) if word in lists.openers else 1
    for count in range(longest, 0, -1):
        keys = phrase_keys(tuple(words[place : place + count]))
        if keys and (count > 1 or word not in lists.negations):
            phrase = words[place : place + count]
            light = all(part in lists.function for part in phrase)
            return made(count, FUNCTION if light else WORD, keys | {("w", " ".join(phrase))})
    own: Keys = frozenset({("w", word)})
    if not word or not any(letter.isalpha() for letter in word):
        unit = number_words().units.get(word)
        if unit:
            return made(1, UNIT, frozenset({("u", *unit)}))
        return made(1, SIGN, own)
    if word in lists.negations:
        return made(1, NEGATION, own)
    if word in lists.function:
        return made(1, FUNCTION, own)
    return made(1, CHARACTER if len(word) == 1 and ord(word) > 0x2E80 else WORD, own)


def _is_number(words: list[str], place: int) -> bool:
    return place < len(words) and words[place][:1].isdigit()


@lru_cache(1 << 16)
def phrase_keys(words: tuple[str, ...]) -> Keys:
    """What the lists say that a phrase is equal to."""
    lists = word_lists()
    keys: set[object] = {("g", group) for group in lists.groups.get(words, ())}
    if len(words) == 1:
        if words[0] in number_words().ordinal:
            keys.add(("o", number_words().ordinal[words[0]], ""))
        for end in ("s", "es", "ed", "d", "ing") if len(words[0]) >= SHORTEST_STEM else ():
            stem = words[0].removesuffix(end)
            if len(stem) >= SHORTEST_STEM and (stem,) in lists.groups:
                keys.update(("g", group) for group in lists.groups[(stem,)])
    keys.update(("a", *full) for full in lists.abbreviations.get(words, ()))
    keys.update(("n", name) for name in lists.names.get(words, ()))
    keys.update(("m", *member) for member in lists.classes.get(words, ()))
    return frozenset(keys)


def is_unit(word: str) -> bool:
    """Whether a plain word is a unit that may stand behind a number."""
    return word in number_words().units


def has_point(item: Item) -> bool:
    """Whether a point follows, as behind an abbreviation."""
    return bool(item.look & POINT)


def exclude_each_other(one: Item, other: Item) -> bool:
    """Whether two words are opposites by the list."""
    pairs = word_lists().opposites
    a = pairs.get(plain(one.exact))
    b = a and pairs.get(plain(other.exact))
    return bool(a and b) and any(p == q and s != t for p, s in a or () for q, t in b or ())


def share_class(one: Item, other: Item) -> bool:
    """Whether two words are different members of one closed class."""
    a, b = (
        {(key[1], key[2]) for key in item.keys if isinstance(key, tuple) and key[0] == "m"}
        for item in (one, other)
    )
    return any(p == q and m != n for p, m in a for q, n in b)
