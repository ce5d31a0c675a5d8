"""Folding of words: case and width go, accents only where they are asked to."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_APOSTROPHES = str.maketrans({"'": "", "’": "", "‘": "", "ʼ": "", "׳": "", "̇": "", "ı": "i"})
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ё": "е",
     "ə": "e", "ħ": "h", "ŋ": "n", "أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ة": "ه"}
)  # fmt: skip
_STRIPPED = (("LATIN", "GREEK"), ("HEBREW POINT", "HEBREW ACCENT", "ARABIC FATHA", "ARABIC KASRA",
             "ARABIC DAMMA", "ARABIC SHADDA", "ARABIC SUKUN", "ARABIC TATWEEL"))  # fmt: skip


def fold(word: str) -> str:
    """A word without case, width and apostrophes; digits of any script are 0 to 9.

    Superscripts and fractions stay what they are: 10⁶ is not 106.
    """
    if word.isascii():
        return word.lower().replace("'", "")
    if not any(unicodedata.category(letter) == "No" for letter in word):
        word = unicodedata.normalize("NFKC", word)
    word = word.casefold().translate(_APOSTROPHES).replace("–", "-").replace("−", "-")
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in word)


def without_accents(folded: str) -> str:
    """A folded text without the accents that may be left out in writing.

    Marks of Latin and Greek letters and vowel points of Hebrew and Arabic go; the marks of other
    scripts are letters of their own (й is not и, मे is not मै).
    """
    if folded.isascii():
        return folded
    return "".join(map(_plain, unicodedata.normalize("NFC", folded.translate(_LETTERS))))


@lru_cache(1 << 16)
def plain(folded: str) -> str:
    """A folded word as `without_accents` writes it, remembered."""
    return without_accents(folded)


@lru_cache(1 << 12)
def _plain(letter: str) -> str:
    name = unicodedata.name(letter, "")
    if name.startswith(_STRIPPED[1]):
        return ""
    if not name.startswith(_STRIPPED[0]):
        return letter
    return "".join(c for c in unicodedata.normalize("NFD", letter) if not unicodedata.combining(c))


def written_out(folded: str) -> str:
    """A folded word with its umlauts written out, as ue for ü."""
    return plain(
        folded.replace("ä", "ae")
        .replace("ö", "oe")
        .replace("ü", "ue")
        .replace("å", "aa")
        .replace("ø", "oe")
    )


@lru_cache(1 << 14)
def regional(word: str) -> str:
    """A plain word as both sides of the Atlantic write it."""
    word = re.sub(r"isation(s?)$", r"ization\1", word)
    word = re.sub(r"(\w{3})is(e|es|ed|ing)$", r"\1iz\2", word)
    word = re.sub(r"(\w{2})our(s|ed|ing|ite|ful|able|)$", r"\1or\2", word)
    word = re.sub(r"(\w{2}[tbdp])re(s?)$", r"\1er\2", word)
    word = re.sub(r"([aeiou]\w*[^\Waeiou]+[aeiou])ll(ed|ing|er|ers)$", r"\1l\2", word)
    word = re.sub(r"(\w{3})ogue(s?)$", r"\1og\2", word)
    return re.sub(r"(\w{2})enc(e|es)$", r"\1ens\2", word.replace("aeo", "eo").replace("ae", "e"))
