"""Words lists of the package: read once, folded as tokens are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from pipeline.matching.comparison.folding import fold, plain

FOLDER = Path(__file__).parent / "words"
Phrase = tuple[str, ...]
_UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")  # letters of scripts without spaces
LONGEST_PHRASE = 6


@dataclass(frozen=True)
class WordLists:
    """What is known of words before any corpus; every word is folded and without accents.

    Attributes:
        function, negations, heads: words of each kind.
        groups: phrase → the groups of wordings that it belongs to.
        classes: phrase → (class, member) of every closed class that has it.
        opposites: word → (pair, side) of every pair of opposites that has it.
        abbreviations: short form → full forms. names: spelling → the names that it spells.
    """

    function: frozenset[str]
    negations: frozenset[str]
    heads: frozenset[str]
    groups: dict[Phrase, frozenset[int]]
    classes: dict[Phrase, frozenset[tuple[str, int]]]
    opposites: dict[str, frozenset[tuple[int, int]]]
    abbreviations: dict[Phrase, frozenset[Phrase]]
    names: dict[Phrase, frozenset[int]]

    @cached_property
    def joiners(self) -> frozenset[str]:
        """Words of phrases of several words, but for those without a content of their own."""
        return self.phrase_words - self.function

    @cached_property
    def phrase_words(self) -> frozenset[str]:
        """Words of phrases of several words."""
        lists = (self.groups, self.classes, self.abbreviations, self.names)
        phrases = (words for known in lists for words in known if len(words) > 1)
        return frozenset(word for words in phrases for word in words)

    @cached_property
    def openers(self) -> dict[str, frozenset[str]]:
        """First words of phrases of several words, and the words that follow them."""
        found: dict[str, set[str]] = {}
        for known in (self.groups, self.classes, self.abbreviations, self.names):
            for words in known:
                if len(words) > 1:
                    found.setdefault(words[0], set()).add(words[1])
        return {word: frozenset(following) for word, following in found.items()}


@cache
def word_lists() -> WordLists:
    """The lists of the package."""
    return WordLists(
        function=_words("function_words"),
        negations=_words("negations"),
        heads=_words("heads"),
        groups=_grouped(line.split(",") for line in lines("synonyms")),
        classes=_classes(),
        opposites=_opposites(),
        abbreviations=_abbreviations(),
        names=_grouped(line.split() for line in lines("names")),
    )


def lines(name: str) -> Iterator[str]:
    """The lines of a list but for comments."""
    for line in (FOLDER / f"{name}.txt").read_text("utf-8").splitlines():
        if line and not line.startswith("# "):
            yield line


def phrase(words: str) -> Phrase:
    """Words as they are looked up: folded, without accents; _ and spaces part them."""
    parted = _UNSPACED.sub(r" \g<0> ", words.replace("_", " ").replace("-", " "))
    return tuple(plain(fold(word)) for word in parted.split())


def _words(name: str) -> frozenset[str]:
    return frozenset(plain(fold(word)) for line in lines(name) for word in line.split())


def _grouped(rows: Iterator[list[str]]) -> dict[Phrase, frozenset[int]]:
    found: dict[Phrase, set[int]] = defaultdict(set)
    for number, row in enumerate(rows):
        for words in row:
            found[phrase(words)].add(number)
    return {key: frozenset(value) for key, value in found.items()}


def _classes() -> dict[Phrase, frozenset[tuple[str, int]]]:
    found: dict[Phrase, set[tuple[str, int]]] = defaultdict(set)
    for line in lines("classes"):
        name, _, members = line.partition(":")
        for number, member in enumerate(members.split()):
            for words in member.split("="):
                found[phrase(words)].add((name, number))
    return {key: frozenset(value) for key, value in found.items()}


def _opposites() -> dict[str, frozenset[tuple[int, int]]]:
    found: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for number, line in enumerate(lines("opposites")):
        for side, words in enumerate(line.split("|")):
            for word in words.split():
                found[" ".join(phrase(word))].add((number, side))
    return {key: frozenset(value) for key, value in found.items()}


def _abbreviations() -> dict[Phrase, frozenset[Phrase]]:
    found: dict[Phrase, set[Phrase]] = defaultdict(set)
    for line in lines("abbreviations"):
        full, *short = (phrase(words.replace(".", " ")) for words in line.split())
        for form in (full, *short):
            found[form].add(full)
            if len(form) > 1 and all(len(word) == 1 for word in form):
                found[("".join(form),)].add(full)
    return {key: frozenset(value) for key, value in found.items()}
