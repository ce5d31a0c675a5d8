"""Values of unknown columns: what one looks like, and what the names of columns say."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from pipeline.ingestion.sources.image_folder import EXTENSIONS

ValueKind = Literal[
    "none", "number", "time", "picture", "address", "mail", "code", "json", "word", "words"
]
_NUMBER = re.compile(r"[-+]?[$€£¥]?\s?\d[\d\s.,'’]*\s?(%|[$€£¥]|[A-Za-z]{0,3})")
_TIME = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ]\d{1,2}:\d{2}.*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}( .*)?"
    r"|[A-Z][a-z]{2,8} \d{1,2}, \d{4}.*"
)
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]*://|www\.)\S+", re.IGNORECASE)
_MAIL = re.compile(r"\S+@\S+\.\w+")
_PICTURE = re.compile(
    r"[^\n]{1,400}(" + "|".join(re.escape(e) for e in sorted(EXTENSIONS)) + r")(\?\S*)?",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[^\W\d_]")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words in names of columns. Values of the first are numbers or codes and yet say what a thing is.
IDENTIFYING = _words(
    "zip postcode postal plz phone tel telephone mobile fax dob birth born birthday ssn soc sec "
    "vat iban isbn issn ean gtin upc mpn model modelno part street house volume pages year doi "
    "died death birthdate telefon strasse hausnummer geburtsdatum baujahr postleitzahl"
)
ID = _words(
    "id ids uuid guid key sku pk identifier nr no num number code ref reference handle asin "
    "recordid nummer index rowid"
)
TIME = _words(
    "date time timestamp created updated modified changed at on datum added when inserted lastmod "
    "zuletzt erstellt geaendert"
)
NEWEST = ("updated", "modified", "changed", "lastmod", "geaendert", "created", "added")
PICTURE = _words("image img picture photo pic thumbnail foto bild images photos")
TEXT = _words(
    "name title text description summary body content address street city town author authors "
    "brand manufacturer company firm subject headline comment abstract question answer artist "
    "album product item surname firstname lastname vorname nachname titel beschreibung "
    "bezeichnung ort hersteller venue publisher suburb occupation email"
)
# What sorts records, or says where they are from: never what they are.
SORTING = _words(
    "source src dataset task split cluster group status priority language lang country type "
    "category class kind label state gender version resolution currency unit license"
)
NAME_WORDS = frozenset.union(
    IDENTIFYING,
    ID,
    TIME,
    PICTURE,
    TEXT,
    SORTING,
    _words("price cost amount quantity url link value count weight height width size color colour"),
)


@lru_cache(maxsize=4096)
def name_words(name: str) -> tuple[str, ...]:
    """The words of a column's name, in lower case: `streetNumber`, `street_number`, `Street No.`"""
    parts = re.sub(r"([a-zß-ÿ])([A-Z])", r"\1 \2", name)
    return tuple(re.findall(r"[^\W\d_]+", parts.casefold()))


def value_kind(value: str) -> ValueKind:
    """What a value looks like; text is `words`, or a single `word`."""
    value = value.strip()
    if not value:
        return "none"
    if value[0] in "{[" and value[-1] in "}]" and len(value) > 1:
        return "json"
    kinds: tuple[tuple[ValueKind, re.Pattern[str]], ...] = (
        ("picture", _PICTURE),
        ("address", _ADDRESS),
        ("mail", _MAIL),
        ("time", _TIME),
        ("number", _NUMBER),
    )
    for kind, pattern in kinds:
        if pattern.fullmatch(value):
            return kind
    if not any(blank in value for blank in " \t\n"):
        digits = sum(sign.isdigit() for sign in value)
        if digits or not _LETTERS.search(value) or len(value) > 40:
            return "code"
        return "word"
    return "words"
