"""Spellings: whether two words are one word, written, mistyped or inflected otherwise."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

from pipeline.matching.comparison.folding import plain, written_out
from pipeline.matching.differences.language.vocabulary import Vocabulary, listed_words
from pipeline.matching.differences.language.word_lists import lines

ENGLISH = 3  # sets of endings that come first in the list
STEM = 4  # letters of a stem before the endings of other languages
SHORTEST_TYPO = 4  # letters of a word that may be mistyped
LONGEST_SHORT = 4  # letters of an abbreviation that no list has
SHORTENED = 0.7  # share of a word's letters that an abbreviation has at most
TIMES_RARER = 8  # a typo is so many times rarer than the word
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "tz", "йцукенгшщзхъ", "фывапролджэ", "ячсмитьбю")
_NEIGHBOURS = {
    frozenset(pair)
    for row, below in zip(_ROWS, (*_ROWS[1:3], "", "", *_ROWS[5:], ""), strict=True)
    for place, letter in enumerate(row)
    for pair in [
        (letter, other)
        for other in row[place + 1 : place + 2] + below[max(place - 1, 0) : place + 1]
    ]
}
_VOWELS = frozenset("aeiouyäöüáéíóúàèìòùâêîôûąęаеёиоуыэюя")


@dataclass(frozen=True)
class Affixes:
    """Beginnings and ends of words, as the list of the package has them."""

    ends: list[frozenset[str]]
    sexes: list[frozenset[str]]
    denying: tuple[str, ...]
    denying_ends: list[tuple[str, str]]
    against: list[tuple[str, str]]


@cache
def affixes() -> Affixes:
    """The list of the package."""
    rows: dict[str, list[list[str]]] = {}
    for line in lines("affixes"):
        kind, _, parts = line.partition(": ")
        rows.setdefault(kind, []).append([part.replace("0", "") for part in parts.split()])
    return Affixes(
        ends=[frozenset(row) for row in rows["ends"]],
        sexes=[frozenset(row) for row in rows["sexes"]],
        denying=tuple(rows["denying"][0]),
        denying_ends=[(row[0], row[1]) for row in rows["denying_end"]],
        against=[(row[0], row[1]) for row in rows["against"]],
    )


@lru_cache(1 << 14)
def deny_each_other(one: str, other: str) -> bool:
    """Whether one word is the other with a prefix or an ending that turns it round."""
    if one[-3:] != other[-3:] and one[:3] != other[:3]:
        return False
    for short, long in ((one, other), (other, one)):
        if len(short) >= 3 and long.endswith(short):
            return long.removesuffix(short) in affixes().denying
        for denying, ending in affixes().denying_ends:
            stem = long.removesuffix(denying)
            if len(stem) >= 3 and stem != long and short == stem + ending:
                return True
        for first, second in affixes().against:
            rest = short.removeprefix(first)
            if len(rest) >= 3 and rest != short and long == second + rest:
                return True
    return False


def same_writing(one: str, other: str) -> bool:
    """Whether two folded words differ by accents, umlauts written out or a spelling rule only."""
    if one.isascii() and other.isascii():
        return one == other
    same = plain(one) == plain(other) or written_out(one) == written_out(other)
    return same and not marks_conflict(one, other)


def marks_conflict(one: str, other: str) -> bool:
    """Whether a letter has one mark here and another there; a mark left out is no conflict."""
    if one.isascii() or other.isascii():
        return False
    first, second = _marks(one), _marks(other)
    both = zip(first, second, strict=False)
    return len(first) == len(second) and any(a and b and a != b for a, b in both)


def _marks(word: str) -> list[str]:
    """The marks of each letter."""
    found: list[str] = []
    for letter in unicodedata.normalize("NFD", word):
        if not unicodedata.combining(letter):
            found.append("")
        elif found:
            found[-1] += letter
    return found


def accents_matter(one: str, other: str, words: Vocabulary) -> bool:
    """Whether the corpus shows both as words of their own."""
    return words.count(one) >= 2 and words.count(other) >= 2


@lru_cache(1 << 14)
def romanised(word: str) -> str:
    """A plain word in one of the ways that other scripts are written in Latin letters."""
    for pattern, instead in _ROMAN:
        word = pattern.sub(instead, word)
    return word


_ROMAN = [
    (re.compile(pattern), instead)
    for pattern, instead in (
        ("schtsch|shch", "sh"), ("tsch|tch", "ch"), ("sch", "sh"), ("kh", "h"), ("zh|dj", "j"),
        ("ou", "u"), (r"sk(?:iy|ij|yj|ii|y|i)$", "ski"), (r"(?:iy|ij|yj|ii|ey|ei|ej)$", "i"),
        (r"(?<=[oe])(?:ff|w)$", "v"), (r"^(?:ye|je)", "e"), (r"^(?:iu|ju)", "yu"),
    )
]  # fmt: skip


def inflected(one: str, other: str) -> bool:
    """Whether two folded words are one stem with two endings of one kind."""
    stem = 0
    shorter = min(len(one), len(other))
    while stem < shorter and one[stem] == other[stem]:
        stem += 1
    for cut in (stem, stem - 1):
        if cut >= 4 or (cut >= 3 and max(len(one), len(other)) - cut <= 3):
            ends = frozenset((one[cut:], other[cut:]))
            if any(ends <= known for known in affixes().ends[:ENGLISH]):
                return True
            if (
                cut < STEM
                or ends in affixes().sexes
                or {plain(one), plain(other)} <= listed_words()
            ):
                continue
            if any(ends <= known for known in affixes().ends[ENGLISH:]):
                return True
            # 'shipped', 'shipping': the last letter doubled before the ending.
            doubled = {end[1:] if end[:1] == one[cut - 1] else end for end in ends}
            if doubled <= affixes().ends[0]:
                return True
    return False


def mistyped(one: str, other: str, words: Vocabulary, *, name: bool) -> bool:
    """Whether one of two folded words is the other with a slip of the finger.

    Two letters exchanged or one doubled count where only one of both exists; a letter left out,
    added, or hit beside its key counts where, besides, the word is no name and does not end so.
    """
    if one == other:
        return True
    if min(len(one), len(other)) < SHORTEST_TYPO or abs(len(one) - len(other)) > 1:
        return False
    slip = _slip(one, other)
    if not slip:
        return False
    wrong, right = sorted((one, other), key=lambda word: (words.exists(word), words.count(word)))
    if not words.exists(right) and slip != "doubled":
        return False
    if words.exists(wrong):
        often = words.count(wrong) * TIMES_RARER <= words.count(right)
        return (
            often
            and slip in ("doubled", "exchanged")
            and words.count(wrong) <= 1
            and plain(wrong) not in listed_words()
        )
    return slip in ("doubled", "exchanged") or (slip == "inner" and not name)


def _slip(one: str, other: str) -> str:
    """The one slip that makes one word of the other, '' where it takes more."""
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    if len(a) == len(b):
        if a[1:] == b[1:]:
            inner = start > 0 and len(a) > 1
            vowels = len(one) >= 6 and a[0] in _VOWELS and b[0] in _VOWELS
            near = frozenset((a[0], b[0])) in _NEIGHBOURS
            return "inner" if inner and (near or vowels) and len(one) >= 5 else ""
        return "exchanged" if a[:2] == b[1::-1] and a[2:] == b[2:] else ""
    if len(a) < len(b):
        a, b = b, a
    if a[1:] != b:
        return ""
    if (start and a[0] == one[start - 1]) or a[1:2] == a[0]:
        return "doubled"
    return "inner" if start > 0 and len(a) > 1 else ""


def shortened(short: str, long: str, *, point: bool) -> bool:
    """Whether a word abbreviates another: an initial or its first letters before a point."""
    if not point or not short or len(short) > min(SHORTENED * len(long), LONGEST_SHORT):
        return False
    if long.startswith(short):
        return True
    letters = iter(long)
    kept = all(letter in letters for letter in short)
    return kept and len(short) >= 2 and short[0] == long[0] and short[-1] == long[-1]
