"""Latin alphabets: which single-byte encoding makes words of some language out of bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

# Letters beyond ASCII that a language writes, lower case; those of borrowed words left out.
_LETTERS = {
    "western": (
        "äöüß", "àâæçèéêëîïôœùûüÿ", "áéíñóúü", "àáâãçéêíóôõú", "àèéìíîòóùú", "áéëïóöüè",
        "æøåéòôü", "åäöéü", "åäöé", "áéíóúýþæðö", "àçèéíïòóúü",
    ),
    "central": (
        "ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîșțşţ", "čćđšž",
        "äöüß",
    ),
    "turkish": ("çğıiöşüâîû",),
    "baltic": ("āčēģīķļņšūž", "ąčęėįšųūž", "äõöüšž"),
}  # fmt: skip
# The first wins where others are no better; what writes Windows stands before the older ones.
_ENCODINGS = {
    "cp1252": "western", "cp1250": "central", "cp1254": "turkish", "cp1257": "baltic",
    "iso8859_2": "central", "cp850": "western", "mac_roman": "western", "cp852": "central",
    "mac_latin2": "central",
}  # fmt: skip
LATIN_USUAL = next(iter(_ENCODINGS))
# How many of the words must be some language's, and by how much another must beat the first.
_FIT, _BETTER = 0.75, 0.08
_WORDS = re.compile(rb"[A-Za-z\x80-\xff]*[\x80-\xff][A-Za-z\x80-\xff]*")
_SIGNS = "€£¥§©®™°²³½¼¾×÷±«»„“”‚‘’…–—·•¿¡ªº´µ\u00a0"  # around and between words
_MOST = 5000  # distinct words looked at


def words_beyond_ascii(text: bytes) -> list[bytes]:
    """The distinct words that hold a byte beyond ASCII, in the order they come."""
    return list(dict.fromkeys(_WORDS.findall(text)))[:_MOST]


def latin_encoding(words: list[bytes]) -> str | None:
    """The encoding that makes words of a Latin alphabet out of these; None: none does.

    The score of an encoding is the mean of two shares of the words: those that some language of
    its region can write, and those that the best single one of these can. The first alone would
    let letters of many languages pass for one; the second alone would fail files of several.
    """
    scores = {name: _score(words, name, _LETTERS[region]) for name, region in _ENCODINGS.items()}
    best = max(scores, key=lambda name: scores[name])  # the first of equal ones
    if scores[LATIN_USUAL] >= max(_FIT, scores[best] - _BETTER):
        return LATIN_USUAL
    return best if scores[best] >= _FIT else None


def _score(words: list[bytes], encoding: str, alphabets: Iterable[str]) -> float:
    sets = [set(letters) | set(letters.upper()) for letters in alphabets]
    single, some = [0] * len(sets), 0
    for word in words:
        try:
            letters = _letters(word.decode(encoding))
        except UnicodeDecodeError:
            continue
        fits = [letters is not None and letters <= known for known in sets]
        single = [count + fit for count, fit in zip(single, fits, strict=True)]
        some += any(fits)
    return (some + max(single)) / 2 / max(len(words), 1)


def _letters(word: str) -> set[str] | None:
    """The letters of a word beyond ASCII; None: no person writes it so.

    Signs may stand around it, an apostrophe or a dash in it; a capital never follows a small
    letter.
    """
    core = word.strip(_SIGNS)
    core = re.sub("[’‘–—\u00ad]", "", core)
    if not all(map(str.isalpha, core)) or "ª" in core or "º" in core:
        return None
    if any(a.islower() and b.isupper() for a, b in pairwise(core)):
        return None
    return {sign for sign in core if not sign.isascii()}
