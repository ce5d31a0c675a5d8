"""Edits of texts as people and systems make them: what turns a text into a copy of itself.

Each edit is a small function of a text and a generator, which alone decides how it is done. They
make the views of self-supervised training and the synthetic pairs of a calibration without labels.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from numpy.random import Generator

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_FIELD = re.compile(r"(?<=[;\n])")
_PART = re.compile(r"\s+")


def drop_words(text: str, random: Generator) -> str:
    """Leave out each word with a chance of 5 % to 25 %; one word stays."""
    words = text.split()
    kept = random.random(len(words)) >= random.uniform(0.05, 0.25)
    return " ".join(word for word, stays in zip(words, kept, strict=True) if stays) or text


def drop_span(text: str, random: Generator) -> str:
    """Leave out neighbouring words, up to a third of them."""
    words = text.split()
    if len(words) < 3:
        return text
    length = int(random.integers(1, max(2, len(words) // 3 + 1)))
    start = int(random.integers(0, len(words) - length + 1))
    return " ".join([*words[:start], *words[start + length :]])


def swap_words(text: str, random: Generator) -> str:
    """Let two neighbouring words change places."""
    words = text.split()
    if len(words) < 2:
        return text
    at = int(random.integers(0, len(words) - 1))
    words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def change_case(text: str, random: Generator) -> str:
    """Write all in capitals, in small letters or with capitals at the starts of words."""
    return (str.upper, str.lower, str.title)[random.integers(3)](text)


def mistype(text: str, random: Generator) -> str:
    """Make one to three typos: a letter lost, doubled, changed for a neighbour or swapped."""
    letters = list(text)
    for _ in range(random.integers(1, 4)):
        places = [at for at, letter in enumerate(letters) if letter.isalpha()]
        if not places:
            break
        at = places[int(random.integers(len(places)))]
        kind = random.integers(4)
        if kind == 0 and len(places) > 1:
            del letters[at]
        elif kind == 1:
            letters.insert(at, letters[at])
        elif kind == 2:
            letters[at] = _neighbour(letters[at], random)
        elif at + 1 < len(letters):
            letters[at], letters[at + 1] = letters[at + 1], letters[at]
    return "".join(letters)


def respace(text: str, random: Generator) -> str:
    """Lose the punctuation, or write other white space."""
    if random.random() < 0.5:
        return " ".join(re.sub(r"[^\w\s]", " ", text).split()) or text
    return _PART.sub(lambda _: str(random.choice([" ", "  ", "\n"])), text)


def drop_field(text: str, random: Generator) -> str:
    """Leave out one of the fields that a record of several columns was written from."""
    fields = [part for part in _FIELD.split(text) if part.strip()]
    if len(fields) < 2:
        return text
    del fields[int(random.integers(len(fields)))]
    return "".join(fields).strip()


def shorten(text: str, random: Generator) -> str:
    """Keep the first half to nine tenths of the words."""
    words = text.split()
    return " ".join(words[: max(1, round(len(words) * random.uniform(0.5, 0.9)))])


TextEdit = Callable[[str, Generator], str]
TEXT_EDITS: Mapping[str, TextEdit] = {
    edit.__name__: edit
    for edit in (
        drop_words, drop_span, swap_words, change_case, mistype, respace, drop_field, shorten,
    )
}  # fmt: skip


def edit_text(
    text: str, random: Generator, *, names: Sequence[str], count: int
) -> tuple[str, tuple[str, ...]]:
    """Apply `count` different edits out of `names`, drawn with the order by the generator.

    Returns:
        The text and the names of what was done to it; an edit that left nothing is not counted.

    Raises:
        KeyError: a name is no edit's.
    """
    drawn = random.choice(len(names), min(count, len(names)), replace=False)
    done = []
    for name in (names[number] for number in drawn.tolist()):
        changed = TEXT_EDITS[name](text, random)
        if changed.strip():
            text = changed
            done.append(name)
    return text, tuple(done)


def _neighbour(letter: str, random: Generator) -> str:
    """A letter beside it on the keyboard; the letter itself where there is none."""
    for row in _KEYS:
        at = row.find(letter.lower())
        if at >= 0:
            other = row[max(0, min(len(row) - 1, at + (1 if random.random() < 0.5 else -1)))]
            return other.upper() if letter.isupper() else other
    return letter
